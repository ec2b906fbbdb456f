#!/usr/bin/env python3
"""Large and unknown things pass: what the gateway walks and stamps, and what it has never heard of."""

import hashlib
import json
import unittest
import uuid

from gateway import IS_SANITIZED
from parts import field, memory, spark, spark_gateway, stamp, stand
from wire import Wire, head, message

MIB = 1 << 20
METHODS = "/spark.connect.SparkConnectService/"
OK = [("grpc-status", "0")]


class Large(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stand(cls, spark_gateway)

    def setUp(self):
        self.wire = Wire(self.gateway.plain)
        self.addCleanup(self.wire.close)
        self.session = str(uuid.uuid4())

    def call(self, method, body, **how):
        how.setdefault("head", [("content-type", "application/grpc")])
        response = self.wire.call(head(METHODS + method, ("x-script", json.dumps({"trailers": OK, **how}))), body)
        self.assertEqual(response.code, 0, (response.trailers, response.head))
        return response

    def arrives(self, method, *messages):
        """The call's messages reach the driver as they are, with the stamp behind each."""
        response = self.call(method, b"".join(message(one) for one in messages), digest=True)
        expected = b"".join(message(one + stamp(self.session)) for one in messages)
        self.assertEqual(response.trailer("x-bytes"), str(len(expected)))
        self.assertEqual(response.trailer("x-sha256"), hashlib.sha256(expected).hexdigest())

    def grows_little(self, work):
        """The gateway never had much more memory, after this, than before."""
        before = memory(self.gateway.pid, "VmHWM")
        work()
        if not IS_SANITIZED:
            self.assertLess(memory(self.gateway.pid, "VmHWM") - before, 32 * MIB)

    def test_a_result_row_of_100_mb_takes_no_memory(self):
        self.call("ExecutePlan", message(spark(self.session)), messages=[1000])
        self.grows_little(lambda: self.assertEqual(
            len(self.call("ExecutePlan", message(spark(self.session)), messages=[100 * MIB]).data), 100 * MIB + 5))

    def test_sql_and_closures_of_20_mb_arrive_whole_and_stamped(self):
        self.arrives("ExecutePlan", spark(self.session))
        self.grows_little(lambda: self.arrives("ExecutePlan", spark(self.session, rest=field(3, b"x" * (20 * MIB)))))

    def test_artifacts_of_20_mb_arrive_in_their_messages(self):
        self.arrives("AddArtifacts", *[spark(self.session, rest=field(3, bytes([i % 256]) * 32_768)) for i in range(640)])

    def test_fields_that_no_proto_of_ours_knows_pass(self):
        unknown = field(999, b"new") + bytes.fromhex("b81f05") + bytes.fromhex("bd1f01020304") + bytes.fromhex("b91f0102030405060708")
        self.arrives("ExecutePlan", unknown + spark(self.session, rest=field(3, unknown) + unknown))
        response = self.call("ExecutePlan", message(spark(self.session, rest=unknown)), echo=True)
        self.assertEqual(response.data, message(spark(self.session, rest=unknown) + stamp(self.session)))

    def test_a_method_that_is_newer_than_the_gateway_passes_in_a_session(self):
        self.arrives("ExecutePlan", spark(self.session))
        self.arrives("InventedLater", spark(self.session, rest=field(77, b"x")))

    def test_initial_metadata_of_a_stream_come_before_its_first_message(self):
        script = {"head": [("content-type", "application/grpc"), ("x-first", "1")], "early": True, "echo": True, "trailers": OK}
        stream = self.wire.open(head(METHODS + "AddArtifacts", ("x-script", json.dumps(script))))
        self.wire.send(stream, message(spark(self.session)), is_end=False)
        response = self.wire.wait(stream, lambda response: response.head is not None)
        self.assertIn((b"x-first", b"1"), response.head)
        self.assertEqual(response.data, b"")
        self.wire.send(stream, b"")
        self.assertEqual(self.wire.wait(stream).code, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
