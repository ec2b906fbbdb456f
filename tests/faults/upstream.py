#!/usr/bin/env python3
"""Between the gateway and its driver, connections break at every stage of every kind of call."""

import uuid

from proxy import CUT, DELAY, REFUSE, RESET, SILENCE, STALL, THROTTLE
from rig import OK, PLACES, STREAM, UNAVAILABLE, UPLOAD, Rig, at_any_byte, main, wait_until
from wire import Wire


class Upstream(Rig):
    config = {"upstream": {"connect_timeout": "1s"}, "sessions": {"lost_after": "1d"}}

    def every_stage(self, act, check):
        """Does it at every stage of every kind of call, each on a connection and in a session of its own."""
        for stage, place in PLACES.items():
            for name, kind in self.kinds.items():
                with self.subTest(f"{act} at the {stage} of a call: {name}"):
                    self.one(kind, act, place, lambda *how, stage=stage: check(stage, *how))

    def one(self, kind, act, place, check, must_hit=True, proxy=None):
        """Does it to a call, by this proxy or the usual one. `check(kind, wire, stream, session)` is asked meanwhile."""
        session, proxy = str(uuid.uuid4()), proxy or self.proxy
        proxy.arm(act, place)
        try:
            with Wire(self.gateway.address) as wire:
                stream = kind.begin(wire, session)
                self.assertTrue(not must_hit or proxy.hit.wait(30))
                check(kind, wire, stream, session)
                is_ok = wire.streams[stream].code == OK
            proxy.end_connections()
            wait_until(lambda: self.driver.runs(kind.method) == 0, 30, "the driver to have been told")
        finally:
            proxy.arm()
            proxy.end_connections()
            seen = len(self.seen(kind, session))
            self.release(session)
        self.assertLessEqual(seen, 1)
        self.assertTrue(seen or not is_ok)
        self.wait_for_nothing()

    def test_what_is_only_late_is_whole(self):
        def check(_stage, kind, wire, stream, _session):
            response = wire.wait(stream)
            self.assertEqual(response.code, OK, response.trailer("grpc-message"))
            self.assertEqual(len(response.data), self.sizes[kind.method])
        for act in (DELAY, THROTTLE):
            self.every_stage(act, check)

    def test_a_connection_that_ends_is_unavailable_and_no_call_is_sent_twice(self):
        def check(act, stage, kind, wire, stream, session):
            response = wire.wait(stream)
            # Behind the SETTINGS, the end may be seen before the call was sent: then it went on another connection.
            codes = (OK, UNAVAILABLE) if stage == "settings" else (UNAVAILABLE,)
            self.assertIn(response.code, codes, response.trailer("grpc-message"))
            if response.code == UNAVAILABLE:
                self.assertIn(self.front.address, response.trailer("grpc-message"))
                self.assertNotEqual(response.trailer("grpc-status-details-bin"), "")
            if stage in ("connection", "request head"):
                self.assertEqual(self.seen(kind, session), [])
            self.assertEqual(response.trailers is not None, stage in ("response data", "trailers") or response.code == OK)
            if stage == "trailers" and act == CUT:  # A reset throws away what is on its way.
                self.assertEqual(len(response.data), self.sizes[kind.method])
        for act in (CUT, RESET):
            self.every_stage(act, lambda *how, act=act: check(act, *how))

    def test_a_driver_that_says_nothing_is_waited_for_until_the_client_leaves(self):
        def check(stage, _kind, wire, stream, _session):
            if stage == "connection":
                # This wait is the gateway's own, and has an end.
                self.assertEqual(wire.wait(stream).code, UNAVAILABLE)
                return
            self.assertFalse(self.is_answered_within(0.1, wire, stream))
            self.cancel(wire, stream)
            self.wait_for_nothing("clients", "sessions", "connections to the driver")
        for act in (SILENCE, STALL):
            self.every_stage(act, check)

    def test_nobody_there(self):
        for name, kind in self.kinds.items():
            with self.subTest(name):
                self.one(kind, REFUSE, PLACES["connection"],
                         lambda _kind, wire, stream, _session: self.assertEqual(wire.wait(stream).code, UNAVAILABLE))

    def test_a_driver_whose_answers_do_not_pass_hears_that_the_client_has_left(self):
        # It would go on for ever, and its request's direction works.
        session = str(uuid.uuid4())
        self.proxy.arm(STALL, PLACES["response data"])
        with Wire(self.gateway.address) as wire:
            stream = STREAM.begin(wire, session, "responses=4; bytes=20000; after=2; hang")
            self.assertTrue(self.proxy.hit.wait(30))
            self.assertEqual(self.driver.runs("ExecutePlan"), 1)
            self.cancel(wire, stream)
            wait_until(lambda: self.driver.runs("ExecutePlan") == 0, 30, "the driver to be told")
        self.assertTrue(self.driver.ended("ExecutePlan")[-1]["was_cancelled"])
        self.proxy.end_connections()
        self.release(session)
        self.wait_for_nothing()

    def test_an_upload_that_was_not_whole_never_ends_at_the_driver(self):
        session = str(uuid.uuid4())
        self.proxy.arm()
        with Wire(self.gateway.address) as wire:
            UPLOAD.begin(wire, session, is_end=False)
            wait_until(lambda: self.driver.runs("AddArtifacts") == 1, 30, "the upload")
            self.proxy.end_connections()
            wait_until(lambda: self.driver.runs("AddArtifacts") == 0, 30, "the upload's end")
        self.assertTrue(self.driver.ended("AddArtifacts")[-1]["was_cancelled"])
        self.release(session)
        self.wait_for_nothing()

    def test_cut_at_any_byte(self):
        for act, kind, place in at_any_byte(400, 900):
            with self.subTest(act=act, kind=kind.method, place=place):
                self.one(kind, act, place, lambda _kind, wire, stream, _session:
                         self.assertIn(wire.wait(stream).code, (OK, UNAVAILABLE)), must_hit=False)


if __name__ == "__main__":
    main()
