"""A dry run: requests and replies pass Envoy as they are, and what Dragoman would have done is counted and logged."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator
from typing import Any

import envoys
import httpx
import pytest
import yaml
from gateway import COMMAND, HTTP, Envoy, envoy_version
from standins.scripted import Scripted, body_reply, json_reply
from test_course import GOOD, GOOD_STREAM, entry

MODELS = [
    entry("m", "openai/t0", "http://127.0.0.1:1/v1", api_key="os.environ/KEY_OF_T", input_cost_per_token=1e-6, output_cost_per_token=2e-6),
    entry("claude", "anthropic/c", "http://127.0.0.1:1", api_key="os.environ/KEY_OF_T"),
]
ODD = b'{ "model" : "m",\n "messages":[{"role":"user","content":"Hi"}] , "temperature":1.0 }'


def _rendered(config: dict[str, Any], home: pathlib.Path) -> dict[str, Any]:
    """The parts that `render` makes for a listener of one's own, by the names of their files."""
    (home / "config.yaml").write_text(json.dumps(config))
    version = ".".join(str(part) for part in envoy_version()[:2])
    where = ["--config", str(home / "config.yaml"), "--out", str(home / "out"), "--envoy-version", version]
    subprocess.run([COMMAND, "render", "envoy", "--role", "inline", *where], check=True, capture_output=True)
    return {path.stem: yaml.safe_load(path.read_text()) for path in (home / "out" / "include").glob("*.yaml")}


@pytest.fixture(scope="module")
def provider() -> Iterator[Scripted]:
    with Scripted() as room:
        yield room


@pytest.fixture(scope="module")
def log() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory() as home:
        yield pathlib.Path(home) / "access.log"


@pytest.fixture(scope="module")
def envoy(provider: Scripted, log: pathlib.Path) -> Iterator[Envoy]:
    """A listener that has its own route to a provider, with Dragoman's filter in front of the router."""
    config = {"model_list": MODELS, "general_settings": {"max_request_size_mb": 1}, "dragoman": {"dry_run": True, "access_log": {"file": str(log)}}}
    with contextlib.ExitStack() as stack:
        home = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        parts = _rendered(config, home)
        filters = [one for one in parts["http_filter"] if "wasm" in one["name"]]
        own = envoys.cluster("own", int(provider.base.rsplit(":", 1)[1]))
        bootstrap = envoys.bootstrap(filters, [own], **parts["observe"], stats=parts["stats_config"])
        yield stack.enter_context(Envoy(bootstrap, {"KEY_OF_T": "sk-of-the-target"}))


@pytest.fixture
def room(provider: Scripted) -> Scripted:
    provider.clear()
    return provider


def post(envoy: Envoy, body: bytes, path: str = "/v1/chat/completions?a=b", **headers: str) -> httpx.Response:
    headers = {"authorization": "Bearer sk-of-the-client", "content-type": "application/json", "x-own": "1", **headers}
    return HTTP.post(envoy.base_url.removesuffix("/v1") + path, content=body, headers=headers, timeout=30)


def counted(envoy: Envoy, **labels: str) -> float:
    return envoy.total("dragoman_dry_run_requests", **labels)


def test_what_would_have_gone_well_passes_and_is_measured(envoy, room, log):
    before, tokens = counted(envoy, dragoman_class="ok"), envoy.total("dragoman_dry_run_tokens")
    cost, lines = envoy.total("dragoman_dry_run_cost_nanodollars"), len(_lines(log))
    room.then(GOOD)
    reply = post(envoy, ODD)
    assert reply.content == GOOD.steps[0]
    assert not any(name.startswith(("x-litellm", "x-dragoman")) for name in reply.headers)
    asked = room.last
    assert asked.body == ODD and asked.target == "/v1/chat/completions?a=b"
    assert asked.header("authorization") == "Bearer sk-of-the-client" and asked.header("x-own") == "1"
    assert not any("dragoman" in name for name in asked.names())
    envoy.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class="ok")
    assert counted(envoy, dragoman_route="m", dragoman_provider="openai", dragoman_model="t0") >= 1
    assert envoy.total("dragoman_dry_run_tokens") == tokens + 5
    # Three tokens in and two out, at a thousand and two thousand nanodollars.
    assert envoy.total("dragoman_dry_run_cost_nanodollars") == cost + 7000
    assert not envoy.samples("dragoman_requests") and not envoy.samples("dragoman_tokens")
    line = _wait_for_lines(log, lines + 1)[-1]
    assert line["dragoman.dry_run"] == "ok" and line["dragoman.route"] == "m"
    assert line["gen_ai.usage.input_tokens"] == 3 and "sk-of" not in json.dumps(line)


def test_a_stream_passes_byte_for_byte(envoy, room):
    before, tokens = counted(envoy), envoy.total("dragoman_dry_run_tokens")
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}}\n\n'
    steps = (*GOOD_STREAM.steps[:2], usage, *GOOD_STREAM.steps[2:])
    room.then(type(GOOD_STREAM)(200, GOOD_STREAM.headers, steps))
    reply = post(envoy, b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}')
    assert reply.content == b"".join(steps)
    envoy.wait_for_total("dragoman_dry_run_requests", before + 1)
    assert envoy.total("dragoman_dry_run_tokens") == tokens + 10


@pytest.mark.parametrize(
    ("body", "label"),
    [
        (b'{"model":"who","messages":[{"role":"user","content":"Hi"}]}', "not_found"),
        (b'{"model":"m",', "invalid_request"),
        (b"", "invalid_request"),
        (b'{"model":"claude","n":2,"messages":[{"role":"user","content":"Hi"}]}', "unsupported_parameter"),
        (b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 1_100_000 + b'"}]}', "too_large"),
    ],
    ids=["unknown model", "no JSON", "no body", "untranslatable", "too large"],
)
def test_what_would_have_been_refused_passes_all_the_same(envoy, room, log, body, label):
    before, lines = counted(envoy, dragoman_class=label), len(_lines(log))
    answer = json_reply({"its": "own"})
    room.then(answer)
    reply = post(envoy, body)
    assert (reply.status_code, reply.content) == (200, answer.steps[0])
    assert room.last.body == body
    envoy.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class=label)
    assert _wait_for_lines(log, lines + 1)[-1]["dragoman.dry_run"] == label


def test_a_providers_error_and_what_is_none_of_ours_pass(envoy, room):
    before = counted(envoy)
    for path, status, body in (("/v1/chat/completions", 429, b"<slow down>"), ("/own/page", 200, b"own")):
        room.then(body_reply(body, "text/html", status))
        reply = post(envoy, ODD, path)
        assert (reply.status_code, reply.content, room.last.target) == (status, body, path)
    envoy.wait_for_total("dragoman_dry_run_requests", before + 1)


def test_no_role_but_inline_has_dry_runs(tmp_path):
    (tmp_path / "config.yaml").write_text(json.dumps({"model_list": MODELS, "dragoman": {"dry_run": True}}))
    done = subprocess.run([COMMAND, "render", "envoy", "--config", str(tmp_path / "config.yaml")], capture_output=True, text=True)
    assert done.returncode != 0 and "dry_run" in done.stderr and "--role inline" in done.stderr


def _lines(log: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _wait_for_lines(log: pathlib.Path, count: int) -> list[dict[str, Any]]:
    import time

    end = time.monotonic() + 20
    while len(lines := _lines(log)) < count:
        assert time.monotonic() < end, f"{len(lines)} lines, not {count}"
        time.sleep(0.05)
    return lines
