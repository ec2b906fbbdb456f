"""Who is measured: every proxy with its best known configuration, which is a file in peers/."""

import pathlib
import re
import shutil
import subprocess

from . import places
from .processes import Process, free_port

CONFIGURATIONS = pathlib.Path(__file__).parent.parent / "peers"


class Peer:
    """One proxy. `is_l7`: it reads HTTP/2; `options` replace @NAME@ in its configuration."""

    def __init__(self, label, template, command, version, is_l7=True, **options):
        self.label, self.template, self.is_l7 = label, template, is_l7
        self._command, self._version, self._options = command, version, options

    @property
    def program(self):
        return self._command("")[0]

    def is_installed(self):
        return shutil.which(self.program) is not None

    def version(self):
        said = subprocess.run([self.program, *self._version], capture_output=True, text=True)
        found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        return found[0] if found else "?"

    def configuration(self, values):
        """The text of the template; lines of @IF_TLS@ and @IF_PLAIN@ stay where they apply."""
        text = (CONFIGURATIONS / self.template).read_text()
        keeps, drops = ("@IF_TLS@", "@IF_PLAIN@") if values["TLS"] else ("@IF_PLAIN@", "@IF_TLS@")
        lines = [line.replace(keeps, "") for line in text.splitlines() if drops not in line]
        return re.sub(r"@(\w+)@", lambda name: str({**self._options, **values}[name[1]]), "\n".join(lines)) + "\n"

    def start(self, folder, backend_port, tls=None, **options):
        """A running proxy that listens. `tls`: a Certificate, or None for a plain listener."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        values = {"PORT": port, "BACKEND": backend_port, "DIRECTORY": folder, "FILES": places.FILES, "TLS": tls, **options}
        if tls:
            values |= {"CERTIFICATE": tls.certificate, "KEY": tls.key, "PEM": tls.both}
        path = folder / self.template
        path.write_text(self.configuration(values))
        process = Process(self._command(path), folder / "log")
        process.port = port
        process.folder = folder
        try:
            process.wait_for_port(port)
        except BaseException:
            process.stop()
            raise
        return process


def _gateway(template, **options):
    return Peer("gateway", template, lambda path: [places.GATEWAY, "serve", "--config", path], ["--version"],
                WORKERS=1, **options)


RELAY = _gateway("relay.yaml")
PIPELINE = _gateway("pipeline.yaml")

PEERS = {peer.label: peer for peer in [
    Peer("nghttpx", "nghttpx.conf", lambda path: ["nghttpx", f"--conf={path}"], ["--version"], WORKERS=1),
    Peer("haproxy", "haproxy.cfg", lambda path: ["haproxy", "-db", "-f", path], ["-v"], BUFFER=65536),
    Peer("haproxy-tcp", "haproxy-tcp.cfg", lambda path: ["haproxy", "-db", "-f", path], ["-v"], is_l7=False, BUFFER=1048576),
    Peer("nginx", "nginx.conf", lambda path: ["nginx", "-e", "stderr", "-c", path], ["-v"]),
    Peer("envoy", "envoy.yaml", lambda path: [places.ENVOY, "-c", path, "--concurrency", "1", "--use-dynamic-base-id",
                                              "--log-level", "error", "--disable-hot-restart"], ["--version"]),
]}
PEERS["envoy"].version = lambda: re.search(r"/(\d+\.\d+\.\d+)/", subprocess.run(
    [places.ENVOY, "--version"], capture_output=True, text=True).stdout)[1]
