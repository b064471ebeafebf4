# SPDX-License-Identifier: Apache-2.0
"""varve shell, typed at a pseudo-terminal and fed through a pipe.

The program is $VARVE_PROGRAM. Nothing is timed: a test waits for what it wants to see, up to PATIENCE_S.
"""

import fcntl
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import termios
import threading
import time
import unittest
from pathlib import Path

PROGRAM = os.path.abspath(os.environ.get("VARVE_PROGRAM", "build/varve"))
PATIENCE_S = 60.0
PROMPT = "varve> "
ROWS = ("weather,city=Oslo temperature=3.25 1700000000",
        "weather,city=Prague temperature=21.5 1700000000")

CTRL_A, CTRL_C, CTRL_D, TAB, CTRL_R, UP, BACKSPACE = "\x01", "\x03", "\x04", "\t", "\x12", "\x1b[A", "\x7f"


class Terminal:
    """A shell at a pseudo-terminal of 24 lines and 80 columns."""

    def __init__(self, directory, *arguments, state=None):
        environment = {**os.environ, "TERM": "vt100", "HOME": str(directory), "LC_ALL": "C.UTF-8"}
        for name in ("VARVE_URL", "XDG_STATE_HOME", "EDITRC"):
            environment.pop(name, None)
        if state:
            environment["XDG_STATE_HOME"] = str(state)
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execve(PROGRAM, [PROGRAM, "shell", *arguments], environment)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = ""
        self.status = None

    def read_more(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self.descriptor], [], [], left)[0]:
            raise AssertionError(f"the shell does not go on; so far:\n{self.seen!r}")
        try:
            part = os.read(self.descriptor, 1 << 16)
        except OSError:  # the shell has gone
            part = b""
        self.seen += part.decode("utf-8", "replace")
        return bool(part)

    def expect(self, text):
        """Wait for text behind what was expected before; returns what stood before it."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            if not self.read_more(deadline):
                raise AssertionError(f"the shell ended without {text!r}:\n{self.seen!r}")
        before, self.seen = self.seen.split(text, 1)
        return before

    def type(self, keys):
        os.write(self.descriptor, keys.encode())

    def is_raw(self):
        return not termios.tcgetattr(self.descriptor)[3] & termios.ECHO

    def expect_prompt(self):
        """Wait until keys are taken; what is typed before that is echoed twice, as in every shell."""
        before = self.expect(PROMPT)
        deadline = time.monotonic() + PATIENCE_S
        while not self.is_raw():
            if time.monotonic() > deadline:
                raise AssertionError("the shell reads no keys")
            select.select([], [], [], 0.002)
        return before.replace("\r\n", "\n")

    def run(self, line):
        """Enter a line at a prompt; returns what is printed up to the next."""
        self.type(line + "\r")
        self.expect("\r\n")
        return self.expect_prompt()

    def end(self):
        """Wait for the end; returns the exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while self.read_more(deadline):
            pass
        _, status = os.waitpid(self.pid, 0)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def close(self):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.descriptor)


