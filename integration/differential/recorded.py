"""The same requests through LiteLLM's SDK and through Dragoman, and the native requests that came of them."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
import subprocess
from typing import Any

import httpx
from gateway import ROOT, Dragoman
from standins.scripted import json_reply
from standins.wire import Answer, Request, StandIn

from .chats import REQUESTS
from .vendors import KEY, VENDORS

PYTHON = ROOT / ".cache" / "litellm" / "bin" / "python"


@dataclasses.dataclass(frozen=True)
class Native:
    """One request to a provider, or why there is none."""

    path: str = ""
    credential: str = ""
    """The headers that the key is in: names, and what stands before the key."""
    body: Any = None
    refused: str = ""


class Recorder(StandIn):
    """Refuses everything, so that nobody needs to answer in anybody's language."""

    async def answer(self, request: Request, answer: Answer) -> None:
        await json_reply({"error": {"message": "recorded"}}, 400).play(answer)


@functools.cache
def by_litellm() -> dict[str, Native]:
    """What LiteLLM's SDK asks, by "vendor/request"."""
    told = {"key": KEY, "vendors": {name: dataclasses.asdict(asked) for name, asked in VENDORS.items()}, "requests": REQUESTS}
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    script = ROOT / "integration" / "differential" / "litellm_side.py"
    done = subprocess.run([PYTHON, "-P", script], input=json.dumps(told), env=env, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stderr[-4000:]
    return {name: _native(**made) for name, made in json.loads(done.stdout).items()}


@functools.cache
def by_dragoman() -> dict[str, Native]:
    """What a gateway with one model per vendor asks, by "vendor/request"."""
    with Recorder() as recorder:
        models = [
            {"model_name": name, "litellm_params": {"model": asked.model, "api_base": recorder.base + asked.base, "api_key": "os.environ/PROVIDER_KEY", **asked.params}}
            for name, asked in VENDORS.items()
        ]
        config = {"model_list": models, "litellm_settings": {"num_retries": 0}}
        with Dragoman(config, {"PROVIDER_KEY": KEY}) as gateway, httpx.Client(base_url=gateway.base_url, timeout=20) as client:
            return {f"{vendor}/{name}": _ask(client, recorder, {"model": vendor, **request}) for vendor in VENDORS for name, request in REQUESTS.items()}


def _ask(client: httpx.Client, recorder: Recorder, request: dict[str, Any]) -> Native:
    recorder.clear()
    reply = client.post("/v1/chat/completions", json=request)
    if not recorder.requests:
        assert reply.status_code == 400, reply.text
        return _native(refused=reply.json()["error"]["message"])
    [asked] = recorder.requests
    return _native(path=asked.target, headers=dict(asked.headers), body=asked.json)


def _native(path: str = "", headers: dict[str, str] | None = None, body: Any = None, refused: str = "") -> Native:
    holding = [f"{name}: {value.replace(KEY, '')}".strip() for name, value in sorted((headers or {}).items()) if KEY in value]
    return Native(re.sub("%3A", ":", path), "; ".join(holding), body, refused)
