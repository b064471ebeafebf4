#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The systemd unit and the container file say what they are meant to, in words their tools know."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("VARVE_BUILD_DIR", ROOT / "build"))
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build" / "varve"))

# What the unit takes away, each with the value that does it.
HARDENING = {
    "CapabilityBoundingSet": "", "AmbientCapabilities": "", "DynamicUser": "yes", "KeyringMode": "private",
    "LockPersonality": "yes", "MemoryDenyWriteExecute": "yes", "NoNewPrivileges": "yes", "PrivateDevices": "yes",
    "PrivateTmp": "yes", "PrivateUsers": "yes", "ProtectClock": "yes", "ProtectControlGroups": "yes",
    "ProtectHome": "yes", "ProtectHostname": "yes", "ProtectKernelLogs": "yes", "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes", "ProtectProc": "invisible", "ProtectSystem": "strict", "RemoveIPC": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX", "RestrictNamespaces": "yes", "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes", "SystemCallArchitectures": "native", "UMask": "0077",
}
OTHERS = {
    "Description", "Documentation", "After", "Type", "NotifyAccess", "Environment", "EnvironmentFile", "ExecStart",
    "ExecReload", "Restart", "RestartSec", "TimeoutStartSec", "TimeoutStopSec", "WatchdogSec", "LimitNOFILE",
    "StateDirectory", "StateDirectoryMode", "RuntimeDirectory", "SystemCallFilter", "SystemCallErrorNumber",
    "WantedBy",
}


def unit_lines():
    text = (BUILD / "varve.service").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    return [tuple(line.split("=", 1)) for line in lines]


class Unit(unittest.TestCase):
    def test_every_key_is_known_and_nothing_is_left_out(self):
        lines = unit_lines()
        self.assertEqual(set(), {key for key, _ in lines} - set(HARDENING) - OTHERS)
        values = dict(lines)
        for key, value in HARDENING.items():
            self.assertEqual(value, values.get(key), key)
        filters = [value for key, value in lines if key == "SystemCallFilter"]
        self.assertEqual(["@system-service", "~@privileged"], filters)
        self.assertEqual(("notify", "60s"), (values["Type"], values["WatchdogSec"]))
        self.assertRegex(values["ExecStart"], r"^/\S+/bin/varve serve$")
        self.assertIn("VARVE_DATA=%S/varve", values["Environment"])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_understands_it_and_finds_little_exposed(self):
        with tempfile.TemporaryDirectory() as directory:
            unit = Path(directory) / "varve.service"
            text = (BUILD / "varve.service").read_text(encoding="utf-8")
            unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={PROGRAM}", text, flags=re.MULTILINE),
                            encoding="utf-8")
            checked = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit],
                                     capture_output=True, text=True, check=False)
            own = [line for line in checked.stderr.splitlines() if "varve" in line]
            self.assertEqual([], own)
            rated = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20",
                                    "--no-pager", unit], capture_output=True, text=True, check=False)
            self.assertEqual(0, rated.returncode, rated.stdout + rated.stderr)


class Container(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = (ROOT / "packaging/Containerfile").read_text(encoding="utf-8")
        text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
        text = text.replace("\\\n", " ")
        cls.steps = [line.split(None, 1) for line in text.splitlines() if line.strip()]

    def values(self, name):
        return [value.strip() for word, value in self.steps if word == name]

    def test_instructions_are_known(self):
        known = {"FROM", "COPY", "WORKDIR", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL",
                 "HEALTHCHECK", "ENTRYPOINT", "CMD"}
        self.assertEqual(set(), {word for word, _ in self.steps} - known)
        self.assertEqual("FROM", self.steps[0][0])

    def test_two_stages_from_one_image(self):
        self.assertEqual(["debian:12 AS build", "debian:12"], self.values("FROM"))
        self.assertIn("--from=build /varve /usr/bin/varve", self.values("COPY"))

    def test_it_runs_as_nobody_and_looks_after_itself(self):
        user = self.values("USER")[-1]
        self.assertRegex(user, r"^[1-9]\d+:[1-9]\d+$")
        self.assertEqual(["varve"], json.loads(self.values("ENTRYPOINT")[-1]))
        self.assertEqual(["serve"], json.loads(self.values("CMD")[-1]))
        self.assertEqual(["/var/lib/varve"], json.loads(self.values("VOLUME")[-1]))
        command = json.loads(self.values("HEALTHCHECK")[-1].split(" CMD ", 1)[1])
        self.assertEqual(["varve", "ping"], command)
        done = subprocess.run([PROGRAM, *command[1:], "--help"], capture_output=True, check=False)
        self.assertEqual(0, done.returncode)

    def test_shell_lines_parse(self):
        for line in self.values("RUN"):
            done = subprocess.run(["sh", "-n", "-c", line], capture_output=True, text=True, check=False)
            self.assertEqual(0, done.returncode, f"{line}\n{done.stderr}")

    @unittest.skipUnless(shutil.which("dpkg-query") and shutil.which("readelf"), "not a Debian system")
    def test_every_library_of_the_program_is_installed(self):
        dynamic = subprocess.run(["readelf", "-d", PROGRAM], check=True, capture_output=True, text=True).stdout
        names = set(re.findall(r"Shared library: \[(lib[^]]+)\]", dynamic))
        names = {name for name in names if not re.match(r"lib(c|m|asan|ubsan|tsan)\.so", name)}
        installed = " ".join(self.values("RUN")).split()
        for name in sorted(names):
            found = subprocess.run(["dpkg-query", "-S", f"*/{name}"], capture_output=True, text=True, check=False)
            packages = {line.split(":")[0] for line in found.stdout.splitlines()}
            # A machine may have the other flavour of libcurl, which the build takes as well.
            packages |= {"libcurl3-gnutls"} if name.startswith("libcurl") else set()
            self.assertTrue(packages & set(installed), f"{name} of {packages}")


if __name__ == "__main__":
    unittest.main()
