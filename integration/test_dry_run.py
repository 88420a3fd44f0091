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
from conftest import MASTER_KEY
from gateway import COMMAND, HTTP, Dragoman, Envoy, Process, envoy_version
from standins.scripted import Scripted, body_reply, json_reply
from test_course import GOOD, GOOD_STREAM, entry, rooms, stands  # noqa: F401

MODELS = [
    entry("m", "openai/t0", "http://127.0.0.1:1/v1", api_key="os.environ/KEY_OF_T", input_cost_per_token=1e-6, output_cost_per_token=2e-6),
    entry("claude", "anthropic/c", "http://127.0.0.1:1", api_key="os.environ/KEY_OF_T"),
]
ODD = b'{ "model" : "m",\n "messages":[{"role":"user","content":"Hi"}] , "temperature":1.0 }'


ENV = {"KEY_OF_T": "sk-of-the-target", "MASTER_KEY": MASTER_KEY}
GUARDED = {"master_key": "os.environ/MASTER_KEY", "max_request_size_mb": 1}


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


@contextlib.contextmanager
def _before_own_route(config: dict[str, Any], provider: Scripted, others: Scripted | None = None) -> Iterator[Envoy]:
    """A listener that has its own route to a provider, and one to another for what the filter names a cluster for, with
    Dragoman's filter in front of the router."""
    with tempfile.TemporaryDirectory() as home:
        parts = _rendered(config, pathlib.Path(home))
        filters = [one for one in parts["http_filter"] if "wasm" in one["name"]]
        clusters = [envoys.cluster(name, int(room.base.rsplit(":", 1)[1])) for name, room in (("own", provider), ("others", others)) if room]
        bootstrap = envoys.bootstrap(filters, clusters, **parts.get("observe", {}), stats=parts["stats_config"])
        manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        named = {"prefix": "/", "headers": [{"name": "x-dragoman-cluster", "present_match": True}]}
        if others:
            manager["route_config"]["virtual_hosts"][0]["routes"].insert(0, {"match": named, "route": {"cluster": "others"}})
        with Envoy(bootstrap, ENV) as running:
            yield running


@pytest.fixture(scope="module")
def envoy(provider: Scripted, log: pathlib.Path) -> Iterator[Envoy]:
    config = {"model_list": MODELS, "general_settings": {"max_request_size_mb": 1}, "dragoman": {"dry_run": True, "access_log": {"file": str(log)}}}
    with _before_own_route(config, provider) as running:
        yield running


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


def test_the_key_of_a_client_is_not_judged(guarded_inline, room):
    """A client that shows the provider's own key today is measured like one that shows ours already."""
    for key in ("sk-of-the-client", MASTER_KEY):
        before = counted(guarded_inline, dragoman_class="ok", dragoman_route="m")
        tokens = guarded_inline.total("dragoman_dry_run_tokens")
        room.then(GOOD)
        assert post(guarded_inline, ODD, authorization=f"Bearer {key}").content == GOOD.steps[0]
        guarded_inline.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class="ok", dragoman_route="m")
        assert guarded_inline.total("dragoman_dry_run_tokens") == tokens + 5


def test_inline_a_list_says_which_models_have_dry_runs(inline_with_list, stands):
    """What is not listed is translated, and asks for our key."""
    stands["a"].then(GOOD)
    headers = {"authorization": "Bearer sk-of-the-client"}
    assert post(inline_with_list, ODD, **headers).content == GOOD.steps[0]
    assert stands["a"].last.body == ODD and stands["a"].last.header("authorization") == "Bearer sk-of-the-client"
    inline_with_list.wait_for_total("dragoman_dry_run_requests", 1, dragoman_route="m", dragoman_class="ok")
    _is_translated(inline_with_list, stands)


def _models(rooms: dict[str, Scripted]) -> list[dict[str, Any]]:
    """The first target of all is no dry run's where models are listed."""
    claude = entry("claude", "anthropic/c", rooms["b"].base, api_key="os.environ/KEY_OF_T")
    keyed = {"api_key": "os.environ/KEY_OF_T", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    return [claude, entry("m", "openai/t0", rooms["a"].base + "/deep/v1", **keyed)]


@pytest.fixture(scope="module")
def guarded_inline(provider: Scripted) -> Iterator[Envoy]:
    with _before_own_route({"model_list": MODELS, "general_settings": GUARDED, "dragoman": {"dry_run": True}}, provider) as running:
        yield running


@pytest.fixture(scope="module")
def inline_with_list(rooms: dict[str, Scripted]) -> Iterator[Envoy]:
    config = {"model_list": _models(rooms), "general_settings": GUARDED, "dragoman": {"dry_run": ["m"]}, "litellm_settings": {"num_retries": 0}}
    # Its own routes send what the filter gives no cluster to the target `m`.
    with _before_own_route(config, rooms["a"], others=rooms["b"]) as running:
        yield running


@pytest.fixture(scope="module")
def roles(rooms: dict[str, Scripted], log: pathlib.Path) -> Iterator[Dragoman]:
    where = log.with_name("roles.log")
    config = {"model_list": _models(rooms), "general_settings": GUARDED, "dragoman": {"dry_run": True, "access_log": {"file": str(where)}}}
    with Dragoman(config, ENV) as running:
        running.lines = where
        yield running


@pytest.fixture(scope="module")
def roles_with_list(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:
    config = {"model_list": _models(rooms), "general_settings": GUARDED, "dragoman": {"dry_run": ["m"]}, "litellm_settings": {"num_retries": 0}}
    with Dragoman(config, ENV) as running:
        yield running


def test_roles_send_on_unchanged_to_the_target_that_would_be_asked(roles, stands):
    before, lines = counted(roles, dragoman_class="ok", dragoman_route="m"), len(_lines(roles.lines))
    tokens, cost = roles.total("dragoman_dry_run_tokens"), roles.total("dragoman_dry_run_cost_nanodollars")
    answer = body_reply(GOOD.steps[0], "application/json", 200, [("x-theirs", "1"), ("set-cookie", "a=b")])
    stands["a"].then(answer)
    reply = post(roles, ODD, cookie="c=1")
    assert (reply.status_code, reply.content) == (200, GOOD.steps[0])
    assert (reply.headers["x-theirs"], reply.headers["set-cookie"]) == ("1", "a=b")
    assert not any(name.startswith(("x-litellm", "x-dragoman")) for name in reply.headers)
    asked = stands["a"].last
    assert (asked.method, asked.target, asked.body) == ("POST", "/v1/chat/completions?a=b", ODD)
    assert asked.header("host") == stands["a"].base.removeprefix("http://")
    assert [asked.header(name) for name in ("authorization", "x-own", "cookie", "content-type")] == ["Bearer sk-of-the-client", "1", "c=1", "application/json"]
    assert not any("dragoman" in name for name in asked.names()) and "sk-of-the-target" not in asked.everything()
    roles.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class="ok", dragoman_route="m", dragoman_provider="openai", dragoman_model="t0")
    assert roles.total("dragoman_dry_run_tokens") == tokens + 5
    assert roles.total("dragoman_dry_run_cost_nanodollars") == cost + 7000
    assert not roles.samples("dragoman_requests") and not roles.samples("dragoman_tokens")
    line = _wait_for_lines(roles.lines, lines + 1)[-1]
    assert (line["dragoman.dry_run"], line["dragoman.route"], line["gen_ai.usage.input_tokens"]) == ("ok", "m", 3)


def test_of_a_list_of_models_the_first_would_be_asked(roles, stands):
    before = counted(roles, dragoman_class="ok", dragoman_route="m")
    stands["a"].then(GOOD)
    several = b'{"model": ["m", "claude"], "messages":[{"role":"user","content":"Hi"}]}'
    assert post(roles, several).content == GOOD.steps[0]
    assert stands["a"].last.body == several
    roles.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class="ok", dragoman_route="m")


