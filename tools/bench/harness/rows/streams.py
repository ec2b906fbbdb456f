"""S1, S3, S4 and the stream half of T1: what a gigabyte costs."""

from .. import messages
from ..loads import client, frame
from ..row import CPU_PER_GB, GB_PER_SECOND, Bound, Contestant, Metric, Row
from .unary import l7, peers

MIB = 1 << 20
GROWTH = Metric("growth_mib", "resident growth MiB", 1)


def _moved(seen):
    work = max(seen["received"], seen["sent"])
    return {"work": work, "gb_s": work / seen["seconds"] / 1e9}


def _down(count, bytes_each, streams=1, tls=False):
    """`size` times, on each of `streams` at once: a stream of `count` messages."""
    headers = [("x-messages", count), ("x-size", bytes_each)]

    def load(bench, process, size):
        return _moved(client("calls", process.port, messages.STREAM, body=bench.unary_body, calls=size * streams,
                             in_flight=streams, tls=tls, headers=headers))
    return load


def _up(path, body, repeat=1):
    def load(bench, process, size):
        return _moved(client("calls", process.port, path, body=bench.folder / body, repeat=repeat, calls=size,
                             headers=getattr(process, "headers", ())))
    return load


def _with_growth(load):
    def measure(bench, process, size):
        before = process.resident_bytes()
        process.forget_peak()
        seen = load(bench, process, size)
        return seen | {"growth_mib": (process.resident_bytes("VmHWM") - before) / MIB}
    return measure


def _bounds(bench):
    return [Bound(CPU_PER_GB, 0.8, ("haproxy-tcp",)), Bound(CPU_PER_GB, 0.95, ("nginx",)), Bound(CPU_PER_GB, 0.45, ("envoy",))]


def rows(bench):
    bench.file("artifact", messages.artifact(messages.session_ids(1)[0]))
    big = bench.folder / "big"
    with open(big, "wb") as file:
        file.write(frame(bytes(0))[:1] + (256 * MIB).to_bytes(4, "big"))
        file.truncate(5 + 256 * MIB)
    relay = lambda bench: bench.start_relay()
    tls_relay = lambda bench: bench.start_relay(tls=True)
    metrics = [CPU_PER_GB, GB_PER_SECOND]

    def stream_row(streams, sizes):
        load = _down(64, MIB, streams)
        return Row("S1", f"server streams of 64 x 1 MiB, {streams} at once",
                   [*peers(bench, load), Contestant("gateway", load, relay)], metrics,
                   [*_bounds(bench), Bound(GB_PER_SECOND, 1.0, l7(bench))], sizes,
                   variant=f"{streams} stream{'s' if streams > 1 else ''}")

    upload = _up(messages.ADD_ARTIFACTS, "artifact", 2048)
    big_down, big_up = _with_growth(_down(1, 256 * MIB)), _with_growth(_up(messages.UPLOAD, "big"))
    tls_down = _down(64, MIB, 1, tls=True)
    return [
        stream_row(1, (1, 8)), stream_row(8, (1, 1)),
        Row("S3", "AddArtifacts of 64 MiB in messages of 32 KiB, each walked and stamped; Envoy stamps nothing",
            [*peers(bench, upload, only_l7=True), Contestant("gateway", upload, lambda bench: bench.start_pipeline())],
            metrics, [Bound(CPU_PER_GB, 0.7, ("envoy",))], (1, 8)),
        Row("S4", "one message of 256 MiB from the server", [*peers(bench, big_down), Contestant("gateway", big_down, relay)],
            [*metrics, GROWTH], [*_bounds(bench), Bound(GROWTH, 32)], (1, 2), variant="down"),
        Row("S4", "one message of 256 MiB to the server", [*peers(bench, big_up), Contestant("gateway", big_up, relay)],
            [*metrics, GROWTH], [*_bounds(bench), Bound(GROWTH, 32)], (1, 2), variant="up"),
        Row("T1", "S1 (one stream) with TLS on the client side",
            [*peers(bench, tls_down, tls=True, only_l7=True), Contestant("gateway", tls_down, tls_relay)],
            metrics, [Bound(CPU_PER_GB, 1.0, l7(bench))], (1, 8), variant="stream"),
    ]
