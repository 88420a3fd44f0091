"""Completions of several prompts where the provider only chats: one chat after the other, one reply."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest
from checks import wait_until
from conftest import PROVIDER_KEY, entry, start
from gateway import HTTP, Dragoman, envoy_version
from standins.scripted import RESET, Reply, Scripted, Wait, json_reply, raw_reply
from test_completions import CHATTING, chatting
from test_logs import lines
from test_metering import Change

# A head that is held can be turned from Envoy 1.37 on.
holds = pytest.mark.skipif(envoy_version() < (1, 37), reason="several prompts are refused up to Envoy 1.36, which has a test of its own")

MOST = 32
"""The most prompts of a request."""


@holds
@chatting
def test_every_prompt_has_its_choice(languages, model):
    prompts = ["Hello", "Good morning, wörld 🌍", 'Say "x"']
    reply = languages.client().completions.create(model=model, prompt=prompts, max_tokens=50)
    assert (reply.object, reply.id[:1] != "", reply.created > 1_600_000_000) == ("text_completion", True, True)
    assert [(choice.index, choice.text, choice.finish_reason) for choice in reply.choices] == [(at, f"You said: {text}", "stop") for at, text in enumerate(prompts)]
    ones = [languages.client().completions.create(model=model, prompt=prompt, max_tokens=50).usage for prompt in prompts]
    assert reply.usage.prompt_tokens == sum(usage.prompt_tokens for usage in ones)
    assert reply.usage.completion_tokens == sum(usage.completion_tokens for usage in ones)
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@holds
@chatting
def test_a_stream_is_the_same_in_chunks(languages, model):
    asked = {"model": model, "prompt": ["Hello", "Bye"], "echo": True, "stream": True}
    chunks = list(languages.client().completions.create(**asked, stream_options={"include_usage": True}))
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert [[(choice.index, choice.text, choice.finish_reason) for choice in chunk.choices] for chunk in chunks] == [
        [(0, "HelloYou said: Hello", "stop")],
        [(1, "ByeYou said: Bye", "stop")],
        [],
    ]
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (2, 6)
    unasked = HTTP.post(languages.base_url + "/v1/completions", json=asked)
    assert unasked.headers["content-type"].startswith("text/event-stream")
    assert unasked.text.endswith("data: [DONE]\n\n") and "usage" not in unasked.text


def chat(*texts: str, prompt: int = 10, completion: int = 5, **more: Any) -> Reply:
    choices = [{"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"} for at, text in enumerate(texts)]
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return json_reply({"id": f"c-{texts[0]}", "object": "chat.completion", "created": 7, "model": "m", "choices": choices, "usage": usage, **more})


def failure(status: int, message: str = "no") -> Reply:
    return json_reply({"error": {"message": message}}, status)


def message(text: str) -> Reply:
    content, usage = [{"type": "text", "text": text}], {"input_tokens": 3, "output_tokens": 2}
    return json_reply({"id": "msg", "type": "message", "role": "assistant", "model": "c", "content": content, "stop_reason": "end_turn", "usage": usage})


@pytest.fixture(scope="module")
def rooms() -> Iterator[dict[str, Scripted]]:
    with Scripted() as first, Scripted() as other, Scripted() as base:
        yield {"first": first, "other": other, "base": base}


@pytest.fixture
def stands(rooms) -> dict[str, Scripted]:
    for room in rooms.values():
        room.clear()
    return rooms


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("log") / "requests.json"


@pytest.fixture(scope="module")
def gateway(rooms, log) -> Iterator[Dragoman]:
    """`first` chats; `other`, of another vendor's, stands in for it; `base` has completions itself, and `first` stands in for it."""
    models = [
        entry("first", "openai/gpt-4o", rooms["first"].base + "/v1"),
        entry("other", "anthropic/claude-sonnet-4-5", rooms["other"].base),
        entry("base", "hosted_vllm/base", rooms["base"].base + "/v1"),
        entry("alone", "openai/gpt-4o", rooms["first"].base + "/v1"),
        entry("gemini", "gemini/gemini-2.5-flash", rooms["first"].base),
    ]
    router = {"disable_cooldowns": True, "num_retries": 0, "fallbacks": [{"first": ["other"]}, {"base": ["first"]}, {"alone": ["base"]}, {"gemini": ["other"]}]}
    with start("roles", {"model_list": models, "router_settings": router, "dragoman": {"access_log": {"file": str(log)}}}) as started:
        yield started


def ask(gateway, model: str, *prompts: str, **more: Any) -> httpx.Response:
    return HTTP.post(gateway.base_url + "/v1/completions", json={"model": model, "prompt": list(prompts), **more}, timeout=60)


