"""What the providers are asked, judged by the types of their own SDKs, and that nothing of the client's meaning is lost.

The stand-in for Anthropic judges every request that it gets in the same way; here are the requests that it could only
answer with words, sent to the scripted provider and looked into.
"""

from __future__ import annotations

from typing import Any

import pytest
from gateway import HTTP
from standins import anthropic_messages, openai_like
from standins.scripted import json_reply
from standins.typed import problems
from test_bad_providers import GOOD

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJcOkw7zDtsOfCg=="


def call(id_: str, arguments: str = '{"place": "Bern"}') -> dict:
    return {"id": id_, "type": "function", "function": {"name": "weather", "arguments": arguments}}


def user(content: Any = "Hello", **more: Any) -> dict:
    return {"role": "user", "content": content, **more}


def parts(*kinds: dict) -> list[dict]:
    return [user([{"type": "text", "text": "Look:"}, *kinds])]


TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object", "properties": {"place": {"type": "string"}}}}}
BARE_TOOL = {"type": "function", "function": {"name": "now"}}

REQUESTS: dict[str, dict] = {
    "a system message": {"messages": [{"role": "system", "content": "Be kind."}, user()]},
    "a developer message": {"messages": [{"role": "developer", "content": "Be kind."}, user()]},
    "several system messages": {"messages": [{"role": "system", "content": "Be kind."}, {"role": "system", "content": [{"type": "text", "text": "And brief."}]}, user()]},
    "a system message in the middle": {"messages": [user(), {"role": "assistant", "content": "Hi"}, {"role": "system", "content": "Be brief."}, user()]},
    "the same role twice": {"messages": [user("one"), user("two"), {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}, user("c")]},
    "an assistant first": {"messages": [{"role": "assistant", "content": "Hi"}, user()]},
    "an assistant last": {"messages": [user(), {"role": "assistant", "content": "It is "}]},
    "empty content": {"messages": [user(""), {"role": "assistant", "content": ""}, user("Hello")]},
    "null content": {"messages": [user(), {"role": "assistant", "content": None, "tool_calls": [call("a")]}, {"role": "tool", "tool_call_id": "a", "content": "sunny"}], "tools": [TOOL]},
    "an empty list": {"messages": [user([]), user("Hello")]},
    "names": {"messages": [user("Hello", name="ann"), user("Hi", name="bob")]},
    "an image as data": {"messages": parts({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}})},
    "an image by URL": {"messages": parts({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})},
    "a PDF": {"messages": parts({"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}})},
    "a text file": {"messages": parts({"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,aGVsbG8="}})},
    "several tool results": {
        "messages": [
            user(),
            {"role": "assistant", "content": "Let me see.", "tool_calls": [call("a"), call("b", "{}"), call("c", "")]},
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rainy"}]},
            {"role": "tool", "tool_call_id": "c", "content": ""},
            user("And?"),
        ],
        "tools": [TOOL],
    },
    "tool calls in history, no tools now": {
        "messages": [user(), {"role": "assistant", "tool_calls": [call("a")]}, {"role": "tool", "tool_call_id": "a", "content": "sunny"}]
    },
    "a tool without parameters": {"messages": [user()], "tools": [BARE_TOOL]},
    "strict tools": {"messages": [user()], "tools": [{"type": "function", "function": {**TOOL["function"], "strict": True}}]},
    "no tool": {"messages": [user()], "tools": [TOOL], "tool_choice": "none"},
    "any tool": {"messages": [user()], "tools": [TOOL], "tool_choice": "required"},
    "a named tool": {"messages": [user()], "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
    "one tool at a time": {"messages": [user()], "tools": [TOOL], "parallel_tool_calls": False},
    "reasoning sent back": {
        "messages": [
            user(),
            {
                "role": "assistant",
                "content": "Hi",
                "reasoning_content": "Let me think.",
                "thinking_blocks": [{"type": "thinking", "thinking": "Let me think.", "signature": "c2ln"}, {"type": "redacted_thinking", "data": "cmVk"}],
            },
            user("And?"),
        ],
        "reasoning_effort": "low",
        "max_tokens": 4000,
    },
    "marks for the cache": {
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]},
            user([{"type": "text", "text": "Long too.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]),
        ],
        "tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}],
    },
    "numbers": {"messages": [user()], "temperature": 0.5, "top_p": 0.9, "max_tokens": 100},
    "a hot temperature": {"messages": [user()], "temperature": 1.8},
    "a limit by its new name": {"messages": [user()], "max_completion_tokens": 100},
    "no limit": {"messages": [user()]},
    "one stop": {"messages": [user()], "stop": "END"},
    "several stops": {"messages": [user()], "stop": ["END", "STOP"]},
    "JSON": {"messages": [user("as JSON")], "response_format": {"type": "json_object"}},
    "JSON by a schema": {
        "messages": [user()],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "place",
                "strict": True,
                "schema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": False},
            },
        },
    },
    "effort low": {"messages": [user()], "reasoning_effort": "low", "max_tokens": 8000},
    "effort high": {"messages": [user()], "reasoning_effort": "high", "max_tokens": 2000},
    "a user": {"messages": [user()], "user": "ann"},
    "a service tier": {"messages": [user()], "service_tier": "auto"},
    "a stream": {"messages": [user()], "stream": True},
    "a stream with usage": {"messages": [user()], "stream": True, "stream_options": {"include_usage": True}},
    "unicode": {"messages": [user("日本語 \U0001f30d \u0007 \" \\ \u2028 é")]},
}

