"""A client that does what Spark's own do: it tries again at UNAVAILABLE, goes on with a stream that broke off behind the
last response it has, and sends a plan again only when the driver says that it does not know it."""

import random
import time
import uuid

from parts import field, fields_of, messages_of, spark
from wire import Wire, head, message

METHODS = "/spark.connect.SparkConnectService/"
OK, UNAVAILABLE = 0, 14
REATTACHABLE = field(5, field(1, b"\x08\x01"))


class Unexplained(AssertionError):
    """What no fault of a connection accounts for."""


class SparkClient:
    """One session on one connection at a time. `address()` is asked for each connection; `deadline` bounds each call.

    `tried` counts the calls by what came of them: a code, or the class of an error of the connection. `plans` has how often
    each operation's plan was sent.
    """

    def __init__(self, address, user, deadline=10, patience=60):
        self.session, self.user = str(uuid.uuid4()), user
        self.tried, self.plans = {}, {}
        self._address, self._deadline, self._patience = address, deadline, patience
        self._wire = None

    def close(self):
        if self._wire:
            self._wire.close()
        self._wire = None

    def once(self, method, *rests, script=""):
        """A call, and what came of it: its Response; None when it never ended."""
        response = None
        try:
            if self._wire is None:
                self._wire = Wire(self._address(), timeout=self._deadline)
            stream = self._wire.open(head(METHODS + method, *([("x-script", script)] if script else [])))
            response = self._wire.streams[stream]
            self._wire.send(stream, b"".join(message(spark(self.session, self.user, rest)) for rest in rests or (b"",)))
            self._wire.wait(stream)
        except OSError as error:
            self.close()
            self._count(type(error).__name__)
            return response if response and response.data else None
        self._wire.streams.pop(stream)
        # Every call has a window of its own.
        self._wire.stream_windows.pop(stream, None)
        self._count(f"reset {response.reset}" if response.reset is not None else response.code)
        if self._wire.goaway is not None:
            self.close()
        return response

    def _count(self, what):
        self.tried[what] = self.tried.get(what, 0) + 1

    def until_answered(self, method, *rests, script=""):
        """The first answer that is not UNAVAILABLE."""
        for _ in self._attempts(method):
            response = self.once(method, *rests, script=script)
            if response is not None and response.is_over and self._is_final(response):
                return response

    def _attempts(self, what):
        until, pause = time.monotonic() + self._patience, 0.02
        while time.monotonic() < until:
            yield
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(1, pause * 2)
        raise Unexplained(f"{what}: no answer within {self._patience} s; tried {self.tried}")

    @staticmethod
    def _is_final(response):
        # For a gRPC client, REFUSED_STREAM is UNAVAILABLE.
        return response.reset != 7 and response.code != UNAVAILABLE

    def expect_ok(self, method, *rests, script=""):
        response = self.until_answered(method, *rests, script=script)
        if response.code != OK:
            raise Unexplained(f"{method}: {response.code} {response.reset} {response.trailer('grpc-message')}")
        return response

    def config(self):
        self.expect_ok("Config")

    def upload(self, sizes=(15_000,) * 3):
        self.expect_ok("AddArtifacts", *(field(5, bytes(size)) for size in sizes))

    def abandon(self, how):
        """Leaves a stream that would go on, by "close" of the connection or by "cancel"."""
        try:
            if self._wire is None:
                self._wire = Wire(self._address(), timeout=self._deadline)
            wire = self._wire
            stream = wire.open(head(METHODS + "ExecutePlan", ("x-script", "responses=1; after=1; hang")))
            wire.send(stream, message(spark(self.session, self.user)))
            wire.wait(stream, lambda response: response.is_over or response.data)
            if how == "cancel":
                wire.reset(stream)
            else:
                self.close()
        except OSError as error:
            self.close()
            self._count(type(error).__name__)

    def release(self):
        response = self.until_answered("ReleaseSession")
        # One that was carried out, and whose answer was lost, is tried again.
        if response.code != OK and "SESSION_CLOSED" not in response.trailer("grpc-message"):
            raise Unexplained(f"ReleaseSession: {response.code} {response.reset} {response.trailer('grpc-message')}")

    def execute(self, rows=4, size=20_000, pause="0ms"):
        """Runs a plan to its end; each of its rows came once and in order."""
        operation, last, got = str(uuid.uuid4()), "", []
        script = f"responses={rows}; bytes={size}; pause={pause}"
        plan = ("ExecutePlan", REATTACHABLE + field(6, operation))
        call = plan
        for _ in self._attempts(f"operation {operation}"):
            if call is plan:
                self.plans[operation] = self.plans.get(operation, 0) + 1
            response = self.once(*call, script=script)
            for one in messages_of(response.data if response else b""):
                said = dict(fields_of(one))
                last = said[13].decode()
                got.append(int(last.rpartition("/")[2]))
                if len(got) <= rows and len(dict(fields_of(said[2]))[2]) != size:
                    raise Unexplained(f"operation {operation}: a row of another size")
            if len(got) > rows:
                break
            if response is not None and response.is_over and self._is_final(response) and response.code != OK:
                text = response.trailer("grpc-message")
                is_unknown = "OPERATION_NOT_FOUND" in text or "SESSION_NOT_FOUND" in text
                if is_unknown and not got and call is not plan:
                    call = plan
                    continue
                # A first plan, on a connection that broke, may reach the driver behind a second one.
                if "OPERATION_ALREADY_EXISTS" not in text or self.plans[operation] == 1:
                    raise Unexplained(f"operation {operation}: {response.code} {response.reset} {text}")
            call = ("ReattachExecute", field(3, operation) + (field(5, last) if last else b""))
        if got != list(range(rows + 1)):
            raise Unexplained(f"operation {operation}: rows {got}")
        self.expect_ok("ReleaseExecute", field(3, operation) + field(5, b""))
        return operation
