"""Whose session is whose, and which server it lives on."""

import contextlib
import json
import os
import signal
import threading
import time
import unittest
import uuid

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import gateway
from processes import is_alive, wait_until, with_environment
from sessions import driver_pid, session, slow_query, stop


def sharing(share, size):
    return gateway.pool_config(size=size, sessions={"share": share})


@gateway.needs_gateway
class TeamSharing(gateway.GatewayTest):
    @classmethod
    def config(cls):
        return sharing("team", size=1)

    def test_a_team_shares_one_server_and_no_session(self):
        """Two people with one session_id: the gateway stamps who each of them is, so Spark keeps them apart."""
        session_id = str(uuid.uuid4())
        alice = self.enterContext(session(self.target.url(user_id="alice", session_id=session_id)))
        bob = self.enterContext(session(self.target.url(user_id="bob", session_id=session_id)))
        alice.range(3).createOrReplaceTempView("hers")
        self.assertEqual(driver_pid(alice), driver_pid(bob))
        self.assertEqual(alice.sql("SELECT count(*) FROM hers").first()[0], 3)
        with self.assertRaisesRegex(PySparkException, "TABLE_OR_VIEW_NOT_FOUND"):
            bob.sql("SELECT count(*) FROM hers").collect()

    def test_a_person_who_stops_leaves_the_others_alone(self):
        alice = self.enterContext(session(self.target.url(user_id="alice")))
        bob = self.enterContext(session(self.target.url(user_id="bob")))
        server = driver_pid(alice)
        self.assertEqual(driver_pid(bob), server)
        alice.stop()
        self.assertEqual(driver_pid(bob), server)


@gateway.needs_gateway
class UserSharing(gateway.GatewayTest):
    @classmethod
    def config(cls):
        return sharing("user", size=2)

    def test_a_persons_sessions_share_a_server_that_others_do_not(self):
        first = self.enterContext(session(self.target.url(user_id="alice")))
        second = self.enterContext(session(self.target.url(user_id="alice")))
        other = self.enterContext(session(self.target.url(user_id="bob")))
        self.assertEqual(driver_pid(first), driver_pid(second))
        self.assertNotEqual(driver_pid(first), driver_pid(other))
        first.sql("SET spark.sql.session.timeZone = Asia/Tokyo").collect()
        self.assertNotEqual(second.conf.get("spark.sql.session.timeZone"), "Asia/Tokyo")


@gateway.needs_gateway
class SessionSharing(gateway.GatewayTest):
    @classmethod
    def config(cls):
        return sharing("session", size=2)

    def test_every_session_has_a_server_of_its_own(self):
        first = self.enterContext(session(self.target.url(user_id="alice")))
        second = self.enterContext(session(self.target.url(user_id="alice")))
        self.assertNotEqual(driver_pid(first), driver_pid(second))

    def test_a_server_ends_with_its_session_and_so_do_its_functions_processes(self):
        spark = self.enterContext(session(self.target.url(user_id="alice")))
        server = driver_pid(spark)
        # PySpark's daemon has left its server's process group, and its workers are the daemon's children.
        parent = F.udf(lambda n: __import__("os").getppid(), "long")
        daemon = spark.range(1).select(parent("id")).first()[0]
        self.assertTrue(is_alive(daemon))
        spark.stop()
        wait_until(lambda: not is_alive(server), 10, "the server of a stopped session to end")
        wait_until(lambda: not is_alive(daemon), 2, "the daemon of its functions to end")


@gateway.needs_gateway
class LostServers(gateway.GatewayTest):
    @classmethod
    def config(cls):
        return sharing("user", size=1)

    def lost(self, spark, query):
        """The error of a query on a session whose server was killed, and how long it took to come."""
        begun = time.monotonic()
        with self.assertRaises(PySparkException) as caught:
            query(spark)
        return str(caught.exception), time.monotonic() - begun

    def test_a_killed_server_is_told_at_once_and_a_new_session_works(self):
        url = self.target.url(user_id="alice")
        spark = SparkSession.builder.remote(url).getOrCreate()
        self.addCleanup(stop, spark)
        server = driver_pid(spark)
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not is_alive(server), 5, "the server to die")
        error, seconds = self.lost(spark, lambda spark: spark.sql("SELECT 1").collect())
        self.assertRegex(error, "SESSION_CHANGED|NO_ACTIVE_SESSION")
        self.assertLess(seconds, 5)

        again = SparkSession.builder.remote(url).getOrCreate()
        self.addCleanup(stop, again)
        self.assertNotEqual(again.session_id, spark.session_id)
        self.assertNotEqual(driver_pid(again), server)

    def test_a_query_hears_at_once_that_its_server_was_killed(self):
        spark = self.enterContext(session(self.target.url(user_id="bob")))
        server = driver_pid(spark)
        timer = threading.Timer(1, os.kill, (server, signal.SIGKILL))
        timer.start()
        self.addCleanup(timer.join)
        error, seconds = self.lost(spark, lambda spark: slow_query(spark, 60).collect())
        self.assertRegex(error, "SESSION_CHANGED|NO_ACTIVE_SESSION")
        self.assertLess(seconds, 10)


@gateway.needs_gateway
class PoolEnds(unittest.TestCase):
    def servers(self, target, state):
        described = target.ask("pools")["pools"][0]["state"]
        return sum(pool[state] for pool in described["pools"])

    def test_servers_end_with_a_gateway_that_was_killed(self):
        """Those in use, with the Python processes of their functions; the warm ones; and those that are being made."""
        mark = f"SGW_E2E={uuid.uuid4()}"
        target = gateway.Gateway(gateway.pool_config(size=2), env=dict([mark.split("=")]))
        self.addCleanup(target.close)
        wait_until(lambda: self.servers(target, "warm") == 2, 60, "two warm servers")
        alice, bob = (SparkSession.builder.remote(target.url(user_id=user)).create() for user in ("alice", "bob"))
        for spark in (alice, bob):
            self.addCleanup(stop, spark)
            # PySpark would wait at its exit for what it still has to release, and try for ten minutes.
            spark.client.disable_reattachable_execute()
            spark.client.set_retry_policies([])
        self.assertEqual(alice.range(1).select(F.udf(lambda n: n + 1, "long")("id")).first()[0], 1)
        wait_until(lambda: self.servers(target, "warm") == 2, 60, "a warm server in the place of the one in use")

        def ask():
            with contextlib.suppress(PySparkException):
                slow_query(bob, 60).collect()

        query = threading.Thread(target=ask)
        query.start()
        self.addCleanup(query.join)
        # The next one is made as soon as his is taken: his query may take longer than that.
        wait_until(lambda: self.servers(target, "starting") == 1 and self.servers(target, "leased") == 2, 20,
                   "a server that is being made")
        children = with_environment(mark)
        commands = "\n".join(children.values())
        self.assertIn("pyspark/daemon", commands.replace(".", "/"))
        self.assertGreaterEqual(commands.count("SparkConnectServer"), 3)
        target.kill()
        begun = time.monotonic()
        # What has been started since it was looked at goes, too.
        wait_until(lambda: not with_environment(mark) and not any(map(is_alive, children)), 2, f"the end of {children}")
        print(f"{len(children)} processes ended within {time.monotonic() - begun:.2f} s")


if __name__ == "__main__":
    unittest.main(verbosity=2)
