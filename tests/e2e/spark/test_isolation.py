"""Whoever knows the id of somebody's session gets nowhere with it, by no method, though both are on one real driver."""

import os
import tempfile
import threading
import unittest
import uuid
import zlib

import grpc
import pyarrow
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc

import gateway
from processes import wait_until

METHODS = {method.name for method in base_pb2.DESCRIPTOR.services_by_name["SparkConnectService"].methods}
TAG = "of-alice"
ARTIFACT, STRANGE_ARTIFACT = ("cache/" + letter * 64 for letter in "ab")


class Caller:
    """The bare calls of one who has a token; whatever they claim to be is in each message."""

    def __init__(self, channel, token, claims):
        self._stub = base_pb2_grpc.SparkConnectServiceStub(channel)
        self._metadata = [("authorization", f"Bearer {token}")]
        self._claims = claims
        self.called = set()

    def call(self, method, session, **fields):
        """The answer, or all answers of a stream, as a list."""
        kind = {"ArtifactStatus": "ArtifactStatusesRequest"}.get(method, f"{method}Request")
        request = getattr(base_pb2, kind)(session_id=session, **fields)
        request.user_context.user_id = request.user_context.user_name = self._claims
        self.called.add(method)
        answer = getattr(self._stub, method)(iter([request]) if method == "AddArtifacts" else request,
                                             metadata=self._metadata, timeout=60)
        return list(answer) if method in ("ExecutePlan", "ReattachExecute") else [answer]

    def refused(self, method, session, **fields):
        """The error of a call that must fail."""
        try:
            answer = self.call(method, session, **fields)
        except grpc.RpcError as error:
            return error
        raise AssertionError(f"{method} was answered: {answer}")

    def sql(self, session, query):
        """The first value of its rows; None when there are none."""
        for answer in self.call("ExecutePlan", session, plan=plan(query)):
            if answer.HasField("arrow_batch"):
                table = pyarrow.ipc.open_stream(answer.arrow_batch.data).read_all()
                return table.column(0)[0].as_py() if table.num_rows else None
        return None


def plan(query):
    made = base_pb2.Plan()
    made.root.sql.query = query
    return made


def batch(name):
    """What AddArtifacts sends for one of a few bytes."""
    data = base_pb2.AddArtifactsRequest.ArtifactChunk(data=name.encode(), crc=zlib.crc32(name.encode()))
    return base_pb2.AddArtifactsRequest.Batch(artifacts=[{"name": name, "data": data}])


def error_id(error):
    """By which the server keeps the details of an error for one who asks."""
    for detail in rpc_status.from_call(error).details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and "errorId" in info.metadata:
            return info.metadata["errorId"]
    raise AssertionError(f"no details of {error}")


