"""What the golden cases say that a client of responses gets, judged by the types of OpenAI's own SDK."""

from __future__ import annotations

import json

import pytest
from gateway import ROOT
from test_responses import EVENT, judged, strictly

# What passes is the provider's own, in whatever version of its types.
CASES = [case for case in sorted((ROOT / "tests" / "golden" / "responses").iterdir()) if not case.name.startswith("native-")]


@pytest.mark.parametrize("case", [case for case in CASES if (case / "client.sse").exists()], ids=lambda case: case.name)
def test_a_stream(case):
    events = [json.loads(block.partition("\ndata: ")[2]) for block in (case / "client.sse").read_text().split("\n\n")[:-1]]
    if any(event["type"] == "error" for event in events):
        for event in events:
            EVENT.validate_python(event)
        return
    judged(events)
    strictly(events[-1]["response"])


@pytest.mark.parametrize("case", [case for case in CASES if (case / "client.json").exists()], ids=lambda case: case.name)
def test_an_answer(case):
    answer = json.loads((case / "client.json").read_text())
    if "error" in answer and "id" not in answer:
        assert answer["error"].keys() >= {"message", "type", "param", "code"}
    else:
        strictly(answer)