JUDGES = {"openai": openai_like.REQUEST, "anthropic": anthropic_messages.REQUEST}


def native(gateway, script, model: str, request: dict) -> dict:
    """What the provider is asked when the client asks `request`."""
    script.then(json_reply(GOOD[model]))
    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": model_name(model), **request}, timeout=30)
    assert answer.status_code == 200, answer.text
    return script.last.json


def model_name(model: str) -> str:
    return f"lenient-{model}"


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_anthropic_is_asked_by_its_own_types(gateway, script, request_):
    asked = native(gateway, script, "anthropic", request_)
    assert problems(asked, JUDGES["anthropic"]) == []
    assert asked["model"] == "claude-sonnet-4-5"
    assert anthropic_messages.problem(asked) is None
    assert script.last.path == "/v1/messages"
    assert script.last.header("anthropic-version") == "2023-06-01"
    assert script.last.header("content-type") == "application/json"


OTHERS = {"reasoning sent back", "marks for the cache"}
"""What OpenAI refuses, and what others understand by it is left out for it."""


@pytest.mark.parametrize("name", sorted(OTHERS))
def test_openai_is_not_asked_what_only_others_know(gateway, script, name):
    asked = native(gateway, script, "openai", REQUESTS[name])
    assert [message["role"] for message in asked["messages"]] == [message["role"] for message in REQUESTS[name]["messages"]]
    assert problems(asked, JUDGES["openai"]) == []


@pytest.mark.parametrize("request_", [REQUESTS[name] for name in sorted(REQUESTS.keys() - OTHERS)], ids=sorted(REQUESTS.keys() - OTHERS))
def test_openai_is_asked_what_the_client_asked(gateway, script, request_):
    asked = native(gateway, script, "openai", request_)
    expected = {"model": "gpt-4o", **request_}
    if request_.get("stream"):
        expected["stream_options"] = {"include_usage": True}
    assert asked == expected


def test_unknown_fields_stay_and_keep_their_spelling(gateway, script):
    script.then(json_reply(GOOD["openai"]))
    body = '{"messages" : [{"role":"user","content":"\\u00e9","x":1.50}],"future":{"a":[1e3, 10000000000000000000001]},"model":"scripted-openai"}'
    HTTP.post(gateway.base_url + "/v1/chat/completions", content=body, timeout=30).raise_for_status()
    sent = script.last.body.decode()
    for kept in ('[{"role":"user","content":"\\u00e9","x":1.50}]', '{"a":[1e3, 10000000000000000000001]}', '"model":"gpt-4o"'):
        assert kept in sent


@pytest.mark.parametrize(("key", "value"), [("top_k", 5), ("thinking", {"type": "enabled", "budget_tokens": 2000})])
def test_keys_that_openai_does_not_know_reach_anthropic(gateway, script, key, value):
    asked = native(gateway, script, "anthropic", {"messages": [user()], key: value, "max_tokens": 3000})
    assert asked[key] == value
    assert problems(asked, JUDGES["anthropic"]) == []


def test_tool_results_of_one_turn_are_one_message(gateway, script):
    asked = native(gateway, script, "anthropic", REQUESTS["several tool results"])
    roles = [message["role"] for message in asked["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert [block["type"] for block in asked["messages"][2]["content"]] == ["tool_result"] * 3 + ["text"]
    assert [block["input"] for block in asked["messages"][1]["content"][1:]] == [{"place": "Bern"}, {}, {}]


REFUSED = {"logprobs": True, "n": 2, "seed": 7, "logit_bias": {"50256": -100}, "frequency_penalty": 0.5}


@pytest.mark.parametrize("name", REFUSED)
def test_what_anthropic_cannot_do_is_refused_by_name_or_dropped(gateway, script, name):
    request = {"messages": [user()], name: REFUSED[name]}
    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": "scripted-anthropic", **request}, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name
    assert script.requests == []
    assert name not in native(gateway, script, "anthropic", request)


@pytest.mark.parametrize("model", ["o3-mini", "gpt-5", "gpt-5-mini", "o1"])
def test_models_that_reason_get_their_own_limit(gateway, providers, model):
    providers["openai"].clear()
    gateway.client().chat.completions.create(model=f"openai/{model}", messages=[user()], max_tokens=100)
    asked = providers["openai"].last.json
    assert (asked.get("max_tokens"), asked["max_completion_tokens"]) == (None, 100)