def test_roles_pass_a_stream_byte_for_byte(roles, stands):
    before, tokens = counted(roles), roles.total("dragoman_dry_run_tokens")
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":4,"completion_tokens":6,"total_tokens":10}}\n\n'
    steps = (*GOOD_STREAM.steps[:2], usage, *GOOD_STREAM.steps[2:])
    stands["a"].then(type(GOOD_STREAM)(200, GOOD_STREAM.headers, steps))
    assert post(roles, b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}').content == b"".join(steps)
    roles.wait_for_total("dragoman_dry_run_requests", before + 1)
    assert roles.total("dragoman_dry_run_tokens") == tokens + 10


@pytest.mark.parametrize("place", ["authorization", "api-key", "x-litellm-api-key", "query"])
def test_our_own_key_stays_and_the_targets_takes_its_place(roles, stands, place):
    stands["a"].then(GOOD)
    path, headers = "/v1/chat/completions", {"content-type": "application/json"}
    if place == "query":
        path += f"?key={MASTER_KEY}&a=b"
    else:
        headers[place] = f"Bearer {MASTER_KEY}" if place == "authorization" else MASTER_KEY
    assert HTTP.post(roles.base_url + path, content=ODD, headers=headers, timeout=30).content == GOOD.steps[0]
    asked = stands["a"].last
    assert asked.header("authorization") == "Bearer sk-of-the-target"
    assert MASTER_KEY not in asked.everything() and asked.body == ODD
    assert asked.target == ("/v1/chat/completions?a=b" if place == "query" else path)


def test_the_targets_key_is_for_nobody_else(roles, stands):
    for headers in ({}, {"authorization": "Bearer " + MASTER_KEY[:-1]}, {"x-api-key": "k", "x-other": MASTER_KEY}):
        stands["a"].then(GOOD)
        HTTP.post(roles.base_url + "/v1/chat/completions", content=ODD, headers=headers, timeout=30).raise_for_status()
        asked = stands["a"].last
        assert "sk-of-the-target" not in asked.everything()
        assert asked.header("authorization") == headers.get("authorization") and asked.header("x-api-key") == headers.get("x-api-key")


@pytest.mark.parametrize(
    ("body", "label", "room"),
    [
        (b'{"model":"who","messages":[{"role":"user","content":"Hi"}]}', "not_found", "b"),
        (b'{"model":"m",', "invalid_request", "b"),
        (b"", "invalid_request", "b"),
        (b'{"model":"m"}', "invalid_request", "a"),
        (b'{"model":"claude","n":2,"messages":[{"role":"user","content":"Hi"}]}', "unsupported_parameter", "b"),
        (b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 1_100_000 + b'"}]}', "too_large", "b"),
    ],
    ids=["unknown model", "no JSON", "no body", "no messages", "untranslatable", "too large"],
)
def test_roles_send_on_what_would_have_been_refused(roles, stands, body, label, room):
    before = counted(roles, dragoman_class=label)
    stands[room].then(json_reply({"its": "own"}, 418))
    reply = post(roles, body)
    assert (reply.status_code, reply.json(), stands[room].last.body) == (418, {"its": "own"}, body)
    roles.wait_for_total("dragoman_dry_run_requests", before + 1, dragoman_class=label)


FORM = b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("method", "path", "body", "room"),
    [
        ("POST", "/v1/images/generations", b'{ "model":"m", "prompt":"a cat"}', "a"),
        ("POST", "/v1/audio/transcriptions", FORM, "a"),
        ("POST", "/v1/files", b"x" * 2_000_000, "a"),
        ("GET", "/v1/models", b"", "b"),
        ("DELETE", "/own/page?x=1", b"", "b"),
    ],
    ids=["picture", "form", "file", "models", "own"],
)
def test_roles_send_on_what_passes_anyway_and_what_is_none_of_ours(roles, stands, method, path, body, room):
    stands[room].then(body_reply(b"own", "text/plain"))
    headers = {"content-type": "multipart/form-data; boundary=b" if body == FORM else "application/json", "authorization": "Bearer sk-x"}
    reply = HTTP.request(method, roles.base_url + path, content=body, headers=headers, timeout=30)
    asked = stands[room].last
    assert (reply.content, asked.method, asked.target, asked.body) == (b"own", method, path, body)
    assert asked.header("authorization") == "Bearer sk-x"


