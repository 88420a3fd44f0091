"""Tokens and money to the token and the nanodollar, on every path that a request can take: in Envoy's statistics, in the
headers that LiteLLM's clients read, and in a stream's usage."""

from __future__ import annotations

import json
from decimal import Decimal

import httpx
import pytest
from checks import HELLO
from conftest import entry, start
from gateway import HTTP, envoy_version
from standins.scripted import CLOSE, STALL, json_reply, stream_reply

# Nanodollars per token of gpt-4o's and claude-sonnet-4-5's input and output, by their vendors' price lists.
GPT = (2500, 10_000)
CLAUDE = (3000, 15_000)


@pytest.fixture(scope="module", params=["roles", "inline"])
def metered(request, providers, script_room):
    with start(request.param, config(providers, script_room)) as started:
        yield started


def config(providers, script_room, **settings):
    openai, script = providers["openai"].api_base, script_room.base
    models = [
        entry("gpt", "openai/gpt-4o", openai),
        entry("any/*", "openai/*", openai),
        entry("ours", "openai/llama-of-ours", script + "/v1"),
        entry("cheap", "openai/llama-of-ours", script + "/v1", input_cost_per_token=1e-6, output_cost_per_token="2e-6"),
        {**entry("based", "openai/llama-of-ours", script + "/v1"), "model_info": {"base_model": "openai/gpt-4o"}},
        entry("script-gpt", "openai/gpt-4o", script + "/v1"),
        entry("deployed", "azure/chat-of-ours", script, api_version="2025-04-01-preview"),
        entry("script-claude", "anthropic/claude-sonnet-4-5", script),
        entry("vectors", "openai/text-embedding-3-small", script + "/v1"),
    ]
    return {"model_list": models, "litellm_settings": {"num_retries": 0, **settings}}


def ask(gateway, model: str, path: str = "/v1/chat/completions", **more) -> httpx.Response:
    body = {"model": model, **({"input": "Hello"} if "embeddings" in path else {"messages": HELLO}), **more}
    return HTTP.post(gateway.base_url + path, json=body, timeout=60)


class Change:
    """What a gateway's counters have grown by since it was made."""

    def __init__(self, gateway, **labels: str):
        self.gateway, self.labels = gateway, labels
        self.before = self.read()

    def read(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for sample in self.gateway.samples("dragoman_"):
            if self.labels.items() <= sample.labels.items():
                extra = next((sample.labels[f"dragoman_{k}"] for k in ("type", "class", "reason", "status") if f"dragoman_{k}" in sample.labels), "")
                name = sample.name.removeprefix("dragoman_") + (f"/{extra}" if extra else "")
                found[name] = found.get(name, 0) + sample.value
        return found

    def since(self) -> dict[str, float]:
        return {name: value - self.before.get(name, 0) for name, value in self.read().items() if value != self.before.get(name, 0)}

    def wait(self, name: str, value: float) -> dict[str, float]:
        self.gateway.wait_for_total(
            "dragoman_" + name.split("/")[0],
            self.before.get(name, 0) + value,
            **self.labels,
            **({f"dragoman_{LABEL[name.split('/')[0]]}": name.split("/")[1]} if "/" in name else {}),
        )
        return self.since()


LABEL = {"requests": "status", "errors": "class", "attempts": "class", "retries": "reason", "fallbacks": "reason", "tokens": "type"}


def test_a_reply_tells_its_price(metered, providers):
    change = Change(metered, dragoman_route="gpt")
    answer = ask(metered, "gpt")
    cost = GPT[0] + 3 * GPT[1]
    assert Decimal(answer.headers["x-litellm-response-cost"]) * 10**9 == cost
    assert answer.headers["x-litellm-model-id"].startswith("gpt-4o")
    assert 0 <= float(answer.headers["x-litellm-overhead-duration-ms"]) < 1000
    counted = change.wait("requests/2xx", 1)
    assert counted["cost_nanodollars"] == cost
    assert (counted["tokens/input"], counted["tokens/output"]) == (1, 3)
    assert counted["attempts/ok"] == 1
    # Envoy merges its histograms every five seconds.
    counted = change.wait("duration_milliseconds_count", 1)
    assert not {name for name in counted if name.startswith(("estimated", "unpriced", "errors", "time_to"))}


def test_a_stream_is_counted_and_timed(metered):
    change = Change(metered, dragoman_route="gpt")
    answer = ask(metered, "gpt", stream=True)
    assert "x-litellm-response-cost" not in answer.headers and "x-litellm-model-id" in answer.headers
    counted = change.wait("requests/2xx", 1)
    assert counted["cost_nanodollars"] == GPT[0] + 3 * GPT[1]
    assert "estimated" not in counted
    change.wait("time_to_first_token_milliseconds_count", 1)
    change.wait("time_per_output_token_microseconds_count", 1)


def test_a_wildcards_models_have_their_own_prices(metered):
    change = Change(metered, dragoman_route="any/*")
    for model, cost in (("gpt-4o", GPT[0] + 3 * GPT[1]), ("gpt-4o-mini", 150 + 3 * 600)):
        answer = ask(metered, f"any/{model}")
        assert Decimal(answer.headers["x-litellm-response-cost"]) * 10**9 == cost
    assert "x-litellm-response-cost" not in ask(metered, "any/made-up").headers
    counted = change.wait("requests/2xx", 3)
    assert counted["unpriced"] == 1
    assert counted["cost_nanodollars"] == GPT[0] + 3 * GPT[1] + 150 + 3 * 600


def whole(input_tokens: int, output_tokens: int, **more):
    usage = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens, "total_tokens": input_tokens + output_tokens, **more}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Four score"}, "finish_reason": "stop"}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def test_prices_of_the_config(metered, script):
    for model, cost in (("cheap", 10 * 1000 + 5 * 2000), ("based", 10 * GPT[0] + 5 * GPT[1])):
        script.then(json_reply(whole(10, 5)))
        assert Decimal(ask(metered, model).headers["x-litellm-response-cost"]) * 10**9 == cost
    # The prices are the gateway's: the provider never hears of them.
    assert all(not [key for key in request.json if "cost" in key] for request in script.requests)
    change = Change(metered, dragoman_route="ours")
    script.then(json_reply(whole(10, 5)))
    assert "x-litellm-response-cost" not in ask(metered, "ours").headers
    counted = change.wait("requests/2xx", 1)
    assert counted["unpriced"] == 1 and "cost_nanodollars" not in counted
    assert counted["tokens/input"] == 10


