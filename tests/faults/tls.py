#!/usr/bin/env python3
"""The same over TLS, on either side of the gateway, and in the records of TLS itself: handshakes that stop, records that tear.

Two proxies stand in a row. One ends TLS and breaks at the places in the frames; the other, next to the gateway, sees only
records. --long: every kind of call at every stage, and more places by chance.
"""

import itertools

import downstream
import upstream
from certificate import Certificate
from parts import metrics
from proxy import CUT, DOWN, RESET, SILENCE, STALL, UP, Place
from rig import IS_LONG, KINDS, OK, STREAM, UNAVAILABLE, at_any_byte, main, tls_client, tls_server, wait_until
from wire import Wire

HANDSHAKE, APPLICATION = 22, 23
# By TLS 1.3, where all but the two hellos looks like data: the server's first four records are of its handshake.
GREETING = {
    "client's hello": Place(UP, kind=HANDSHAKE, part=0.5, is_record=True),
    "server's hello": Place(DOWN, kind=HANDSHAKE, part=0.5, is_record=True),
    "server's certificate": Place(DOWN, kind=APPLICATION, nth=1, part=0.5, is_record=True),
    "client's last word": Place(UP, kind=APPLICATION, part=0.5, is_record=True),
}
RESPONSE = Place(DOWN, kind=APPLICATION, nth=8, part=0.5, is_record=True)


def request(nth):
    """Within this record of a client, counted from its last word of the handshake."""
    return Place(UP, kind=APPLICATION, nth=nth, part=0.5, is_record=True)


COUNT = 100 if IS_LONG else 6
SOME_KINDS = KINDS if IS_LONG else {"stream": STREAM}
SILENCES = (SILENCE, STALL) if IS_LONG else (SILENCE,)


class UpstreamTls(upstream.Upstream):
    kinds = SOME_KINDS
    call = {"second record of the gateway": request(2), "record of a response": RESPONSE}

    @classmethod
    def start_gateway(cls):
        own = Certificate(cls.folder)
        cls.proxy = cls.new_proxy(cls.driver.address, tls=tls_server(own))
        cls.front = cls.new_proxy(cls.proxy.address)
        cls.serve(upstream={"connect_timeout": "3s", "tls": {"ca": own.certificate}})

    def test_a_record_that_breaks_is_unavailable_and_no_call_is_sent_twice(self):
        for act, (where, place) in itertools.product((CUT, RESET), {**GREETING, **self.call}.items()):
            with self.subTest(f"{act} within the {where}"):
                def check(kind, wire, stream, session, where=where):
                    response = wire.wait(stream)
                    self.assertEqual(response.code, UNAVAILABLE, response.trailer("grpc-message"))
                    self.assertIn(self.front.address, response.trailer("grpc-message"))
                    self.assertEqual(len(self.seen(kind, session)) if where in GREETING else 0, 0)
                self.one(STREAM, act, place, check, proxy=self.front)

    def test_a_handshake_that_stops_has_an_end(self):
        for act, (where, place) in itertools.product(SILENCES, GREETING.items()):
            with self.subTest(f"{act} within the {where}"):
                def check(kind, wire, stream, session):
                    self.assertEqual(wire.wait(stream).code, UNAVAILABLE)
                    self.assertEqual(self.seen(kind, session), [])
                self.one(STREAM, act, place, check, proxy=self.front)

    def test_a_record_that_stops_is_waited_for_until_the_client_leaves(self):
        def check(_kind, wire, stream, _session):
            self.assertFalse(self.is_answered_within(0.1, wire, stream))
            self.cancel(wire, stream)
            self.wait_for_nothing("clients", "sessions", "connections to the driver")
        for act, (where, place) in itertools.product((SILENCE, STALL), self.call.items()):
            with self.subTest(f"{act} within the {where}"):
                self.one(STREAM, act, place, check, proxy=self.front)

    def test_cut_at_any_byte(self):
        for act, kind, place in at_any_byte(1500, 3000, COUNT):
            with self.subTest(act=act, kind=kind.method, place=place):
                self.one(kind, act, place, lambda _kind, wire, stream, _session:
                         self.assertIn(wire.wait(stream).code, (OK, UNAVAILABLE)), must_hit=False, proxy=self.front)


class DownstreamTls(downstream.Downstream):
    kinds = SOME_KINDS
    # The proxy has the client's whole request before it may send a record.
    call = {"record of a request": request(1), "record of a response": RESPONSE}
    # That takes its time, and downstream.py asks it of both.
    test_clients_that_fall_silent_are_found_and_their_drivers_told = None

    @classmethod
    def new_door(cls):
        cls.outer = cls.new_proxy(cls.gateway.addresses[1])
        return cls.new_proxy(cls.outer.address, target_tls=tls_client(cls.own))

    def test_a_client_whose_record_breaks_is_heard_of_by_the_driver(self):
        for act, (where, place) in itertools.product((CUT, RESET), {**GREETING, **self.call}.items()):
            with self.subTest(f"{act} within the {where}"):
                self.door.arm()
                script = downstream.ENDLESS["stream"] if where in GREETING else None
                seen = self.broken(act, place, STREAM, script, proxy=self.outer)
                self.assertTrue(self.outer.hit.is_set())
                self.assertEqual(len(seen), where == "record of a response")

    def test_handshakes_that_stop_have_an_end(self):
        before, cases = self.given_up(), tuple(itertools.product((SILENCE, STALL), GREETING.values()))
        for act, place in cases:
            outer = self.new_proxy(self.gateway.addresses[1])
            outer.arm(act, place)
            door = self.new_proxy(outer.address, target_tls=tls_client(self.own))
            self.addCleanup(outer.end_connections)
            wire = Wire(door.address)
            self.addCleanup(wire.close)
            self.assertTrue(outer.hit.wait(30))
        wait_until(lambda: self.given_up() >= before + len(cases), 30, "the gateway to give them up")
        self.wait_for_nothing("sessions", "connections to the driver")

    def given_up(self):
        return metrics(self.gateway).get('spark_gateway_connection_incidents_total{reason="handshake_timeout"}', 0)

    def test_cut_at_any_byte(self):
        self.door.arm()
        self.cut(self.outer, at_any_byte(1500, 3000, COUNT))


if __name__ == "__main__":
    main()
