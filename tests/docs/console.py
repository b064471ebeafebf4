# SPDX-License-Identifier: Apache-2.0
"""Runs the console blocks of a page, in order, in one empty directory, and compares what they print.

    ```console
    $ varve write 'weather,city=Oslo temperature=3.5'
    $ varve series
    weather{city="Oslo"}
    ```

A line with "$ " is a command (lines that end in a backslash or within quotes go on in the next; one with
<<'END' goes on to the line END), the lines after it are what it prints. There "..." stands for anything in a line, and a line
"..." for any lines; times, rates and identities are written so. A command that begins with `varve serve`, or
is `make run`, starts a server that runs until the page ends; it listens on a free port, which stands in for
the default address in the other commands. A server must end with exit status 0. PLACES stand below the
page's directory, which has the files of tests/docs/data in it. npm keeps what it fetches beside the program,
so that only the first run after a build needs the network.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

DEFAULT_ADDRESS = "127.0.0.1:9428"
NPM_SECONDS = 120
# Directories of a real system that examples name.
PLACES = ("/var/lib/varve", "/etc/varve", "/backup")


def is_open(command):
    """Whether a quote goes on in the next line."""
    try:
        shlex.split(command, comments=True)
        return False
    except ValueError:
        return True


def commands(text):
    """Yields (command, expected output) of all console blocks."""
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines(keepends=True)
            last = 0
            end = re.search(r"<<'(\w+)'", lines[0])
            while lines[last].endswith("\\\n"):
                last += 1
            while is_open("".join(lines[:last + 1])) and not end:
                last += 1
            while end and lines[last] != end[1] + "\n":
                last += 1
            yield "".join(lines[:last + 1]).rstrip("\n"), "".join(lines[last + 1:])


def matches(expected, printed):
    if printed and not printed.endswith("\n"):
        printed += "\n"  # a terminal's next prompt would stand there
    pattern = ""
    for line in expected.splitlines(keepends=True):
        parts = line.split("...")
        pattern += "(?:.*\n)*" if line == "...\n" else ".*".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, printed) is not None


class NoPackage(Exception):
    """npm could not fetch what a page needs."""


class Console:
    def __init__(self, program):
        self.directory = tempfile.TemporaryDirectory()
        self.environment = {**os.environ, "LC_ALL": "C.UTF-8",
                            "PATH": f"{Path(program).parent}:{os.environ['PATH']}"}
        self.environment["npm_config_cache"] = str(Path(program).resolve().parent / "npm-cache")
        self.environment["npm_config_fetch_retries"] = "1"
        self.environment["npm_config_userconfig"] = str(Path("~/.npmrc").expanduser())
        self.environment["HOME"] = self.directory.name
        for name in ("VARVE_URL", "XDG_STATE_HOME"):
            self.environment.pop(name, None)
        (Path(self.directory.name) / "build").symlink_to(Path(program).parent)
        for place in ("/var/lib", "/etc/varve", "/backup"):
            Path(self.directory.name + place).mkdir(parents=True)
        for path in (Path(__file__).resolve().parent / "data").iterdir():
            shutil.copy(path, self.directory.name)
        self.server = None
        self.address = DEFAULT_ADDRESS

    def to_here(self, command):
        """The command with the addresses and directories of this run."""
        for place in PLACES:
            command = re.sub(rf"(?<![\w/]){place}\b", self.directory.name + place, command)
        return command.replace(DEFAULT_ADDRESS, self.address)

    def to_page(self, printed):
        return printed.replace(self.directory.name, "").replace(self.address, DEFAULT_ADDRESS)

    def start_server(self, command):
        command = "exec " + self.to_here(command.removesuffix(" &")) + " --listen 127.0.0.1:0"
        self.server = subprocess.Popen(["bash", "-c", command], cwd=self.directory.name, env=self.environment,
                                       text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.server.stdout.readline()
        self.address = line.split("//")[-1].strip() if "//" in line else DEFAULT_ADDRESS
        return line.replace(self.address, DEFAULT_ADDRESS)

    def run_npm(self, command):
        """From what is kept if it is there, else from the registry."""
        for is_offline in ("true", "false"):
            done = subprocess.run(["bash", "-c", command], cwd=self.directory.name, text=True,
                                  env={**self.environment, "npm_config_offline": is_offline},
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=NPM_SECONDS, check=False)
            if done.returncode == 0:
                return done.stdout, 0
        raise NoPackage(f"\"{command}\" fails. The page needs a package of the npm registry; this machine "
                        f"does not reach the registry, or has no npm:\n{done.stderr}")

    def run(self, command):
        """Returns (what was printed, exit status)."""
        if command.startswith("npm "):
            return self.run_npm(command)
        if command == "make run":  # builds, then runs this
            return self.start_server("varve serve --collect-host --data varve-data"), 0
        if command.startswith("varve serve"):
            return self.start_server(command), 0
        done = subprocess.run(["bash", "-c", self.to_here(command)],
                              cwd=self.directory.name, env=self.environment, text=True, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False)
        return self.to_page(done.stdout), done.returncode

    def run_until(self, command, expected, seconds):
        """As run; asks again for a while when it does not print what is expected yet."""
        deadline = time.monotonic() + seconds
        while True:
            printed, status = self.run(command)
            if matches(expected, printed) or time.monotonic() > deadline:
                return printed, status
            time.sleep(0.2)

    def close(self):
        """Ends the server; returns its exit status, 0 without one."""
        status = 0
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            status = self.server.wait(timeout=60)
            self.server.stdout.close()
        self.directory.cleanup()
        return status
