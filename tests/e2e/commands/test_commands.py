#!/usr/bin/env python3
"""The gateway's commands, ports and signals, from outside, without Spark."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest
import uuid

from commands import BINARY, ROOT, get, make_certificate, run
import canary
from gateway import IS_SANITIZED, Gateway, static_config
from processes import Process, wait_until


class Commands(unittest.TestCase):
    def test_every_command_says_how_it_is_used(self):
        self.assertRegex(run("--version").stdout, r"^spark-gateway \d+\.\d+\.\d+\n$")
        for words in (["--help"], ["serve", "--help"], ["check", "--help"], ["sessions", "--help"], ["pools", "--help"],
                      ["plugins", "--help"], ["endpoints", "--help"], ["config", "--help"], ["token", "--help"]):
            answer = run(*words)
            self.assertEqual(answer.returncode, 0, words)
            self.assertIn("spark-gateway", answer.stdout, words)
            if words[0] != "--help":
                self.assertEqual(run(words[0], "--version").stdout, run("--version").stdout)
        self.assertIn("sessions end ID", run("sessions", "--help").stdout)

    def test_wrong_usage_is_two_and_no_gateway_is_one(self):
        for words in ([], ["sarve"], ["serve", "--nonsense"], ["check", "/nowhere.yaml"], ["serve", "-c", "/nowhere.yaml"],
                      ["sessions", "bogus"], ["sessions", "--admin", "foo"], ["pools", "--admin", ""], ["token", "add"], ["token", "add", "--file", "x", "--subject", "y", "--expires-in", "0"]):
            self.assertEqual(run(*words).returncode, 2, words)

    def test_serving_without_a_file_says_how_to(self):
        if os.path.exists("/etc/spark-gateway/gateway.yaml"):
            self.skipTest("this machine has one")
        answer = run("serve")
        self.assertEqual(answer.returncode, 2)
        self.assertIn("serve --to HOST:PORT", answer.stderr)

    def test_a_gateway_that_does_not_run_is_said_with_what_to_do(self):
        for words in (["sessions"], ["plugins"], ["pools"], ["endpoints"], ["config"], ["sessions", "--json"],
                      ["sessions", "end", "x"]):
            answer = run(*words, "--admin", "unix:/nowhere.sock")
            self.assertEqual(answer.returncode, 1, words)
            self.assertEqual(answer.stdout, "", words)
            self.assertIn("no gateway answers at unix:/nowhere.sock", answer.stderr)
            self.assertIn("Name its address with --admin, or its configuration with --config.", answer.stderr)

    def test_wrong_words_are_told_what_is_right(self):
        for words, part in ((["sessions", "bogus"], "write `sessions end ID`"),
                            (["sessions", "end"], "write `sessions end ID`"),
                            (["sessions", "end", "a", "b"], "what is 'b'?"),
                            (["plugins", "x"], "what is 'x'?"),
                            (["serve", "x"], "what is 'x'?"),
                            (["serve", "--to", "a:1", "--config", "x"], "either --to or --config"),
                            (["check", "a", "b"], "what is 'b'?"),
                            (["token"], "there is only `token add`"),
                            (["token", "add", "--file", "x"], "it needs --file and --subject"),
                            (["serve", "--to", "nowhere"], "the port is missing"),
                            (["serve", "--to", 'a"], x: ["b:1'], "the host is no name"),
                            (["sarve"], "there is no command 'sarve'")):
            answer = run(*words)
            self.assertEqual(answer.returncode, 2, words)
            self.assertIn(part, answer.stderr, words)

    def test_check_names_the_line_and_what_would_be_right(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            text = (ROOT / "configs/relay.yaml").read_text().replace("discovery: drivers", "discovery: driver")
            pathlib.Path(path).write_text(text)
            answer = run("check", path)
            self.assertEqual(answer.returncode, 2)
            self.assertRegex(answer.stderr, r"gateway\.yaml:\d+:\d+: pipeline\[0\]: no plugin 'driver' \(did you mean 'drivers'\?\)")

    def check(self, text, *words, folder=None):
        """The answer of `check` to a text."""
        with tempfile.TemporaryDirectory() as own:
            path = pathlib.Path(folder or own, "gateway.yaml")
            path.write_text(text)
            return run("check", *words, str(path))

    def test_settings_of_plugins_are_wrong_in_the_same_go(self):
        answer = self.check("""listeners: [{address: "127.0.0.1:0", opn: true}]
