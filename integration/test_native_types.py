"""The golden corpus' native requests, judged by the vendor's own SDK: what we send must be what its types allow."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pydantic
import pytest
from anthropic.types import message_create_params
from anthropic.types.beta import message_create_params as beta_message_create_params

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"

# Features in beta have types of their own.
ANTHROPIC = [
    pydantic.TypeAdapter(module.MessageCreateParamsNonStreaming)
    for module in (message_create_params, beta_message_create_params)
]


# Words of Anthropic's API that the pinned SDK doesn't know yet: (case, word). It must object to that word, and when it no
# longer does, the entry goes.
YOUNGER = {"reasoning-none-between-tools": "input_value='between_tools'"}


def cases(dialect: str) -> list[Path]:
    found = sorted((GOLDEN / dialect).glob("*/native.json"))
    assert len(found) >= 8, f"the golden requests of {dialect} are not where this test looks for them"
    return found


def exhaust(value: Any) -> Any:
    """pydantic validates an Iterable only while it is read."""
    if isinstance(value, dict):
        return {key: exhaust(inner) for key, inner in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        return [exhaust(inner) for inner in value]
    return value


def faults(adapter: pydantic.TypeAdapter[Any], body: dict[str, Any]) -> str:
    try:
        exhaust(adapter.validate_python(body))
    except pydantic.ValidationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("path", cases("anthropic"), ids=lambda path: path.parent.name)
def test_anthropic(path: Path) -> None:
    body = json.loads(path.read_text())
    # Whether it streams decides what comes back, not what may be said.
    body.pop("stream", None)
    if "anthropic_version" in body:
        # Other clouds have the model in the path.
        body["model"] = "in-the-path"
    found = [faults(adapter, body) for adapter in ANTHROPIC]
    if younger := YOUNGER.get(path.parent.name):
        assert all(younger in fault for fault in found), f"the SDK knows it now: {found}"
        del body["thinking"]
        found = [faults(adapter, body) for adapter in ANTHROPIC]
    assert "" in found, found[0]


def test_the_judge_can_say_no() -> None:
    message = {"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}
    body = {"model": "m", "max_tokens": 1, "messages": [message]}
    assert all(faults(adapter, body) for adapter in ANTHROPIC)
