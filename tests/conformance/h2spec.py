#!/usr/bin/env python3
"""h2spec, all of its cases with the strict ones, against a plain and a TLS listener of the gateway.

What fails must be what h2spec.known lists. --peers: also against nghttpx and HAProxy, as tools/bench configures them, in
front of the same origin; prints how many cases each one passes.
"""

import collections
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from parts import PROGRAMS, Origin, relay

HERE = pathlib.Path(__file__).parent


def known():
    """{case: the listeners where it may or must fail}, of lines `case  listener[?]  why`."""
    found = {}
    for line in (HERE / "h2spec.known").read_text().splitlines():
        if line and not line.startswith("#"):
            case, where = line.split()[:2]
            found.setdefault(case, set()).add(where)
    return found


def run(port, folder, *more):
    """The names of all cases and of those that fail; a name is `section/number`."""
    report = pathlib.Path(folder, "report.xml")
    report.unlink(missing_ok=True)
    done = subprocess.run([f"{PROGRAMS}/h2spec", "-S", "-p", str(port), "-j", report, *more], capture_output=True, text=True,
                          timeout=500)
    if not report.exists():
        raise AssertionError(done.stdout + done.stderr)
    cases, failed = collections.Counter(), {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        section = case.get("package")
        cases[section] += 1
        if case.find("failure") is not None or case.find("error") is not None or case.find("skipped") is not None:
            failed[f"{section}/{cases[section]}"] = case.get("classname")
    return sum(cases.values()), failed


class H2spec(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sgw-h2spec-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.origin = Origin(self.folder)
        self.addCleanup(self.origin.stop)

    def passed(self, who, count, failed):
        print(f"\n  {who:16} {count - len(failed)} of {count}", *(f"\n      {name} {text}" for name, text in failed.items()),
              end="", flush=True)
        return count - len(failed)

    def check(self, listener, address, *more):
        count, failed = run(address.rsplit(":", 1)[1], self.folder, *more)
        self.assertGreaterEqual(count, 146)
        must = {case for case, where in known().items() if where & {listener, "both"}}
        may = {case for case, where in known().items() if where & {f"{listener}?", "both?"}}
        self.assertEqual(set(failed) - must - may, set(), f"these fail and are not in h2spec.known: {failed}")
        self.assertEqual(must - set(failed), set(), "these are in h2spec.known and pass")
        return self.passed(f"gateway {listener}", count, failed)

    def test_the_gateway_fails_what_is_known_and_nothing_else(self):
        gateway = relay(self.folder, self.origin.address)
        self.addCleanup(gateway.close)
        self.check("plain", gateway.plain)
        self.check("tls", gateway.tls, "-t", "-k")

    @unittest.skipUnless("--peers" in sys.argv, "--peers")
    def test_peers(self):
        sys.path.insert(0, str(HERE.parents[1] / "tools" / "bench"))
        from harness.peers import PEERS
        from harness.tls import Certificate as PeerCertificate
        port = self.origin.address.rsplit(":", 1)[1]
        for name in ("nghttpx", "haproxy"):
            for listener, certificate, more in (("plain", None, []), ("tls", PeerCertificate(self.folder), ["-t", "-k"])):
                peer = PEERS[name].start(pathlib.Path(self.folder, f"{name}-{listener}"), port, certificate)
                self.addCleanup(peer.stop)
                self.passed(f"{name} {listener}", *run(peer.port, self.folder, *more))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
