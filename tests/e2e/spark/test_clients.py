"""Clients of other languages and versions, each with a token, in the clear and with TLS: the same small program.

Without SGW_ALL_CLIENTS=1 in the environment only the main version of each runs.
"""

import os
import subprocess
import sys
import tempfile
import unittest

import gateway
import jvm_client
from certificate import Certificate

all_clients = unittest.skipUnless(os.environ.get("SGW_ALL_CLIENTS") == "1", "tools/test --all-clients runs it")


@gateway.needs_gateway
class Clients(gateway.GatewayTest):
    @classmethod
    def config(cls):
        folder = tempfile.TemporaryDirectory(prefix="sgw-e2e-")
        cls.addClassCleanup(folder.cleanup)
        tokens = os.path.join(folder.name, "tokens.yaml")
        cls.token = gateway.add_token(tokens, "alice")
        cls.certificate = Certificate(folder.name)
        tls = {"certificate": cls.certificate.certificate, "key": cls.certificate.key}
        return gateway.token_config(tokens, listeners=[{"address": "127.0.0.1:0", "tls": tls}])

    def plain_url(self):
        return self.target.url(token=self.token)

    def tls_url(self):
        return self.target.url(listener=1, use_ssl="true", token=self.token)

    def pyspark(self, version, url):
        main = version == "4.2.0"
        python = sys.executable if main else str(jvm_client.LOCAL / f"venv-{version}" / "bin" / "python3")
        done = subprocess.run([python, "smoke.py", url], capture_output=True, text=True, timeout=120,
                              env={**os.environ, **self.certificate.python_environment()})
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        self.assertIn(f"PySpark {version} works", done.stdout)

    def jvm(self, version, url):
        with tempfile.TemporaryDirectory() as folder:
            printed = jvm_client.run_smoke(version, url, folder, self.certificate.java_options())
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

    def test_a_wrong_token_is_refused_at_once(self):
        done = subprocess.run([sys.executable, "smoke.py", self.target.url(token="wrong")],
                              capture_output=True, text=True, timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("token", done.stderr)
        self.assertNotIn("Retrying", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