class Case(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="varve-shell-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)

    def varve(self, *arguments, text="", code=0):
        environment = {**os.environ}
        environment.pop("VARVE_URL", None)
        done = subprocess.run([PROGRAM, *arguments], cwd=self.directory, input=text, text=True, check=False,
                              env=environment, capture_output=True, timeout=PATIENCE_S)
        if code is not None:
            self.assertEqual(code, done.returncode, done.stdout + done.stderr)
        return done

    def fill(self):
        self.varve("write", "--precision", "s", *ROWS)

    def terminal(self, *arguments, **more):
        terminal = Terminal(self.directory, *arguments, **more)
        self.addCleanup(terminal.close)
        terminal.expect_prompt()
        return terminal


class Typed(Case):
    def test_lines_are_commands_and_selectors(self):
        self.fill()
        terminal = self.terminal()
        self.assertEqual('weather{city="Oslo"}\nweather{city="Prague"}\n', terminal.run("series"))
        self.assertIn("21.5", terminal.run('weather{city="Prague"} --fields temperature'))
        self.assertIn("21.5", terminal.run("query 'weather{city=\"Prague\"}'"))
        self.assertEqual("", terminal.run(""))
        terminal.type(".quit\r")
        self.assertEqual(0, terminal.end())

    def test_errors_do_not_end_it(self):
        self.fill()
        terminal = self.terminal()
        self.assertEqual("varve shell: at 8: no } ends what begins here\n  weather{city\n         ^\n",
                         terminal.run("weather{city"))
        self.assertIn('did you mean "query"', terminal.run("qurey weather"))
        self.assertIn("does not run in a shell", terminal.run("serve"))
        self.assertIn("takes no --url", terminal.run("metrics --url http://127.0.0.1:1"))
        self.assertIn("weather", terminal.run("metrics"))
        terminal.type(CTRL_D)
        self.assertEqual(0, terminal.end())

    def test_tab_completes_names_of_the_database(self):
        self.fill()
        terminal = self.terminal()
        # The terminal is sent what is new only.
        terminal.type("wea" + TAB)
        terminal.expect("ther ")
        terminal.type(BACKSPACE + "{ci" + TAB)
        terminal.expect("ty=")
        terminal.type('"Pr' + TAB)
        terminal.expect('ague"')
        terminal.type("} --desc" + TAB)
        terminal.expect("ending ")
        terminal.type("\r")
        answer = terminal.expect_prompt()
        self.assertIn("21.5", answer)
        self.assertNotIn("3.25", answer)
        terminal.type("weather --by city --agg m" + TAB)
        terminal.expect("min_time")
        terminal.type(CTRL_C)
        terminal.expect_prompt()

    def test_tab_without_names_changes_nothing(self):
        terminal = self.terminal()
        terminal.type("nothing" + TAB + CTRL_A + "#\r")
        terminal.expect_prompt()

    def test_ctrl_c_drops_the_line(self):
        self.fill()
        terminal = self.terminal()
        terminal.type("garbage that is never run" + CTRL_C)
        terminal.expect("^C\r\n")
        terminal.expect_prompt()
        self.assertIn("weather", terminal.run("metrics"))

    def test_ctrl_c_ends_a_command_and_not_the_shell(self):
        # A server that takes requests and never answers, so that the command runs until it is stopped.
        with socket.create_server(("127.0.0.1", 0)) as server:
            terminal = self.terminal("--url", f"http://127.0.0.1:{server.getsockname()[1]}")
            for _ in range(2):
                terminal.type("query weather\r")
                link, _ = server.accept()
                with link:
                    link.recv(1)
                    terminal.type(CTRL_C)
                    terminal.expect_prompt()
            self.assertIn("a row for each", terminal.run("help query"))
            terminal.type(CTRL_D)
            self.assertEqual(0, terminal.end())

    def test_a_term_signal_ends_it_at_the_prompt(self):
        terminal = self.terminal()
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(130, terminal.end())
        self.assertFalse(terminal.is_raw(), "the terminal is left as it was used")

    def test_history_is_kept_for_its_owner_only(self):
        self.fill()
        terminal = self.terminal()
        terminal.run("metrics")
        terminal.run(" series")
        self.assertEqual("metrics\n.history\n", terminal.run(".history"))
        terminal.type(CTRL_D)
        self.assertEqual(0, terminal.end())
        path = self.directory / ".local/state/varve/history"
        self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode))
        self.assertEqual(0o700, stat.S_IMODE(path.parent.stat().st_mode))
        again = self.terminal()
        again.type(UP + UP + "\r")
        again.expect("\r\n")
        self.assertIn("temperature", again.expect_prompt())
        again.type(CTRL_R + "metr")
        again.expect("metrics")
        again.type("\r")
        self.assertIn("temperature", again.expect_prompt())

    def test_history_is_bounded_and_goes_where_it_is_told(self):
        state = self.directory / "state"
        state.mkdir()
        path = state / "varve/history"
        path.parent.mkdir()
        path.write_text("_HiStOrY_V2_\n" + "".join(f"info\\040{i}\n" for i in range(2000)))
        terminal = self.terminal(state=state)
        terminal.run("# the last one")
        terminal.type(CTRL_D)
        self.assertEqual(0, terminal.end())
        lines = path.read_text().splitlines()
        self.assertEqual(1001, len(lines))
        self.assertIn("last", lines[-1])

    def test_a_history_that_is_a_link_is_left_alone(self):
        state = self.directory / "state/varve"
        state.mkdir(parents=True)
        (self.directory / "precious").write_text("precious\n")
        (state / "history").symlink_to(self.directory / "precious")
        terminal = self.terminal(state=state.parent)
        terminal.run("# a line")
        terminal.type(CTRL_D)
        self.assertEqual(0, terminal.end())
        self.assertEqual("precious\n", (self.directory / "precious").read_text())

    def test_letters_of_every_script_can_be_typed(self):
        self.varve("write", "--precision", "s", "počasí,město=Brno t=1 1")
        terminal = self.terminal()
        self.assertIn("Brno", terminal.run('počasí{město="Brno"}'))


