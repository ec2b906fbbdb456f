#!/usr/bin/env python3
"""Floods: streams that are opened and reset at once, and frames that want an answer or have no use."""

import struct

from ground import IS_LONG, Ground, main
from wire import (DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, SETTINGS, WINDOW_UPDATE, frame, head, headers,
                  literal, setting)

COUNT = 1_000_000 if IS_LONG else 100_000
CANCEL = struct.pack(">I", 8)


class Floods(Ground):
    def test_streams_that_are_reset_at_once_end_their_connection(self):
        with self.attack() as tools:
            for _ in range(3):
                wire = self.wire(tools)
                sent = wire.push(b"".join(headers(stream, head()) + frame(RESET, 0, stream, CANCEL)
                                          for stream in range(1, 2 * COUNT // 10, 2)))
                self.assertTrue(not sent or wire.read_to_end() is not None or wire.has_ended)
        self.assertEqual(self.new, {"flood": 3})

    def test_streams_that_the_gateway_is_made_to_reset_end_their_connection(self):
        # Each in another way: more than the largest window, DATA beyond content-length, a second head, an upper-case name.
        overflow = frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 2**31 - 1))
        ways = [lambda stream: headers(stream, head()) + frame(WINDOW_UPDATE, 0, stream, overflow[9:]),
                lambda stream: headers(stream, head("/test.Origin/Call", ("content-length", "1"))) + frame(DATA, 0, stream, b"xx"),
                lambda stream: headers(stream, head()) + headers(stream, literal("x", "y")),
                lambda stream: headers(stream, head("/test.Origin/Call", ("X", "y")), END_HEADERS | END_STREAM),
                lambda stream: headers(stream, head()) + frame(WINDOW_UPDATE, 0, stream, bytes(4))]
        for way in ways:
            with self.subTest(way=ways.index(way)), self.attack() as tools:
                wire = self.wire(tools)
                wire.push(b"".join(way(stream) for stream in range(1, 2 * COUNT // 10, 2)))
                wire.read_to_end()
            self.assertGreaterEqual(self.new.get("flood", 0) + self.new.get("bad_protocol", 0), 1, self.new)

    def test_streams_that_the_driver_resets_harm_nobody(self):
        script = ("x-script", '{"messages": [10], "reset": true, "head": [["content-type", "application/grpc"]]}')
        with self.attack() as tools:
            wire = self.wire(tools)
            for _ in range(COUNT // 200):
                self.assertEqual(wire.call(head("/test.Origin/Call", script)).code, 13)
        self.assertEqual(self.new, {})

    def test_frames_that_want_an_answer_from_a_peer_that_never_reads_end_its_connection(self):
        for one in (frame(PING, payload=b"12345678"), frame(SETTINGS), frame(SETTINGS, payload=setting(*[(4, 65535)] * 30))):
            with self.subTest(one[3]), self.attack() as tools:
                wire = self.wire(tools)
                wire.push(one * COUNT)
                wire.read_to_end()
            self.assertEqual(self.new, {"flood": 1})

    def test_frames_without_a_use_end_their_connection(self):
        empty, useless = frame(DATA, 0, 1), frame(PRIORITY, 0, 3, struct.pack(">IB", 5, 1))
        padded = frame(DATA, 8, 1, b"\x05" + bytes(5))
        for one in (empty, useless, padded):
            with self.subTest(one[3]), self.attack() as tools:
                wire = self.wire(tools)
                wire.open(head())
                wire.push(one * COUNT)
                wire.read_to_end()
            self.assertEqual(self.new, {"flood": 1})

    def test_window_updates_and_unknown_frames_cost_what_their_bytes_cost(self):
        for one in (frame(WINDOW_UPDATE, payload=struct.pack(">I", 1)), frame(0x6A, 0, 0, b"x"), frame(0x6A, 0, 1, b"")):
            with self.subTest(one[3]), self.attack() as tools:
                wire = self.wire(tools, window=65535)
                wire.open(head())
                wire.push(one * COUNT)
                wire.ping()
            self.assertEqual(self.new, {})

    def test_headers_behind_a_stream_that_has_ended_end_the_connection(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            wire.call(head())
            wire.push((frame(HEADERS, END_HEADERS | END_STREAM, 1, head())) * 1000)
            self.assertIn(wire.read_to_end(), (5, None))
        self.assertEqual(self.new, {"bad_protocol": 1})


if __name__ == "__main__":
    main()
