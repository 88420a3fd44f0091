"""Judges JSON by the types of a vendor's own SDK: its TypedDicts say what the vendor's API takes.

Pydantic is no help here: it ignores unknown keys of a TypedDict and puts off looking into an `Iterable`.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import Any

import typing_extensions


def problems(value: Any, kind: Any, at: str = "") -> list[str]:
    """What is wrong with `value` as a `kind`, each with its place; empty when nothing is."""
    origin, arguments = typing_extensions.get_origin(kind), typing_extensions.get_args(kind)
    if kind is Any or kind is object:
        return []
    if origin in (typing_extensions.Required, typing_extensions.NotRequired, typing_extensions.Annotated, typing.Annotated):
        return problems(value, arguments[0], at)
    if isinstance(kind, typing_extensions.TypeAliasType):
        return problems(value, kind.__value__, at)
    if origin in (typing.Union, types.UnionType):
        return _of_any(value, arguments, at)
    if origin in (typing.Literal, typing_extensions.Literal):
        return [] if value in arguments else [f"{at}: {value!r} is none of {', '.join(map(repr, arguments))}"]
    if typing_extensions.is_typeddict(kind):
        return _of_object(value, kind, at)
    if kind is None or kind is type(None):
        return [] if value is None else [f"{at}: not null"]
    plain = origin or kind
    if isinstance(plain, type) and issubclass(plain, dict) or getattr(plain, "__name__", "") in ("Mapping", "Dict"):
        if not isinstance(value, dict):
            return [f"{at}: no object"]
        inner = arguments[1] if len(arguments) == 2 else Any
        return [problem for key, item in value.items() for problem in problems(item, inner, f"{at}.{key}")]
    if getattr(plain, "__name__", "") in ("Iterable", "list", "List", "Sequence", "SequenceNotStr"):
        if not isinstance(value, list):
            return [f"{at}: no list"]
        return [problem for number, item in enumerate(value) for problem in problems(item, arguments[0], f"{at}[{number}]")]
    if plain is float:
        return [] if isinstance(value, int | float) and not isinstance(value, bool) else [f"{at}: no number"]
    if plain in (str, int, bool):
        return [] if type(value) is plain else [f"{at}: {value!r} is no {plain.__name__}"]
    if isinstance(plain, type):
        # Models and file handles that an SDK also takes; over the wire there is only JSON.
        return [f"{at}: no {plain.__name__}"]
    raise TypeError(f"{at}: don't know how to judge by {kind!r}")


def _of_any(value: Any, kinds: tuple, at: str) -> list[str]:
    """Nothing when one of the kinds fits; else what is wrong by the kind that fits best."""
    found = []
    for kind in kinds:
        wrong = problems(value, kind, at)
        if not wrong:
            return []
        # The kind that agrees on `type` or `role` is the one that was meant.
        agrees = isinstance(value, dict) and not any(problem.startswith((f"{at}.type:", f"{at}.role:")) for problem in wrong)
        found.append((not agrees, not _is_inside(wrong[0], at), len(wrong), wrong))
    return min(found, key=lambda each: each[:3])[3]


def _is_inside(problem: str, at: str) -> bool:
    return not problem.startswith(at + ":")


def _of_object(value: Any, kind: Any, at: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{at}: no object"]
    fields = _fields(kind)
    wrong = [f"{at}.{key}: unknown" for key in value.keys() - fields.keys()]
    wrong += [f"{at}.{key}: missing" for key in fields.keys() - value.keys() if _is_required(kind, key)]
    for key in sorted(value.keys() & fields.keys()):
        wrong += problems(value[key], fields[key], f"{at}.{key}")
    return wrong


def _is_required(kind: Any, key: str) -> bool:
    origin = typing_extensions.get_origin(_fields(kind)[key])
    # Where annotations are texts, the class itself does not see what they say.
    return origin is typing_extensions.Required or (key in kind.__required_keys__ and origin is not typing_extensions.NotRequired)


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(kind, include_extras=True)
