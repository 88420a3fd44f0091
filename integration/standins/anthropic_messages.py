"""Anthropic's Messages API. Source: <https://docs.anthropic.com/en/api/messages>."""

from __future__ import annotations

import json
from typing import Any

from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming

from .scripted import Reply, json_reply, stream_reply
from .typed import problems
from .vendor import Refusal, Said, Turn, Vendor, say
from .wire import Request

SIGNATURE = "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pkiMOYds"


REQUEST = MessageCreateParamsNonStreaming | MessageCreateParamsStreaming


def error(status: int, type_: str, message: str, headers: list[tuple[str, str]] | None = None) -> Reply:
    body = {"type": "error", "error": {"type": type_, "message": message}, "request_id": "req_stand_in"}
    return json_reply(body, status, [("request-id", "req_stand_in"), *(headers or [])])


FAILURES = {
    "rate-limited": error(
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit.",
        [("retry-after", "7"), ("anthropic-ratelimit-requests-remaining", "0")],
    ),
    "too-long": error(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "no-credit": error(400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    "down": error(500, "api_error", "Internal server error"),
    "overloaded": error(529, "overloaded_error", "Overloaded"),
    "forbidden": error(403, "permission_error", "Your API key does not have permission to use the specified resource."),
    "unknown-model": error(404, "not_found_error", "model: unknown-model"),
}


class Anthropic(Vendor):
    """Strict where Anthropic is: path, key, version, `max_tokens`, roles, unknown keys."""

    prefix = "anthropic"
    model = "claude-sonnet-4-5"
    failures = FAILURES

    def respond(self, request: Request) -> Reply:
        if request.header("x-api-key") != self.key:
            raise Refusal(error(401, "authentication_error", "invalid x-api-key"))
        if request.header("anthropic-version") != "2023-06-01":
            raise Refusal(error(400, "invalid_request_error", "anthropic-version: header is required"))
        if (request.method, request.path) != ("POST", "/v1/messages"):
            raise Refusal(error(404, "not_found_error", "Not Found"))
        body = request.json
        if body["model"] in self.failures:
            raise Refusal(self.failures[body["model"]])
        if wrong := problem(body):
            raise Refusal(error(400, "invalid_request_error", wrong))
        said = say(_turn(body), "toolu_")
        return self._stream(body, said) if body.get("stream") else self._message(body, said)

    def _message(self, body: dict, said: Said) -> Reply:
        content = [block for block in _blocks(said)]
        reply = {**self._head(body), "content": content, "stop_reason": _finish(said), "usage": _usage(said, said.output_tokens)}
        return json_reply(reply, headers=[("request-id", "req_stand_in"), ("anthropic-ratelimit-requests-remaining", "99")])

    def _stream(self, body: dict, said: Said) -> Reply:
        start = {**self._head(body), "content": [], "stop_reason": None, "usage": _usage(said, 1)}
        events: list[Any] = [{"type": "message_start", "message": start}]
        for at, block in enumerate(_blocks(said)):
            empty = {key: "" if isinstance(value, str) and key in ("text", "thinking", "signature") else value for key, value in block.items()}
            if block["type"] == "tool_use":
                empty["input"] = {}
            events.append({"type": "content_block_start", "index": at, "content_block": empty})
            if at == 0:
                events.append({"type": "ping"})
            events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in _deltas(block, said)]
            events.append({"type": "content_block_stop", "index": at})
        if body["model"] == "breaks-off":
            return stream_reply(*events[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        finish = {"stop_reason": _finish(said), "stop_sequence": None}
        events.append({"type": "message_delta", "delta": finish, "usage": {"output_tokens": said.output_tokens}})
        events.append({"type": "message_stop"})
        return stream_reply(*events, headers=[("request-id", "req_stand_in")])

    def _head(self, body: dict) -> dict:
        return {"id": self.fresh_id("msg_"), "type": "message", "role": "assistant", "model": body["model"] + "-20260101", "stop_sequence": None}


def problem(body: dict) -> str | None:
    """What Anthropic would say is wrong with a request: its own SDK's types know most of it."""
    if found := problems(body, REQUEST):
        return found[0].removeprefix(".")
    if body["max_tokens"] < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    if not 0 <= body.get("temperature", 1) <= 1:
        return "temperature: Input should be less than or equal to 1"
    if not body["messages"]:
        return "messages: at least one message is required"
    for at, message in enumerate(body["messages"]):
        if not message["content"] and at + 1 < len(body["messages"]):
            return f"messages.{at}: all messages must have non-empty content"
    return None


def _turn(body: dict) -> Turn:
    last = body["messages"][-1]["content"]
    results = [_text(block.get("content", "")) for block in last if block["type"] == "tool_result"] if isinstance(last, list) else []
    tools = [(tool["name"], tool["input_schema"]) for tool in body.get("tools", []) if "input_schema" in tool]
    choice = body.get("tool_choice", {"type": "auto"})
    if choice["type"] == "none":
        tools = []
    elif choice["type"] == "tool":
        tools = [tool for tool in tools if tool[0] == choice["name"]]
    wanted = body.get("output_config", {}).get("format") or body.get("output_format") or {}
    asked = next((_text(m["content"]) for m in reversed(body["messages"]) if m["role"] == "user"), "")
    reasoning = body.get("thinking", {"type": "disabled"})["type"] != "disabled"
    prompt = " ".join([_text(body.get("system", "")), *(_text(message["content"]) for message in body["messages"])])
    return Turn(body["model"], asked, results, tools, wanted.get("schema"), reasoning, body["max_tokens"], prompt)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(block.get("text", f"[{block['type']}]") for block in content)
    return content


def _blocks(said: Said) -> list[dict]:
    blocks: list[dict] = []
    if said.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(said.reasoning), "signature": SIGNATURE})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    return blocks + [{"type": "tool_use", "id": id_, "name": name, "input": arguments} for id_, name, arguments in said.calls]


def _deltas(block: dict, said: Said) -> list[dict]:
    if block["type"] == "thinking":
        return [*({"type": "thinking_delta", "thinking": word} for word in said.reasoning), {"type": "signature_delta", "signature": SIGNATURE}]
    if block["type"] == "text":
        return [{"type": "text_delta", "text": word} for word in said.words]
    text = json.dumps(block["input"])
    pieces = ["", text[: len(text) // 2], text[len(text) // 2 :]]
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def _finish(said: Said) -> str:
    return "max_tokens" if said.cut else "tool_use" if said.calls else "end_turn"


def _usage(said: Said, output: int) -> dict:
    return {
        "input_tokens": said.input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
        "service_tier": "standard",
    }
