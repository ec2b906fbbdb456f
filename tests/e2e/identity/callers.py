"""What tests of callers with tokens share: a scripted Spark Connect server, the gateway before it, and bare calls."""

import contextlib
import json
import os
import pathlib
import tempfile
import unittest
import uuid

import canary
import grpc
from gateway import Gateway
from processes import Process
from pyspark.sql.connect.proto import base_pb2, base_pb2_grpc


def config_call(channel, metadata=(), session=None):
    """The code and the sentence that a Config call ends with, of a session of its own unless there is one."""
    request = base_pb2.ConfigRequest(session_id=session or str(uuid.uuid4()))
    request.operation.get.keys.append("spark.x")
    try:
        base_pb2_grpc.SparkConnectServiceStub(channel).Config(request, metadata=metadata, timeout=30)
        return grpc.StatusCode.OK, ""
    except grpc.RpcError as error:
        canary.look(error.details(), "what the caller hears")
        return error.code(), error.details()


class Callers(unittest.TestCase):
    """`serve` first, then `call`; the audit is read last."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sgw-identity-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        driver = Process([os.environ["SGW_SCRIPTED_SERVER"]], os.path.join(self.folder, "driver.log"))
        self.addCleanup(driver.stop)
        self.driver = driver.wait_for_line(r"started at: (\S+)", 20).group(1)

    def serve(self, auth, router=None, namespaces=("default",)):
        """A gateway with this auth plugin and, perhaps, this router; the scripted server is that of all namespaces."""
        self.gateway = Gateway({
            "plugins": {"portal": auth, **({"tenants": router} if router else {}),
                        "drivers": {"use": "discovery_static", "namespaces": {name: [self.driver] for name in namespaces}},
                        "trail": {"use": "audit_jsonl", "path": os.path.join(self.folder, "audit.jsonl"), "calls": True},
                        "meters": {"use": "metrics_prometheus"}},
            "pipeline": [{"auth": "portal"}, *([{"router": "tenants"}] if router else []),
                         {"discovery": "drivers"}, {"audit": "trail"}, {"metrics": "meters"}]})
        self.addCleanup(self.gateway.close)
        return self.gateway

    def call(self, token=None, session=None, metadata=(), channel=None):
        """The code and the sentence that a Config call ends with, on a channel of its own unless there is one."""
        if token:
            metadata = [("authorization", f"Bearer {token}"), *metadata]
        with contextlib.nullcontext(channel) if channel else grpc.insecure_channel(self.gateway.address) as channel:
            return config_call(channel, metadata, session)

    def assert_code(self, code, answer):
        self.assertEqual(answer[0], code, f"{answer[1]}\n{self.gateway.log_tail()}")

    def records(self, event):
        """The audit's records of an event, after the gateway has stopped."""
        self.gateway.stop()
        lines = pathlib.Path(self.folder, "audit.jsonl").read_text().splitlines()
        return [one for one in map(json.loads, lines) if one["event"] == event]

    def tearDown(self):
        """No token stands in what the driver was sent, either."""
        canary.look_into(pathlib.Path(self.folder))
