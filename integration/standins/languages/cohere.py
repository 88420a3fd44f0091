"""Cohere's chat, its second version. Source: <https://docs.cohere.com/reference/chat>."""

from __future__ import annotations

import json

from ..scripted import Reply, json_reply, stream_reply
from ..vendor import Refusal, Said, Turn, Vendor, say
from ..wire import Request


class Cohere(Vendor):
    prefix = "cohere"
    base_path = "/v2"
    model = "command-a-03-2025"
    failures = {
        "rate-limited": json_reply({"message": "You are using a Trial key, which is limited to 20 API calls / minute."}, 429),
        "down": json_reply({"message": "internal server error"}, 500),
    }

    def respond(self, request: Request) -> Reply:
        if request.header("authorization") != f"Bearer {self.key}":
            raise Refusal(json_reply({"message": "invalid api token"}, 401))
        if (request.method, request.path) != ("POST", "/v2/chat"):
            raise Refusal(json_reply({"message": "not found"}, 404))
        body = request.json
        if body["model"] in self.failures:
            raise Refusal(self.failures[body["model"]])
        said = say(_turn(body))
        return self._stream(said) if body.get("stream") else self._whole(said)

    def _whole(self, said: Said) -> Reply:
        message: dict = {"role": "assistant"}
        if said.calls:
            message["tool_plan"] = said.text
            message["tool_calls"] = [_call(*call) for call in said.calls]
        else:
            thought = [{"type": "thinking", "thinking": "".join(said.reasoning)}] if said.reasoning else []
            message["content"] = [*thought, {"type": "text", "text": said.text}]
        return json_reply({"id": self.fresh_id("c"), "finish_reason": _finish(said), "message": message, "usage": _usage(said)})

    def _stream(self, said: Said) -> Reply:
        def told(type_: str, message: dict | None = None, **more: object) -> dict:
            return {"type": type_, **more, **({"delta": {"message": message}} if message is not None else {})}

        events = [{"type": "message-start", "id": self.fresh_id("c"), "delta": {"message": {"role": "assistant", "content": []}}}]
        if said.calls:
            events += [told("tool-plan-delta", {"tool_plan": word}) for word in said.words]
            for at, call in enumerate(said.calls):
                whole = _call(*call)
                begun = {**whole, "function": {"name": whole["function"]["name"], "arguments": ""}}
                events.append(told("tool-call-start", {"tool_calls": begun}, index=at))
                events.append(told("tool-call-delta", {"tool_calls": {"function": {"arguments": whole["function"]["arguments"]}}}, index=at))
                events.append(told("tool-call-end", index=at))
        else:
            at = 0
            for type_, key, words in (("thinking", "thinking", said.reasoning), ("text", "text", said.words)):
                if words:
                    events.append(told("content-start", {"content": {"type": type_, key: ""}}, index=at))
                    events += [told("content-delta", {"content": {key: word}}, index=at) for word in words]
                    events.append(told("content-end", index=at))
                    at += 1
        events.append({"type": "message-end", "delta": {"finish_reason": _finish(said), "usage": _usage(said)}})
        return stream_reply(*events)


def _call(id_: str, name: str, arguments: dict) -> dict:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _finish(said: Said) -> str:
    return "MAX_TOKENS" if said.cut else "TOOL_CALL" if said.calls else "COMPLETE"


def _usage(said: Said) -> dict:
    spent = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
    return {"billed_units": spent, "tokens": spent}


def _turn(body: dict) -> Turn:
    messages = body["messages"]
    results = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        results.insert(0, _text(message["content"]))
    tools = [(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or []]
    if body.get("tool_choice") == "NONE":
        tools = []
    form = body.get("response_format") or {}
    schema = (form.get("json_schema") or form.get("schema") or {"type": "object"}) if form.get("type") == "json_object" else None
    asked = next((_text(message["content"]) for message in reversed(messages) if message["role"] == "user"), "")
    prompt = " ".join(_text(message.get("content")) for message in messages)
    reasoning = (body.get("thinking") or {}).get("type") == "enabled"
    return Turn(body["model"], asked, results, tools, schema, reasoning, body.get("max_tokens"), prompt)


def _text(content: object) -> str:
    if isinstance(content, list):
        documents = (part["document"]["data"] for part in content if part["type"] == "document")
        texts = (part.get("text", f"[{part['type']}]") for part in content if part["type"] != "document")
        return " ".join([*texts, *(data if isinstance(data, str) else " ".join(map(str, data.values())) for data in documents)])
    return str(content or "")
