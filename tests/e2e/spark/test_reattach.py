"""Executions that outlive a stream, a gateway, or both: the server keeps the result, the client comes back for it."""

import signal
import tempfile
import threading
import unittest

import gateway
from processes import wait_until
from sessions import counted_session, driver_pid, session, slow_query, stop
from spark_server import SparkServer

SHORT_STREAMS = {"spark.connect.execute.reattachable.senderMaxStreamDuration": "1s"}


class LongQueries(gateway.GatewayTest):
    settings = SHORT_STREAMS

    def test_a_query_that_outlives_its_stream_is_reattached(self):
        spark, calls = counted_session(self.target.url(user_id="alice"))
        self.addCleanup(stop, spark)
        self.assertEqual(slow_query(spark, 4).first().answer, 42)
        self.assertGreaterEqual(calls["ReattachExecute"], 2)


@gateway.needs_gateway
class Restarts(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        self.server = SparkServer(self.folder)
        self.addCleanup(self.server.stop)
        self.gateway = gateway.Gateway(
            gateway.static_config(self.server.address, sessions={"state": f"{self.folder}/sessions"}), self.folder)
        self.addCleanup(self.gateway.close)

    def query_survives(self, signal_number):
        spark = self.enterContext(session(self.gateway.url(user_id="alice")))
        spark.range(7).createOrReplaceTempView("seven")
        answers = []
        query = threading.Thread(target=lambda: answers.append(slow_query(spark, 6).first().answer))
        query.start()
        wait_until(lambda: self.running_operations() > 0, 20, "the query to run")
        self.gateway.stop(signal_number)
        self.gateway.start()
        query.join(60)
        self.assertEqual(answers, [42], self.gateway.log_tail())
        self.assertEqual(spark.sql("SELECT count(*) FROM seven").first()[0], 7, "not the same session as before")
        self.assertEqual(driver_pid(spark), self.server.pid)

    def running_operations(self):
        return sum(int(one["open_streams"]) for one in self.gateway.ask("sessions")["sessions"])

    def test_a_query_finishes_though_the_gateway_is_restarted(self):
        self.query_survives(signal.SIGTERM)

    def test_a_query_finishes_though_the_gateway_is_killed(self):
        self.query_survives(signal.SIGKILL)


if __name__ == "__main__":
    unittest.main(verbosity=2)
