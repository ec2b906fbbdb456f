#!/usr/bin/env python3
"""Those who hold on to things: who never reads, never speaks, speaks a byte at a time, or takes every connection."""

import contextlib
import resource
import socket
import time
import uuid

from ground import IS_LONG, MIB, Ground, main, metrics, wait_until
from parts import spark, varint
from wire import PREFACE, SETTINGS, Wire, frame, head, headers, message, setting

BIG = ("x-script", '{"messages": [8000000], "trailers": [["grpc-status", "0"]], "head": [["content-type", "application/grpc"]]}')
LARGE = b"\0\x10\0\0\0"  # the prefix of a message of 256 MiB
BLOB = b"\x1a" + varint(200 << 20) + b"x" * 60_000  # the beginning of a field of 200 MiB
OK = ("x-script", '{"trailers": [["grpc-status", "0"]], "head": [["content-type", "application/grpc"]]}')


def connect(address):
    host, port = address.rsplit(":", 1)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(30)
    made.connect((host, int(port)))
    return made


class Readers(Ground):
    limits = {"buffer_bytes": "128MiB"}
    grows_at_most = 200 * MIB

    def hold(self, tools, wires, streams):
        """So many connections with so many streams each, whose results nobody reads."""
        for _ in range(wires):
            # Its windows are large, so that only the sockets and the gateway hold anything up.
            quiet = tools.enter_context(contextlib.closing(connect(self.address)))
            quiet.sendall(PREFACE + frame(SETTINGS, payload=setting((4, 2**31 - 1))) +
                          frame(8, payload=(2**31 - 1 - 65535).to_bytes(4, "big")))
            for stream in range(1, 2 * streams, 2):
                quiet.sendall(headers(stream, head("/test.Origin/Call", BIG), 5))
        wait_until(lambda: self.state()["held"] > 100_000, 30, "bytes that nobody reads")

    def test_clients_that_stop_reading_a_big_result_stop_nobody_else(self):
        for count in (2, 3, 12, 100):
            with self.subTest(count=count), self.attack() as tools:
                self.hold(tools, count, 1)
                with Wire(self.address) as wire:
                    for _ in range(10):
                        response = wire.call(head("/test.Origin/Call", BIG))
                        self.assertEqual(len(response.data), 8_000_005, (response.reset, response.trailers))
                self.assertLessEqual(self.state()["held"], 128 * MIB)

    def test_many_streams_of_a_client_that_never_reads_are_bounded_together(self):
        with self.attack() as tools:
            self.hold(tools, 1, 200)
            wait_until(lambda: metrics(self.gateway)["spark_gateway_live_calls"] > 0, 10, "its calls")
            self.assertLessEqual(self.state()["held"], 65 * MIB)
            with Wire(self.address) as wire:
                self.assertEqual(len(wire.call(head("/test.Origin/Call", BIG)).data), 8_000_005)

    def test_streams_without_a_window_hold_no_more_than_theirs(self):
        with self.attack() as tools:
            wire = self.wire(tools, window=0)
            for _ in range(500):
                wire.open(head("/test.Origin/Call", BIG), is_end=True)
            wait_until(lambda: self.state()["held"] > 5 * MIB, 30, "bytes without a window")
            self.assertLessEqual(self.state()["held"], 65 * MIB)

    def test_large_messages_that_never_end_are_bounded(self):
        # 200 streams announce 256 MiB each, to a driver that takes what it gets.
        with self.attack() as tools:
            wire = self.wire(tools)
            for _ in range(200):
                wire.send(wire.open(head("/test.Origin/Call", OK)), LARGE + b"x" * 60_000, is_end=False)
            wire.ping()
            self.assertLessEqual(self.state()["held"], 65 * MIB)


class Capped(Readers):
    """The same with a bound that is reached."""

    limits = {"buffer_bytes": "8MiB"}
    grows_at_most = 64 * MIB

    def test_clients_that_stop_reading_a_big_result_stop_nobody_else(self):
        with self.attack() as tools:
            self.hold(tools, 100, 4)
            wait_until(lambda: self.incidents().get("held_bytes", 0) > 0, 30, "the bound to be reached")
            for _ in range(20):
                self.assertLessEqual(self.state()["held"], 9 * MIB)  # what is counted just now, too
                with Wire(self.address) as wire:
                    self.assertEqual(len(wire.call(head("/test.Origin/Call", BIG)).data), 8_000_005)
        self.assertEqual(set(self.new), {"held_bytes"})

    test_many_streams_of_a_client_that_never_reads_are_bounded_together = None
    test_streams_without_a_window_hold_no_more_than_theirs = None
    test_large_messages_that_never_end_are_bounded = None


