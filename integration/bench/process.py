"""Processes on loopback: started in a group of their own, measured from `/proc`, always stopped.

Must not know who is started.
"""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request


class Failed(Exception):
    """A process that did not come up, with the end of what it said."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """One started command with everything it starts in turn."""

    def __init__(self, command: list[str], log: pathlib.Path, env: dict[str, str] | None = None, pipe: bool = False):
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log = log
        out = subprocess.PIPE if pipe else log.open("wb")
        err = log.open("wb") if pipe else subprocess.STDOUT
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        self.pid = self.process.pid

    def wait_ready(self, url: str, seconds: float) -> float:
        """Waits until `url` answers with 200; the seconds it took."""
        start = time.monotonic()
        while time.monotonic() - start < seconds:
            if self.process.poll() is not None:
                raise Failed(f"ended with {self.process.returncode}: {self.last_words()}")
            try:
                with urllib.request.urlopen(url, timeout=2) as answer:
                    if answer.status == 200:
                        return time.monotonic() - start
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.05)
        raise Failed(f"not ready after {seconds} s: {self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-600:].strip()

    def stop(self) -> None:
        for how in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.pid, how)
            except ProcessLookupError:
                break
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                continue
            if not self.pids():
                break
        self.process.wait()

    def pids(self) -> list[int]:
        """The live processes of the group: the leader is its group's and its session's number."""
        found = []
        for entry in os.listdir("/proc"):
            if not entry.isdigit():
                continue
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            fields = stat.rpartition(")")[2].split()
            if fields[0] != "Z" and self.pid in (int(fields[2]), int(fields[3])):
                found.append(int(entry))
        return found

    def cpu_us(self) -> float:
        """CPU time used so far by every process of the group, ended threads included, in microseconds.

        The kernel's clock of a process (clock_getcpuclockid(3)) is utime + stime of `/proc/PID/stat` in nanoseconds
        where that file counts in ticks of 10 ms.
        """
        total = 0
        for pid in self.pids():
            try:
                total += time.clock_gettime_ns((~pid << 3) | 2)
            except OSError:
                continue
        return total / 1000

    def memory_kb(self) -> int:
        """Resident memory of the group."""
        total = 0
        for pid in self.pids():
            try:
                status = pathlib.Path("/proc", str(pid), "status").read_text()
            except OSError:
                continue
            for line in status.splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total
