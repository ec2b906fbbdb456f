"""Spark's JVM client, as tools/prepare fetched it: compiles and runs tests/e2e/jvm/Smoke.java with it."""

import os
import pathlib
import shutil
import subprocess

from spark_server import ROOT

LOCAL = pathlib.Path(os.environ.get("SGW_LOCAL", ROOT / ".local"))

# What Spark's own launcher would give the JVM; Arrow's memory needs java.nio.
JAVA = ["java", "--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/java.lang=ALL-UNNAMED",
        "--add-opens=java.base/java.util=ALL-UNNAMED", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


def run_smoke(version, url, folder, options=()):
    """What the program printed; an AssertionError with all its output when it failed."""
    jars = LOCAL / "jvm" / version
    if not (jars / ".ready").exists():
        raise AssertionError(f"no JVM client {version} under {jars}: run tools/prepare jvm clients")
    if not shutil.which("javac"):
        raise AssertionError("no javac: run tools/prepare jvm")
    classes = os.path.join(folder, f"classes-{version}")
    for command in (["javac", "-nowarn", "-cp", f"{jars}/*", "-d", classes, str(ROOT / "tests/e2e/jvm/Smoke.java")],
                    [*JAVA, *options, "-cp", f"{classes}:{jars}/*", "Smoke", url]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise AssertionError(f"{command[0]} exited with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout
