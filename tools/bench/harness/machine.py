"""What the figures were measured on and with."""

import os
import pathlib
import platform
import re
import subprocess

from . import places
from .peers import RELAY


def facts(bench):
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    os_name = re.search(r'PRETTY_NAME="(.*)"', pathlib.Path("/etc/os-release").read_text())
    commit = subprocess.run(["git", "-C", places.ROOT, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return {
        "machine": f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}, {memory / 2**20:.0f} GiB"
                   f"{', a virtual machine' if 'hypervisor' in cpuinfo else ''}",
        "system": f"{os_name[1] if os_name else platform.system()}, Linux {platform.release()}",
        "load": f"{os.getloadavg()[2]:.1f} over the last 15 minutes, at the end",
        "gateway": f"{RELAY.version()} ({commit.stdout.strip() or 'no commit'})",
        **{label: peer.version() for label, peer in bench.peers.items()},
        "grpc++ (server)": _package("libgrpc++-dev"), "h2load": _package("nghttp2-client"),
    }


def _package(name):
    return subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True).stdout or "?"