@gateway.needs_gateway
class Isolation(gateway.GatewayTest):
    """Alice, Bob, Carol, and an Alice of another realm, who share a team's server."""

    @classmethod
    def config(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sgw-e2e-"))
        people, guests = (os.path.join(folder, name) for name in ("people.yaml", "guests.yaml"))
        cls.tokens = {who: gateway.add_token(people, who) for who in ("alice", "bob", "carol")}
        cls.tokens["other alice"] = gateway.add_token(guests, "alice")
        config = gateway.token_config(people, size=0, sessions={"share": "team"})
        config["plugins"] |= {"people": config["plugins"].pop("who"), "guests": {"use": "auth_token", "path": guests}}
        config["pipeline"][0] = {"auth": ["people", "guests"]}
        return config

    def caller(self, who, claims=""):
        channel = grpc.insecure_channel(self.target.address)
        self.addCleanup(channel.close)
        return Caller(channel, self.tokens[who], claims)

    def setUp(self):
        """Alice's session: a view, a setting, an artifact, an error of which she has not asked the details, and a query."""
        self.session, self.operation = str(uuid.uuid4()), str(uuid.uuid4())
        self.alice = self.caller("alice")
        self.alice.sql(self.session, "CREATE TEMPORARY VIEW hers AS SELECT 'a secret of hers' AS text")
        self.alice.call("Config", self.session, operation={"set": {"pairs": [{"key": "spark.sql.session.timeZone",
                                                                              "value": "Asia/Tokyo"}]}})
        self.alice.call("AddArtifacts", self.session, batch=batch(ARTIFACT))
        self.error = error_id(self.alice.refused("ExecutePlan", self.session, plan=plan("SELECT missing FROM hers")))
        self.server_side = self.alice.call("Config", self.session, operation=TIME_ZONE)[0].server_side_session_id
        query = threading.Thread(target=self.alice.refused, args=("ExecutePlan", self.session), kwargs={
            "plan": plan("SELECT java_method('java.lang.Thread', 'sleep', 300000L)"), "operation_id": self.operation, "tags": [TAG],
            "request_options": [REATTACHABLE]})
        query.start()
        self.addCleanup(query.join)
        wait_until(self.is_running, 60, "the query to run")

    def is_running(self):
        statuses = self.alice.call("GetStatus", self.session, operation_status={"operation_ids": [self.operation]})[0]
        return [one.state for one in statuses.operation_statuses] == [State.Value("OPERATION_STATE_RUNNING")]

    def nothing_is_found_out(self, stranger):
        """By a method that needs a session, whether the stranger has one of that id or not."""
        session, operation = self.session, self.operation
        stranger.refused("ReattachExecute", session, operation_id=operation)
        for how in ({"release_all": {}}, {"release_until": {"response_id": str(uuid.uuid4())}}):
            self.says_nothing(lambda how=how: stranger.call("ReleaseExecute", session, operation_id=operation, **how), lambda one: None)
        self.says_nothing(lambda: stranger.call("FetchErrorDetails", session, error_id=self.error), lambda one: list(one.errors))
        self.says_nothing(
            lambda: stranger.call("GetStatus", session, operation_status={"operation_ids": [operation]}),
            lambda one: [each for each in one.operation_statuses if each.state != State.Value("OPERATION_STATE_UNKNOWN")])
        # What it observed of hers makes no difference.
        for method in ("Config", "ReleaseExecute"):
            fields = {"operation": TIME_ZONE} if method == "Config" else {"operation_id": operation, "release_all": {}}
            self.says_nothing(lambda: stranger.call(method, session, client_observed_server_side_session_id=self.server_side, **fields),
                            lambda one: [each for each in getattr(one, "pairs", []) if each.value == "Asia/Tokyo"])
        # As for Spark, it makes a session of that id, where there is none.
        for how in ({"interrupt_type": 1}, {"interrupt_type": 2, "operation_tag": TAG},
                    {"interrupt_type": 3, "operation_id": operation}):
            self.says_nothing(lambda how=how: stranger.call("Interrupt", session, **how), lambda one: list(one.interrupted_ids))

    def says_nothing(self, call, found):
        """A refusal is as good as an answer in which nothing of hers is found."""
        try:
            answers = call()
        except grpc.RpcError:
            return
        for answer in answers:
            self.assertFalse(found(answer), answer)
            self.assertNotEqual(getattr(answer, "server_side_session_id", ""), self.server_side)

    def get_nowhere(self, stranger):
        session = self.session
        stranger.refused("CloneSession", session)
        stranger.refused("GetStatus", session)
        self.nothing_is_found_out(stranger)
        # All from here on is about a session of a stranger's own, of that id.
        self.assertIn("TABLE_OR_VIEW_NOT_FOUND", stranger.refused("ExecutePlan", session, plan=plan("SELECT * FROM hers")).details())
        self.assertIn("TABLE_OR_VIEW_NOT_FOUND",
                      stranger.refused("AnalyzePlan", session, schema={"plan": plan("SELECT * FROM hers")}).details())
        config = stranger.call("Config", session, operation=TIME_ZONE)[0]
        self.assertNotEqual(config.pairs[0].value, "Asia/Tokyo")
        self.assertNotEqual(config.server_side_session_id, self.server_side)
        self.assertFalse(stranger.call("ArtifactStatus", session, names=[ARTIFACT])[0].statuses[ARTIFACT].exists)
        stranger.call("AddArtifacts", session, batch=batch(STRANGE_ARTIFACT))
        self.nothing_is_found_out(stranger)
        clone = stranger.call("CloneSession", session)[0].new_session_id
        self.assertIn("TABLE_OR_VIEW_NOT_FOUND", stranger.refused("ExecutePlan", clone, plan=plan("SELECT * FROM hers")).details())
        stranger.call("ReleaseSession", session)
        self.assertEqual(stranger.called, METHODS)

    def alice_has_it_all(self):
        self.assertEqual(self.target.ask("pools")["pools"][0]["state"]["pools"][0]["leased"], 1, "they were on one server")
        self.assertTrue(self.is_running())
        self.assertEqual(self.alice.sql(self.session, "SELECT text FROM hers"), "a secret of hers")
        answer = self.alice.call("Config", self.session, operation=TIME_ZONE)[0]
        self.assertEqual((answer.pairs[0].value, answer.server_side_session_id), ("Asia/Tokyo", self.server_side))
        statuses = self.alice.call("ArtifactStatus", self.session, names=[ARTIFACT, STRANGE_ARTIFACT])[0].statuses
        self.assertEqual([statuses[name].exists for name in (ARTIFACT, STRANGE_ARTIFACT)], [True, False])
        # Given out once: had a stranger asked for it with success, it were gone.
        self.assertTrue(self.alice.call("FetchErrorDetails", self.session, error_id=self.error)[0].errors)
        interrupted = self.alice.call("Interrupt", self.session, interrupt_type=2, operation_tag=TAG)[0]
        self.assertEqual(list(interrupted.interrupted_ids), [self.operation])

    def test_a_session_is_closed_to_another_user_and_to_the_same_name_of_another_realm(self):
        # As Alice calls herself, and as the gateway calls her before the driver.
        for who, claims in (("bob", "alice"), ("carol", "people:alice"), ("other alice", "alice")):
            with self.subTest(who=who, claims=claims):
                self.get_nowhere(self.caller(who, claims))
        self.alice_has_it_all()


TIME_ZONE = {"get": {"keys": ["spark.sql.session.timeZone"]}}
REATTACHABLE = base_pb2.ExecutePlanRequest.RequestOption(reattach_options={"reattachable": True})
State = base_pb2.GetStatusResponse.OperationStatus.OperationState


if __name__ == "__main__":
    unittest.main(verbosity=2)
