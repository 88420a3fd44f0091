"""Requests that pass, and what becomes of them when a target fails: the next is asked where the request is still here, who
fails is left alone, and what a provider says of its failure is the provider's to say."""

from __future__ import annotations

import collections
from typing import Any

import httpx
import pytest
from checks import assert_openai_error
from conftest import SHAPES, start
from conftest import entry as keyed
from gateway import HTTP, Dragoman, envoy_version
from standins.scripted import CLOSE, RESET, Reply, Scripted, Until, body_reply, json_reply, raw_reply
from test_course import HOLDS, POLICY, SILENT, asked, counts, entry, failure, rooms, run, stands  # noqa: F401

PICTURE = {"created": 1, "data": [{"b64_json": "QQ=="}], "usage": {"input_tokens": 4, "output_tokens": 3, "total_tokens": 7}}
GOOD = json_reply(PICTURE)


def order(running: Dragoman, model: str = "m", path: str = "/v1/images/generations", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    return HTTP.post(running.base_url + path, json={"model": model, "prompt": "a cat", **body}, headers=headers, timeout=30)


@pytest.fixture(scope="module")
def pair(rooms: dict[str, Scripted]):  # noqa: F811
    """Two targets of `m` in their order, and a model of Azure's that stands in for it."""
    models = [entry("m", f"openai/t{place}", rooms[room], order=place, timeout=1) for place, room in enumerate("ab")]
    azure = {"model": "azure/pictures", "api_base": rooms["c"].base, "api_key": "sk-azure", "api_version": "2025-04-01-preview"}
    chat = entry("chat", "anthropic/claude", rooms["c"])
    router = {"fallbacks": [{"m": ["chat", "other"]}], "content_policy_fallbacks": [{"m": ["other"]}], "num_retries": 1}
    with run([*models, chat, {"model_name": "other", "litellm_params": azure}], router) as running:
        yield running


FAILURES = {"429": failure(429), "500": failure(500), "503 without a body": Reply(503, (("content-length", "0"),), (), "length"), "a reset": raw_reply(RESET), "a close": raw_reply(CLOSE), "silence": SILENT}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/audio/speech", "/v1/moderations", "/v1/rerank"])
def test_the_next_target_is_asked(pair, stands, path, name):  # noqa: F811
    stands["a"].then(FAILURES[name])
    stands["b"].then(body_reply(b"\0" * 70_000, "audio/mpeg") if path == "/v1/audio/speech" else GOOD)
    before = pair.total("dragoman_tokens", dragoman_route="m")
    reply = order(pair, path=path, num_retries=1, own=[1])
    assert (reply.status_code, asked(stands), counts(reply)) == (200, "ab", ("1", "0")), reply.text
    for place, room in enumerate("ab"):
        sent = stands[room].last
        assert (sent.target, sent.header("authorization")) == (path, f"Bearer sk-t{place}")
        assert sent.json == {"model": f"t{place}", "prompt": "a cat", "own": [1]}
        assert not [header for header in sent.names() if header.startswith(("x-dragoman", "x-envoy", "x-litellm"))]
    if path == "/v1/audio/speech":
        assert reply.content == b"\0" * 70_000
    else:
        assert reply.json() == PICTURE
        pair.wait_for_total("dragoman_tokens", before + 7, dragoman_route="m")


def test_another_model_stands_in_and_has_paths_of_its_own(pair, stands):  # noqa: F811
    """One that has no such endpoint at all is passed over."""
    stands["a"].then(failure(500))
    stands["b"].then(failure(401))
    stands["c"].then(GOOD)
    reply = order(pair)
    assert (reply.status_code, asked(stands), counts(reply)) == (200, "abc", ("1", "2")), reply.text
    sent = stands["c"].last
    assert sent.target == "/openai/deployments/pictures/images/generations?api-version=2025-04-01-preview"
    assert (sent.json["model"], sent.header("api-key"), sent.header("authorization")) == ("pictures", "sk-azure", None)


@pytest.mark.skipif(not HOLDS, reason="a held head can't be turned")
def test_a_policy_has_models_of_its_own(pair, stands):  # noqa: F811
    stands["a"].then(POLICY)
    stands["c"].then(GOOD)
    assert (order(pair).status_code, asked(stands)) == (200, "ac")


def test_the_last_failure_passes_in_its_providers_words(pair, stands):  # noqa: F811
    words = {"error": {"message": "No.", "type": "own", "more": ["x"] * 20_000}}
    stands["a"].then(failure(500))
    stands["b"].then(failure(503))
    stands["c"].then(failure(500), json_reply(words, 529, [("x-own", "1")]))
    reply = order(pair)
    assert (reply.status_code, asked(stands), counts(reply)) == (529, "abcc", ("2", "2"))
    assert (reply.json(), reply.headers["x-own"]) == (words, "1")
    stands["a"].then(body_reply(b"<p>no</p>", "text/html", 400))
    reply = order(pair, disable_fallbacks=True)
    assert (reply.status_code, reply.text, reply.headers["content-type"]) == (400, "<p>no</p>", "text/html")


def test_what_nobody_has_said_is_said_in_openais_words(pair, stands):  # noqa: F811
    for room in stands.values():
        room.then(SILENT)
    error = assert_openai_error(order(pair, timeout=0.5), 504)
    assert error["message"] == "The provider didn't answer within 500 ms. (3 attempts have failed.)"
    stands["a"].then(raw_reply(RESET))
    error = assert_openai_error(order(pair, num_retries=0, disable_fallbacks=True), 503)
    assert (error["code"], error["message"]) == ("connection_error", "The provider can't be reached, or broke the connection off before it answered.")
    assert order(pair, num_retries="x").status_code == 400


def test_the_same_target_is_asked_again_after_a_while(stands):  # noqa: F811
    with run([entry("m", "openai/t", stands["a"])], {"num_retries": 2}) as running:
        stands["a"].then(failure(503), raw_reply(RESET), GOOD)
        reply = order(running)
        assert (reply.status_code, asked(stands), counts(reply)) == (200, "aaa", ("2", "0")), reply.text
        assert {request.everything().count("sk-t") for request in stands["a"].requests} == {1}
        assert {(request.target, request.json["model"]) for request in stands["a"].requests} == {("/v1/images/generations", "t")}
        running.wait_for_total("dragoman_requests", 1)
        assert running.total("dragoman_attempts") in (0, 3)


def test_nobody_else_begins_a_request_anew(pair, stands):  # noqa: F811
    theirs = [("x-dragoman-again", "0" * 32), ("x-dragoman-wait", "1"), ("x-dragoman-cluster", "x"), ("location", "http://127.0.0.1:1/")]
    for status in (307, 302):
        for room in stands.values():
            room.clear()
        stands["a"].then(json_reply({}, status, theirs))
        stands["b"].then(json_reply(PICTURE, 200, theirs[:3]))
        reply = order(pair)
        assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
        assert not [name for name in reply.headers if "dragoman" in name]
    stands["a"].then(json_reply({}, 307, theirs))
    reply = order(pair, num_retries=0, disable_fallbacks=True)
    assert (reply.status_code, "location" in reply.headers) == (502, False)


def test_requests_begin_anew_side_by_side(stands):  # noqa: F811
    import threading

    with run([entry("m", f"openai/t{place}", stands[room], order=place) for place, room in enumerate("ab")], {"num_retries": 1}) as running:
        stands["a"].then(*[failure(500)] * 30)
        stands["b"].then(*[GOOD] * 30)
        statuses: list[int] = []
        threads = [threading.Thread(target=lambda size=size: statuses.append(order(running, prompt="x" * size * 1000).status_code)) for size in range(30)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert statuses == [200] * 30
        assert sorted(len(request.json["prompt"]) for request in stands["b"].requests) == [size * 1000 for size in range(30)]


WHICH = {
    "a body": ("POST", "/v1/images/generations", {"json": {"model": "m"}}),
    "a form": ("POST", "/v1/audio/transcriptions", {"files": {"file": b"abc"}, "data": {"model": "m"}}),
    "a provider's path": ("POST", "/openai/v1/models/m/x", {"content": b"{}"}),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("what", WHICH)
def test_all_targets_are_used_but_those_that_fail(stands, what, shape):  # noqa: F811
    method, path, options = WHICH[what]
    models = [keyed("m", "openai/m", stands[room].base + "/v1", weight=weight) for room, weight in (("a", 1), ("b", 1), ("c", 0))]
    for made, name in zip(models, "abc", strict=True):
        made["model_info"] = {"id": name}
    config = {"model_list": models, "router_settings": {"allowed_fails": 0, "cooldown_time": 60}, "litellm_settings": {"num_retries": 0}}
    with start(shape, config) as running:

        def ask() -> int:
            return HTTP.request(method, running.base_url + path, timeout=30, **options).status_code

        for room in stands.values():
            room.then(*[GOOD] * 40)
        assert {ask() for _ in range(40)} == {200}
        tally = collections.Counter(asked(stands))
        assert set(tally) == {"a", "b"} and min(tally.values()) >= 5
        for room in stands.values():
            room.clear()
            room.then(*[GOOD] * 60)
        stands["a"].clear()
        stands["a"].then(failure(429))
        while not stands["a"].requests:
            ask()
        running.wait_for_total("dragoman_cooldown", 1, dragoman_target="a")
        stands["b"].clear()
        stands["b"].then(*[GOOD] * 15)
        assert {ask() for _ in range(15)} == {200}
        assert asked(stands) == "a" + "b" * 15


def test_what_one_target_keeps_is_asked_of_that_one(stands):  # noqa: F811
    models = [entry("m", f"openai/m{room}", stands[room]) for room in "abc"]
    with run(models) as running:
        stands["a"].then(*[json_reply({"object": "list", "data": []})] * 12)
        for path in ("/v1/files", "/v1/batches/batch_1", "/openai/v1/vector_stores"):
            for headers in ({}, {"x-dragoman-model": "m"}):
                for _ in range(2):
                    assert HTTP.get(running.base_url + path, headers=headers, timeout=30).status_code == 200
        assert asked(stands) == "a" * 12
        # What is not there is nobody's failure.
        stands["a"].then(*[failure(404)] * 3, json_reply({"id": "file-1"}))
        assert [HTTP.get(running.base_url + "/v1/files/x", timeout=30).status_code for _ in range(4)] == [404, 404, 404, 200]


def test_tags_say_who_may_use_a_target(stands):  # noqa: F811
    models = [entry("m", f"openai/m{room}", stands[room], tags=[room]) for room in "ab"]
    with run(models, {"enable_tag_filtering": True}) as running:
        stands["b"].then(*[GOOD] * 6)
        for _ in range(2):
            assert order(running, headers={"x-litellm-tags": "b"}).status_code == 200
            assert order(running, tags=["b"]).status_code == 200
            assert HTTP.get(running.base_url + "/v1/files", headers={"x-litellm-tags": "b"}, timeout=30).status_code == 200
        assert asked(stands) == "bbbbbb"
        assert all(b"tags" not in request.body for request in stands["b"].requests)
        assert_openai_error(order(running, tags=["c"]), 401)
        assert_openai_error(HTTP.get(running.base_url + "/v1/files", headers={"x-litellm-tags": "c"}, timeout=30), 401)


def test_least_busy(stands):  # noqa: F811
    import threading

    free = threading.Event()
    slow = Reply(200, GOOD.headers, (Until(free), *GOOD.steps), GOOD.framing)
    with run([entry("m", f"openai/m{room}", stands[room]) for room in "ab"], {"routing_strategy": "least-busy"}) as running:
        for room in "ab":
            stands[room].then(slow, *[GOOD] * 5)
        waiting = threading.Thread(target=order, args=(running,))
        waiting.start()
        while not asked(stands):
            pass
        busy = asked(stands)
        other = "b" if busy == "a" else "a"
        stands[other].clear()
        stands[other].then(*[GOOD] * 5)
        assert [order(running).status_code for _ in range(5)] == [200] * 5
        assert asked(stands) == "".join(sorted(busy + other * 5))
        free.set()
        waiting.join()


@pytest.mark.parametrize("shape", SHAPES)
def test_envoys_own_words_get_openais_form(stands, shape):  # noqa: F811
    models = [keyed("m", "openai/m", "http://127.0.0.1:1/v1"), keyed("claude", "anthropic/claude", "http://127.0.0.1:1")]
    config = {"model_list": models, "litellm_settings": {"num_retries": 0}}
    with start(shape, config) as running:
        assert_openai_error(HTTP.get(running.base_url + "/v1/files", timeout=30), 503)
        assert_openai_error(order(running), 503)
        error = HTTP.post(running.base_url + "/anthropic/v1/messages/batches", json={}, timeout=30)
        if shape == "inline":
            # Envoy itself gives its words a form there, and knows of one only.
            assert_openai_error(error, 503, 529)
            return
        assert (error.json()["type"], error.json()["error"]["type"]) == ("error", "overloaded_error")


@pytest.mark.skipif(envoy_version() < (1, 37), reason="Envoy 1.36 judges by status alone")
def test_a_large_body_is_sent_again_whole(pair, stands):  # noqa: F811
    stands["a"].then(failure(500))
    stands["b"].then(GOOD)
    reply = order(pair, prompt="x" * 20_000_000)
    assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
    assert len(stands["b"].last.json["prompt"]) == 20_000_000