def counts(reply: httpx.Response) -> tuple[str | None, str | None]:
    """Retries and fallbacks, as the client is told."""
    return reply.headers.get("x-litellm-attempted-retries"), reply.headers.get("x-litellm-attempted-fallbacks")


def texts(reply: httpx.Response) -> list[tuple[int, str]]:
    assert reply.status_code == 200, reply.text
    return [(choice["index"], choice["text"]) for choice in reply.json()["choices"]]


# Nanodollars per token of input and output of gpt-4o, claude-sonnet-4-5 and gemini-2.5-flash, by their vendors' price lists.
GPT, CLAUDE, GEMINI = (2500, 10_000), (3000, 15_000), (300, 2500)


@holds
def test_each_prompt_is_one_chat_and_is_counted_once(gateway, stands, log):
    change = Change(gateway, dragoman_route="first")
    before = len(lines(log, 0))
    stands["first"].then(chat("A1", "A2"), chat("B1", "B2", prompt=20, completion=6), chat("C1", "C2", prompt=30, completion=7))
    reply = ask(gateway, "first", "a", "b", "c", n=2, max_tokens=9, user="ada", stop=["x"])
    assert texts(reply) == list(enumerate(["A1", "A2", "B1", "B2", "C1", "C2"]))
    said = reply.json()
    assert (said["object"], said["id"], said["created"], said["model"]) == ("text_completion", "c-C1", 7, "m")
    assert said["usage"] == {"prompt_tokens": 60, "completion_tokens": 18, "total_tokens": 78}
    sent = [request.json for request in stands["first"].requests]
    assert [body.pop("messages") for body in sent] == [[{"role": "user", "content": text}] for text in "abc"]
    assert sent == [{"model": "gpt-4o", "n": 2, "max_tokens": 9, "user": "ada", "stop": ["x"]}] * 3
    cost = 60 * GPT[0] + 18 * GPT[1]
    assert Decimal(reply.headers["x-litellm-response-cost"]) * 10**9 == cost
    assert counts(reply) == ("0", "0")
    counted = change.wait("requests/2xx", 3)
    assert (counted["tokens/input"], counted["tokens/output"], counted["cost_nanodollars"], counted["attempts/ok"]) == (60, 18, cost, 3)
    assert not {name for name in counted if name.startswith(("retries", "fallbacks", "errors", "estimated", "unpriced"))}
    (line,) = lines(log, before + 1)[before:]
    assert (line["status"], line["dragoman.attempts"], line["user.id"]) == (200, 3, "ada")
    assert (line["gen_ai.usage.input_tokens"], line["gen_ai.usage.output_tokens"]) == (60, 18)
    assert line["gen_ai.usage.cost"] == pytest.approx(cost / 1e9)


@holds
def test_an_error_of_any_prompt_is_the_answer(gateway, stands):
    change = Change(gateway, dragoman_route="first")
    stands["first"].then(chat("A"), failure(400, "not this one"))
    client = gateway.client()
    with pytest.raises(openai.BadRequestError, match="not this one") as raised:
        client.with_options(max_retries=0).completions.create(model="first", prompt=["a", "b", "c"], extra_body={"disable_fallbacks": True}, stream=True)
    assert "A" not in raised.value.response.text
    counted = change.wait("requests/4xx", 1)
    assert (counted["requests/2xx"], counted["tokens/input"], counted["tokens/output"], counted["errors/invalid_request"]) == (1, 10, 5, 1)
    assert [request.json["messages"][0]["content"] for request in stands["first"].requests] == ["a", "b"]
    # What was kept of the first prompt is in no other's answer.
    stands["first"].then(chat("D"), chat("E"))
    assert texts(ask(gateway, "first", "d", "e")) == [(0, "D"), (1, "E")]
    for garbled in (json_reply("what"), json_reply({"id": "x"}), raw_reply(RESET)):
        stands["first"].then(chat("A"), garbled)
        reply = ask(gateway, "first", "a", "b", disable_fallbacks=True)
        assert reply.status_code >= 500 and list(reply.json()) == ["error"], reply.text


