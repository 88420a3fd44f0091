"""Mistral's chat completions: near to OpenAI's, with habits of their own. Source: <https://docs.mistral.ai/api>."""

from __future__ import annotations

import json
import re
import time

from ..scripted import Reply, json_reply, stream_reply
from ..vendor import Refusal, Said, Turn, Vendor, say
from ..wire import Request


def error(status: int, type_: str, message: str) -> Reply:
    return json_reply({"object": "error", "message": message, "type": type_, "param": None, "code": None}, status)


class Mistral(Vendor):
    """Strict about the ids of calls: nine letters or digits."""

    prefix = "mistral"
    base_path = "/v1"
    model = "mistral-large-latest"
    failures = {
        "rate-limited": error(429, "rate_limited", "Requests rate limit exceeded"),
        "down": error(500, "internal_server_error", "Service unavailable."),
    }

    def respond(self, request: Request) -> Reply:
        if request.header("authorization") != f"Bearer {self.key}":
            raise Refusal(json_reply({"detail": "Unauthorized"}, 401))
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            raise Refusal(json_reply({"detail": "Not Found"}, 404))
        body = request.json
        if body["model"] in self.failures:
            raise Refusal(self.failures[body["model"]])
        for message in body["messages"]:
            for id_ in [message.get("tool_call_id"), *(call["id"] for call in message.get("tool_calls") or [])]:
                if id_ is not None and not re.fullmatch("[A-Za-z0-9]{9}", id_):
                    raise Refusal(error(400, "invalid_request_message_order", f"Tool call id was {id_} but must be a-z, A-Z, 0-9, with a length of 9."))
        said = say(_turn(body))
        calls = [{"id": f"{at}{self.fresh_id('')}"[-9:], "index": at, "function": {"name": name, "arguments": json.dumps(arguments)}} for at, (_, name, arguments) in enumerate(said.calls)]
        head = {"id": self.fresh_id(""), "created": int(time.time()), "model": body["model"]}
        if not body.get("stream"):
            message = {"role": "assistant", "content": said.text, "tool_calls": calls or None}
            choice = {"index": 0, "message": message, "finish_reason": _finish(said)}
            return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": _usage(said)})
        events: list[dict] = []
        for delta in [{"role": "assistant", "content": ""}, *({"content": word} for word in said.words), *([{"tool_calls": calls}] if calls else [])]:
            events.append({**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        events.append({**head, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": _finish(said)}], "usage": _usage(said)})
        return stream_reply(*events, "data: [DONE]\n\n")


def _finish(said: Said) -> str:
    return "length" if said.cut else "tool_calls" if said.calls else "stop"


def _usage(said: Said) -> dict:
    return {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens, "total_tokens": said.input_tokens + said.output_tokens}


def _turn(body: dict) -> Turn:
    messages = body["messages"]
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, _text(message["content"]))
    tools = [(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or []]
    choice = body.get("tool_choice", "auto")
    if choice == "none":
        tools = []
    elif isinstance(choice, dict):
        tools = [tool for tool in tools if tool[0] == choice["function"]["name"]]
    form = body.get("response_format") or {}
    schema = {"type": "object"} if form.get("type") == "json_object" else (form.get("json_schema") or {}).get("schema")
    asked = next((_text(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")
    prompt = " ".join(_text(message.get("content")) for message in messages)
    return Turn(body["model"], asked, results, tools, schema, False, body.get("max_tokens"), prompt)


def _text(content: object) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", f"[{part['type']}]") for part in content)
    return str(content or "")
