"""OpenAI's JavaScript SDK as a client: its reader of streams is another one than Python's."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
from checks import assert_idle
from standins import vendors

SCRIPT = pathlib.Path(__file__).with_name("js") / "client.mjs"


@pytest.mark.parametrize("model", sorted(vendors()))
def test_the_javascript_sdk(gateway, model):
    done = subprocess.run(["node", SCRIPT, gateway.base_url + "/v1", model], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["chat"] == seen["stream"] == "You said: Hello, wörld 🌍"
    assert (seen["finish"], seen["usage"], seen["streamUsage"]) == ("stop", 8, 8)
    assert seen["chunks"] > 5
    assert seen["call"] == {"name": "weather", "arguments": {"place": "Bern"}, "finish": "tool_calls"}
    assert seen["answer"] == "The tool said: sunny"
    assert model in seen["models"]
    assert (seen["limited"]["class"], seen["limited"]["status"], seen["limited"]["code"]) == ("RateLimitError", 429, "rate_limit_exceeded")
    assert (seen["unknown"]["class"], seen["unknown"]["status"], seen["unknown"]["code"]) == ("NotFoundError", 404, "model_not_found")
    # In mid-stream, or with a status of its own where the error came in one piece with the first events.
    assert seen["broken"]["class"] in ("APIError", "InternalServerError")
    assert_idle(gateway)
