"""Recorded provider traffic, served byte for byte. The recordings are `shared/fixtures` beside the repository."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import random
from collections.abc import Callable, Iterator
from typing import Any

from .scripted import Reply

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(os.environ.get("DRAGOMAN_SHARED") or ROOT.parent / "shared")


@dataclasses.dataclass(frozen=True)
class Case:
    """One recorded exchange. `expected` is what the vendor's own SDK made of it."""

    provider: str
    name: str
    home: pathlib.Path = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return f"{self.provider}/{self.name}"

    @functools.cached_property
    def meta(self) -> dict[str, Any]:
        return json.loads((self.home / "meta.json").read_text())

    @functools.cached_property
    def expected(self) -> dict[str, Any]:
        return json.loads((self.home / "expected.json").read_text())

    @functools.cached_property
    def body(self) -> bytes:
        return (self.home / "response.body").read_bytes()

    @functools.cached_property
    def headers(self) -> dict[str, str]:
        return json.loads((self.home / "response.headers.json").read_text())

    def reply(self, chunking: Chunking) -> Reply:
        # The recordings' bodies are decoded, and the framing is the stand-in's own.
        framing = {"transfer-encoding", "content-length", "content-encoding", "connection"}
        headers = tuple((name.lower(), value) for name, value in self.headers.items() if name.lower() not in framing)
        return Reply(self.meta["status"], headers, tuple(chunking(self.body)))


Chunking = Callable[[bytes], Iterator[bytes]]


def whole(body: bytes) -> Iterator[bytes]:
    yield body


def byte_by_byte(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 1] for at in range(len(body)))


def seeded(seed: int, longest: int = 200) -> Chunking:
    """Cuts at places that look random and are the same every time."""

    def cut(body: bytes) -> Iterator[bytes]:
        dice = random.Random(seed)
        at = 0
        while at < len(body):
            end = at + dice.randint(1, longest)
            yield body[at:end]
            at = end

    return cut


def cases(provider: str) -> list[Case]:
    """A provider's recordings, in order. Their absence is an error: a test without cases would pass for nothing."""
    home = SHARED / "fixtures" / provider
    found = [Case(provider, case.name, case) for case in sorted(home.iterdir())] if home.is_dir() else []
    if not found:
        raise FileNotFoundError(f"no recordings in {home}: set DRAGOMAN_SHARED to the folder that holds fixtures/")
    return found
