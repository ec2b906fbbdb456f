#!/usr/bin/env python3
"""Reads every #include of the tree, and what the rooms link, and fails when an arrow of the house points the wrong way.

A room includes only rooms above it and names only the libraries that are listed for it; plugins/ and sdk/ name neither core/
nor tests/, a plugin no other plugin, and the SDK nothing but the standard library.
Usage: check_rooms.py ROOT [--self-test]
"""

import pathlib
import re
import sys

# The rooms of core/, top to bottom: each may include itself and those before it.
ROOMS = ["config", "worker", "http2", "upstream", "connect", "plugin", "pipeline", "session", "relay", "admin", "app"]

# What a room may name besides: includes that begin so, in sources that are called so.
ANY = ".*"
LIBRARIES = {
    "config": {"yaml-cpp/": ANY},
    "worker": {"boost/asio/": ANY},
    "http2": {"boost/asio/": ANY, "nghttp2/": ANY, "openssl/": ANY},
    # The plugins' HTTP client is libcurl and not Beast, by which the admin room serves: on Beast it would have to bring
    # HTTP/2, proxies, connections that are shared and kept, and the trying of several addresses itself.
    "plugin": {"boost/dll/": "library.cpp", "curl/": "http_client.cpp"},
    "admin": {"boost/asio/": "http_server.cpp", "boost/beast/": "http_server.cpp", "grpc/": "admin_server.cpp",
              "grpcpp/": "admin_(server|client).cpp", "google/protobuf/": "admin_client.cpp",
              "spark_gateway/": "admin_(server|client).cpp"},
    "app": {"boost/program_options": ANY},
}
# Libraries that a room may show to the rooms that include its headers; nobody includes app.
SHOWN = {"worker": ["boost/asio/"], "http2": ["boost/asio/", "nghttp2/"], "app": ["boost/program_options"]}
# In every source of core.
LOG = "spdlog/"
# Headers alone that bring nothing of their own, in every file of core.
CONTAINERS = re.compile(r"boost/(container|intrusive|unordered|circular_buffer|multi_index|heap)/")

# What rooms may link: CMake's names of the libraries above.
LINKS = {
    "config": {"yaml-cpp"},
    "worker": {"Boost::headers"},
    "http2": {"PkgConfig::nghttp2", "OpenSSL::SSL", "OpenSSL::Crypto", "Boost::headers"},
    "plugin": {"Boost::headers", "Boost::filesystem", "CURL::libcurl", "${CMAKE_DL_LIBS}"},
    "admin": {"proto_admin", "Boost::headers"},
    "app": {"Boost::program_options"},
}

STANDARD = re.compile(r"[a-z_0-9]+|std(def|int)\.h")
SYSTEM = re.compile(r"(sys|arpa|net|netinet)/\w+\.h"
                    r"|(dirent|dlfcn|elf|fcntl|netdb|poll|pthread|signal|unistd)\.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+)[>"]', re.M)


def of_core(path, include):
    """What is wrong with an include of a room; None: nothing."""
    room = path.parts[1]
    if include.startswith("core/"):
        other = include.split("/")[1]
        if other not in ROOMS:
            return "which is in no room"
        return f"{other} is below {room}" if ROOMS.index(other) > ROOMS.index(room) else None
    if STANDARD.fullmatch(include) or SYSTEM.fullmatch(include) or include.startswith("sgw/") or CONTAINERS.match(include):
        return None
    is_header = path.suffix == ".h"
    if include.startswith(LOG):
        return "log in a source" if is_header else None
    for library, files in LIBRARIES.get(room, {}).items():
        if not include.startswith(library):
            continue
        if is_header and library not in SHOWN.get(room, []):
            return "every room that includes this would see it; use a source"
        return None if is_header or re.fullmatch(files, path.name) else f"in {room} it belongs to {files}"
    return f"{room} has no such library"


def of_sdk(path, include):
    is_test = path.stem.endswith("_test") or path.name.startswith("conformance") or path.parts[1] != "include"
    if STANDARD.fullmatch(include) or include.startswith("sgw/") or (is_test and include == "doctest/doctest.h"):
        return None
    if "testing" in path.parts and SYSTEM.fullmatch(include):
        return None
    return None if path.parts[1] != "include" and "/" not in include else "the SDK needs nothing but the standard library"


def of_plugin(include, quoted, siblings):
    if include.startswith(("core/", "tests/")):
        return "a plugin sees the public SDK only"
    if include.startswith(("grpc", "google/protobuf/")):
        return "a second copy of it would end the process"
    if include.startswith(("plugins/", "..")) or (quoted and include not in siblings and not include.startswith("sgw/")):
        return "a plugin has nothing but its own folder"
    return None


def complaints_of(path, text, siblings=()):
    """The complaints about one file, whose path is relative to the root; `siblings` are the files of its folder."""
    for found in INCLUDE.findall(text):
        include = found[1:]
        wrong = {"core": lambda: of_core(path, include), "sdk": lambda: of_sdk(path, include),
                 "plugins": lambda: of_plugin(include, found[0] == '"', siblings)}[path.parts[0]]()
        if wrong:
            yield f"{path}: includes {include}: {wrong}"


