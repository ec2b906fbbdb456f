"""Child processes of a test: started with a log file of their own, ended by id, shown when something goes wrong."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time


def wait_until(condition, seconds, what):
    """The first true value of `condition`, asked every 20 ms; an AssertionError that names `what` when time is over."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


class Process:
    """A child in a process group of its own, whose output goes to a file."""

    def __init__(self, arguments, log, env=None):
        self.log_path = log
        with open(log, "ab") as output:
            self._child = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def log_tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_for_line(self, pattern, seconds):
        """The match of `pattern` in the output; an AssertionError with the output's end when the child ends first."""
        def look():
            found = re.search(pattern, self.log())
            if not found and not self.is_running():
                raise AssertionError(f"process ended with {self._child.returncode}:\n{self.log_tail()}")
            return found
        return wait_until(look, seconds, f"{pattern!r} in\n{self.log_tail()}")

    def stop(self, signal_number=signal.SIGTERM, seconds=20):
        """Ends the child and returns its exit code; one that does not end in time is killed and fails the test."""
        if self.is_running():
            self._child.send_signal(signal_number)
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
            raise AssertionError(f"process ignored signal {signal_number} for {seconds} s:\n{self.log_tail()}") from None


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def environment_of(pid):
    """What the process was started with."""
    entries = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(entry.decode(errors="replace").split("=", 1) for entry in entries if b"=" in entry)


def with_environment(entry):
    """The command lines, by id, of all processes that were given `entry`, NAME=value, in their environment."""
    found = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # Gone meanwhile, or another user's.
            if entry.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return found