@holds
def test_each_prompt_is_tried_again_and_has_those_that_stand_in(gateway, stands):
    firsts, others = Change(gateway, dragoman_route="first"), Change(gateway, dragoman_route="other")
    stands["first"].then(chat("A"), failure(500), chat("C"))
    stands["other"].then(message("B"))
    reply = ask(gateway, "first", "a", "b", "c")
    assert texts(reply) == [(0, "A"), (1, "B"), (2, "C")]
    assert (counts(reply), reply.json()["usage"]["total_tokens"]) == (("0", "1"), 35)
    assert [said["content"] for said in stands["other"].last.json["messages"]] in (["b"], [[{"type": "text", "text": "b"}]])
    assert [len(room.requests) for room in stands.values()] == [3, 1, 0]
    cost = 20 * GPT[0] + 10 * GPT[1] + 3 * CLAUDE[0] + 2 * CLAUDE[1]
    assert Decimal(reply.headers["x-litellm-response-cost"]) * 10**9 == cost
    counted = firsts.wait("requests/2xx", 2)
    assert (counted["tokens/input"], counted["tokens/output"]) == (20, 10)
    counted = others.wait("requests/2xx", 1)
    assert (counted["tokens/input"], counted["tokens/output"]) == (3, 2)
    # A repetition, and one after a reset, which no reply announces.
    stands["first"].then(failure(500), chat("D"), raw_reply(RESET), chat("E"))
    reply = ask(gateway, "first", "d", "e", num_retries=1, disable_fallbacks=True)
    assert (texts(reply), counts(reply)) == ([(0, "D"), (1, "E")], ("2", "0"))


@holds
def test_an_attempt_that_is_billed_is_in_the_total_whoever_answers(gateway, stands, log):
    """Gemini has read the last prompt and says nothing: another model answers, or refuses it unbilled."""

    def candidates(*texts: str) -> Reply:
        found = [{"content": {"parts": [{"text": text}]}, "finishReason": "STOP"} for text in texts]
        return json_reply({"candidates": found, "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": len(texts)}})

    told = 2 * 9 * GEMINI[0] + 1 * GEMINI[1]
    for user, answer, status, more in [("answered", message("B"), 200, 3 * CLAUDE[0] + 2 * CLAUDE[1]), ("refused", failure(400), 400, 0)]:
        change = Change(gateway)
        stands["first"].then(candidates("A"), candidates())
        stands["other"].then(answer)
        reply = ask(gateway, "gemini", "a", "b", user=user)
        assert reply.status_code == status, reply.text
        if status == 200:
            assert Decimal(reply.headers["x-litellm-response-cost"]) * 10**9 == told + more
        wait_until(lambda user=user: any(line.get("user.id") == user for line in lines(log, 0)))
        (line,) = [line for line in lines(log, 0) if line.get("user.id") == user]
        assert (line["status"], line["dragoman.attempts"]) == (status, 3)
        assert line["gen_ai.usage.cost"] == pytest.approx((told + more) / 1e9)
        assert change.wait(f"requests/{status // 100}xx", 2 if status == 200 else 1)["cost_nanodollars"] == told + more


@holds
def test_a_stream_tells_its_cost_where_that_is_asked_for(rooms, stands):
    models = [entry("m", "openai/gpt-4o", rooms["first"].base + "/v1"), entry("unpriced", "openai/unheard-of", rooms["first"].base + "/v1")]
    with start("roles", {"model_list": models, "litellm_settings": {"include_cost_in_streaming_usage": True}}) as telling:
        for model, cost in (("m", 30 * GPT[0] + 11 * GPT[1]), ("unpriced", None)):
            stands["first"].then(chat("A"), chat("B", prompt=20, completion=6))
            text = ask(telling, model, "a", "b", stream=True, stream_options={"include_usage": True}).text
            usage = json.loads(text.split("data: ")[-2])["usage"]
            assert usage["total_tokens"] == 41 and usage.get("cost") == (cost and pytest.approx(cost / 1e9)), text
        stands["first"].then(chat("A"), chat("B"))
        assert "cost" not in ask(telling, "m", "a", "b").json()["usage"]


@holds
def test_who_has_completions_is_asked_for_all_at_once_and_for_what_is_left(gateway, stands):
    stands["base"].then(failure(500))
    stands["first"].then(chat("A"), chat("B"))
    reply = ask(gateway, "base", "a", "b", stream=True)
    assert reply.status_code == 200 and reply.text.count('"text":') == 2, reply.text
    # Each prompt has its own course: the second, too, begins with the model that was asked for.
    assert [request.json["prompt"] for request in stands["base"].requests] == [["a", "b"], "b"]
    assert "stream" not in stands["base"].last.json
    assert [request.json["messages"][0]["content"] for request in stands["first"].requests] == ["a", "b"]
    # The other way round: of the second prompt only.
    own = {"id": "t", "object": "text_completion", "created": 1, "model": "base", "choices": [{"index": 0, "text": "B", "logprobs": None, "finish_reason": "stop"}]}
    stands["first"].then(chat("A"), failure(500), chat("C"))
    stands["base"].then(json_reply({**own, "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}))
    reply = ask(gateway, "alone", "a", "b", "c")
    assert (texts(reply), reply.json()["usage"]["total_tokens"]) == ([(0, "A"), (1, "B"), (2, "C")], 33)
    assert (stands["base"].last.path, stands["base"].last.json) == ("/v1/completions", {"model": "base", "prompt": "b"})


@holds
def test_usage_that_one_reply_does_not_tell_is_told_of_none(gateway, stands):
    silent = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}]}
    for script in ([json_reply(silent), chat("B")], [chat("A"), json_reply(silent)]):
        stands["first"].then(*script)
        reply = ask(gateway, "first", "a", "b")
        assert len(texts(reply)) == 2 and "usage" not in reply.json()


