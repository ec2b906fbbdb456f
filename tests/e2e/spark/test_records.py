"""What is left of calls: the page of metrics and the audit trail of a gateway that has had traffic."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

import canary
import gateway
from processes import wait_until
from sessions import session
from spark_server import ROOT

PROMTOOL = shutil.which("promtool") or shutil.which(
    "promtool", path=str(pathlib.Path(os.environ.get("SGW_LOCAL", ROOT / ".local")) / "promtool"))


@gateway.needs_gateway
class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Two people who query, one of them with a mistake; one whom nobody knows; one of another team."""
        tokens = os.path.join(cls.enterClassContext(tempfile.TemporaryDirectory()), "tokens.yaml")
        cls.secrets = [gateway.add_token(tokens, subject) for subject in ("alice", "bob")] + [canary.keep("not-a-token-of-anybody")]
        config = gateway.token_config(tokens)
        config["plugins"]["tenants"] = {**gateway.TENANTS, "allowed": ["tests/dev"]}
        config["plugins"] |= {"trail": {"use": "audit_jsonl", "path": "audit.jsonl"},
                              "meters": {"use": "metrics_prometheus"}}
        config["pipeline"] += [{"audit": "trail"}, {"metrics": "meters"}]
        cls.target = gateway.Gateway(config)
        cls.addClassCleanup(cls.target.close)
        for token in cls.secrets[:2]:
            with session(cls.target.url(token=token)) as spark:
                spark.sql("SELECT 1").collect()
                spark.range(10).select(F.sum("id")).collect()
                cls.refused(lambda spark=spark: spark.sql("SELECT nonsense").collect())
        cls.refused(lambda: cls.query(token=cls.secrets[2]))
        cls.refused(lambda: cls.query(token=cls.secrets[0], **{"x-spark-team": "others"}))

    @classmethod
    def query(cls, **parameters):
        with session(cls.target.url(**parameters)) as spark:
            spark.sql("SELECT 1").collect()

    @staticmethod
    def refused(action):
        try:
            action()
        except PySparkException:
            return
        raise AssertionError("nothing was refused")

    def page(self):
        with urllib.request.urlopen(f"http://{self.target.http}/metrics", timeout=20) as reply:
            self.assertEqual(reply.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
            return reply.read().decode()

    @unittest.skipUnless(PROMTOOL, "no promtool: tools/prepare promtool")
    def test_promtool_has_nothing_to_say_about_the_metrics(self):
        checked = subprocess.run([PROMTOOL, "check", "metrics"], input=self.page(), text=True, capture_output=True, timeout=60)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_the_page_has_every_family_with_what_happened(self):
        page = self.page()

        def value(series):
            """The sum of all series of the page that begin so."""
            return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(series))

        self.assertGreaterEqual(value('spark_gateway_requests_total{method="ExecutePlan",code="OK"}'), 4)
        self.assertGreaterEqual(value('spark_gateway_refusals_total{refused_by="auth"}'), 1)
        self.assertGreaterEqual(value('spark_gateway_step_refusals_total{step="tenants"}'), 1)
        self.assertGreaterEqual(value('spark_gateway_request_duration_seconds_count{method="ExecutePlan"}'), 4)
        for step in ("who", "tenants", "warm"):
            self.assertGreaterEqual(value(f'spark_gateway_step_duration_seconds_count{{step="{step}"}}'), 1, step)
        for direction in ("from_client", "to_client"):
            self.assertGreater(value(f'spark_gateway_message_bytes_total{{direction="{direction}"}}'), 1000)
        for name in ("live_calls", "sessions{", "session_servers{", "waiting_callers", "connections", "held_bytes",
                     "pool_servers{", "pool_acquisition_seconds_count{"):
            self.assertIn(f"\nspark_gateway_{name}", page)
        self.assertEqual(value("spark_gateway_sessions_opened_total"), 2)
        self.assertEqual(value("spark_gateway_audit_dropped_total"), 0)
        self.assertGreater(value("spark_gateway_audit_written_total"), 4)

    def test_labels_come_from_small_sets_and_say_nothing_of_callers(self):
        values = {}
        for name, value in re.findall(r'[{,]([a-z_]+)="([^"]*)"', self.page()):
            values.setdefault(name, set()).add(value)
        for name, found in values.items():
            self.assertLess(len(found), 60, name)
        everything = {value for found in values.values() for value in found}
        self.assertFalse(everything & {"alice", "bob", "tests", "dev", "others", *self.secrets})

    def test_the_audit_trail_says_who_did_what_where_and_has_no_secrets(self):
        path = pathlib.Path(self.target.folder, "audit.jsonl")
        lines = wait_until(lambda: path.read_text(encoding="utf-8").count('"session_closed"') == 2
                           and path.read_text(encoding="utf-8"), 20, "both sessions' ends in the trail")
        for secret in self.secrets:
            self.assertNotIn(secret, lines)
        records = [json.loads(line) for line in lines.splitlines()]
        of = lambda event, **members: [record for record in records if record["event"] == event and  # noqa: E731
                                       members.items() <= record.items()]
        for subject in ("alice", "bob"):
            self.assertEqual(len(of("session_opened", subject=subject, namespace="tests-dev", team="tests")), 1)
            started, ended = of("operation_started", subject=subject), of("operation_ended", subject=subject)
            self.assertEqual({record["operation"] for record in started}, {record["operation"] for record in ended})
            self.assertGreaterEqual(len(started), 2)
            for record in ended:
                self.assertRegex(record["method"], "ExecutePlan$")
                self.assertTrue(record["session"] and record["call"] and record["endpoint"] and record["peer"])
                self.assertGreater(record["bytes_from_client"], 0)
                self.assertGreater(record["duration_ms"], 0)
            self.assertTrue([record for record in ended if record["code"] == "OK" and record["bytes_to_client"] > 0])
        self.assertTrue(of("call_refused", code="UNAUTHENTICATED"))
        self.assertTrue(of("call_refused", code="PERMISSION_DENIED", refused_by="tenants", subject="alice"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
