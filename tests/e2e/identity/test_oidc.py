#!/usr/bin/env python3
"""Callers with tokens of a real OpenID provider, through the real gateway, to a scripted Spark Connect server."""

import concurrent.futures
import pathlib
import sys
import time
import unittest
import uuid

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "spark")]
import canary  # noqa: E402
from callers import Callers  # noqa: E402
from processes import wait_until  # noqa: E402
from provider import Provider  # noqa: E402

CLIENTS = {"alice": ["ads", "ml"], "bob": ["ads"], "playground": ["services"]}


class Oidc(Callers):
    def setUp(self):
        super().setUp()
        self.provider = Provider(self.folder, CLIENTS)
        self.addCleanup(self.provider.stop)

    def serve(self, **oidc):
        return super().serve({"use": "auth_oidc", "issuer": self.provider.issuer, "audiences": ["spark-gateway"],
                              "refresh_floor": "1s", "leeway": "0s", **oidc})

    def test_tokens_of_both_algorithms_say_who_calls(self):
        self.serve()
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("alice")))
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("bob", algorithm="RS256")))
        opened = self.records("session_opened")
        self.assertEqual([(one["subject"], one["groups"]) for one in opened],
                         [("alice", ["ads", "ml"]), ("bob", ["ads"])])

    def test_who_has_no_good_token_is_told_what_to_do_and_the_token_is_shown_nowhere(self):
        self.serve()
        good = self.provider.token("alice")
        head, claims, signature = good.split(".")
        other = self.provider.token("bob").split(".")
        bad = [f"{head}.{claims}.{other[2]}", f"{head}.{other[1]}.{signature}", f"{head}.{claims}.", f"{good}.x", good + "=",
               self.provider.token("alice", seconds=1)]
        time.sleep(1.1)  # The last one's life.
        self.assert_code(grpc.StatusCode.UNAUTHENTICATED, self.call())
        for token in bad:
            # Nor does a good one beside it help.
            self.assert_code(grpc.StatusCode.UNAUTHENTICATED, self.call(good, metadata=[("authorization", f"Bearer {token}")]))
            code, sentence = self.call(token)
            self.assertEqual(code, grpc.StatusCode.UNAUTHENTICATED, sentence)
            self.assertIn("oken", sentence)
            canary.look(sentence, "the refusal")

    def test_a_token_that_ends_lets_streams_run_on_and_new_calls_as_far_as_on_expired_says(self):
        for on_expired, code in (("refuse", grpc.StatusCode.UNAUTHENTICATED), ("grace", grpc.StatusCode.OK)):
            with self.subTest(on_expired), grpc.insecure_channel(self.serve(on_expired=on_expired).address) as channel:
                token = self.provider.token("alice", seconds=4)
                request = base_pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
                request.plan.root.range.end = request.plan.root.range.step = 1
                stream = base_pb2_grpc.SparkConnectServiceStub(channel).ExecutePlan(
                    request, metadata=[("authorization", f"Bearer {token}"), ("x-script", "responses=16; pause=500ms")], timeout=60)
                next(stream)
                # A new session may not begin any more, whatever its owner's others may.
                wait_until(lambda: self.call(token)[0] == grpc.StatusCode.UNAUTHENTICATED, 30, "the token's end")
                answer = self.call(token, request.session_id, channel=channel)
                self.assert_code(code, answer)
                self.assertIn("" if code == grpc.StatusCode.OK else "oken", answer[1])
                self.assertGreaterEqual(len(list(stream)), 15)

    def test_keys_rotate_under_calls(self):
        self.serve(refresh="2s")
        old = self.provider.token("alice")
        self.assert_code(grpc.StatusCode.OK, self.call(old))
        self.provider.rotate(keep=True)
        new = self.provider.token("alice")
        wait_until(lambda: self.call(new)[0] == grpc.StatusCode.OK, 20, "the new key to be known")
        self.assert_code(grpc.StatusCode.OK, self.call(old))
        self.provider.rotate()  # Both are withdrawn.
        for token in (old, new):
            wait_until(lambda: self.call(token)[0] == grpc.StatusCode.UNAUTHENTICATED, 20, "its key to be withdrawn")
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("alice")))

    def test_unknown_keys_do_not_storm_the_provider(self):
        self.serve(refresh="1h", refresh_floor="1m")
        self.provider.rotate()
        strange = self.provider.token("alice")
        before = self.provider.counts()["keys"]
        for _ in range(20):
            self.assert_code(grpc.StatusCode.UNAVAILABLE, self.call(strange))
        self.assertLessEqual(self.provider.counts()["keys"], before + 1)

    def test_a_provider_that_is_down_keeps_nobody_out_who_has_a_token(self):
        self.serve(refresh="1s")
        token = self.provider.token("alice")
        self.provider.behave("down")
        wait_until(lambda: "cannot be had" in self.gateway.log_tail(), 20, "a refresh to fail")
        self.assert_code(grpc.StatusCode.OK, self.call(token))

    def test_a_provider_that_answers_nonsense_lets_nobody_in_and_keeps_nobody_out(self):
        self.serve(refresh="1s", keep_keys="10m")
        token, other = self.provider.token("alice"), self.provider.token("bob")
        self.assert_code(grpc.StatusCode.OK, self.call(token))
        nonsense = [(way, "/jwks") for way in ("html", "empty", "large", "redirect", "down")]
        nonsense += [(way, "/.well-known/openid-configuration") for way in ("html", "redirect")]
        self.provider.behave(*nonsense[0])
        self.provider.rotate(keep=True)
        new = self.provider.token("alice")  # Whom a good answer would let in.
        for way, path in nonsense:
            with self.subTest(way=way, path=path):
                self.provider.behave(way, path)
                before = self.provider.counts()["asked"]
                while self.provider.counts()["asked"] < before + (2 if path == "/jwks" else 1):
                    self.assert_code(grpc.StatusCode.UNAVAILABLE, self.call(new))
                self.assert_code(grpc.StatusCode.OK, self.call(token))
        self.assert_code(grpc.StatusCode.OK, self.call(other))
        self.assertEqual(self.provider.counts()["followed"], 0)
        self.provider.behave()
        wait_until(lambda: self.call(new)[0] == grpc.StatusCode.OK, 30, "the new key to be known")

    def test_a_provider_that_hangs_lets_nobody_in_and_holds_nobody_up_whose_token_was_checked(self):
        self.serve(refresh="1s", timeout="20s")
        token = self.provider.token("alice")
        self.assert_code(grpc.StatusCode.OK, self.call(token))
        self.provider.behave("silent", "/jwks")
        self.provider.rotate(keep=True)
        new = self.provider.token("alice")
        wait_until(lambda: self.provider.counts()["waiting"] == 1, 30, "the provider to be asked")
        self.assert_code(grpc.StatusCode.OK, self.call(token))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            waits = pool.submit(self.call, new)
            self.assert_code(grpc.StatusCode.OK, self.call(token))
            self.assertEqual(self.provider.counts()["waiting"], 1)  # The calls did not wait for it.
            self.assertFalse(waits.done())
            self.provider.behave("down", "/jwks")
            self.assert_code(grpc.StatusCode.UNAVAILABLE, waits.result(30))

    def test_keys_that_are_too_old_let_nobody_in_on_a_connection_that_was_let_in_either(self):
        self.serve(refresh="1s", keep_keys="3s", timeout="500ms")
        token = self.provider.token("alice")
        with grpc.insecure_channel(self.gateway.address) as channel:
            for code in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.OK):
                self.provider.behave("well" if code == grpc.StatusCode.OK else "down")
                wait_until(lambda: self.call(token, channel=channel)[0] == code, 30, f"{code} on the one connection")

    def test_a_service_acts_for_people_and_records_show_both(self):
        self.serve(delegation=[{"services": ["playground"], "groups": ["play"]}])
        acting = [("x-spark-act-for", "carol")]
        self.assert_code(grpc.StatusCode.OK, self.call(self.provider.token("playground"), metadata=acting))
        self.assert_code(grpc.StatusCode.PERMISSION_DENIED, self.call(self.provider.token("bob"), metadata=acting))
        opened = self.records("session_opened")
        self.assertEqual([(one["subject"], one["actor"], one["groups"]) for one in opened],
                         [("carol", "playground", ["play"])])


if __name__ == "__main__":
    unittest.main(verbosity=2)
