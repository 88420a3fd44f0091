"""Ollama's chat, a line of JSON an event. Source: <https://docs.ollama.com/api/chat>."""

from __future__ import annotations

import json

from ..scripted import Reply, json_reply
from ..vendor import Refusal, Said, Turn, Vendor, say
from ..wire import Request


class Ollama(Vendor):
    """It has no call ids: results come back in the order of the calls, or by the tool's name."""

    prefix = "ollama"
    model = "llama3.2"
    failures = {
        "down": json_reply({"error": "llama runner process has terminated"}, 500),
        "unknown-model": json_reply({"error": 'model "unknown-model" not found, try pulling it first'}, 404),
    }

    def respond(self, request: Request) -> Reply:
        if (request.method, request.path) != ("POST", "/api/chat"):
            raise Refusal(Reply(404, (("content-type", "text/plain"),), (b"404 page not found",), "length"))
        body = request.json
        if body["model"] in self.failures:
            raise Refusal(self.failures[body["model"]])
        said = say(_turn(body))
        head = {"model": body["model"], "created_at": "2026-01-01T00:00:00.000000Z"}
        calls = [{"function": {"name": name, "arguments": arguments}} for _, name, arguments in said.calls]
        end = {"done": True, "done_reason": "length" if said.cut else "stop", "prompt_eval_count": said.input_tokens, "eval_count": said.output_tokens}
        if body.get("stream") is False:
            return json_reply({**head, "message": _message(said.text, "".join(said.reasoning), calls), **end})
        lines = [_message("", word) for word in said.reasoning] + [_message(word) for word in said.words]
        if calls:
            lines.append(_message("", "", calls))
        events = [{**head, "message": message, "done": False} for message in lines] + [{**head, "message": _message(""), **end}]
        return Reply(200, (("content-type", "application/x-ndjson"),), tuple(json.dumps(event).encode() + b"\n" for event in events))


def _message(text: str, thinking: str = "", calls: list[dict] | None = None) -> dict:
    return {"role": "assistant", "content": text, **({"thinking": thinking} if thinking else {}), **({"tool_calls": calls} if calls else {})}


def _turn(body: dict) -> Turn:
    messages = body["messages"]
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, message["content"])
    tools = [(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or []]
    form = body.get("format")
    schema = {"type": "object"} if form == "json" else form
    asked = next((_text(message) for message in reversed(messages) if message["role"] == "user"), "")
    prompt = " ".join(_text(message) for message in messages)
    limit = (body.get("options") or {}).get("num_predict")
    return Turn(body["model"], asked, results, tools, schema, bool(body.get("think")), limit, prompt)


def _text(message: dict) -> str:
    return " ".join([message.get("content", ""), *("[image]" for _ in message.get("images") or [])])
