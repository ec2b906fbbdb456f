#!/usr/bin/env python3
"""Header blocks that mean harm: illegal bytes, bombs of HPACK's, blocks without an end, headers that imitate ours."""

import json

from ground import IS_LONG, MIB, Ground, main
from wire import CONTINUATION, END_HEADERS, END_STREAM, HEADERS, SETTINGS, Wire, frame, head, headers, literal, setting

NAME = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
VALUE = set(range(0x20, 0x7F)) | set(range(0x80, 0x100)) | {9}
OK = ("x-script", '{"heard": true, "trailers": [["grpc-status", "0"]], "head": [["content-type", "application/grpc"]]}')


class Headers(Ground):
    def test_illegal_bytes_in_names_and_values_end_their_call_alone(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            for byte in range(256):
                for is_name, legal in ((True, NAME), (False, VALUE)):
                    mark = bytes([b"x"[0], byte, b"y"[0]])
                    field = (mark, "1") if is_name else ("x-mark", mark)
                    response = wire.call(head("/test.Origin/Call", OK, field))
                    # nghttp2 has no mercy with upper case.
                    is_upper = is_name and 65 <= byte <= 90
                    with self.subTest(byte=byte, is_name=is_name):
                        wanted = (-1, 1) if is_upper else (0 if byte in legal else 3, None)
                        self.assertEqual((response.code, response.reset), wanted, response.head)
            wire.ping()
        self.assertEqual(self.new, {"invalid_header": 2 * 256 - len(NAME) - len(VALUE) - 26, "bad_stream": 26})

    def test_illegal_pseudo_headers_never_reach_the_driver(self):
        usual = [(":method", "POST"), (":scheme", "http"), (":path", "/test.Origin/Call"), (":authority", "test"),
                 ("te", "trailers"), ("content-type", "application/grpc"), OK]
        wrong = [usual + [(":path", "/late")], usual[:1] + usual, [(":unknown", "1")] + usual, usual[1:], usual[:2] + usual[3:],
                 [(":status", "200")] + usual, usual + [("connection", "close")], usual + [("transfer-encoding", "chunked")],
                 usual + [("te", "gzip")], usual + [("", "1")], usual + [("X-Upper", "1")],
                 usual + [("content-length", "5"), ("content-length", "6")], usual + [("content-length", "-1")]]
        with self.attack() as tools:
            wire = self.wire(tools)
            for fields in wrong:
                response = wire.call(b"".join(literal(*field) for field in fields))
                with self.subTest(fields=[field for field in fields if field not in usual]):
                    self.assertTrue(response.reset == 1 or response.code in (3, -1) or
                                    not (response.head or [(b"", b"")])[0][1].startswith(b"200"),
                                    (response.reset, response.head, response.trailers))
            wire.ping()

    def test_headers_that_imitate_ours_do_not_pass(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            response = wire.call(head("/test.Origin/Call", OK, ("x-spark-gateway-user", "root"), ("host", "evil"),
                                      ("proxy-authorization", "x"), ("traceparent", "00-bad"), ("x-kept", "1")))
            heard = json.loads(response.trailer("x-heard"))
        self.assertEqual(heard["X-Kept"], ["1"])
        self.assertNotIn("X-Spark-Gateway-User", heard)
        self.assertNotIn("Proxy-Authorization", heard)
        self.assertNotEqual(heard["Traceparent"], ["00-bad"])

    def test_a_block_of_15_mb_over_continuations_ends_its_connection(self):
        with self.attack() as tools:
            for large in (b"".join(literal("x-a", "v" * 4000) for _ in range(15 * MIB // 4000)), literal("x-a", "v" * 15 * MIB)):
                wire = self.wire(tools)
                wire.push(headers(1, head() + large))
                wire.read_to_end()
        self.assertGreaterEqual(self.new.get("flood", 0) + self.new.get("bad_protocol", 0), 2)

    def test_a_table_that_is_churned_costs_no_more_than_its_bytes(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            for count in range(50 if not IS_LONG else 2000):
                block = b"".join(literal(f"x-{count}-{i}", "v" * 200, how=0x40) for i in range(100))
                wire.call(head("/test.Origin/Call", OK) + block)
            wire.ping()

    def test_references_that_unfold_to_gigabytes_are_refused(self):
        with self.attack() as tools:
            for _ in range(20 if not IS_LONG else 500):
                wire = self.wire(tools)
                wire.call(head("/test.Origin/Call", OK) + literal("x", "v" * 3900, how=0x40))
                wire.push(b"".join(headers(stream, head() + b"\xbe" * 60_000, END_HEADERS | END_STREAM) for stream in range(3, 33, 2)))
                wire.read_some()

    def test_a_block_without_an_end_ends_its_connection(self):
        with self.attack() as tools:
            for part in (b"", literal("x", "y")):
                wire = self.wire(tools)
                wire.push(frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, 0, 1, part) * 100_000)
                wire.read_to_end()
        self.assertEqual(self.new, {"flood": 2})

    def test_a_table_size_that_the_peer_dreams_up_costs_nothing(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            wire.write(frame(SETTINGS, payload=setting((1, 2**32 - 1))))
            for _ in range(100):
                wire.call(head("/test.Origin/Call", OK))
            # A change of the table's size in a block, over what was offered.
            wire.push(headers(wire.next, b"\x3f\xe1\xff\xff\x0f" + head()))
            self.assertEqual(wire.read_to_end(), 9)
        self.assertEqual(self.new, {"bad_protocol": 1})


if __name__ == "__main__":
    main()
