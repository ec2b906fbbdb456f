"""What a person does in a notebook, through the gateway, on a server of the pool."""

import os
import tempfile
import threading
import unittest

from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import gateway
from processes import wait_until
from sessions import driver_pid, session, slow_query, stop


class Queries(gateway.GatewayTest):
    settings = {"spark.connect.progress.reportInterval": "100ms"}

    @classmethod
    def config(cls):
        return gateway.pool_config(spark=cls.settings, sessions={"share": "team"})

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # While this one lives, the others share its server, which otherwise would end with each test's session.
        keeper = SparkSession.builder.remote(cls.target.url(user_id="keeper")).create()
        cls.addClassCleanup(stop, keeper)
        driver_pid(keeper)

    def setUp(self):
        self.spark = self.enterContext(session(self.target.url(user_id="alice")))

    def test_sql_answers(self):
        rows = self.spark.sql("SELECT id, id * id AS square FROM range(4)").collect()
        self.assertEqual([(row.id, row.square) for row in rows], [(0, 0), (1, 1), (2, 4), (3, 9)])

    def test_a_frame_of_the_client_comes_back_as_pandas(self):
        frame = self.spark.createDataFrame([(n, n % 3) for n in range(30)], ["n", "key"])
        sums = frame.groupBy("key").agg(F.sum("n").alias("total")).orderBy("key").toPandas()
        self.assertEqual(list(sums["total"]), [135, 145, 155])

    def test_a_large_result_comes_whole(self):
        frame = self.spark.range(200_000).withColumn("text", F.sha2(F.col("id").cast("string"), 256)).toPandas()
        self.assertEqual(len(frame), 200_000)
        self.assertEqual(frame["id"].sum(), 199_999 * 100_000)

    def test_a_large_frame_of_the_client_is_cached_on_the_server(self):
        text = "x" * 1000
        frame = self.spark.createDataFrame([(n, text) for n in range(8_000)], ["n", "text"])
        self.assertEqual(frame.agg(F.sum(F.length("text"))).first()[0], 8_000_000)

    def test_a_function_in_python_runs_on_the_server(self):
        shout = F.udf(lambda word: word.upper() + "!", "string")
        row = self.spark.createDataFrame([("hello",)], ["word"]).select(shout("word").alias("loud")).first()
        self.assertEqual(row.loud, "HELLO!")

    def test_an_artifact_is_there_for_functions(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "sgw_artifact.py")
            with open(path, "w", encoding="utf-8") as file:
                file.write("ANSWER = 42\n" + "# padding\n" * 200_000)  # 2 MB: many chunks.
            self.spark.addArtifact(path, pyfile=True)

        def answer(_):
            import sgw_artifact
            return sgw_artifact.ANSWER

        self.assertEqual(self.spark.range(1).select(F.udf(answer, "int")("id")).first()[0], 42)

    def test_a_temporary_view_lives_in_its_session(self):
        self.spark.range(5).createOrReplaceTempView("five")
        self.assertEqual(self.spark.sql("SELECT count(*) FROM five").first()[0], 5)
        with session(self.target.url(user_id="alice")) as other:
            with self.assertRaisesRegex(PySparkException, "TABLE_OR_VIEW_NOT_FOUND"):
                other.sql("SELECT count(*) FROM five").collect()

    def test_an_error_of_the_query_arrives_with_its_class(self):
        with self.assertRaises(PySparkException) as caught:
            self.spark.sql("SELECT 1 / 0").collect()
        self.assertEqual(caught.exception.getCondition(), "DIVIDE_BY_ZERO")

    def test_a_tag_interrupts_its_query(self):
        failures = []
        driver_pid(self.spark)

        def run():
            self.spark.addTag("slow")
            try:
                slow_query(self.spark, 60).collect()
            except PySparkException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        # The server knows the tag only once the query has begun there.
        wait_until(lambda: self.spark.interruptTag("slow"), 20, "an operation to interrupt")
        thread.join(20)
        self.assertFalse(thread.is_alive(), "the query went on")
        self.assertRegex(str(failures[0]), "OPERATION_CANCELED|[Ii]nterrupt|cancel")

    def test_an_interrupt_may_be_the_first_that_a_session_asks(self):
        with session(self.target.url(user_id="alice")) as spark:
            self.assertEqual(spark.interruptAll(), [])
            self.assertEqual(spark.sql("SELECT 1").first()[0], 1)

    def test_progress_is_told_while_a_query_runs(self):
        told = []
        self.spark.registerProgressHandler(lambda stages, **_: told.append(len(stages)))
        busy = F.udf(lambda n: sum(range(3_000_000)) + n, "long")
        self.spark.range(0, 8, 1, 8).select(busy("id")).collect()
        self.assertTrue(told)

    def test_a_stopped_session_is_closed_for_good(self):
        spark = self.enterContext(session(self.target.url(user_id="bob")))
        driver_pid(spark)
        session_id = spark.session_id
        spark.stop()
        again = self.enterContext(session(self.target.url(user_id="bob", session_id=session_id)))
        with self.assertRaisesRegex(PySparkException, "SESSION_CLOSED|NO_ACTIVE_SESSION"):
            again.sql("SELECT 1").collect()

    def test_many_sessions_work_at_once(self):
        sums = []

        def run():
            with session(self.target.url(user_id="carol")) as spark:
                sums.append(spark.range(100).agg(F.sum("id")).first()[0])

        threads = [threading.Thread(target=run) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(sums, [4950] * 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