def test_kinds_of_tokens(metered, script):
    change = Change(metered, dragoman_route="script-gpt")
    script.then(json_reply(whole(100, 50, prompt_tokens_details={"cached_tokens": 40}, completion_tokens_details={"reasoning_tokens": 30})))
    ask(metered, "script-gpt")
    counted = change.wait("requests/2xx", 1)
    assert (counted["tokens/cached"], counted["tokens/reasoning"]) == (40, 30)
    assert counted["cost_nanodollars"] == 60 * 2500 + 40 * 1250 + 50 * 10_000
    change = Change(metered, dragoman_route="script-claude")
    usage = {"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30}
    usage["cache_creation"] = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20}
    script.then(json_reply(message(usage)))
    ask(metered, "script-claude")
    counted = change.wait("requests/2xx", 1)
    assert (counted["tokens/input"], counted["tokens/cache_write"], counted["tokens/cache_write_1h"]) == (60, 30, 20)
    assert counted["cost_nanodollars"] == 10 * 3000 + 20 * 300 + 10 * 3750 + 20 * 6000 + 5 * 15_000


def test_the_service_tier_that_served_is_billed(metered, script):
    for asked, served, rates in (("priority", "priority", (4250, 17_000)), ("priority", "default", GPT), ("auto", None, GPT)):
        reply = whole(10, 5) | ({"service_tier": served} if served else {})
        script.then(json_reply(reply))
        answer = ask(metered, "script-gpt", service_tier=asked)
        assert Decimal(answer.headers["x-litellm-response-cost"]) * 10**9 == 10 * rates[0] + 5 * rates[1]


def test_embeddings(metered, script):
    change = Change(metered, dragoman_route="vectors")
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, 0.25]}]
    script.then(json_reply({"object": "list", "data": vectors, "model": "text-embedding-3-small", "usage": {"prompt_tokens": 7, "total_tokens": 7}}))
    answer = ask(metered, "vectors", "/v1/embeddings")
    assert Decimal(answer.headers["x-litellm-response-cost"]) * 10**9 == 7 * 20
    counted = change.wait("requests/2xx", 1)
    assert counted["tokens/input"] == 7 and counted["cost_nanodollars"] == 7 * 20 and "tokens/output" not in counted


def message(usage: dict) -> dict:
    content = [{"type": "text", "text": "Four score"}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content, "stop_reason": "end_turn", "usage": usage}


