#!/usr/bin/env python3
"""Processes that stop, start again or hold their breath: the driver, and the gateway itself under load."""

import os
import signal
import tempfile
import threading
import unittest
import uuid

from parts import messages_of, metrics, spark_gateway
from processes import wait_until
from rig import INTERNAL, OK, STREAM, UNARY, UNAVAILABLE
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


if __name__ == "__main__":
    unittest.main()