@holds
def test_the_limit_is_named(gateway, stands):
    stands["first"].then(*[chat(str(at)) for at in range(MOST)])
    reply = ask(gateway, "first", *"p" * MOST)
    assert texts(reply) == [(at, str(at)) for at in range(MOST)]
    reply = ask(gateway, "first", *"p" * (MOST + 1))
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")
    assert f"at most {MOST} " in reply.json()["error"]["message"] and len(stands["first"].requests) == MOST
    # Of a provider that has completions, the limit is its own.
    stands["base"].then(json_reply({"id": "t", "object": "text_completion", "created": 1, "model": "base", "choices": []}))
    assert ask(gateway, "base", *"p" * 100).status_code == 200


@holds
def test_what_is_kept_is_bounded(gateway, stands):
    stands["first"].then(*[chat("x" * 6_000_000) for _ in range(3)])
    reply = ask(gateway, "first", "a", "b", "c", disable_fallbacks=True)
    assert reply.status_code >= 500 and "larger than" in reply.json()["error"]["message"], reply.text[:500]


@pytest.mark.parametrize(("asked", "param"), [({"suffix": "b"}, "suffix"), ({"best_of": 2}, "best_of"), ({"prompt": ["a", 1]}, "prompt"), ({"prompt": [[1], [2]]}, "prompt")])
def test_what_a_chat_cannot_do_is_refused_before_any_is_asked(gateway, stands, asked, param):
    reply = HTTP.post(gateway.base_url + "/v1/completions", json={"model": "first", "prompt": ["a", "b"], **asked})
    # Where several prompts can't be asked for, that is what is refused.
    named = param if envoy_version() >= (1, 37) else "prompt"
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, named), reply.text
    assert not stands["first"].requests


def test_one_filter_alone_refuses_several_prompts(rooms):
    with start("inline", {"model_list": [entry("first", "openai/gpt-4o", rooms["first"].base + "/v1")]}) as inline:
        reply = ask(inline, "first", "a", "b")
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")
        assert "two roles" in reply.json()["error"]["message"]


@pytest.mark.skipif(envoy_version() >= (1, 37), reason="from Envoy 1.37 on they are answered")
def test_so_does_an_old_envoy(gateway, stands):
    reply = ask(gateway, "first", "a", "b")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")
    assert "Envoy 1.37" in reply.json()["error"]["message"] and not stands["first"].requests


@holds
def test_several_prompts_are_not_hedged(rooms, stands):
    def late(text: str) -> Reply:
        reply = chat(text)
        return dataclasses.replace(reply, steps=(Wait(0.6), *reply.steps))

    models = [entry("m", "openai/gpt-4o", rooms[name].base + "/v1", order=order) for order, name in enumerate(["first", "other"])]
    with start("roles", {"model_list": models, "dragoman": {"hedging": {"reply_after": 0.1}}}) as hedging:
        stands["first"].then(late("A"), late("B"))
        assert texts(ask(hedging, "m", "a", "b")) == [(0, "A"), (1, "B")]
        assert not stands["other"].requests
        # A single one is.
        stands["first"].then(late("C"))
        stands["other"].then(chat("D"))
        assert texts(ask(hedging, "m", "a")) == [(0, "D")]


@holds
def test_requests_of_several_prompts_side_by_side(languages):
    """What one request has kept is not another's."""
    import concurrent.futures

    client = languages.client()

    def one(number: int) -> list[str]:
        model = CHATTING[number % len(CHATTING)]
        prompts = [f"request {number} prompt {at}" for at in range(4)]
        return [choice.text for choice in client.completions.create(model=model, prompt=prompts).choices]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answered = list(pool.map(one, range(28)))
    assert answered == [[f"You said: request {number} prompt {at}" for at in range(4)] for number in range(28)]


def test_no_key_is_in_the_log(gateway, log):
    assert PROVIDER_KEY not in log.read_text()