def chunk(text: str | None, finish: str | None = None) -> dict:
    delta = {"content": text} if text else {}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


TEXT = "word " * 80
OPENAI_HALF = [chunk(TEXT), chunk(TEXT)]
CLAUDE_HALF = [
    {"type": "message_start", "message": message({"input_tokens": 9, "output_tokens": 1}) | {"content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
]
HALVES = {"script-gpt": (OPENAI_HALF, None, GPT), "script-claude": (CLAUDE_HALF, 9, CLAUDE)}


def estimated(counted: dict[str, float], told: int | None, rates: tuple[int, int]) -> None:
    """800 bytes of text are about 200 tokens; the prompt is as the provider told, or as long as the request."""
    assert counted["estimated"] == 1
    assert counted["tokens/output"] == 200
    assert counted["tokens/input"] == told if told else 5 < counted["tokens/input"] < 40
    assert counted["cost_nanodollars"] == counted["tokens/input"] * rates[0] + 200 * rates[1]


@pytest.mark.parametrize("model", HALVES)
def test_a_client_that_goes_away_in_mid_stream(metered, script, model):
    half, told, rates = HALVES[model]
    change = Change(metered, dragoman_route=model)
    script.then(stream_reply(*half, STALL))
    body = {"model": model, "messages": HELLO, "stream": True}
    with HTTP.stream("POST", metered.base_url + "/v1/chat/completions", json=body) as answer:
        seen = ""
        for line in answer.iter_lines():
            seen += line
            if seen.count(TEXT) == 2:
                break
    estimated(change.wait("estimated", 1), told, rates)


@pytest.mark.parametrize("model", HALVES)
def test_a_stream_that_is_cut(metered, script, model):
    half, told, rates = HALVES[model]
    change = Change(metered, dragoman_route=model)
    script.then(stream_reply(*half, CLOSE))
    with pytest.raises(httpx.HTTPError):
        ask(metered, model, stream=True).raise_for_status()
        raise httpx.HTTPError("it ended with an error event")
    estimated(change.wait("estimated", 1), told, rates)


def test_a_provider_that_tells_no_usage(metered, script):
    change = Change(metered, dragoman_route="script-gpt")
    script.then(stream_reply(*OPENAI_HALF, chunk(None, "stop"), "data: [DONE]\n\n"))
    ask(metered, "script-gpt", stream=True)
    estimated(change.wait("requests/2xx", 1), None, GPT)
    change = Change(metered, dragoman_route="script-gpt")
    reply = whole(0, 0)
    del reply["usage"]
    script.then(json_reply(reply))
    ask(metered, "script-gpt")
    assert change.wait("requests/2xx", 1)["estimated"] == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_deployment_of_azures_has_the_price_of_the_model_that_its_reply_names(metered, script, stream):
    usage, model = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, {"model": "gpt-4o-2024-08-06"}
    change = Change(metered, dragoman_route="deployed")
    end = {"id": "c", "choices": [], "usage": usage}
    script.then(stream_reply(chunk("a", "stop") | model, end | model, "data: [DONE]\n\n") if stream else json_reply(whole(10, 4) | model))
    assert ask(metered, "deployed", stream=stream).status_code == 200
    counted = change.wait("requests/2xx", 1)
    assert counted["cost_nanodollars"] == 10 * GPT[0] + 4 * GPT[1]
    assert "unpriced" not in counted


def test_usage_that_is_repeated_is_counted_once(metered, script):
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    change = Change(metered, dragoman_route="script-gpt")
    chunks = [chunk("a") | {"usage": usage | {"completion_tokens": 1}}, chunk("b", "stop") | {"usage": usage}]
    script.then(stream_reply(*chunks, {"id": "c", "choices": [], "usage": usage, "x_groq": {"usage": usage}}, "data: [DONE]\n\n"))
    ask(metered, "script-gpt", stream=True)
    counted = change.wait("requests/2xx", 1)
    assert (counted["tokens/input"], counted["tokens/output"]) == (10, 4) and "estimated" not in counted


def test_errors_cost_nothing(metered, script):
    change = Change(metered, dragoman_route="script-gpt")
    script.then(json_reply({"error": {"message": "no", "type": "invalid_request_error"}}, 400))
    answer = ask(metered, "script-gpt")
    assert answer.status_code == 400 and "x-litellm-response-cost" not in answer.headers
    counted = change.wait("requests/4xx", 1)
    assert counted["errors/invalid_request"] == counted["attempts/invalid_request"] == 1
    assert not {name for name in counted if name.startswith(("tokens", "cost", "unpriced"))}


@pytest.fixture(scope="module", params=["roles", "inline"])
def telling(request, providers, script_room):
    with start(request.param, config(providers, script_room, include_cost_in_streaming_usage=True)) as started:
        yield started


@pytest.mark.parametrize("model", ["gpt", "script-claude"])
def test_a_stream_tells_its_cost_where_that_is_asked_for(telling, script, model):
    usage = {"output_tokens": 3}
    end = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}, {"type": "message_stop"}]
    script.then(stream_reply(*CLAUDE_HALF, *end))
    answer = ask(telling, model, stream=True, stream_options={"include_usage": True})
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    told = next(event["usage"] for event in events if event.get("usage"))
    rates = GPT if model == "gpt" else CLAUDE
    assert round(told["cost"] * 1e9) == told["prompt_tokens"] * rates[0] + told["completion_tokens"] * rates[1]


