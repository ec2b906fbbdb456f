#!/usr/bin/env python3
"""Callers with tokens of a real Keycloak: a realm, groups, service accounts, and keys that rotate while calls run."""

import pathlib
import sys
import tempfile
import threading
import unittest
import uuid

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "spark")]
from callers import Callers  # noqa: E402
from keycloak import Keycloak  # noqa: E402
from processes import wait_until  # noqa: E402
from sessions import session  # noqa: E402

CLIENTS = {"alice": (["ads", "ml"], "RS256"), "bob": (["ads"], "ES256"), "carol": (["hr"], "RS256")}


class WithKeycloak(Callers):
    """One Keycloak for all tests: it starts in half a minute."""

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sgw-keycloak-"))
        cls.provider = Keycloak(folder, CLIENTS)
        cls.addClassCleanup(cls.provider.stop)

    def setUp(self):
        super().setUp()
        self.serve({"use": "auth_oidc", "issuer": self.provider.issuer, "audiences": ["spark-gateway"], "refresh": "2s",
                    "refresh_floor": "1s", "subject": "azp"},
                   {"use": "router_headers", "default_environment": "prod",
                    "rules": [{"groups": ["ads", "ml"], "teams": ["{group}"]}]}, ("sjns-ads-prod", "sjns-ml-prod"))

    def test_a_realms_groups_say_what_its_clients_may_use(self):
        team = [("x-spark-team", "ml")]
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("alice"), metadata=team))
        for client in ("bob", "carol"):
            self.assert_code(grpc.StatusCode.PERMISSION_DENIED, self.call(self.provider.token(client), metadata=team))
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("bob"), metadata=[("x-spark-team", "ads")]))
        self.assertEqual([(one["subject"], one["groups"], one["namespace"]) for one in self.records("session_opened")],
                         [("alice", ["ads", "ml"], "sjns-ml-prod"), ("bob", ["ads"], "sjns-ads-prod")])

    def test_pyspark_comes_in_with_a_token_of_keycloak_in_its_url(self):
        with session(self.gateway.url(token=self.provider.token("alice"), **{"x-spark-team": "ads"})) as spark:
            spark.conf.set("spark.x", "1")
        calls = {(one["subject"], one["client"].split()[0], one["code"]) for one in self.records("call_ended")}
        self.assertEqual(calls, {("alice", "_SPARK_CONNECT_PYTHON", "OK")})

    def test_keys_rotate_while_calls_run(self):
        team = [("x-spark-team", "ads")]
        ended = threading.Event()
        failed, passed = [], []
        tokens = [self.provider.token("alice")]

        def calls(is_new):
            """Calls of one session with the newest token until the end: each on a channel of its own, or all on one."""
            session_id = str(uuid.uuid4())
            with grpc.insecure_channel(self.gateway.address) as channel:
                while not ended.is_set():
                    answer = self.call(tokens[-1], session_id, team, None if is_new else channel)
                    (passed if answer[0] == grpc.StatusCode.OK else failed).append(answer)

        # A stream that was let in with the first key runs on after its end.
        request = base_pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
        request.plan.root.range.end = request.plan.root.range.step = 1
        channel = self.enterContext(grpc.insecure_channel(self.gateway.address))
        stream = base_pb2_grpc.SparkConnectServiceStub(channel).ExecutePlan(
            request, metadata=[("authorization", f"Bearer {tokens[0]}"), *team, ("x-script", "responses=30; pause=500ms")], timeout=120)
        next(stream)
        threads = [threading.Thread(target=calls, args=(is_new,)) for is_new in (False, True)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                old = self.provider.rotate()
                token = self.provider.token("alice")
                self.assertNotEqual(token.split(".")[0], tokens[-1].split(".")[0])  # Another key's.
                wait_until(lambda: self.call(token, metadata=team)[0] == grpc.StatusCode.OK, 30, "the new key to be known")
                tokens.append(token)
                before = len(passed)
                wait_until(lambda: len(passed) > before + 20, 60, "calls with the new key")
                self.provider.withdraw(old)
                gone = tokens[-2]
                wait_until(lambda: self.call(gone, metadata=team)[0] == grpc.StatusCode.UNAUTHENTICATED, 30,
                           "the old key to be withdrawn")
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        self.assertEqual(failed, [])
        self.assertTrue(all(one.session_id == request.session_id for one in stream))


if __name__ == "__main__":
    unittest.main(verbosity=2)
