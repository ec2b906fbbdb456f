"""R1: real PySpark against a real Spark server, direct and through the gateway with all six kinds."""

import json
import pathlib
import re
import subprocess

from .. import messages, places
from ..processes import Failed, Process, wait_until
from ..row import CPU_PER_GB, CPU_PER_REQUEST, Bound, Contestant, Metric, Row

SERVER = places.ROOT / "tools" / "spark-connect-server"
PYTHON = places.LOCAL / "venv" / "bin" / "python3"
PROGRAM = pathlib.Path(__file__).parent.parent / "spark_program.py"
ELAPSED = Metric("elapsed_s", "elapsed s", 3)
OVER_DIRECT = Metric("over_direct", "elapsed over direct", 3)


class _Server:
    """The Spark server of a row, for all its sessions: two servers compile what runs hot in two ways."""

    def __init__(self):
        self._process, self._users = None, 0

    def take(self, bench):
        """Its port."""
        if not self._process:
            self._process = Process([SERVER, "--port", "0", "--memory", "4g", "--jit", "full",
                                     "--conf", "spark.driver.maxResultSize=4g"], bench.folder / "spark.log")
            self.is_running, self.log_tail = self._process.is_running, self._process.log_tail
        self._users += 1
        line = wait_until(lambda: re.search(r"server started at: \S+:(\d+)", self.log_tail()), 90, self.log_tail, pause=0.1)
        return int(line[1])

    def give_back(self):
        self._users -= 1
        if self._users == 0:
            self._process.stop()
            self._process = None


class _Session:
    """A PySpark session in a process of its own, and the proxy that `start(port)` gives, if any."""

    def __init__(self, bench, server, start):
        self._server = server
        self.port = server.take(bench)
        self._proxy = start(self.port)
        # Everybody sends the same: a token alone makes PySpark slower.
        headers = dict(getattr(self._proxy, "headers", messages.spark_headers("x" * 44)))
        token = headers.pop("authorization").split()[1]
        url = f"sc://localhost:{self._proxy.port if self._proxy else self.port}/;token={token}" + \
            "".join(f";{k}={v}" for k, v in headers.items())
        self._program = subprocess.Popen([PYTHON, PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=open(bench.folder / "spark-client.log", "wb"), text=True)
        self.log_tail = server.log_tail
        self.is_running = server.is_running

    def ask(self, command):
        self._program.stdin.write(command + "\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        if not line:
            raise Failed("the PySpark program ended; the end of what the server said:\n" + self.log_tail())
        return json.loads(line)

    def cpu_seconds(self):
        return self._proxy.cpu_seconds() if self._proxy else 0

    def stop(self):
        self._program.communicate()
        if self._proxy:
            self._proxy.stop()
        self._server.give_back()


def _row(bench, variant, title, metric, command, sizes, rounds):
    server = _Server()
    nghttpx = bench.peers.get("nghttpx")

    def load(bench, session, size):
        return session.ask(f"{command} {size}")

    def compare(figures):
        for label in figures:
            figures[label]["over_direct"] = figures[label]["elapsed_s"] / figures["direct"]["elapsed_s"]

    def contestant(label, start, is_proxy=True):
        return Contestant(label, load, lambda bench: _Session(bench, server, lambda port: start(bench, port)), is_proxy)

    peers = [contestant("nghttpx", lambda bench, port: bench.start(nghttpx, backend=port))] if nghttpx else []
    return Row("R1", title, [contestant("direct", lambda bench, port: None, is_proxy=False), *peers,
                             contestant("gateway", lambda bench, port: bench.start_pipeline(BACKEND=port))],
               [metric, ELAPSED, OVER_DIRECT], [Bound(OVER_DIRECT, 1.05)], sizes, variant=variant, rounds=rounds, derive=compare)


def rows(bench):
    if not PYTHON.exists():
        return []
    return [_row(bench, "queries", 'sql("select 1").collect(), 100 at a turn', CPU_PER_REQUEST, "queries", (5, 100), rounds=21),
            _row(bench, "toPandas", "toPandas of 500 MB", CPU_PER_GB, "pandas", (5, 500), rounds=9)]
