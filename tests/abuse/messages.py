#!/usr/bin/env python3
"""Messages that mean harm: lying lengths, compression flags, and protobuf by which a driver and the stamp could disagree.

What the gateway lets through must end with its stamp, as fields of the message itself: a parser takes the last one. What
it refuses must never be whole at the driver.
"""

import hashlib
import json
import uuid

from canary import keep
from ground import Ground, main
from parts import field, spark, stamp, varint
from wire import Wire, head, message

SCRIPT = ("x-script", json.dumps({"digest": True, "trailers": [["grpc-status", "0"]],
                                  "head": [["content-type", "application/grpc"]]}))
TOKEN = keep("a-token-of-an-attacker")
VICTIM = field(1, "11111111-1111-1111-1111-111111111111") + field(2, field(1, "victim") + field(2, "victim"))


def tag(number, kind):
    return varint(number << 3 | kind)


class Messages(Ground):
    is_spark = True

    def setUp(self):
        self.session = str(uuid.uuid4())
        self.plain = spark(self.session)

    def send(self, wire, body, method="ExecutePlan", is_end=True):
        return wire.call(head(f"/spark.connect.SparkConnectService/{method}", SCRIPT), body, is_end)

    def cases(self, good, bad, user="alice"):
        """Each of `good`, a message of this user, arrives with its stamp; each of `bad` is refused, with one of its codes."""
        with self.attack() as tools:
            wire = self.wire(tools)
            for name, payload in good.items():
                with self.subTest(name):
                    response = self.send(wire, message(payload))
                    self.assertEqual(response.code, 0, response.trailer("grpc-message"))
                    whole = message(payload + stamp(self.session, user))
                    self.assertEqual(response.trailer("x-sha256"), hashlib.sha256(whole).hexdigest())
            for name, (body, codes) in bad.items():
                with self.subTest(name):
                    response = self.send(wire, body)
                    self.assertIn(response.code, codes, response.trailer("grpc-message"))
                    self.assertEqual(response.trailer("x-sha256"), "", "the driver had it whole")
            wire.ping()

    def test_who_claims_two_names_is_the_one_that_a_parser_reads(self):
        self.cases({"behind": self.plain + field(2, field(1, "carol")),
                    "before and behind": field(2, field(1, "dave")) + self.plain + field(2, field(1, "carol")),
                    "in one": field(1, self.session) + field(2, field(1, "dave") + field(1, "carol"))}, {}, user="carol")

    def test_fields_that_a_driver_could_read_in_another_way(self):
        plain = self.plain
        tail = stamp(self.session)
        self.cases({
            "our session twice": plain + field(1, self.session),
            "a nested victim": plain + field(3, VICTIM),
            "padded varints": plain + tag(9, 0) + b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
            "a padded tag": plain + b"\xca\x00" + varint(3) + b"abc",
            "a padded length": plain + tag(9, 2) + b"\x83\x80\x00abc",
            "an empty unknown field": plain + tag(9, 2) + b"\x00",
            "fixed fields": plain + tag(9, 5) + bytes(4) + tag(10, 1) + bytes(8),
            "the largest field number": plain + tag(2**29 - 1, 0) + b"\x01",
        }, {
            "another session behind": (message(plain + VICTIM), (3,)),
            "a field as long as the stamp, truncated": (message(plain + tag(9, 2) + varint(len(tail))), (3,)),
            "a field that overruns by one": (message(plain + tag(9, 2) + varint(4) + b"abc"), (3,)),
            "a truncated tag": (message(plain + b"\xca"), (3,)),
            "a truncated varint": (message(plain + tag(9, 0) + b"\x80"), (3,)),
            "a truncated fixed field": (message(plain + tag(9, 5) + b"\0\0"), (3,)),
            "a group": (message(plain + tag(9, 3) + tag(9, 4)), (3,)),
            "a group's end alone": (message(plain + tag(9, 4)), (3,)),
            "a group without an end": (message(plain + tag(9, 3)), (3,)),
            "wire type 6": (message(plain + tag(9, 6)), (3,)),
            "wire type 7": (message(plain + tag(9, 7)), (3,)),
            "field number 0": (message(plain + tag(0, 0) + b"\x01"), (3,)),
            "a field number over the largest": (message(plain + varint(2**29 << 3) + b"\x01"), (3,)),
            "a tag of six bytes": (message(plain + b"\xca\x80\x80\x80\x80\x00" + b"\x00"), (3,)),
            "a varint of eleven bytes": (message(plain + tag(9, 0) + b"\x80" * 10 + b"\x01"), (3,)),
            "a length over 2 GiB": (message(plain + tag(9, 2) + varint(2**31)), (3,)),
            "a length of ten bytes": (message(plain + tag(9, 2) + varint(2**64 - 1)), (3,)),
            "a user of a wrong type": (message(plain + tag(2, 0) + b"\x01"), (3,)),
            "a session of a wrong type": (message(plain + tag(1, 5) + bytes(4)), (3,)),
            "no session": (message(field(2, field(1, "alice"))), (3,)),
            "a session that is no UUID": (message(spark("x")), (3,)),
        })

    def test_prefixes_that_lie(self):
        plain = self.plain
        whole = message(plain)
        self.cases({"itself": plain}, {
            "compressed": (message(plain, flag=1), (12,)),
            "an unknown flag": (message(plain, flag=2), (3, 12)),
            "every flag": (message(plain, flag=255), (3, 12)),
            "an end inside the prefix": (whole[:3], (3,)),
            "an end inside the message": (whole[:-1], (3,)),
            "nothing at all": (b"", (3,)),
            "a second prefix without a message": (whole + b"\0\0\0", (3,)),
            "a second message that lacks a byte": (whole + message(plain + field(3, b"x"))[:-1], (3,)),
            "a second message that is compressed": (whole + message(plain, flag=1), (12,)),
            "a second message of another session": (whole + message(spark(str(uuid.uuid4()))), (3,)),
            "more than 2 GiB": (b"\0\xff\xff\xff\xff" + plain, (3,)),
        })

    def test_a_late_victim_behind_megabytes_never_reaches_the_driver_whole(self):
        large = field(3, b"x" * 1_000_000)
        self.cases({"large": self.plain + large}, {
            "a late other session": (message(self.plain + large + VICTIM), (3,)),
            "a late group": (message(self.plain + large + tag(9, 3)), (3,)),
            "a late truncation": (message(self.plain + large + tag(9, 2) + varint(200)), (3,)),
        })

    def test_every_byte_as_the_last_one_is_refused_or_stamped(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            for byte in range(256):
                payload = self.plain + bytes([byte])
                response = self.send(wire, message(payload))
                with self.subTest(byte=byte):
                    self.assertEqual(response.code, 3)

    def test_prefixes_that_come_byte_by_byte_are_whole_again(self):
        body = message(self.plain) + message(self.plain + field(3, b"abc"))
        expected = message(self.plain + stamp(self.session)) + message(self.plain + field(3, b"abc") + stamp(self.session))
        with self.attack() as tools:
            wire = self.wire(tools)
            stream = wire.open(head("/spark.connect.SparkConnectService/AddArtifacts", SCRIPT))
            for byte in body:
                wire.send(stream, bytes([byte]), is_end=False)
            wire.send(stream, b"")
            response = wire.wait(stream)
        self.assertEqual(response.trailer("x-sha256"), hashlib.sha256(expected).hexdigest())

    def test_headers_that_imitate_ours_do_not_reach_the_driver(self):
        script = ("x-script", json.dumps({"heard": True, "messages": [1], "head": [["content-type", "application/grpc"]],
                                          "trailers": [["grpc-status", "0"]]}))
        with self.attack(), Wire(self.address) as wire:
            response = wire.call(head("/spark.connect.SparkConnectService/Config", script, ("authorization", f"Bearer {TOKEN}"),
                                      ("x-spark-gateway-user", "root"), ("te", "trailers")), message(self.plain))
            heard = json.loads(response.trailer("x-heard"))
        self.assertNotIn("Authorization", heard)
        self.assertFalse([name for name in heard if name.startswith("X-Spark-Gateway")])


if __name__ == "__main__":
    main()