plugins:
  who: {use: auth_anonymous, subjekt: me}
  drivers: {use: discovery-statik, namespaces: {default: ["127.0.0.1:1"]}}
  meters: {use: metrics-prometheus, port: 3}
pipeline:
  - auth: who
  - discovery: drivers
    hold: 3 s
  - router: meters
""")
        self.assertEqual(answer.returncode, 2)
        for part in ("listeners[0] has no key 'opn' (did you mean 'open'?)",
                     "plugins.who has no setting 'subjekt' (did you mean 'subject'?)",
                     "no plugin 'discovery-statik'", "(did you mean 'discovery_static'?)",
                     "plugins.meters has no setting 'port'",
                     "pipeline[1].hold must be a duration such as 250ms, 25s, 30m or 24h, from 1ms to 1h, not '3 s'",
                     "pipeline[2]: the router comes before the steps that it routes to",
                     "'meters' is a plugin of the kind metrics"):
            self.assertIn(part, answer.stderr)

    def test_check_takes_a_pipe(self):
        answer = subprocess.run([BINARY, "check", "/dev/stdin"], input=(ROOT / "configs/relay.yaml").read_text(),
                                capture_output=True, text=True, timeout=60)
        self.assertEqual((answer.returncode, answer.stdout), (0, "/dev/stdin: good\n"))

    def test_check_deep_creates_every_plugin_and_never_listens(self):
        with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as other, tempfile.TemporaryDirectory() as folder:
            port, http = (one.getsockname()[1] for one in (taken, other))
            text = (ROOT / "configs/local.yaml").read_text()
            text = text.replace("../.local/run", folder).replace("../tools", str(ROOT / "tools")).replace("15002", str(port)).replace("9090", str(http))
            answer = self.check(text, "--deep", folder=folder)
            self.assertEqual((answer.returncode, answer.stderr), (0, ""))
            self.assertEqual(sorted(os.listdir(folder)), ["gateway.yaml"])
            wrong = text.replace("use: router_headers,", 'use: router_headers, namespace: "{nobody}",')
            self.assertEqual(self.check(wrong, folder=folder).returncode, 0)
            answer = self.check(wrong, "--deep", folder=folder)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("{nobody}", answer.stderr)

    def test_check_deep_says_what_cannot_be_read_or_written(self):
        with tempfile.TemporaryDirectory() as folder:
            text = (ROOT / "configs/static.yaml").read_text().replace("sessions.journal", "gateway.yaml/journal")
            text = text.replace("unix:admin.sock", "unix:a.key/admin.sock")
            make_certificate(folder, "a")
            make_certificate(folder, "b")
            answer = self.check(text.replace("tls.crt", "a.crt").replace("tls.key", "b.key"), "--deep", folder=folder)
            self.assertEqual(answer.returncode, 2)
            self.assertRegex(answer.stderr, r"gateway\.yaml:\d+:\d+: .*b\.key")
            self.assertIn(f"sessions.state: cannot write {folder}/gateway.yaml/journal", answer.stderr)
            self.assertIn(f"admin.address: cannot make a socket at {folder}/a.key/admin.sock", answer.stderr)

    def test_all_that_plugins_refuse_is_said_in_one_go_with_its_place_and_ends_serve_as_a_bad_configuration(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            pathlib.Path(path).write_text("""listeners:
  - address: 0.0.0.0:0
  - {address: "127.0.0.1:0", tls: {certificate: nowhere.crt, key: nowhere.key}}
plugins:
  anyone: {use: auth_anonymous}
  people: {use: auth_token, path: nowhere.yaml}
  tenants: {use: router_headers, namespace: "{foo}"}
  drivers:
    use: discovery_static
    namespaces: {a: ["127.0.0.1:1"], default: ["127.0.0.1"]}
  files: {use: discovery_file, path: "."}
