"""What makes load: h2load for unary calls, the benchmark's own client for the rest. Both check what came back."""

import json
import pathlib
import re
import subprocess
import tempfile

from . import places
from .processes import Failed


SECONDS = 120  # Whoever takes longer hangs.


def run(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {SECONDS} s: {' '.join(map(str, command))}") from None


def frame(message):
    """A gRPC message with its prefix."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def percentile(ordered, share):
    return ordered[int(share * (len(ordered) - 1))]


def h2load(port, path, body_file, answer_bytes, calls, connections, streams, tls=None, headers=()):
    """Unary calls. Every answer has status 200 and `answer_bytes` of DATA, or the measurement is refused: a gateway that
    refuses calls with an empty answer would be the fastest of all."""
    # In a folder of its own: nobody who watches other files is to be woken by it.
    with tempfile.TemporaryDirectory(prefix="spark-gateway-bench-") as folder:
        log = pathlib.Path(folder) / "log"
        command = ["h2load", f"--requests={calls}", f"--clients={connections}", f"--max-concurrent-streams={streams}",
                   "--threads=1", f"--data={body_file}", f"--log-file={log}",
                   "--header=content-type: application/grpc", "--header=te: trailers",
                   *(f"--header={name}: {value}" for name, value in headers)]
        if tls:
            command.append("--tls13-ciphers=TLS_AES_128_GCM_SHA256")
        command.append(f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}")
        ran = run(command)
        said = ran.stdout + ran.stderr
        good = re.search(r"status codes: (\d+) 2xx", said)
        data = re.search(r"\((\d+)\) data", said)
        seconds = re.search(r"finished in ([\d.]+)(us|ms|s|m)?,", said)
        if not good or int(good[1]) != calls or int(data[1]) != calls * answer_bytes:
            raise Failed(f"h2load did not get {calls} answers of {answer_bytes} bytes:\n{said[-1500:]}")
        latencies = sorted(int(line.split()[2]) for line in log.read_text().splitlines())
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[seconds[2] or "s"]
    return {"calls": calls, "seconds": float(seconds[1]) * scale,
            "p50_us": percentile(latencies, 0.5), "p99_us": percentile(latencies, 0.99)}


def client_command(command, port, path=None, tls=None, headers=(), each=False, **numbers):
    arguments = [places.CLIENT, command, str(port), *([path] if path else [])]
    arguments += ["--tls"] if tls else []
    arguments += ["--each"] if each else []
    for name, value in numbers.items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    for name, value in headers:
        arguments += ["--header", f"{name}:{value}"]
    return arguments


def client(command, port, path=None, **options):
    """The benchmark's own client; a call that fails ends the measurement."""
    arguments = client_command(command, port, path, **options)
    ran = run(arguments)
    if ran.returncode != 0:
        raise Failed(f"{' '.join(arguments)}\n{ran.stderr}")
    result = json.loads(ran.stdout)
    if result["failed"]:
        raise Failed(f"{result['failed']} of {result['calls']} calls failed: {' '.join(arguments)}")
    return result
