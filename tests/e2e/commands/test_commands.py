#!/usr/bin/env python3
"""The gateway's commands, ports and signals, from outside, without Spark."""

import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
sys.path.insert(0, str(HERE.parent / "spark"))
from gateway import BINARY, Gateway, static_config  # noqa: E402
from processes import wait_until  # noqa: E402


def run(*words):
    return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60)


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Commands(unittest.TestCase):
    def test_every_command_says_how_it_is_used(self):
        self.assertRegex(run("--version").stdout, r"^spark-gateway \d+\.\d+\.\d+\n$")
        for words in (["--help"], ["serve", "--help"], ["check", "--help"], ["sessions", "--help"], ["pools", "--help"],
                      ["plugins", "--help"], ["endpoints", "--help"], ["config", "--help"], ["token", "--help"]):
            answer = run(*words)
            self.assertEqual(answer.returncode, 0, words)
            self.assertIn("spark-gateway", answer.stdout, words)

    def test_wrong_usage_is_two_and_no_gateway_is_one(self):
        for words in ([], ["sarve"], ["serve", "--nonsense"], ["check", "/nowhere.yaml"], ["serve", "-c", "/nowhere.yaml"],
                      ["sessions", "bogus"], ["token", "add"]):
            self.assertEqual(run(*words).returncode, 2, words)
        answer = run("sessions", "--admin", "unix:/nowhere.sock")
        self.assertEqual(answer.returncode, 1)
        self.assertIn("Is a gateway running", answer.stderr)

    def test_check_names_the_line_and_what_would_be_right(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            text = (ROOT / "configs/relay.yaml").read_text().replace("discovery: drivers", "discovery: driver")
            pathlib.Path(path).write_text(text)
            answer = run("check", path)
            self.assertEqual(answer.returncode, 2)
            self.assertRegex(answer.stderr, r"gateway\.yaml:\d+:\d+: pipeline\[0\]: no plugin 'driver' \(did you mean 'drivers'\?\)")

    def test_check_deep_looks_at_certificates(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            pathlib.Path(path).write_text((ROOT / "configs/static.yaml").read_text())
            pathlib.Path(folder, "tokens.yaml").write_text("")
            self.assertEqual(run("check", path).returncode, 0)
            answer = run("check", "--deep", path)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("cannot use the certificate", answer.stderr)

    def test_a_token_is_printed_once_and_its_hash_is_stored(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "tokens.yaml")
            answer = run("token", "add", "--file", path, "--subject", "ci", "--group", "ads", "--expires-in", "90d")
            self.assertEqual(answer.returncode, 0)
            token = answer.stdout.strip()
            self.assertRegex(token, r"^sgw_[A-Za-z0-9]{40}$")
            stored = pathlib.Path(path).read_text()
            self.assertNotIn(token, stored)
            self.assertRegex(stored, r'^- \{sha256: [0-9a-f]{64}, subject: "ci", groups: \["ads"\], expires: .*\}\n$')
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            pathlib.Path(path).write_text(stored.rstrip("\n"))  # As some editors save.
            self.assertEqual(run("token", "add", "--file", path, "--subject", "cd").returncode, 0)
            self.assertEqual([line[:10] for line in pathlib.Path(path).read_text().splitlines()], ["- {sha256:"] * 2)


class Serving(unittest.TestCase):
    def setUp(self):
        self.gateway = Gateway(static_config("127.0.0.1:1", plugins={
            "who": {"use": "auth_anonymous"},
            "drivers": {"use": "discovery_static", "namespaces": {"default": ["127.0.0.1:1"]}},
            "meters": {"use": "metrics_prometheus"}},
            pipeline=[{"auth": "who"}, {"discovery": "drivers"}, {"metrics": "meters"}]))
        self.addCleanup(self.gateway.close)

    def test_probes_and_metrics_answer(self):
        self.assertEqual(get(self.gateway.http, "/healthz"), (200, "ok\n"))
        self.assertEqual(get(self.gateway.http, "/readyz?verbose"), (200, "ready\n"))
        code, page = get(self.gateway.http, "/metrics")
        self.assertEqual(code, 200)
        self.assertIn("spark_gateway_build_info{version=", page)
        self.assertEqual(get(self.gateway.http, "/nothing")[0], 404)

    def test_operators_see_plugins_sessions_endpoints_and_the_configuration(self):
        names = {plugin["instance"] for plugin in self.gateway.ask("plugins")["plugins"]}
        self.assertEqual(names, {"who", "drivers", "meters"})
        self.assertEqual(self.gateway.ask("sessions")["sessions"], [])
        self.assertEqual(self.gateway.ask("pools")["pools"], [])
        discoveries = self.gateway.ask("endpoints")["discoveries"]
        self.assertIn("127.0.0.1:1", discoveries[0]["json"])
        config = self.gateway.ask("config")
        self.assertEqual(config["sessions"]["share"], "user")
        self.assertEqual(config["drain"]["timeout"], "1s")
        ended = run("sessions", "end", "00112233-4455-6677-8899-aabbccddeeff", "--admin",
                    f"unix:{self.gateway.folder}/admin.sock")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("there is no session", ended.stderr)

    def test_only_its_owner_may_use_the_admin_socket(self):
        mode = os.stat(f"{self.gateway.folder}/admin.sock").st_mode
        self.assertEqual(stat.S_IMODE(mode) & 0o077, 0)

    def test_a_browser_is_told_what_the_port_is(self):
        host, port = self.gateway.address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = b""
            while chunk := client.recv(4096):
                answer += chunk
        self.assertTrue(answer.startswith(b"HTTP/1.1 505 "))
        self.assertIn(b"speaks gRPC over HTTP/2", answer)

    def test_sigterm_is_an_orderly_end(self):
        self.assertEqual(self.gateway.stop(signal.SIGTERM), 0)

    def test_sigint_is_an_orderly_end(self):
        self.assertEqual(self.gateway.stop(signal.SIGINT), 0)

    def test_a_taken_port_is_named(self):
        path = os.path.join(self.gateway.folder, "second.yaml")
        config = static_config("127.0.0.1:1", listeners=[{"address": self.gateway.address}],
                               admin={"address": f"unix:{self.gateway.folder}/second.sock", "http": ""})
        pathlib.Path(path).write_text(json.dumps(config))
        answer = run("serve", "--config", path)
        self.assertEqual(answer.returncode, 1)
        self.assertIn(f"cannot listen on {self.gateway.address}: Address already in use", answer.stderr)


class Configurations(unittest.TestCase):
    """Each configuration of the tree starts as it stands, but for its ports."""

    def start(self, name, prepare=lambda folder: None):
        folder = tempfile.TemporaryDirectory(prefix="sgw-config-")
        self.addCleanup(folder.cleanup)
        text = (ROOT / "configs" / name).read_text()
        text = re.sub(r'(address: "?|http: "?)([^:"\s]+):(15002|9090)', r"\1\2:0", text)
        text = text.replace("../.local/run", folder.name).replace("../tools/", f"{ROOT}/tools/")
        path = os.path.join(folder.name, name)
        pathlib.Path(path).write_text(text)
        prepare(folder.name)
        ports = os.path.join(folder.name, "ports.json")
        log = open(os.path.join(folder.name, "gateway.log"), "w+", encoding="utf-8")
        self.addCleanup(log.close)
        process = subprocess.Popen([BINARY, "serve", "--config", path, "--ports-file", ports], stdout=log, stderr=log)
        self.addCleanup(process.wait, 60)
        self.addCleanup(process.terminate)

        def has_ports():
            self.assertIsNone(process.poll(), pathlib.Path(log.name).read_text())
            return os.path.exists(ports)

        wait_until(has_ports, 30, f"{name} to serve")
        http = json.loads(pathlib.Path(ports).read_text())["http"]
        self.assertEqual(get(http, "/readyz")[0], 200)
        process.terminate()
        self.assertEqual(process.wait(60), 0)

    def test_relay(self):
        self.start("relay.yaml")

    def test_local(self):
        self.start("local.yaml")

    def test_static(self):
        def prepare(folder):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                            "-subj", "/CN=localhost", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt"],
                           check=True, capture_output=True)
            subprocess.run([BINARY, "token", "add", "--file", f"{folder}/tokens.yaml", "--subject", "ci"], check=True,
                           capture_output=True)
            # The test stays on this machine.
            path = pathlib.Path(folder, "static.yaml")
            path.write_text(path.read_text().replace("0.0.0.0:", "127.0.0.1:"))
        self.start("static.yaml", prepare)


if __name__ == "__main__":
    unittest.main(verbosity=2)
