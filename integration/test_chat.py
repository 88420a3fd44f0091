"""The main job: OpenAI's Python SDK talks to every vendor through a real Envoy, and cannot tell that it isn't OpenAI."""

from __future__ import annotations

import asyncio
import json
import threading

import openai
import pydantic
import pytest
from standins import vendors
from standins.scripted import STALL, Until, stream_reply

every_vendor = pytest.mark.parametrize("model", sorted(vendors()))

HELLO = [{"role": "user", "content": "Hello, wörld 🌍"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}


@every_vendor
def test_a_chat(gateway, model):
    reply = gateway.client().chat.completions.create(model=model, messages=[{"role": "system", "content": "Be kind."}, *HELLO])
    assert (reply.object, reply.id[:1] != "", reply.created > 1_600_000_000) == ("chat.completion", True, True)
    [choice] = reply.choices
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert (choice.message.role, choice.message.content) == ("assistant", "You said: Hello, wörld 🌍")
    assert choice.message.tool_calls is None
    # "Be kind." and the three words, as the stand-ins count.
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (5, 5, 10)


@every_vendor
def test_a_stream(gateway, model):
    chunks = list(gateway.client().chat.completions.create(model=model, messages=HELLO, stream=True))
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "You said: Hello, wörld 🌍"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    # Nobody asked for the usage: it is not there, although Dragoman asked the provider for it.
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@every_vendor
def test_a_stream_with_usage(gateway, model):
    chunks = list(gateway.client().chat.completions.create(model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (3, 5, 8)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


@every_vendor
def test_a_stream_ends_with_one_done(gateway, model):
    raw = gateway.client().chat.completions.with_raw_response.create(model=model, messages=HELLO, stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    lines = raw.http_response.read().decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    assert sum("[DONE]" in line for line in lines) == 1


@every_vendor
def test_tools(gateway, model):
    client = gateway.client()
    asked = [{"role": "user", "content": "Bern"}]
    reply = client.chat.completions.create(model=model, messages=asked, tools=[WEATHER, CLOCK])
    assert reply.choices[0].finish_reason == "tool_calls"
    [call] = reply.choices[0].message.tool_calls
    assert (call.type, call.function.name) == ("function", "weather")
    assert json.loads(call.function.arguments) == {"place": "Bern", "days": 7}

    told = [*asked, reply.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    reply = client.chat.completions.create(model=model, messages=told, tools=[WEATHER, CLOCK])
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("The tool said: sunny", "stop")


@every_vendor
def test_several_tools_at_once(gateway, model):
    client = gateway.client()
    asked = [{"role": "user", "content": "both"}]
    reply = client.chat.completions.create(model=model, messages=asked, tools=[WEATHER, CLOCK])
    calls = reply.choices[0].message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [("weather", {"place": "both", "days": 7}), ("clock", {})]

    results = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, ["rain", "noon"], strict=True)]
    told = [*asked, reply.choices[0].message.model_dump(exclude_none=True), *results]
    reply = client.chat.completions.create(model=model, messages=told, tools=[WEATHER, CLOCK])
    assert reply.choices[0].message.content == "The tool said: rain; noon"


@every_vendor
def test_tools_in_a_stream(gateway, model):
    calls: dict[int, dict] = {}
    finish = None
    for chunk in gateway.client().chat.completions.create(model=model, messages=[{"role": "user", "content": "both"}], tools=[WEATHER, CLOCK], stream=True):
        finish = chunk.choices[0].finish_reason or finish
        for delta in chunk.choices[0].delta.tool_calls or []:
            if delta.id:
                assert delta.index not in calls, "a call begins once"
                calls[delta.index] = {"id": delta.id, "name": delta.function.name, "arguments": ""}
            calls[delta.index]["arguments"] += delta.function.arguments or ""
    assert finish == "tool_calls"
    assert sorted(calls) == [0, 1]
    assert [(call["name"], json.loads(call["arguments"] or "{}")) for call in calls.values()] == [("weather", {"place": "both", "days": 7}), ("clock", {})]
    assert calls[0]["id"] != calls[1]["id"]


@every_vendor
@pytest.mark.parametrize(
    ("choice", "called"),
    [("none", None), ("auto", "weather"), ("required", "weather"), ({"type": "function", "function": {"name": "clock"}}, "clock")],
    ids=["none", "auto", "required", "named"],
)
def test_tool_choice(gateway, model, choice, called):
    reply = gateway.client().chat.completions.create(model=model, messages=HELLO, tools=[WEATHER, CLOCK], tool_choice=choice)
    calls = reply.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == ([called] if called else [])


@every_vendor
def test_structured_output(gateway, model):
    class Place(pydantic.BaseModel):
        name: str
        people: int

    reply = gateway.client().chat.completions.parse(model=model, messages=[{"role": "user", "content": "Bern"}], response_format=Place)
    assert reply.choices[0].message.parsed == Place(name="Bern", people=7)


@every_vendor
def test_the_token_limit(gateway, model):
    reply = gateway.client().chat.completions.create(model=model, messages=HELLO, max_tokens=2)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("You said:", "length")


@every_vendor
def test_an_image(gateway, model):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}}]
    reply = gateway.client().chat.completions.create(model=model, messages=[{"role": "user", "content": parts}])
    assert reply.choices[0].message.content in ("You said: What is it? [image_url]", "You said: What is it? [image]")


