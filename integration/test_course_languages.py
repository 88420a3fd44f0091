"""The course of a request is the same whatever language its client speaks: who answers when an attempt fails, and what the
client is told then, in its own words."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from checks import COMPLETION
from gateway import HTTP, Dragoman
from standins.scripted import CLOSE, RESET, STALL, Reply, Scripted, Wait, json_reply, raw_reply, stream_reply
from test_course import GOOD, HOLDS, MESSAGE, POLICY, SILENT, WINDOW, asked, counts, entry, event, failure, rooms, run, stands  # noqa: F401

USAGE = {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0}, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 5}
SAID = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": "Ciao", "annotations": []}]}
RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [SAID], "usage": USAGE}
PLAIN = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": "Ciao", "finish_reason": "stop", "logprobs": None}]}
COUNTS = {"usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}
COUNTED = {**PLAIN, **COUNTS}
CHAT_STREAM = stream_reply(event("Hello"), event(finish="stop"), {**event(), "choices": [], **COUNTS}, "data: [DONE]\n\n")

MESSAGE_EVENTS = [
    {"type": "message_start", "message": {"id": "msg", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Salut"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]
RESPONSE_EVENTS = [
    {"type": "response.created", "sequence_number": 0, "response": {**RESPONSE, "status": "in_progress", "output": []}},
    {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "msg_1", "output_index": 0, "content_index": 0, "delta": "Ciao"},
    {"type": "response.completed", "sequence_number": 2, "response": RESPONSE},
]


def events(text: str) -> list[dict[str, Any]]:
    datas = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


@dataclasses.dataclass(frozen=True)
class Language:
    """A client's language, and its replies where a provider speaks it itself."""

    path: str
    body: dict[str, Any]
    vendor: str
    """Who speaks it natively: as LiteLLM's prefix."""
    native: Reply
    native_stream: Reply
    words: str
    """What these replies say."""
    whole: Callable[[dict[str, Any]], str]
    delta: Callable[[dict[str, Any]], str]
    kinds: dict[int, tuple[int, str]]
    """The status and the type of an error, by the status that the provider has given."""

    def ask(self, running: Dragoman, model: str, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        return HTTP.post(running.base_url + self.path, json={"model": model, **self.body, **body}, headers=headers, timeout=30)

    def said(self, reply: httpx.Response) -> str:
        assert reply.status_code == 200, reply.text
        if reply.headers["content-type"].startswith("text/event-stream"):
            return "".join(self.delta(event) for event in events(reply.text))
        return self.whole(reply.json())

    def good(self, vendor: str, stream: bool) -> Reply:
        if vendor == self.vendor:
            return self.native_stream if stream else self.native
        if vendor == "anthropic":
            return stream_reply(*MESSAGE_EVENTS) if stream else MESSAGE
        return CHAT_STREAM if stream else GOOD

    def says(self, vendor: str) -> str:
        return self.words if vendor == self.vendor else {"anthropic": "Salut"}.get(vendor, "Hello")

    def error(self, reply: httpx.Response) -> tuple[str, str]:
        """The type and the message of an error, which has this language's form."""
        assert reply.headers["content-type"] == "application/json"
        body = reply.json()
        if self.path == "/v1/messages":
            assert body["type"] == "error" and body.keys() <= {"type", "error", "request_id"}
        else:
            assert list(body) == ["error"] and body["error"].keys() == {"message", "type", "param", "code"}
        return body["error"]["type"], body["error"]["message"]


def choice(body: dict[str, Any]) -> str:
    return "".join(choice.get("text") or "" for choice in body["choices"])


OPENAI_KINDS = {429: (429, "rate_limit_error"), 500: (500, "server_error"), 503: (503, "server_error"), 504: (504, "timeout_error")}
LANGUAGES = {
    "messages": Language(
        "/v1/messages",
        {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]},
        "anthropic",
        MESSAGE,
        stream_reply(*MESSAGE_EVENTS),
        "Salut",
        lambda body: "".join(block["text"] for block in body["content"]),
        lambda event: event["delta"]["text"] if event["type"] == "content_block_delta" else "",
        {429: (429, "rate_limit_error"), 500: (500, "api_error"), 503: (529, "overloaded_error"), 504: (504, "timeout_error")},
    ),
    "responses": Language(
        "/v1/responses",
        {"input": "Hi"},
        "openai",
        json_reply(RESPONSE),
        stream_reply(*RESPONSE_EVENTS),
        "Ciao",
        lambda body: "".join(part["text"] for item in body["output"] if item["type"] == "message" for part in item["content"]),
        lambda event: event["delta"] if event["type"] == "response.output_text.delta" else "",
        OPENAI_KINDS,
    ),
    "completions": Language(
        "/v1/completions",
        {"prompt": "Hi"},
        "openai",
        json_reply(COUNTED),
        stream_reply(PLAIN, {**COUNTED, "choices": []}, "data: [DONE]\n\n"),
        "Ciao",
        choice,
        choice,
        OPENAI_KINDS,
    ),
}
VENDORS = {"anthropic": "a", "openai": "b", "mistral": "c"}
MODELS = {"anthropic": "claude", "openai": "gpt-3.5-turbo-instruct", "mistral": "large"}
"""That of OpenAI has all three of its languages."""


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Language:
    return LANGUAGES[request.param]


