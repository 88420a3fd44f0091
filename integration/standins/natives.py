"""The turn of a model in every native language: what a test wants said becomes the bytes that the vendor would send.

For vendors that have no stand-in of their own; a `Scripted` plays the replies. To add a language: a function here and a
line in `NATIVES`.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import struct
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from .scripted import Reply, body_reply, json_reply, stream_reply

INPUT, OUTPUT = 11, 7
"""The tokens that every turn says it used."""


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a model says in one turn."""

    text: str = ""
    thinking: str = ""
    calls: tuple[tuple[str, str, dict], ...] = ()
    """Id, name, arguments."""


@dataclasses.dataclass(frozen=True)
class Native:
    """A language as some vendor speaks it, and how a config reaches it."""

    model: str
    """`litellm_params.model`"""
    reply: Callable[[Turn, bool], Reply]
    """The turn as a reply, whole or as a stream."""
    failure: Reply
    """The vendor's way to say that there were too many requests."""
    base_path: str = ""
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    own: dict[str, Callable[[Turn, bool], Reply]] = dataclasses.field(default_factory=dict)
    """The turn in other languages that the vendor speaks: a client of one of these is answered in it."""

    def told(self, client: str, turn: Turn, stream: bool) -> Reply:
        """The turn as the vendor tells it to a client of this language."""
        return self.own.get(client, self.reply)(turn, stream)


