"""A provider that does what a test tells it, reply by reply, and remembers every request.

A `Reply` is data: a head and the steps of a body. Nothing here knows a vendor's language.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import gzip
import json
import threading
from collections.abc import Iterable
from typing import Any

from .wire import Answer, Request, StandIn


@dataclasses.dataclass(frozen=True)
class Wait:
    """Says nothing for a while."""

    seconds: float


@dataclasses.dataclass(frozen=True)
class Until:
    """Says nothing until the test sets the event: shows that what came before did not wait for what comes after."""

    event: threading.Event


class _Cut:
    """A way in which a reply ends before its time."""

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


RESET = _Cut("RESET")
"""A TCP reset."""
CLOSE = _Cut("CLOSE")
"""The connection is closed although the body is not complete."""
STALL = _Cut("STALL")
"""Nothing more, for ever."""

Step = bytes | Wait | Until | _Cut


@dataclasses.dataclass(frozen=True)
class Reply:
    """`status` 0 leaves the head out: the steps then are all that is ever sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    framing: str = "chunked"

    async def play(self, answer: Answer) -> None:
        if self.status:
            length = sum(len(step) for step in self.steps if isinstance(step, bytes))
            await answer.head(self.status, list(self.headers), self.framing, length)
        send = answer.piece if self.status else answer.raw
        for step in self.steps:
            if isinstance(step, bytes):
                await send(step)
                # Lets the piece leave as a segment of its own.
                await asyncio.sleep(0)
            elif isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Until):
                while not step.event.is_set():
                    await asyncio.sleep(0.005)
            elif step is RESET:
                return answer.reset()
            elif step is CLOSE:
                return answer.close()
            else:
                await answer.until_gone()
        if self.status:
            await answer.end()
        else:
            answer.close()


def json_reply(value: Any, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    return body_reply(json.dumps(value).encode(), "application/json", status, headers)


def body_reply(body: bytes, content_type: str, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    return Reply(status, (("content-type", content_type), *headers), (body,), "length")


def gzip_reply(value: Any, status: int = 200) -> Reply:
    """Compressed, whether it was asked for or not."""
    return body_reply(gzip.compress(json.dumps(value).encode()), "application/json", status, [("content-encoding", "gzip")])


def stream_reply(*steps: Step | str | dict, status: int = 200, headers: Iterable[tuple[str, str]] = ()) -> Reply:
    """Server-sent events. A dict is a `data:` line (and an `event:` line when it has a `type`), a text is itself."""
    return Reply(status, (("content-type", "text/event-stream"), *headers), tuple(_event(step) for step in steps))


def _event(step: Step | str | dict) -> Step:
    if isinstance(step, dict):
        name = f"event: {step['type']}\n" if "type" in step else ""
        return f"{name}data: {json.dumps(step)}\n\n".encode()
    return step.encode() if isinstance(step, str) else step


def raw_reply(*steps: Step) -> Reply:
    """No HTTP unless the steps happen to be."""
    return Reply(0, (), steps)


class Scripted(StandIn):
    """Plays its replies in order; past the end of the script it answers 500."""

    def __init__(self, *replies: Reply, **options: Any) -> None:
        super().__init__(**options)
        self._script = collections.deque(replies)

    def then(self, *replies: Reply) -> None:
        """What to do with the next requests."""
        self._script.extend(replies)

    def clear(self) -> None:
        super().clear()
        self._script.clear()

    @property
    def left(self) -> int:
        """How many replies nobody has asked for yet."""
        return len(self._script)

    async def answer(self, request: Request, answer: Answer) -> None:
        reply = self._script.popleft() if self._script else json_reply({"error": {"message": "The script has ended."}}, 500)
        await reply.play(answer)
