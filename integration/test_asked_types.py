"""What Dragoman asks providers in the differential set, judged by the types of the vendors' own SDKs.

The golden corpus has judges of its own for Anthropic (test_native_types.py) and Bedrock (test_bedrock_types.py).
"""

from __future__ import annotations

import copy
import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import cohere
import pydantic
import pytest
from differential.chats import REQUESTS
from differential.recorded import by_dragoman
from google.genai import types as google
from mistralai.client.models import ChatCompletionRequest
from ollama._types import ChatRequest, Message, Options, Tool
from openai.types.chat import completion_create_params
from test_bedrock_types import faults as bedrock_faults
from test_native_types import ANTHROPIC, faults

pytestmark = pytest.mark.timeout(600)


def unknown(given: Any, made: Any, at: str) -> Iterator[str]:
    """Keys that an SDK's model has no field for: most SDKs let them pass."""
    if isinstance(made, pydantic.BaseModel) and isinstance(given, dict):
        fields = {name: name for name in type(made).model_fields}
        fields |= {field.alias: name for name, field in type(made).model_fields.items() if field.alias}
        for key, inner in given.items():
            if key == "parameters":
                # A JSON Schema says more than any type of an SDK.
                continue
            if key in fields:
                yield from unknown(inner, getattr(made, fields[key]), f"{at}.{key}")
            else:
                yield f"{at}.{key}: unknown"
    elif isinstance(given, list) and isinstance(made, list | tuple):
        for number, (one, other) in enumerate(zip(given, made, strict=True)):
            yield from unknown(one, other, f"{at}.{number}")


def wrong(kind: Any, value: Any, at: str = "") -> list[str]:
    """What is wrong with `value` as a pydantic `kind`."""
    try:
        # As JSON: bytes are base64 there.
        made = pydantic.TypeAdapter(kind).validate_json(json.dumps(value))
    except pydantic.ValidationError as error:
        return [f"{at}: {error}"]
    return list(unknown(value, made, at))


def wrong_parts(body: dict[str, Any], kinds: dict[str, Any]) -> list[str]:
    """What is wrong with a request whose SDK has a type for each of its keys, and none for all."""
    found = [f"{key}: unknown" for key in body.keys() - kinds.keys()]
    return found + [problem for key in sorted(body.keys() & kinds.keys()) for problem in wrong(kinds[key], body[key], key)]


GOOGLE = {
    "contents": list[google.Content],
    "systemInstruction": google.Content,
    "system_instruction": google.Content,
    "tools": list[google.Tool],
    "toolConfig": google.ToolConfig,
    "generationConfig": google.GenerationConfig,
    "safetySettings": list[google.SafetySetting],
}
COHERE = {name: given.annotation for name, given in inspect.signature(cohere.ClientV2.chat).parameters.items() if name not in ("self", "request_options")}
COHERE["stream"] = bool
# Where the SDK would take any mapping, too, its own type is what counts.
OLLAMA = {name: field.annotation for name, field in ChatRequest.model_fields.items()}
OLLAMA |= {"messages": list[Message], "tools": list[Tool], "options": Options}
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
OPENAI = completion_create_params.CompletionCreateParamsStreaming


def by_google(body: dict[str, Any]) -> list[str]:
    return wrong_parts(body, GOOGLE)


def by_cohere(body: dict[str, Any]) -> list[str]:
    return wrong_parts(body, COHERE)


def by_mistral(body: dict[str, Any]) -> list[str]:
    return wrong(ChatCompletionRequest, body)


def by_ollama(body: dict[str, Any]) -> list[str]:
    body, found = copy.deepcopy(body), []
    for message in body.get("messages", []):
        # The SDK's own Image is a file as well; over the wire it is base64 alone.
        found += [f"images: {image[:20]}" for image in message.pop("images", []) if not BASE64.fullmatch(image)]
        # Ollama's server knows these and its SDK does not: https://github.com/ollama/ollama/blob/main/api/types.go
        message.pop("tool_call_id", None)
        for call in message.get("tool_calls", []):
            call.pop("id", None)
            call["function"].pop("index", None)
    return found + wrong_parts(body, OLLAMA)


def by_openai(body: dict[str, Any]) -> list[str]:
    keys = pydantic.TypeAdapter(OPENAI).json_schema()["properties"]
    problem = faults(pydantic.TypeAdapter(OPENAI), {"stream": True, **body} if body.get("stream") else {**body, "stream": True})
    return [f"{key}: unknown" for key in body.keys() - keys.keys()] + ([problem] if problem else [])


def by_anthropic(body: dict[str, Any]) -> list[str]:
    found = [faults(judge, {key: value for key, value in body.items() if key != "stream"}) for judge in ANTHROPIC]
    return [] if "" in found else found


JUDGES: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "openai": by_openai,
    "azure": by_openai,
    "anthropic": by_anthropic,
    "gemini": by_google,
    "bedrock-claude": bedrock_faults,
    "bedrock-nova": bedrock_faults,
    "cohere": by_cohere,
    "mistral": by_mistral,
    "ollama": by_ollama,
}

CLIENTS_OWN = {"openai": {"top_k", "thinking"}, "azure": {"top_k", "thinking"}}
"""Keys that a client sent and the vendor does not document: they pass, and the vendor judges them."""


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("vendor", JUDGES)
def test_the_vendors_own_types_allow_it(vendor: str, request_: str) -> None:
    asked = by_dragoman()[f"{vendor}/{request_}"]
    own = CLIENTS_OWN.get(vendor, set()) & REQUESTS[request_].keys()
    body = {key: value for key, value in (asked.body or {}).items() if key not in own}
    # Who is refused has asked nothing, and is told what it was.
    assert bool(asked.refused) != bool(body)
    assert asked.refused or JUDGES[vendor](body) == []


@pytest.mark.parametrize(
    ("vendor", "body"),
    [
        ("openai", {"model": "m", "messages": [], "hologram": 1}),
        ("openai", {"model": "m", "messages": [{"role": "king"}]}),
        ("gemini", {"contents": [{"role": "user", "parts": [{"hologram": "x"}]}]}),
        ("gemini", {"contents": [], "generationConfig": {"temperature": "hot"}}),
        ("bedrock-nova", {"messages": [{"role": "user", "content": [{"hologram": {}}]}]}),
        ("cohere", {"model": "m", "messages": [{"role": "king", "content": "x"}]}),
        ("cohere", {"model": "m", "messages": [], "n": 2}),
        ("mistral", {"model": "m", "messages": [{"role": "user", "content": "x", "mood": 1}]}),
        ("mistral", {"model": "m", "messages": [{"role": "user", "content": 7}]}),
        ("ollama", {"model": "m", "messages": [{"role": "user", "content": "x", "mood": 1}]}),
        ("ollama", {"model": "m", "messages": [{"role": "user", "images": ["https://x"]}]}),
        ("ollama", {"model": "m", "options": {"top_k": "many"}}),
    ],
)
def test_the_judge_can_say_no(vendor: str, body: dict[str, Any]) -> None:
    assert JUDGES[vendor](body)
