"""One run: the server behind everything, who takes part, and the rounds."""

import pathlib
import re
import subprocess
import tempfile

from . import messages, places
from .peers import PEERS, PIPELINE, RELAY
from .processes import Failed, Process, wait_until
from .provider import Provider
from .row import summarize
from .tls import Certificate


class Bench:
    def __init__(self, labels, is_full, rounds, say):
        self.is_full, self.rounds, self.say = is_full, rounds, say
        self.peers = {label: PEERS[label] for label in labels if PEERS[label].is_installed()}
        self.skipped = [label for label in labels if label not in self.peers]
        self._folder = tempfile.TemporaryDirectory(prefix="spark-gateway-bench-")
        self.folder = pathlib.Path(self._folder.name)
        self.certificate = Certificate(self.folder)
        self.provider = Provider(self.folder)
        self._started = 0
        self.server = Process([places.SERVER], self.folder / "server.log", keeps_input=True)
        line = wait_until(lambda: re.search(r"listening on 127.0.0.1:(\d+)", self.server.log_tail()), 10,
                          lambda: "bench-server to listen")
        self.server.port = int(line[1])
        self.unary_body = self.file("unary", messages.unary())

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content)
        return path

    def start(self, peer, tls=False, backend=None, **options):
        """A running proxy in a folder of its own; `backend` is the port of another server than the bench's."""
        self._started += 1
        folder = self.folder / f"{self._started}-{peer.label}"
        return peer.start(folder, backend or self.server.port, tls=self.certificate if tls else None, **options)

    def start_relay(self, **options):
        return self.start(RELAY, **options)

    def start_pipeline(self, **options):
        """The gateway with all six kinds of plugins; `process.headers` are what its callers send."""
        folder = self.folder / f"{self._started + 1}-{PIPELINE.label}"
        folder.mkdir(exist_ok=True)
        added = subprocess.run([places.GATEWAY, "token", "add", "--file", folder / "tokens.yaml", "--subject", "ci",
                                "--group", "ads"], check=True, capture_output=True, text=True)
        process = self.start(PIPELINE, AUTH=f"use: auth_token, path: {folder / 'tokens.yaml'}", **options)
        process.headers = messages.spark_headers(added.stdout.split()[-1])
        return process

    def start_oidc_pipeline(self, token):
        """The same for callers with a token of the provider."""
        issuer = self.provider.issuer
        process = self.start(PIPELINE, AUTH=f'use: auth_oidc, issuer: "{issuer}", jwks_url: "{issuer}/keys", audiences: [bench]')
        process.headers = messages.spark_headers(token)
        return process

    def run(self, row):
        """{label: {key: {median, low, high, values}}}."""
        size = row.sizes[self.is_full]
        rounds = max(row.rounds, self.rounds) if self.is_full else self.rounds
        results = []
        try:
            for contestant in row.contestants:
                if not contestant.start:
                    continue  # A fresh one each time.
                self.say(row, contestant.label, "warms up")
                contestant.open(self)
                contestant.measure(self, max(1, size // 4))
            for number in range(rounds):
                figures = {}
                turn = number % len(row.contestants)
                for contestant in row.contestants[turn:] + row.contestants[:turn]:
                    self.say(row, contestant.label, f"round {number + 1} of {rounds}")
                    figures[contestant.label] = contestant.measure(self, size)
                    self.check(contestant)
                if row.derive:
                    row.derive(figures)
                results.append(figures)
        finally:
            for contestant in row.contestants:
                contestant.close()
        return summarize(results)

    @staticmethod
    def check(contestant):
        if contestant.process and not contestant.process.is_running():
            raise Failed(f"{contestant.label} has ended:\n{contestant.process.log_tail()}")

    def close(self):
        self.server.stop()
        self.provider.close()
        self._folder.cleanup()
