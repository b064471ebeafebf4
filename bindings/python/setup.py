# SPDX-License-Identifier: Apache-2.0
"""Builds the extension varve._varve with libvarve in it.

In the repository libvarve's sources are two directories up. A source distribution carries them as
libvarve/, so that it builds without the repository. Needed besides: a C17 compiler, pkg-config, and
the headers of zstd, xxhash and PCRE2.

    VARVE_BUILD_FLAGS   more flags for compiler and linker, such as -fsanitize=address
    VARVE_BUILD_STRICT  set: warnings of the extension's own files are errors
    VARVE_BUILD_JOBS    how many files at once (default: the processors there are)
"""

import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

HERE = Path(__file__).resolve().parent
# Left of the bar in cmake/VarveRooms.cmake; rooms of the second list are compiled with _GNU_SOURCE.
ROOMS = ["base", "sys", "model", "codec", "index", "wal", "segment", "engine", "query", "api"]
SYSTEM_ROOMS = ["sys"]
# What the build leaves out, as in cmake/VarveRooms.cmake: simulators, and events of other systems.
LEFT_OUT = re.compile(r"(vfs_(fault|sim)[^/]*|" + ("event_condition" if sys.platform == "linux" else "event_futex") + r")\.c$")
LIBRARIES = ["libzstd", "libxxhash", "libpcre2-8"]
# Without -Wwrite-strings: Python 3.11 wants lists of keywords as char *.
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion",
            "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wcast-qual", "-Wcast-align",
            "-Wpointer-arith", "-Wundef", "-Wvla", "-Wformat=2",
            "-Wimplicit-fallthrough", "-Wswitch-enum", "-Wdouble-promotion",
            "-Wno-maybe-uninitialized", "-Wno-unknown-warning-option", "-Werror"]


def library_root():
    for root in (HERE / "libvarve", HERE.parent.parent):
        if (root / "include/varve.h").is_file():
            return root
    raise SystemExit("varve: the sources of libvarve are not there: build from the repository or from a "
                     "source distribution")


def version():
    text = (library_root() / "include/varve.h").read_text(encoding="utf-8")
    return ".".join(re.search(rf"^#define VARVE_VERSION_{part} (\d+)$", text, re.MULTILINE).group(1)
                    for part in ("MAJOR", "MINOR", "PATCH"))


def pkg_config(*options):
    try:
        done = subprocess.run(["pkg-config", *options, *LIBRARIES], check=True, stdout=subprocess.PIPE, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit("varve: pkg-config does not find " + ", ".join(LIBRARIES) + "; on Debian: apt-get install "
                         "pkg-config libzstd-dev libxxhash-dev libpcre2-dev") from error
    return shlex.split(done.stdout)


def sources_of(room):
    return [path for path in sorted((library_root() / "src" / room).glob("*.c")) if not LEFT_OUT.match(path.name)]


class Build(build_ext):
    """Compiles several files at once, libvarve's as C17 without extensions of the compiler."""

    def build_extension(self, extension):
        root = library_root()
        more = shlex.split(os.environ.get("VARVE_BUILD_FLAGS", ""))
        common = ["-std=c17", "-O2", "-g", "-fPIC", "-fvisibility=hidden", "-ffunction-sections", "-fdata-sections",
                  "-fno-strict-aliasing", "-fstack-protector-strong", f"-ffile-prefix-map={root}=.",
                  f"-I{root / 'include'}", f"-I{root / 'src'}", *pkg_config("--cflags"), *more]
        jobs = []
        for room in ROOMS:
            flags = common + (["-D_GNU_SOURCE"] if room in SYSTEM_ROOMS else [])
            jobs += [(path, f"{room}_{path.stem}", flags) for path in sources_of(room)]
        strict = WARNINGS if os.environ.get("VARVE_BUILD_STRICT") else []
        python = [f"-isystem{path}" for path in self.include_dirs]
        for source in extension.sources:
            jobs.append((HERE / source, Path(source).stem,
                         [*common, *strict, *python, "-D_GNU_SOURCE", "-DPy_LIMITED_API=0x030B0000"]))
        objects = self.compile_all(jobs)
        target = Path(self.get_ext_fullpath(extension.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        map_file = Path(self.build_temp) / "varve.map"
        map_file.write_text("{ global: PyInit__varve; local: *; };\n", encoding="utf-8")
        self.run([*self.compiler_command(), "-shared", *more, "-o", target, *objects, *pkg_config("--libs"), "-lpthread",
                  "-lm", f"-Wl,--version-script={map_file}", "-Wl,--gc-sections,-z,relro,-z,now"])

    def compile_all(self, jobs):
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        count = int(os.environ.get("VARVE_BUILD_JOBS", 0)) or os.cpu_count() or 1

        def compile_one(job):
            path, name, flags = job
            output = folder / f"{name}.o"
            self.run([*self.compiler_command(), *flags, "-c", path, "-o", output])
            return output

        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            return list(pool.map(compile_one, jobs))

    def compiler_command(self):
        return shlex.split(os.environ.get("CC", "cc"))

    def run(self, command=None):
        if command is None:
            super().run()
            return
        done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0 or done.stdout:
            sys.stderr.write(done.stdout.decode("utf-8", "replace"))
        if done.returncode != 0:
            raise SystemExit(f"varve: {command[-3] if '-c' in command else 'linking'} failed")


class Sdist(sdist):
    """Puts the sources of libvarve beside those of the package."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        root = library_root()
        target = Path(base_dir) / "libvarve"
        shutil.copytree(root / "include", target / "include", dirs_exist_ok=True)
        shutil.copy2(root / "LICENSE", target / "LICENSE")
        for room in ROOMS:
            shutil.copytree(root / "src" / room, target / "src" / room, dirs_exist_ok=True)


setup(
    version=version(),
    ext_modules=[Extension("varve._varve", py_limited_api=True,
                           sources=sorted(str(path.relative_to(HERE)) for path in (HERE / "src/_varve").glob("*.c")))],
    cmdclass={"build_ext": Build, "sdist": Sdist},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