@pytest.fixture(scope="module")
def vendors(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:  # noqa: F811
    """A model of each vendor, called by the vendor's name; whichever fails, the others stand in."""
    list_ = [entry(vendor, f"{vendor}/{MODELS[vendor]}", rooms[room], timeout=1) for vendor, room in VENDORS.items()]
    names = list(VENDORS)
    falls = [{name: names[place + 1 :] + names[:place]} for place, name in enumerate(names)]
    classes = {"context_window_fallbacks": [{"openai": ["anthropic"]}, {"anthropic": ["mistral"]}], "content_policy_fallbacks": [{"openai": ["mistral"]}]}
    with run(list_, {"num_retries": 0, "fallbacks": falls, **classes}) as running:
        yield running


BEFORE = {"429": failure(429), "500": failure(500), "401": failure(401), "a reset": raw_reply(RESET), "silence": SILENT}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", BEFORE)
@pytest.mark.parametrize(("failing", "standing"), [("anthropic", "openai"), ("openai", "mistral"), ("mistral", "anthropic")])
def test_another_model_stands_in_whoever_its_vendor_is(vendors, stands, language, failing, standing, name, stream):  # noqa: F811
    stands[VENDORS[failing]].then(BEFORE[name])
    stands[VENDORS[standing]].then(language.good(standing, stream))
    before = vendors.total("dragoman_tokens", dragoman_route=standing)
    reply = language.ask(vendors, failing, stream=stream)
    assert language.said(reply) == language.says(standing)
    assert (asked(stands), counts(reply)) == ("".join(sorted(VENDORS[failing] + VENDORS[standing])), ("0", "1"))
    last = stands[VENDORS[standing]].last
    assert last.json["model"] == MODELS[standing]
    assert f"sk-{MODELS[standing]}" in last.everything() and f"sk-{MODELS[failing]}" not in last.everything()
    vendors.wait_for_total("dragoman_tokens", before + 5, dragoman_route=standing)


@pytest.mark.skipif(not HOLDS, reason="a held head can't be turned")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_window_and_a_policy_have_models_of_their_own(vendors, stands, language, stream):  # noqa: F811
    stands["b"].then(WINDOW, POLICY)
    stands["a"].then(language.good("anthropic", stream), json_reply({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}, 400))
    stands["c"].then(language.good("mistral", stream), language.good("mistral", stream))
    assert language.said(language.ask(vendors, "openai", stream=stream)) == language.says("anthropic")
    assert language.said(language.ask(vendors, "openai", stream=stream)) == language.says("mistral")
    assert language.said(language.ask(vendors, "anthropic", stream=stream)) == language.says("mistral")


def first_failures(vendor: str) -> dict[str, Reply]:
    """Streams of a vendor that fail before they have said anything."""
    begun = {"anthropic": MESSAGE_EVENTS[:2], "openai": RESPONSE_EVENTS[:1]}[vendor]
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded", "code": "overloaded"}}
    return {"an error": stream_reply(error), "an end": stream_reply(*begun), "a reset": stream_reply(*begun, RESET), "silence": stream_reply(": hm\n\n", STALL)}


@pytest.mark.skipif(not HOLDS, reason="heads of streams are not held")
@pytest.mark.parametrize("name", ["an error", "an end", "a reset", "silence"])
@pytest.mark.parametrize(("spoken", "standing"), [("messages", "openai"), ("responses", "mistral")])
def test_a_native_stream_that_fails_before_its_first_word(vendors, stands, spoken, standing, name):  # noqa: F811
    language = LANGUAGES[spoken]
    stands[VENDORS[language.vendor]].then(first_failures(language.vendor)[name])
    stands[VENDORS[standing]].then(language.good(standing, True))
    reply = language.ask(vendors, language.vendor, stream=True)
    assert (language.said(reply), counts(reply)) == (language.says(standing), ("0", "1"))
    kinds = [event.get("type") for event in events(reply.text)]
    assert kinds.count("message_start") + kinds.count("response.created") == 1 and "error" not in kinds


@pytest.mark.parametrize("end", [RESET, CLOSE], ids=str)
@pytest.mark.parametrize(("spoken", "vendor"), [("messages", "anthropic"), ("messages", "openai"), ("responses", "openai"), ("responses", "anthropic"), ("completions", "anthropic")])
def test_nobody_stands_in_after_the_first_word(vendors, stands, spoken, vendor, end):  # noqa: F811
    language = LANGUAGES[spoken]
    begun = RESPONSE_EVENTS[:2] if vendor == "openai" and spoken == "responses" else MESSAGE_EVENTS[:3] if vendor == "anthropic" else [event("Hello")]
    stands[VENDORS[vendor]].then(stream_reply(*begun, Wait(0.05), end))
    said = b""
    body = {"model": vendor, **language.body, "stream": True}
    with contextlib.suppress(httpx.RemoteProtocolError), HTTP.stream("POST", vendors.base_url + language.path, json=body, timeout=30) as reply:
        for piece in reply.iter_bytes():
            said += piece
    assert language.says(vendor).encode() in said
    assert asked(stands) == VENDORS[vendor]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [429, 500, 503])
