"""One real Spark Connect server, started by tools/spark-connect-server, without a gateway or behind one."""

import os
import pathlib

from processes import Process

ROOT = pathlib.Path(__file__).resolve().parents[3]
COMMAND = str(ROOT / "tools" / "spark-connect-server")


def conf(settings):
    """The arguments that give `settings` to a server."""
    return [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]


class SparkServer:
    """Ready when the constructor returns; `address` is host:port."""

    def __init__(self, folder, settings=None):
        self._process = Process([COMMAND, *conf(settings or {})], os.path.join(folder, "spark-server.log"))
        self.address = self._process.wait_for_line(r"server started at: (\S+)", 90)[1]

    @property
    def pid(self):
        return self._process.pid

    def url(self, **parameters):
        return connect_url(self.address, parameters)

    def stop(self):
        self._process.stop()


def connect_url(address, parameters):
    """The host is spelt `localhost`: to it, and only to it, clients send a token without TLS."""
    port = address.rsplit(":", 1)[1]
    return f"sc://localhost:{port}/" + "".join(f";{key}={value}" for key, value in parameters.items())
