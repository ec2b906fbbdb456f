"""The scripted server of tests/e2e/scripted_server as a process, and what it tells of its calls."""

import json
import os

from processes import Process, wait_until


class Scripted(Process):
    """Listening when the constructor returns, on `port` if it says one; `address` is host:port."""

    def __init__(self, folder, port=0, script=""):
        log = os.path.join(folder, "scripted-server.log")
        self._read, self._events = os.path.getsize(log) if os.path.exists(log) else 0, []
        super().__init__([os.environ["SGW_SCRIPTED_SERVER"], "--tell", "--port", str(port), "--script", script], log)
        self.address = wait_until(self._listens, 20, "the scripted server to listen")

    def _listens(self):
        if not self.is_running():
            raise AssertionError(f"the scripted server ended:\n{self.log_tail()}")
        with open(self.log_path, "rb") as log:
            log.seek(self._read)
            text = log.read().decode()
        return text.partition("started at: ")[2].partition("\n")[0] if text.endswith("\n") else ""

    def events(self):
        """All that it told, in its order."""
        with open(self.log_path, "rb") as log:
            log.seek(self._read)
            *lines, rest = log.read().split(b"\n")
        self._read += sum(len(line) + 1 for line in lines)
        self._events += [json.loads(line) for line in lines if line.startswith(b"{")]
        return self._events

    def began(self, method):
        return [event for event in self.events() if event["event"] == "began" and event["method"] == method]

    def ended(self, method):
        return [event for event in self.events() if event["event"] == "ended" and event["method"] == method]

    def runs(self, method):
        """How many calls of the method have begun and not ended."""
        calls = [event["event"] for event in self.events() if event["method"] == method]
        return calls.count("began") - calls.count("ended")


def twice_or_moved(drivers, sent):
    """What must never be, in words: `sent` has how often each operation's plan was sent by its client; a driver got it more
    often, or a session was at two drivers."""
    begun, homes = {}, {}
    for driver in drivers:
        for call in driver.events():
            if call["event"] == "ended" and call["session_id"]:
                homes.setdefault(call["session_id"], set()).add(driver.address)
                if call["method"] == "ExecutePlan":
                    begun[call["operation_id"]] = begun.get(call["operation_id"], 0) + 1
    twice = [operation for operation, count in begun.items() if operation in sent and count > sent[operation]]
    moved = [session for session, addresses in homes.items() if len(addresses) > 1]
    return [f"plans that were sent twice: {twice}"] * bool(twice) + [f"sessions that were moved: {moved}"] * bool(moved)
