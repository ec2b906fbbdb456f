"""A driver lets in the gateway alone: each has a token, which nobody else learns."""

import json
import pathlib
import tempfile
import unittest
import uuid

import grpc
from pyspark.errors import PySparkException
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

import canary
import gateway
from processes import environment_of, wait_until
from sessions import driver_pid, session
from spark_server import connect_url


@gateway.needs_gateway
class Drivers(gateway.GatewayTest):
    @classmethod
    def config(cls):
        config = gateway.pool_config(size=0)
        config["plugins"]["warm"]["log_directory"] = "drivers"
        return config

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.spark = cls.enterClassContext(session(cls.target.url(user_id="alice")))
        cls.driver = driver_pid(cls.spark)
        cls.token = canary.keep(environment_of(cls.driver)[canary.TOKEN_VARIABLE])
        server = cls.target.ask("pools")["pools"][0]["state"]["pools"][0]["servers"][0]
        cls.address = server["address"]

    @staticmethod
    def query(url):
        with session(url) as spark:
            return spark.sql("SELECT 6 * 7").first()[0]

    def test_who_does_not_come_through_the_gateway_is_refused(self):
        for more in ({}, {"token": "0" * 64}):
            with self.assertRaisesRegex(PySparkException, "(?i)authenticat"):
                self.query(connect_url(self.address, more))
        # The token is all that it takes, so it is the token that was missing.
        self.assertEqual(self.query(connect_url(self.address, {"token": self.token})), 42)
        self.assertEqual(self.query(self.target.url(user_id="bob")), 42)

    def test_no_setting_of_spark_and_no_log_has_the_token(self):
        rows = {statement: self.spark.sql(statement).collect() for statement in ("SET", "SET -v")}
        self.assertIn("spark.sql.shuffle.partitions", str(rows["SET"]))
        self.assertGreater(len(rows["SET -v"]), 100)
        self.assertIn("spark.connect.grpc.binding.port", str(self.all_settings()))
        for text in (str(rows), str(self.spark.conf.getAll), str(self.all_settings())):
            self.assertNotIn(self.token, text)
        self.assertNotIn(self.token, pathlib.Path(f"/proc/{self.driver}/cmdline").read_text())
        logs = list(pathlib.Path(self.target.folder, "drivers").glob("*.log"))
        self.assertTrue(any("Spark Connect server started" in log.read_text() for log in logs))
        for log in logs:
            self.assertNotIn(self.token, log.read_text())

    def all_settings(self):
        """What Config answers to GetAll."""
        request = base_pb2.ConfigRequest(session_id=str(uuid.uuid4()))
        request.user_context.user_id = "alice"
        request.operation.get_all.SetInParent()
        with grpc.insecure_channel(self.target.address) as channel:
            return base_pb2_grpc.SparkConnectServiceStub(channel).Config(request, timeout=60).pairs

    def static(self, folder, token, **more):
        """The settings of a discovery of this driver, with the token in a file."""
        pathlib.Path(folder, "token").write_text(f"{token}\n")
        config = gateway.static_config(self.address, **more)
        config["plugins"]["drivers"]["servers"] = {self.address: {"token": f"${{file:{folder}/token}}"}}
        return config

    def test_a_listed_server_is_sent_its_token_also_after_a_restart(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        other = gateway.Gateway(self.static(folder, self.token, sessions={"state": f"{folder}/sessions"}), folder)
        self.addCleanup(other.close)
        with session(other.url(user_id="alice")) as spark:
            spark.range(7).createOrReplaceTempView("seven")
            other.stop()
            self.assertIn(spark.session_id, pathlib.Path(folder, "sessions").read_text())
            other.start()
            self.assertEqual(spark.sql("SELECT count(*) FROM seven").first()[0], 7)

    def test_a_server_of_a_file_is_sent_its_token(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        config = self.static(folder, self.token)
        pathlib.Path(folder, "servers.yaml").write_text(json.dumps(
            {"default": [{"address": self.address, "token_file": "token"}]}))
        config["plugins"]["drivers"] = {"use": "discovery_file", "path": "servers.yaml"}
        other = gateway.Gateway(config, folder)
        self.addCleanup(other.close)
        self.assertEqual(self.query(other.url(user_id="alice")), 42)

    def test_a_token_that_the_gateway_has_not_is_its_operators_matter_until_a_discovery_has_it(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        config = self.static(folder, self.token)
        servers = pathlib.Path(folder, "servers.yaml")
        servers.write_text(json.dumps({"default": [self.address]}))
        config["plugins"]["drivers"] = {"use": "discovery_file", "path": "servers.yaml"}
        other = gateway.Gateway(config, folder)
        self.addCleanup(other.close)
        for _ in range(2):
            with self.assertRaisesRegex(PySparkException, "wants a token, and the gateway has none for it") as caught:
                self.query(other.url(user_id="alice"))
            self.assertNotIn("UNAUTHENTICATED", str(caught.exception))
            self.assertNotIn("No authentication token provided", str(caught.exception))
        self.assertEqual([one["state"] for one in other.ask("endpoints")["endpoints"]], ["refusing"])
        self.assertEqual(other.log_tail(1000).count("wants a token"), 1)  # What goes on is no news.
        servers.write_text(json.dumps({"default": [{"address": self.address, "token_file": "token"}]}))
        wait_until(lambda: self.is_served(other), 30, "the token to be known")
        self.assertNotEqual(other.ask("endpoints")["endpoints"][0]["state"], "refusing")

    def is_served(self, other):
        try:
            return self.query(other.url(user_id="alice")) == 42
        except PySparkException:
            return False

    def test_a_wrong_token_of_the_gateways_is_not_said_to_be_the_callers(self):
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        other = gateway.Gateway(self.static(folder, canary.keep("wrong-" + uuid.uuid4().hex)), folder)
        self.addCleanup(other.close)
        with self.assertRaisesRegex(PySparkException, "does not take the token that the gateway has for it") as caught:
            self.query(other.url(user_id="alice"))
        self.assertNotIn("UNAUTHENTICATED", str(caught.exception))
        canary.look(str(caught.exception), "the error")


if __name__ == "__main__":
    unittest.main(verbosity=2)
