"""M1, M2: what is resident for each connection, stream and session that does nothing."""

import json
import subprocess

from .. import messages
from ..loads import client, client_command
from ..processes import Failed
from ..row import CPU_PER_REQUEST, P50, P99, REQUESTS, Bound, Contestant, Metric, Row

PER_ONE = Metric("bytes_each", "resident bytes each", 0)
PER_SESSION = Metric("bytes_session", "resident bytes/session", 0)


def _idle(peer, connections, streams):
    """A fresh proxy each time. What it grew by while `size` connections (or streams, 100 on each connection) were opened."""
    def load(bench, _, size):
        process = bench.start(peer)
        try:
            client("calls", process.port, messages.ECHO, body=bench.unary_body, calls=100)
            before = process.resident_bytes()
            command = client_command("idle", process.port, messages.HOLD if streams else None,
                                     connections=size // 100 if streams else size, in_flight=100 if streams else 0)
            holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            opened = json.loads(holder.stdout.readline() or "{}").get("open")
            # An answer behind all of them: they have arrived.
            client("calls", process.port, messages.ECHO, body=bench.unary_body, calls=100)
            grown = process.resident_bytes() - before
            ended = json.loads(holder.communicate("\n")[0] or "{}").get("ended")
            if ended != 0 or not opened:
                raise Failed(f"{ended} of {opened} idle calls ended through {peer.label}")
            return {"bytes_each": grown / opened}
        finally:
            process.stop()
    return load


def _bound_sessions(most):
    """The pipeline with many bound sessions, all of which call in turn."""
    count = lambda bench: most if bench.is_full else most // 100

    def start(bench):
        process = bench.start_pipeline()
        before = process.resident_bytes()
        bodies = bench.file(f"sessions-{most}", b"".join(map(messages.config, messages.session_ids(count(bench), most))))
        client("calls", process.port, messages.CONFIG, body=bodies, each=True, calls=count(bench), connections=10, in_flight=10,
               headers=process.headers)
        process.bytes_session = (process.resident_bytes() - before) / count(bench)
        return process

    def load(bench, process, size):
        seen = client("calls", process.port, messages.CONFIG, body=bench.folder / f"sessions-{most}", each=True, calls=size,
                      connections=10, in_flight=10, headers=process.headers)
        return {"work": seen["calls"], "per_second": seen["calls"] / seen["seconds"], "p50_us": seen["p50_us"],
                "p99_us": seen["p99_us"], "bytes_session": process.bytes_session}
    return Contestant("gateway" if most == 100000 else f"{most} sessions", load, start)


def rows(bench):
    from ..peers import RELAY
    def contestants(streams):
        everyone = [peer for peer in bench.peers.values() if peer.is_l7] + [RELAY]
        return [Contestant(peer.label, _idle(peer, 0, streams)) for peer in everyone]
    return [
        Row("M1", "10,000 idle connections", contestants(False), [PER_ONE], [Bound(PER_ONE, 1.0, ("nghttpx",))],
            (200, 10000), variant="connections"),
        Row("M1", "10,000 idle streams on 100 connections", contestants(True), [PER_ONE],
            [Bound(PER_ONE, 1.0, ("nghttpx",))], (200, 10000), variant="streams"),
        Row("M2", "U2 with 100,000 bound sessions, called in turn, against 1,000",
            [_bound_sessions(1000), _bound_sessions(100000)], [CPU_PER_REQUEST, PER_SESSION, REQUESTS, P50, P99],
            [Bound(CPU_PER_REQUEST, 1.1, ("1000 sessions",)), Bound(PER_SESSION, 512)], (1000, 100000)),
    ]