pipeline: [{auth: [people, anyone]}, {router: tenants}, {discovery: [drivers, files]}]
sessions: {state: gateway.yaml/journal}
admin: {address: "unix:admin.sock", http: ""}
""")
            self.assertEqual(run("check", path).returncode, 0)
            said = [run("check", "--deep", path), run("serve", "--config", path)]
            self.assertEqual([answer.returncode for answer in said], [2, 2], said)
            self.assertEqual(said[0].stderr, said[1].stderr)
            expected = (r"3:5: cannot use the certificate .*nowhere\.crt", "5:3: .*auth_anonymous.* a listener can be reached",
                        rf"6:35: .*cannot read {folder}/nowhere\.yaml: No such file or directory", "7:45: .*'{foo}' gives no DNS",
                        "10:47: .*'127.0.0.1' is not host:port", r"11:38: .*cannot read .*: Is a directory",
                        "13:19: sessions.state: cannot write")
            lines = said[0].stderr.splitlines()
            self.assertEqual(len(lines), len(expected), lines)
            for line, wanted in zip(lines, expected):
                self.assertRegex(line, rf"^{re.escape(path)}:{wanted}")

    def test_check_deep_looks_for_what_plugins_need_and_makes_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            pathlib.Path(path).write_text("""listeners: [{address: "127.0.0.1:0"}]
plugins:
  people: {use: auth_oidc, issuer: "https://127.0.0.1:1", audiences: [a], ca_file: nowhere.pem}
  warm: {use: hot_pool_process, command: [no-such-program]}
  warmer: {use: hot_pool_process, command: ["true"], working_directory: nowhere}
  warmest: {use: hot_pool_process, command: ["true"], log_directory: gateway.yaml/log}
  fine: {use: hot_pool_process, command: ["true"], log_directory: logs/of/servers}
  trail: {use: audit_jsonl, path: nowhere/audit.jsonl}