def test_the_gateway_still_tells_of_its_own_health(roles):
    assert HTTP.get(roles.base_url + "/health/liveliness", timeout=30).json() == "I'm alive!"


def test_roles_have_dry_runs_of_the_models_that_are_listed(roles_with_list, stands):
    stands["a"].then(GOOD, body_reply(b"picture", "text/plain"), body_reply(b"text", "text/plain"))
    assert post(roles_with_list, ODD).content == GOOD.steps[0]
    asked = stands["a"].last
    assert (asked.body, asked.target, asked.header("authorization")) == (ODD, "/v1/chat/completions?a=b", "Bearer sk-of-the-client")
    roles_with_list.wait_for_total("dragoman_dry_run_requests", 1, dragoman_route="m", dragoman_class="ok")
    picture = b'{ "model":"m"}'
    assert post(roles_with_list, picture, "/v1/images/generations").content == b"picture"
    assert (stands["a"].last.body, stands["a"].last.target) == (picture, "/v1/images/generations")
    assert post(roles_with_list, FORM, "/v1/audio/transcriptions", **{"content-type": "multipart/form-data; boundary=b"}).content == b"text"
    assert (stands["a"].last.body, stands["a"].last.target) == (FORM, "/v1/audio/transcriptions")
    _is_translated(roles_with_list, stands)
    assert HTTP.get(roles_with_list.base_url + "/v1/models", timeout=30).status_code == 401


def test_where_some_are_listed_the_rest_is_tried_again(rooms, stands):
    models = [*_models(rooms)[1:], entry("two", "openai/x", rooms["b"], order=1), entry("two", "openai/y", rooms["a"], order=2)]
    with Dragoman({"model_list": models, "dragoman": {"dry_run": ["m"]}, "litellm_settings": {"num_retries": 1}}, ENV) as running:
        stands["b"].then(json_reply({}, 500))
        stands["a"].then(GOOD)
        reply = post(running, b'{"model":"two","messages":[{"role":"user","content":"Hi"}]}')
        assert (reply.status_code, reply.headers["x-litellm-attempted-retries"]) == (200, "1")
        assert (stands["b"].last.json["model"], stands["a"].last.json["model"]) == ("x", "y")


def _is_translated(running: Process, stands: dict[str, Scripted]) -> None:
    """Who asks for `claude`, which is not listed, shows our key and is answered in OpenAI's words; others are refused."""
    asking = b'{"model":"claude","messages":[{"role":"user","content":"Hi"}]}'
    counted_before = counted(running)
    stands["b"].then(json_reply({"id": "1", "model": "c", "role": "assistant", "content": [{"type": "text", "text": "Ho"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
    reply = post(running, asking, authorization=f"Bearer {MASTER_KEY}")
    assert reply.json()["choices"][0]["message"]["content"] == "Ho", reply.text
    asked = stands["b"].last
    assert (asked.path, asked.header("x-api-key"), asked.header("authorization")) == ("/v1/messages", "sk-of-the-target", None)
    running.wait_for_total("dragoman_requests", 1, dragoman_route="claude")
    assert counted(running) == counted_before
    assert post(running, asking).status_code == 401
    assert post(running, asking.replace(b"claude", b"who"), authorization=f"Bearer {MASTER_KEY}").status_code == 404
    assert post(running, b"{", authorization=f"Bearer {MASTER_KEY}").status_code == 400
    assert post(running, b"", authorization=f"Bearer {MASTER_KEY}").status_code == 400
    assert post(running, b'{"model":"m","x":"' + b"x" * 1_100_000 + b'"}', authorization=f"Bearer {MASTER_KEY}").status_code == 413


def _lines(log: pathlib.Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _wait_for_lines(log: pathlib.Path, count: int) -> list[dict[str, Any]]:
    import time

    end = time.monotonic() + 20
    while len(lines := _lines(log)) < count:
        assert time.monotonic() < end, f"{len(lines)} lines, not {count}"
        time.sleep(0.05)
    return lines
