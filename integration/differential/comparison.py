"""What is different in two native requests, place by place."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from .recorded import Native


def differences(litellm: Native, dragoman: Native) -> dict[str, tuple[Any, Any]]:
    """LiteLLM's and Dragoman's value by the place where they differ; `...` stands for nothing at all.

    A place is `refused` (by one and not by the other), `path`, `credential`, or a path in the body such as
    `tools.0.function.strict`.
    """
    if bool(litellm.refused) != bool(dragoman.refused):
        return {"refused": (litellm.refused or ..., dragoman.refused or ...)}
    if litellm.refused:
        return {}
    found = dict(_within(_plain(litellm.body), _plain(dragoman.body), ""))
    for place in ("path", "credential"):
        if getattr(litellm, place) != getattr(dragoman, place):
            found[place] = (getattr(litellm, place), getattr(dragoman, place))
    return found


def _within(one: Any, other: Any, at: str) -> Iterator[tuple[str, tuple[Any, Any]]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _within(one.get(key, ...), other.get(key, ...), f"{at}.{key}" if at else key)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _within(left, right, f"{at}.{number}")
    elif _is_json(one) and _is_json(other):
        # JSON in a text: what it says counts, its blanks don't.
        yield from _within(json.loads(one), json.loads(other), at)
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield at, (one, other)


def _is_json(value: Any) -> bool:
    with contextlib.suppress(ValueError):
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    return False


# Google's JSON has two spellings of a name, `system_instruction` and `systemInstruction`, and takes either:
# https://protobuf.dev/programming-guides/json/. They are one name here.
_SNAKE = re.compile(r"_([a-z])")
_GOOGLE = {
    "system_instruction", "function_declarations", "function_call", "function_response", "function_calling_config", "allowed_function_names",
    "tool_config", "inline_data", "file_data", "mime_type", "file_uri", "response_mime_type", "max_output_tokens", "stop_sequences", "candidate_count",
    "top_p", "top_k", "presence_penalty", "frequency_penalty", "response_json_schema",
}  # fmt: skip


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        google = "contents" in value
        return {key: _google(inner) if google else _plain(inner) for key, inner in (_names(value) if google else value).items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value


def _google(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _google(inner) for key, inner in _names(value).items()}
    if isinstance(value, list):
        return [_google(inner) for inner in value]
    return value


def _names(value: dict[str, Any]) -> dict[str, Any]:
    return {_SNAKE.sub(lambda found: found[1].upper(), key) if key in _GOOGLE else key: inner for key, inner in value.items()}
