#!/usr/bin/env python3
"""The back end of a playground, with a token of its own, acts for the people who are signed in there."""

import pathlib
import sys
import unittest
import uuid

import grpc
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "spark")]
import gateway  # noqa: E402
from callers import Callers  # noqa: E402

NAMESPACES = ("sjns-ads-prod", "sjns-play-prod")


def acting_for(*people):
    return [("x-spark-act-for", person) for person in people]


class Delegation(Callers):
    def setUp(self):
        super().setUp()
        path = str(pathlib.Path(self.folder, "tokens.yaml"))
        self.playground = gateway.add_token(path, "playground")
        self.carol = gateway.add_token(path, "carol", "play-users")
        self.serve({"use": "auth_token", "path": path,
                    "delegation": [{"services": ["playground"], "people": ["car*", "dan"], "groups": ["play-users"]}]},
                   {"use": "router_headers", "default_environment": "prod", "rules": [
                       {"groups": ["play-users"], "teams": ["play"], "default_team": "play"},
                       {"subjects": ["carol"], "teams": ["ads"], "default_team": "ads"}]}, NAMESPACES)

    def test_it_acts_for_people_in_their_playground_and_records_show_both(self):
        with grpc.insecure_channel(self.gateway.address) as channel:
            for person in ("carol", "dan", "carol"):
                self.assert_code(grpc.StatusCode.OK, self.call(self.playground, metadata=acting_for(person), channel=channel))
        opened = self.records("session_opened")
        self.assertEqual([(one["subject"], one["actor"], one["groups"], one["namespace"]) for one in opened],
                         [(person, "playground", ["play-users"], "sjns-play-prod") for person in ("carol", "dan", "carol")])

    def test_every_record_of_such_a_call_shows_both_and_the_driver_sees_the_person_alone(self):
        request = base_pb2.ExecutePlanRequest(session_id=str(uuid.uuid4()))
        request.user_context.user_id = "playground"
        request.plan.root.range.end = request.plan.root.range.step = 1
        with grpc.insecure_channel(self.gateway.address) as channel:
            answers = list(base_pb2_grpc.SparkConnectServiceStub(channel).ExecutePlan(
                request, metadata=[("authorization", f"Bearer {self.playground}"), *acting_for("carol")], timeout=30))
        self.assertTrue(answers)
        for event in ("operation_started", "operation_ended", "call_ended"):
            self.assertEqual([(one["subject"], one["actor"]) for one in self.records(event)], [("carol", "playground")], event)
        heard = pathlib.Path(self.folder, "driver.log").read_text()
        self.assertNotIn("x-spark-act-for", heard)

    def test_nobody_else_may_act_for_anybody_and_no_more_is_allowed_than_the_rule_says(self):
        mine = str(uuid.uuid4())
        self.assert_code(grpc.StatusCode.OK, self.call(self.carol, mine, [("x-spark-team", "ads")]))
        denied = grpc.StatusCode.PERMISSION_DENIED
        self.assert_code(denied, self.call(self.carol, metadata=acting_for("dan")))
        self.assert_code(denied, self.call(self.playground, metadata=[("x-spark-team", "play")]))  # by itself it is in no group
        self.assert_code(denied, self.call(self.playground, metadata=acting_for("eve")))
        # What is carol's by her name is not the service's that chose it.
        self.assert_code(denied, self.call(self.playground, metadata=[*acting_for("carol"), ("x-spark-team", "ads")]))
        # Nor does it get into what a person has elsewhere, whoever it acts for and in whatever groups.
        self.assert_code(denied, self.call(self.playground, mine, acting_for("carol")))
        self.assert_code(grpc.StatusCode.OK, self.call(self.carol, mine))
        for people in (("",), ("carol", "dan"), ("x" * 257,)):
            self.assert_code(grpc.StatusCode.INVALID_ARGUMENT, self.call(self.playground, metadata=acting_for(*people)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