def test_reasoning(gateway):
    client = gateway.client()
    options = {"model": "anthropic", "messages": HELLO, "reasoning_effort": "low", "max_tokens": 4000}
    message = client.chat.completions.create(**options).choices[0].message
    assert message.content == "You said: Hello, wörld 🌍"
    assert message.reasoning_content == "The user wants an answer to: Hello, wörld 🌍"
    assert message.thinking_blocks[0]["signature"]

    deltas = [chunk.choices[0].delta for chunk in client.chat.completions.create(**options, stream=True)]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == message.reasoning_content
    assert "".join(delta.content or "" for delta in deltas) == message.content


FAILURES = [
    ("openai/rate-limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
    ("openai/no-credit", openai.RateLimitError, 429, "insufficient_quota"),
    ("openai/too-long", openai.BadRequestError, 400, "context_length_exceeded"),
    ("openai/down", openai.InternalServerError, 500, None),
    ("openai/overloaded", openai.InternalServerError, 503, None),
    ("openai/unknown-model", openai.NotFoundError, 404, "model_not_found"),
    ("openai/html", openai.InternalServerError, 502, "bad_gateway"),
    ("anthropic/rate-limited", openai.RateLimitError, 429, "rate_limit_exceeded"),
    ("anthropic/too-long", openai.BadRequestError, 400, "context_length_exceeded"),
    ("anthropic/down", openai.InternalServerError, 500, None),
    ("anthropic/overloaded", openai.InternalServerError, 503, "overloaded"),
    ("anthropic/forbidden", openai.PermissionDeniedError, 403, "permission_denied"),
    ("anthropic/unknown-model", openai.NotFoundError, 404, "not_found"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "kind", "status", "code"), FAILURES, ids=[failure[0] for failure in FAILURES])
def test_an_error_before_the_answer(gateway, providers, model, kind, status, code, stream):
    with pytest.raises(kind) as raised:
        gateway.client().chat.completions.create(model=model, messages=HELLO, stream=stream)
    error = raised.value
    assert error.status_code == status
    assert error.body.keys() >= {"message", "type", "param", "code"}
    assert error.type
    assert code in (None, error.code)
    # What the provider said is not lost on the way.
    prefix, _, failure = model.partition("/")
    if failure != "html":
        native = providers[prefix].failures[failure].steps[0]
        assert json.loads(native)["error"]["message"] in error.message


@every_vendor
def test_long_texts_arrive_whole(gateway, model, providers):
    """Texts of more than 16 KB are not copied in the module: the provider gets each in its place, escapes and all."""
    texts = ["".join(f'{number} "é\\n\u2028" ' for number in range(first, first + 4000)) for first in (0, 10_000)]
    messages = [{"role": "user", "content": texts[0]}, {"role": "assistant", "content": "Short."}, {"role": "user", "content": texts[1]}]
    gateway.client().chat.completions.create(model=model, messages=messages)
    asked = json.dumps(providers[model].last.json, ensure_ascii=False)
    places = [asked.find(json.dumps(text, ensure_ascii=False)[1:-1]) for text in (texts[0], "Short.", texts[1])]
    assert -1 not in places and places == sorted(places)


def test_retry_after_reaches_the_client(gateway):
    for model in ("openai/rate-limited", "anthropic/rate-limited"):
        with pytest.raises(openai.RateLimitError) as raised:
            gateway.client().chat.completions.create(model=model, messages=HELLO)
        assert raised.value.response.headers["retry-after"] == "7"
        assert raised.value.response.headers["x-ratelimit-remaining-requests"] == "0"


@every_vendor
def test_an_error_in_mid_stream(gateway, model):
    text = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in gateway.client().chat.completions.create(model=f"{model}/breaks-off", messages=HELLO, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert "You said:".startswith(text.rstrip())
    assert raised.value.message


@every_vendor
def test_a_chunk_leaves_before_the_next_event_has_come(gateway, script, model, providers):
    """The provider says nothing more until the client has what was said so far."""
    request = providers[model].model
    seen = threading.Event()
    first, rest = EVENTS[model](request)
    script.then(stream_reply(*first, Until(seen), *rest))
    text = ""
    for chunk in gateway.client().chat.completions.create(model=f"scripted-{model}", messages=HELLO, stream=True):
        text += chunk.choices[0].delta.content or ""
        if text:
            seen.set()
    assert text == "one two"


def _openai_events(model: str) -> tuple[list, list]:
    def chunk(delta: dict, finish: str | None = None) -> dict:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}

    first = [chunk({"role": "assistant", "content": ""}), chunk({"content": "one"})]
    return first, [chunk({"content": " two"}), chunk({}, "stop"), "data: [DONE]\n\n"]


def _anthropic_events(model: str) -> tuple[list, list]:
    def text(piece: str) -> dict:
        return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}

    usage = {"input_tokens": 1, "output_tokens": 1}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [], "stop_reason": None, "usage": usage}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    finish = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 2}}
    first = [{"type": "message_start", "message": start}, block, text("one")]
    return first, [text(" two"), {"type": "content_block_stop", "index": 0}, finish, {"type": "message_stop"}]


EVENTS = {"openai": _openai_events, "anthropic": _anthropic_events}


@every_vendor
def test_the_client_leaves_and_the_provider_is_told(gateway, script, model, providers):
    first, _ = EVENTS[model](providers[model].model)
    script.then(stream_reply(*first, STALL))
    stream = gateway.client().chat.completions.create(model=f"scripted-{model}", messages=HELLO, stream=True)
    next(stream)
    stream.response.close()
    script.wait_for_departures(1)


def test_many_at_once(gateway):
    """Streams and whole answers of both vendors side by side: none gets another's words."""

    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        model, text = ("openai", "anthropic")[number % 2], f"number {number}"
        messages = [{"role": "user", "content": text}]
        if number % 3:
            return (await client.chat.completions.create(model=model, messages=messages)).choices[0].message.content
        stream = await client.chat.completions.create(model=model, messages=messages, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

    async def all_of_them() -> list[str]:
        async with openai.AsyncOpenAI(base_url=gateway.base_url + "/v1", api_key="x", max_retries=0) as client:
            return await asyncio.gather(*(ask(client, number) for number in range(60)))

    assert asyncio.run(all_of_them()) == [f"You said: number {number}" for number in range(60)]
