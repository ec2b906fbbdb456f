"""A mixed load through the real gateway while its connections break, for as long as is asked, and a verdict: see tools/soak."""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time

from certificate import Certificate
from parts import memory, metrics, spark_gateway
from processes import wait_until
from proxy import CONNECTION, CUT, DELAY, DOWN, REFUSE, RESET, SILENCE, STALL, THROTTLE, UP, Place, Proxy
from rig import tls_client
from scripted import Scripted, twice_or_moved
from spark_client import SparkClient, Unexplained

MIB = 1 << 20
ACTS = (DELAY, THROTTLE, CUT, RESET, SILENCE, STALL, REFUSE)
DRIVERS = 2
GROWS_AT_MOST = 16 * MIB
BYTES_PER_SESSION = 512  # An ended session is remembered for a day.


def seconds(text):
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "s")
    try:
        return float(number) * {"s": 1, "m": 60, "h": 3600}[unit]
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"'{text}' is no duration: 90s, 10m, 8h") from None


class Ground:
    """The drivers, the gateway, and a proxy before each of them."""

    def __init__(self, folder, tools):
        self.drivers, self.proxies = [], []
        for number in range(DRIVERS):
            os.mkdir(f"{folder}/{number}")
            driver = Scripted(f"{folder}/{number}")
            tools.callback(lambda driver=driver: driver.stop(signal.SIGKILL))
            self.drivers.append(driver)
            self.proxies.append(Proxy(driver.address))
            tools.callback(self.proxies[-1].close)
        own = Certificate(folder)
        tls = {"certificate": own.certificate, "key": own.key}
        namespaces = {"default": [proxy.address for proxy in self.proxies]}
        self.gateway = spark_gateway(
            folder, "", workers=2, listeners=[{"address": "127.0.0.1:0", "tls": tls}], limits={"ping_interval": "1s"},
            upstream={"connect_timeout": "1s"}, sessions={"lost_after": "1d", "state": "sessions"}, plugins={
                "who": {"use": "auth_anonymous"}, "meters": {"use": "metrics_prometheus"},
                "drivers": {"use": "discovery_static", "namespaces": namespaces}})
        tools.callback(self.gateway.close)
        # The one behind which TLS is spoken breaks within frames, as the other does.
        doors = [Proxy(self.gateway.address), Proxy(self.gateway.addresses[1], target_tls=tls_client(own))]
        for door in doors:
            tools.callback(door.close)
        self.proxies += doors
        self.addresses = [self.gateway.address, *(door.address for door in doors)]

    def measure(self):
        pid = self.gateway.pid
        return {"memory": memory(pid), "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": len(os.listdir(f"/proc/{pid}/task"))}

    def left(self):
        """What is to be zero when nobody does anything."""
        page = metrics(self.gateway)
        endpoints = self.gateway.ask("endpoints")["endpoints"]
        found = {"live calls": page.get("spark_gateway_live_calls", 0), "held bytes": page["spark_gateway_held_bytes"],
                 "clients": page["spark_gateway_connections"], "sessions": len(self.gateway.ask("sessions")["sessions"]),
                 "streams to drivers": sum(int(one["streams"]) for one in endpoints),
                 "connections to drivers": sum(int(one["connections"]) for one in endpoints),
                 "calls at drivers": sum(driver.runs(method) for driver in self.drivers
                                         for method in ("ExecutePlan", "ReattachExecute", "AddArtifacts", "Config"))}
        return {name: count for name, count in found.items() if count}


class Breaker(threading.Thread):
    """Breaks a connection every now and then, and mends it again."""

    def __init__(self, ground, dice):
        super().__init__(daemon=True)
        self.done, self._ground, self._dice, self._ends = {}, ground, dice, threading.Event()
        self.start()

    def run(self):
        while not self._ends.wait(self._dice.uniform(0.02, 0.4)):
            if self._dice.random() < 0.05:
                self._freeze()
                continue
            proxy, act = self._dice.choice(self._ground.proxies), self._dice.choice(ACTS)
            place = self._place()
            self.done[act] = self.done.get(act, 0) + 1
            proxy.arm(act, CONNECTION if act == REFUSE else place)
            # Now and then those that are open end, too; otherwise the next one gets it.
            if self._dice.random() < 0.5:
                proxy.end_connections()
            self._ends.wait(self._dice.uniform(0.05, 0.6))
            proxy.arm()
            if act in (SILENCE, STALL):
                proxy.end_connections()

    def _place(self):
        direction = self._dice.choice((UP, DOWN))
        if self._dice.random() < 0.3:
            return Place(direction, at=self._dice.randrange(100_000))
        return Place(direction, kind=self._dice.choice((0, 1)), nth=self._dice.randrange(6), part=self._dice.choice((0, 0.5, 1)))

    def _freeze(self):
        self.done["freeze"] = self.done.get("freeze", 0) + 1
        driver = self._dice.choice(self._ground.drivers)
        os.kill(driver.pid, signal.SIGSTOP)
        self._ends.wait(self._dice.uniform(0.1, 0.8))
        os.kill(driver.pid, signal.SIGCONT)

    def stop(self):
        self._ends.set()
        self.join(60)
        for proxy in self._ground.proxies:
            proxy.arm()
            proxy.end_connections()


