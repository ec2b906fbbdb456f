"""Where an attack takes place: a gateway and its driver, a healthy client beside the attacker, and the facts at the end."""

import contextlib
import os
import pathlib
import sys
import threading
import time
import unittest

from gateway import IS_SANITIZED
from parts import memory, metrics, relay, spark, spark_gateway, stand
from processes import wait_until
from wire import Wire, head, message

MIB = 1 << 20
IS_LONG = "--long" in sys.argv
INCIDENT = "spark_gateway_connection_incidents_total"
# Bounds of which the log tells when they begin to be reached, and not each time.
BOUNDS = {"flood", "handshake_timeout", "header_bytes", "header_count", "held_bytes", "out_of_descriptors", "over_limit"}


def cpu_seconds(pid):
    """User and system time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Healthy(threading.Thread):
    """One client that does its work, call after call on one connection, and remembers what went wrong."""

    def __init__(self, address, block, body, replies):
        super().__init__(daemon=True)
        self.calls, self.faults, self._stops = 0, [], threading.Event()
        self._address, self._block, self._body, self._replies = address, block, body, replies
        self.start()

    def run(self):
        try:
            with Wire(self._address) as wire:
                while not self._stops.wait(0.005):
                    response = wire.call(self._block, self._body)
                    self.calls += 1
                    if response.code != 0 or len(response.data) != self._replies:
                        self.faults.append((response.code, len(response.data), response.trailer("grpc-message")))
        except OSError as error:
            self.faults.append(error)

    def stop(self):
        self._stops.set()
        self.join(60)


class Ground(unittest.TestCase):
    """A class of attacks on one gateway. `limits` are its configuration's; `is_spark`: messages are walked and stamped."""

    limits = {}
    is_spark = False
    grows_at_most = 32 * MIB

    @classmethod
    def setUpClass(cls):
        stand(cls, spark_gateway if cls.is_spark else relay, limits=cls.limits, workers=1)
        cls.address = cls.gateway.plain
        with Wire(cls.address) as wire:
            wire.call(cls.healthy_block(), cls.healthy_body())
        wait_until(lambda: metrics(cls.gateway)["spark_gateway_connections"] == 0, 20, "the first client to have gone")
        cls.before = cls.state()

    @classmethod
    def healthy_block(cls):
        path = "/spark.connect.SparkConnectService/ExecutePlan" if cls.is_spark else "/test.Origin/Call"
        return head(path, ("x-script", '{"head": [["content-type", "application/grpc"]], "messages": [1000, 20000], '
                                       '"trailers": [["grpc-status", "0"]]}'))

    @classmethod
    def healthy_body(cls):
        return message(spark("00112233-4455-6677-8899-aabbccddeeff", "bob")) if cls.is_spark else message(b"hello")

    @classmethod
    def state(cls):
        """What must go back to where it was."""
        page = metrics(cls.gateway)
        return {"calls": page.get("spark_gateway_live_calls", 0), "held": page["spark_gateway_held_bytes"],
                "connections": page["spark_gateway_connections"],
                "descriptors": len(os.listdir(f"/proc/{cls.gateway.pid}/fd"))}

    def incidents(self):
        page = metrics(self.gateway)
        return {name.split('"')[1]: value for name, value in page.items() if name.startswith(INCIDENT)}

    def log_lines(self):
        return self.gateway.log_tail(1_000_000).splitlines()

    @contextlib.contextmanager
    def attack(self, healthy=True):
        """The attack happens inside; afterwards everything is as it was, and the facts have been told.

        Yields a list for what is to be closed at the end of the attack.
        """
        counted, said = self.incidents(), self.log_lines()
        client = Healthy(self.address, self.healthy_block(), self.healthy_body(), 21_010) if healthy else None
        rss, cpu, mine = memory(self.gateway.pid), cpu_seconds(self.gateway.pid), time.process_time()
        with contextlib.ExitStack() as tools:
            if client:
                tools.callback(client.stop)
                wait_until(lambda: client.calls or client.faults, 60, "the healthy client to begin")
            yield tools
            if client:
                calls = client.calls
                wait_until(lambda: client.calls > calls + 3 or client.faults, 60, "the healthy client to go on")
            spent, mine = cpu_seconds(self.gateway.pid) - cpu, time.process_time() - mine
            grown = memory(self.gateway.pid) - rss
        self.assertEqual(client.faults if client else [], [])
        self.new = {name: count - counted.get(name, 0) for name, count in self.incidents().items() if count != counted.get(name, 0)}
        print(f"\n    gateway {spent:.2f} s CPU, {grown / MIB:+.1f} MiB; attacker {mine:.2f} s; "
              f"counted {self.new or 'nothing'}; {client.calls if client else 0} healthy calls ", end="", flush=True)
        self.assertLess(len(self.log_lines()) - len(said), 20)
        for reason in BOUNDS & self.new.keys():
            self.assertIn(sum(f" {reason}: " in line for line in self.log_lines()[len(said):]), (0, 1), reason)
            self.assertTrue(any(f" {reason}: " in line for line in self.log_lines()), reason)
        if not IS_SANITIZED:
            self.assertLess(grown, self.grows_at_most)
            self.assertLess(spent, 100 * max(mine, 0.05))
        wait_until(self.is_back, 60, f"{self.before} again, not {self.state()}")

    def is_back(self):
        """One more connection to the driver is no trace of an attack."""
        now = self.state()
        return (now == {**self.before, "descriptors": now["descriptors"]} and
                now["descriptors"] <= self.before["descriptors"] + 2 and self.streams_to_drivers() == 0)

    def streams_to_drivers(self):
        return sum(int(endpoint["streams"]) for endpoint in self.gateway.ask("endpoints")["endpoints"])

    def wire(self, tools, **how):
        return tools.enter_context(Wire(self.address, **how))


def main():
    unittest.main(argv=[word for word in sys.argv if word != "--long"], verbosity=2)