pipeline: [{auth: people}, {hot-pool: [warm, warmer, warmest, fine], create: true}, {audit: trail}]
admin: {address: "unix:admin.sock", http: ""}
""")
            answer = run("check", "--deep", path)
            self.assertEqual(answer.returncode, 2)
            expected = ("3:.*: ca_file: cannot read .*/nowhere.pem: No such file or directory",
                        r"4:.*: command\[0\]: there is no program 'no-such-program'",
                        "5:.*: working_directory: there is no folder '.*/nowhere'",
                        "6:.*: log_directory: '.*/gateway.yaml/log' cannot be made or written",
                        "8:.*: path: cannot open .*/nowhere/audit.jsonl: No such file or directory")
            lines = answer.stderr.splitlines()
            self.assertEqual(len(lines), len(expected), lines)
            for line, wanted in zip(lines, expected):
                self.assertRegex(line, rf"^{re.escape(path)}:{wanted}")
            self.assertEqual(os.listdir(folder), ["gateway.yaml"])

    def test_check_deep_looks_at_certificates(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "gateway.yaml")
            pathlib.Path(path).write_text((ROOT / "configs/static.yaml").read_text())
            pathlib.Path(folder, "tokens.yaml").write_text("")
            self.assertEqual(run("check", path).returncode, 0)
            answer = run("check", "--deep", path)
            self.assertEqual(answer.returncode, 2)
            self.assertIn("cannot use the certificate", answer.stderr)

    def test_check_deep_doubts_a_folder_of_plugins_that_is_not_there(self):
        text = (ROOT / "configs/relay.yaml").read_text() + "plugin_directories: [nowhere]\n"
        line = text.count("\n")
        answer = self.check(text, "--deep")
        self.assertEqual(answer.returncode, 0)
        self.assertRegex(answer.stderr, rf"gateway\.yaml:{line}:21: warning: plugin_directories: there is no folder /.*/nowhere\n")
        self.assertNotIn("no folder", self.check(text).stderr)

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

    def test_a_token_is_added_to_a_token_file_and_to_nothing_else(self):
        entry = f"- {{sha256: {'a' * 64}, subject: alice}}\n"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "tokens.yaml")
            for text, said in ((b"hunter2\n", "1:1: a token file is a list of `- {sha256: ..., subject: ...}`, and this is none"),
                               ((ROOT / "configs/relay.yaml").read_bytes(), ": a token file is a list"),
                               (pathlib.Path(BINARY).read_bytes()[:4096], "1:1: a control character"),
                               ((entry + "- {sha256: 12}\n").encode(), "2:12: [1].sha256 must be the SHA-256"),
                               ((entry + "---\n").encode(), "2:1: here begins a second document"),
                               (f"[{entry[2:-1]}]\n".encode(), "2:1: a line `- {sha256: ..., subject: ...}` cannot stand here"),
                               ((" " + entry).encode(), "2:1: a line `- {sha256: ..., subject: ...}` cannot stand here")):
                path.write_bytes(text)
                answer = run("token", "add", "--file", str(path), "--subject", "ci")
                self.assertEqual((answer.returncode, answer.stdout), (2, ""), text)
                self.assertRegex(answer.stderr, f"(?m)^{re.escape(str(path))}:.*{re.escape(said)}")
                self.assertNotIn("hunter2", answer.stderr)
                self.assertEqual(path.read_bytes(), text)
            for name, why in ((folder, "Is a directory"), ("/dev/null", "it is not a regular file"),
                              (f"{folder}/none/tokens.yaml", "No such file or directory")):
                answer = run("token", "add", "--file", name, "--subject", "ci")
                self.assertEqual((answer.returncode, answer.stdout), (1, ""))
                self.assertIn(f"cannot write {name}: {why}", answer.stderr)
            self.assertEqual(run("token", "add", "--file", str(path), "--subject", b"\xff").returncode, 2)
            self.assertEqual(sorted(os.listdir(folder)), ["tokens.yaml"])

    def test_a_token_file_keeps_its_place_owner_and_mode(self):
        with tempfile.TemporaryDirectory() as folder:
            path, name = pathlib.Path(folder, "tokens.yaml"), pathlib.Path(folder, "name.yaml")
            path.write_text("# those of the team\n")
            path.chmod(0o640)
            if os.geteuid() == 0:
                os.chown(path, 1, 2)
            name.symlink_to("tokens.yaml")
            pathlib.Path(folder, "tokens.yaml.new").write_text("of one that did not come to its end")
            before = path.stat()
            self.assertEqual(run("token", "add", "--file", str(name), "--subject", "ci").returncode, 0)
            after = path.stat()
            self.assertEqual([(one.st_uid, one.st_gid, one.st_mode) for one in (before, after)],
                             [(before.st_uid, before.st_gid, stat.S_IFREG | 0o640)] * 2)
            self.assertTrue(name.is_symlink())
            self.assertRegex(path.read_text(), r"^# those of the team\n- \{sha256: .*\}\n$")
            self.assertEqual(sorted(os.listdir(folder)), ["name.yaml", "tokens.yaml"])

    def test_of_tokens_that_are_added_at_once_or_by_one_who_is_killed_none_is_lost(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "tokens.yaml")

            def add(subject):
                return subprocess.Popen([BINARY, "token", "add", "--file", str(path), "--subject", subject],
                                        stdout=subprocess.PIPE, text=True)

            added = set()
            for turn in range(10):
                killed = add(f"killed{turn}")
                others = [add(f"{turn}.{i}") for i in range(4)]
                time.sleep(turn * 0.002)
                killed.kill()
                tokens = [one.communicate(timeout=60)[0].strip() for one in [killed, *others]]
                self.assertEqual([one.returncode for one in others], [0] * 4)
                added |= {hashlib.sha256(token.encode()).hexdigest() for token in tokens if token}
                lines = path.read_text().splitlines()
                stored = {re.fullmatch(r'- \{sha256: ([0-9a-f]{64}), subject: "[a-z0-9.]+", groups: \[\]\}', line)[1] for line in lines}
                self.assertEqual(len(stored), len(lines))
                self.assertLessEqual(added, stored)


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
        self.assertEqual(names, {"who", "drivers", "meters", "canary_audit"})
        self.assertEqual(self.gateway.ask("sessions")["sessions"], [])
        self.assertEqual(self.gateway.ask("pools")["pools"], [])
        (discovery,) = self.gateway.ask("endpoints")["discoveries"]
        self.assertEqual(discovery, {"instance": "drivers", "state": {"namespaces": [
            {"namespace": "default", "endpoints": [{"address": "127.0.0.1:1", "incarnation": ""}]}]}})
        ended = run("sessions", "end", "00112233-4455-6677-8899-aabbccddeeff", "--admin",
                    f"unix:{self.gateway.folder}/admin.sock")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("there is no session", ended.stderr)

    def ask(self, *words):
        return run(*words, "--admin", f"unix:{self.gateway.folder}/admin.sock")

    def test_tables_are_aligned_and_whole(self):
        answer = self.ask("plugins")
        self.assertEqual(answer.returncode, 0)
        lines = answer.stdout.splitlines()
        self.assertEqual(lines[0].split(), ["INSTANCE", "KIND", "PLUGIN", "ABI", "STATE", "FILE"])
        column = lines[0].index("FILE")
        for line in lines[1:]:
            self.assertEqual(line[column - 2:column], "  ")
            self.assertTrue(line[column:].endswith(".so"), line)
        for command, first in (("sessions", ["SESSION", "REALM", "SUBJECT"]), ("pools", ["INSTANCE", "NAMESPACE", "ATTRIBUTES"])):
            lines = self.ask(command).stdout.splitlines()
            self.assertEqual((len(lines), lines[0].split()[:3]), (1, first), command)

    def test_servers_that_a_discovery_knows_are_shown_before_they_are_used(self):
        lines = [line.split() for line in self.ask("endpoints").stdout.splitlines()]
        self.assertEqual(lines, [["ADDRESS", "NAMESPACE", "SOURCE", "STATE", "CONNECTIONS", "STREAMS", "FAILURES", "LAST", "ERROR"],
                                 ["127.0.0.1:1", "default", "drivers", "unused", "0", "0", "0", "-"]])

    def test_who_asks_needs_nothing_of_the_configuration_but_the_address(self):
        path = pathlib.Path(self.gateway.folder, "other.yaml")
        path.write_text("""listeners: [{adress: x}]
