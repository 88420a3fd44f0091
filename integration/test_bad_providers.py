"""Providers that misbehave: the client gets a clean error of OpenAI's form, or a stream that ends without `[DONE]`, and
never waits for ever. Every reply here comes from the scripted provider."""

from __future__ import annotations

import json

import httpx
import pytest
from checks import HELLO, assert_error_object, assert_openai_error, unharmed
from conftest import PROVIDER_KEY, SHAPES, entry, start
from gateway import HTTP
from standins import vendors
from standins.scripted import CLOSE, RESET, STALL, Reply, Wait, body_reply, gzip_reply, json_reply, raw_reply, stream_reply
from test_chat import EVENTS

every_vendor = pytest.mark.parametrize("model", sorted(EVENTS.keys() & vendors().keys()))
whole_or_stream = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def ask(gateway, model: str, stream: bool) -> httpx.Response:
    body = {"model": f"scripted-{model}", "messages": HELLO, "stream": stream}
    return HTTP.post(gateway.base_url + "/v1/chat/completions", json=body, timeout=60)


GOOD = {
    "openai": {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    },
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}


def half(model: str) -> bytes:
    text = json.dumps(GOOD[model]).encode()
    return text[: len(text) // 2]


JSON = (("content-type", "application/json"),)
BAD = {
    "no HTTP": lambda model: raw_reply(b"\x00\x01\x02 not HTTP at all\r\n\r\n"),
    "nothing": lambda model: raw_reply(),
    "a reset": lambda model: raw_reply(RESET),
    "half a head": lambda model: raw_reply(b"HTTP/1.1 200 OK\r\ncontent-ty", CLOSE),
    "a web page": lambda model: body_reply(b"<html><body>Welcome</body></html>", "text/html"),
    "a web page that says it is JSON": lambda model: body_reply(b"<html><body>Welcome</body></html>", "application/json"),
    "an empty body": lambda model: body_reply(b"", "application/json"),
    "an empty chunked body": lambda model: Reply(200, JSON, ()),
    "spaces": lambda model: body_reply(b"  \n", "application/json"),
    "no content": lambda model: Reply(204, (), (), "length"),
    "a redirect": lambda model: body_reply(b"", "text/plain", 302, [("location", "https://example.com/")]),
    "half the JSON": lambda model: body_reply(half(model), "application/json"),
    "half the JSON, then a close": lambda model: Reply(200, JSON, (half(model), CLOSE)),
    "half the JSON, then a reset": lambda model: Reply(200, JSON, (half(model), RESET)),
    "an empty object": lambda model: json_reply({}),
    "a list": lambda model: json_reply([]),
    "null": lambda model: json_reply(None),
    "another vendor's reply": lambda model: json_reply({"candidates": [{"content": {"parts": [{"text": "Hi"}]}}]}),
    "a reply of wrong types": lambda model: json_reply({key: 7 for key in GOOD[model]}),
    "binary": lambda model: body_reply(bytes(range(256)) * 10, "application/octet-stream"),
    "invalid UTF-8": lambda model: body_reply(json.dumps(GOOD[model]).encode().replace(b"Hi", b"\xff\xfe"), "application/json"),
    "gzip": lambda model: gzip_reply(GOOD[model]),
    "depth": lambda model: body_reply(b"[" * 100_000, "application/json"),
}


@whole_or_stream
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@every_vendor
def test_a_reply_that_is_none(gateway, script, model, bad, stream):
    with unharmed(gateway):
        script.then(bad(model))
        assert_openai_error(ask(gateway, model, stream), 500, 502, 503, 504)
        assert script.left == 0


ERRORS = {
    "a web page": body_reply(b"<html><body><h1>503 Service Unavailable</h1></body></html>", "text/html", 503),
    "text": body_reply(b"upstream timed out", "text/plain", 504),
    "nothing": body_reply(b"", "application/json", 500),
    "nothing at all": Reply(500, (), (), "length"),
    "broken JSON": body_reply(b'{"error": {"mess', "application/json", 500),
    "a string for an error": json_reply({"error": "out of order"}, 500),
    "a list": json_reply([{"error": {"code": 500, "message": "out of order"}}], 500),
    "only a message": json_reply({"message": "out of order"}, 500),
    "a detail": json_reply({"detail": [{"loc": ["body"], "msg": "out of order"}]}, 500),
    "numbers": json_reply({"error": {"message": 7, "type": [], "code": {}}}, 500),
    "gzip": gzip_reply({"error": {"message": "out of order"}}, 500),
    "invalid UTF-8": body_reply(b'{"error": {"message": "\xff\xfe"}}', "application/json", 500),
    "a very long one": json_reply({"error": {"message": "long " * 100_000}}, 500),
}


@whole_or_stream
@pytest.mark.parametrize("reply", ERRORS.values(), ids=ERRORS)
@every_vendor
def test_an_error_of_any_form(gateway, script, model, reply, stream):
    with unharmed(gateway):
        script.then(reply)
        answer = ask(gateway, model, stream)
        error = assert_openai_error(answer, 500, 502, 503, 504, 408)
        assert "<html" not in error["message"]
        assert len(answer.content) < 10_000


def events_of(text: str) -> list[str]:
    return [line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:")]


def begun(model: str) -> list:
    first, _ = EVENTS[model]("m")
    return first


ENDINGS = {
    "an end": lambda: [],
    "a close": lambda: [CLOSE],
    "a reset": lambda: [RESET],
    "half an event": lambda: ['data: {"id": "x", "cho'],
    "half an event, then a reset": lambda: ['data: {"id": "x", "cho', RESET],
    "garbage": lambda: ["\x00\x01 garbage\n\n", "data: garbage\n\n"],
    "an event that is no object": lambda: ["data: 7\n\n"],
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
@every_vendor
def test_half_a_stream(gateway, script, model, ending):
    with unharmed(gateway):
        script.then(stream_reply(*begun(model), *ending()))
        body = {"model": f"scripted-{model}", "messages": HELLO, "stream": True}
        text = ""
        try:
            with HTTP.stream("POST", gateway.base_url + "/v1/chat/completions", json=body, timeout=60) as answer:
                for piece in answer.iter_text():
                    text += piece
        except httpx.RemoteProtocolError:
            # Cut off, as the provider was: the client knows that something is missing.
            pass
        assert "[DONE]" not in text
        if answer.status_code != 200:
            # The end came so soon that the head had not left yet.
            assert answer.status_code in (502, 503)
            return
        # To OpenAI's own language nothing is translated: an event that is none goes by as it came.
        own = {"garbage", "7", '{"id": "x", "cho'} if model == "openai" else set()
        for event in events_of(text):
            if event in own:
                continue
            said = json.loads(event)
            if "error" in said:
                assert_error_object(said["error"])
            else:
                assert said["choices"][0]["finish_reason"] is None


@every_vendor
def test_a_stream_that_is_cut_says_so(gateway, script, model):
    """A stream that ends cleanly, but too early, ends in an error: SDKs would take a bare end for the answer's."""
    with unharmed(gateway):
        script.then(stream_reply(*begun(model)))
        events = events_of(ask(gateway, model, True).text)
        assert "error" in json.loads(events[-1])
        assert_error_object(json.loads(events[-1])["error"])


@every_vendor
def test_a_whole_reply_to_a_request_for_a_stream(gateway, script, model):
    with unharmed(gateway):
        script.then(json_reply(GOOD[model]))
        events = events_of(ask(gateway, model, True).text)
        assert events[-1] == "[DONE]"
        assert "".join(json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]) == "Hi"


@every_vendor
def test_a_stream_in_reply_to_a_request_for_a_whole(gateway, script, model):
    with unharmed(gateway):
        first, rest = EVENTS[model]("m")
        script.then(stream_reply(*first, *rest))
        answer = ask(gateway, model, False)
        assert answer.json()["choices"][0]["message"]["content"] == "one two"


@every_vendor
@whole_or_stream
def test_an_endless_reply_is_bounded(gateway, script, model, stream):
    """A reply without an end can't eat the memory: 100 MB in one line are an error, not an answer."""
    with unharmed(gateway):
        head = (("content-type", "text/event-stream" if stream else "application/json"),)
        script.then(Reply(200, head, (b'data: {"a": "', *[b"x" * 1_000_000] * 100)))
        try:
            answer = ask(gateway, model, stream)
        except httpx.RemoteProtocolError:
            return
        assert answer.status_code >= 500 or "error" in answer.text


@every_vendor
@whole_or_stream
@pytest.mark.parametrize("said", [False, True], ids=["no head", "half a body"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_provider_that_falls_silent(providers, script, model, stream, said, shape):
    """`timeout` and `stream_timeout` are LiteLLM's; past them the client is told, however far the reply has come. They are the
    target's own: others in the same config may take an hour."""
    standin = providers[model]
    slow = entry("slow", f"{model}/{standin.model}", script.base + standin.base_path, timeout=1, stream_timeout=1)
    config = {"model_list": [slow, entry("openai", "openai/gpt-4o", providers["openai"].api_base)], "litellm_settings": {"num_retries": 0}}
    with start(shape, config) as gateway, unharmed(gateway):
        script.then(Reply(200, JSON, (half(model), STALL)) if said and not stream else stream_reply(*begun(model), STALL) if said else raw_reply(STALL))
        body = {"model": "slow", "messages": HELLO, "stream": stream}
        try:
            answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json=body, timeout=60)
        except httpx.RemoteProtocolError:
            assert said
        else:
            assert "[DONE]" not in answer.text
            if not (said and stream):
                assert_openai_error(answer, 408, 504)
        script.wait_for_departures(1)
        if said and stream:
            gateway.wait_for_total("dragoman_errors", 1, **{"dragoman_class": "timeout"})


def test_a_stream_that_goes_on_slowly_is_not_silent(providers, script):
    """Each piece starts the time anew."""
    slow = entry("slow", "openai/gpt-4o", script.base + providers["openai"].base_path, stream_timeout=1)
    first, rest = EVENTS["openai"]("m")
    with start("roles", {"model_list": [slow]}) as gateway:
        script.then(stream_reply(*first, *(step for _ in range(6) for step in (Wait(0.5), ": a comment\n\n")), *rest))
        assert events_of(HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": "slow", "messages": HELLO, "stream": True}).text)[-1] == "[DONE]"


def test_a_provider_that_is_not_there(providers):
    gone = entry("gone", "openai/gpt-4o", "http://127.0.0.1:9")
    nowhere = entry("nowhere", "openai/gpt-4o", "http://no-such-host.invalid:80")
    spare = entry("openai", "openai/gpt-4o", providers["openai"].api_base)
    config = {"model_list": [gone, nowhere, spare], "litellm_settings": {"num_retries": 0}}
    with start("roles", config) as gateway, unharmed(gateway):
        for model in ("gone", "nowhere"):
            body = {"model": model, "messages": HELLO}
            answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json=body, timeout=60)
            assert_openai_error(answer, 502, 503)
            assert PROVIDER_KEY not in answer.text
