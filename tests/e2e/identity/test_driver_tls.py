#!/usr/bin/env python3
"""The real gateway in front of scripted servers that speak TLS."""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
import uuid

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "spark")]
from authority import Authority, replace  # noqa: E402
from gateway import BINARY, Gateway, static_config  # noqa: E402
from processes import Process, wait_until  # noqa: E402


class DriverTls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sgw-driver-tls-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.authority = Authority(self.folder / "servers", "servers")
        self.ca = str(self.folder / "ca.crt")
        replace(self.ca, self.authority.certificate)

    def driver(self, *tls):
        """The address of a scripted server; with a certificate, a key and perhaps an authority it speaks TLS."""
        words = ["--tls", *tls] if tls else []
        driver = Process([os.environ["SGW_SCRIPTED_SERVER"], *words], str(self.folder / f"{uuid.uuid4()}.log"))
        self.addCleanup(driver.stop)
        return driver.wait_for_line(r"started at: (\S+)", 20).group(1)

    def serve(self, config):
        self.gateway = Gateway(config)
        self.addCleanup(self.gateway.close)

    def call(self):
        request = base_pb2.ConfigRequest(session_id=str(uuid.uuid4()))
        request.user_context.user_id = "alice"
        request.operation.get.keys.append("spark.x")
        with grpc.insecure_channel(self.gateway.address) as channel:
            try:
                base_pb2_grpc.SparkConnectServiceStub(channel).Config(request, timeout=30)
                return grpc.StatusCode.OK, ""
            except grpc.RpcError as error:
                return error.code(), error.details()

    def assert_served(self):
        answer = self.call()
        self.assertEqual(answer[0], grpc.StatusCode.OK, f"{answer[1]}\n{self.gateway.log_tail()}")

    def assert_not_trusted(self, reason):
        code, sentence = self.call()
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, sentence)
        self.assertIn("it and the gateway do not trust each other (TLS); the gateway's log says why", sentence)
        self.assertNotIn(reason, sentence)
        self.assertIn(reason, self.gateway.log_tail())
        self.assertEqual(self.gateway.ask("endpoints")["endpoints"][0]["state"], "failing")

    def test_a_server_is_reached_by_tls_and_must_have_the_name(self):
        self.serve(static_config(self.driver(*self.authority.issue("IP:127.0.0.1")), upstream={"tls": {"ca": self.ca}}))
        self.assert_served()

    def test_a_server_with_another_name_is_not(self):
        self.serve(static_config(self.driver(*self.authority.issue("DNS:other.acme.com")), upstream={"tls": {"ca": self.ca}}))
        self.assert_not_trusted("IP address mismatch")

    def test_a_server_that_asks_for_a_certificate_gets_the_gateways(self):
        own = self.authority.issue("DNS:gateway.acme.com", common_name="gateway")
        driver = self.driver(*self.authority.issue("IP:127.0.0.1"), self.authority.certificate)
        self.serve(static_config(driver, upstream={"tls": {"ca": self.ca, "certificate": own[0], "key": own[1]}}))
        self.assert_served()

    def test_a_server_that_asks_for_a_certificate_in_vain_is_not_reached(self):
        driver = self.driver(*self.authority.issue("IP:127.0.0.1"), self.authority.certificate)
        self.serve(static_config(driver, upstream={"tls": {"ca": self.ca}}))
        # gRPC's server only ends the connection, as one does whose driver has died.
        code, sentence = self.call()
        self.assertEqual(code, grpc.StatusCode.UNAVAILABLE, sentence)
        self.assertIn("if it runs, does it want another certificate of ours?", sentence)
        self.assertIn("if it runs, does it want another certificate of ours?", self.gateway.log_tail())

    def test_a_server_that_speaks_no_http2_is_not_reached(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("IP:127.0.0.1"))
        listener = socket.create_server(("127.0.0.1", 0))

        def accept():
            with listener, context.wrap_socket(listener.accept()[0], server_side=True) as secure:
                secure.recv(1)

        server = threading.Thread(target=accept)
        server.start()
        self.addCleanup(server.join)
        self.serve(static_config(f"127.0.0.1:{listener.getsockname()[1]}", upstream={"tls": {"ca": self.ca}}))
        self.assert_not_trusted("it speaks no HTTP/2 (ALPN)")

    def test_an_authority_that_changes_is_taken_up(self):
        replace(self.ca, Authority(self.folder / "strangers", "strangers").certificate)
        self.serve(static_config(self.driver(*self.authority.issue("IP:127.0.0.1")), upstream={"tls": {"ca": self.ca}}))
        self.assert_not_trusted("unable to get local issuer certificate")
        replace(self.ca, self.authority.certificate)
        wait_until(lambda: self.call()[0] == grpc.StatusCode.OK, 20, "the authority to be known")
        self.assertIn("upstream: the changed TLS files are in use", self.gateway.log_tail())

    def test_a_file_of_servers_says_which_of_them_speak_tls_and_by_which_name(self):
        secret = self.driver(*self.authority.issue("DNS:driver.acme.com"))
        servers = self.folder / "servers.yaml"
        config = static_config("unused", upstream={"tls": {"ca": self.ca}})
        config["plugins"]["drivers"] = {"use": "discovery_file", "path": str(servers)}
        for server in ({"address": secret, "tls": True, "server_name": "driver.acme.com"}, {"address": self.driver(), "tls": False}):
            servers.write_text(json.dumps({"default": [server]}))
            self.serve(config)
            self.assert_served()

    def test_check_looks_at_the_files(self):
        path = self.folder / "gateway.yaml"

        def check(tls, *words):
            path.write_text(json.dumps({"listeners": [{"address": "127.0.0.1:0"}], **static_config("127.0.0.1:1", upstream={"tls": tls}),
                                        "admin": {"address": f"unix:{self.folder}/admin.sock"}}))
            return subprocess.run([BINARY, "check", *words, str(path)], capture_output=True, text=True, timeout=60)

        self.assertIn("upstream.tls needs 'ca'", check({}).stderr)
        self.assertIn("upstream.tls needs both 'certificate' and 'key'", check({"ca": self.ca, "key": self.ca}).stderr)
        self.assertIn("cannot use the certificate /nowhere: No such file", check({"ca": "/nowhere"}, "--deep").stderr)
        self.assertEqual(check({"ca": self.ca}, "--deep").returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
