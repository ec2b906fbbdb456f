"""Spark's JVM client, as tools/prepare fetched it: compiles and runs programs of tests/e2e/jvm with it."""

import os
import pathlib
import shutil
import subprocess

from spark_server import ROOT

LOCAL = pathlib.Path(os.environ.get("SGW_LOCAL", ROOT / ".local"))

# What Spark's own launcher would give the JVM; Arrow's memory needs java.nio.
JAVA = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


def run(program, version, arguments, folder, options=(), more_sources=()):
    """What the program printed; an AssertionError with all its output, and no argument, when it failed."""
    jars = LOCAL / "jvm" / version
    if not (jars / ".ready").exists():
        raise AssertionError(f"no JVM client {version} under {jars}: run tools/prepare jvm clients")
    if not shutil.which("javac"):
        raise AssertionError("no javac: run tools/prepare jvm")
    classes = os.path.join(folder, f"classes-{version}")
    sources = [str(ROOT / f"tests/e2e/jvm/{program}.java"), *more_sources]
    for command in (["javac", "-nowarn", "-cp", f"{jars}/*", "-d", classes, *sources],
                    [*JAVA, *options, "-cp", f"{classes}:{jars}/*", program, *arguments]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise AssertionError(f"{command[0]} exited with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout
