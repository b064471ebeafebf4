# SPDX-License-Identifier: Apache-2.0
"""What only a terminal sees: colours, the width, progress, a live view, and Ctrl-C."""

import fcntl
import os
import pty
import re
import select
import socket
import struct
import subprocess
import sys
import termios
import time
import unicodedata
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from commands import PROGRAM, Commands  # noqa: E402 (the path is set above)

PATIENCE_S = 60


def columns(line):
    """How wide a line stands: wide letters count twice, colours not at all."""
    line = re.sub(r"\033\[[0-9;]*[A-Za-z]", "", line)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


class Terminal(Commands):
    def open(self, *arguments, width=60, height=30, environment=None, **streams):
        """Starts a command whose streams named here are the terminal; returns (process, terminal)."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        pipes = {name: theirs if given == "terminal" else given for name, given in streams.items()}
        running = subprocess.Popen([PROGRAM, *arguments], start_new_session=True,
                                   env={**self.environment, "TERM": "xterm", **(environment or {})},
                                   preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
                                   pass_fds=(theirs,), **{"stdin": subprocess.DEVNULL, **pipes})
        os.close(theirs)
        self.addCleanup(os.close, ours)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        return running, ours

    def read_piece(self, terminal, so_far, deadline):
        """What comes next; empty when the other side is gone."""
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        self.assertTrue(ready, f"nothing more came within {PATIENCE_S} s, behind {so_far[-200:]!r}")
        try:
            return os.read(terminal, 65536)
        except OSError:
            return b""

    def read_all(self, terminal):
        """Everything, to the end of the process."""
        text, deadline = b"", time.monotonic() + PATIENCE_S
        while piece := self.read_piece(terminal, text, deadline):
            text += piece
        return text.decode()

    def read_until(self, terminal, wanted):
        text, deadline = b"", time.monotonic() + PATIENCE_S
        while wanted.encode() not in text:
            piece = self.read_piece(terminal, text, deadline)
            self.assertTrue(piece, f"it ended before {wanted!r}: {text[-200:]!r}")
            text += piece
        return text.decode()

    def test_charts_have_colours_and_the_width_of_the_terminal(self):
        words = ("query", "cpu", "--data", self.data, "--format", "chart")
        running, terminal = self.open(*words, stdout="terminal")
        shown = self.read_all(terminal)
        self.assertEqual(0, running.wait())
        self.assertIn("\033[36m", shown)
        lines = shown.replace("\r", "").splitlines()
        self.assertEqual(60, max(columns(line) for line in lines if "─" in line))
        self.assertLessEqual(max(map(columns, lines)), 60)
        for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            running, terminal = self.open(*words, stdout="terminal", environment=more)
            self.assertNotIn("\033", self.read_all(terminal))
            self.assertEqual(0, running.wait())

    def test_long_work_tells_how_far_it_is(self):
        running, terminal = self.open("import", "-", "--format", "lp", "--data", f"{self.place.name}/progress",
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr="terminal")
        os.set_blocking(terminal, False)
        text, rows = b"", 0
        while b"rows/s" not in text:  # it is shown only after a while: rows come until then
            rows += 1000
            running.stdin.write(b"".join(b"m v=%d %d\n" % (row, row) for row in range(rows - 1000, rows)))
            try:
                text += os.read(terminal, 65536)
            except BlockingIOError:
                pass
        running.stdin.close()
        self.assertRegex(text.decode(), r"\rstandard input  [\d.]+( [kM])? rows  [\d.]+( [kM])? rows/s")
        os.set_blocking(terminal, True)
        self.assertTrue(self.read_all(terminal).endswith("\r\033[K"))  # nothing is left of it
        self.assertEqual(0, running.wait())

    def test_answers_of_a_server_tell_how_much_has_come(self):
        """A server whose answer comes slowly: as long as it goes on, the terminal shows how many rows there are."""
        answers = {
            "query": b'{"status":"success","data":[{"metric":{"__name__":"m"},"columns":["time","v"],"types":["i64"],'
                     b'"rows":[[1,1],[2,2]%s]}]}\n',
            "export": b'{"metric":{"__name__":"m"},"values":[1,2],"timestamps":[1,2]}\n%s',
        }
        for verb, body in answers.items():
            with socket.create_server(("127.0.0.1", 0)) as server:
                running, terminal = self.open(verb, "m", "--url", "http://127.0.0.1:%d" % server.getsockname()[1],
                                              "--format", "json" if verb == "query" else "jsonl",
                                              stdout=subprocess.DEVNULL, stderr="terminal")
                os.set_blocking(terminal, False)
                text = b""
                while b"rows/s" not in text:
                    link, _ = server.accept()
                    head = link.recv(65536)
                    while not head.endswith(b"0\r\n\r\n" if head.startswith(b"POST") else b"\r\n\r\n"):
                        head += link.recv(65536)
                    if b"/version" in head:
                        answer = b'{"precision":"ns"}'
                        link.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer))
                        link.sendall(answer)
                        link.close()
                        continue
                    first, rest = body.split(b"%s")
                    link.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + first)
                    while b"rows/s" not in text:  # it is shown only after a while: pieces come until then
                        link.sendall(b" ")
                        try:
                            text += os.read(terminal, 65536)
                        except BlockingIOError:
                            pass
                    link.sendall(rest)
                    link.close()
                self.assertRegex(text.decode(), rf"\r{verb}  2 rows  \d+ rows/s")
                os.set_blocking(terminal, True)
                self.assertTrue((text.decode() + self.read_all(terminal)).endswith("\r\033[K"))
                self.assertEqual(0, running.wait())

    def test_who_is_waited_for_is_told(self):
        hint = "reading from the terminal; Ctrl-D ends it"
        for number, words in enumerate((("write",), ("import", "-", "--format", "lp"))):
            data = f"{self.place.name}/typed{number}"
            running, terminal = self.open(*words, "--data", data, stdin="terminal", stderr="terminal",
                                          stdout=subprocess.DEVNULL)
            self.read_until(terminal, hint)
            os.write(terminal, b"m v=1 1\n\x04")
            self.assertNotIn("left out", self.read_all(terminal))
            self.assertEqual(0, running.wait(PATIENCE_S))
            self.assertEqual("m\n", self.run_bare("series", "--data", data).stdout)
            # Who gives a line, a pipe or a file is not waited for.
            running, terminal = self.open(*words, "--data", data, stdin=subprocess.PIPE, stderr="terminal",
                                          stdout=subprocess.DEVNULL)
            running.stdin.close()
            self.assertNotIn(hint, self.read_all(terminal))
            self.assertEqual(0, running.wait(PATIENCE_S))
        running, terminal = self.open("write", "m v=2 2", "--data", data, stdin="terminal", stderr="terminal",
                                      stdout=subprocess.DEVNULL)
        self.assertNotIn(hint, self.read_all(terminal))
        self.assertEqual(0, running.wait(PATIENCE_S))

    def test_ctrl_c_ends_the_wait_for_lines(self):
        running, terminal = self.open("write", "--data", f"{self.place.name}/dropped", stdin="terminal", stderr="terminal",
                                      stdout=subprocess.DEVNULL)
        self.read_until(terminal, "Ctrl-D ends it")
        os.write(terminal, b"m v=1 1\n\x03")
        self.assertIn("interrupted", self.read_all(terminal))
        self.assertEqual(130, running.wait(PATIENCE_S))

    def test_top_renews_its_view_until_ctrl_c(self):
        running, terminal = self.open("top", "--data", self.data, "--interval", "20ms", stdin="terminal",
                                      stdout="terminal")
        self.read_until(terminal, "in the log")
        self.assertIn("\033[H", self.read_until(terminal, "rows written"))
        os.write(terminal, b"\x03")
        self.read_all(terminal)
        self.assertEqual(130, running.wait())

    def test_small_terminals_get_what_they_hold(self):
        """No line of a view is lost above a small screen, nor goes on in the next one."""
        for height, width in ((5, 60), (2, 20), (13, 24), (14, 80)):
            running, terminal = self.open("top", "--data", self.data, "--interval", "20ms", stdin="terminal",
                                          stdout="terminal", width=width, height=height)
            shown = self.read_until(terminal, "\033[J")
            shown += self.read_until(terminal, "\033[J")
            os.write(terminal, b"\x03")
            self.read_all(terminal)
            self.assertEqual(130, running.wait())
            view = shown.split("\033[H")[1].split("\033[J")[0].split("\r\n")
            self.assertEqual("", view.pop())
            self.assertEqual(min(height - 1, 12 if height > 13 else 11), len(view), view)
            self.assertLessEqual(max(map(columns, view)), width)
            self.assertTrue(view[0].startswith(self.data[:width - 10]), view)
        for width in (24, 30, 39):
            running, terminal = self.open("query", "cpu", "--data", self.data, "--format", "chart", stdout="terminal",
                                          width=width)
            lines = self.read_all(terminal).replace("\r", "").splitlines()
            self.assertEqual(0, running.wait())
            self.assertLessEqual(max(map(columns, lines)), width)


if __name__ == "__main__":
    unittest.main()
