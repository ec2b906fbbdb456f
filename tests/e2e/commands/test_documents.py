#!/usr/bin/env python3
"""What the documents and the configurations of the tree say is true of the binary."""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from commands import BINARY, ROOT, get, make_certificate, run
from processes import wait_until


class Served:
    """A configuration of the tree that is served as it stands, but for its ports and folder; `http` is where it answers."""

    def __init__(self, case, name, prepare=lambda folder: None):
        folder = tempfile.TemporaryDirectory(prefix="sgw-config-")
        case.addCleanup(folder.cleanup)
        self.folder = folder.name
        text = (ROOT / "configs" / name).read_text()
        text = re.sub(r'(address: "?|http: "?)([^:"\s]+):(15002|9090)', r"\1\2:0", text)
        text = text.replace("../.local/run", self.folder).replace("../tools/", f"{ROOT}/tools/")
        self.path = os.path.join(self.folder, name)
        pathlib.Path(self.path).write_text(text)
        prepare(self.folder)
        ports = os.path.join(self.folder, "ports.json")
        log = open(os.path.join(self.folder, "gateway.log"), "w+", encoding="utf-8")
        case.addCleanup(log.close)
        self.process = subprocess.Popen([BINARY, "serve", "--config", self.path, "--ports-file", ports], stdout=log, stderr=log)
        case.addCleanup(self.process.wait, 60)
        case.addCleanup(self.process.terminate)

        def has_ports():
            case.assertIsNone(self.process.poll(), pathlib.Path(log.name).read_text())
            return os.path.exists(ports)

        wait_until(has_ports, 30, f"{name} to serve")
        self.http = json.loads(pathlib.Path(ports).read_text())["http"]


def prepare_static(folder):
    """What configs/static.yaml names; the test stays on this machine."""
    make_certificate(folder, "tls")
    subprocess.run([BINARY, "token", "add", "--file", f"{folder}/tokens.yaml", "--subject", "ci"], check=True,
                   capture_output=True)
    path = pathlib.Path(folder, "static.yaml")
    path.write_text(path.read_text().replace("0.0.0.0:", "127.0.0.1:"))


