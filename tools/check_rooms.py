#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the rooms of src/ see only what src/ROOMS lets them see.

A room is a directory of src/. The rules, in the order of the code:

  table     a line of ROOMS names only rooms above it
  place     every file under src/ is in a room of the table
  include   "room/file.h" with a room of the table's line; never relative; x_priv.h stays in its room
  system    headers of the system and of libraries only where LIBRARY_HEADERS says
  shared    a room's shared header includes its own room, base, sys and model only
  own       x.c includes its x.h first
  pure      base, model, codec, promql and wire do not see sys
  tests     tests and bench see what their kind may see
  bindings  a language's files see varve.h, each other and the system, not the rooms
  alone     every header compiles by itself
"""

import concurrent.futures
import fnmatch
import re
import subprocess
from pathlib import PurePosixPath

from checklib import includes, run

PURE_ROOMS = {"base", "model", "codec", "promql", "wire"}
# Rooms compiled with _GNU_SOURCE, as in cmake/VarveRooms.cmake.
SYSTEM_ROOMS = {"sys", "net", "server", "cli"}
SHARED_HEADER_ROOMS = {"base", "sys", "model"}

# (pattern of the header, where it may be included: rooms with "/" at the end, or files)
LIBRARY_HEADERS = [
    (("pthread.h", "unistd.h", "fcntl.h", "time.h", "dirent.h", "dlfcn.h", "sched.h", "signal.h",
      "threads.h", "poll.h", "spawn.h", "pwd.h", "grp.h", "semaphore.h", "aio.h", "ftw.h", "glob.h",
      "sys/mman.h", "sys/stat.h", "sys/statvfs.h", "sys/statfs.h", "sys/vfs.h", "sys/file.h",
      "sys/uio.h", "sys/time.h", "sys/times.h", "sys/types.h", "sys/wait.h", "sys/random.h",
      "sys/resource.h", "sys/syscall.h", "sys/sysinfo.h", "sys/utsname.h", "sys/ioctl.h",
      "sys/prctl.h", "sys/epoll.h", "sys/eventfd.h", "sys/auxv.h", "linux/*", "asm/*"), ("sys/",)),
    (("sys/socket.h", "sys/un.h", "netinet/*", "arpa/*", "netdb.h", "net/if.h", "uv.h", "uv/*",
      "microhttpd.h"), ("net/", "server/")),
    (("curl/*",), ("net/", "store/")),
    (("duckdb.h",), ("sql/",)),
    (("stdio.h",), ("base/text.c", "sys/", "cli/")),
    (("pcre2.h",), ("base/regex.c",)),
    (("histedit.h",), ("cli/",)),
    (("jansson.h",), ("wire/", "net/", "server/", "cli/")),
]

# Where a rule would make the code worse: (file under src/, header): the reason.
EXCEPTIONS = {
    ("net/http.c", "unistd.h"): "close() of a socket that was never handed to libmicrohttpd",
}

# What tests and bench may include besides varve.h and support/: patterns under src/.
SIMULATORS = ["sys/vfs_fault.h", "sys/vfs_sim.h", "sys/vfs_memory.h", "sys/sync_sites.h", "sys/env.h"]
TOOLS = ["base/random.h", "sys/thread.h"]  # of every test: seeds that can be printed, threads
OUTSIDE = {
    "tests/integration/": SIMULATORS + TOOLS,
    "tests/model/": SIMULATORS + TOOLS,
    "tests/crash/": SIMULATORS + TOOLS,
    "tests/sched/": SIMULATORS + TOOLS + ["sys/clock.h"],
    "tests/kill/": TOOLS,
    "tests/server/": TOOLS,
    "tests/docs/": TOOLS,
    "tests/fuzz/": ["*"],  # a target is given foreign bytes where they enter, in any room
    "tests/support/": ["*"],
    "bench/": ["codec/isa.h", "codec/vector.h", "base/*", "model/*"],  # C1 to C4 time the codec alone
}


def read_table(tree, findings):
    """Returns {room: set of rooms it may include}, in the order of the file."""
    table = {}
    for number, line in enumerate(tree.text("src/ROOMS").splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        room, _, rest = line.partition(":")
        room, may_include = room.strip(), rest.split()
        for other in may_include:
            if other not in table:
                findings.add("src/ROOMS", number, f"{room} names {other}, which is not above it")
        if room in PURE_ROOMS and "sys" in may_include:
            findings.add("src/ROOMS", number, f"{room} is pure and may not see sys")
        table[room] = set(may_include)
    return table


def check_include(tree, findings, table, name, room, line, path):
    """One #include "path" in src/room/."""
    if path == "varve.h":
        return
    parts = PurePosixPath(path).parts
    if len(parts) != 2 or parts[0] not in table:
        findings.add(name, line, f'include "{path}" is not "room/file.h"')
        return
    other = parts[0]
    if other != room and other not in table[room]:
        findings.add(name, line, f"{room} may not include {other} (src/ROOMS): {path}")
    if other != room and path.endswith("_priv.h"):
        findings.add(name, line, f"{path} is private to {other}")
    if f"src/{path}" not in tree.files:
        findings.add(name, line, f"{path} does not exist")
    if (name.endswith(".h") and not name.endswith("_priv.h") and other != room
            and other not in SHARED_HEADER_ROOMS):
        findings.add(name, line, f"a shared header may include base, sys and model only, not {path}")


