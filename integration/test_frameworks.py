"""OpenAI's Agents SDK and LangChain, whole frameworks of others, complete loops of tools through the gateway."""

from __future__ import annotations

import json
import subprocess

import pytest
from gateway import ROOT

PYTHON = ROOT / ".cache" / "frameworks" / "bin" / "python"
LOOPS = ROOT / "integration" / "frameworks" / "loops.py"

WAYS = ["agents/responses", "agents/responses-stream", "agents/chat", "langchain/responses", "langchain/responses-stream", "langchain/chat", "langchain/chat-stream"]
MODELS = ["openai", "anthropic", "gemini", "mistral", "bedrock"]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_a_loop_of_tools(languages, way, model):
    run = subprocess.run([PYTHON, LOOPS, languages.base_url, way, model], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    told = json.loads(run.stdout)
    # One call, its result said; then the conversation goes on from both.
    assert told["calls"][0] == ["weather", "Bern", 7]
    assert told["answer"] == "The tool said: sunny in Bern"
    assert told["again"]
    assert told["input_tokens"] > 0