class Words(unittest.TestCase):
    """What the documents say is true of the binary."""

    documents = sorted(path for pattern in ("README.md", "*/README.md", "*/*/README.md", "*/*/*/README.md") for path in ROOT.glob(pattern)
                       if not {"build", ".local"} & set(path.relative_to(ROOT).parts))

    def test_every_command_in_them_is_understood(self):
        seen = set()
        for document in self.documents:
            text = document.read_text()
            commands = [re.sub(r"\s+", " ", found) for found in re.findall(r"`spark-gateway\s([^`]+)`", text)]
            commands += re.findall(r"^(?:#\s*)?spark-gateway ([^#\n]+)", text, re.MULTILINE)
            for command in commands:
                words = re.split(r"[>|;]", command)[0].split()
                answer = run(*words, "--help")
                self.assertEqual(answer.returncode, 0, f"{document}: {command}: {answer.stderr}")
                seen.add(words[0])
        self.assertLessEqual({"serve", "check", "sessions", "config", "token"}, seen)

    def test_every_command_in_them_works_with_a_gateway(self):
        """As it is written there, but for the names of files and the ports."""
        served = Served(self, "static.yaml", prepare_static)
        folder = self.enterContext(tempfile.TemporaryDirectory())
        seen = set()
        for document in self.documents:
            if document.relative_to(ROOT).parts[0] not in ("README.md", "configs", "sdk", "plugins"):
                continue
            text = document.read_text()
            lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]
            lines += [re.sub(r"\s+", " ", found) for found in re.findall(r"`((?:spark-gateway|curl|tools/\w+)\s[^`]+)`", text)]
            for line in lines:
                # Of a remark, what it names as one more command.
                command, _, remark = line.partition(" #")
                for one in [command, *(f"spark-gateway {found}" for found in re.findall(r"`(sessions [^`]+)`", remark))]:
                    with self.subTest(document=str(document.relative_to(ROOT)), command=one):
                        seen.add(self.does_what_it_says(one, served, folder))
        self.assertEqual(seen, {"serve", "check", "check --deep", "endpoints", "sessions", "sessions end", "pools", "plugins",
                                "config", "token", "token add", "curl", "tools"})

    def does_what_it_says(self, command, served, folder):
        """Which kind of a command it is."""
        words = command.split()
        if words[0].startswith("tools/"):
            # Each is run by a test of its own, or runs the tests.
            self.assertEqual(subprocess.run([ROOT / words[0], "--help"], capture_output=True, timeout=60).returncode, 0)
            return "tools"
        if words[0] == "curl":
            self.assertIn("localhost:9090", command)
            answer = subprocess.run(["bash", "-c", command.replace("localhost:9090", served.http) + " -sS"], check=True,
                                    capture_output=True, text=True, timeout=60)
            self.assertEqual(answer.stdout, "ready\n")
            return "curl"
        self.assertEqual(words[0], "spark-gateway", "no test runs this")
        words = [served.path if word in ("FILE", "configs/static.yaml") else word for word in words[1:]]
        if words[0] == "serve":
            # The one that runs; what is for fixed ports has a test of its own.
            self.assertIn(words, (["serve", "-c", served.path], ["serve", "--config", served.path],
                                  ["serve", "--to", "localhost:15003"]))
            return "serve"
        if words[0] == "token":
            more = ["--help"] if words == ["token", "add"] else []  # no more than its name
            self.assertEqual(subprocess.run([BINARY, *words, *more], cwd=folder, capture_output=True, timeout=60).returncode, 0)
            return "token" if more else "token add"
        if words[0] == "check":
            answer = run(*words, *([] if served.path in words else [served.path]))
            self.assertEqual((answer.returncode, answer.stderr), (0, ""))
            return "check --deep" if "--deep" in words else "check"
        into = words[words.index(">") + 1] if ">" in words else ""
        words = words[:words.index(">")] if into else words
        answer = run(*words, *([] if served.path in words else ["--config", served.path]))
        if words[:2] == ["sessions", "end"]:
            self.assertEqual(answer.returncode, 1)
            self.assertIn(f"there is no session {words[2]}", answer.stderr)
            return "sessions end"
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertGreater(len(answer.stdout.splitlines()), 0)
        if into:
            path = pathlib.Path(folder, into)
            path.write_text(answer.stdout)
            self.assertEqual(run("check", str(path)).returncode, 0)
        return words[0]

    def test_every_configuration_in_them_is_one(self):
        """A whole one draws no complaint; a plugin's example none about that plugin."""
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "gateway.yaml")
            count = 0
            for document in self.documents:
                for block in re.findall(r"```yaml\n(.*?)```", document.read_text(), re.DOTALL):
                    has_root = block.startswith(("listeners:", "plugins:"))
                    is_whole = block.startswith("listeners:") and "plugins" not in document.relative_to(ROOT).parts
                    if not has_root and not re.match(r"[a-z_]+:\s+(\{use:|use:|\n\s+use:)", block):
                        continue
                    count += 1
                    path.write_text(block if has_root else "plugins:\n" + re.sub(r"(?m)^", "  ", block))
                    lines = [line for line in run("check", str(path)).stderr.splitlines()
                             if is_whole or re.search(r": plugins[.]", line) and "used by no step" not in line]
                    self.assertEqual(lines, [], document)
            self.assertGreater(count, 5)


class Configurations(unittest.TestCase):
    """Each configuration of the tree starts as it stands, but for its ports."""

    def start(self, name, prepare=lambda folder: None):
        served = Served(self, name, prepare)
        self.assertEqual(get(served.http, "/readyz")[0], 200)
        served.process.terminate()
        self.assertEqual(served.process.wait(60), 0)

    def test_relay(self):
        self.start("relay.yaml")

    def test_local(self):
        self.start("local.yaml")

    def test_static(self):
        self.start("static.yaml", prepare_static)


if __name__ == "__main__":
    unittest.main(verbosity=2)
