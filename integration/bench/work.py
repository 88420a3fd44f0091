"""The work items: what clients send and what providers answer.

Owns the bodies, built here from a seed so that every machine measures the same bytes.
Must not know who is measured or how.
"""

import base64
import dataclasses
import json
import random

ANTHROPIC_MODEL = "claude-sonnet-4-5"
OPENAI_MODEL = "gpt-4o"
EMBEDDING_MODEL = "text-embedding-3-small"
EVENTS = 200

# The load generator reads this as the time at which an event was sent; see load.rs.
STAMP = "@" + "0" * 15

_WORDS = (
    "the a of to in and is that it for on with as are this be by or from at which an not we can more has"
    " request response model gateway latency stream token provider header cluster route retry budget policy"
    " customer invoice contract quarter region warehouse shipment sensor protein enzyme orbit parliament harbour"
    " naïve café größer 東京 данные"
).split()


def prose(size: int, seed: int) -> str:
    """Text as people send it: lines, quotes, an occasional code block and non-ASCII word, `size` bytes of JSON."""
    dice = random.Random(seed)
    parts: list[str] = []
    have = 0
    while have < size:
        roll = dice.random()
        if roll < 0.02:
            part = '\n```python\nprint("a\\tb", 42)\n```\n'
        elif roll < 0.06:
            part = ".\n\n"
        elif roll < 0.09:
            part = ' "' + dice.choice(_WORDS) + '"'
        else:
            part = " " + dice.choice(_WORDS)
        parts.append(part)
        have += len(json.dumps(part, ensure_ascii=False).encode()) - 2
    return "".join(parts).strip()


def _chat(model: str, size: int, turns: int, **more: object) -> dict:
    system = "You are a careful assistant. Answer in the language of the question.\n" + prose(300, 1)
    messages: list[dict] = [{"role": "system", "content": system}]
    each = max(1, (size - 700) // (2 * turns - 1))
    for turn in range(2 * turns - 1):
        role = "user" if turn % 2 == 0 else "assistant"
        messages.append({"role": role, "content": prose(each, 10 + turn)})
    return {"model": model, "messages": messages, "max_tokens": 1024, "temperature": 0.7, **more}


def _tools() -> list[dict]:
    names = "search_orders refund_order track_parcel find_customer open_ticket list_products quote_price book_slot".split()
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": prose(160, 100 + index),
                "parameters": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string", "description": "The identifier, as shown to the customer"},
                        "limit": {"type": "integer", "minimum": 1, "maximum": 50},
                        "state": {"type": "string", "enum": ["open", "paid", "shipped", "returned"]},
                        "filters": {"type": "array", "items": {"type": "object", "properties": {"key": {"type": "string"}}}},
                    },
                    "required": ["id"],
                },
            },
        }
        for index, name in enumerate(names)
    ]


def _messages(model: str, size: int, turns: int, **more: object) -> dict:
    """The same conversation as a client of Anthropic's Messages asks it."""
    chat = _chat(model, size, turns, **more)
    return {**chat, "system": chat["messages"][0]["content"], "messages": chat["messages"][1:]}


def _tool_chat(model: str) -> dict:
    body = _chat(model, 2500, 2, tools=_tools(), tool_choice="auto")
    call = {"name": "search_orders", "arguments": '{"id": "A-1042", "limit": 5, "state": "open"}'}
    body["messages"] += [
        {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": call}]},
        {"role": "tool", "tool_call_id": "call_1", "content": json.dumps({"orders": [{"id": "A-1042", "note": prose(400, 7)}]})},
    ]
    return body


def _image_chat(model: str) -> dict:
    # Bytes of a seeded generator: a real photograph compresses no better, and nothing on the way looks into it.
    image = base64.b64encode(random.Random(3).randbytes(600_000)).decode()
    body = _chat(model, 1500, 1)
    text = body["messages"][-1]["content"]
    body["messages"][-1]["content"] = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + image}},
    ]
    return body


def _openai_reply(message: dict, finish: str) -> dict:
    usage = {"prompt_tokens": 812, "completion_tokens": 301, "total_tokens": 1113}
    usage["prompt_tokens_details"] = {"cached_tokens": 0, "audio_tokens": 0}
    usage["completion_tokens_details"] = {"reasoning_tokens": 0, "audio_tokens": 0}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion",
        "created": 1741569952,
        "model": OPENAI_MODEL + "-2024-08-06",
        "choices": [choice],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }


def _anthropic_reply(content: list[dict], stop: str) -> dict:
    return {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": ANTHROPIC_MODEL + "-20250929",
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 812,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 301,
            "service_tier": "standard",
        },
    }


def _openai_text_reply() -> dict:
    return _openai_reply({"role": "assistant", "content": prose(1200, 5), "refusal": None, "annotations": []}, "stop")


def _anthropic_text_reply() -> dict:
    return _anthropic_reply([{"type": "text", "text": prose(1200, 5)}], "end_turn")


def _openai_tool_reply() -> dict:
    call = {"name": "refund_order", "arguments": '{"id":"A-1042"}'}
    calls = [{"id": "call_2", "type": "function", "function": call}]
    return _openai_reply({"role": "assistant", "content": None, "tool_calls": calls, "refusal": None}, "tool_calls")


def _anthropic_tool_reply() -> dict:
    use = {"type": "tool_use", "id": "toolu_2", "name": "refund_order", "input": {"id": "A-1042"}}
    return _anthropic_reply([{"type": "text", "text": "I'll refund it."}, use], "tool_use")


def _deltas(count: int) -> list[str]:
    dice = random.Random(11)
    return [f" {dice.choice(_WORDS)} {STAMP}" for _ in range(count)]