plugins: {who: {use: auth_anonymous, subject: "${env:SGW_NOBODY_HAS_THIS}"}}
admin: {address: "unix:admin.sock", http: 3}
""")
        answer = run("plugins", "--config", str(path))
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        path.write_text("admin: {address: nowhere}\n")
        answer = run("plugins", "--config", str(path))
        self.assertEqual(answer.returncode, 2)
        self.assertIn(f"{path}:1:18: admin.address must be host:port", answer.stderr)

    def test_the_effective_configuration_is_one_again(self):
        config = json.loads(self.ask("config", "--json").stdout)
        self.assertEqual(config["sessions"]["share"], "user")
        self.assertEqual(config["drain"]["timeout"], "1s")
        self.assertEqual(config["plugins"]["who"]["allow_remote"], False)
        text = self.ask("config").stdout
        path = os.path.join(self.gateway.folder, "again.yaml")
        pathlib.Path(path).write_text(text)
        checked = run("check", path)
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.gateway.stop()
        ports = os.path.join(self.gateway.folder, "ports-again.json")
        with open(os.path.join(self.gateway.folder, "again.log"), "w", encoding="utf-8") as log:
            again = subprocess.Popen([BINARY, "serve", "-c", path, "--ports-file", ports], stderr=log)
        self.addCleanup(again.wait, 60)
        self.addCleanup(again.terminate)
        wait_until(lambda: os.path.exists(ports), 30, "the same gateway again")
        self.assertEqual(self.ask("config").stdout.split("\n", 1)[1], text.split("\n", 1)[1])

    def test_a_second_gateway_does_not_take_the_admin_socket(self):
        path = os.path.join(self.gateway.folder, "second.yaml")
        config = static_config("127.0.0.1:1", listeners=[{"address": "127.0.0.1:0"}],
                               admin={"address": f"unix:{self.gateway.folder}/admin.sock", "http": ""})
        pathlib.Path(path).write_text(json.dumps(config))
        answer = run("serve", "--config", path)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("belongs to a gateway that runs", answer.stderr)
        self.assertEqual(self.ask("plugins").returncode, 0)

    def test_a_killed_gateway_is_in_nobodys_way(self):
        self.gateway.stop(signal.SIGKILL)
        self.gateway.start()
        self.assertEqual(self.ask("plugins").returncode, 0)

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

    def test_a_draining_gateway_says_so_and_a_second_signal_ends_it_at_once(self):
        gateway = Gateway(static_config("127.0.0.1:1", drain={"delay": "10m"}))
        self.addCleanup(gateway.close)
        os.kill(gateway.pid, signal.SIGTERM)
        wait_until(lambda: get(gateway.http, "/readyz")[0] == 503, 20, "the gateway to drain")
        self.assertEqual(get(gateway.http, "/readyz?verbose")[1], "not ready\n- the gateway is draining\n")
        self.assertEqual(get(gateway.http, "/healthz")[0], 200)
        self.assertEqual(gateway.stop(signal.SIGINT), 1)

    def test_a_taken_port_is_named(self):
        path = os.path.join(self.gateway.folder, "second.yaml")
        config = static_config("127.0.0.1:1", listeners=[{"address": self.gateway.address}],
                               admin={"address": f"unix:{self.gateway.folder}/second.sock", "http": ""})
        pathlib.Path(path).write_text(json.dumps(config))
        answer = run("serve", "--config", path)
        self.assertEqual(answer.returncode, 1)
        self.assertIn(f"cannot listen on {self.gateway.address}: Address already in use", answer.stderr)


    def test_a_taken_admin_port_is_named_with_the_reason_and_in_json_every_line_of_the_log_is_json(self):
        path = os.path.join(self.gateway.folder, "second.yaml")
        config = static_config("127.0.0.1:1", listeners=[{"address": "127.0.0.1:0"}], log={"format": "json"},
                               admin={"address": self.gateway.http, "http": ""}, sessions={"max_age": "30m"})
        pathlib.Path(path).write_text(json.dumps(config))
        answer = run("serve", "--config", path)
        self.assertEqual(answer.returncode, 1)
        lines = [json.loads(line) for line in answer.stderr.splitlines()]
        self.assertEqual([line["level"] for line in lines], ["warning", "error"])
        self.assertIn("sessions.idle_timeout (1h) is more than sessions.max_age (30m)", lines[0]["message"])
        self.assertEqual(lines[1]["message"],
                         f"admin.address: cannot listen on {self.gateway.http}: Address already in use")

    def test_a_state_that_cannot_be_written_is_named(self):
        for state, part in (("/proc/state/sessions", "sessions.state"), (f"{self.gateway.folder}/gateway.yaml/x", "sessions.state")):
            path = os.path.join(self.gateway.folder, "state.yaml")
            config = static_config("127.0.0.1:1", listeners=[{"address": "127.0.0.1:0"}], sessions={"state": state},
                                   admin={"address": f"unix:{self.gateway.folder}/second.sock", "http": ""})
            pathlib.Path(path).write_text(json.dumps(config))
            answer = run("serve", "--config", path)
            self.assertEqual(answer.returncode, 2, answer.stderr)
            self.assertRegex(answer.stderr, r"state\.yaml:1:\d+: ")
            self.assertIn(part, answer.stderr)
            self.assertIn(state, answer.stderr)


class Secrets(unittest.TestCase):
    def test_no_command_shows_one(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "name.txt").write_text("hunter2-file\n")
            os.environ["SGW_TEST_NAME"] = "hunter2-env"
            self.addCleanup(os.environ.pop, "SGW_TEST_NAME")
            gateway = Gateway(static_config("127.0.0.1:1", plugins={
                "who": {"use": "auth_anonymous", "subject": "${file:name.txt}"},
                "unused": {"use": "auth_anonymous", "default_subject": "x${env:SGW_TEST_NAME}"},
                "drivers": {"use": "discovery_static", "namespaces": {"default": ["127.0.0.1:1"]}}}), folder=folder)
            self.addCleanup(gateway.close)
            shown = "".join(run("config", *words, "--admin", f"unix:{folder}/admin.sock").stdout for words in ([], ["--json"]))
            shown += gateway.log_tail(1000)
            self.assertNotIn("hunter2", shown)
            self.assertIn(f"${{file:{folder}/name.txt}}", shown)
            self.assertIn("<secret>", shown)
            gateway.stop()


    def test_no_complaint_of_a_plugin_shows_one(self):
        os.environ["SGW_TEST_NAME"] = "hunter2-env"
        self.addCleanup(os.environ.pop, "SGW_TEST_NAME")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "gateway.yaml")
            path.write_text("""listeners: [{address: "127.0.0.1:0"}]
