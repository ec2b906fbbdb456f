"""A certificate for the rows with TLS: ECDSA P-256, made with the openssl program."""

import pathlib
import subprocess


class Certificate:
    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.certificate, self.key, self.both = folder / "tls.crt", folder / "tls.key", folder / "tls.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())
