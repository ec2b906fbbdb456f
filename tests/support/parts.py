"""What stands on both sides of the gateway under test: the origin, a program of Go's, and the gateway as a bare relay."""

import os
import pathlib
import socket
import tempfile
import urllib.request

from certificate import Certificate
from gateway import Gateway
from processes import Process

PROGRAMS = os.environ["SGW_PROGRAMS"]


class Origin(Process):
    """The server of programs/origin; `address` is where it listens."""

    def __init__(self, folder):
        super().__init__([f"{PROGRAMS}/origin"], f"{folder}/origin.log")
        self.address = self.wait_for_line(r"started at: (\S+)", 20)[1]


def relay(folder, driver, **more):
    """The gateway as in configs/relay.yaml, between a plain listener, a TLS one, and `driver`."""
    own = Certificate(folder)
    gateway = Gateway({
        "listeners": [{"address": "127.0.0.1:0", "open": True, "tls": {"certificate": own.certificate, "key": own.key}}],
        "plugins": {"drivers": {"use": "discovery_static", "namespaces": {"default": [driver]}},
                    "meters": {"use": "metrics_prometheus"}},
        "pipeline": [{"discovery": "drivers"}, {"metrics": "meters"}], **more}, folder)
    gateway.certificate = own.certificate
    gateway.plain, gateway.tls = gateway.addresses
    return gateway


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def spark_gateway(folder, driver, **more):
    """The gateway before a Spark Connect server: callers are who they say they are, every message is walked and stamped."""
    gateway = Gateway({
        "plugins": {"who": {"use": "auth_anonymous"},
                    "drivers": {"use": "discovery_static", "namespaces": {"default": [driver]}},
                    "meters": {"use": "metrics_prometheus"}},
        "pipeline": [{"auth": "who"}, {"discovery": "drivers"}, {"metrics": "meters"}], **more}, folder)
    gateway.plain = gateway.address
    return gateway


def stand(case, serve, **more):
    """Gives a class of tests an `origin`, and a `gateway` before it that `serve` (relay, spark_gateway) starts."""
    folder = tempfile.TemporaryDirectory(prefix="sgw-origin-")
    case.addClassCleanup(folder.cleanup)
    case.origin = Origin(folder.name)
    case.addClassCleanup(case.origin.stop)
    case.gateway = serve(folder.name, case.origin.address, **more)
    case.addClassCleanup(case.gateway.close)


def field(number, value):
    """A protobuf field with a length."""
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def fields_of(payload):
    """[(number, value)] of a message's fields with a length or a varint."""
    def take():
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = payload[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
    at, found = 0, []
    while at < len(payload):
        tag = take()
        assert tag & 7 in (0, 2), f"a field of wire type {tag & 7}"
        value = take()
        if tag & 7 == 2:
            value, at = bytes(payload[at:at + value]), at + value
        found.append((tag >> 3, value))
    return found


def messages_of(data):
    """The payloads of the whole gRPC messages in `data`."""
    at, found = 0, []
    while at + 5 <= len(data):
        size = int.from_bytes(data[at + 1:at + 5], "big")
        if at + 5 + size > len(data):
            break
        found.append(bytes(data[at + 5:at + 5 + size]))
        at += 5 + size
    return found


def spark(session, user="alice", rest=b""):
    """A request message of any method of Spark Connect."""
    return field(1, session) + field(2, field(1, user)) + rest


def stamp(session, user="alice"):
    """What the gateway appends to it."""
    return field(1, session) + field(2, field(1, user) + field(2, user))


def metrics(gateway):
    """{series: value} of the metrics page."""
    with urllib.request.urlopen(f"http://{gateway.http}/metrics", timeout=20) as reply:
        lines = reply.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}


def memory(pid, name="VmRSS"):
    """A line of /proc/PID/status, in bytes."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))
