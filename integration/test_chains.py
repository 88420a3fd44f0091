"""Targets that stand in for each other: which one answers when those before it fail, whatever address each is at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway import HTTP, Dragoman
from standins.scripted import Scripted, json_reply

COMPLETION = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
GOOD = json_reply(COMPLETION)
BAD = json_reply({"error": {"message": "Not now."}}, 503)


@pytest.fixture
def places() -> Iterator[tuple[Scripted, Scripted]]:
    with Scripted() as one, Scripted() as other:
        yield one, other


def target(provider: Scripted, model: str, **params: int) -> dict:
    return {"model_name": "m", "litellm_params": {"model": f"openai/{model}", "api_base": provider.base + "/v1", "api_key": f"sk-{model}", **params}}


def asked(running: Dragoman, *providers: Scripted) -> tuple[int, list[str]]:
    """The status of a request, and the models that were asked for it with their keys, in order of the places."""
    for provider in providers:
        provider.requests.clear()
    reply = HTTP.post(running.base_url + "/v1/chat/completions", json={"model": "m", "messages": [{"role": "user", "content": "Hi"}]})
    tried = [request for provider in providers for request in provider.requests]
    for request in tried:
        assert request.header("authorization") == f"Bearer sk-{request.json['model']}"
    return reply.status_code, [request.json["model"] for request in tried]


def test_targets_at_one_address_stand_in_for_each_other_in_their_order(places: tuple[Scripted, Scripted]) -> None:
    one, _ = places
    models = [target(one, "a", order=1), target(one, "b", order=2), target(one, "c", order=3)]
    with Dragoman({"model_list": models, "litellm_settings": {"num_retries": 3}}) as running:
        one.then(GOOD)
        assert asked(running, one) == (200, ["a"])
        one.then(BAD, BAD, GOOD)
        assert asked(running, one) == (200, ["a", "b", "c"])
        # All have been tried, and one try is left: the first is asked again.
        one.then(BAD, BAD, BAD, GOOD)
        assert asked(running, one) == (200, ["a", "b", "c", "a"])
        one.then(BAD, BAD, BAD, BAD)
        assert asked(running, one) == (503, ["a", "b", "c", "a"])
        assert len([name for name in running.admin("/clusters").splitlines() if "added_via_api" in name]) == 1


def test_a_chain_goes_back_to_an_address_for_another_target(places: tuple[Scripted, Scripted]) -> None:
    one, other = places
    models = [target(one, "a", order=1), target(other, "b", order=2), target(one, "c", order=3), target(one, "d", order=4)]
    with Dragoman({"model_list": models, "litellm_settings": {"num_retries": 3}}) as running:
        one.then(BAD, GOOD)
        other.then(BAD)
        assert asked(running, one, other) == (200, ["a", "c", "b"])
        one.then(BAD, BAD, GOOD)
        other.then(BAD)
        assert asked(running, one, other) == (200, ["a", "c", "d", "b"])


def test_no_try_is_lost_on_an_address_that_cannot_be_reached(places: tuple[Scripted, Scripted]) -> None:
    one, gone = places
    models = [target(gone, "a", order=1), target(gone, "b", order=2), target(one, "c", order=3)]
    with Dragoman({"model_list": models, "litellm_settings": {"num_retries": 2}}) as running:
        gone.__exit__(None, None, None)
        one.then(GOOD)
        assert asked(running, one) == (200, ["c"])
        gone.__enter__()