def halves(text: str) -> list[str]:
    """A text in two pieces, as streams tell it."""
    return [piece for piece in (text[: len(text) // 2], text[len(text) // 2 :]) if piece]


def openai(turn: Turn, stream: bool) -> Reply:
    usage = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
    head = {"id": "chatcmpl-1", "created": 1, "model": "gpt-5"}
    finish = "tool_calls" if turn.calls else "stop"
    calls = [{"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}} for id_, name, args in turn.calls]
    if not stream:
        message = {"role": "assistant", "content": turn.text or None, "reasoning_content": turn.thinking or None, "tool_calls": calls or None}
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return json_reply({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    deltas: list[dict] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in halves(turn.thinking)]
    deltas += [{"content": piece} for piece in halves(turn.text)]
    for at, call in enumerate(calls):
        first, *rest = halves(call["function"]["arguments"])
        deltas.append({"tool_calls": [{**call, "index": at, "function": {"name": call["function"]["name"], "arguments": first}}]})
        deltas += [{"tool_calls": [{"index": at, "function": {"arguments": piece}}]} for piece in rest]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas] + [[{"index": 0, "delta": {}, "finish_reason": finish}]]
    chunks = [{**head, "object": "chat.completion.chunk", "choices": choice} for choice in choices]
    return stream_reply(*chunks, {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}, "data: [DONE]\n\n")


def responses(turn: Turn, stream: bool) -> Reply:
    """OpenAI's other language."""
    output: list[dict] = []
    if turn.thinking:
        output.append({"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": turn.thinking}], "encrypted_content": "gAAAAA"})
    if turn.text:
        text = {"type": "output_text", "text": turn.text, "annotations": [], "logprobs": []}
        output.append({"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [text]})
    for at, (id_, name, args) in enumerate(turn.calls):
        output.append({"id": f"fc_{at}", "type": "function_call", "status": "completed", "call_id": id_, "name": name, "arguments": json.dumps(args)})
    usage = {"input_tokens": INPUT, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": OUTPUT, "output_tokens_details": {"reasoning_tokens": 0}}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "gpt-5", "error": None, "incomplete_details": None, "parallel_tool_calls": True}
    response |= {"tool_choice": "auto", "tools": [], "status": "completed", "output": output, "usage": {**usage, "total_tokens": INPUT + OUTPUT}}
    if not stream:
        return json_reply(response)
    begun = {**response, "status": "in_progress", "output": [], "usage": None}
    events: list[dict] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for at, item in enumerate(output):
        place = {"item_id": item["id"], "output_index": at}
        empty = {"reasoning": {"summary": []}, "message": {"content": []}, "function_call": {"arguments": ""}}[item["type"]]
        events.append({"type": "response.output_item.added", "output_index": at, "item": {**item, **empty}})
        if item["type"] == "message":
            events.append({"type": "response.content_part.added", **place, "content_index": 0, "part": {**item["content"][0], "text": ""}})
            events += [{"type": "response.output_text.delta", **place, "content_index": 0, "delta": piece, "logprobs": []} for piece in halves(turn.text)]
            events.append({"type": "response.output_text.done", **place, "content_index": 0, "text": turn.text, "logprobs": []})
            events.append({"type": "response.content_part.done", **place, "content_index": 0, "part": item["content"][0]})
        elif item["type"] == "function_call":
            events += [{"type": "response.function_call_arguments.delta", **place, "delta": piece} for piece in halves(item["arguments"])]
            events.append({"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": item["arguments"]})
        events.append({"type": "response.output_item.done", "output_index": at, "item": item})
    events.append({"type": "response.completed", "response": response})
    return stream_reply(*({**event, "sequence_number": number} for number, event in enumerate(events)))


def mistral(turn: Turn, stream: bool) -> Reply:
    """OpenAI's, with reasoning as a part of the content."""
    reply = openai(dataclasses.replace(turn, thinking=""), stream)
    if not turn.thinking:
        return reply
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": turn.thinking}]}]
    if stream:
        chunk = {"id": "c", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": thought}, "finish_reason": None}]}
        return dataclasses.replace(reply, steps=(f"data: {json.dumps(chunk)}\n\n".encode(), *reply.steps))
    body = json.loads(reply.steps[0])
    message = body["choices"][0]["message"]
    message["content"] = [*thought, *([{"type": "text", "text": turn.text}] if turn.text else [])]
    return json_reply(body)


def anthropic_blocks(turn: Turn) -> list[dict]:
    blocks: list[dict] = []
    if turn.thinking:
        blocks.append({"type": "thinking", "thinking": turn.thinking, "signature": "c2ln"})
    if turn.text:
        blocks.append({"type": "text", "text": turn.text})
    return blocks + [{"type": "tool_use", "id": id_, "name": name, "input": args} for id_, name, args in turn.calls]


def anthropic_events(turn: Turn) -> list[dict]:
    usage = {"input_tokens": INPUT, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    events: list[dict] = [{"type": "message_start", "message": message}]
    for at, block in enumerate(anthropic_blocks(turn)):
        kind = block["type"]
        empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}, "tool_use": {"input": {}}}[kind]
        events.append({"type": "content_block_start", "index": at, "content_block": {**block, **empty}})
        deltas: list[dict] = []
        if kind == "thinking":
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        elif kind == "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in halves(block["text"])]
        else:
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves(json.dumps(block["input"]))]
        events += [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": at})
    stop = {"stop_reason": "tool_use" if turn.calls else "end_turn", "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": stop, "usage": {"output_tokens": OUTPUT}}, {"type": "message_stop"}]


def anthropic_message(turn: Turn) -> dict:
    start = anthropic_events(turn)[0]["message"]
    stop = {"stop_reason": "tool_use" if turn.calls else "end_turn"}
    return {**start, "content": anthropic_blocks(turn), **stop, "usage": {"input_tokens": INPUT, "output_tokens": OUTPUT}}


def anthropic(turn: Turn, stream: bool) -> Reply:
    return stream_reply(*anthropic_events(turn)) if stream else json_reply(anthropic_message(turn))


def bedrock_invoke(turn: Turn, stream: bool) -> Reply:
    if not stream:
        return json_reply(anthropic_message(turn))
    packed = ({"bytes": base64.b64encode(json.dumps(event).encode()).decode()} for event in anthropic_events(turn))
    return event_stream(("chunk", event) for event in packed)


def event_stream(events: Iterable[tuple[str, dict]]) -> Reply:
    """AWS's binary framing."""
    return Reply(200, (("content-type", "application/vnd.amazon.eventstream"),), tuple(_message(name, json.dumps(event).encode()) for name, event in events))


def _message(name: str, payload: bytes) -> bytes:
    headers = b""
    for key, value in ((":event-type", name), (":content-type", "application/json"), (":message-type", "event")):
        headers += struct.pack("!B", len(key)) + key.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return message + struct.pack("!I", zlib.crc32(message))


def converse(turn: Turn, stream: bool) -> Reply:
    usage = {"inputTokens": INPUT, "outputTokens": OUTPUT, "totalTokens": INPUT + OUTPUT}
    stop = "tool_use" if turn.calls else "end_turn"
    if not stream:
        content: list[dict] = []
        if turn.thinking:
            content.append({"reasoningContent": {"reasoningText": {"text": turn.thinking, "signature": "c2ln"}}})
        if turn.text:
            content.append({"text": turn.text})
        content += [{"toolUse": {"toolUseId": id_, "name": name, "input": args}} for id_, name, args in turn.calls]
        message = {"role": "assistant", "content": content}
        return json_reply({"output": {"message": message}, "stopReason": stop, "usage": usage, "metrics": {"latencyMs": 1}})
    events: list[tuple[str, dict]] = [("messageStart", {"role": "assistant"})]
    at = 0

    def block(deltas: list[dict], start: dict | None = None) -> None:
        nonlocal at
        if start:
            events.append(("contentBlockStart", {"contentBlockIndex": at, "start": start}))
        events.extend(("contentBlockDelta", {"contentBlockIndex": at, "delta": delta}) for delta in deltas)
        events.append(("contentBlockStop", {"contentBlockIndex": at}))
        at += 1

    if turn.thinking:
        block([*({"reasoningContent": {"text": piece}} for piece in halves(turn.thinking)), {"reasoningContent": {"signature": "c2ln"}}])
    if turn.text:
        block([{"text": piece} for piece in halves(turn.text)])
    for id_, name, args in turn.calls:
        block([{"toolUse": {"input": piece}} for piece in halves(json.dumps(args))], {"toolUse": {"toolUseId": id_, "name": name}})
    return event_stream([*events, ("messageStop", {"stopReason": stop}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})])


def gemini(turn: Turn, stream: bool) -> Reply:
    parts: list[dict] = []
    if turn.thinking:
        parts.append({"text": turn.thinking, "thought": True})
    if turn.text:
        parts.append({"text": turn.text})
    for at, (_, name, args) in enumerate(turn.calls):
        # Google signs the first call of a turn.
        parts.append({"functionCall": {"name": name, "args": args}, **({"thoughtSignature": "c2lnbmF0dXJl"} if at == 0 else {})})
    usage = {"promptTokenCount": INPUT, "candidatesTokenCount": OUTPUT, "totalTokenCount": INPUT + OUTPUT}
    tail = {"usageMetadata": usage, "modelVersion": "gemini-3-pro-preview", "responseId": "r1"}
    content = lambda parts: {"role": "model", "parts": parts}
    if not stream:
        return json_reply({"candidates": [{"content": content(parts), "finishReason": "STOP", "index": 0}], **tail})
    chunks = [{"candidates": [{"content": content([part]), "index": 0}], **tail} for part in parts[:-1]]
    last = {"candidates": [{"content": content(parts[-1:]), "finishReason": "STOP", "index": 0}], **tail}
    return stream_reply(*(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in [*chunks, last]))


def cohere(turn: Turn, stream: bool) -> Reply:
    usage = {"billed_units": {"input_tokens": INPUT, "output_tokens": OUTPUT}, "tokens": {"input_tokens": INPUT, "output_tokens": OUTPUT}}
    finish = "TOOL_CALL" if turn.calls else "COMPLETE"
    content = [*([{"type": "thinking", "thinking": turn.thinking}] if turn.thinking else []), *([{"type": "text", "text": turn.text}] if turn.text else [])]
    calls = [{"id": id_, "type": "function", "function": {"name": name, "arguments": json.dumps(args)}} for id_, name, args in turn.calls]
    if not stream:
        message = {"role": "assistant", "content": content, "tool_calls": calls}
        return json_reply({"id": "r1", "finish_reason": finish, "message": message, "usage": usage})
    events: list[dict] = [{"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant"}}}]
    for at, part in enumerate(content):
        kind = part["type"]
        events.append({"type": "content-start", "index": at, "delta": {"message": {"content": {"type": kind, kind: ""}}}})
        events += [{"type": "content-delta", "index": at, "delta": {"message": {"content": {kind: piece}}}} for piece in halves(part[kind])]
        events.append({"type": "content-end", "index": at})
    for at, call in enumerate(calls):
        function = call["function"]
        start = {**call, "function": {"name": function["name"], "arguments": ""}}
        events.append({"type": "tool-call-start", "index": at, "delta": {"message": {"tool_calls": start}}})
        for piece in halves(function["arguments"]):
            events.append({"type": "tool-call-delta", "index": at, "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}}})
        events.append({"type": "tool-call-end", "index": at})
    return stream_reply(*events, {"type": "message-end", "delta": {"finish_reason": finish, "usage": usage}}, "data: [DONE]\n\n")


def ollama(turn: Turn, stream: bool) -> Reply:
    head = {"model": "qwen3", "created_at": "2026-08-04T19:59:21.358882Z"}
    calls = [{"function": {"name": name, "arguments": args}} for _, name, args in turn.calls]
    message = {"role": "assistant", "content": turn.text, **({"thinking": turn.thinking} if turn.thinking else {}), **({"tool_calls": calls} if calls else {})}
    end = {"done": True, "done_reason": "stop", "prompt_eval_count": INPUT, "eval_count": OUTPUT}
    if not stream:
        return json_reply({**head, "message": message, **end})
    lines: list[dict] = [{"message": {"role": "assistant", "content": "", "thinking": piece}, "done": False} for piece in halves(turn.thinking)]
    lines += [{"message": {"role": "assistant", "content": piece}, "done": False} for piece in halves(turn.text)]
    lines += [{"message": {"role": "assistant", "content": "", "tool_calls": [call]}, "done": False} for call in calls]
    lines.append({"message": {"role": "assistant", "content": ""}, **end})
    text = "".join(json.dumps({**head, **line}) + "\n" for line in lines)
    return body_reply(text.encode(), "application/x-ndjson")


AWS = {"aws_region_name": "eu-west-1"}

ANTHROPIC_FAILURE = json_reply({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}, 429)
OPENAI_FAILURE = json_reply({"error": {"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}}, 429)
AWS_FAILURE = json_reply({"message": "Slow down."}, 429, [("x-amzn-errortype", "ThrottlingException")])

NATIVES = {
    "openai": Native("openai/gpt-5", openai, OPENAI_FAILURE, "/v1", own={"responses": responses}),
    "anthropic": Native("anthropic/claude-sonnet-4-5", anthropic, ANTHROPIC_FAILURE),
    "bedrock_invoke": Native("bedrock/invoke/anthropic.claude-sonnet-4-5-20250929-v1:0", bedrock_invoke, AWS_FAILURE, params=AWS),
    "converse": Native("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", converse, AWS_FAILURE, params=AWS),
    "gemini": Native(
        "gemini/gemini-3-pro-preview", gemini, json_reply({"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}, 429), "/v1beta"
    ),
    "cohere": Native("cohere/command-a-reasoning-08-2025", cohere, json_reply({"message": "Slow down."}, 429)),
    "mistral": Native("mistral/magistral-medium-latest", mistral, json_reply({"message": "Slow down.", "type": "rate_limited", "code": "1300"}, 429), "/v1"),
    "ollama": Native("ollama_chat/qwen3", ollama, json_reply({"error": "Slow down."}, 429)),
}
