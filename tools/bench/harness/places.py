"""Where things are: the tree, what was built, what was installed."""

import os
import pathlib
import resource
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[3]
LOCAL = pathlib.Path(os.environ.get("SGW_LOCAL", ROOT / ".local"))
BUILD = pathlib.Path(os.environ.get("SGW_BUILD", ROOT / "build" / "release"))
OUT = ROOT / "build" / "bench"

GATEWAY = str(BUILD / "core" / "app" / "spark-gateway")
SERVER = str(BUILD / "tools" / "bench" / "bench-server")
CLIENT = str(BUILD / "tools" / "bench" / "bench-client")
ENVOY = str(next((LOCAL / "bench").glob("lib/python3*/site-packages/envoy/_bin/envoy"), "envoy"))

# As many descriptors as this user may have: rows with 10,000 connections need them in proxy, client and server.
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))

# Debian puts proxies where only root's PATH looks.
os.environ["PATH"] += ":/usr/sbin:/usr/local/sbin"


def has(program):
    return shutil.which(program) is not None
