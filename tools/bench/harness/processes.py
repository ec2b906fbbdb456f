"""Processes of the benchmark: started with a log and a folder of their own, measured from /proc, ended by id."""

import os
import pathlib
import socket
import subprocess
import time


class Failed(Exception):
    """Something of the benchmark itself does not work; the message says what."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds, what, pause=0.01):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {seconds} s in vain for {what()}")
        time.sleep(pause)
    return value


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A child with its children: one proxy may be several processes."""

    def __init__(self, command, log, keeps_input=False, env=None):
        self.log_path = pathlib.Path(log)
        with open(log, "wb") as output:
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE if keeps_input else subprocess.DEVNULL,
                                           stdout=output, stderr=output, env={**os.environ, **(env or {})})

    @property
    def pid(self):
        return self._child.pid

    def is_running(self):
        return self._child.poll() is None

    def log_tail(self):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])

    def wait_for_port(self, port, seconds=20):
        def look():
            if not self.is_running():
                raise Failed(f"{self._child.args[0]} ended at start:\n{self.log_tail()}")
            return listens(port)
        wait_until(look, seconds, lambda: f"{self._child.args[0]} to listen:\n{self.log_tail()}")

    def pids(self):
        """The process and all that it started."""
        found = [self.pid]
        for pid in found:  # Grows while it is walked.
            for task in _list(f"/proc/{pid}/task"):
                found += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        return found

    def cpu_seconds(self):
        """CPU time of all threads of all its processes, as the kernel's own clock of each process has it."""
        return sum(time.clock_gettime((~pid << 3) | 2) for pid in self.pids())  # CPUCLOCK_SCHED of a process.

    def resident_bytes(self, name="VmRSS"):
        """VmRSS or VmHWM."""
        return sum(_status_kib(pid, name) for pid in self.pids()) << 10

    def forget_peak(self):
        """VmHWM begins anew at what is resident now."""
        for pid in self.pids():
            pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")

    def stop(self, seconds=10):
        if self._child.stdin:
            self._child.stdin.close()
        if self.is_running():
            self._child.terminate()
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def _read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def _list(path):
    try:
        return os.listdir(path)
    except OSError:
        return []


def _status_kib(pid, name):
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0
