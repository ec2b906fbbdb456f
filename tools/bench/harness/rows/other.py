"""T2, X1, R1: handshakes, the start, and real Spark."""

import re
import subprocess
import time
import urllib.request

from .. import places
from ..loads import client
from ..processes import Process, free_port, wait_until
from ..row import P50, Bound, Contestant, Metric, Row
from . import spark
from .unary import l7, peers

HANDSHAKES = Metric("per_cpu_second", "handshakes per CPU-second", 0, True)
READY = Metric("ready_ms", "ms to ready", 1)


def _handshakes(bench, process, size):
    seen = client("handshakes", process.port, tls=True, calls=size, in_flight=4)
    return {"work": seen["calls"], "p50_us": seen["p50_us"]}


def _start(bench, _, size):
    """The mean of `size` starts of configs/static.yaml, with free ports in the place of its own, until /readyz says so."""
    total = 0
    for _ in range(size):
        http = free_port()
        text = (places.ROOT / "configs" / "static.yaml").read_text()
        text = re.sub(r"0\.0\.0\.0:\d+", "127.0.0.1:0", text).replace("127.0.0.1:9090", f"127.0.0.1:{http}")
        text = text.replace("path: stdout", "path: audit.jsonl")
        (bench.folder / "static.yaml").write_text(text)
        if not (bench.folder / "tokens.yaml").exists():
            subprocess.run([places.GATEWAY, "token", "add", "--file", bench.folder / "tokens.yaml", "--subject", "ci"],
                           check=True, capture_output=True)
        begin = time.monotonic()
        process = Process([places.GATEWAY, "serve", "--config", bench.folder / "static.yaml"], bench.folder / "start.log")
        try:
            wait_until(lambda: _is_ready(http), 20, process.log_tail, pause=0.0005)
            total += time.monotonic() - begin
        finally:
            process.stop()
    return {"ready_ms": total / size * 1e3}


def _is_ready(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).status == 200
    except OSError:
        return False


def rows(bench):
    return [
        Row("T2", "full TLS 1.3 handshakes", [*peers(bench, _handshakes, tls=True),
                                              Contestant("gateway", _handshakes, lambda bench: bench.start_relay(tls=True))],
            [HANDSHAKES, P50], [Bound(HANDSHAKES, 0.95, l7(bench) + ("haproxy-tcp",))], (50, 1000)),
        Row("X1", "from exec to ready, configs/static.yaml", [Contestant("gateway", _start)], [READY], [Bound(READY, 60)],
            (2, 10)),
        *spark.rows(bench),
    ]
