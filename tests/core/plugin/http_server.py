"""Runs a program beside real HTTP(S) servers: http_server.py PROGRAM [ARGUMENT]...

The program's environment says where they are, all on 127.0.0.1, and where the files are:

    SGW_HTTP       port of a server without TLS; it is also a proxy, for CONNECT and for http:// in the request line
    SGW_HTTPS      port of one with TLS, that asks for a client certificate
    SGW_STRICT     port of one that refuses who has no client certificate
    SGW_MISNAMED   port of one whose certificate is for another name
    SGW_CLOSED     port that refuses connections
    SGW_CA, SGW_OTHER_CA       authorities: the servers' own, and one of which they know nothing
    SGW_ALICE, SGW_BOB         client certificates; their keys are in the files of the same names with .key for .crt
"""

import collections
import http.server
import os
import pathlib
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "e2e/identity"))
from authority import Authority  # noqa: E402

PATIENCE = 30  # seconds, for what must happen
PIECES, PIECE = 256, 65536  # of /stream

changed = threading.Condition()  # guards the following
waiting = collections.Counter()  # by name: requests for /held/NAME without an answer
released = set()
written = collections.Counter()  # by name: bytes of /stream/NAME
tunnels = set()  # ports from which the proxy connected to servers


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve(self):
        _, what, *words = self.path.partition("?")[0].split("/")
        if self.path.startswith("http://"):
            what = "echo"  # as a proxy, it answers for all servers
        getattr(self, what)(*words)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def answer(self, body, status=200, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), "X-Peer-Port": self.client_address[1], **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def echo(self, *_):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        names = dict(pair for part in certificate["subject"] for pair in part) if certificate else {}
        self.answer(f"{self.requestline}\n{self.headers}".encode() + body, X_Client=names.get("commonName", "nobody"))

    def status(self, status):
        self.answer(b"as you wish", int(status), Location="/echo")

    def sized(self, count):
        self.answer(b"x" * int(count))

    def chunked(self, count):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"".join(b"1\r\nx\r\n" for _ in range(int(count))) + b"0\r\n\r\n")

    def cut(self):
        self.send_response(200)
        self.send_header("Content-Length", "100")
        self.end_headers()
        self.wfile.write(b"x" * 50)
        self.close_connection = True

    def held(self, name):
        with changed:
            waiting[name] += 1
            changed.notify_all()
            changed.wait_for(lambda: name in released, PATIENCE)
        try:
            self.answer(b"at last")
        finally:
            with changed:
                waiting[name] -= 1
                changed.notify_all()

    def holding(self, name, count):
        with changed:
            is_so = changed.wait_for(lambda: waiting[name] == int(count), PATIENCE)
        self.answer(b"", 200 if is_so else 504)

    def release(self, name):
        with changed:
            released.add(name)
            changed.notify_all()
            is_so = changed.wait_for(lambda: waiting[name] == 0, PATIENCE)
        self.answer(b"", 200 if is_so else 504)

    def stream(self, name):
        self.send_response(200)
        self.send_header("Content-Length", str(PIECES * PIECE))
        self.end_headers()
        for i in range(PIECES):
            self.wfile.write(bytes([ord("a") + i % 26]) * PIECE)
            written[name] += PIECE

    def stalled(self, name):
        """Answers when nothing has been written for a while."""
        before = 0
        while written[name] == 0 or written[name] != before:
            before = written[name]
            time.sleep(0.2)
        self.answer(str(before).encode())

    def do_CONNECT(self):
        self.close_connection = True
        host, _, port = self.path.rpartition(":")
        try:
            server = socket.create_connection((host, int(port)), timeout=PATIENCE)
        except OSError:
            return self.answer(b"no such server", 502)
        tunnels.add(server.getsockname()[1])
        self.send_response(200)
        self.end_headers()
        while ready := select.select([self.connection, server], [], [])[0]:
            for end in ready:
                data = end.recv(PIECE)
                if not data:
                    return server.close()
                (server if end is self.connection else self.connection).sendall(data)

    def tunnelled(self, port):
        self.answer(b"", 200 if int(port) in tunnels else 404)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

    def __init__(self, certificate=None, authority=None, verify=ssl.CERT_NONE):
        super().__init__(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            context.verify_mode = verify
            if authority:
                context.load_verify_locations(authority)
            # The handshake is made by the thread of the connection, when it first reads.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.port = str(self.server_address[1])

    def handle_error(self, *_):
        pass  # clients leave, and are refused: that is what the program is about


def main(program):
    with tempfile.TemporaryDirectory(prefix="sgw-test-") as folder, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # it never listens
        authority = Authority(f"{folder}/own")
        own = authority.issue("IP:127.0.0.1")
        environment = {
            "SGW_HTTP": Server().port,
            "SGW_HTTPS": Server(own, authority.certificate, ssl.CERT_OPTIONAL).port,
            "SGW_STRICT": Server(own, authority.certificate, ssl.CERT_REQUIRED).port,
            "SGW_MISNAMED": Server(authority.issue("DNS:other.example")).port,
            "SGW_CLOSED": str(closed.getsockname()[1]),
            "SGW_CA": authority.certificate,
            "SGW_OTHER_CA": Authority(f"{folder}/other").certificate,
            "SGW_ALICE": authority.issue("DNS:alice.example", "alice")[0],
            "SGW_BOB": authority.issue("DNS:bob.example", "bob")[0],
        }
        return subprocess.run(program, env={**os.environ, **environment}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
