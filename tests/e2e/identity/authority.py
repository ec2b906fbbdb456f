"""Certificates, keys and revocation lists of an authority that only the tests trust; made by openssl."""

import os
import pathlib
import subprocess

CONFIG = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
crlnumber = {folder}/crlnumber
default_md = sha256
default_crl_days = 2
"""


class Authority:
    """Its certificate is the file `certificate`; everything lies in `folder`, which is made."""

    def __init__(self, folder, name="tests"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.certificate = str(self.folder / "ca.crt")
        self._key = str(self.folder / "ca.key")
        self._openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", self._key,
                      "-out", self.certificate, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        (self.folder / "index.txt").touch()
        (self.folder / "crlnumber").write_text("01\n")
        (self.folder / "ca.cnf").write_text(CONFIG.format(folder=self.folder))
        self._issued = 0

    def issue(self, names, common_name="localhost", days=2):
        """The paths of a new certificate with these subjectAltName and of its key; it has expired when `days` are negative."""
        self._issued += 1
        stem = self.folder / str(self._issued)
        self._openssl("req", "-new", *NEW_KEY, "-subj", f"/CN={common_name}", "-keyout", f"{stem}.key", "-out", f"{stem}.csr")
        pathlib.Path(f"{stem}.ext").write_text(f"subjectAltName={names}\n")
        self._openssl("x509", "-req", "-in", f"{stem}.csr", "-CA", self.certificate, "-CAkey", self._key,
                      "-set_serial", str(1000 + self._issued), "-days", str(days), "-extfile", f"{stem}.ext", "-out", f"{stem}.crt")
        return f"{stem}.crt", f"{stem}.key"

    def revocation_list(self, *revoked):
        """The path of a new list with these certificates and all that were revoked before."""
        for certificate in revoked:
            self._openssl("ca", *self._own(), "-revoke", certificate)
        path = str(self.folder / "ca.crl")
        self._openssl("ca", *self._own(), "-gencrl", "-out", path)
        return path

    def _own(self):
        return ["-config", str(self.folder / "ca.cnf"), "-cert", self.certificate, "-keyfile", self._key]

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)


NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def replace(path, content):
    """As tools that renew certificates do: whoever reads sees the old or the new."""
    part = f"{path}.part"
    pathlib.Path(part).write_bytes(pathlib.Path(content).read_bytes())
    os.replace(part, path)
