"""Bedrock's Converse, a stream in AWS's binary framing.

Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>.
"""

from __future__ import annotations

import json
import re
import struct
import urllib.parse
import zlib

from ..scripted import Reply, json_reply
from ..vendor import Refusal, Said, Turn, Vendor, say
from ..wire import Request

SIGNATURE = "ErUBCkYIBRgCIkAq"


def error(status: int, name: str, message: str) -> Reply:
    return json_reply({"message": message}, status, [("x-amzn-errortype", name)])


class Bedrock(Vendor):
    """It takes a bearer key, as Bedrock does."""

    prefix = "bedrock"
    model = "amazon.nova-pro-v1:0"
    failures = {
        "amazon.rate-limited": error(429, "ThrottlingException", "Too many requests, please wait before trying again."),
        "amazon.down": error(500, "InternalServerException", "The system encountered an unexpected error during processing."),
    }

    def respond(self, request: Request) -> Reply:
        if request.header("authorization") != f"Bearer {self.key}":
            raise Refusal(error(403, "AccessDeniedException", "Authentication failed."))
        found = re.fullmatch(r"/model/([^/]+)/(converse|converse-stream)", request.path)
        if not found or request.method != "POST":
            raise Refusal(error(404, "UnknownOperationException", ""))
        model, verb = urllib.parse.unquote(found[1]), found[2]
        if model in self.failures:
            raise Refusal(self.failures[model])
        said = say(_turn(model, request.json), "tooluse_")
        return self._stream(said) if verb == "converse-stream" else self._whole(said)

    def _whole(self, said: Said) -> Reply:
        content: list[dict] = []
        if said.reasoning:
            content.append({"reasoningContent": {"reasoningText": {"text": "".join(said.reasoning), "signature": SIGNATURE}}})
        content.append({"text": said.text})
        content += [{"toolUse": {"toolUseId": id_, "name": name, "input": arguments}} for id_, name, arguments in said.calls]
        message = {"role": "assistant", "content": content}
        return json_reply({"output": {"message": message}, "stopReason": _finish(said), "usage": _usage(said), "metrics": {"latencyMs": 5}})

    def _stream(self, said: Said) -> Reply:
        frames = [frame("messageStart", {"role": "assistant"})]
        deltas: list[tuple[dict | None, list[dict]]] = []
        if said.reasoning:
            words = [{"reasoningContent": {"text": word}} for word in said.reasoning]
            deltas.append((None, [*words, {"reasoningContent": {"signature": SIGNATURE}}]))
        deltas.append((None, [{"text": word} for word in said.words]))
        for id_, name, arguments in said.calls:
            deltas.append(({"toolUse": {"toolUseId": id_, "name": name}}, [{"toolUse": {"input": json.dumps(arguments)}}]))
        for at, (start, pieces) in enumerate(deltas):
            if start:
                frames.append(frame("contentBlockStart", {"start": start, "contentBlockIndex": at}))
            frames += [frame("contentBlockDelta", {"delta": piece, "contentBlockIndex": at}) for piece in pieces]
            frames.append(frame("contentBlockStop", {"contentBlockIndex": at}))
        frames.append(frame("messageStop", {"stopReason": _finish(said)}))
        frames.append(frame("metadata", {"usage": _usage(said), "metrics": {"latencyMs": 5}}))
        return Reply(200, (("content-type", "application/vnd.amazon.eventstream"),), tuple(frames))


def frame(name: str, payload: dict) -> bytes:
    """A message of AWS's event stream."""
    headers = b""
    for key, value in ((":event-type", name), (":content-type", "application/json"), (":message-type", "event")):
        headers += struct.pack("!B", len(key)) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + body
    return message + struct.pack("!I", zlib.crc32(message))


def _finish(said: Said) -> str:
    return "max_tokens" if said.cut else "tool_use" if said.calls else "end_turn"


def _usage(said: Said) -> dict:
    return {"inputTokens": said.input_tokens, "outputTokens": said.output_tokens, "totalTokens": said.input_tokens + said.output_tokens}


def _turn(model: str, body: dict) -> Turn:
    messages = body["messages"]
    results = [_result(block["toolResult"]["content"]) for block in messages[-1]["content"] if "toolResult" in block]
    config = body.get("toolConfig") or {}
    tools = [(tool["toolSpec"]["name"], tool["toolSpec"]["inputSchema"]["json"]) for tool in config.get("tools", []) if "toolSpec" in tool]
    if named := config.get("toolChoice", {}).get("tool"):
        tools = [tool for tool in tools if tool[0] == named["name"]]
    asked = next((_text(message["content"]) for message in reversed(messages) if message["role"] == "user" and _text(message["content"])), "")
    more = body.get("additionalModelRequestFields") or {}
    reasoning = any(key in more for key in ("thinking", "reasoning_config", "reasoningConfig"))
    prompt = " ".join([_text(body.get("system", [])), *(_text(message["content"]) for message in messages)])
    return Turn(model, asked, results, tools, None, reasoning, (body.get("inferenceConfig") or {}).get("maxTokens"), prompt)


def _result(content: list[dict]) -> str:
    return " ".join(part.get("text", "") or json.dumps(part.get("json", "")) for part in content)


def _text(content: list[dict]) -> str:
    return " ".join(part["text"] if "text" in part else "[image]" for part in content if "text" in part or "image" in part)
