"""Recorded provider traffic, served byte for byte through a real Envoy and read by OpenAI's SDK.

What the SDK sees must be what the provider's own SDK made of the same bytes (`expected.json`), in OpenAI's terms.
To add a provider: a line in `RECORDED`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from checks import HELLO
from conftest import PROVIDER_KEY, entry
from gateway import Dragoman
from standins.replay import Case, byte_by_byte, cases, seeded, whole
from standins.scripted import Scripted


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A folder of recordings and how to ask for them."""

    model: str
    """`litellm_params.model`: the vendor's prefix and some model of its."""
    base_path: str = ""
    params: dict[str, Any] = dataclasses.field(default_factory=dict)
    finish: dict[str, str] = dataclasses.field(default_factory=dict)
    """Native reasons to OpenAI's, where they differ."""
    exclusive: bool = False
    """Whether the provider's input count leaves cached tokens out."""


ANTHROPIC_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    # Unfinished: the provider wants to be asked again.
    "pause_turn": "length",
    "compaction": "stop",
}

RECORDED = {
    "openai": Recorded("openai/gpt-4o", "/v1"),
    "anthropic": Recorded("anthropic/claude-sonnet-4-5", finish=ANTHROPIC_FINISH, exclusive=True),
    "groq": Recorded("groq/llama-3", "/openai/v1"),
    "deepseek": Recorded("deepseek/deepseek-chat"),
    "together": Recorded("together_ai/model", "/v1"),
    "cerebras": Recorded("cerebras/model", "/v1"),
    "openrouter": Recorded("openrouter/model", "/api/v1"),
    "perplexity": Recorded("perplexity/sonar"),
    "huggingface": Recorded("huggingface/model", "/v1"),
    "xai": Recorded("xai/grok-4", "/v1"),
    "zai": Recorded("zai/glm-4.6", "/api/paas/v4"),
}

CHUNKINGS = {"whole": whole, "byte by byte": byte_by_byte, "seed 1": seeded(1), "seed 2": seeded(2, 40)}

CASES = [case for folder in RECORDED for case in cases(folder)]


@pytest.fixture(scope="module")
def replayed() -> Iterator[tuple[Dragoman, Scripted]]:
    with Scripted() as provider:
        models = [entry(folder, known.model, provider.base + known.base_path, **known.params) for folder, known in RECORDED.items()]
        config = {"model_list": models, "litellm_settings": {"num_retries": 0}}
        with Dragoman(config, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
            yield gateway, provider


@dataclasses.dataclass
class Seen:
    """What the SDK made of an answer."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: list[dict[str, str]] = dataclasses.field(default_factory=list)
    finish: str | None = None
    usage: Any = None
    error: openai.APIError | None = None

    def message(self, part: Any) -> None:
        """The first choice's message, or a delta of it."""
        more = part.model_extra or {}
        self.text += part.content or ""
        self.reasoning += more.get("reasoning_content") or more.get("reasoning") or ""
        self.refusal += part.refusal or ""
        for at, call in enumerate(part.tool_calls or []):
            place = getattr(call, "index", None)
            place = at if place is None else place
            if place == len(self.calls):
                self.calls.append({"id": call.id, "name": call.function.name, "arguments": ""})
            self.calls[place]["arguments"] += call.function.arguments or ""


def read(client: openai.OpenAI, folder: str, stream: bool) -> Seen:
    seen = Seen()
    try:
        options = {"stream_options": {"include_usage": True}} if stream else {}
        answer = client.chat.completions.create(model=folder, messages=HELLO, stream=stream, **options)
        for chunk in answer if stream else [answer]:
            seen.usage = chunk.usage or seen.usage
            for choice in chunk.choices or []:
                if choice.index == 0:
                    part = choice.delta if stream else choice.message
                    if part is not None:
                        seen.message(part)
                    seen.finish = choice.finish_reason or seen.finish
    except openai.APIError as error:
        seen.error = error
    return seen


@pytest.mark.parametrize("chunking", CHUNKINGS.values(), ids=CHUNKINGS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recording(replayed: tuple[Dragoman, Scripted], case: Case, chunking) -> None:
    gateway, provider = replayed
    known = RECORDED[case.provider]
    provider.clear()
    provider.then(case.reply(chunking))
    seen = read(gateway.client(), case.provider, case.meta["stream"])
    assert provider.left == 0
    expected = case.expected
    if error := expected.get("error"):
        assert seen.error is not None, f"no error, but {seen}"
        assert error["message"] in str(seen.error.message) or str(seen.error.message) in error["message"]
        if error["status"]:
            assert seen.error.status_code == error["status"]
    else:
        assert seen.error is None, seen.error
    if "text" not in expected:
        return
    if error and isinstance(seen.error, openai.APIStatusError):
        # The error came in one piece with what stood before it, in time for a status of its own.
        assert seen == Seen(error=seen.error)
        return
    assert seen.text == expected["text"]
    assert seen.reasoning == expected["reasoning_text"]
    assert seen.refusal == (expected.get("refusal") or "")
    assert [call["name"] for call in seen.calls] == [call["name"] for call in expected["tool_calls"]]
    for call, wanted in zip(seen.calls, expected["tool_calls"], strict=True):
        assert wanted["id"] in (None, call["id"])
        if "arguments_raw" in wanted:
            assert call["arguments"] == wanted["arguments_raw"]
        else:
            assert json.loads(call["arguments"] or "{}") in ([None, {}] if wanted["arguments"] is None else [wanted["arguments"]])
    if not error:
        finish = expected["finish"]
        assert seen.finish == known.finish.get(finish, finish)
        compare_usage(seen, expected["usage"], known)


def compare_usage(seen: Seen, usage: dict[str, Any] | None, known: Recorded) -> None:
    if usage is None:
        return
    read_, written = usage["cached_read"] or 0, usage["cache_write"] or 0
    prompt = (usage["input"] or 0) + (read_ + written if known.exclusive else 0)
    assert (seen.usage.prompt_tokens, seen.usage.completion_tokens) == (prompt, usage["output"] or 0)
    if known.exclusive:
        assert seen.usage.total_tokens == prompt + (usage["output"] or 0)
        if usage["cached_read"] is not None:
            assert seen.usage.prompt_tokens_details.cached_tokens == read_
