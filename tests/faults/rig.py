"""What every case of this folder has: a driver that tells what it got, the gateway, a proxy that breaks, three kinds of call."""

import dataclasses
import os
import random
import ssl
import sys
import tempfile
import unittest
import uuid

from parts import field, metrics, spark, spark_gateway
from processes import wait_until
from proxy import CONNECTION, CUT, DOWN, RESET, UP, Place, Proxy
from scripted import Scripted
from wire import Wire, head, message

IS_LONG = "--long" in sys.argv
OK, CANCELLED, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE = 0, 1, 8, 13, 14
METHODS = "/spark.connect.SparkConnectService/"

# The stages of a call.
PLACES = {
    "connection": CONNECTION,
    "settings": Place(DOWN, kind=4, part=1),
    "request head": Place(UP, kind=1, part=0.5),
    "request data": Place(UP, kind=0, part=0.5),
    "response head": Place(DOWN, kind=1),
    "response data": Place(DOWN, kind=0, part=0.5),
    "trailers": Place(DOWN, kind=1, nth=1),
}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of call. `rests` are its messages' fields behind session and user."""

    method: str
    script: str = ""
    rests: tuple = (b"",)

    def begin(self, wire, session, script=None, is_end=True, user="alice"):
        """Sends the whole request; its stream's number."""
        stream = wire.open(head(METHODS + self.method, ("x-script", self.script if script is None else script)))
        # Session ids are as good as operations' ids.
        body = b"".join(message(spark(session, user, rest.replace(b"{}", session.encode()))) for rest in self.rests)
        wire.send(stream, body, is_end)
        return stream


UNARY = Kind("Config")
STREAM = Kind("ExecutePlan", "responses=4; bytes=20000", (field(6, "x" * 36).replace(b"x" * 36, b"{}"),))
# It fits into the window that HTTP/2 starts with: a client can send all of it before there is a driver.
UPLOAD = Kind("AddArtifacts", "", (field(5, "a" * 15_000),) * 3)
KINDS = {"unary": UNARY, "stream": STREAM, "upload": UPLOAD}


def at_any_byte(up, down, count=20):
    """What to break, where: (act, kind, place), within so many bytes of each direction. SGW_SEED gives those of an earlier run."""
    seed = int(os.environ.get("SGW_SEED", random.randrange(1 << 32)))
    print(f"SGW_SEED={seed}", flush=True)
    dice = random.Random(seed)
    for _ in range(count):
        direction = dice.choice((UP, DOWN))
        place = Place(direction, at=dice.randrange(1, up if direction == UP else down))
        yield dice.choice((CUT, RESET)), dice.choice(tuple(KINDS.values())), place


def tls_server(own):
    """What ssl needs to listen with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    context.set_alpn_protocols(["h2"])
    return context


def tls_client(own):
    """What ssl needs to connect to who has it."""
    context = ssl.create_default_context(cafile=own.certificate)
    context.set_alpn_protocols(["h2"])
    return context


class Rig(unittest.TestCase):
    """A class of cases on one gateway and one driver. `config` is more of the gateway's configuration, `kinds` are those of
    its calls."""

    config = {}
    kinds = KINDS

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sgw-faults-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name
        cls.driver = Scripted(cls.folder)
        cls.addClassCleanup(cls.stop_driver)
        cls.start_gateway()
        cls.sizes = {kind.method: len(cls.whole(kind).data) for kind in KINDS.values()}
        cls.wait_for_nothing()

    @classmethod
    def new_proxy(cls, target, **how):
        proxy = Proxy(target, **how)
        cls.addClassCleanup(proxy.close)
        return proxy

    @classmethod
    def start_gateway(cls):
        """It knows the driver by the address of `front`: `proxy` itself, or what stands before it."""
        cls.proxy = cls.front = cls.new_proxy(cls.driver.address)
        cls.serve()

    @classmethod
    def serve(cls, **more):
        cls.gateway = spark_gateway(cls.folder, cls.front.address, workers=1, **{**cls.config, **more})
        cls.addClassCleanup(cls.gateway.close)

    @classmethod
    def stop_driver(cls):
        cls.driver.stop()

    @classmethod
    def whole(cls, kind):
        """A call of a session of its own, to which nothing happens."""
        session = str(uuid.uuid4())
        with Wire(cls.gateway.address) as wire:
            response = wire.wait(kind.begin(wire, session))
        assert response.code == OK, response.trailer("grpc-message")
        cls.release(session)
        return response

    @classmethod
    def seen(cls, kind, session):
        """The calls of this kind and session of which the driver got a message, and that have ended."""
        return [call for call in cls.driver.ended(kind.method) if call["session_id"] == session]

    @classmethod
    def tearDownClass(cls):
        # Each case's calls are of a session of its own.
        for kind in (STREAM, UPLOAD):
            sessions = [call["session_id"] for call in cls.driver.ended(kind.method) if call["session_id"]]
            assert len(sessions) == len(set(sessions)), f"the driver got an {kind.method} twice"

    @classmethod
    def release(cls, session):
        """The session is used until its driver is reached, and ends."""
        def answers(method):
            with Wire(cls.gateway.address) as wire:
                return wire.wait(Kind(method).begin(wire, session)).code == OK
        wait_until(lambda: answers("Config"), 30, "the driver to be reached again")
        wait_until(lambda: answers("ReleaseSession"), 30, "the session to end")

    @classmethod
    def left(cls, but=()):
        """What is not zero, by name, `but` what is named."""
        page = metrics(cls.gateway)
        found = {
            "calls": page.get("spark_gateway_live_calls", 0),
            "held bytes": page["spark_gateway_held_bytes"],
            "clients": page["spark_gateway_connections"],
            "callers that wait": page.get("spark_gateway_waiting_callers", 0),
            "sessions": sum(count for name, count in page.items() if name.startswith("spark_gateway_sessions{")),
        }
        if not any(count for name, count in found.items() if name not in but):
            endpoints = cls.gateway.ask("endpoints")["endpoints"]
            found["streams to the driver"] = sum(int(endpoint["streams"]) for endpoint in endpoints)
            found["connections to the driver"] = sum(int(endpoint["connections"]) for endpoint in endpoints)
        return {name: count for name, count in found.items() if count and name not in but}

    @classmethod
    def wait_for_nothing(cls, *but):
        """Until nothing is left over, `but` what is named."""
        left = {}

        def is_nothing():
            left.clear()
            left.update(cls.left(but))
            return not left
        try:
            wait_until(is_nothing, 30, "")
        except AssertionError:
            raise AssertionError(f"left over: {left}") from None

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(f"--- the gateway's log after {self.id()}:\n{self.gateway.log_tail()}\n---", flush=True)
        return result

    def cancel(self, wire, stream, code=8):
        """What a client that does not wait any longer says; the gateway has heard it."""
        wire.reset(stream, code)
        wire.ping()

    def is_answered_within(self, seconds, wire, stream):
        usual = wire.socket.gettimeout()
        wire.socket.settimeout(seconds)
        try:
            wire.wait(stream)
            return True
        except TimeoutError:
            return False
        finally:
            wire.socket.settimeout(usual)


def main():
    unittest.main(argv=[word for word in sys.argv if word != "--long"], verbosity=2 if os.environ.get("SGW_VERBOSE") else 1)
