"""An OpenID provider as far as the gateway asks one: a set with one RSA key, served on loopback, and a token signed with it."""

import base64
import http.server
import json
import pathlib
import subprocess
import threading
import time


class Provider:
    def __init__(self, folder):
        self._key = pathlib.Path(folder) / "provider.key"
        subprocess.run(["openssl", "genrsa", "-out", self._key, "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", self._key, "-noout", "-modulus"], check=True, capture_output=True, text=True)
        number = bytes.fromhex(modulus.stdout.strip().partition("=")[2])
        key_set = {"keys": [{"kty": "RSA", "kid": "bench", "alg": "RS256", "n": _base64(number), "e": "AQAB"}]}
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _answering(json.dumps(key_set).encode()))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"

    def token(self):
        """About 1.2 KB, as tokens with a person's groups are."""
        claims = {"iss": self.issuer, "aud": "bench", "sub": "ci", "iat": int(time.time()), "exp": int(time.time()) + 86400,
                  "groups": ["ads", *(f"a-group-of-people-{number:02}" for number in range(22))]}
        signed = f"{_json({'alg': 'RS256', 'kid': 'bench', 'typ': 'at+jwt'})}.{_json(claims)}"
        signature = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self._key], input=signed.encode(), check=True,
                                   capture_output=True).stdout
        return f"{signed}.{_base64(signature)}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def _answering(content):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass
    return Handler


def _json(value):
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
