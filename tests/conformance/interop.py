#!/usr/bin/env python3
"""gRPC's own interoperability client and server, written in Go, with the gateway between them, plain and over TLS.

--long: the soak cases with 1000 calls each.
"""

import subprocess
import sys
import tempfile
import unittest

from parts import PROGRAMS, accepts, free_port, relay
from processes import Process, wait_until

# Every case of the client that needs no cloud account and no xDS: pick_first_unary and the ORCA ones want a server of the
# xDS tests, and fail without a gateway as well. The client says nothing on success.
CASES = """empty_unary large_unary client_streaming server_streaming ping_pong empty_stream timeout_on_sleeping_server
  cancel_after_begin cancel_after_first_response status_code_and_message special_status_message custom_metadata
  unimplemented_method unimplemented_service rpc_soak channel_soak""".split()
IS_LONG = "--long" in sys.argv


class Interop(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sgw-interop-")
        cls.addClassCleanup(folder.cleanup)
        port = free_port()
        server = Process([f"{PROGRAMS}/server", f"--port={port}"], f"{folder.name}/server.log")
        cls.addClassCleanup(server.stop)
        wait_until(lambda: accepts(port), 20, "the interoperability server")
        cls.gateway = relay(folder.name, f"127.0.0.1:{port}")
        cls.addClassCleanup(cls.gateway.close)

    def check(self, address, *more):
        host, port = address.split(":")
        soak = ["--soak_iterations=1000", "--soak_overall_timeout_seconds=300"] if IS_LONG else []
        for case in CASES:
            with self.subTest(case):
                done = subprocess.run([f"{PROGRAMS}/client", f"--server_host={host}", f"--server_port={port}",
                                       f"--test_case={case}", *soak, *more], capture_output=True, text=True, timeout=400)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_every_case_passes(self):
        self.check(self.gateway.plain)

    def test_every_case_passes_over_tls(self):
        self.check(self.gateway.tls, "--use_tls", "--use_test_ca", f"--ca_file={self.gateway.certificate}",
                   "--server_host_override=localhost")

    def test_the_client_tells_failure(self):
        host, port = self.gateway.plain.split(":")
        done = subprocess.run([f"{PROGRAMS}/client", f"--server_host={host}", f"--server_port={port}", "--use_tls",
                               "--test_case=empty_unary"], capture_output=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
