"""What stand-ins of vendors have in common: what to say, decided from the request, whatever its language.

A vendor's own file turns its native request into a `Turn`, and the `Said` that comes of it into its native reply.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
from typing import Any, ClassVar

from .scripted import Reply
from .wire import Answer, Request, StandIn


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a request comes down to."""

    model: str
    asked: str
    """The last thing that the user said."""
    results: list[str] = dataclasses.field(default_factory=list)
    """The tool results, when they are what the request ends with."""
    tools: list[tuple[str, dict]] = dataclasses.field(default_factory=list)
    """Name and JSON Schema of each tool that may be called now."""
    schema: dict | None = None
    """What a JSON answer must look like."""
    reasoning: bool = False
    """Whether reasoning is to be shown."""
    limit: int | None = None
    """The most tokens to answer with. A token is a word here."""
    prompt: str = ""
    """All of the prompt, to count its tokens."""


@dataclasses.dataclass(frozen=True)
class Said:
    """The answer, in no language yet."""

    words: list[str]
    calls: list[tuple[str, str, dict]]
    """Id, name, arguments."""
    reasoning: list[str]
    cut: bool
    """Whether the token limit ended it."""
    input_tokens: int
    output_tokens: int

    @property
    def text(self) -> str:
        return "".join(self.words)


class Refusal(Exception):
    """A native error: what a vendor answers when it does not answer."""

    def __init__(self, reply: Reply):
        super().__init__(f"refused with {reply.status}")
        self.reply = reply


class Vendor(StandIn):
    """A provider that answers in its own language.

    A subclass gives the prefix, `respond` and `failures`: a request whose upstream model is the name of a failure gets it,
    so that a config decides who fails and tests need no back door.
    """

    prefix: ClassVar[str]
    """LiteLLM's name of the provider."""
    base_path: ClassVar[str] = ""
    """What `api_base` has behind the address."""
    model: ClassVar[str] = "model-1"
    """An upstream model that answers."""
    key = "sk-stand-in-0123456789"
    """The one credential that is accepted."""

    failures: ClassVar[dict[str, Reply]] = {}
    """Native errors, by the upstream model that brings them about."""

    _ids = itertools.count(1)

    @property
    def api_base(self) -> str:
        return self.base + self.base_path

    async def answer(self, request: Request, answer: Answer) -> None:
        try:
            reply = self.respond(request)
        except Refusal as refusal:
            reply = refusal.reply
        await reply.play(answer)

    def respond(self, request: Request) -> Reply:
        raise NotImplementedError

    def fresh_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._ids):016x}"


def say(turn: Turn, call_id: str = "call_") -> Said:
    """The answer to a turn: calls when there are tools and no results yet, JSON when a schema asks for it, else words."""
    calls: list[tuple[str, str, dict]] = []
    if turn.results:
        text = "The tool said: " + "; ".join(turn.results)
    elif turn.tools:
        text = "Let me look that up."
        # One call, or one of each tool for a question with "both" in it.
        asked = turn.tools if "both" in turn.asked else turn.tools[:1]
        calls = [(f"{call_id}{at}_{name}", name, sample(schema, turn.asked)) for at, (name, schema) in enumerate(asked)]
    elif turn.schema:
        text = json.dumps(sample(turn.schema, turn.asked))
    else:
        text = f"You said: {turn.asked}"
    words = re.findall(r"\s*\S+", text) or [text]
    cut = turn.limit is not None and len(words) > turn.limit
    if cut:
        words, calls = words[: turn.limit], []
    reasoning = re.findall(r"\s*\S+", f"The user wants an answer to: {turn.asked}") if turn.reasoning else []
    spent = len(words) + len(reasoning) + 5 * len(calls)
    return Said(words, calls, reasoning, cut, max(1, len(turn.prompt.split())), spent)


def sample(schema: dict, text: str) -> Any:
    """Some value that a JSON Schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: sample(part, text) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [sample(schema.get("items", {"type": "string"}), text)]
    return {"integer": 7, "number": 7.5, "boolean": True, "null": None}.get(kind, text)