def test_all_fail_and_the_client_is_told_in_its_words(vendors, stands, language, status, stream):  # noqa: F811
    stands["a"].then(failure(500))
    stands["b"].then(failure(429))
    stands["c"].then(json_reply({"object": "error", "message": "the last", "type": "x"}, status))
    reply = language.ask(vendors, "anthropic", stream=stream)
    assert (asked(stands), counts(reply)) == ("abc", ("0", "2")), reply.text
    expected, kind = language.kinds[status]
    assert reply.status_code == expected
    assert language.error(reply) == (kind, "the last. (3 attempts have failed.)")


def test_all_are_silent(vendors, stands, language):  # noqa: F811
    for room in stands.values():
        room.then(SILENT)
    reply = language.ask(vendors, "mistral")
    assert (reply.status_code, asked(stands)) == (504, "abc"), reply.text
    assert language.error(reply) == (language.kinds[504][1], "The provider didn't answer within 1000 ms. (3 attempts have failed.)")


@pytest.fixture(scope="module")
def three(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:  # noqa: F811
    """One model, of a target of each vendor, by class as LiteLLM says it."""
    list_ = [entry("m", f"{vendor}/{MODELS[vendor]}", rooms[room], order=place) for place, (vendor, room) in enumerate(VENDORS.items())]
    with run(list_, {"retry_policy": {"RateLimitErrorRetries": 1, "InternalServerErrorRetries": 2, "AuthenticationErrorRetries": 0}}) as running:
        yield running


class TestRetries:
    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    @pytest.mark.parametrize(("status", "tried"), [(429, "ab"), (500, "abc"), (401, "a"), (403, "a")])
    def test_by_class(self, three, stands, language, status, tried, stream):  # noqa: F811
        for room in stands.values():
            room.then(failure(status))
        reply = language.ask(three, "m", stream=stream)
        assert (asked(stands), counts(reply)) == (tried, (str(len(tried) - 1), "0"))
        many = f"({len(tried)} attempts have failed.)"
        assert (many in language.error(reply)[1]) == (len(tried) > 1)

    @pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
    def test_the_next_target_speaks_another_language(self, three, stands, language, stream):  # noqa: F811
        stands["a"].then(failure(500))
        stands["b"].then(raw_reply(RESET) if stream else failure(503))
        stands["c"].then(language.good("mistral", stream))
        reply = language.ask(three, "m", stream=stream, num_retries=2)
        assert (language.said(reply), counts(reply)) == ("Hello", ("2", "0"))
        assert not [request for room in stands.values() for request in room.requests if "num_retries" in request.json]

    def test_how_often_is_the_requests_to_say(self, three, stands, language):  # noqa: F811
        for room in stands.values():
            room.then(failure(408))
        assert counts(language.ask(three, "m", num_retries=0)) == ("0", "0")
        assert counts(language.ask(three, "m", headers={"x-litellm-num-retries": "1"})) == ("1", "0")


@pytest.mark.parametrize("status", [429, 401, 500])
def test_who_fails_is_left_alone(stands, language, status):  # noqa: F811
    """Whatever asked it: a cooling target is not asked by a client of another language either."""
    list_ = [entry("m", f"{vendor}/{MODELS[vendor]}", stands[room], order=place) for place, (vendor, room) in enumerate(VENDORS.items())][:2]
    for place, made in enumerate(list_):
        made["model_info"] = {"id": f"t{place}"}
    router = {"disable_cooldowns": False, "cooldown_time": 60, "allowed_fails": 0, "num_retries": 0}
    with run(list_, router) as running:
        stands["a"].then(failure(status))
        assert language.ask(running, "m").status_code in (status, language.kinds.get(status, (status, ""))[0])
        running.wait_for_total("dragoman_cooldown", 1, dragoman_target="t0")
        for other in LANGUAGES.values():
            stands["b"].then(other.good("openai", False))
            reply = other.ask(running, "m")
            assert other.said(reply) == other.says("openai")
            assert reply.headers["x-litellm-model-id"] == "t1"
        assert asked(stands) == "abbb"


def test_the_replies_of_this_page_are_what_openais_sdk_reads():
    from openai.types import Completion
    from openai.types.chat import ChatCompletion
    from openai.types.responses import Response

    ChatCompletion.model_validate(COMPLETION)
    Completion.model_validate(COUNTED)
    Response.model_validate({**RESPONSE, "parallel_tool_calls": True, "tool_choice": "auto", "tools": []})