plugins:
  anyone: {use: auth_anonymous}
  people: {use: auth_token, path: "${env:SGW_TEST_NAME}.yaml"}
  tenants: {use: router_headers, namespace: "${env:SGW_TEST_NAME}-{foo}"}
  drivers: {use: discovery_static, namespaces: {default: ["${env:SGW_TEST_NAME}"]}}
  trail: {use: audit_jsonl, path: trail.jsonl, on_full: "${env:SGW_TEST_NAME}"}
pipeline: [{auth: [people, anyone]}, {router: tenants}, {discovery: drivers}, {audit: trail}]
admin: {address: "unix:admin.sock", http: ""}
""")
            for words in (["check", "--deep", str(path)], ["serve", "--config", str(path)]):
                said = run(*words)
                self.assertEqual(said.returncode, 2)
                self.assertEqual(said.stderr.count("<secret>"), 4, said.stderr)
                self.assertNotIn("hunter2", said.stderr)

    def test_an_address_is_none_to_those_who_ask_for_servers(self):
        os.environ["SGW_TEST_NAME"] = "hunter2-env"
        self.addCleanup(os.environ.pop, "SGW_TEST_NAME")
        gateway = Gateway(static_config("${env:SGW_TEST_NAME}:1"))
        self.addCleanup(gateway.close)
        shown = json.dumps(gateway.ask("endpoints")) + gateway.log_tail(1000)
        self.assertIn("<secret>:1", shown)
        self.assertNotIn("hunter2", shown)
        self.assertEqual(gateway.stop(), 0)

    def test_one_that_is_shown_is_noticed(self):
        shown = canary.keep("hunter2-" + uuid.uuid4().hex)
        self.addCleanup(canary.forget, shown)
        for config in (static_config("127.0.0.1:1", plugins={
                "who": {"use": "auth_anonymous"}, "drivers": {"use": "discovery_static", "namespaces": {shown: []}}}),
                       static_config("127.0.0.1:1", listeners=[{"address": "127.0.0.1:0", "name": shown}])):
            gateway = Gateway(config)
            self.addCleanup(gateway.close)
            with self.assertRaisesRegex(AssertionError, "a secret that begins with 'hunter' stands in"):
                gateway.stop()
            canary.forget(shown)
            gateway.close()
            canary.keep(shown)


class ServeTo(unittest.TestCase):
    def test_it_needs_no_file_and_the_commands_find_it_beside_them(self):
        # Its two fixed ports may belong to somebody on this machine.
        with tempfile.TemporaryDirectory() as folder:
            ports = os.path.join(folder, "ports.json")
            with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
                process = subprocess.Popen([BINARY, "serve", "--to", "localhost:1", "--ports-file", ports], cwd=folder,
                                           stdout=log, stderr=log)
            self.addCleanup(process.wait, 60)
            self.addCleanup(process.kill)
            wait_until(lambda: os.path.exists(ports) or process.poll() is not None, 30, "serve --to")
            if process.poll() is not None:
                said = pathlib.Path(folder, "log").read_text()
                self.assertIn("Address already in use", said)
                self.assertIn("write a configuration", said)
                self.skipTest("the usual ports are taken")
            if not os.path.exists("/etc/spark-gateway/gateway.yaml") and not os.path.exists("/run/spark-gateway/admin.sock"):
                answer = subprocess.run([BINARY, "endpoints", "--json"], cwd=folder, capture_output=True, text=True, timeout=60)
                self.assertEqual(answer.returncode, 0, answer.stderr)
                state = json.loads(answer.stdout)["discoveries"][0]["state"]
                self.assertEqual(state["namespaces"][0]["endpoints"][0]["address"], "localhost:1")
            process.terminate()
            self.assertEqual(process.wait(60), 0)


def ill_config(how, **more):
    """A gateway whose plugin `trail` goes wrong in this way; see ill_plugin.cpp."""
    return static_config("127.0.0.1:1", plugins={
        "drivers": {"use": "discovery_static", "namespaces": {"default": ["127.0.0.1:1"]}},
        "trail": {"use": "audit_ill", "how": how}}, pipeline=[{"discovery": "drivers"}, {"audit": "trail"}], **more)


class IllPlugins(unittest.TestCase):
    def serve(self, how):
        """The process of `serve` that is not expected to serve, and its log."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = pathlib.Path(folder.name, "gateway.yaml")
        config = ill_config(how, listeners=[{"address": "127.0.0.1:0", "open": True}],
                            admin={"address": "unix:admin.sock", "http": ""})
        path.write_text(json.dumps(config))
        process = Process([BINARY, "serve", "--config", str(path)], f"{folder.name}/log")
        self.addCleanup(lambda: process.is_running() and process.stop(signal.SIGKILL))
        return process

    def test_a_plugin_that_hangs_does_not_keep_the_gateway_from_ending(self):
        busy = Gateway(ill_config("blocking work hangs"))
        self.addCleanup(busy.close)
        gateway = Gateway(ill_config("timer hangs"))
        self.addCleanup(gateway.close)
        wait_until(lambda: "this timer never returns" in gateway.log_tail(), 30, "the plugin to hang")
        with concurrent.futures.ThreadPoolExecutor() as ends:
            self.assertEqual(list(ends.map(lambda one: one.stop(seconds=90), (gateway, busy))), [1, 1])
        for one in (gateway, busy):
            self.assertIn("a plugin hangs, so the end is not an orderly one", one.log_tail())
        self.assertIn("'trail': work that it gave to the blocking threads does not end", busy.log_tail())

    def test_a_gateway_that_is_asked_to_end_while_it_starts_does(self):
        process = self.serve("start waits")
        process.wait_for_line("this start never ends", 30)
        self.assertEqual(process.stop(signal.SIGTERM, 30), 0)
        self.assertIn("SIGTERM: ending before it served", process.log())
        self.assertNotIn("listening", process.log())

    def test_one_that_ends_the_process_is_not_good(self):
        for how, said in (("exit", "exit() was called inside a plugin: "), ("quick exit", "creating the plugins ended")):
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "gateway.yaml")
                path.write_text(json.dumps(ill_config(how, listeners=[{"address": "127.0.0.1:0", "open": True}],
                                                      admin={"address": "unix:admin.sock", "http": ""})))
                answer = run("check", "--deep", str(path))
                self.assertEqual((answer.returncode, answer.stdout), (2, ""), how)
                self.assertIn(said, answer.stderr)
                self.assertIn("creating the plugins ended their process: one of them exits", answer.stderr)
        self.assertEqual(self.exit_code_of("exit"), 1)

    def exit_code_of(self, how):
        process = self.serve(how)
        wait_until(lambda: not process.is_running(), 30, "the end of the start")
        return process.stop()

    @unittest.skipIf(IS_SANITIZED, "a sanitizer says it in its own words")
    def test_one_that_has_used_up_its_stack_is_named(self):
        process = self.serve("timer recurses")
        wait_until(lambda: not process.is_running(), 30, "the end of the gateway")
        self.assertRegex(process.log(), r"spark-gateway: crashed inside a plugin: \S+/audit_ill\.so: callback 'trail'")
        self.assertEqual(process.stop(), -signal.SIGSEGV)
        gateway = Gateway(ill_config("record recurses"))
        self.addCleanup(gateway.close)
        subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-H", "content-type: application/grpc", "-H", "te: trailers",
                        "--data-binary", "", f"http://{gateway.address}/a.B/C"], check=False, capture_output=True, timeout=60)
        wait_until(lambda: not gateway.is_running(), 30, "the end of the gateway")
        self.assertRegex(gateway.log_tail(), r"spark-gateway: crashed inside a plugin: \S+/audit_ill\.so: record 'trail'")

    def test_what_a_plugin_needs_and_does_not_find_is_not_the_configurations_fault(self):
        process = self.serve("start is unavailable")
        wait_until(lambda: not process.is_running(), 30, "the end of the start")
        self.assertIn("start 'trail': what it needs does not answer", process.log())
        self.assertEqual(process.stop(), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