@pytest.mark.parametrize("model", ["gpt", "script-claude"], ids=["translated", "as it is"])
def test_a_stream_of_anthropics_messages_tells_its_cost_too(telling, script, model):
    usage = {"output_tokens": 3}
    end = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}, {"type": "message_stop"}]
    script.then(stream_reply(*CLAUDE_HALF, *end))
    answer = ask(telling, model, "/v1/messages", stream=True, max_tokens=64)
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    (told,) = (event["usage"] for event in events if event["type"] == "message_delta")
    (began,) = (event["message"]["usage"] for event in events if event["type"] == "message_start")
    counts, rates = (1, GPT) if model == "gpt" else (9, CLAUDE)
    assert round(told["cost"] * 1e9) == counts * rates[0] + told["output_tokens"] * rates[1]
    assert told["output_tokens"] == 3 and "cost" not in began
    assert events[-1] == {"type": "message_stop"}


def test_a_failed_attempt_that_is_billed_counts_for_its_provider(providers, script):
    """Claude has read the prompt and then fails, before the client has seen anything: gpt-4o answers, both are paid."""
    models = [
        entry("both", "anthropic/claude-sonnet-4-5", script.base, order=1),
        entry("both", "openai/gpt-4o", providers["openai"].api_base, order=2),
    ]
    overloaded = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with start("roles", {"model_list": models}) as gateway:
        if envoy_version() < (1, 37):
            pytest.skip("this Envoy can't hold the head of a reply that is then retried")
        script.then(stream_reply(CLAUDE_HALF[0], overloaded))
        assert ask(gateway, "both", stream=True).status_code == 200
        gateway.wait_for_total("dragoman_requests", 1, dragoman_status="2xx", dragoman_provider="openai")
        assert gateway.total("dragoman_tokens", dragoman_provider="anthropic", dragoman_type="input") == 9
        assert gateway.total("dragoman_cost_nanodollars", dragoman_provider="openai") == GPT[0] + 3 * GPT[1]
        assert gateway.total("dragoman_cost_nanodollars", dragoman_provider="anthropic") == 9 * CLAUDE[0] + CLAUDE[1]
        assert gateway.total("dragoman_fallbacks", dragoman_provider="anthropic", dragoman_reason="overloaded") == 1
        assert gateway.total("dragoman_attempts") == 2


def test_many_requests_leave_the_number_of_series_as_it_is(metered):
    """A client that makes names up, many times: no series more, and no memory that grows with requests."""

    def names() -> set[str]:
        return {line.rsplit(" ", 1)[0] for line in metered.admin("/stats/prometheus").splitlines() if line.startswith("dragoman_")}

    warm = Change(metered, dragoman_route="any/*")
    for number in range(50):
        ask(metered, "any/warm", stream=number % 2 == 0)
    warm.wait("time_per_output_token_microseconds_count", 25)
    change = Change(metered, dragoman_route="any/*")
    before, memory = names(), int(metered.stat("server.memory_allocated"))
    with httpx.Client(verify=False) as client:
        for number in range(1000):
            body = {"model": f"any/made-up-{number}", "messages": HELLO, "stream": number % 2 == 0}
            assert client.post(metered.base_url + "/v1/chat/completions", json=body).status_code == 200
    change.wait("requests/2xx", 1000)
    assert names() == before
    assert int(metered.stat("server.memory_allocated")) - memory < 4_000_000


