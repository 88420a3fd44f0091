"""What happens when an attempt fails: which provider answers then, and what the client is told."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from checks import COMPLETION
from gateway import HTTP, Dragoman, envoy_version
from inline import Inline
from standins.scripted import CLOSE, RESET, STALL, Reply, Scripted, Wait, json_reply, raw_reply, stream_reply

# Up to Envoy 1.36 a head that is held can't be turned: see fact 6.
HOLDS = envoy_version() >= (1, 37)

GOOD = json_reply(COMPLETION)


def event(content: str | None = None, finish: str | None = None) -> dict[str, Any]:
    delta = {} if content is None else {"content": content}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


GOOD_STREAM = stream_reply(event("Hello"), event(finish="stop"), "data: [DONE]\n\n")


def failure(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    return json_reply({"error": {"message": message, "code": code}}, status, [(name.replace("_", "-"), value) for name, value in headers.items()])


WINDOW = failure(400, "This model's maximum context length is 8 tokens.", "context_length_exceeded")
POLICY = failure(400, "The response was filtered.", "content_filter")


@pytest.fixture(scope="module")
def rooms() -> Iterator[dict[str, Scripted]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Scripted()) for name in "abc"}


@pytest.fixture
def stands(rooms: dict[str, Scripted]) -> dict[str, Scripted]:
    for room in rooms.values():
        room.clear()
    return rooms


def entry(name: str, model: str, room: Scripted | str, **params: Any) -> dict[str, Any]:
    base = room if isinstance(room, str) else room.base + ("" if model.startswith("anthropic/") else "/v1")
    return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": f"sk-{model.split('/')[-1]}", **params}}


def group(*rooms: Scripted | str, **params: Any) -> list[dict[str, Any]]:
    """Targets of the model `m`, tried in their order."""
    return [entry("m", f"openai/t{order}", room, order=order, **params) for order, room in enumerate(rooms)]


def run(models: list[dict[str, Any]], router: dict[str, Any] | None = None, **settings: Any) -> Dragoman:
    # Who has failed stays in the rotation: each test begins with the first target.
    router = {"disable_cooldowns": True, **(router or {})}
    return Dragoman({"model_list": models, "router_settings": router, "litellm_settings": settings})


def ask(running: Dragoman, model: str = "m", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **body}
    return HTTP.post(running.base_url + "/v1/chat/completions", json=body, headers=headers, timeout=30)


def counts(reply: httpx.Response) -> tuple[str | None, str | None]:
    """Retries and fallbacks, as the client is told."""
    return reply.headers.get("x-litellm-attempted-retries"), reply.headers.get("x-litellm-attempted-fallbacks")


def asked(rooms: dict[str, Scripted]) -> str:
    """Who has been asked how often."""
    return "".join(name * len(room.requests) for name, room in rooms.items())


SILENT = raw_reply(STALL)
FAILURES = {
    "a reset": raw_reply(RESET),
    "a closed connection": raw_reply(CLOSE),
    "silence": SILENT,
    "408": failure(408),
    "409": failure(409),
    "429": failure(429),
    "500": failure(500),
    "502": failure(502),
    "503": failure(503),
    "504": failure(504),
    "529": failure(529),
    "an empty 503": Reply(503, (("content-length", "0"),), (), "length"),
}
HELD = {
    "a body that ends early": Reply(200, (("content-type", "application/json"),), (b'{"id":', CLOSE)),
    "a body that stalls": Reply(200, (("content-type", "application/json"),), (b'{"id":', STALL)),
    "no JSON": json_reply("what"),
}
STREAMS = {
    "an error as its first event": stream_reply({"error": {"message": "Overloaded", "type": "overloaded_error"}}),
    "an end before the first token": stream_reply(),
    "a reset before the first token": stream_reply(": hm\n\n", RESET),
    "silence before the first token": stream_reply(": hm\n\n", STALL),
}


@pytest.fixture(scope="module")
def pair(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:
    with run(group(rooms["a"], rooms["b"], timeout=1)) as running:
        yield running


@pytest.mark.parametrize("name", [*FAILURES, *HELD])
def test_what_may_pass_is_tried_again_on_the_next_target(pair: Dragoman, stands: dict[str, Scripted], name: str) -> None:
    if name == "no JSON" and not HOLDS:
        pytest.skip("a held head can't be turned")
    stands["a"].then({**FAILURES, **HELD}[name])
    stands["b"].then(GOOD)
    reply = ask(pair)
    assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
    assert reply.json()["choices"][0]["message"]["content"] == "Hello"
    assert counts(reply) == ("1", "0")
    # Each with its own credential and model.
    sent = [(room.last.header("authorization"), room.last.json["model"]) for room in (stands["a"], stands["b"])]
    assert sent == [("Bearer sk-t0", "t0"), ("Bearer sk-t1", "t1")]
    assert not [name for room in stands.values() for request in room.requests for name in request.names() if "dragoman" in name or "envoy" in name]


@pytest.mark.parametrize("name", [*FAILURES, *STREAMS])
def test_so_is_a_stream_that_fails_before_its_first_token(pair: Dragoman, stands: dict[str, Scripted], name: str) -> None:
    if name in ("an error as its first event", "an end before the first token") and not HOLDS:
        pytest.skip("a held head can't be turned")
    if name in STREAMS and not HOLDS:
        pytest.skip("heads of streams are not held")
    stands["a"].then({**FAILURES, **STREAMS}[name])
    stands["b"].then(GOOD_STREAM)
    reply = ask(pair, stream=True)
    assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
    assert reply.text.count('"content":"Hello"') + reply.text.count('"content": "Hello"') == 1
    assert reply.text.endswith("data: [DONE]\n\n")
    assert "error" not in reply.text


def test_so_is_a_target_that_cannot_be_reached(stands: dict[str, Scripted]) -> None:
    with run(group("http://127.0.0.1:1/v1", "http://nobody.invalid/v1", stands["b"])) as running:
        stands["b"].then(GOOD)
        reply = ask(running)
        assert (reply.status_code, counts(reply)) == (200, ("2", "0")), reply.text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_other_refusals_are_final(pair: Dragoman, stands: dict[str, Scripted], status: int) -> None:
    stands["a"].then(failure(status, "no, and that's that"))
    reply = ask(pair)
    assert (reply.status_code, asked(stands)) == (status, "a")
    assert reply.json()["error"]["message"] == "no, and that's that"
    assert counts(reply) == ("0", "0")


@pytest.mark.parametrize("end", [RESET, CLOSE])
def test_nothing_is_tried_again_after_the_first_token(pair: Dragoman, stands: dict[str, Scripted], end: Any) -> None:
    stands["a"].then(stream_reply(event("Hel"), Wait(0.05), end))
    said = b""
    with contextlib.suppress(httpx.RemoteProtocolError), HTTP.stream("POST", pair.base_url + "/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}, timeout=30) as reply:
        for piece in reply.iter_bytes():
            said += piece
    assert b"Hel" in said
    assert asked(stands) == "a"


def test_all_targets_fail(pair: Dragoman, stands: dict[str, Scripted]) -> None:
    stands["a"].then(failure(500, "first"), failure(503, "third"))
    stands["b"].then(failure(500, "second"))
    reply = ask(pair)
    assert asked(stands) == "aab"
    assert (reply.status_code, counts(reply)) == (503, ("2", "0"))
    error = reply.json()["error"]
    assert error["message"] == "third. (3 attempts have failed.)"
    assert error["type"] == "server_error"


def test_all_targets_are_silent(pair: Dragoman, stands: dict[str, Scripted]) -> None:
    stands["a"].then(SILENT)
    stands["b"].then(SILENT)
    reply = ask(pair, num_retries=1)
    assert (reply.status_code, asked(stands)) == (504, "ab"), reply.text
    error = reply.json()["error"]
    assert error["message"] == "The provider didn't answer within 1000 ms. (2 attempts have failed.)"
    assert error["type"] == "timeout_error"


def test_a_large_body_is_sent_again_whole(pair: Dragoman, stands: dict[str, Scripted]) -> None:
    content = "x" * 20_000_000
    stands["a"].then(failure(500))
    stands["b"].then(GOOD)
    reply = ask(pair, messages=[{"role": "user", "content": content}])
    assert (reply.status_code, asked(stands)) == (200, "ab")
    assert stands["b"].last.json["messages"][0]["content"] == content


class TestRetries:
    def test_a_target_that_is_alone_is_asked_again_after_a_while(self, stands: dict[str, Scripted]) -> None:
        a = stands["a"]
        with run(group(a)) as running:
            a.then(failure(500), raw_reply(RESET), GOOD)
            began = time.monotonic()
            reply = ask(running)
            assert (reply.status_code, asked(stands), counts(reply)) == (200, "aaa", ("2", "0")), reply.text
            assert 2 <= time.monotonic() - began < 6

    def test_a_providers_retry_after_is_waited_for_within_the_deadline(self, stands: dict[str, Scripted]) -> None:
        a = stands["a"]
        with run(group(a)) as running:
            a.then(failure(429, retry_after="3"), GOOD)
            began = time.monotonic()
            assert (ask(running).status_code, asked(stands)) == (200, "aa")
            assert 3 <= time.monotonic() - began < 8
            a.clear()
            a.then(failure(429, retry_after="30"))
            began = time.monotonic()
            assert (ask(running, timeout=10).status_code, asked(stands)) == (429, "a")
            assert time.monotonic() - began < 2

    def test_retry_after_is_the_least_wait(self, stands: dict[str, Scripted]) -> None:
        with run(group(stands["a"]), {"retry_after": 2, "num_retries": 1}) as running:
            stands["a"].then(failure(500), GOOD)
            began = time.monotonic()
            assert ask(running).status_code == 200
            assert 2 <= time.monotonic() - began < 6

    def test_how_often_is_the_configs_and_the_requests_to_say(self, stands: dict[str, Scripted]) -> None:
        a, b = stands["a"], stands["b"]
        with run(group(a, b, a, b, a), num_retries=1) as running:
            for headers, body, tried in [({}, {}, 2), ({}, {"num_retries": 3}, 4), ({"x-litellm-num-retries": "0"}, {"num_retries": 3}, 1), ({}, {"num_retries": 0}, 1)]:
                a.clear()
                b.clear()
                a.then(*[failure(500)] * 5)
                b.then(*[failure(500)] * 5)
                reply = ask(running, headers=headers, **body)
                assert (reply.status_code, len(asked(stands)), counts(reply)) == (500, tried, (str(tried - 1), "0"))
            assert ask(running, num_retries="two").status_code == 400

    def test_the_first_target_may_say_how_often(self, stands: dict[str, Scripted]) -> None:
        a, b = stands["a"], stands["b"]
        first = group(a, b, num_retries=3)
        # What later targets say is not asked.
        later = [{**entry, "litellm_params": {**entry["litellm_params"], "num_retries": 9, "order": 7}} for entry in group(b, a)]
        with run([*first, *later], num_retries=1) as running:
            for body, tried in [({}, 4), ({"num_retries": 0}, 1)]:
                a.clear()
                b.clear()
                a.then(*[failure(500)] * 5)
                b.then(*[failure(500)] * 5)
                reply = ask(running, **body)
                assert (reply.status_code, len(asked(stands)), counts(reply)) == (500, tried, (str(tried - 1), "0")), reply.text

    @pytest.mark.skipif(not HOLDS, reason="an inline filter's failures are final there")
    def test_so_it_may_where_envoy_itself_repeats(self, stands: dict[str, Scripted]) -> None:
        a = stands["a"]
        config = {"model_list": group(a, num_retries=1, api_key="os.environ/PROVIDER_KEY"), "router_settings": {"num_retries": 0}}
        with Inline(config, {"PROVIDER_KEY": "sk-provider"}) as running:
            for body, tried in [({}, 2), ({"num_retries": 0}, 1), ({"num_retries": 2}, 3)]:
                a.clear()
                a.then(*[failure(500)] * 5)
                assert (ask(running, **body).status_code, len(a.requests)) == (500, tried)

    @pytest.mark.parametrize(
        ("policy", "reply", "tried"),
        [
            ({"InternalServerErrorRetries": 1}, failure(500), 2),
            ({"InternalServerErrorRetries": 0}, failure(500), 1),
            ({"RateLimitErrorRetries": 3}, failure(429), 4),
            ({"TimeoutErrorRetries": 0}, SILENT, 1),
            ({"TimeoutErrorRetries": 1}, failure(408), 2),
            ({"AuthenticationErrorRetries": 1}, failure(401), 2),
            ({"BadRequestErrorRetries": 2}, failure(400), 3),
            ({"ContentPolicyViolationErrorRetries": 1}, POLICY, 2),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
    )
    @pytest.mark.parametrize("by_model", [False, True], ids=["for all", "for the model"])
    def test_by_class(self, stands: dict[str, Scripted], policy: dict[str, int], reply: Reply, tried: int, by_model: bool) -> None:
        if not HOLDS and next(iter(policy)).startswith(("BadRequest", "ContentPolicy")):
            pytest.skip("a held head can't be turned")
        router = {"model_group_retry_policy": {"m": policy}} if by_model else {"retry_policy": policy}
        with run(group(*list(stands.values()) * 2, timeout=0.5), router) as running:
            for room in stands.values():
                room.then(*[reply] * 5)
            ask(running)
            assert len(asked(stands)) == tried


def models(stands: dict[str, Scripted]) -> list[dict[str, Any]]:
    """Three models of three vendors."""
    return [entry("first", "openai/first", stands["a"]), entry("second", "anthropic/second", stands["b"]), entry("third", "mistral/third", stands["c"])]


MESSAGE = json_reply(
    {
        "id": "msg",
        "type": "message",
        "role": "assistant",
        "model": "second",
        "content": [{"type": "text", "text": "Salut"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 3, "output_tokens": 2},
    }
)


class TestFallbacks:
    @pytest.mark.parametrize("section", ["router_settings", "litellm_settings"])
    def test_models_stand_in_whoever_their_vendor_is(self, stands: dict[str, Scripted], section: str) -> None:
        settings = {"num_retries": 0, "fallbacks": [{"first": ["second", "third"]}]}
        config: dict[str, Any] = {"model_list": models(stands), "router_settings": {"disable_cooldowns": True}}
        config[section] = {**config.get(section, {}), **settings}
        with Dragoman(config) as running:
            stands["a"].then(failure(500))
            stands["b"].then(MESSAGE)
            reply = ask(running, "first")
            assert (reply.status_code, asked(stands), counts(reply)) == (200, "ab", ("0", "1")), reply.text
            assert reply.json()["choices"][0]["message"]["content"] == "Salut"
            assert (stands["b"].last.path, stands["b"].last.json["model"]) == ("/v1/messages", "second")
            assert stands["b"].last.header("authorization") is None
            assert stands["b"].last.header("x-api-key") == "sk-second"
            stands["a"].then(SILENT if section == "router_settings" else raw_reply(RESET))
            stands["b"].then(failure(401, "who?"))
            stands["c"].then(GOOD_STREAM)
            reply = ask(running, "first", stream=True, timeout=1)
            assert (reply.status_code, counts(reply)) == (200, ("0", "2")), reply.text
            assert "Hello" in reply.text
            for room in stands.values():
                room.clear()
            stands["a"].then(failure(500))
            stands["b"].then(failure(429))
            stands["c"].then(failure(503, "the last"))
            reply = ask(running, "first")
            assert (reply.status_code, asked(stands), counts(reply)) == (503, "abc", ("0", "2"))
            assert reply.json()["error"]["message"] == "the last. (3 attempts have failed.)"

    @pytest.mark.parametrize("listed", [["nobody", "first", "second", "third"], "nobody, first,second,third"], ids=["as JSON", "with commas"])
    def test_of_a_list_of_models_the_others_stand_in_for_the_first(self, stands: dict[str, Scripted], listed: Any) -> None:
        with run(models(stands), {"num_retries": 0, "fallbacks": [{"first": ["third"]}]}) as running:
            stands["a"].then(failure(500))
            stands["b"].then(MESSAGE)
            reply = ask(running, listed, fastest_response=True)
            assert (reply.status_code, asked(stands), counts(reply)) == (200, "ab", ("0", "1")), reply.text
            assert not [name for name in "ab" if "fastest_response" in stands[name].last.json]
            assert (reply.json()["choices"][0]["message"]["content"], reply.headers["x-litellm-model-group"]) == ("Salut", "second")
            assert [stands[name].last.json["model"] for name in "ab"] == ["first", "second"]
            for room in stands.values():
                room.clear()
            for name in "abc":
                stands[name].then(failure(500, f"no {name}"))
            reply = ask(running, listed)
            assert (reply.status_code, asked(stands), counts(reply)) == (500, "abc", ("0", "2")), reply.text
            assert reply.json()["error"]["message"] == "no c. (3 attempts have failed.)"
            # A list of one is that one, and the client's own fallbacks are stronger.
            for room in stands.values():
                room.clear()
            stands["a"].then(failure(500))
            stands["c"].then(GOOD_STREAM)
            reply = ask(running, ["first"], stream=True)
            assert (reply.status_code, asked(stands)) == (200, "ac"), reply.text
            assert reply.text.count("Hello") == 1
            wrong = ask(running, ["first", 7])
            assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "model"), wrong.text
            assert ask(running, ["nobody", "none"]).json()["error"]["code"] == "model_not_found"

    @pytest.mark.parametrize("failed", ["http://127.0.0.1:1/v1", "http://nobody.invalid/v1"])
    def test_a_model_that_cannot_be_reached(self, stands: dict[str, Scripted], failed: str) -> None:
        list_ = [entry("first", "openai/first", failed), *models(stands)[1:]]
        with run(list_, fallbacks=[{"first": ["third"]}], num_retries=0) as running:
            stands["c"].then(GOOD)
            reply = ask(running, "first")
            assert (reply.status_code, counts(reply)) == (200, ("0", "1")), reply.text

    def test_any_model_and_default(self, stands: dict[str, Scripted]) -> None:
        for settings in ({"fallbacks": [{"*": ["third"]}]}, {"default_fallbacks": ["third"]}):
            with run(models(stands), num_retries=0, **settings) as running:
                stands["b"].then(failure(500))
                stands["c"].then(GOOD)
                assert ask(running, "second").status_code == 200

    def test_by_class(self, stands: dict[str, Scripted]) -> None:
        if not HOLDS:
            pytest.skip("a held head can't be turned")
        router = {
            "num_retries": 0,
            "fallbacks": [{"first": ["second"]}],
            "context_window_fallbacks": [{"first": ["third"]}],
            "content_policy_fallbacks": [{"first": ["second"]}],
        }
        with run(models(stands), router) as running:
            stands["a"].then(WINDOW)
            stands["c"].then(GOOD)
            assert (ask(running, "first").status_code, asked(stands)) == (200, "ac")
            stands["a"].then(POLICY)
            stands["b"].then(MESSAGE)
            assert (ask(running, "first").status_code, asked(stands)) == (200, "aabc")

    def test_a_prompt_that_is_too_long_is_not_sent(self, stands: dict[str, Scripted]) -> None:
        small, wide = [entry("first", f"openai/t{order}", stands[name], order=order) for order, name in enumerate("ab")]
        small["model_info"], wide["model_info"] = {"max_input_tokens": 100}, {"max_input_tokens": 1000}
        router = {"enable_pre_call_checks": True, "context_window_fallbacks": [{"first": ["third"]}]}
        with run([small, wide, models(stands)[2]], router) as running:
            for length, answers in [(10, "a"), (1000, "b"), (10_000, "c")]:
                for room in stands.values():
                    room.clear()
                stands[answers].then(GOOD)
                reply = ask(running, "first", messages=[{"role": "user", "content": "x" * length}])
                assert (reply.status_code, asked(stands)) == (200, answers), reply.text
            reply = ask(running, "first", messages=[{"role": "user", "content": "x" * 10_000}], disable_fallbacks=True)
            assert (reply.status_code, reply.json()["error"]["code"]) == (400, "context_length_exceeded")

    def test_no_more_than_max_fallbacks(self, stands: dict[str, Scripted]) -> None:
        router = {"num_retries": 0, "max_fallbacks": 1, "fallbacks": [{"first": ["second", "third"]}]}
        with run(models(stands), router) as running:
            for room in stands.values():
                room.then(failure(500))
            reply = ask(running, "first")
            assert (reply.status_code, asked(stands), counts(reply)) == (500, "ab", ("0", "1"))

    def test_each_model_is_tried_as_often_as_the_first(self, stands: dict[str, Scripted]) -> None:
        list_ = [*group(stands["a"], stands["a"]), entry("n", "openai/n", stands["b"]), entry("n", "openai/o", stands["b"])]
        with run(list_, {"fallbacks": [{"m": ["n"]}], "num_retries": 1}) as running:
            stands["a"].then(failure(500), failure(500))
            stands["b"].then(failure(500), GOOD)
            reply = ask(running)
            assert (reply.status_code, asked(stands), counts(reply)) == (200, "aabb", ("2", "1"))

    def test_the_request_may_name_them_or_forbid_them(self, stands: dict[str, Scripted]) -> None:
        with run(models(stands), {"num_retries": 0, "fallbacks": [{"first": ["second"]}]}) as running:
            stands["a"].then(*[failure(500)] * 4)
            stands["c"].then(GOOD, GOOD)
            for named in (["third"], [{"model": "third", "temperature": 0}]):
                reply = ask(running, "first", fallbacks=named)
                assert (reply.status_code, counts(reply)) == (200, ("0", "1")), reply.text
                assert "fallbacks" not in stands["a"].last.json and "fallbacks" not in stands["c"].last.json
            assert stands["b"].requests == []
            reply = ask(running, "first", disable_fallbacks=True)
            assert (reply.status_code, asked(stands)) == (500, "aaacc")
            assert ask(running, "first", fallbacks="third").status_code == 400
            # Who names what isn't there gets the failure.
            said = ask(running, "first", fallbacks=["nobody"]).json()["error"]["message"]
            assert said == ("no" if HOLDS else "OpenAI answered with status 500.")


class TestTimeouts:
    def test_of_targets_and_requests(self, stands: dict[str, Scripted]) -> None:
        list_ = [
            entry("m", "openai/slow", stands["a"], order=1, timeout=0.5),
            entry("m", "openai/first", stands["b"], order=2, stream_timeout=0.5, timeout=20),
            entry("m", "openai/good", stands["c"], order=3),
        ]
        with run(list_) as running:
            stands["a"].then(SILENT, SILENT)
            stands["b"].then(stream_reply(STALL))
            stands["c"].then(GOOD_STREAM)
            began = time.monotonic()
            if HOLDS:
                assert ask(running, stream=True).status_code == 200
                assert 1 <= time.monotonic() - began < 5
            stands["b"].clear()
            stands["c"].clear()
            stands["b"].then(Reply(200, GOOD.headers, (Wait(1), *GOOD.steps), GOOD.framing))
            assert (ask(running).status_code, len(stands["b"].requests)) == (200, 1)

    @pytest.mark.parametrize(
        ("headers", "body"),
        [
            ({}, {"timeout": 0.5}),
            ({"x-litellm-timeout": "0.5"}, {"timeout": 20}),
            ({}, {"stream": True, "stream_timeout": 0.5}),
            ({"x-litellm-stream-timeout": "0.5"}, {"stream": True, "timeout": 20}),
        ],
    )
    def test_of_the_request(self, pair: Dragoman, stands: dict[str, Scripted], headers: dict[str, str], body: dict[str, Any]) -> None:
        stands["a"].then(SILENT)
        reply = ask(pair, headers=headers, num_retries=0, **body)
        assert reply.status_code == 504, reply.text
        assert "didn't answer within 500 ms" in reply.text


def test_nobody_else_begins_a_request_anew(stands: dict[str, Scripted]) -> None:
    """Neither a client nor a provider can say what the filter says to Envoy."""
    ours = {"x-dragoman-again": "0" * 32, "x-dragoman-wait": "1", "x-dragoman-tail": "1", "x-dragoman-cluster": "dragoman_tail", "location": "http://127.0.0.1:1/"}
    config = {"model_list": group(stands["a"], stands["b"]), "router_settings": {"disable_cooldowns": True}, "general_settings": {"master_key": "sk-1"}}
    with Dragoman(config) as running:
        assert ask(running, headers=ours).status_code == 401
        key = {"authorization": "Bearer sk-1"}
        stands["a"].then(GOOD)
        reply = ask(running, headers={**ours, **key})
        assert (reply.status_code, asked(stands)) == (200, "a")
        assert not [name for name in stands["a"].last.names() if "dragoman" in name]
        theirs = [(name, value) for name, value in ours.items() if name != "x-dragoman-tail"]
        stands["a"].then(json_reply(COMPLETION, 200, theirs))
        reply = ask(running, headers=key)
        assert (reply.status_code, asked(stands)) == (200, "aa")
        assert not [name for name in reply.headers if "dragoman" in name]
        for status in (307, 302):
            for room in stands.values():
                room.clear()
            stands["a"].then(json_reply({}, status, theirs), *[failure(500)] * 3)
            stands["b"].then(GOOD)
            reply = ask(running, headers=key)
            assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
            assert "x-dragoman-again" not in reply.headers and "location" not in reply.headers


def test_a_request_is_one_line_in_the_access_log_and_one_in_the_statistics(stands: dict[str, Scripted]) -> None:
    with run(models(stands), {"num_retries": 0, "fallbacks": [{"first": ["second"]}]}, json_logs=True) as running:
        stands["a"].then(failure(500))
        stands["b"].then(MESSAGE)
        assert ask(running, "first").status_code == 200
        time.sleep(0.3)
        total = sum(sample.value for sample in running.samples() if "dragoman_requests" in sample.name)
        assert total == 1, [sample for sample in running.samples() if "dragoman" in sample.name]
        running.stop()
        assert running.log().count('"status":') == 1


def test_requests_fail_and_begin_anew_side_by_side(stands: dict[str, Scripted]) -> None:
    """What one stream leaves for its next is not another's."""
    with run(models(stands), {"num_retries": 0, "fallbacks": [{"first": ["third"]}]}) as running:
        stands["a"].then(*[failure(500)] * 40)
        stands["c"].then(*[GOOD] * 40)
        statuses: list[tuple[int, Any]] = []

        def one(number: int) -> None:
            reply = ask(running, "first", messages=[{"role": "user", "content": "x" * number * 1000}])
            statuses.append((reply.status_code, counts(reply)))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert statuses == [(200, ("0", "1"))] * 40
        sent = sorted(len(request.json["messages"][0]["content"]) for request in stands["c"].requests)
        assert sent == [number * 1000 for number in range(40)]