class Worker(threading.Thread):
    """A person: makes a session, works in it for a while, lets go of it, and comes back."""

    def __init__(self, ground, number, dice):
        super().__init__(daemon=True)
        self.unexplained, self.tried, self.plans, self.sessions = [], {}, {}, 0
        self._ground, self._number, self._dice, self._ends = ground, number, dice, threading.Event()
        self.start()

    def run(self):
        while not self._ends.is_set():
            address = self._dice.choice(self._ground.addresses)
            client = SparkClient(lambda address=address: address, f"user{self._number}", deadline=5, patience=90)
            self.sessions += 1
            try:
                client.config()  # As Spark's clients do. A session's first plan may not be the first that a server hears of it.
                for _ in range(self._dice.randrange(1, 12)):
                    self._work(client)
                    if self._ends.is_set():
                        break
            except Unexplained as fault:
                self._note(fault)
            except Exception as fault:  # pylint: disable=broad-except
                self._note(repr(fault))
            try:
                client.release()
            except Unexplained as fault:
                self._note(fault)
            client.close()
            for what, count in client.tried.items():
                self.tried[what] = self.tried.get(what, 0) + count
            self.plans.update(client.plans)

    def _work(self, client):
        what = self._dice.random()
        if what < 0.4:
            client.config()
        elif what < 0.75:
            client.execute(rows=self._dice.randrange(0, 12), size=self._dice.choice((1, 500, 20_000, 100_000)),
                           pause=self._dice.choice(("0ms", "0ms", "5ms", "50ms")))
        elif what < 0.9:
            client.upload([self._dice.randrange(1, 60_000) for _ in range(self._dice.randrange(1, 20))])
        else:
            client.abandon(self._dice.choice(("close", "cancel")))

    def _note(self, fault):
        if len(self.unexplained) < 20:
            self.unexplained.append(str(fault))

    def stop(self):
        self._ends.set()

    def has_ended(self):
        self.join(120)
        return not self.is_alive()


def run(ground, duration, clients, seed):
    """Breaks and works for so long, until nobody does anything: what the breaker and the workers say of it."""
    dice = random.Random(seed)
    workers = [Worker(ground, number, random.Random(dice.random())) for number in range(clients)]
    breaker = Breaker(ground, random.Random(dice.random()))
    until, told = time.monotonic() + duration, time.monotonic()
    while time.monotonic() < until and ground.gateway.is_running():
        time.sleep(0.2)
        if time.monotonic() - told > 30:
            told = time.monotonic()
            now = ground.measure()
            print(f"    {until - told:.0f} s to go: {now['memory'] / MIB:.1f} MiB, {now['descriptors']} descriptors, "
                  f"{sum(len(worker.plans) for worker in workers)} plans, {sum(breaker.done.values())} faults", flush=True)
    for worker in workers:
        worker.stop()
    breaker.stop()
    hanging = [worker for worker in workers if not worker.has_ended()]
    return breaker, workers, [f"{len(hanging)} clients hang"] if hanging else []


def sum_of(counts):
    total = {}
    for one in counts:
        for what, count in one.items():
            total[what] = total.get(what, 0) + count
    return dict(sorted(total.items(), key=lambda item: -item[1]))


def wait_for_nothing(ground, when):
    left = {}

    def is_nothing():
        left.clear()
        left.update(ground.left())
        return not left
    try:
        wait_until(is_nothing, 60, "")
        return []
    except AssertionError:
        return [f"left over {when}: {left}"]


def soak(duration, clients, seed):
    print(f"seed {seed}, {duration:.0f} s, {clients} clients", flush=True)
    with contextlib.ExitStack() as tools:
        folder = tools.enter_context(tempfile.TemporaryDirectory(prefix="sgw-soak-"))
        ground = Ground(folder, tools)
        warm_up = min(60, duration / 4)
        _, warmers, wrong = run(ground, warm_up, clients, seed)
        wrong += wait_for_nothing(ground, "after the warm-up")
        before = ground.measure()
        breaker, workers, hanging = run(ground, duration - warm_up, clients, seed + 1)
        wrong += hanging + wait_for_nothing(ground, "at the end")
        if not ground.gateway.is_running():
            wrong.append(f"the gateway ended:\n{ground.gateway.log_tail()}")
            after = before
        else:
            after = ground.measure()
        wrong += twice_or_moved(ground.drivers, {key: n for worker in warmers + workers for key, n in worker.plans.items()})
    sessions = sum(worker.sessions for worker in workers)
    grown = after["memory"] - before["memory"]
    allowed = GROWS_AT_MOST + sessions * BYTES_PER_SESSION
    if grown > allowed:
        wrong.append(f"memory grew by {grown / MIB:.1f} MiB, more than {allowed / MIB:.1f} MiB")
    for what in ("descriptors", "threads"):
        if after[what] > before[what] + 2:
            wrong.append(f"{after[what]} {what}, {before[what]} after the warm-up")
    unexplained = [fault for worker in warmers + workers for fault in worker.unexplained]
    wrong += [f"unexplained: {fault}" for fault in unexplained]
    print(f"    sessions {sessions}, plans {sum(len(worker.plans) for worker in workers)}, calls by what came of them "
          f"{sum_of(worker.tried for worker in workers)}\n    faults {sum_of([breaker.done])}\n"
          f"    memory {before['memory'] / MIB:.1f} -> {after['memory'] / MIB:.1f} MiB, descriptors {before['descriptors']} -> "
          f"{after['descriptors']}, threads {before['threads']} -> {after['threads']}")
    for one in wrong:
        print(f"    {one}")
    print("not clean" if wrong else "clean", flush=True)
    return 1 if wrong else 0


def main():
    words = argparse.ArgumentParser(prog="soak", description=__doc__)
    words.add_argument("--for", dest="duration", type=seconds, default=600)
    words.add_argument("--quick", action="store_true")
    words.add_argument("--seed", type=int, default=os.environ.get("SGW_SEED", random.randrange(1 << 32)))
    words.add_argument("--clients", type=int, default=6)
    how = words.parse_args()
    sys.exit(soak(20 if how.quick else how.duration, how.clients, how.seed))


if __name__ == "__main__":
    main()
