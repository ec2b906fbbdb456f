#!/usr/bin/env python3
"""Callers with certificates, through the real gateway, whose own and whose authorities change while it runs."""

import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
import urllib.request
import uuid

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "spark")]
from authority import Authority, replace  # noqa: E402
from callers import config_call  # noqa: E402
from gateway import BINARY, Gateway  # noqa: E402
from processes import Process, wait_until  # noqa: E402

SERVER = "DNS:localhost,IP:127.0.0.1"


class Mtls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sgw-mtls-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        driver = Process([os.environ["SGW_SCRIPTED_SERVER"]], str(self.folder / "driver.log"))
        self.addCleanup(driver.stop)
        self.driver = driver.wait_for_line(r"started at: (\S+)", 20).group(1)
        self.servers = Authority(self.folder / "servers", "servers")
        self.clients = Authority(self.folder / "clients", "clients")
        self.paths = {name: str(self.folder / name) for name in ("tls.crt", "tls.key", "ca.crt", "ca.crl")}
        self.install(*self.servers.issue(SERVER))
        replace(self.paths["ca.crt"], self.clients.certificate)
        replace(self.paths["ca.crl"], self.clients.revocation_list())

    def install(self, certificate, key):
        replace(self.paths["tls.crt"], certificate)
        replace(self.paths["tls.key"], key)

    def serve(self, mode="required"):
        client = {"ca": self.paths["ca.crt"], "crl": self.paths["ca.crl"], "mode": mode}
        self.gateway = Gateway({
            "listeners": [{"address": "127.0.0.1:0", "name": "mtls",
                           "tls": {"certificate": self.paths["tls.crt"], "key": self.paths["tls.key"], "client": client}}],
            "plugins": {"workloads": {"use": "auth_mtls", "groups": {"etl": ["spiffe://acme.com/etl"]}},
                        "drivers": {"use": "discovery_static", "namespaces": {"default": [self.driver]}},
                        "trail": {"use": "audit_jsonl", "path": str(self.folder / "audit.jsonl")},
                        "meters": {"use": "metrics_prometheus"}},
            "pipeline": [{"auth": "workloads"}, {"discovery": "drivers"}, {"audit": "trail"}, {"metrics": "meters"}]})
        self.addCleanup(self.gateway.close)
        self.address = self.gateway.addresses[1]

    def workload(self, name="etl"):
        return self.clients.issue(f"URI:spiffe://acme.com/{name}", common_name=name)

    def channel(self, own=None):
        """A channel of its own connection, with a certificate or without."""
        pair = [pathlib.Path(path).read_bytes() for path in own] if own else [None, None]
        credentials = grpc.ssl_channel_credentials(pathlib.Path(self.servers.certificate).read_bytes(), pair[1], pair[0])
        channel = grpc.secure_channel(self.address, credentials, [("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def assert_code(self, code, answer):
        self.assertEqual(answer[0], code, f"{answer[1]}\n{self.gateway.log_tail()}")

    def stream(self, channel):
        """An execution of three slow responses, of which the first has come."""
        request = base_pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
        request.plan.root.range.end = 1
        request.plan.root.range.step = 1
        stream = base_pb2_grpc.SparkConnectServiceStub(channel).ExecutePlan(
            request, metadata=[("x-script", "responses=3; pause=1500ms")], timeout=60)
        next(stream)
        return stream

    def logged(self, part, times=1):
        wait_until(lambda: self.gateway.log_tail(1000).count(part) >= times, 20, f"{part!r} in the log")
        return self.gateway.log_tail(1000).count(part)

    def metrics(self):
        with urllib.request.urlopen(f"http://{self.gateway.http}/metrics", timeout=20) as page:
            return page.read().decode()

    def test_a_certificate_says_who_calls_and_without_one_nobody_does(self):
        self.serve()
        self.assert_code(grpc.StatusCode.OK, config_call(self.channel(self.workload())))
        strangers = Authority(self.folder / "strangers", "strangers")
        for own in (None, strangers.issue("URI:spiffe://acme.com/etl"), self.clients.issue("URI:spiffe://acme.com/etl", days=-1)):
            self.assert_code(grpc.StatusCode.UNAVAILABLE, config_call(self.channel(own)))
        self.logged("client_certificate: clients come without a certificate")
        self.assertIn('spark_gateway_connection_incidents_total{reason="client_certificate"}', self.metrics())
        self.gateway.stop()
        records = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]
        opened = [(one["subject"], one["groups"]) for one in records if one["event"] == "session_opened"]
        self.assertEqual(opened, [("spiffe://acme.com/etl", ["etl"])])

    def test_where_it_is_optional_a_caller_without_one_is_the_next_steps(self):
        self.serve("optional")
        self.assert_code(grpc.StatusCode.OK, config_call(self.channel(self.workload())))
        self.assert_code(grpc.StatusCode.UNAUTHENTICATED, config_call(self.channel()))

    def test_a_revoked_certificate_is_refused_on_an_open_connection_and_running_streams_go_on(self):
        self.serve()
        bad, good = self.workload("bad"), self.workload("good")
        revoked, other = self.channel(bad), self.channel(good)
        self.assert_code(grpc.StatusCode.OK, config_call(revoked))
        self.assert_code(grpc.StatusCode.OK, config_call(other))
        stream = self.stream(revoked)
        replace(self.paths["ca.crl"], self.clients.revocation_list(bad[0]))
        self.logged("mtls: the changed TLS files are in use")
        code, sentence = config_call(revoked)
        self.assertEqual(code, grpc.StatusCode.UNAUTHENTICATED, sentence)
        self.assertIn("Your certificate is not accepted any more (certificate revoked).", sentence)
        self.assertEqual(len(list(stream)), 3, "the rest: two responses and ResultComplete")
        self.assert_code(grpc.StatusCode.UNAVAILABLE, config_call(revoked))  # A new connection, refused.
        self.assert_code(grpc.StatusCode.OK, config_call(other))
        self.assert_code(grpc.StatusCode.OK, config_call(self.channel(good)))

    def test_another_authority_ends_old_connections_and_lets_in_its_own(self):
        self.serve()
        old = self.channel(self.workload())
        self.assert_code(grpc.StatusCode.OK, config_call(old))
        successors = Authority(self.folder / "successors", "successors")
        # A list of the old authority is none of the new one's: first both, as a rotation does.
        both = self.folder / "both.crl"
        both.write_text(pathlib.Path(self.clients.revocation_list()).read_text()
                        + pathlib.Path(successors.revocation_list()).read_text())
        replace(self.paths["ca.crl"], both)
        self.logged("mtls: the changed TLS files are in use", 1)
        self.assert_code(grpc.StatusCode.OK, config_call(old))
        replace(self.paths["ca.crt"], successors.certificate)
        self.logged("mtls: the changed TLS files are in use", 2)
        code, sentence = config_call(old)
        self.assertEqual(code, grpc.StatusCode.UNAUTHENTICATED, sentence)
        self.assertIn("Connect again with one that is.", sentence)
        self.assert_code(grpc.StatusCode.OK, config_call(self.channel(successors.issue("URI:spiffe://acme.com/etl"))))

    def test_a_renewed_certificate_is_taken_up_while_a_stream_runs(self):
        self.serve()
        old, channel = self.presented(), self.channel(self.workload())
        stream = self.stream(channel)
        certificate, key = self.servers.issue(SERVER)
        replace(self.paths["tls.crt"], certificate)
        self.logged("does not belong to the certificate")
        self.assertIn('spark_gateway_tls_stale{name="mtls"} 1', self.metrics())
        self.assertEqual(self.presented(), old, "the earlier pair stays until both have changed")
        replace(self.paths["tls.key"], key)
        self.logged("mtls: the changed TLS files are in use")
        self.assertNotEqual(self.presented(), old)
        self.assertIn('spark_gateway_tls_stale{name="mtls"} 0', self.metrics())
        self.assertEqual(len(list(stream)), 3)
        self.assert_code(grpc.StatusCode.OK, config_call(channel))

    def presented(self):
        own = self.workload()
        context = ssl.create_default_context(cafile=self.servers.certificate)
        context.load_cert_chain(*own)
        host, port = self.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), 20) as plain, \
                context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert(True)

    def test_broken_files_keep_the_last_good_ones_and_say_so_once(self):
        self.serve()
        nonsense = self.folder / "nonsense"
        for round_number, text in enumerate(("one\n", "two\n", "three\n"), 1):
            nonsense.write_text(text)
            replace(self.paths["ca.crl"], nonsense)
            wait_until(lambda: f'result="broken"}} {round_number}' in self.metrics(), 20, "the file to be read")
        self.assertEqual(self.logged("cannot use the revocation list"), 1)
        self.assert_code(grpc.StatusCode.OK, config_call(self.channel(self.workload())))
        replace(self.paths["ca.crl"], self.clients.revocation_list())
        self.logged("mtls: the changed TLS files are in use")

    def check(self, tls, *words):
        config = self.folder / "gateway.yaml"
        config.write_text(json.dumps({
            "listeners": [{"address": "127.0.0.1:0", "tls": tls}],
            "plugins": {"workloads": {"use": "auth_mtls"},
                        "drivers": {"use": "discovery_static", "namespaces": {"default": ["127.0.0.1:1"]}}},
            "pipeline": [{"auth": "workloads"}, {"discovery": "drivers"}],
            "admin": {"address": f"unix:{self.folder}/admin.sock"}}))
        return subprocess.run([BINARY, "check", *words, str(config)], capture_output=True, text=True, timeout=60)

    def test_check_says_what_would_not_work(self):
        pair = {"certificate": self.paths["tls.crt"], "key": self.paths["tls.key"]}
        answer = self.check(pair)
        self.assertEqual(answer.returncode, 2)
        self.assertIn("'workloads' (auth_mtls) knows clients by their certificates, and no listener asks for one; give a listener "
                      "`tls: {client: {ca: FILE}}`", answer.stderr)
        answer = self.check({**pair, "client": {"crl": self.paths["ca.crl"]}})
        self.assertIn("listeners[0].tls.client needs 'ca'", answer.stderr)
        answer = self.check({**pair, "min_version": "1.1"})
        self.assertIn("listeners[0].tls.min_version must be 1.2 or 1.3, not '1.1'", answer.stderr)
        good = {**pair, "client": {"ca": self.paths["ca.crt"], "crl": self.paths["ca.crl"], "mode": "optional"}}
        answer = self.check(good, "--deep")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        other_key = self.servers.issue(SERVER)[1]
        for wrong, part in (({**good, "key": other_key}, f"the key {other_key} does not belong to the certificate"),
                            ({**good, "client": {"ca": self.paths["tls.key"]}}, "cannot use the certificate"),
                            ({**good, "client": {"ca": self.paths["ca.crt"], "crl": self.paths["ca.crt"]}},
                             "cannot use the revocation list")):
            answer = self.check(wrong, "--deep")
            self.assertEqual(answer.returncode, 2, part)
            self.assertIn(part, answer.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
