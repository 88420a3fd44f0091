"""A silent model gets a copy of requests: in its own language, with its own credential, and no client ever notices."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from checks import HELLO
from gateway import HTTP, Dragoman, envoy_version
from standins.scripted import CLOSE, RESET, STALL, Reply, Scripted, json_reply, stream_reply
from test_course import GOOD, GOOD_STREAM, entry, failure

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "c",
    "content": [{"type": "text", "text": "Silence"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 4},
}
SILENT = json_reply(MESSAGE)
SILENT_STREAM = stream_reply(
    {"type": "message_start", "message": {**MESSAGE, "content": [], "usage": {"input_tokens": 7, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Silence"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}},
    {"type": "message_stop"},
)


@pytest.fixture(scope="module")
def rooms() -> Iterator[dict[str, Scripted]]:
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(Scripted()) for name in ("loud", "other", "silent")}


@pytest.fixture(scope="module")
def dragoman(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:
    """`m` is copied to `next`, an Anthropic; its targets are tried in order. `bare` is not copied."""
    models = [
        entry("m", "openai/t0", rooms["loud"], order=0, silent_model="next"),
        entry("m", "openai/t1", rooms["other"], order=1, silent_model="next"),
        entry("bare", "openai/t0", rooms["loud"], drop_params=True),
        entry("next", "anthropic/c", rooms["silent"]),
    ]
    config = {"model_list": models, "router_settings": {"disable_cooldowns": True}, "general_settings": {"master_key": "sk-client-master"}}
    with Dragoman(config) as running:
        yield running


@pytest.fixture
def stands(rooms: dict[str, Scripted]) -> dict[str, Scripted]:
    for room in rooms.values():
        room.clear()
    return rooms


def ask(running: Dragoman, model: str = "m", headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    headers = {"authorization": "Bearer sk-client-master", "cookie": "c=1", **(headers or {})}
    return HTTP.post(running.base_url + "/v1/chat/completions", json={"model": model, "messages": HELLO, **body}, headers=headers, timeout=30)


def mirrored(running: Dragoman, **labels: str) -> float:
    return running.total("dragoman_mirrored_requests", **labels)


def wait_for_copies(running: Dragoman, count: float, **labels: str) -> None:
    running.wait_for_total("dragoman_mirrored_requests", count, **labels)


def test_a_copy_is_in_the_language_of_its_own_provider_and_counted_apart(dragoman, stands):
    before, asked = mirrored(dragoman), dragoman.total("dragoman_requests")
    tokens = {kind: dragoman.total("dragoman_mirrored_tokens", dragoman_type=kind) for kind in ("input", "output")}
    loud, billed = dragoman.total("dragoman_requests", dragoman_route="m"), dragoman.total("dragoman_tokens", dragoman_route="next")
    stands["loud"].then(GOOD)
    stands["silent"].then(SILENT)
    reply = ask(dragoman, max_tokens=9)
    assert reply.status_code == 200 and reply.json()["choices"][0]["message"]["content"] == "Hello"
    wait_for_copies(dragoman, before + 1)
    (copy,) = stands["silent"].requests
    assert copy.path == "/v1/messages" and copy.header("x-api-key") == "sk-c"
    assert copy.json["model"] == "c" and copy.json["max_tokens"] == 9 and copy.json["messages"][0]["role"] == "user"
    for request in (copy, stands["loud"].last):
        assert "sk-client" not in request.everything() and "cookie" not in request.names()
        assert not any("dragoman" in name for name in request.names())
    assert mirrored(dragoman, dragoman_route="next", dragoman_provider="anthropic", dragoman_model="c", dragoman_class="ok") >= 1
    assert dragoman.total("dragoman_mirrored_tokens", dragoman_type="input") == tokens["input"] + 7
    assert dragoman.total("dragoman_mirrored_tokens", dragoman_type="output") == tokens["output"] + 4
    dragoman.wait_for_total("dragoman_requests", loud + 1, dragoman_route="m")
    assert dragoman.total("dragoman_requests") == asked + 1
    assert dragoman.total("dragoman_tokens", dragoman_route="next") == billed


def test_a_stream_is_copied(dragoman, stands):
    before, tokens = mirrored(dragoman), dragoman.total("dragoman_mirrored_tokens", dragoman_type="output")
    stands["loud"].then(GOOD_STREAM)
    stands["silent"].then(SILENT_STREAM)
    reply = ask(dragoman, stream=True)
    assert "Hello" in reply.text and "Silence" not in reply.text and reply.text.endswith("data: [DONE]\n\n")
    wait_for_copies(dragoman, before + 1)
    assert stands["silent"].last.json["stream"] is True
    assert dragoman.total("dragoman_mirrored_tokens", dragoman_type="output") == tokens + 4


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        (failure(500), "server"),
        (failure(429), "rate_limit"),
        (Reply(0, (), (RESET,)), "no_reply"),
        (Reply(200, (("content-type", "application/json"),), (b'{"id":', CLOSE)), "no_reply"),
        (json_reply({"what": "ever"}), "bad_gateway"),
    ],
    ids=["500", "429", "reset", "cut", "garbled"],
)
def test_a_copy_that_fails_harms_nobody(dragoman, stands, answer, label):
    before = mirrored(dragoman, dragoman_class=label)
    stands["loud"].then(GOOD)
    stands["silent"].then(answer)
    reply = ask(dragoman)
    assert reply.status_code == 200 and reply.json()["choices"][0]["message"]["content"] == "Hello"
    assert reply.headers["x-litellm-attempted-retries"] == "0"
    wait_for_copies(dragoman, before + 1, dragoman_class=label)
    # Nobody has tried again.
    assert len(stands["silent"].requests) == len(stands["loud"].requests) == 1


def test_what_a_silent_model_can_not_be_asked_is_not_sent(dragoman, stands):
    before = mirrored(dragoman, dragoman_class="unsupported_parameter")
    stands["loud"].then(GOOD)
    assert ask(dragoman, n=2).status_code == 200
    wait_for_copies(dragoman, before + 1, dragoman_class="unsupported_parameter")
    assert not stands["silent"].requests


def test_several_prompts_are_copied_whole_or_not_at_all(stands):
    """A copy asks once. A silent model that has completions is asked for all prompts; one that only chats can't be."""
    models = [
        entry("whole", "openai/t", stands["loud"], silent_model="completing"),
        entry("completing", "hosted_vllm/n", stands["silent"]),
        entry("base", "hosted_vllm/b", stands["loud"], silent_model="chatting"),
        entry("chatting", "anthropic/c", stands["silent"]),
    ]
    done = json_reply({"id": "t", "object": "text_completion", "created": 1, "model": "b", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}})
    with Dragoman({"model_list": models}) as running:

        def complete(model: str) -> httpx.Response:
            return HTTP.post(running.base_url + "/v1/completions", json={"model": model, "prompt": ["a", "b"]}, timeout=30)

        stands["loud"].then(done)
        assert complete("base").status_code == 200
        wait_for_copies(running, 1, dragoman_route="chatting", dragoman_class="unsupported_parameter")
        assert not stands["silent"].requests
        if envoy_version() < (1, 37):
            return
        stands["loud"].then(GOOD, GOOD)
        stands["silent"].then(done)
        assert [choice["text"] for choice in complete("whole").json()["choices"]] == ["Hello", "Hello"]
        wait_for_copies(running, 1, dragoman_route="completing", dragoman_class="ok")
        assert [(request.path, request.json["prompt"]) for request in stands["silent"].requests] == [("/v1/completions", ["a", "b"])]
        assert running.total("dragoman_mirrored_tokens", dragoman_route="completing") == 7