def links_of(path, text):
    """The complaints about the CMakeLists.txt of a room."""
    room = path.parts[1]
    for libraries in re.findall(r"^\s*LIBRARIES\s+([^)]*)\)", text, re.M):
        for library in libraries.split():
            if library not in LINKS.get(room, set()):
                yield f"{path}: links {library}: {room} has no such library"


def check(root):
    found = []
    for top in ("core", "sdk", "plugins"):
        for path in sorted((root / top).rglob("*")):
            relative = path.relative_to(root)
            if path.suffix in (".h", ".cpp"):
                found += complaints_of(relative, path.read_text(), {one.name for one in path.parent.iterdir()})
            elif top == "core" and path.name == "CMakeLists.txt":
                found += links_of(relative, path.read_text())
    return found


def self_test():
    """The check itself can fail: each wrong arrow is seen, each right one is not."""
    wrong = [
        ("core/config/a.cpp", '#include "core/relay/call.h"'),
        ("core/config/a.cpp", '#include "core/nowhere/call.h"'),
        ("core/relay/a.cpp", "#include <nghttp2/nghttp2.h>"),
        ("core/pipeline/a.h", "#include <boost/asio/post.hpp>"),
        ("core/plugin/a.h", "#include <boost/dll/shared_library.hpp>"),
        ("core/plugin/spawner.cpp", "#include <boost/asio/post.hpp>"),
        ("core/plugin/library.cpp", "  #  include <openssl/ssl.h>"),
        ("core/plugin/instance.cpp", "#include <curl/curl.h>"),
        ("core/http2/a.cpp", "#include <boost/beast/core.hpp>"),
        ("core/session/a.cpp", "#include <boost/json.hpp>"),
        ("core/session/a.cpp", '#include "plugins/x/a.h"'),
        ("core/session/a.cpp", "#include <zlib.h>"),
        ("core/relay/a.cpp", "#include <prometheus/registry.h>"),
        ("core/app/gateway.h", "#include <grpcpp/grpcpp.h>"),
        ("core/app/gateway.h", "#include <spdlog/spdlog.h>"),
        ("core/app/ask_admin.cpp", "#include <grpcpp/grpcpp.h>"),
        ("core/app/ask_admin.cpp", "#include <google/protobuf/message.h>"),
        ("core/admin/http_server.cpp", "#include <grpcpp/grpcpp.h>"),
        ("plugins/x/a.cpp", '#include "core/config/value.h"'),
        ("plugins/x/a_test.cpp", '#include "tests/support/run_on.h"'),
        ("plugins/x/a.cpp", '#include "plugins/auth_oidc/jwks.h"'),
        ("plugins/x/a.cpp", '#include "../auth_oidc/jwks.h"'),
        ("plugins/x/a.cpp", '#include "jwks.h"'),
        ("plugins/x/a.cpp", "#include <grpcpp/grpcpp.h>"),
        ("plugins/x/a.cpp", "#include <google/protobuf/message.h>"),
        ("sdk/include/sgw/a.h", "#include <boost/asio.hpp>"),
        ("sdk/include/sgw/a.h", "#include <curl/curl.h>"),
        ("sdk/include/sgw/a.h", "#include <google/protobuf/message.h>"),
        ("sdk/include/sgw/a.h", '#include "core/config/value.h"'),
        ("sdk/include/sgw/a.h", "#include <unistd.h>"),
    ]
    right = [
        ("core/relay/a.cpp", '#include "core/session/sessions.h"'),
        ("core/relay/a.h", "#include <boost/intrusive/list.hpp>\n#include <vector>\n#include <sgw/status.h>"),
        ("core/http2/a.h", "#include <nghttp2/nghttp2.h>"),
        ("core/session/a.cpp", "#include <spdlog/spdlog.h>\n#include <sys/file.h>"),
        ("core/plugin/http_client.cpp", "#include <curl/curl.h>"),
        ("plugins/x/a.cpp", '#include <sgw/plugin.h>\n#include "own.h"\n#include <openssl/evp.h>'),
        ("sdk/include/sgw/abi.h", "#include <stdint.h>"),
    ]
    of = lambda path, text: list(complaints_of(pathlib.PurePath(path), text, {"own.h"}))  # noqa: E731
    links = lambda room, text: list(links_of(pathlib.PurePath("core", room, "CMakeLists.txt"), text))  # noqa: E731
    problems = [f"not seen: {p}: {t}" for p, t in wrong if not of(p, t)]
    problems += [f"seen wrongly: {p}: {t}: {of(p, t)}" for p, t in right if of(p, t)]
    if not links("plugin", "sgw_room(plugin\n  LIBRARIES Boost::headers\n    PkgConfig::nghttp2)"):
        problems.append("not seen: what a room links")
    if links("config", "sgw_room(config\n  SOURCES a.cpp\n  LIBRARIES yaml-cpp)"):
        problems.append("seen wrongly: what a room links")
    return problems


def main():
    problems = self_test() if "--self-test" in sys.argv else check(pathlib.Path(sys.argv[1]))
    print("\n".join(problems) if problems else "every arrow points the right way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
