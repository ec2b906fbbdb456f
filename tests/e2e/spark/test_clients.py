"""Clients of other languages and versions, each with a token, in the clear and with TLS: the same small program. Over TLS the
tokens are those of a real OpenID provider.

Without SGW_ALL_CLIENTS=1 in the environment only the main version of each runs.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import canary
import gateway
import jvm_client
from certificate import Certificate
from spark_server import ROOT

sys.path.append(str(ROOT / "tests/e2e/identity"))
from provider import Provider  # noqa: E402

all_clients = unittest.skipUnless(os.environ.get("SGW_ALL_CLIENTS") == "1", "tools/test --all-clients runs it")


@gateway.needs_gateway
class Clients(gateway.GatewayTest):
    @classmethod
    def config(cls):
        folder = tempfile.TemporaryDirectory(prefix="sgw-e2e-")
        cls.addClassCleanup(folder.cleanup)
        tokens = os.path.join(folder.name, "tokens.yaml")
        cls.token = gateway.add_token(tokens, "alice")
        cls.provider = Provider(folder.name, {"alice": ["ads"]})
        cls.addClassCleanup(cls.provider.stop)
        cls.certificate = Certificate(folder.name)
        tls = {"certificate": cls.certificate.certificate, "key": cls.certificate.key}
        config = gateway.token_config(tokens, listeners=[{"address": "127.0.0.1:0", "tls": tls}])
        config["plugins"]["portal"] = {"use": "auth_oidc", "issuer": cls.provider.issuer, "audiences": ["spark-gateway"]}
        config["pipeline"][0] = {"auth": ["who", "portal"]}
        return config

    def plain_url(self):
        return self.target.url(token=self.token)

    def tls_url(self):
        return self.target.url(listener=1, use_ssl="true", token=self.provider.token("alice"))

    def pyspark(self, version, url):
        main = version == "4.2.0"
        python = sys.executable if main else str(jvm_client.LOCAL / f"venv-{version}" / "bin" / "python3")
        done = subprocess.run([python, "smoke.py", url], capture_output=True, text=True, timeout=120,
                              env={**os.environ, **self.certificate.python_environment()})
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertIn(f"PySpark {version} works", done.stdout)

    def jvm(self, version, url):
        with tempfile.TemporaryDirectory() as folder:
            printed = jvm_client.run("Smoke", version, [url], folder, self.certificate.java_options())
        self.assertIn("the JVM client works", printed)

    def test_pyspark_4_2_0_in_the_clear(self):
        self.pyspark("4.2.0", self.plain_url())

    def test_pyspark_4_2_0_with_tls(self):
        self.pyspark("4.2.0", self.tls_url())

    def test_the_jvm_client_4_2_0_in_the_clear(self):
        self.jvm("4.2.0", self.plain_url())

    def test_the_jvm_client_4_2_0_with_tls(self):
        self.jvm("4.2.0", self.tls_url())

    @all_clients
    def test_pyspark_4_3_0_in_the_clear(self):
        self.pyspark("4.3.0", self.plain_url())

    @all_clients
    def test_pyspark_4_3_0_with_tls(self):
        self.pyspark("4.3.0", self.tls_url())

    @all_clients
    def test_pyspark_3_5_9_which_sends_a_token_over_tls_alone(self):
        self.pyspark("3.5.9", self.tls_url())

    @all_clients
    def test_the_jvm_client_4_1_1_whose_header_has_another_name(self):
        self.jvm("4.1.1", self.tls_url())

    def guide(self, language):
        """The first program in this language of the guide to tokens that end, and what its file is to say meanwhile."""
        page = (ROOT / "plugins/auth_oidc/README.md").read_text()
        program = re.search(rf"```{language}\n(.*?)```", page.split("\n## Tokens that end")[1], re.DOTALL)[1]
        alice, another = self.provider.token("alice"), self.provider.token("alice")
        head, claims, _ = alice.split(".")
        return program, [alice, canary.keep(f"{head}.{claims}.{another.split('.')[2]}"), another]

    def test_the_guides_python_rereads_the_file_of_its_token(self):
        program, says = self.guide("python")
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "fresh_token.py").write_text(program)
            done = subprocess.run([sys.executable, "guide.py", self.target.url(listener=1, use_ssl="true"), f"{folder}/token", *says],
                                  capture_output=True, text=True, timeout=120,
                                  env={**os.environ, **self.certificate.python_environment(), "PYTHONPATH": folder})
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertIn("the file was read again", done.stdout)

    def test_the_guides_java_rereads_the_file_of_its_token(self):
        program, says = self.guide("java")
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder, "FreshToken.java")
            source.write_text(program)
            url = self.target.url(listener=1, use_ssl="true")
            printed = jvm_client.run("Guide", "4.2.0", [url, f"{folder}/token", *says], folder, self.certificate.java_options(), [source])
        self.assertIn("the file was read again", printed)

    def test_a_wrong_token_is_refused_at_once(self):
        done = subprocess.run([sys.executable, "smoke.py", self.target.url(token="wrong")],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("token", done.stderr)
        self.assertNotIn("Retrying", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
