"""What clients ask: OpenAI chat requests without a model, each about one thing. Knows no vendor."""

from __future__ import annotations

from typing import Any

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "data:application/pdf;base64,JVBERi0xLjQKJcOkw7zDtsOfCg=="
# Nobody has this name, so that whoever would fetch the picture fails in the same way everywhere.
AWAY = "https://pictures.invalid/cat.png"


def user(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def system(content: Any = "Be kind.", **more: Any) -> dict[str, Any]:
    return {"role": "system", "content": content, **more}


def assistant(content: Any = "Hi", **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def result(id_: str, content: Any = "sunny") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def call(id_: str, arguments: str = '{"place": "Bern"}', name: str = "weather") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def tool(name: str = "weather", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "description": "The weather of a place.", "parameters": PLACE, **more}}


PLACE = {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place"]}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "home": {"$ref": "#/$defs/home"}},
    "required": ["name", "home"],
    "additionalProperties": False,
    "$defs": {"home": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}},
}
ROUND = [user("The weather?"), assistant(None, tool_calls=[call("call_a")]), result("call_a")]


def asks(*messages: dict[str, Any], **params: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [user()], **params}


def schema(name: str, of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": of}}


REQUESTS: dict[str, dict[str, Any]] = {
    # Messages.
    "text": asks(),
    "unicode": asks(user('日本語 🌍 " \\ \u2028 é')),
    "parts": asks(user([text("one"), text("two")])),
    "turns": asks(user("one"), assistant("two"), user("three")),
    "same-role": asks(user("one"), user("two")),
    "assistant-first": asks(assistant(), user()),
    "assistant-last": asks(user(), assistant("It is")),
    "name": asks(user(name="ann")),
    # System forms.
    "system": asks(system(), user()),
    "developer": asks({"role": "developer", "content": "Be kind."}, user()),
    "system-twice": asks(system(), system("Be brief."), user()),
    "system-parts": asks(system([text("Be kind."), text("Be brief.")]), user()),
    "system-later": asks(user("one"), assistant("two"), system("Be brief."), user("three")),
    # Tools.
    "tool": asks(tools=[tool()]),
    "tool-bare": asks(tools=[{"type": "function", "function": {"name": "now"}}]),
    "tool-strict": asks(tools=[tool(strict=True, parameters={**PLACE, "required": ["place", "days"], "additionalProperties": False})]),
    "tool-refs": asks(tools=[tool(parameters=PERSON)]),
    "choice-auto": asks(tools=[tool()], tool_choice="auto"),
    "choice-none": asks(tools=[tool()], tool_choice="none"),
    "choice-required": asks(tools=[tool()], tool_choice="required"),
    "choice-named": asks(tools=[tool()], tool_choice={"type": "function", "function": {"name": "weather"}}),
    "parallel-off": asks(tools=[tool()], parallel_tool_calls=False),
    # Tool loops.
    "loop": asks(*ROUND, tools=[tool()]),
    "loop-text": asks(ROUND[0], assistant("Let me see.", tool_calls=[call("call_a")]), ROUND[2], tools=[tool()]),
    "loop-two": asks(ROUND[0], assistant(None, tool_calls=[call("call_a"), call("call_b", '{"place": "Rome"}')]), result("call_a"), result("call_b", "rain"), tools=[tool()]),
    "loop-then-user": asks(*ROUND, user("And tomorrow?"), tools=[tool()]),
    "loop-parts": asks(*ROUND[:2], result("call_a", [text("sunny"), text("dry")]), tools=[tool()]),
    "loop-no-arguments": asks(ROUND[0], assistant(None, tool_calls=[call("call_a", "", "now")]), ROUND[2], tools=[tool("now")]),
    "loop-without-tools": asks(*ROUND),
    # Pictures and files.
    "image": asks(user([text("See:"), {"type": "image_url", "image_url": {"url": PIXEL}}])),
    "image-detail": asks(user([text("See:"), {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}])),
    "image-away": asks(user([text("See:"), {"type": "image_url", "image_url": {"url": AWAY}}])),
    "pdf": asks(user([text("Read:"), {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}}])),
    "audio": asks(user([text("Hear:"), {"type": "input_audio", "input_audio": {"data": "UklGRiQAAABXQVZF", "format": "wav"}}])),
    # Forms of the answer.
    "json": asks(user("As JSON, please."), response_format={"type": "json_object"}),
    "schema": asks(response_format=schema("place", {**PLACE, "required": ["place", "days"], "additionalProperties": False})),
    "schema-refs": asks(response_format=schema("person", PERSON)),
    # Reasoning.
    "effort-low": asks(reasoning_effort="low", max_tokens=8000),
    "effort-high": asks(reasoning_effort="high", max_tokens=8000),
    "thinking": asks(thinking={"type": "enabled", "budget_tokens": 2000}, max_tokens=8000),
    "thought-before": asks(
        user(),
        assistant(reasoning_content="Let me think.", thinking_blocks=[{"type": "thinking", "thinking": "Let me think.", "signature": "c2ln"}]),
        user("And?"),
    ),
    # Caching.
    "cache-system": asks(system([text("Long.", cache_control={"type": "ephemeral"})]), user()),
    "cache-user": asks(user([text("Long.", cache_control={"type": "ephemeral"}), text("Short.")])),
    # Numbers and words that steer.
    "max-tokens": asks(max_tokens=100),
    "max-completion-tokens": asks(max_completion_tokens=100),
    "temperature": asks(temperature=0.5),
    "top-p": asks(top_p=0.9),
    "stop": asks(stop="END"),
    "stops": asks(stop=["END", "STOP"]),
    "seed": asks(seed=7),
    "presence": asks(presence_penalty=0.5),
    "frequency": asks(frequency_penalty=0.5),
    "logit-bias": asks(logit_bias={"42": -100}),
    "logprobs": asks(logprobs=True),
    "top-logprobs": asks(logprobs=True, top_logprobs=3),
    "n": asks(n=2),
    "user": asks(user="ann"),
    "unknown": asks(top_k=5),
    # Streams.
    "stream": asks(stream=True),
    "stream-usage": asks(stream=True, stream_options={"include_usage": True}),
    "stream-tool": asks(tools=[tool()], stream=True),
}
