#!/usr/bin/env python3
"""PySpark's own doctests: the same examples pass and fail direct and through the gateway.

Some fail on a small server without any gateway, so what is compared is the list. --long: all modules that have some, each way
on a server of its own, since some leave a function or a table behind, which those that come after them cannot make again.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import pyspark

from gateway import Gateway, static_config
from spark_server import SparkServer

FEW = ["column", "conf", "group"]
ALL = [*FEW, "readwriter", "session", "catalog", "tvf", "window", "observation", "streaming.query", "dataframe"]
IS_LONG = "--long" in sys.argv
MODULES = ALL if IS_LONG else FEW


def failures(module, url):
    """The examples of a module that fail, as `line, name`, and its exit code."""
    with tempfile.TemporaryDirectory(prefix="sgw-doctest-") as folder:
        done = subprocess.run(
            [sys.executable, "-m", f"pyspark.sql.connect.{module}"], capture_output=True, text=True, timeout=600, cwd=folder,
            env={**os.environ, "SPARK_HOME": str(pathlib.Path(pyspark.__file__).parent), "SPARK_CONNECT_TESTING_REMOTE": url})
    # Nothing of a module that breaks before its examples may pass for agreement.
    assert "Traceback" not in done.stderr or "***Test Failed***" in done.stdout, done.stderr[-3000:]
    return sorted(set(re.findall(r'File ".*", (line \d+, in \S+)', done.stdout))), done.returncode


class Doctests(unittest.TestCase):
    def start_server(self):
        folder = tempfile.TemporaryDirectory(prefix="sgw-e2e-")
        self.addCleanup(folder.cleanup)
        server = SparkServer(folder.name)
        self.addCleanup(server.stop)
        return server

    def test_they_pass_and_fail_as_without_a_gateway(self):
        server = self.start_server()
        config = static_config((self.start_server() if IS_LONG else server).address)
        config["plugins"]["meters"] = {"use": "metrics_prometheus"}
        gateway = Gateway({**config, "pipeline": [*config["pipeline"], {"metrics": "meters"}]})
        self.addCleanup(gateway.close)
        for module in MODULES:
            with self.subTest(module):
                direct, through = (failures(module, target.url(user_id="doctest")) for target in (server, gateway))
                self.assertEqual(through, direct)
                print(f"\n    {module}: {len(direct[0])} fail in both ", end="", flush=True)
        # They were run, and through it.
        with urllib.request.urlopen(f"http://{gateway.http}/metrics", timeout=20) as reply:
            counts = re.findall(r"(?m)^spark_gateway_requests_total\{.* (\d+)$", reply.read().decode())
        self.assertGreater(sum(map(int, counts)), 20 * len(MODULES))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
