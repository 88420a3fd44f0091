"""Recorded provider traffic, served byte for byte through a real Envoy and read by Anthropic's SDK: its accumulator must
make of every vendor's answer what the vendor's own SDK made of it (`expected.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from checks import HELLO
from conftest import PROVIDER_KEY, entry
from gateway import Dragoman
from languages import grammar
from standins.natives import AWS
from standins.replay import Case, cases, seeded, whole
from standins.scripted import Scripted

RECORDED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai": ("openai/gpt-4o", "/v1", {}),
    "groq": ("groq/llama-3", "/openai/v1", {}),
    "deepseek": ("deepseek/deepseek-chat", "", {}),
    "openrouter": ("openrouter/model", "/api/v1", {}),
    "xai": ("xai/grok-4", "/v1", {}),
    "anthropic": ("anthropic/claude-sonnet-4-5", "", {}),
    "bedrock-invoke-anthropic": ("bedrock/invoke/anthropic.claude-sonnet-4-5-20250929-v1:0", "", AWS),
    "bedrock-converse-stream": ("bedrock/anthropic.claude-sonnet-4-5-20250929-v1:0", "", AWS),
    "gemini": ("gemini/gemini-2.5-flash", "/v1beta", {}),
    "cohere": ("cohere/command-a-03-2025", "", {}),
    "mistral": ("mistral/mistral-large-latest", "/v1", {}),
    "ollama": ("ollama_chat/llama3.1", "", {}),
}
"""Folders of recordings: the model, the path behind the address, and what else the config says."""

ALL = [case for folder in RECORDED for case in cases(folder)]
CASES = [case for case in ALL if case.meta["status"] == 200 and "error" not in case.expected and "text" in case.expected]


@pytest.fixture(scope="module")
def replayed() -> Iterator[tuple[Dragoman, Scripted]]:
    with Scripted() as provider:
        models = [entry(folder, model, provider.base + path, **params) for folder, (model, path, params) in RECORDED.items()]
        with Dragoman({"model_list": models, "litellm_settings": {"num_retries": 0}}, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
            yield gateway, provider


@pytest.mark.parametrize("chunking", [whole, seeded(1)], ids=["whole", "cut"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_recording(replayed: tuple[Dragoman, Scripted], case: Case, chunking: Any) -> None:
    gateway, provider = replayed
    provider.clear()
    provider.then(case.reply(chunking))
    http = anthropic.DefaultHttpxClient(verify=False)
    client = anthropic.Anthropic(base_url=gateway.base_url, api_key="sk-client", http_client=http, max_retries=0, timeout=60)
    if case.meta["stream"]:
        with client.messages.stream(model=case.provider, max_tokens=100, messages=HELLO) as events:
            seen = list(events)
            if case.provider not in ("anthropic", "bedrock-invoke-anthropic"):
                grammar(seen)
            answer = events.get_final_message()
    else:
        answer = client.messages.create(model=case.provider, max_tokens=100, messages=HELLO)
    expected = case.expected
    text = "".join(block.text for block in answer.content if block.type == "text")
    assert text == expected["text"] + (expected.get("refusal") or "")
    thinking = "".join(block.thinking for block in answer.content if block.type == "thinking")
    # Cohere's plan for its tools is reasoning to clients, and its SDK keeps it apart.
    assert thinking == expected["reasoning_text"] or case.provider == "cohere"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert [call.name for call in calls] == [call["name"] for call in expected["tool_calls"]]
    for call, wanted in zip(calls, expected["tool_calls"], strict=True):
        given = wanted.get("arguments")
        if given is None and "arguments_raw" in wanted:
            try:
                given = json.loads(wanted["arguments_raw"] or "{}")
            except ValueError:
                # The token limit cut them short: the SDK makes of it what it can.
                assert answer.stop_reason in ("max_tokens", "tool_use")
                continue
        assert call.input == (given or {})
    if answer.stop_reason != "max_tokens" and calls:
        assert answer.stop_reason == "tool_use"
    if usage := expected["usage"]:
        assert answer.usage.output_tokens == (usage["output"] or 0) or case.provider not in ("openai", "anthropic")
