"""R1: real PySpark against a real Spark server, direct and through the gateway with all six kinds."""

import json
import pathlib
import re
import subprocess

from .. import places
from ..processes import Failed, Process, wait_until
from ..row import CPU_PER_GB, CPU_PER_REQUEST, Bound, Contestant, Metric, Row

SERVER = places.ROOT / "tools" / "spark-connect-server"
PYTHON = places.LOCAL / "venv" / "bin" / "python3"
PROGRAM = pathlib.Path(__file__).parent.parent / "spark_program.py"
ELAPSED = Metric("elapsed_s", "elapsed s", 3)


class _Session:
    """A PySpark session in a process of its own, and the gateway that it goes through, if any."""

    def __init__(self, bench, is_direct):
        self._server = Process([SERVER, "--port", "0", "--memory", "4g", "--jit", "full",
                                "--conf", "spark.driver.maxResultSize=4g"], bench.folder / "spark.log")
        line = wait_until(lambda: re.search(r"server started at: \S+:(\d+)", self._server.log_tail()), 90,
                          self._server.log_tail, pause=0.1)
        self.port = int(line[1])
        self._gateway = None if is_direct else bench.start_pipeline(BACKEND=self.port)
        url = f"sc://localhost:{self.port}"
        if self._gateway:
            headers = dict(self._gateway.headers)
            token = headers.pop("authorization").split()[1]
            url = f"sc://localhost:{self._gateway.port}/;token={token}" + "".join(f";{k}={v}" for k, v in headers.items())
        self._program = subprocess.Popen([PYTHON, PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=open(bench.folder / "spark-client.log", "wb"), text=True)
        self.log_tail = self._server.log_tail
        self.is_running = self._server.is_running

    def ask(self, command):
        self._program.stdin.write(command + "\n")
        self._program.stdin.flush()
        line = self._program.stdout.readline()
        if not line:
            raise Failed("the PySpark program ended; the end of what the server said:\n" + self.log_tail())
        return json.loads(line)

    def cpu_seconds(self):
        return self._gateway.cpu_seconds() if self._gateway else 0

    def stop(self):
        self._program.communicate()
        if self._gateway:
            self._gateway.stop()
        self._server.stop()


def _row(variant, title, metric, command, sizes):
    def load(bench, session, size):
        return session.ask(f"{command} {size}")
    return Row("R1", title, [Contestant("direct", load, lambda bench: _Session(bench, True), is_proxy=False),
                             Contestant("gateway", load, lambda bench: _Session(bench, False))],
               [metric, ELAPSED], [Bound(ELAPSED, 1.05, ("direct",))], sizes, variant=variant)


def rows(bench):
    if not PYTHON.exists():
        return []
    return [_row("queries", '500 x sql("select 1").collect()', CPU_PER_REQUEST, "queries", (5, 500)),
            _row("toPandas", "toPandas of 500 MB", CPU_PER_GB, "pandas", (5, 500))]