def _openai_events(count: int) -> bytes:
    head = {
        "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        "object": "chat.completion.chunk",
        "created": 1741569952,
        "model": OPENAI_MODEL + "-2024-08-06",
        "service_tier": "default",
        "system_fingerprint": "fp_44709d6fcb",
    }

    def choice(delta: dict, finish: str | None = None) -> dict:
        # `usage` is null in every chunk but the last where it was asked for, and Dragoman always asks.
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return {**head, "choices": choices, "usage": None, "obfuscation": "aX3kQ9"}

    chunks = [choice({"role": "assistant", "content": "", "refusal": None})]
    chunks += [choice({"content": text}) for text in _deltas(count)]
    chunks.append(choice({}, "stop"))
    usage = {"prompt_tokens": 812, "completion_tokens": count, "total_tokens": 812 + count}
    chunks.append({**head, "choices": [], "usage": usage})
    lines = ["data: " + compact(chunk) for chunk in chunks] + ["data: [DONE]"]
    return "".join(line + "\n\n" for line in lines).encode()


def _anthropic_events(count: int) -> bytes:
    start = _anthropic_reply([], "end_turn")
    start["stop_reason"] = None
    start["usage"]["output_tokens"] = 1
    events: list[dict] = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
    ]
    events += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}} for t in _deltas(count)]
    events += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": count}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {e['type']}\ndata: {compact(e)}\n\n" for e in events).encode()


def _embeddings_reply() -> dict:
    dice = random.Random(13)
    vectors = [[round(dice.uniform(-0.1, 0.1), 9) for _ in range(256)] for _ in range(256)]
    data = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(vectors)]
    return {"object": "list", "data": data, "model": EMBEDDING_MODEL, "usage": {"prompt_tokens": 2048, "total_tokens": 2048}}


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclasses.dataclass(frozen=True)
class Item:
    """One kind of request and the provider's answer to it."""

    name: str
    provider: str  # "anthropic" or "openai": whose API the stand-in speaks
    request: bytes
    reply: bytes
    endpoint: str = "/v1/chat/completions"
    stream: bool = False
    gap_us: int = 0  # between two events of a stream; 0 sends them all in one piece
    delay_us: int = 0  # before the answer
    connections: int = 16

    @property
    def client(self) -> str:
        """Whose API the client speaks."""
        return "anthropic" if self.endpoint == "/v1/messages" else "openai"

    @property
    def provider_path(self) -> str:
        if self.provider == "anthropic":
            return "/v1/messages"
        return "/v1/chat/completions" if self.endpoint == "/v1/messages" else self.endpoint

    @property
    def model(self) -> str:
        return json.loads(self.request)["model"]


def _item(name: str, provider: str, request: dict, reply: dict | bytes, **more: object) -> Item:
    body = reply if isinstance(reply, bytes) else compact(reply).encode()
    return Item(f"{provider}/{name}", provider, compact(request).encode(), body, **more)  # type: ignore[arg-type]


def sized(provider: str, size: int) -> Item:
    """A chat of about `size` bytes, for the growth curves."""
    model, reply = _text(provider)
    return _item(f"{size}", provider, _chat(model, size, max(1, min(20, size // 2000))), reply)


def paced(provider: str, count: int, gap_us: int, connections: int) -> Item:
    """A stream of `count` events that come `gap_us` apart."""
    request = _chat(_text(provider)[0], 3500, 2, stream=True)
    name = f"paced-{count}-{gap_us}"
    return _item(name, provider, request, _events(provider, count), stream=True, gap_us=gap_us, connections=connections)


def delayed(delay_us: int) -> Item:
    """The small chat from a provider that thinks first: OpenAI's API on both sides, as gateways publish their ladders."""
    model, reply = _text("openai")
    return _item(f"delayed-{delay_us}", "openai", _chat(model, 3500, 2), reply, delay_us=delay_us)


def _text(provider: str) -> tuple[str, dict]:
    if provider == "anthropic":
        return ANTHROPIC_MODEL, _anthropic_text_reply()
    return OPENAI_MODEL, _openai_text_reply()


def _events(provider: str, count: int) -> bytes:
    return _anthropic_events(count) if provider == "anthropic" else _openai_events(count)


def items() -> dict[str, Item]:
    """Every item by name, in the order of the table."""
    found = []
    for provider in ("anthropic", "openai"):
        model, text = _text(provider)
        tool = _anthropic_tool_reply() if provider == "anthropic" else _openai_tool_reply()
        events = _events(provider, EVENTS)
        stream = _chat(model, 3500, 2, stream=True)
        found += [
            _item("small", provider, _chat(model, 3500, 2), text),
            _item("large", provider, _chat(model, 110_000, 12), text),
            _item("tools", provider, _tool_chat(model), tool),
            _item("image", provider, _image_chat(model), text, connections=8),
            _item("stream", provider, stream, events, stream=True),
            # Few connections and a wide gap, so that the fast contenders meet each event alone.
            _item("stream-alone", provider, stream, events, stream=True, gap_us=2500, connections=8),
        ]
        for name, more, reply in (("messages", {}, text), ("messages-stream", {"stream": True}, events)):
            request = _messages(model, 3500, 2, **more)
            found.append(_item(name, provider, request, reply, endpoint="/v1/messages", **more))
    ask = {"model": EMBEDDING_MODEL, "input": [prose(30, i) for i in range(256)], "dimensions": 256, "encoding_format": "float"}
    found.append(_item("embeddings", "openai", ask, _embeddings_reply(), endpoint="/v1/embeddings", connections=8))
    return {item.name: item for item in found}