def check_system_include(findings, name, line, path):
    """One #include <path>; name is a file under src/."""
    inside = name.removeprefix("src/")
    if (inside, path) in EXCEPTIONS:
        return
    for patterns, places in LIBRARY_HEADERS:
        if any(fnmatch.fnmatch(path, pattern) for pattern in patterns):
            if not any(inside == place or (place.endswith("/") and inside.startswith(place))
                       for place in places):
                findings.add(name, line, f"<{path}> belongs in {', '.join(places)} only")


def check_sources(tree, findings, table):
    for name in tree.named("src/"):
        parts = PurePosixPath(name).parts
        if name == "src/ROOMS":
            continue
        if len(parts) != 3 or parts[1] not in table:
            findings.add(name, 0, "is in no room of src/ROOMS")
            continue
        if not name.endswith((".c", ".h")):
            continue
        room = parts[1]
        seen = list(includes(tree.text(name)))
        for line, form, path in seen:
            if form == '"':
                check_include(tree, findings, table, name, room, line, path)
            else:
                check_system_include(findings, name, line, path)
        own = f"{room}/{PurePosixPath(name).stem}.h"
        if name.endswith(".c") and f"src/{own}" in tree.files and (not seen or seen[0][2] != own):
            findings.add(name, 0, f'does not include its own header "{own}" first')


def check_tests(tree, findings, table):
    for name in tree.named("tests/", ".c", ".h") + tree.named("bench/", ".c", ".h"):
        unit = re.match(r"tests/unit/(\w+)/", name)
        for line, form, path in includes(tree.text(name)):
            if form != '"' or path == "varve.h" or path.startswith("support/"):
                continue
            room = path.split("/")[0]
            if f"src/{path}" not in tree.files:
                beside = f"{PurePosixPath(name).parent}/{path}"
                if beside not in tree.files and f"tests/{path}" not in tree.files:
                    findings.add(name, line, f"{path} does not exist")
            elif unit:
                own = unit.group(1)
                if own not in table:
                    findings.add(name, line, f"{own} is no room of src/ROOMS")
                elif room != own and path not in SIMULATORS and (
                        room not in table[own] or path.endswith("_priv.h")):
                    findings.add(name, line, f"a unit test of {own} may not include {path}")
            else:
                allowed = next((rule for place, rule in OUTSIDE.items() if name.startswith(place)), [])
                if not any(fnmatch.fnmatch(path, pattern) for pattern in allowed):
                    findings.add(name, line, f"a test of this kind may not include {path}")


def check_bindings(tree, findings):
    for name in tree.named("bindings/", ".c", ".h"):
        for line, form, path in includes(tree.text(name)):
            beside = f"{PurePosixPath(name).parent}/{path}"
            if path != "varve.h" and (f"src/{path}" in tree.files or (form == '"' and beside not in tree.files)):
                findings.add(name, line, f"a binding sees varve.h and its own files, not {path}")


def check_headers_alone(tree, findings):
    def compile_alone(name):
        room = PurePosixPath(name).parts[1]
        command = ["cc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c",
                   "-I", "include", "-I", "src", *(["-D_GNU_SOURCE"] if room in SYSTEM_ROOMS else []), "-"]
        # Through a source file, so that nothing is said about a header being the main file.
        done = subprocess.run(command, cwd=tree.root, input=f'#include "{name[4:]}"\n', text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    headers = tree.named("src/", ".h")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, (status, output) in zip(headers, pool.map(compile_alone, headers)):
            if status != 0:
                first = next((line for line in output.splitlines() if "error" in line), output.strip())
                findings.add(name, 0, f"does not compile alone: {first}")


def check(tree, findings):
    table = read_table(tree, findings)
    check_sources(tree, findings, table)
    check_tests(tree, findings, table)
    check_bindings(tree, findings)
    check_headers_alone(tree, findings)


if __name__ == "__main__":
    run(check, __doc__.splitlines()[0])
