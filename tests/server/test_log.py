#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Lines of the log as they arrive on standard error: both forms, levels, hostile requests, a reload."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = os.environ.get("VARVE_PROGRAM", str(ROOT / "build/varve"))
LOGFMT = re.compile(r'^time=\S+ level=\w+ event=[\w.]+( \w+=([^\s"]+|"([^"\\]|\\.)*"))*$')


class Server:
    def __init__(self, directory, *flags):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VARVE_")}
        self.errors = open(f"{directory}/errors", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--data", f"{directory}/data", "--listen", "127.0.0.1:0", *flags],
            stdout=subprocess.PIPE, stderr=self.errors, text=True, env=clean)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def send(self, request):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        return answer

    def get(self, path, **headers):
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        return self.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{head}\r\n".encode())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.errors.seek(0)
        lines = self.errors.read().splitlines()
        self.errors.close()
        return code, lines


class Log(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.TemporaryDirectory()
        self.addCleanup(self.place.cleanup)

    def run_server(self, *flags, paths=()):
        server = Server(self.place.name, *flags)
        for path in paths:
            server.get(path)
        code, lines = server.stop()
        self.assertEqual(0, code)
        return lines

    def requests(self, lines):
        return [line for line in lines if "http.request" in line]

    def test_requests_are_not_logged_unless_asked_for(self):
        lines = self.run_server(paths=["/healthz"])
        self.assertEqual([], self.requests(lines))
        self.assertTrue(any("event=serve.stopping" in line for line in lines))

    def test_logfmt_holds_hostile_paths_in_one_value(self):
        paths = ["/healthz", "/%0Alevel=error%20event=x", "/%1B%5B2J%22%5C", "/" + "x" * 1000]
        lines = self.run_server("--access-log", paths=paths)
        for line in lines:
            self.assertRegex(line, LOGFMT)
        found = self.requests(lines)
        self.assertEqual(len(paths), len(found))
        self.assertIn("method=GET path=/healthz code=200 bytes=0 us=", found[0])
        self.assertIn(r'path="/\nlevel=error event=x" code=404', found[1])
        self.assertIn(r'path="/\u001b[2J\"\\" code=404', found[2])
        self.assertIn("path=/" + "x" * 255 + " code=404", found[3])

    def test_json_is_json_and_has_the_id_of_the_request(self):
        server = Server(self.place.name, "--access-log=json", "--log-format=json")
        server.get("/healthz", X_Request_Id="abc-1")
        code, lines = server.stop()
        self.assertEqual(0, code)
        documents = [json.loads(line) for line in lines]
        request = next(each for each in documents if each["event"] == "http.request")
        self.assertEqual(("GET", "/healthz", 200, 0, "127.0.0.1", "abc-1"),
                         tuple(request[key] for key in ("method", "path", "code", "bytes", "peer", "id")))
        self.assertIsInstance(request["us"], int)
        self.assertTrue(any(each["event"] == "serve.stopping" for each in documents))

    def test_levels_leave_out_what_matters_less(self):
        self.assertEqual([], self.run_server("--log-level=error", paths=["/healthz"]))
        lines = self.run_server("--log-level=error", "--access-log=logfmt", paths=["/healthz"])
        self.assertEqual(1, len(lines))  # requests are asked for, and have no level to miss

    def test_a_reload_turns_lines_on(self):
        config = Path(self.place.name) / "varve.yaml"
        config.write_text("enable-lifecycle: true\n", encoding="utf-8")
        server = Server(self.place.name, "--config", str(config))
        server.get("/healthz")
        config.write_text("enable-lifecycle: true\naccess-log: on\nlisten: 127.0.0.1:1\ndata: elsewhere\n"
                          "connections-max: 7\n", encoding="utf-8")
        answer = server.send(b"POST /-/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                             b"Content-Length: 0\r\n\r\n")
        self.assertIn(b" 200 ", answer)
        server.get("/ready")
        code, lines = server.stop()
        self.assertEqual(0, code)
        paths = [re.search(r"path=(\S+)", line).group(1) for line in self.requests(lines)]
        self.assertEqual(["/ready"], [path for path in paths if path != "/-/reload"])
        told = next(line for line in lines if "config.reloaded" in line)
        # Flags win over the file: only what it alone says is a change.
        self.assertIn('msg="changed: access-log; at the next start: connections-max"', told)


if __name__ == "__main__":
    unittest.main()
