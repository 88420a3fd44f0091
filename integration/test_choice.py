"""Which target a request goes to first: names, tags, strategies, tiers, stickiness. Every test sees which provider answered."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from checks import HELLO, assert_openai_error, wait_until
from conftest import PROVIDER_KEY, entry
from gateway import HTTP, Dragoman
from standins.scripted import Scripted, Until, json_reply, stream_reply
from standins.wire import Answer, Request, StandIn

TWO_WORKERS = ["--concurrency", "2"]


def completion(text: str, tokens: tuple[int, int] = (1, 2)) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


class Named(StandIn):
    """An OpenAI-compatible provider that answers with its own name, after a while, or fails as long as it is told to."""

    def __init__(self, name: str, tokens: tuple[int, int] = (1, 2)) -> None:
        super().__init__()
        self.name, self.tokens = name, tokens
        self.delay = 0.0
        self.failure: tuple[int, tuple[tuple[str, str], ...]] | None = None

    async def answer(self, request: Request, answer: Answer) -> None:
        import asyncio

        await asyncio.sleep(self.delay)
        if self.failure:
            status, headers = self.failure
            return await json_reply({"error": {"message": f"{self.name} fails"}}, status, headers).play(answer)
        if request.json.get("stream"):
            delta = {"choices": [{"index": 0, "delta": {"content": self.name}, "finish_reason": None}]}
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            return await stream_reply(delta, end, "data: [DONE]\n\n").play(answer)
        await json_reply(completion(self.name, self.tokens)).play(answer)


@pytest.fixture
def three() -> Iterator[list[Named]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Named(name)) for name in ("one", "two", "three")]


def target(name: str, standin: StandIn, info: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
    made = entry(name, f"openai/{standin.name}", standin.base + "/v1", **params)
    return {**made, "model_info": {"id": standin.name, **(info or {})}}


@contextlib.contextmanager
def running(models: list[dict[str, Any]], router: dict[str, Any] | None = None, workers: int = 1, **more: Any) -> Iterator[Dragoman]:
    config = {"model_list": models, "litellm_settings": {"num_retries": 0}, "router_settings": router or {}, **more}
    with Dragoman(config, {"PROVIDER_KEY": PROVIDER_KEY}, ["--concurrency", str(workers)]) as started:
        yield started


def ask(gateway: Dragoman, model: str = "m", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    """One request, on a connection of its own: Envoy gives it to any worker."""
    whole = {"model": model, "messages": HELLO, **body}
    return HTTP.post(gateway.base_url + "/v1/chat/completions", json=whole, headers=headers)


def who(answer: httpx.Response) -> str:
    """The provider that answered."""
    assert answer.status_code == 200, answer.text
    name = answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-litellm-model-id"] == name
    return name


def tally(gateway: Dragoman, times: int, **asked: Any) -> collections.Counter:
    return collections.Counter(who(ask(gateway, **asked)) for _ in range(times))


# Names


def test_aliases_and_lists_of_names(three):
    one, two, three_ = three
    router = {"model_group_alias": {"nick": "a", "secret": {"model": "b", "hidden": True}}}
    models = [target("a", one), target("b", two), entry("p/*", "openai/*", three_.base + "/v1")]
    with running(models, router) as gateway:
        assert who(ask(gateway, "nick")) == "one"
        assert who(ask(gateway, "secret")) == "two"
        # A deployment's own name, and what a wildcard stands for.
        assert who(ask(gateway, "openai/two")) == "two"
        assert ask(gateway, "p/anything").json()["choices"][0]["message"]["content"] == "three"
        assert three_.last.json["model"] == "anything"
        # The first of a list that there is.
        assert who(ask(gateway, "nobody, b,a")) == "two"
        assert two.last.json["model"] == "two"
        ask(gateway, "nobody,p/some-model")
        assert three_.last.json["model"] == "some-model"
        assert_openai_error(ask(gateway, "nobody,none"), 404)
        listed = [model.id for model in gateway.client().models.list()]
        assert "nick" in listed and "secret" not in listed
        answer = ask(gateway, "nick")
        assert (answer.headers["x-litellm-model-group"], answer.headers["x-litellm-attempted-retries"]) == ("nick", "0")


# Tags


def test_tags_decide_who_may_use_a_target(three):
    one, two, three_ = three
    models = [target("m", one, tags=["free"]), target("m", two, tags=["paid", "eu"]), target("m", three_, tags=["default"])]
    with running(models, {"enable_tag_filtering": True}) as gateway:
        assert tally(gateway, 6, headers={"x-litellm-tags": "free"}) == {"one": 6}
        assert tally(gateway, 6, metadata={"tags": ["paid"]}) == {"two": 6}
        assert tally(gateway, 6, tags=["eu"]) == {"two": 6}
        assert set(tally(gateway, 30, tags=["eu"], headers={"x-litellm-tags": "free"})) == {"one", "two"}
        assert tally(gateway, 6) == {"three": 6}
        assert tally(gateway, 6, tags=["unheard"]) == {"three": 6}
        assert "tags" not in two.last.json


def test_all_tags_must_match_where_the_config_says_so(three):
    one, two, _ = three
    models = [target("m", one, tags=["a", "b"]), target("m", two, tags=["a"])]
    router = {"enable_tag_filtering": True, "tag_filtering_match_any": False}
    with running(models, router) as gateway:
        assert tally(gateway, 6, tags=["a", "b"]) == {"one": 6}
        error = assert_openai_error(ask(gateway, tags=["a", "c"]), 401)
        assert "tags" in error["message"]


def test_a_target_without_the_tags_never_stands_in(three):
    one, two, _ = three
    one.failure = (500, ())
    models = [target("m", one, tags=["free"]), target("m", two, tags=["paid"])]
    with running(models, {"enable_tag_filtering": True, "num_retries": 2}) as gateway:
        assert_openai_error(ask(gateway, tags=["free"]), 500)
        assert (len(one.requests) >= 1, two.requests) == (True, [])


# Strategies


def test_a_canary_gets_its_weight(three):
    one, two, _ = three
    with running([target("m", one, weight=9), target("m", two, weight=1)]) as gateway:
        counts = tally(gateway, 200)
        assert 5 <= counts["two"] <= 45, counts


def test_weights_of_a_group(three):
    one, two, three_ = three
    models = [target("m", one), target("m", two), target("m", three_)]
    with running(models, {"weights": {"m": {"one": 1, "two": 1}}}) as gateway:
        counts = tally(gateway, 60)
        assert set(counts) == {"one", "two"} and min(counts.values()) > 10, counts


def test_the_least_busy(three):
    """What is under way in any worker counts."""
    models = [target("m", standin) for standin in three]
    for standin in three[:2]:
        standin.delay = 3
    with running(models, {"routing_strategy": "least-busy"}, workers=2) as gateway, concurrent.futures.ThreadPoolExecutor(8) as pool:
        # Two are busy for a while, then the third takes all.
        waiting = []
        while len(three[0].requests) < 1 or len(three[1].requests) < 1:
            # Among those that are free, chance decides: one of two is not met in sixty times hardly ever.
            waiting.append(pool.submit(ask, gateway))
            time.sleep(0.02)
            assert len(waiting) < 60
        assert tally(gateway, 10) == {"three": 10}
        assert [len(standin.requests) for standin in three[:2]] == [1, 1]
        for standin in three[:2]:
            standin.delay = 0
        assert {who(answer.result()) for answer in waiting} >= {"one", "two"}
        # All are free again, also what a client has gone away from.
        assert set(tally(gateway, 30)) == {"one", "two", "three"}


@pytest.mark.parametrize("stream", [False, True])
def test_the_fastest(three, stream):
    one, two, three_ = three
    one.delay, two.delay = 0.4, 0.4
    models = [target("m", standin) for standin in three]
    with running(models, {"routing_strategy": "latency-based-routing"}, workers=2) as gateway:
        # Each is tried once by somebody, until all are known.
        for _ in range(6):
            assert ask(gateway, stream=stream).status_code == 200
        assert one.requests and two.requests
        time.sleep(0.4)
        before = len(three_.requests)
        for _ in range(20):
            assert ask(gateway, stream=stream).status_code == 200
        assert len(three_.requests) == before + 20


def test_who_is_nearly_as_fast_is_as_good(three):
    one, two, three_ = three
    one.delay, two.delay, three_.delay = 0.3, 0.5, 2
    models = [target("m", standin) for standin in three]
    for buffer, wanted in ((None, {"one"}), (2.0, {"one", "two"})):
        arguments = {} if buffer is None else {"lowest_latency_buffer": buffer}
        with running(models, {"routing_strategy": "latency-based-routing", "routing_strategy_args": arguments}) as gateway:
            # Until all are known.
            before = [len(standin.requests) for standin in three]
            while not all(len(standin.requests) > known for standin, known in zip(three, before, strict=True)):
                assert ask(gateway).status_code == 200
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                answered = [who(answer) for answer in pool.map(lambda _: ask(gateway), range(20))]
            assert set(answered) == wanted, answered


def test_a_time_that_was_measured_is_forgotten(three):
    """Within `ttl` (seconds) the slow one is left alone; behind it, it is tried again."""
    one, two, three_ = three
    one.delay = three_.delay = 0.5
    models = [target("m", standin) for standin in three]
    with running(models, {"routing_strategy": "latency-based-routing", "routing_strategy_args": {"ttl": 3}}) as gateway:
        while not (one.requests and two.requests and three_.requests):
            assert ask(gateway).status_code == 200
        one.delay = three_.delay = 0
        before = len(one.requests) + len(three_.requests)
        assert {who(ask(gateway)) for _ in range(10)} == {"two"}
        wait_until(lambda: ask(gateway).status_code == 200 and len(one.requests) + len(three_.requests) > before)


def test_the_least_used_and_none_over_its_limit(three):
    one, two, three_ = three
    one.tokens = two.tokens = three_.tokens = (50, 50)
    models = [target("m", one, rpm=4), target("m", two, rpm=8), target("m", three_, tpm=400)]
    with running(models, {"routing_strategy": "usage-based-routing-v2"}, workers=2) as gateway:
        # Not across a minute's end.
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)
        counts = tally(gateway, 16)
        assert counts == {"one": 4, "two": 8, "three": 4}, counts
        answer = ask(gateway)
        error = assert_openai_error(answer, 429)
        # When the minute ends, on the clock that counts it.
        after = int(answer.headers["retry-after"])
        assert 1 <= after <= 60 and f"try again in {after} seconds" in error["message"], error
        assert time.time() % 60 + after >= 59


# Tiers


def test_a_lower_tier_takes_all_until_it_is_left_alone(three):
    one, two, _ = three
    models = [target("m", one, order=1), target("m", two, order=2)]
    with running(models, {"cooldown_time": 60}) as gateway:
        assert tally(gateway, 10) == {"one": 10}
        one.failure = (429, ())
        assert ask(gateway).status_code == 429
        assert tally(gateway, 10) == {"two": 10}


# Sticky sessions


@pytest.mark.parametrize(
    ("router", "dragoman", "said"),
    [
        ({"optional_pre_call_checks": ["session_affinity"]}, {}, lambda n: {"headers": {"x-litellm-session-id": f"s{n}"}}),
        ({"optional_pre_call_checks": ["session_affinity"]}, {}, lambda n: {"metadata": {"session_id": f"s{n}"}}),
        ({"model_group_affinity_config": {"m": ["deployment_affinity"]}}, {}, lambda n: {"user": f"u{n}"}),
        ({}, {"sticky_header": "X-Tenant"}, lambda n: {"headers": {"x-tenant": f"t{n}"}}),
    ],
)
def test_a_session_keeps_its_target_while_it_is_healthy(three, router, dragoman, said):
    models = [target("m", standin) for standin in three]
    with running(models, {"cooldown_time": 60, **router}, workers=2, dragoman=dragoman) as gateway:
        homes = {}
        for session in range(12):
            counts = tally(gateway, 4, **said(session))
            assert len(counts) == 1
            [homes[session]] = counts
        assert len(set(homes.values())) > 1, homes
        # Whose target is gone moves; nobody else does.
        gone = three[0]
        gone.failure = (429, ())
        for session, home in homes.items():
            if home == gone.name:
                ask(gateway, **said(session))
                break
        time.sleep(0.3)
        for session, home in homes.items():
            [now] = tally(gateway, 3, **said(session))
            assert now == home if home != gone.name else now != home


def test_the_cheapest(three):
    one, two, three_ = three
    price = lambda dollars: {"input_cost_per_token": dollars, "output_cost_per_token": dollars}
    models = [target("m", one, **price(2e-6)), target("m", two, price(1e-6), rpm=5), target("m", three_)]
    with running(models, {"routing_strategy": "cost-based-routing"}) as gateway:
        if time.time() % 60 > 45:
            time.sleep(61 - time.time() % 60)
        # What is over its limit is left out, and what nobody knows the price of comes last.
        assert tally(gateway, 10) == {"two": 5, "one": 5}