class Messages(Ground):
    """The same of messages that are walked, and whose beginning says to which session they belong."""

    is_spark = True

    def parts(self, tools, first):
        """200 streams, each with so much of a message of 256 MiB."""
        wire = self.wire(tools)
        path = "/spark.connect.SparkConnectService/AddArtifacts"
        streams = [wire.open(head(path, OK)) for _ in range(200)]
        for stream in streams:
            wire.send(stream, LARGE + first(), is_end=False)
        wire.ping()
        self.assertLessEqual(self.state()["held"], 65 * MIB)
        return wire, streams

    def test_large_messages_that_never_end_are_bounded(self):
        with self.attack() as tools:
            wire, streams = self.parts(tools, lambda: spark(str(uuid.uuid4())) + BLOB)
            self.assertFalse(any(wire.streams[stream].is_over for stream in streams))
        page = metrics(self.gateway)
        self.assertEqual(page.get("spark_gateway_live_calls", 0), 0)

    def test_large_messages_that_do_not_say_their_session_in_time_are_refused(self):
        with self.attack() as tools:
            wire, streams = self.parts(tools, lambda: BLOB)
            for stream in streams:
                self.assertEqual(wire.wait(stream).code, 3, wire.streams[stream].trailer("grpc-message"))

    def test_beginnings_that_could_still_say_their_session_are_bounded(self):
        with self.attack() as tools:
            wire, streams = self.parts(tools, lambda: BLOB[:20_000])
            self.assertFalse(any(wire.streams[stream].is_over for stream in streams))
            self.assertGreater(self.state()["held"], 200 * 20_000)


class Silent(Ground):
    limits = {"handshake_timeout": "1s", "connections": 60}

    def test_connections_that_never_speak_are_closed_in_time(self):
        begin = PREFACE[:10]
        hello = bytes.fromhex("16030100c8010000c40303") + bytes(40)
        with self.attack() as tools:
            made = []
            for address, first in ((self.gateway.plain, b""), (self.gateway.plain, begin), (self.gateway.plain, PREFACE),
                                   (self.gateway.tls, b""), (self.gateway.tls, hello)):
                for _ in range(10):
                    made.append(tools.enter_context(contextlib.closing(connect(address))))
                    made[-1].sendall(first)
            for one in made:
                with contextlib.suppress(ConnectionError):
                    while one.recv(4096):
                        pass
        self.assertEqual(self.new, {"handshake_timeout": 50})

    def test_bytes_that_drip_buy_no_time_for_a_handshake(self):
        with self.attack() as tools:
            made = [tools.enter_context(contextlib.closing(connect(self.address))) for _ in range(10)]
            start = PREFACE + frame(SETTINGS)
            for at in range(len(start) - 1):
                for one in made:
                    with contextlib.suppress(OSError):
                        one.sendall(start[at:at + 1])
                time.sleep(0.1)  # The attack itself.
            wait_until(lambda: self.state()["connections"] <= 3, 30, "the drips to be closed")
        self.assertEqual(self.new, {"handshake_timeout": 10})

    def test_a_request_that_drips_is_a_call_like_any_other(self):
        with self.attack() as tools:
            wire = self.wire(tools)
            stream = wire.open(head("/test.Origin/Call", OK))
            for byte in message(b"slowly" * (1 if not IS_LONG else 20)):
                wire.send(stream, bytes([byte]), is_end=False)
                wire.ping()
            wire.send(stream, b"")
            self.assertEqual(wire.wait(stream).code, 0)

    def test_more_connections_than_allowed_are_closed_and_later_ones_served(self):
        with self.attack() as tools:
            made = [tools.enter_context(contextlib.closing(connect(self.address))) for _ in range(120)]
            wait_until(lambda: self.incidents().get("over_limit", 0) >= 60, 30, "connections over the limit")
            del made
        self.assertGreaterEqual(self.new["over_limit"], 60)
        with Wire(self.address) as wire:
            self.assertEqual(wire.call(head("/test.Origin/Call", OK)).code, 0)

    def test_out_of_descriptors_it_waits_and_serves_again(self):
        usual = resource.prlimit(self.gateway.pid, resource.RLIMIT_NOFILE)
        self.addCleanup(resource.prlimit, self.gateway.pid, resource.RLIMIT_NOFILE, usual)
        with self.attack(healthy=False) as tools:
            before = self.state()["descriptors"]
            resource.prlimit(self.gateway.pid, resource.RLIMIT_NOFILE, (before + 5, usual[1]))
            made = [tools.enter_context(contextlib.closing(connect(self.address))) for _ in range(40)]
            wait_until(lambda: self.gateway.log_tail().count("may open no more files"), 30, "descriptors to run out")
            self.assertEqual(len(made), 40)
            for one in made:
                one.close()
            wait_until(self.answers, 30, "the gateway to serve again")
            resource.prlimit(self.gateway.pid, resource.RLIMIT_NOFILE, usual)
        self.assertGreaterEqual(self.new["out_of_descriptors"], 1)
        # Said once, not once for each pause.
        self.assertEqual(self.gateway.log_tail(1000).count("may open no more files"), 1)

    def answers(self):
        try:
            with Wire(self.address, timeout=5) as wire:
                return wire.call(head("/test.Origin/Call", OK)).code == 0
        except OSError:
            return False


if __name__ == "__main__":
    main()
