#!/usr/bin/env python3
"""Frames that end or break a call: RST_STREAM with each code from either side, GOAWAY, answers that come early, nonsense."""

import contextlib
import os
import signal
import struct
import tempfile
import threading
import uuid

from parts import field, spark, spark_gateway
from raw_driver import RawDriver, answer_all
from rig import CANCELLED, INTERNAL, METHODS, OK, RESOURCE_EXHAUSTED, STREAM, UNARY, UNAVAILABLE, Rig, main, wait_until
from wire import DATA, GOAWAY, HEADERS, SETTINGS, Wire, frame, head, message

PERMISSION_DENIED = 7
ROW = b"r" * 1000
# As gRPC reads the codes of HTTP/2.
CODES = {0: INTERNAL, 1: INTERNAL, 2: INTERNAL, 3: INTERNAL, 4: INTERNAL, 5: INTERNAL, 6: INTERNAL, 7: UNAVAILABLE,
         8: CANCELLED, 9: INTERNAL, 10: INTERNAL, 11: RESOURCE_EXHAUSTED, 12: PERMISSION_DENIED, 13: INTERNAL, 999: INTERNAL}


class Frames(Rig):
    config = {"sessions": {"lost_after": "1d"}, "upstream": {"connect_timeout": "1s"}}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sgw-faults-")
        cls.addClassCleanup(folder.cleanup)
        cls.raw = RawDriver()
        cls.addClassCleanup(cls.raw.close)
        cls.gateway = spark_gateway(folder.name, cls.raw.address, workers=1, **cls.config)
        cls.addClassCleanup(cls.gateway.close)

    @classmethod
    def tearDownClass(cls):
        pass  # Who counts is the driver of each case.

    def setUp(self):
        self.session = str(uuid.uuid4())
        self.requests, self.served_by = [], set()

    @contextlib.contextmanager
    def case(self, **what):
        """A case with a session of its own; afterwards the driver is a good one again, and nothing is left over."""
        with self.subTest(**what):
            self.setUp()
            try:
                yield
            finally:
                self.raw.script = answer_all
                self.raw.end_connections()
                self.release(self.session)
            self.wait_for_nothing()
            self.assertEqual(self.raw.faults, [])

    def plays(self, script):
        """What the driver does with its next connections: script(end, stream) for each request that is whole."""
        def play(end):
            while (stream := end.next_request()) is not None:
                self.requests.append(dict(end.streams[stream].head)[b":path"].decode().rsplit("/", 1)[1])
                self.served_by.add(end)
                script(end, stream)
        self.raw.script = play

    def call(self, kind=STREAM):
        with Wire(self.gateway.address) as wire:
            return wire.wait(kind.begin(wire, self.session))

    def test_a_reset_by_the_driver_with_each_code(self):
        for number, status in CODES.items():
            for when in ("before its head", "behind its head", "behind some rows"):
                with self.case(code=number, when=when):
                    def script(end, stream, number=number, when=when):
                        if when != "before its head":
                            end.begin(stream, *([ROW] if "rows" in when else []))
                        end.reset(stream, number)
                    self.plays(script)
                    response = self.call()
                    self.assertEqual(response.code, status, response.trailer("grpc-message"))
                    self.assertEqual(len(response.data), 1005 if "rows" in when else 0)
                    self.assertEqual(self.requests, ["ExecutePlan"])

    def test_a_reset_by_the_client_with_each_code(self):
        for number in CODES:
            with self.case(code=number):
                heard = []

                def script(end, stream):
                    end.begin(stream, ROW)
                    while end.streams[stream].reset is None and end.read_some():
                        continue
                    heard.append(end.streams[stream].reset)
                self.plays(script)
                with Wire(self.gateway.address) as wire:
                    stream = STREAM.begin(wire, self.session)
                    wire.wait(stream, lambda response: len(response.data) == 1005)
                    self.cancel(wire, stream, number)
                    # Whatever the client's reason is, for a driver it is a cancelled call.
                    wait_until(lambda: heard, 5, "the driver to be told")
                    self.assertEqual(heard, [8])
                self.assertEqual(self.requests, ["ExecutePlan"])

    def test_goaway_in_mid_stream_lets_it_finish_and_the_next_call_goes_elsewhere(self):
        with self.case():
            finishes = []

            def script(end, stream):
                if finishes:
                    return answer(end, stream)
                end.write(frame(GOAWAY, payload=struct.pack(">II", stream, 0)))
                end.begin(stream, ROW)
                finishes.append((end, stream))

            def answer(end, stream):
                end.begin(stream, ROW)
                end.end(stream)
            self.plays(script)
            with Wire(self.gateway.address) as wire:
                running = STREAM.begin(wire, self.session)
                wire.wait(running, lambda response: len(response.data) == 1005)
                other = wire.wait(UNARY.begin(wire, self.session))
                self.assertEqual(other.code, OK, other.trailer("grpc-message"))
                self.assertEqual(len(self.served_by), 2)
                self.assertFalse(wire.streams[running].is_over)
                end, stream = finishes[0]
                end.send(stream, message(ROW), is_end=False)
                end.end(stream)
                response = wire.wait(running)
            self.assertEqual((response.code, len(response.data)), (OK, 2010))
            self.assertEqual(sorted(self.requests), ["Config", "ExecutePlan"])

    def test_goaway_that_leaves_a_call_out_does_not_send_it_again(self):
        with self.case():
            # The driver says that it has not looked at the call; the kernel was given it all the same.
            self.plays(lambda end, stream: end.write(frame(GOAWAY, payload=struct.pack(">II", 0, 0))))
            self.assertEqual(self.call().code, UNAVAILABLE)
            self.assertEqual(self.requests, ["ExecutePlan"])

    def test_goaway_before_any_call_sends_the_call_elsewhere(self):
        leaves = frame(GOAWAY, payload=struct.pack(">II", 0, 0))

        def script(end, stream):
            end.begin(stream, ROW)
            end.end(stream)
        with self.case(leaves="once"):
            self.plays(script)
            self.raw.hellos.append(leaves)
            response = self.call()
            self.assertEqual(response.code, OK, response.trailer("grpc-message"))
            self.assertEqual(self.requests, ["ExecutePlan"])
        with self.case(leaves="always"):
            # One that leaves again and again is no server yet.
            self.plays(script)
            self.raw.hellos += [leaves] * 2
            response = self.call()
            self.assertEqual(response.code, UNAVAILABLE)
            self.assertIn("ended a new connection at once", response.trailer("grpc-message"))
            self.assertEqual((self.requests, self.raw.hellos), ([], []))

    def test_an_answer_that_comes_before_the_upload_has_ended_is_the_answer(self):
        # By a driver that goes on reading, one that closes, and one that does not even read and resets.
        def answers(ending):
            def script(end):
                stream = end.next_request(lambda request: len(request.data) > 0)
                if stream is not None:
                    end.refuse(stream, RESOURCE_EXHAUSTED)
                    if ending == "NO_ERROR":
                        end.reset(stream, 0)
                    ending in ("close", "NO_ERROR") and end.close()
                    ending == "reset" and end.reset_connection()
                    while ending == "goes on" and end.read_some():
                        continue
            return script
        for ending in ("goes on", "close", "NO_ERROR", "reset"):
            for _ in range(5):
                with self.case(ending=ending):
                    self.raw.script = answers(ending)
                    with Wire(self.gateway.address) as wire:
                        stream = wire.open(head(METHODS + "AddArtifacts"))
                        part = message(spark(self.session, rest=field(5, "a" * 60_000)))
                        while not wire.streams[stream].is_over:
                            wire.send(stream, part, is_end=False)
                        response = wire.streams[stream]
                    self.assertEqual(response.code, RESOURCE_EXHAUSTED, response.trailer("grpc-message"))

    def test_an_answer_that_lies_in_the_socket_when_a_write_fails_is_the_answer(self):
        is_full, is_gone = threading.Event(), threading.Event()

        def script(end):
            stream = end.next_request(lambda request: len(request.data) > 0)
            if stream is not None and is_full.wait(60):
                end.refuse(stream, RESOURCE_EXHAUSTED)
                end.reset_connection()
                is_gone.set()
        with self.case(), Wire(self.gateway.address) as wire:
            self.raw.script = script
            stream = wire.open(head(METHODS + "AddArtifacts"))
            upload = message(spark(self.session, rest=field(5, bytes(32 << 20))))
            sender = threading.Thread(target=wire.send, args=(stream, upload), daemon=True)
            sender.start()
            windows = []

            def is_stuck():
                windows.append((wire.send_window, wire.stream_windows.get(stream)))
                return windows[-20:] == windows[-1:] * 20
            # The driver reads no more: all buffers on the way to it fill up.
            wait_until(is_stuck, 60, "the upload to be stuck")
            # The gateway finds both at once, the answer and the end.
            os.kill(self.gateway.pid, signal.SIGSTOP)
            is_full.set()
            self.assertTrue(is_gone.wait(30))
            os.kill(self.gateway.pid, signal.SIGCONT)
            sender.join(30)
            response = wire.wait(stream)
            self.assertEqual(response.code, RESOURCE_EXHAUSTED, response.trailer("grpc-message"))

    def test_what_is_no_http2_is_unavailable(self):
        for nonsense in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 100, frame(0x7f, 0xff, 0, b"?"), frame(DATA, 0, 0, b"x"),
                         frame(SETTINGS, 0, 3, b""), frame(HEADERS, 5, 1, b"\xff\xff\xff")):
            for when in ("at once", "behind some rows"):
                with self.case(nonsense=nonsense[:20], when=when):
                    def script(end, nonsense=nonsense, when=when):
                        if when == "behind some rows":
                            stream = end.next_request()
                            if stream is None:
                                return
                            self.requests.append("ExecutePlan")
                            end.begin(stream, ROW)
                        end.push(nonsense)
                        while end.read_some():
                            continue
                    self.raw.script = script
                    with Wire(self.gateway.address) as wire:
                        stream = STREAM.begin(wire, self.session)
                        if not self.is_answered_within(3 if nonsense[3] == 0x7f else 60, wire, stream):
                            # An unknown frame is to be ignored.
                            self.assertEqual(nonsense[3], 0x7f)
                            self.cancel(wire, stream)
                        else:
                            self.assertIn(wire.streams[stream].code, (UNAVAILABLE, INTERNAL))
                    self.assertLessEqual(len(self.requests), 1)


if __name__ == "__main__":
    main()
