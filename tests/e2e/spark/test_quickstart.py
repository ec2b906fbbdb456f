"""tools/quickstart as a newcomer runs it, but for its ports and its folder."""

import json
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import unittest
import uuid

import grpc

from processes import Process, is_alive, wait_until, with_environment

ROOT = pathlib.Path(__file__).resolve().parents[3]
QUICKSTART = str(ROOT / "tools/quickstart")
RESULT = ["Spark 4.2.0 says that 6 * 7 is 42.", "ann      2 42.5", "bob      2 25.3", "cleo      1  4.2"]


class Quickstart(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-quickstart-")))
        # One folder down, so that what the configuration names with ../ stays in ours.
        self.config = self.folder / "configs/local.yaml"
        self.config.parent.mkdir()
        (self.folder / ".local/run").mkdir(parents=True)  # The quick start makes the tree's own.
        self.write(0, 0)
        self.mark = f"SGW_TEST_QUICKSTART={uuid.uuid4()}"

    def write(self, port, http):
        """The quick start's own configuration, on these ports."""
        text = (ROOT / "configs/local.yaml").read_text()
        text, count = re.subn(r":(15002|9090)\b(?!   #)", lambda found: f":{port if found[1] == '15002' else http}",
                              re.sub(r" +# sc://.*", "", text))
        self.assertEqual(count, 2)
        self.config.write_text(text.replace("../tools/", f"{ROOT}/tools/"))

    def start(self, *words):
        process = Process([QUICKSTART, "--config", str(self.config), *words], self.folder / "log", dict([self.mark.split("=")]))
        self.addCleanup(process.stop)
        return process

    def wait_for_end(self, process):
        wait_until(lambda: not process.is_running(), 120, "the end of the quick start")
        return process.stop()

    def run_words(self, line):
        """What a command that was printed answers."""
        return subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True, timeout=60).stdout

    def test_what_it_says_of_what_runs_is_true(self):
        process = self.start()
        process.wait_for_line(r"(?m)^  stop +Ctrl-C$", 200)
        said = process.log()
        for line in RESULT:
            self.assertIn(line, said)
        lines = {name: rest for name, rest in re.findall(r"(?m)^  (\w+) +(\S.*)$", said)}

        pid, log = re.fullmatch(r"process (\d+), log in (\S+)", lines["gateway"]).groups()
        self.assertEqual(pathlib.Path(f"/proc/{pid}/comm").read_text().strip(), "spark-gateway")
        self.assertIn("ready", pathlib.Path(log).read_text())

        address = re.fullmatch(r'SparkSession\.builder\.remote\("sc://(localhost:\d+)"\)\.getOrCreate\(\)', lines["connect"])[1]
        self.assertNotEqual(address, "localhost:15002")
        with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
            grpc.channel_ready_future(channel).result(20)

        metrics, health = re.fullmatch(r"(curl \S+) +health: (curl \S+)", lines["metrics"]).groups()
        self.assertRegex(self.run_words(f"{metrics} -sS"), r'spark_gateway_requests_total\{method="ExecutePlan",code="OK"\} [1-9]')
        self.assertEqual(self.run_words(f"{health} -sS").strip(), "ready")

        audit = pathlib.Path(re.fullmatch(r"tail -f (\S+)", lines["audit"])[1])
        self.assertTrue(audit.is_relative_to(self.folder))
        ended = wait_until(lambda: [one for one in map(json.loads, audit.read_text().splitlines())
                                    if one["event"] == "operation_ended"], 20, "the audit's records")
        self.assertEqual({(one["subject"], one["code"]) for one in ended}, {("me", "OK")})

        self.assertIn("SESSION", self.run_words(lines["sessions"]).split())
        self.assertIn("sjns-local-dev", self.run_words(lines["pools"]).split())

        # As the terminal does on Ctrl-C: what the quick start has started does not hear of it.
        self.assertEqual(process.stop(signal.SIGINT, 60), 0, process.log_tail())
        self.assertFalse(is_alive(int(pid)))
        wait_until(lambda: not with_environment(self.mark), 20, "the end of all that it has started")

    def test_once_ends_after_the_query_and_leaves_nothing(self):
        process = self.start("--once")
        self.assertEqual(self.wait_for_end(process), 0, process.log_tail())
        for line in RESULT:
            self.assertIn(line, process.log())
        self.assertIn("It works, ", process.log())
        wait_until(lambda: not with_environment(self.mark), 20, "the end of all that it has started")

    def test_a_port_that_is_taken_is_named_with_who_has_it_and_what_to_do(self):
        for index in (0, 1):
            taken = self.enterContext(socket.create_server(("127.0.0.1", 0)))
            port = taken.getsockname()[1]
            self.write(*((port, 0) if index == 0 else (0, port)))
            process = self.start("--once")
            self.assertEqual(self.wait_for_end(process), 1)
            self.assertRegex(process.log(), rf"quickstart: port {port} is taken by process \d+ \(python3[.\d]*\)\.\n"
                                            rf"    Stop that process, or copy {re.escape(str(self.config))} beside itself, "
                                            r"change the port there, and give the copy to --config\.\n$")


if __name__ == "__main__":
    unittest.main(verbosity=2)