def test_a_request_that_is_tried_again_is_copied_once(dragoman, stands):
    before = mirrored(dragoman)
    for failed in (failure(500), Reply(0, (), (RESET,))):
        stands["loud"].then(failed)
        stands["other"].then(GOOD)
        stands["silent"].then(SILENT)
        reply = ask(dragoman)
        assert reply.status_code == 200 and reply.headers["x-litellm-attempted-retries"] == "1"
    wait_for_copies(dragoman, before + 2)
    assert len(stands["loud"].requests) == len(stands["other"].requests) == len(stands["silent"].requests) == 2


def test_a_large_body_is_copied_too(dragoman, stands):
    before = mirrored(dragoman, dragoman_class="ok")
    stands["loud"].then(GOOD)
    stands["silent"].then(SILENT)
    text = "lorem ipsum " * 250_000
    assert ask(dragoman, messages=[{"role": "user", "content": text}]).status_code == 200
    wait_for_copies(dragoman, before + 1, dragoman_class="ok")
    assert text in str(stands["silent"].last.json["messages"])


def test_other_models_are_not_copied_whatever_a_client_says(dragoman, stands):
    before = mirrored(dragoman)
    names = [cluster["cluster"]["name"] for cluster in _clusters(dragoman) if "mirror" in cluster["cluster"]["name"]]
    assert len(names) == 1
    stands["loud"].then(GOOD)
    assert ask(dragoman, "bare", {"x-dragoman-mirror": names[0], "x-dragoman-mirror-for": "chat"}).status_code == 200
    # What follows it is copied, and alone.
    stands["loud"].then(GOOD)
    stands["silent"].then(SILENT)
    assert ask(dragoman).status_code == 200
    wait_for_copies(dragoman, before + 1)
    assert len(stands["silent"].requests) == 1


def _clusters(running: Dragoman) -> list[dict[str, Any]]:
    dumps = running.config_dump()["configs"]
    return [cluster for dump in dumps for kind in ("static_clusters", "dynamic_active_clusters") for cluster in dump.get(kind, [])]


@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (25, 5, 60)])
def test_a_share_is_copied(stands, percent, least, most):
    models = [entry("m", "openai/t", stands["loud"], silent_model="next"), entry("next", "openai/n", stands["silent"])]
    with Dragoman({"model_list": models, "dragoman": {"mirror_percent": percent}}) as running:
        stands["loud"].then(*[GOOD] * 120)
        stands["silent"].then(*[GOOD] * 120)
        assert all(ask(running).status_code == 200 for _ in range(120))
        sent = sum(running.stats("cluster.dragoman_mirror_.*upstream_rq_total").values())
        assert least <= sent <= most
        wait_for_copies(running, sent)
        assert len(stands["silent"].requests) == sent


def test_a_silent_provider_that_hangs_is_left_after_the_longest_timeout(stands):
    """Nobody waits for a copy, so nobody else would end it."""
    models = [entry("m", "openai/t", stands["loud"], silent_model="next"), entry("next", "openai/n", stands["silent"])]
    with Dragoman({"model_list": models, "router_settings": {"timeout": 2}}) as running:
        stands["loud"].then(GOOD)
        stands["silent"].then(stream_reply(*[b"\n"] * 2, STALL))
        assert ask(running).status_code == 200
        wait_for_copies(running, 1, dragoman_class="no_reply")
