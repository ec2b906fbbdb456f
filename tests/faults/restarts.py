#!/usr/bin/env python3
"""Processes that stop, start again or hold their breath: the driver, and the gateway itself under load."""

import json
import os
import pathlib
import signal
import tempfile
import threading
import unittest
import uuid

from parts import field, messages_of, metrics, spark_gateway
from processes import wait_until
from rig import INTERNAL, OK, STREAM, UNARY, UNAVAILABLE, Kind
from scripted import Scripted, twice_or_moved
from spark_client import SparkClient
from wire import Wire


class Restarts(unittest.TestCase):
    """Each case has a gateway of its own before so many drivers, the least bound of which gets the next user."""

    def stand(self, drivers=1, **config):
        folder = tempfile.TemporaryDirectory(prefix="sgw-faults-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.drivers = []
        for number in range(drivers):
            os.mkdir(f"{self.folder}/{number}")
            self.start_driver(number)
        config = {"workers": 2, **config}
        namespaces = {"default": [driver.address for driver in self.drivers]}
        config["plugins"] = {"who": {"use": "auth_anonymous"}, "meters": {"use": "metrics_prometheus"},
                             "drivers": {"use": "discovery_static", "namespaces": namespaces}}
        self.gateway = spark_gateway(self.folder, "", **config)
        self.addCleanup(self.gateway.close)

    def start_driver(self, number, port=0):
        driver = Scripted(f"{self.folder}/{number}", port)
        self.addCleanup(lambda: driver.is_running() and driver.stop(signal.SIGKILL))
        self.drivers[number:number + 1] = [driver]

    def restart_driver(self, number):
        self.start_driver(number, self.drivers[number].address.rpartition(":")[2])

    def call(self, kind, session, user="alice", script=None):
        with Wire(self.gateway.address) as wire:
            return wire.wait(self.begin(wire, kind, session, user, script))

    def begin(self, wire, kind, session, user="alice", script=None):
        return kind.begin(wire, session, script, user=user)

    def is_idle(self):
        page = metrics(self.gateway)
        return page.get("spark_gateway_live_calls", 0) == 0 and page["spark_gateway_held_bytes"] == 0

    def test_a_driver_that_comes_back_in_time_is_the_sessions_own(self):
        self.stand(sessions={"lost_after": "1d"})
        session = str(uuid.uuid4())
        self.assertEqual(self.call(UNARY, session).code, OK)
        with Wire(self.gateway.address) as wire:
            running = self.begin(wire, STREAM, session, script="responses=1; after=1; hang")
            wire.wait(running, lambda response: response.data)
            self.drivers[0].stop(signal.SIGKILL)
            # What ran is told at once, behind the rows that came.
            self.assertEqual(wire.wait(running).code, UNAVAILABLE)
        for kind in (UNARY, STREAM):
            self.assertEqual(self.call(kind, session).code, UNAVAILABLE)
        self.restart_driver(0)
        wait_until(lambda: self.call(UNARY, session).code == OK, 30, "the driver to be found again")
        self.assertEqual(self.drivers[0].began("ExecutePlan"), [])
        wait_until(self.is_idle, 30, "nothing left over")

    def test_a_driver_that_stays_away_has_lost_its_sessions_for_good(self):
        self.stand(sessions={"lost_after": "300ms"})
        session = str(uuid.uuid4())
        self.assertEqual(self.call(UNARY, session).code, OK)
        self.drivers[0].stop()

        def is_lost():
            response = self.call(UNARY, session)
            self.assertIn(response.code, (UNAVAILABLE, INTERNAL))
            return response.code == INTERNAL and response
        # Nobody needs to call: the gateway looks for it while a session is bound.
        response = wait_until(is_lost, 30, "the session to be lost")
        self.assertIn("SESSION_CHANGED", response.trailer("grpc-message"))
        self.restart_driver(0)
        other = str(uuid.uuid4())
        wait_until(lambda: self.call(UNARY, other, user="bob").code == OK, 30, "the driver to be found again")
        for kind in (UNARY, STREAM):
            response = self.call(kind, session)
            self.assertEqual(response.code, INTERNAL)
            self.assertIn("SESSION_CHANGED", response.trailer("grpc-message"))
        self.assertEqual(self.drivers[0].began("ExecutePlan"), [])

    def test_a_driver_that_is_frozen_holds_up_nobody_else_and_goes_on_where_it_was(self):
        self.stand(2, sessions={"lost_after": "1d"}, upstream={"connect_timeout": "500ms"})
        frozen, other = str(uuid.uuid4()), str(uuid.uuid4())
        self.assertEqual(self.call(UNARY, frozen, user="alice").code, OK)
        self.assertEqual(self.call(UNARY, other, user="bob").code, OK)
        cold = next(driver for driver in self.drivers if any(one["user_id"] == "alice" for one in driver.ended("Config")))
        with Wire(self.gateway.address) as wire:
            running = self.begin(wire, STREAM, frozen, user="alice", script="responses=20; bytes=10000; pause=10ms")
            wire.wait(running, lambda response: response.data)
            os.kill(cold.pid, signal.SIGSTOP)
            self.addCleanup(lambda: cold.is_running() and os.kill(cold.pid, signal.SIGCONT))
            waiting = self.begin(wire, UNARY, frozen, user="alice")
            given_up = self.begin(wire, UNARY, frozen, user="alice")
            wire.reset(given_up)
            for _ in range(20):
                self.assertEqual(self.call(UNARY, other, user="bob").code, OK)
                self.assertEqual(self.call(STREAM, other, user="bob").code, OK)
            self.assertFalse(wire.streams[waiting].is_over)
            os.kill(cold.pid, signal.SIGCONT)
            self.assertEqual(wire.wait(waiting).code, OK)
            self.assertEqual(wire.wait(running).code, OK)
            self.assertEqual(len(messages_of(wire.streams[running].data)), 21)
        # Without a connection, a frozen one is as good as none.
        os.kill(cold.pid, signal.SIGSTOP)
        self.gateway.stop()
        self.gateway.start()
        sessions = {f"user{number}": str(uuid.uuid4()) for number in range(6)}
        codes = {session: self.call(UNARY, session, user=user).code for user, session in sessions.items()}
        # A session lives where it was bound: who was given the frozen one hears so, until it is found too slow to be given
        # to anybody; all others are served by the other one.
        bound = {one["session_id"]: one["endpoint"] for one in self.gateway.ask("sessions")["sessions"]}
        self.assertEqual(set(bound.values()), {driver.address for driver in self.drivers})
        self.assertEqual(codes, {session: UNAVAILABLE if bound[session] == cold.address else OK for session in sessions.values()})
        os.kill(cold.pid, signal.SIGCONT)
        wait_until(lambda: {self.call(UNARY, session, user=user).code for user, session in sessions.items()} == {OK}, 30,
                   "the driver to be found again")
        wait_until(self.is_idle, 30, "nothing left over")

    def test_a_gateway_that_starts_again_under_load_moves_no_session_and_repeats_no_plan(self):
        self.stand(2, sessions={"lost_after": "1d", "state": "sessions"}, drain={"timeout": "100ms"})
        clients = [SparkClient(lambda: self.gateway.address, f"user{number}") for number in range(6)]
        ends, faults, plans = threading.Event(), [], []

        def work(client):
            try:
                while not ends.is_set():
                    client.config()
                    plans.append(client.execute(rows=5, size=5000, pause="20ms"))
                    client.upload()
                client.config()
            except Exception as fault:  # pylint: disable=broad-except
                faults.append(f"{client.user}: {fault!r}")
            finally:
                client.close()
        threads = [threading.Thread(target=work, args=(client,), daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        for signal_number in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            done = len(plans)
            wait_until(lambda: len(plans) >= done + 6 or faults, 60, "work to be done")
            self.gateway.stop(signal_number)
            self.gateway.start()
        done = len(plans)
        wait_until(lambda: len(plans) >= done + 6 or faults, 60, "work to be done")
        ends.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(faults, [])
        sent = {operation: count for client in clients for operation, count in client.plans.items()}
        self.assertEqual(twice_or_moved(self.drivers, sent), [])
        # Each of them has noticed it.
        self.assertEqual([client.user for client in clients if set(client.tried) == {OK}], [])
        left = {one["session_id"] for one in self.gateway.ask("sessions")["sessions"]}
        self.assertEqual(left, {client.session for client in clients})
        wait_until(self.is_idle, 30, "nothing left over")

    def test_a_server_that_is_taken_out_of_its_file_keeps_its_calls_and_no_connection(self):
        self.stand(2)
        gone, stays = self.drivers
        servers = pathlib.Path(self.folder, "servers.yaml")

        def tell(*drivers):
            new = servers.with_suffix(".new")
            new.write_text(json.dumps({"default": [driver.address for driver in drivers]}), encoding="utf-8")
            new.rename(servers)

        def connections():
            return {one["address"]: int(one["connections"]) for one in gateway.ask("endpoints")["endpoints"]}
        tell(gone)
        folder = os.path.join(self.folder, "relay")
        os.mkdir(folder)
        # Nobody is asked who they are, so no call has a session.
        gateway = spark_gateway(folder, "", plugins={"drivers": {"use": "discovery_file", "path": str(servers)}},
                                pipeline=[{"discovery": "drivers"}])
        self.addCleanup(gateway.close)
        with Wire(gateway.address) as wire:
            running = STREAM.begin(wire, str(uuid.uuid4()), "responses=2; after=1; hang")
            wire.wait(running, lambda response: response.data)
            tell(stays)

            def is_told():
                with Wire(gateway.address) as other:
                    self.assertEqual(other.wait(UNARY.begin(other, str(uuid.uuid4()))).code, OK)
                return stays.ended("Config")
            wait_until(is_told, 30, "calls to go to the other one")
            self.assertEqual(connections()[gone.address], 1)
            self.assertFalse(wire.streams[running].is_over)
            wire.reset(running)
        wait_until(lambda: not connections().get(gone.address), 30, "the connection to be closed")
        self.assertEqual(connections()[stays.address], 1)

    def test_what_is_left_when_a_gateway_stops_without_a_journal_has_its_end_on_record(self):
        for size in (100, 200_000):
            with self.subTest(plan_bytes=size):
                self.stand()
                session, operation = str(uuid.uuid4()), str(uuid.uuid4())
                # Its id, and that it may be come back to, stand behind the plan.
                rest = field(3, "p" * size) + field(4, "test") + field(5, field(1, b"\x08\x01")) + field(6, operation)
                paused = self.call(Kind("ExecutePlan", "responses=6; cut=2", (rest,)), session)
                self.assertEqual((paused.code, len(messages_of(paused.data))), (OK, 2))
                wait_until(self.is_idle, 30, "the stream to have ended")
                [listed] = self.gateway.ask("sessions")["sessions"]
                self.assertEqual(int(listed["operations"]), 1)
                self.gateway.stop()
                lines = map(json.loads, pathlib.Path(self.folder, "canary.jsonl").read_text(encoding="utf-8").splitlines())
                self.assertEqual(
                    [(line["event"], line.get("operation"), line.get("reason")) for line in lines if line["event"] != "call_ended"],
                    [("session_opened", None, None), ("operation_started", operation, None),
                     ("operation_ended", operation, "the gateway was stopped"), ("session_closed", None, "the gateway was stopped")])


if __name__ == "__main__":
    unittest.main()
