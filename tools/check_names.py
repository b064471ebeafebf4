#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks names: functions that may not be called, words that may not stay, names that must be unique.

  banned      functions that are unsafe, depend on the locale, or belong to another place
  extension   compiler extensions are spelled in base/compiler.h only
  left open   words that mark unfinished work
  list        an item of a numbered list in a comment begins a line: formatting runs them together
  licence     one SPDX line at the top of every source file
  unique      names of C files, and of static functions under src/, are unique in the tree
  stem        a static function begins with the name of its file
  guard       the guard of src/room/file.h is VV_ROOM_FILE_H
  untrusted   a function marked VV_UNTRUSTED is named by a fuzz target
"""

import re
from collections import defaultdict
from pathlib import PurePosixPath

from checklib import functions, line_of, run, strip_c

# What is wrong with each group: (reason, functions, places under src/ where they are allowed).
BANNED = [
    ("unbounded, or silently cut",
     "strcpy strcat strncpy strncat strtok sprintf vsprintf gets scanf fscanf sscanf alloca", ()),
    ("depends on the locale or hides errors: use base/text.h",
     "atoi atol atoll atof strtol strtoul strtoll strtoull strtod strtof strtold", ()),
    ("not thread-safe, or the time zone of the process",
     "localtime gmtime localtime_r asctime ctime strerror mktime", ()),
    ("not a source of randomness: use sys", "rand srand random drand48", ()),
    ("leaves the function by another door", "setjmp longjmp", ()),
    ("starts a shell", "system popen", ()),
    ("races with other programs", "tmpnam mktemp tempnam tmpfile", ()),
    ("memory comes from the allocator passed in",
     "malloc calloc realloc free aligned_alloc posix_memalign memalign strdup strndup asprintf vasprintf",
     ("base/alloc.c",)),
    ("the library never prints: use its log function",
     "printf fprintf vprintf vfprintf puts fputs putchar fputc perror dprintf", ("base/text.c", "cli/")),
    ("VV_ASSERT is the assertion of the code", "assert", ()),
]

# Where a rule would make the code worse: (file under src/, name): the reason.
EXCEPTIONS = {}

EXTENSION = re.compile(r"\b(__attribute__|__builtin_\w+|__int128\w*|__typeof__|typeof|__asm__|asm|__extension__"
                       r"|_Pragma|__auto_type)\b|^\s*#\s*pragma\b", re.MULTILINE)
EXTENSION_PLACES = {"src/base/compiler.h", "include/varve.h"}

# Spelled in parts, so that this file does not find itself.
LEFT_OPEN = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b"
                       + r"|\bnot (?:yet )?" + r"implemented\b|\bplace" + r"holder\b")

# " * ... end of one. E2  Beginning of the next": two blanks stand behind the number of an item.
RUN_TOGETHER = re.compile(r"^ \* .*\S +[A-Z]\d{1,2}  (?=[A-Za-z])", re.MULTILINE)

SPDX = "SPDX-License-Identifier: Apache-2.0"
SPDX_SUFFIXES = (".c", ".h", ".def", ".py", ".cmake", ".sh", ".ts")


def check_banned(tree, findings):
    for name in tree.named("src/", ".c", ".h"):
        inside = name.removeprefix("src/")
        code = strip_c(tree.text(name))
        for reason, words, places in BANNED:
            if any(inside == place or (place.endswith("/") and inside.startswith(place)) for place in places):
                continue
            pattern = r"(?<![\w.>])(" + "|".join(words.split()) + r")\s*\("
            for match in re.finditer(pattern, code):
                if (inside, match.group(1)) not in EXCEPTIONS:
                    findings.add(name, line_of(code, match.start()), f"{match.group(1)}(): {reason}")
        if name not in EXTENSION_PLACES:
            for match in EXTENSION.finditer(code):
                word = match.group(0).strip()
                if (inside, word) not in EXCEPTIONS:
                    findings.add(name, line_of(code, match.start()),
                                 f"{word}: extensions are spelled in base/compiler.h")


def check_left_open(tree, findings):
    for name in tree.text_files():
        if name == "LICENSE" or name.startswith("tests/checks/"):
            continue
        for match in LEFT_OPEN.finditer(tree.text(name)):
            findings.add(name, line_of(tree.text(name), match.start()), f"left open: {match.group(0)}")


def check_lists(tree, findings):
    for name in tree.named("", ".c", ".h"):
        for match in RUN_TOGETHER.finditer(tree.text(name)):
            findings.add(name, line_of(tree.text(name), match.start()),
                         "an item of a list within a line: leave a line free before each item")


def check_licence(tree, findings):
    for name in tree.files:
        text = tree.text(name)
        is_script = not PurePosixPath(name).suffix and text.startswith("#!")
        is_build = PurePosixPath(name).name in ("CMakeLists.txt", "Makefile")
        if name.endswith(SPDX_SUFFIXES) or is_script or is_build:
            if not any(SPDX in line for line in text.splitlines()[:2]):
                findings.add(name, 1, "has no SPDX line at its top")


def check_unique_files(tree, findings):
    seen = {}
    for name in tree.named("", ".c", ".h"):
        base = PurePosixPath(name).name
        if base in seen:
            findings.add(name, 0, f"has the name of {seen[base]}")
        seen[base] = name


def check_static_functions(tree, findings):
    places = defaultdict(list)
    for name in tree.named("src/", ".c"):
        stem = PurePosixPath(name).stem
        starts = {stem, *stem.split("_")}
        for function, is_static, line, _ in functions(tree.text(name)):
            if not is_static:
                if not function.startswith(("vv_", "varve_")) and function != "main":
                    findings.add(name, line, f"{function}() is neither static nor vv_ nor varve_")
                continue
            places[function].append((name, line))
            if not any(function == start or function.startswith(start + "_") for start in starts):
                findings.add(name, line, f"{function}() does not begin with the name of its file")
    for function, found in places.items():
        for name, line in found[1:]:
            findings.add(name, line, f"{function}() is a static function of {found[0][0]} as well")


def check_guards(tree, findings):
    for name in tree.named("src/", ".h"):
        room, stem = PurePosixPath(name).parts[-2], PurePosixPath(name).stem
        guard = f"VV_{room}_{stem}_H".upper()
        if not re.search(rf"^#ifndef {guard}\n#define {guard}$", tree.text(name), re.MULTILINE):
            findings.add(name, 0, f"its guard is not {guard}")


def untrusted_functions(code):
    """Yields (offset, name) of each function marked VV_UNTRUSTED."""
    for match in re.finditer(r"\bVV_UNTRUSTED\b", code):
        if re.search(r"#\s*define\s+$", code[:match.start()]):
            continue
        rest = code[match.end():match.end() + 600]
        rest = re.sub(r"\bVV_[A-Z0-9_]+(?:\s*\([^()]*\))?", " ", rest)
        name = re.search(r"(\w+)\s*\(", rest)
        if name:
            yield match.start(), name.group(1)


def check_untrusted(tree, findings):
    targets = "\n".join(strip_c(tree.text(name)) for name in tree.named("tests/fuzz/fuzz_", ".c"))
    named = set(re.findall(r"\w+", targets))
    for name in tree.named("src/", ".h", ".c"):
        code = strip_c(tree.text(name))
        for offset, function in untrusted_functions(code):
            if function not in named:
                findings.add(name, line_of(code, offset),
                             f"{function}() takes foreign bytes and no tests/fuzz/fuzz_*.c names it")


def check(tree, findings):
    check_banned(tree, findings)
    check_left_open(tree, findings)
    check_lists(tree, findings)
    check_licence(tree, findings)
    check_unique_files(tree, findings)
    check_static_functions(tree, findings)
    check_guards(tree, findings)
    check_untrusted(tree, findings)


if __name__ == "__main__":
    run(check, __doc__.splitlines()[0])