class Fed(Case):
    def test_the_first_error_ends_a_script(self):
        self.fill()
        done = self.varve("shell", text="metrics\n# a comment\n\nquery\nseries\n", code=2)
        self.assertIn("temperature", done.stdout)
        self.assertNotIn("Oslo", done.stdout)
        self.assertIn("that was line 4 of standard input", done.stderr)
        self.assertNotIn(PROMPT, done.stdout)

    def test_keep_going_gives_the_first_error_in_the_end(self):
        self.fill()
        done = self.varve("shell", "--keep-going", text="verify --nope\n.nope\nseries", code=2)
        self.assertIn("Oslo", done.stdout)
        self.assertIn("that was line 1 ", done.stderr)
        self.assertIn("that was line 2 ", done.stderr)

    def test_no_server_is_exit_code_4(self):
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}"
        self.varve("shell", "--url", url, text="metrics\n", code=4)

    def test_each_line_is_answered_when_it_comes(self):
        self.fill()
        with subprocess.Popen([PROGRAM, "shell"], cwd=self.directory, text=True, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE) as shell:
            for _ in range(2):
                shell.stdin.write("series --limit 1\n")
                shell.stdin.flush()
                self.assertEqual('weather{city="Oslo"}\n', shell.stdout.readline())
            # What another process writes meanwhile is there in the next line.
            self.varve("write", "--precision", "s", "weather,city=Aba temperature=30 1700000000")
            shell.stdin.write("series --limit 1\n")
            shell.stdin.flush()
            self.assertEqual('weather{city="Aba"}\n', shell.stdout.readline())
            shell.stdin.close()
            self.assertEqual(0, shell.wait(PATIENCE_S))

    def test_a_line_may_write(self):
        lines = "".join(f"write --precision s '{row}'\nseries\n" for row in ROWS)
        done = self.varve("shell", text=lines)
        self.assertEqual('weather{city="Oslo"}\n' 'weather{city="Oslo"}\nweather{city="Prague"}\n', done.stdout)
        self.assertIn("varve-data is not there yet", done.stderr)

    def test_files_are_read_and_may_read_others(self):
        self.fill()
        (self.directory / "inner").write_text("series --limit 1\n")
        (self.directory / "outer").write_text(".read inner\nmetrics --json\n")
        done = self.varve("shell", text=".read outer\nmetrics --json --limit 1\n")
        self.assertEqual(['weather{city="Oslo"}'], done.stdout.splitlines()[:1])
        self.assertEqual(3, len(done.stdout.splitlines()))
        (self.directory / "self").write_text(".read self\n")
        done = self.varve("shell", text=".read self\n", code=2)
        self.assertIn(".read is nested more than 16 deep", done.stderr)
        self.varve("shell", text=".read missing\n", code=1)

    def test_mode_and_open_and_timer(self):
        self.fill()
        self.varve("write", "--data", "other", "--precision", "s", "sea level=1 1")
        done = self.varve("shell", text=".mode csv\nweather --limit 1\nweather --limit 1 --json\n.mode\n"
                                        ".timer on\n.open other\n.open\nmetrics\n")
        lines = done.stdout.splitlines()
        self.assertEqual("time,city,temperature", lines[0])
        self.assertEqual('{"status"', lines[2][:9])
        self.assertEqual(["csv", "other"], lines[3:5])
        self.assertIn("sea", lines[-1])
        self.assertEqual(4, len(re.findall(r"^took \d+\.\d{3} s$", done.stderr, re.MULTILINE)))
        done = self.varve("shell", text=".mode nonsense\n", code=2)
        self.assertIn('not "nonsense"', done.stderr)

    def test_a_directory_that_cannot_be_opened_is_not_taken(self):
        self.fill()
        (self.directory / "file").write_text("no database\n")
        done = self.varve("shell", "--keep-going", text=".open file\nseries --limit 1\n", code=1)
        self.assertEqual('weather{city="Oslo"}\n', done.stdout)
        self.varve("shell", "--data", "file", text="series\n", code=1)

    def test_a_server_works_as_a_directory_does(self):
        self.fill()
        server = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0"], cwd=self.directory, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait, PATIENCE_S)
        self.addCleanup(server.terminate)
        url = server.stdout.readline().split()[-1]
        done = self.varve("shell", "--url", url, text='series\nweather{city="Oslo"} --csv\n')
        self.assertIn("3.25", done.stdout)
        done = self.varve("shell", text=f"series\n.open {url}\nseries\n.open varve-data\nseries\n")
        self.assertEqual(6, len(done.stdout.splitlines()))
        done = self.varve("shell", text=f".open {url}\nverify\n", code=2)
        self.assertIn(f"verify works on a directory, and this shell on {url}", done.stderr)
        terminal = self.terminal("--url", url)
        terminal.type('weather{city="O' + TAB)
        terminal.expect('slo"')
        terminal.type(CTRL_C)
        terminal.expect_prompt()
        terminal.type(CTRL_D)
        self.assertEqual(0, terminal.end())

    def test_options_of_the_shell(self):
        self.assertIn("--keep-going", self.varve("shell", "--help").stdout)
        self.varve("shell", "operand", code=2)
        self.varve("shell", "--data", "a", "--url", "http://127.0.0.1:1", code=2)


if __name__ == "__main__":
    unittest.main()
