#!/usr/bin/env python3
"""A real gateway's pool of local processes that are no Spark servers: what goes wrong with children."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import unittest
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "spark"))
import canary  # noqa: E402
from gateway import BINARY, POOL_STEPS, TENANTS, Gateway  # noqa: E402
from processes import wait_until, with_environment  # noqa: E402


def child_named(parent, name):
    """The child of `parent` that has this name; None when there is none."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text(errors="replace")
        except OSError:  # Gone meanwhile.
            continue
        before, after = text.rsplit(")", 1)
        if before.split("(", 1)[1] == name and after.split()[1] == str(parent):
            return int(stat.parent.name)
    return None


def config_call(target, *words):
    """What curl hears of a session's first call."""
    request = pathlib.Path(target.folder, "request")
    message = b"\x0a\x24" + str(uuid.uuid4()).encode() + b"\x12\x07\x0a\x05alice"
    request.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    return subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-D", "-", "-H", "content-type: application/grpc",
                           "-H", "te: trailers", "--data-binary", f"@{request}", *words,
                           f"http://{target.address}/spark.connect.SparkConnectService/Config"],
                          check=False, capture_output=True, text=True, timeout=60).stdout


class Pools(unittest.TestCase):
    def serve(self, command, tenants=None, **settings):
        self.mark = f"SGW_E2E={uuid.uuid4()}"
        warm = {"use": "hot_pool_process", "namespaces": ["tests-dev"], "command": command, "retry_min": "10ms",
                "kill_after": "1s", **settings}
        target = Gateway({"plugins": {"who": {"use": "auth_anonymous"}, "tenants": tenants or TENANTS, "warm": warm},
                          "pipeline": [{"auth": "who"}, *POOL_STEPS]}, env=dict([self.mark.split("=")]))
        self.addCleanup(target.close)
        return target

    def pool(self, target):
        return target.ask("pools")["pools"][0]["state"]["pools"][0]

    def table(self, target):
        """Its lines."""
        return subprocess.run([BINARY, "pools", "--admin", f"unix:{target.folder}/admin.sock"], check=True, capture_output=True,
                              text=True, timeout=20).stdout.splitlines()

    def children(self, name):
        return [line for line in with_environment(self.mark).values() if line.startswith(name)]

    def test_when_the_process_that_makes_children_is_killed_they_end_and_the_gateway_says_so(self):
        target = self.serve(["sh", "-c", "setsid sleep 1000 & exec sleep 1001"])
        wait_until(lambda: len(self.children("sleep")) == 2, 20, "a child and its daemon")
        os.kill(child_named(target.pid, "sgw-spawner"), signal.SIGKILL)
        wait_until(lambda: not self.children("sleep"), 2, "the end of the children")
        wait_until(lambda: "could not be started: the process that makes children" in self.pool(target)["last_error"], 10,
                   "the pool to say why it has no servers")
        self.assertIn("the process that makes children was ended", target.log_tail())
        self.assertEqual(target.stop(), 0)

    def test_a_child_that_prints_without_end_does_not_keep_the_gateway_from_its_work(self):
        target = self.serve(["yes", "x" * 200])
        wait_until(lambda: self.children("yes"), 20, "the child")
        for _ in range(20):
            begun = time.monotonic()
            self.assertEqual(self.pool(target)["starting"], 1)
            self.assertLess(time.monotonic() - begun, 2)
        self.assertLessEqual(target.log_tail(1000).count("prints faster"), 1)
        self.assertEqual(target.stop(), 0)
        self.assertFalse(self.children("yes"))

    def test_a_command_that_fails_is_shown_with_its_last_lines_and_tried_again_after_growing_pauses(self):
        target = self.serve(["sh", "-c", "echo one; echo two; exit 3"], retry_max="10s")
        failures = wait_until(lambda: self.pool(target)["failures"] >= 5 and self.pool(target), 20, "five failures")
        self.assertIn("ended with exit code 3. Its last lines:\none\ntwo", failures["last_error"])
        table = self.table(target)
        self.assertEqual(len(table), 2)
        self.assertIn("Its last lines: | one | two", table[1])
        self.assertLess(self.pool(target)["failures"], 12)  # 10 ms and its doubles are 10 s after ten of them

    def test_a_child_does_not_inherit_the_gateways_secrets(self):
        os.environ["SGW_E2E_SECRET"] = "hunter2"
        self.addCleanup(os.environ.pop, "SGW_E2E_SECRET")
        target = self.serve(["sh", "-c", "echo [$SGW_E2E_SECRET] [$GIVEN]; exit 3"],
                            environment={"GIVEN": "to ${env:SGW_E2E_SECRET}"})
        wait_until(lambda: "Its last lines:" in self.pool(target)["last_error"], 20, "a failure")
        self.assertIn("[] [to <secret>]", self.pool(target)["last_error"])
        self.assertEqual(target.stop(), 0)

    def test_a_secret_that_a_command_prints_reaches_nobody(self):
        secret = canary.keep(f"sesame-{uuid.uuid4()}")
        self.addCleanup(canary.forget, secret)
        os.environ["SGW_E2E_SECRET"] = secret
        self.addCleanup(os.environ.pop, "SGW_E2E_SECRET")
        # Of the second line, the plugin keeps what ends within the secret.
        target = self.serve(["sh", "-c", "echo no entry with $PW; printf '%0140d%s\\n' 0 $PW; exit 3"], namespaces=[], size=0,
                            environment={"PW": "${env:SGW_E2E_SECRET}"})
        heard = config_call(target)
        shown = {"the caller's status": heard, "the pool": self.pool(target)["last_error"], "the log": target.log_tail(1000)}
        for where, text in shown.items():
            self.assertIn("no entry with <secret>", text, where)
            self.assertIn("0<secret>...", text, where)
            self.assertNotIn("sesame", text, where)
        table = "\n".join(self.table(target))
        self.assertIn("<secret>", table)
        self.assertEqual(target.stop(), 0)
        written = pathlib.Path(target.folder, "canary.jsonl").read_text()
        self.assertIn("<secret>", written)
        self.assertNotIn("sesame", table + written)

    def test_the_table_tells_pools_of_a_namespace_apart_and_says_how_far_a_start_is(self):
        sizes = [{"header": "x-spark-size", "name": "size", "values": ["s", "l"]}]
        target = self.serve(["sleep", "1000"], tenants={**TENANTS, "attributes": sizes}, namespaces=[], size=0)
        for size in ("s", "l"):
            self.assertEqual(config_call(target, "-m", "1", "-H", f"x-spark-size: {size}"), "")
        head, *rows = [re.split(r"  +", line) for line in self.table(target)]
        starting = [dict(zip(head, row)) for row in rows]
        self.assertEqual(sorted(row["ATTRIBUTES"] for row in starting), ["size=l", "size=s"])
        for row in starting:
            self.assertEqual([row[name] for name in ("NAMESPACE", "STARTING", "WAITING", "PHASE")],
                             ["tests-dev", "1", "1", "starting the server's process"])
        self.assertEqual(target.stop(), 0)

    def test_a_command_that_is_killed_is_said_to_be(self):
        target = self.serve(["sh", "-c", "kill -9 $$"])
        wait_until(lambda: "'sh' was killed, perhaps out of memory." in self.pool(target)["last_error"], 10, "the end of the child")
        self.assertEqual(target.stop(), 0)

    def test_a_released_pool_leaves_nothing(self):
        target = self.serve(["sh", "-c", "trap '' TERM; setsid sleep 1000 & sleep 1001; sleep 1002"], size=3)
        wait_until(lambda: len(self.children("sleep")) == 4, 20, "children")  # max_starts: 2
        self.assertEqual(target.stop(), 0)
        wait_until(lambda: not with_environment(self.mark), 2, "their end")


if __name__ == "__main__":
    unittest.main(verbosity=2)
