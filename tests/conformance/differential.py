#!/usr/bin/env python3
"""The same call, direct and through the gateway, ends with the same bytes, metadata, trailers and status.

Requests and responses are those of programs/origin, which knows nothing of gRPC: what is compared is what stood in the
frames, field by field, in their order. All of it by a bare relay, and by a gateway that knows sessions and stamps messages.
"""

import base64
import json
import unittest
import uuid

from parts import relay, spark, spark_gateway, stand
from wire import Wire, head, message

PLAIN = [("content-type", "application/grpc"), ("date", "never")]


def script(**how):
    how.setdefault("head", PLAIN)
    return ("x-script", json.dumps(how, ensure_ascii=False))


def unpadded(data):
    return base64.b64encode(data).decode().rstrip("=")


class Differential(unittest.TestCase):
    """What any message and any answer must come through."""

    path, body, codes = "/test.Origin/Call", b"", range(17)
    cookies = (("cookie", "a=b"), ("cookie", "c=d"))

    @classmethod
    def setUpClass(cls):
        stand(cls, relay, limits={"header_bytes": "1MiB"})

    def setUp(self):
        self.wires = {"direct": Wire(self.origin.address), "plain": Wire(self.gateway.plain),
                      "tls": Wire(self.gateway.tls, self.gateway.certificate)}
        for wire in self.wires.values():
            self.addCleanup(wire.close)

    @property
    def through(self):
        return [name for name in self.wires if name != "direct"]

    def same(self, *fields, body=None, **how):
        """Performs the script everywhere; the direct response, which the others equalled."""
        block = head(self.path, script(**how), *fields)
        responses = {name: wire.call(block, self.body if body is None else body) for name, wire in self.wires.items()}
        for name in self.through:
            for part in ("head", "trailers", "data", "has_ended"):
                self.assertEqual(getattr(responses[name], part), getattr(responses["direct"], part), (name, part))
            self.assertEqual(responses[name].reset is None, responses["direct"].reset is None)
        return responses["direct"]

    def test_every_code_in_every_form(self):
        for code in self.codes:
            trailers = [("grpc-status", str(code)), ("grpc-message", f"code {code}")]
            for messages in ([], [0], [100, 0, 70_000]):
                with self.subTest(code=code, messages=messages):
                    response = self.same(messages=messages, trailers=trailers)
                    self.assertEqual(response.code, code)
                    self.assertEqual(response.trailers is None, not messages)

    def test_codes_that_grpc_does_not_know_and_none_at_all(self):
        for trailers in ([], [("grpc-status", "17")], [("grpc-status", "-1")], [("grpc-status", "x")],
                         [("grpc-status", "0"), ("grpc-status", "5")]):
            self.same(messages=[10], trailers=trailers)

    def test_details_of_every_size(self):
        for size in (0, 1, 2, 3, 1000, 4096, 8192, 16_000, 40_960):
            with self.subTest(size=size):
                details = unpadded(bytes(i % 251 for i in range(size)))
                for messages in ([], [5]):
                    response = self.same(messages=messages, trailers=[("grpc-status", "13"), ("grpc-status-details-bin", details)])
                    self.assertEqual(response.trailer("grpc-status-details-bin"), details)

    def test_messages_are_not_touched(self):
        for text in ("", "%E2%82%AC%0A", "100%", "%zz%", " two  spaces ".strip(), "\u20ac in UTF-8", "a,b;c=\"d\"", "x" * 16_000):
            with self.subTest(text=text[:20]):
                for messages in ([], [5]):
                    self.same(messages=messages, trailers=[("grpc-status", "3"), ("grpc-message", text)])

    def test_metadata_repeated_binary_empty_and_long(self):
        fields = [("x-a", "1"), ("x-a", "2"), ("x-a", "1"), ("x-empty", ""), ("x-b-bin", unpadded(b"\0\xff\n")),
                  ("x-b-bin", "AA==,BB"), ("x-long", "l" * 9000), ("x-utf8", "\u00e4\u20ac"), ("server", "x"), ("x-spark-team", "a")]
        self.same(head=PLAIN + fields, messages=[10], trailers=[("grpc-status", "0"), *fields])
        self.same(head=PLAIN + fields, trailers=[("grpc-status", "0")])
        # What the origin saw of the request; it knows the gateway by its trace alone.
        seen = {}
        block = head(self.path, script(heard=True, trailers=[("grpc-status", "0")]), *fields[:-2],
                     ("grpc-timeout", "20S"), ("grpc-encoding", "gzip"), ("user-agent", "u"), *self.cookies)
        for name, wire in self.wires.items():
            seen[name] = json.loads(wire.call(block, self.body).trailer("x-heard"))
        for name in self.through:
            self.assertEqual(len(seen[name].pop("Traceparent")[0]), 55)
            self.assertEqual(seen[name], seen["direct"])

    def test_bodies_pass_byte_by_byte(self):
        for body in (b"", message(b""), message(b"x" * 10) * 3, b"\0\0\0", message(b"z" * 5_000_000, flag=1)):
            response = self.same(body=body, echo=True, digest=True, trailers=[("grpc-status", "0")])
            self.assertEqual(response.data, body)
            self.assertEqual(response.trailer("x-bytes"), str(len(body)))

    def test_initial_metadata_come_before_the_request_ends(self):
        block = head("/test.Origin/Call", script(head=PLAIN + [("x-first", "1")], early=True, echo=True,
                                                 trailers=[("grpc-status", "0")]))
        for wire in self.wires.values():
            stream = wire.open(block)
            response = wire.wait(stream, lambda response: response.head is not None)
            self.assertIn((b"x-first", b"1"), response.head)
            self.assertFalse(response.is_over)
            wire.send(stream, b"later")
            self.assertEqual(wire.wait(stream).data, b"later")

    def test_answers_that_are_not_grpc(self):
        for fields in ([("content-type", "text/html")], [("content-type", "application/json")], []):
            self.same(head=[*fields, ("date", "never")], messages=[10])

    def test_a_reset_in_mid_stream_is_a_status_behind_what_came(self):
        block = head(self.path, script(messages=[10], reset=True))
        for name in self.through:
            response = self.wires[name].call(block, self.body)
            self.assertEqual(response.data, self.same(messages=[10], trailers=[("grpc-status", "0")]).data)
            self.assertEqual(response.code, 13)

    def test_a_head_as_large_as_the_limit_passes_and_a_larger_one_is_refused_alone(self):
        call = script(trailers=[("grpc-status", "0")])
        for name in self.through:
            for count, code in ((30, 0), (36, 8)):
                response = self.wires[name].call(head(self.path, call, *[("x-many", "m" * 30_000)] * count), self.body)
                self.assertEqual(response.code, code, response.trailer("grpc-message"))
            self.same(trailers=[("grpc-status", "0")])


class InSessions(Differential):
    """The same for a Spark Connect server's answers, whose requests are walked and stamped: what these become, large.py asks."""

    path = "/spark.connect.SparkConnectService/ExecutePlan"
    body = message(spark(str(uuid.uuid4())))
    cookies = ()  # A credential is the gateway's alone.
    codes = range(16)  # By UNAUTHENTICATED a driver refuses the gateway itself; a session without a driver has ended.
    test_bodies_pass_byte_by_byte = test_initial_metadata_come_before_the_request_ends = None

    @classmethod
    def setUpClass(cls):
        stand(cls, spark_gateway, limits={"header_bytes": "1MiB"})

    def setUp(self):
        self.wires = {"direct": Wire(self.origin.address), "plain": Wire(self.gateway.plain)}
        for wire in self.wires.values():
            self.addCleanup(wire.close)


if __name__ == "__main__":
    unittest.main(verbosity=2)
