"""U1, U2, U3, G1 and the unary half of T1: calls of 170 bytes."""

from .. import messages
from ..loads import client, h2load
from ..row import CPU_PER_REQUEST, P50, P99, REQUESTS, Bound, Contestant, Metric, Row

BARE_HEADERS = messages.spark_headers("x" * 44)
ANSWER_BYTES = messages.UNARY_BYTES + 5
ADDED_P50 = Metric("added_p50_us", "added p50 us", 1)
ADDED_P99 = Metric("added_p99_us", "added p99 us", 1)
OVER_RELAY = Metric("over_relay_us", "p50 us over the relay", 1)
METRICS = [CPU_PER_REQUEST, REQUESTS, P50, P99]


def _unary(path, body, headers, tls):
    def load(bench, process, size):
        seen = h2load(process.port, path, bench.folder / body, ANSWER_BYTES, size, connections=10, streams=10, tls=tls,
                      headers=getattr(process, "headers", headers))
        return {"work": seen["calls"], "per_second": seen["calls"] / seen["seconds"], **_latencies(seen)}
    return load


def _one_at_a_time(path, body, headers):
    def load(bench, process, size):
        return _latencies(client("calls", process.port, path, body=bench.folder / body, calls=size,
                                 headers=getattr(process, "headers", headers)))
    return load


def _latencies(seen):
    return {"p50_us": seen["p50_us"], "p99_us": seen["p99_us"]}


def _direct(load):
    return Contestant("direct", load, lambda bench: _Borrowed(bench.server), is_proxy=False)


class _Borrowed:
    """The server itself in the place of a proxy; it is not ours to stop."""

    def __init__(self, server):
        self.port, self.is_running, self.log_tail, self.cpu_seconds = \
            server.port, server.is_running, server.log_tail, server.cpu_seconds

    def stop(self):
        pass


def peers(bench, load, tls=False, only_l7=False):
    return [Contestant(label, load, lambda bench, peer=peer: bench.start(peer, tls=tls))
            for label, peer in bench.peers.items() if peer.is_l7 or not only_l7]


def _nghttpx_by_workers(bench, load):
    peer = bench.peers.get("nghttpx")
    return [Contestant(label, load, lambda bench, workers=workers: bench.start(peer, WORKERS=workers))
            for label, workers in (("nghttpx, 1 worker", 1), ("nghttpx, 2 workers", 2)) if peer]


def l7(bench):
    return tuple(label for label, peer in bench.peers.items() if peer.is_l7)


def rows(bench):
    bench.file("config", messages.config(messages.session_ids(1)[0]))
    plain = _unary(messages.ECHO, "unary", (), None)
    tls = _unary(messages.ECHO, "unary", (), True)
    config = _unary(messages.CONFIG, "config", BARE_HEADERS, None)
    token = bench.provider.token()
    with_jwt = _unary(messages.CONFIG, "config", messages.spark_headers(token), None)
    pipeline_bounds = lambda relay: [Bound(CPU_PER_REQUEST, 1.4, (relay,)), Bound(CPU_PER_REQUEST, 1.0, ("haproxy",)),
                                     Bound(CPU_PER_REQUEST, 0.5, ("envoy",))]
    relay = lambda bench: bench.start_relay()
    pipeline = lambda bench: bench.start_pipeline()
    echo_once = _one_at_a_time(messages.ECHO, "unary", ())
    config_once = _one_at_a_time(messages.CONFIG, "config", BARE_HEADERS)

    def add_differences(figures):
        for label in figures:
            base = figures["direct"]
            figures[label]["added_p50_us"] = figures[label]["p50_us"] - base["p50_us"]
            figures[label]["added_p99_us"] = figures[label]["p99_us"] - base["p99_us"]
        figures["pipeline"]["over_relay_us"] = figures["pipeline"]["p50_us"] - figures["relay, the same call"]["p50_us"]

    return [
        Row("U1", "unary calls of 170 bytes, 10 connections x 10 streams, no pipeline",
            [_direct(plain), *peers(bench, plain), Contestant("gateway", plain, relay)], METRICS,
            [Bound(CPU_PER_REQUEST, 1.1, ("nghttpx",)), Bound(CPU_PER_REQUEST, 0.8, ("haproxy",)),
             Bound(CPU_PER_REQUEST, 0.4, ("envoy",))], (1000, 60000)),
        Row("U2", "Config of a bound session, through token, router, pool, discovery, audit and metrics; peers bare",
            [*peers(bench, config, only_l7=True), Contestant("relay (U1)", plain, relay),
             Contestant("gateway", config, pipeline)], METRICS, pipeline_bounds("relay (U1)"), (1000, 60000)),
        Row("U2", "the same with a signed token of 1.2 KB, which connections remember; peers get it, too",
            [*peers(bench, with_jwt, only_l7=True), Contestant("relay, the same call", with_jwt, relay),
             Contestant("gateway", with_jwt, lambda bench: bench.start_oidc_pipeline(token))], METRICS,
            pipeline_bounds("relay, the same call"), (1000, 60000), variant="auth_oidc"),
        Row("U3", "one call at a time: latency over direct",
            [_direct(echo_once), *peers(bench, echo_once), Contestant("gateway", echo_once, relay),
             Contestant("relay, the same call", config_once, relay), Contestant("pipeline", config_once, pipeline)],
            [P50, P99, ADDED_P50, ADDED_P99, OVER_RELAY],
            [Bound(ADDED_P50, 1.0, ("nghttpx",)), Bound(ADDED_P99, 1.0, ("nghttpx",)),
             Bound(OVER_RELAY, 15, ours="pipeline")], (300, 1500), rounds=25, derive=add_differences),
        Row("T1", "U1 with TLS on the client side", [*peers(bench, tls, tls=True, only_l7=True),
                                                     Contestant("gateway", tls, lambda bench: bench.start_relay(tls=True))],
            METRICS, [Bound(CPU_PER_REQUEST, 1.0, l7(bench))], (1000, 60000), variant="unary"),
        Row("G1", "U2 with two workers; nghttpx bare, to tell the machine's part",
            [*_nghttpx_by_workers(bench, config), Contestant("1 worker", config, pipeline),
             Contestant("gateway", config, lambda bench: bench.start_pipeline(WORKERS=2))], METRICS, [Bound(CPU_PER_REQUEST, 1.1, ("1 worker",))], (1000, 60000)),
    ]
