"""OpenAI's chat completions, for OpenAI and everybody who speaks its language."""

from __future__ import annotations

import json
import time
from typing import Any

from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming

from .openai_responses import Responses, completion
from .scripted import Reply, body_reply, json_reply, stream_reply
from .typed import problems
from .vendor import Refusal, Said, Turn, Vendor, say
from .wire import Request


REQUEST = CompletionCreateParamsNonStreaming | CompletionCreateParamsStreaming


def error(status: int, message: str, type_: str, code: str | None, headers: list[tuple[str, str]] | None = None) -> Reply:
    body = {"error": {"message": message, "type": type_, "param": None, "code": code}}
    return json_reply(body, status, [("x-request-id", "req_stand_in"), *(headers or [])])


FAILURES = {
    "rate-limited": error(
        429, "Rate limit reached for requests.", "requests", "rate_limit_exceeded", [("retry-after", "7"), ("x-ratelimit-remaining-requests", "0")]
    ),
    "no-credit": error(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    "too-long": error(
        400,
        "This model's maximum context length is 128000 tokens. However, your messages resulted in 140000 tokens.",
        "invalid_request_error",
        "context_length_exceeded",
    ),
    "down": error(500, "The server had an error while processing your request.", "server_error", None),
    "overloaded": error(503, "The engine is currently overloaded.", "server_error", None),
    "unknown-model": error(404, "The model does not exist.", "invalid_request_error", "model_not_found"),
    "html": body_reply(b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html", 502),
}


class OpenAI(Vendor):
    """Strict where OpenAI is: path, key, and the parameters that reasoning models refuse."""

    prefix = "openai"
    base_path = "/v1"
    model = "gpt-4o"
    failures = FAILURES

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._responses = Responses(self.fresh_id, error, self.failures)

    def respond(self, request: Request) -> Reply:
        if request.header("authorization") != f"Bearer {self.key}":
            raise Refusal(error(401, "Incorrect API key provided.", "invalid_request_error", "invalid_api_key"))
        if (response := self._responses.respond(request)) is not None:
            return response
        if (request.method, request.path) == ("POST", "/v1/completions"):
            return completion(request.json, self.fresh_id, error)
        if (request.method, request.path) != ("POST", "/v1/chat/completions"):
            raise Refusal(error(404, f"Invalid URL ({request.method} {request.path})", "invalid_request_error", None))
        body = request.json
        if body["model"] in self.failures:
            raise Refusal(self.failures[body["model"]])
        if body["model"].startswith(("o1", "o3", "gpt-5")) and "max_tokens" in body:
            raise Refusal(error(400, "Unsupported parameter: 'max_tokens'.", "invalid_request_error", "unsupported_parameter"))
        if problem := _problem(body):
            raise Refusal(error(400, problem, "invalid_request_error", None))
        said = say(_turn(body))
        return self._stream(body, said) if body.get("stream") else self._completion(body, said)

    def _completion(self, body: dict, said: Said) -> Reply:
        message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
        if said.calls:
            message["tool_calls"] = [_call(*call) for call in said.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(said)}
        reply = {**self._head(body, "chat.completion"), "choices": [choice], "usage": _usage(said)}
        return json_reply(reply, headers=[("openai-processing-ms", "12"), ("x-ratelimit-remaining-requests", "99")])

    def _stream(self, body: dict, said: Said) -> Reply:
        head = self._head(body, "chat.completion.chunk")
        include = (body.get("stream_options") or {}).get("include_usage", False)
        # With the usage asked for, every chunk but the last says that its usage is null.
        tail = {"usage": None} if include else {}

        def chunk(delta: dict, finish: str | None = None) -> dict:
            return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], **tail}

        events = [chunk({"role": "assistant", "content": "", "refusal": None})]
        events += [chunk({"content": word}) for word in said.words]
        for at, (id_, name, arguments) in enumerate(said.calls):
            started = {"index": at, "id": id_, "type": "function", "function": {"name": name, "arguments": ""}}
            events.append(chunk({"tool_calls": [started]}))
            text = json.dumps(arguments)
            for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
                events.append(chunk({"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        events.append(chunk({}, _finish(said)))
        if include:
            events.append({**head, "choices": [], "usage": _usage(said)})
        if body["model"] == "breaks-off":
            return stream_reply(*events[:3], {"error": {"message": "The server had an error.", "type": "server_error", "code": None}})
        return stream_reply(*events, "data: [DONE]\n\n")

    def _head(self, body: dict, kind: str) -> dict:
        return {
            "id": self.fresh_id("chatcmpl-"),
            "object": kind,
            "created": int(time.time()),
            "model": body["model"] + "-2026-01-01",
            "service_tier": "default",
            "system_fingerprint": "fp_stand_in",
        }


def _problem(body: dict) -> str | None:
    """What OpenAI would say is wrong with a request: its own SDK's types know. What it doesn't know, it lets pass inside."""
    found = [problem for problem in problems(body, REQUEST) if not problem.endswith(": unknown")]
    return f"Invalid value: {found[0]}" if found else None


def _turn(body: dict) -> Turn:
    messages = body["messages"]
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, _text(message["content"]))
    tools = [(tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools", [])]
    choice = body.get("tool_choice", "auto")
    if choice == "none":
        tools = []
    elif isinstance(choice, dict):
        tools = [tool for tool in tools if tool[0] == choice["function"]["name"]]
    wanted = body.get("response_format", {})
    schema = {"type": "object"} if wanted.get("type") == "json_object" else wanted.get("json_schema", {}).get("schema")
    asked = next((_text(m["content"]) for m in reversed(messages) if m["role"] == "user"), "")
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    prompt = " ".join(_text(message.get("content")) for message in messages)
    return Turn(body["model"], asked, results, tools, schema, False, limit, prompt)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", f"[{part['type']}]") for part in content)
    return content or ""


def _call(id_: str, name: str, arguments: dict) -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _finish(said: Said) -> str:
    return "length" if said.cut else "tool_calls" if said.calls else "stop"


def _usage(said: Said) -> dict:
    return {
        "prompt_tokens": said.input_tokens,
        "completion_tokens": said.output_tokens,
        "total_tokens": said.input_tokens + said.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
