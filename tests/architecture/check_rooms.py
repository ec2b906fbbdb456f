#!/usr/bin/env python3
"""Reads every #include of the tree and fails when an arrow of the house points the wrong way.

A room includes only rooms above it; plugins/ and sdk/ never name core/; a library is named only by the rooms that own it.
Usage: check_rooms.py ROOT [--self-test]
"""

import pathlib
import re
import sys

# The rooms of core/, top to bottom: each may include itself and those before it.
ROOMS = ["config", "worker", "http2", "upstream", "connect", "plugin", "pipeline", "session", "relay", "admin", "app"]

# Which rooms may name which library in which kind of file.
LIBRARIES = {
    "yaml-cpp": (r"yaml-cpp/", {"config"}),
    "asio": (r"boost/asio", {"worker", "http2", "plugin", "admin"}),
    "beast": (r"boost/beast", {"plugin", "admin"}),
    "nghttp2": (r"nghttp2/", {"http2"}),
    "openssl": (r"openssl/", {"http2", "plugin"}),
    "curl": (r"curl/", {"plugin"}),
    "Boost.DLL": (r"boost/dll", {"plugin"}),
    "program_options": (r"boost/program_options", {"app"}),
    "grpc": (r"grpc(pp)?/|google/protobuf/|.*\.pb\.h$", {"admin", "app"}),
    "spdlog": (r"spdlog/", set(ROOMS)),
}
# Boost libraries that come as headers alone and bring nothing of their own: containers and the like.
FREE_BOOST = re.compile(r"boost/(container|intrusive|unordered|circular_buffer|multi_index|heap|json)")
# Rooms whose headers may show a library to the rooms that include them.
SHOWN_IN_HEADERS = {"asio": {"worker", "http2"}, "nghttp2": {"http2"}}
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)


def complaints_of(path, text):
    """The complaints about one file, whose path is relative to the root."""
    parts = path.parts
    for include in INCLUDE.findall(text):
        if parts[0] in ("sdk", "plugins"):
            if include.startswith("core/"):
                yield f"{path}: includes {include}; {parts[0]}/ sees the public SDK only"
            if parts[0] == "sdk" and re.match(r"boost/|nghttp2/|openssl/|grpc|yaml-cpp/|spdlog/", include):
                yield f"{path}: includes {include}; the SDK needs nothing but the standard library"
            continue
        room = parts[1]
        if include.startswith("core/"):
            other = include.split("/")[1]
            if other not in ROOMS:
                yield f"{path}: includes {include}, which is in no room"
            elif ROOMS.index(other) > ROOMS.index(room):
                yield f"{path}: includes {include}; {other} is below {room}"
        if include.startswith(("plugins/", "tests/")):
            yield f"{path}: includes {include}; the core knows no plugin and no test"
        for library, (pattern, owners) in LIBRARIES.items():
            if not re.match(pattern, include):
                continue
            if room not in owners:
                yield f"{path}: names {library} ({include}), which belongs to {', '.join(sorted(owners))}"
            elif path.suffix == ".h" and room not in SHOWN_IN_HEADERS.get(library, set()) and room != "app":
                yield f"{path}: shows {library} ({include}) to every room that includes it; use a source"
        if include.startswith("boost/") and not FREE_BOOST.match(include):
            if not any(re.match(pattern, include) for pattern, _ in LIBRARIES.values()):
                yield f"{path}: names {include}; no room owns it"


def check(root):
    found = []
    for top in ("core", "sdk", "plugins"):
        for path in sorted((root / top).rglob("*")):
            relative = path.relative_to(root)
            is_test = path.stem.endswith("_test") or "testing" in relative.parts or "template" in relative.parts
            if path.suffix in (".h", ".cpp") and not (top != "core" and is_test):
                found += complaints_of(relative, path.read_text())
    return found


def self_test():
    """The check itself can fail: each wrong arrow is seen, each right one is not."""
    wrong = [
        ("core/config/a.cpp", '#include "core/relay/call.h"'),
        ("core/relay/a.cpp", "#include <nghttp2/nghttp2.h>"),
        ("core/pipeline/a.h", "#include <boost/asio.hpp>"),
        ("core/plugin/a.h", "#include <boost/dll/shared_library.hpp>"),
        ("core/http2/a.cpp", "#include <boost/beast.hpp>"),
        ("plugins/x/a.cpp", '#include "core/config/value.h"'),
        ("sdk/include/sgw/a.h", "#include <boost/asio.hpp>"),
        ("core/session/a.cpp", '#include "plugins/x/a.h"'),
    ]
    right = [
        ("core/relay/a.cpp", '#include "core/session/sessions.h"'),
        ("core/http2/a.h", "#include <nghttp2/nghttp2.h>"),
        ("core/session/a.cpp", "#include <spdlog/spdlog.h>"),
        ("plugins/x/a.cpp", "#include <sgw/plugin.h>"),
    ]
    problems = [f"not seen: {p}: {t}" for p, t in wrong if not list(complaints_of(pathlib.PurePath(p), t))]
    problems += [f"seen wrongly: {p}: {t}" for p, t in right if list(complaints_of(pathlib.PurePath(p), t))]
    return problems


def main():
    problems = self_test() if "--self-test" in sys.argv else check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) if problems else "every arrow points the right way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
