"""A certificate that only the tests trust."""

import os
import subprocess


class Certificate:
    """For localhost, its own authority; made by openssl in `folder`."""

    def __init__(self, folder):
        self.folder = folder
        self.certificate = os.path.join(folder, "localhost.crt")
        self.key = os.path.join(folder, "localhost.key")
        _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.certificate)

    def java_options(self):
        """What makes a JVM trust it."""
        store = os.path.join(self.folder, "localhost.p12")
        if not os.path.exists(store):
            _run("keytool", "-importcert", "-noprompt", "-storetype", "PKCS12", "-storepass", "changeit",
                 "-alias", "localhost", "-file", self.certificate, "-keystore", store)
        return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]

    def python_environment(self):
        """What makes grpc in Python trust it."""
        return {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": self.certificate}


def _run(*command):
    subprocess.run(command, check=True, capture_output=True, timeout=60)
