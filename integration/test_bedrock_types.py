"""The golden corpus' Converse requests, judged by AWS's own model of the service: shapes, required members, unions,
enumerations and patterns."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape
from botocore.validate import ParamValidator

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "converse"
SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")
CONVERSE = SERVICE.operation_model("Converse").input_shape


def cases() -> list[Path]:
    found = sorted(GOLDEN.glob("*/native.json"))
    assert len(found) >= 8, "the golden requests are not where this test looks for them"
    return found


def decoded(value: Any) -> Any:
    """As the SDK's caller gives it: bytes, where the wire has base64."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    blobs = {"bytes", "redactedContent"}
    return {
        key: base64.b64decode(inner, validate=True) if key in blobs else decoded(inner)
        for key, inner in value.items()
    }


def beyond_types(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """What the SDK leaves to the service: unions of one member, enumerations, patterns."""
    if getattr(shape, "is_document_type", False):
        return
    if shape.type_name == "structure" and isinstance(value, dict):
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            yield f"{path}: a union of {sorted(value)}"
        for name, inner in value.items():
            if name in shape.members:
                yield from beyond_types(shape.members[name], inner, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for index, inner in enumerate(value):
            yield from beyond_types(shape.member, inner, f"{path}[{index}]")
    elif shape.type_name == "string":
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            yield f"{path}: {value!r} is not {pattern}"
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {shape.enum}"


def faults(body: dict[str, Any]) -> list[str]:
    body = {**decoded(body), "modelId": "in.the-path"}
    report = ParamValidator().validate(body, CONVERSE)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(beyond_types(CONVERSE, body, ""))


@pytest.mark.parametrize("path", cases(), ids=lambda path: path.parent.name)
def test_converse(path: Path) -> None:
    assert faults(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    "content",
    [
        {"text": "x", "image": {"format": "png", "source": {"bytes": "AA=="}}},
        {"image": {"format": "bmp", "source": {"bytes": "AA=="}}},
        {"toolUse": {"toolUseId": "a b", "name": "f", "input": {}}},
        {"toolUse": {"toolUseId": "a", "name": "f.g", "input": {}}},
        {"toolUse": {"toolUseId": "a", "name": "f"}},
        {"hologram": {}},
    ],
)
def test_the_judge_can_say_no(content: dict[str, Any]) -> None:
    assert faults({"messages": [{"role": "user", "content": [content]}]})
