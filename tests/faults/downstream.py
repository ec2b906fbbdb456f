#!/usr/bin/env python3
"""Between a client and the gateway, connections break at every stage of every kind of call."""

import contextlib
import itertools
import uuid

from certificate import Certificate
from parts import spark
from proxy import CUT, DELAY, RESET, SILENCE, STALL, THROTTLE, UP, Place
from rig import KINDS, OK, PLACES, STREAM, UPLOAD, Rig, at_any_byte, main, tls_client, wait_until
from wire import DATA, END_STREAM, Wire, frame, message

# What has begun goes on for ever, unless the driver is told.
ENDLESS = {"unary": "hang", "stream": "responses=4; bytes=20000; after=2; hang", "upload": "hang"}
# A stage of the request, or rows of the response; the answer of what hangs never comes.
RESPONSE = ("response head", "response data", "trailers")
BREAKS = {"connection": KINDS, "settings": KINDS, "request head": KINDS, "request data": KINDS, "response data": ("stream",)}


class Downstream(Rig):
    config = {"limits": {"ping_interval": "1s", "handshake_timeout": "3s"}, "sessions": {"lost_after": "1d"}}

    @classmethod
    def start_gateway(cls):
        cls.own = Certificate(cls.folder)
        cls.proxy = cls.front = cls.new_proxy(cls.driver.address)
        cls.serve(listeners=[{"address": "127.0.0.1:0", "tls": {"certificate": cls.own.certificate, "key": cls.own.key}}])
        cls.door = cls.new_door()

    @classmethod
    def new_door(cls):
        """One more way to the gateway, for its clients."""
        return cls.new_proxy(cls.gateway.address)

    @classmethod
    def new_tls_door(cls):
        """The same, on which TLS is spoken from there on."""
        return cls.new_proxy(cls.gateway.addresses[1], target_tls=tls_client(cls.own))

    def is_told(self):
        return all(self.driver.runs(kind.method) == 0 for kind in KINDS.values())

    def begin(self, wire, kind, script, session):
        """Sends what the connection takes; the stream's number, or None."""
        try:
            return kind.begin(wire, session, script)
        except OSError:
            return None

    def test_what_is_only_late_is_whole(self):
        for act in (DELAY, THROTTLE):
            for stage, place in PLACES.items():
                for name, kind in self.kinds.items():
                    with self.subTest(f"{act} at the {stage} of a call: {name}"):
                        session = str(uuid.uuid4())
                        self.door.arm(act, place)
                        with Wire(self.door.address) as wire:
                            response = wire.wait(kind.begin(wire, session))
                        self.assertTrue(self.door.hit.is_set())
                        self.assertEqual(response.code, OK, response.trailer("grpc-message"))
                        self.assertEqual(len(response.data), self.sizes[kind.method])
                        self.release(session)
        self.wait_for_nothing("sessions", "connections to the driver")

    def broken(self, act, place, kind, script, proxy=None):
        """The client's connection ends there; nothing is left over, and the driver was told: the calls that it saw."""
        session = str(uuid.uuid4())
        (proxy or self.door).arm(act, place)
        with contextlib.suppress(OSError), Wire(self.door.address) as wire:
            self.begin(wire, kind, script, session)
            while wire.read_some():
                pass
        wait_until(self.is_told, 30, "the driver to be told")
        self.wait_for_nothing("sessions", "connections to the driver")
        return self.seen(kind, session)

    def test_a_client_that_goes_is_heard_of_by_the_driver(self):
        for act in (CUT, RESET):
            for stage, names in BREAKS.items():
                for name in filter(names.__contains__, self.kinds):
                    with self.subTest(f"{act} at the {stage} of a call: {name}"):
                        kind = KINDS[name]
                        seen = self.broken(act, PLACES[stage], kind, ENDLESS[name])
                        self.assertLessEqual(len(seen), stage not in ("connection", "request head"))
                        if stage == "response data":
                            self.assertEqual([call["was_cancelled"] for call in seen], [True])
            for stage in RESPONSE:
                for name, kind in self.kinds.items():
                    with self.subTest(f"{act} at the {stage} of a call: {name}"):
                        self.assertEqual(len(self.broken(act, PLACES[stage], kind, None)), 1)

    def test_an_upload_that_was_not_whole_never_ends_at_the_driver(self):
        for act in (CUT, RESET):
            with self.subTest(act):
                before = len(self.driver.began("AddArtifacts"))
                self.door.arm(act, Place(UP, kind=0, nth=3, part=0.5))  # its last frame
                with Wire(self.door.address) as wire:
                    session = str(uuid.uuid4())
                    stream = UPLOAD.begin(wire, session, is_end=False)
                    wait_until(lambda: len(self.driver.began("AddArtifacts")) > before, 30, "the driver to have begun")
                    wire.push(frame(DATA, END_STREAM, stream, message(spark(session))))
                    while wire.read_some():
                        pass
                wait_until(self.is_told, 30, "the driver to be told")
                self.assertTrue(self.driver.ended("AddArtifacts")[-1]["was_cancelled"])

    def test_clients_that_fall_silent_are_found_and_their_drivers_told(self):
        # All at once: that takes as long as the answer to a PING is waited for.
        doors, wires = [], []
        cases = [(stage, name, ENDLESS[name]) for stage, names in BREAKS.items() for name in names if stage != "connection"]
        cases += [(stage, name, None) for stage in RESPONSE for name in self.kinds]
        for act, (stage, name, script), new_door in itertools.product((SILENCE, STALL), cases, (self.new_door, self.new_tls_door)):
            door = new_door()
            door.arm(act, PLACES[stage])
            wire = Wire(door.address)
            self.addCleanup(wire.close)
            self.begin(wire, KINDS[name], script, str(uuid.uuid4()))
            doors.append(door)
            wires.append(wire)
        # In these stages, the streams' calls are with the driver.
        for door, wire in zip(doors, wires):
            wire.socket.settimeout(0.1)
            try:
                while not door.hit.is_set() and wire.read_some():
                    pass
            except TimeoutError:
                pass
            self.assertTrue(door.hit.wait(30))
        wait_until(lambda: self.driver.runs("ExecutePlan") >= 2, 30, "calls at the driver")
        wait_until(self.is_told, 60, "the drivers to be told")
        self.wait_for_nothing("sessions", "connections to the driver")

    def test_a_client_that_stalls_and_goes_on_lost_nothing(self):
        session = str(uuid.uuid4())
        self.door.arm(DELAY, PLACES["response data"])
        self.door.pause = 3  # longer than a PING is put off
        self.addCleanup(setattr, self.door, "pause", 0.05)
        with Wire(self.door.address) as wire:
            response = wire.wait(STREAM.begin(wire, session))
        self.assertEqual((response.code, len(response.data)), (OK, self.sizes["ExecutePlan"]))
        self.release(session)

    def test_cut_at_any_byte(self):
        self.cut(self.door, at_any_byte(300, 300))

    def cut(self, proxy, places):
        for act, kind, place in places:
            with self.subTest(act=act, kind=kind.method, place=place):
                proxy.arm(act, place)
                with contextlib.suppress(OSError), Wire(self.door.address) as wire:
                    stream = self.begin(wire, kind, None, str(uuid.uuid4()))
                    while (stream is None or not wire.streams[stream].is_over) and wire.read_some():
                        pass
                wait_until(self.is_told, 30, "the driver to be told")
                self.wait_for_nothing("sessions", "connections to the driver")


if __name__ == "__main__":
    main()
