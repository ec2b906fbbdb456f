"""The real gateway, in a folder of its own, on ports from the kernel."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import urllib.error
import urllib.request
import uuid

import canary
from processes import Process, wait_until
from spark_server import COMMAND, SparkServer, conf, connect_url

BINARY = os.environ.get("SGW_BINARY", "")

# Built with sanitizers the gateway is several times slower, and its memory is theirs.
IS_SANITIZED = bool(os.environ.get("SGW_SANITIZE"))
FOUND_BY_SANITIZER = re.compile(r"^.*(ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:)(?s:.*)", re.MULTILINE)

# Proves the test programs against a bare Spark server; what needs a gateway is skipped.
IS_DIRECT = os.environ.get("SGW_DIRECT") == "1"
needs_gateway = unittest.skipIf(IS_DIRECT, "needs a gateway")


class Gateway:
    """Serving when the constructor returns.

    `config` is what a configuration file says, as a dict; a plain listener is put before its own, open if nobody is asked
    who they are, and the admin addresses are filled in. Where callers are asked who they are, an audit and metrics are added:
    when it stops, all that it has said is looked through for the secrets of the tests. `env` is added to the environment, its
    own and its children's.
    """

    def __init__(self, config, folder=None, env=None):
        self._own_folder = None if folder else tempfile.TemporaryDirectory(prefix="sgw-e2e-")
        self.folder = folder or self._own_folder.name
        self._config = config
        self._mark = f"SGW_TEST_GATEWAY={uuid.uuid4()}"
        self._env = {**(env or {}), **dict([self._mark.split("=")])}
        self._ports_file = os.path.join(self.folder, "ports.json")
        self.address = "127.0.0.1:0"
        self.start()

    def start(self):
        """Starts it, again on the port of the first time."""
        config = {
            "admin": {"address": f"unix:{self.folder}/admin.sock", "http": "127.0.0.1:0"},
            "drain": {"timeout": "1s"},
            **self._with_observers(),
        }
        is_open = not any("auth" in step for step in config["pipeline"])
        config["listeners"] = [{"address": self.address, "open": is_open}, *self._config.get("listeners", [])]
        path = os.path.join(self.folder, "gateway.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2)  # JSON is YAML.
        pathlib.Path(self._ports_file).unlink(missing_ok=True)
        self._process = Process([BINARY, "serve", "--config", path, "--ports-file", self._ports_file],
                                os.path.join(self.folder, "gateway.log"), self._env)
        ports = wait_until(self._ports, 20, "the gateway to listen")
        self.addresses = [listener["address"] for listener in ports["listeners"]]
        self.address = self.addresses[0]
        self.http = ports["http"]

    def _with_observers(self):
        kinds = {kind for step in self._config["pipeline"] for kind in step}
        added = {kind: {"use": use, **settings} for kind, use, settings in (
            ("audit", "audit_jsonl", {"path": "canary.jsonl", "calls": True}), ("metrics", "metrics_prometheus", {}))
            if "auth" in kinds and kind not in kinds}
        return {**self._config,
                "plugins": {**self._config["plugins"], **{f"canary_{kind}": plugin for kind, plugin in added.items()}},
                "pipeline": [*self._config["pipeline"], *({kind: f"canary_{kind}"} for kind in added)]}

    def _ports(self):
        if not self._process.is_running():
            raise AssertionError(f"the gateway ended at start:\n{self._process.log_tail()}")
        try:
            return json.loads(pathlib.Path(self._ports_file).read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):  # Not yet there, or half written.
            return None

    @property
    def pid(self):
        return self._process.pid

    def is_running(self):
        return self._process.is_running()

    def url(self, listener=0, **parameters):
        return connect_url(self.addresses[listener], parameters)

    def log_tail(self, lines=40):
        return self._process.log_tail(lines)

    def ask(self, *arguments):
        """What a running gateway answers to a subcommand with --json."""
        answer = subprocess.run(
            [BINARY, *arguments, "--json", "--admin", f"unix:{self.folder}/admin.sock"],
            check=True, capture_output=True, text=True, timeout=20)
        return json.loads(answer.stdout)

    def kill(self):
        """SIGKILL; returns when it was sent. What it has written is looked at when it is stopped."""
        self._look_while_it_runs()
        os.kill(self.pid, signal.SIGKILL)

    def stop(self, signal_number=signal.SIGTERM, seconds=60 if IS_SANITIZED else 20):
        """Its exit code; an AssertionError with what a sanitizer found while it ran, or a secret that it has told."""
        try:
            self._look_while_it_runs()
        finally:
            exit_code = self._process.stop(signal_number, seconds)
        log = pathlib.Path(self.folder, "gateway.log")
        found = FOUND_BY_SANITIZER.search(log.read_text(errors="replace")) if log.exists() else None
        if found:
            raise AssertionError(found[0][:20_000])
        self._look_at_files()
        return exit_code

    def _look_while_it_runs(self):
        canary.keep_tokens_of_drivers(self._mark)
        if self._process.is_running():
            self._look_at_answers()

    def _look_at_answers(self):
        """No secret of the tests stands in what operators are told."""
        with contextlib.suppress(urllib.error.URLError), urllib.request.urlopen(f"http://{self.http}/metrics", timeout=20) as page:
            canary.look(page.read().decode(), "the metrics")
        for words in (["config"], ["endpoints"], ["pools"], ["sessions"]):
            canary.look(json.dumps(self.ask(*words)), words)

    def _look_at_files(self):
        """Nor in anything that the gateway has written, or its drivers."""
        written = [plugin.get("path") for plugin in self._config["plugins"].values() if plugin["use"] == "audit_jsonl"]
        written += ["gateway.log", "canary.jsonl", "ports.json", self._config.get("sessions", {}).get("state")]
        written += [plugin.get("log_directory") for plugin in self._config["plugins"].values()]
        for name in filter(None, written):
            canary.look_into(pathlib.Path(self.folder, name))

    def close(self):
        """Stops it and removes its folder; SGW_KEEP=1 keeps the folder and says where it is."""
        try:
            self.stop()
        finally:
            if os.environ.get("SGW_KEEP") == "1":
                print(f"kept {shutil.copytree(self.folder, tempfile.mkdtemp(prefix='sgw-kept-'), dirs_exist_ok=True, ignore=shutil.ignore_patterns('*.sock'))}")
            if self._own_folder:
                self._own_folder.cleanup()


def pool_config(size=1, spark=None, **more):
    """Anonymous callers, as they call themselves, on servers of a process pool."""
    return {
        "plugins": {"who": {"use": "auth_anonymous"}, "tenants": TENANTS, "warm": warm_servers(size, spark)},
        "pipeline": [{"auth": "who"}, *POOL_STEPS],
        **more,
    }


def token_config(tokens, size=1, **more):
    """Callers with a token of the file `tokens`, on servers of a process pool."""
    return {
        "plugins": {"who": {"use": "auth_token", "path": tokens}, "tenants": TENANTS, "warm": warm_servers(size)},
        "pipeline": [{"auth": "who"}, *POOL_STEPS],
        **more,
    }


def static_config(address, **more):
    """Anonymous callers, as they call themselves, on one server that is there already."""
    return {
        "plugins": {"who": {"use": "auth_anonymous"},
                    "drivers": {"use": "discovery_static", "namespaces": {"default": [address]}}},
        "pipeline": [{"auth": "who"}, {"discovery": "drivers"}],
        **more,
    }


TENANTS = {"use": "router_headers", "namespace": "{team}-{environment}",
           "default_team": "tests", "default_environment": "dev"}
POOL_STEPS = [{"router": "tenants"}, {"hot-pool": "warm"},
              {"hot-pool": "warm", "create": True, "hold": "25s", "give_up": "2m"}]


def warm_servers(size, spark=None):
    return {"use": "hot_pool_process", "size": size, "namespaces": ["tests-dev"],
            "command": [COMMAND, "--port", "0", *conf(spark or {})],
            "ready_line": "Spark Connect server started at: {address}"}


def add_token(tokens, subject, *groups):
    """A new token for `subject` in the file `tokens`."""
    words = [word for group in groups for word in ("--group", group)]
    added = subprocess.run([BINARY, "token", "add", "--file", tokens, "--subject", subject, *words],
                           check=True, capture_output=True, text=True, timeout=20)
    return canary.keep(added.stdout.split()[-1])


class GatewayTest(unittest.TestCase):
    """Tests that share one gateway. A class says what `config()` and which Spark `settings` it wants.

    When a test fails, the end of the gateway's log is part of what is shown.
    """

    settings = {}

    @classmethod
    def config(cls):
        return pool_config(spark=cls.settings)

    @classmethod
    def setUpClass(cls):
        if IS_DIRECT:
            folder = tempfile.TemporaryDirectory(prefix="sgw-e2e-")
            cls.addClassCleanup(folder.cleanup)
            cls.target = SparkServer(folder.name, cls.settings)
            cls.addClassCleanup(cls.target.stop)
        else:
            cls.target = Gateway(cls.config())
            cls.addClassCleanup(cls.target.close)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and not IS_DIRECT and len(result.failures) + len(result.errors) > before:
            print(f"--- the gateway's log after {self.id()}:\n{self.target.log_tail()}\n---", flush=True)
        return result
