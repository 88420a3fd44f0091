"""What a platform team sees at `/stats/prometheus`: counters by route, provider and model, with labels."""

from __future__ import annotations

import openai
import pytest
from checks import HELLO
from conftest import litellm_config, start
from standins import vendors

REQUESTS = "dragoman_requests"
TOKENS = "dragoman_tokens"
ERRORS = "dragoman_errors"


@pytest.fixture(params=["roles", "inline"])
def counting(request, providers, script_room):
    """A gateway whose counters nobody else moves."""
    with start(request.param, litellm_config(providers, script_room)) as started:
        yield started


def ask(gateway, model: str, **more) -> None:
    reply = gateway.client().chat.completions.create(model=model, messages=HELLO, **more)
    if more.get("stream"):
        list(reply)


@pytest.mark.parametrize("model", sorted(vendors()))
def test_requests_and_tokens_by_route_provider_and_model(counting, providers, model):
    ask(counting, model)
    ask(counting, model, stream=True)
    ask(counting, model, stream=True, stream_options={"include_usage": True})
    labels = {"dragoman_route": model, "dragoman_provider": model, "dragoman_model": providers[model].model}
    counting.wait_for_total(REQUESTS, 3, **labels, dragoman_status="2xx")
    # "Hello" is one token, "You said: Hello" three, as the stand-ins count; unasked streams count too.
    assert counting.total(TOKENS, **labels, dragoman_type="input") == 3
    assert counting.total(TOKENS, **labels, dragoman_type="output") == 9
    assert counting.total(REQUESTS) == 3


def test_failures(counting):
    for model, kind, status in (("openai/rate-limited", "rate_limit", "4xx"), ("openai/down", "server", "5xx")):
        with pytest.raises(openai.APIStatusError):
            ask(counting, model)
        counting.wait_for_total(REQUESTS, 1, dragoman_route="openai/*", dragoman_provider="openai", dragoman_status=status)
        assert counting.total(ERRORS, dragoman_route="openai/*", dragoman_class=kind) == 1
    assert counting.total(TOKENS) == 0


def test_labels_come_from_the_config_only(counting):
    """A client that makes names up can't make series: a wildcard's route counts under its own name."""
    for number in range(20):
        ask(counting, f"openai/unlisted-{number}")
        with pytest.raises(openai.NotFoundError):
            ask(counting, f"made-up-{number}")
    counting.wait_for_total(REQUESTS, 20, dragoman_route="openai/*", dragoman_model="*")
    assert len([sample for sample in counting.samples(REQUESTS)]) == 1
    assert "made-up" not in counting.admin("/stats/prometheus")
    assert "unlisted" not in counting.admin("/stats/prometheus")
