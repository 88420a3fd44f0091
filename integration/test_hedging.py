"""A second target asked beside the first: who answers, what is told to the one that didn't, and what is counted."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from gateway import COMMAND, Dragoman, envoy_version
from standins.scripted import CLOSE, RESET, STALL, Reply, Scripted, Until, raw_reply, stream_reply
from test_course import COMPLETION, GOOD, GOOD_STREAM, SILENT, WINDOW, ask, asked, counts, entry, event, failure, group, rooms, stands  # noqa: F401

pytestmark = pytest.mark.skipif(envoy_version() < (1, 37), reason="attempts run beside each other from Envoy 1.37 on")

AFTER = {"first_token_after": 0.3, "reply_after": 0.3}


def run(models: list[dict[str, Any]], router: dict[str, Any] | None = None, hedging: dict[str, Any] | None = None) -> Dragoman:
    # Who has failed stays in the rotation: each test begins with the first target.
    router = {"disable_cooldowns": True, **(router or {})}
    return Dragoman({"model_list": models, "router_settings": router, "dragoman": {"hedging": hedging or AFTER}})


@pytest.fixture(scope="module")
def pair(rooms: dict[str, Scripted]) -> Iterator[Dragoman]:
    """Two targets, of which the second is asked beside the first after 0.3 s; an attempt may take 2 s."""
    with run(group(rooms["a"], rooms["b"], timeout=2)) as running:
        yield running


class Counted:
    """What a gateway has counted since this was made."""

    def __init__(self, gateway: Dragoman):
        self.gateway, self.before = gateway, gateway.samples("dragoman_")

    def __call__(self, name: str, **labels: str) -> float:
        return self.gateway.total("dragoman_" + name, **labels) - self._had(name, labels)

    def wait(self, name: str, value: float, **labels: str) -> None:
        self.gateway.wait_for_total("dragoman_" + name, value + self._had(name, labels), **labels)

    def _had(self, name: str, labels: dict[str, str]) -> float:
        return sum(sample.value for sample in self.before if sample.name == "dragoman_" + name and labels.items() <= sample.labels.items())


@pytest.fixture
def counted(pair: Dragoman) -> Counted:
    return Counted(pair)


def then(*steps: Any, reply: Reply) -> Reply:
    """A reply whose head comes behind these steps."""
    head = f"HTTP/1.1 {reply.status} Late\r\n" + "".join(f"{name}: {value}\r\n" for name, value in reply.headers)
    return raw_reply(*steps, f"{head}connection: close\r\n\r\n".encode(), *reply.steps)


class Follower(threading.Thread):
    """Sets an event as soon as a room has been asked so often."""

    def __init__(self, room: Scripted, times: int = 1):
        super().__init__(daemon=True)
        self.room, self.times, self.event = room, times, threading.Event()
        self.start()

    def run(self) -> None:
        self.room.wait_for_requests(self.times)
        self.event.set()


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def good(stream: bool) -> Reply:
    return GOOD_STREAM if stream else GOOD


def model(order: int) -> dict[str, str]:
    return {"model": f"t{order}"}


SLOW = {False: [SILENT], True: [SILENT, stream_reply(": hm\n\n", STALL)]}


@pytest.mark.parametrize(("stream", "slow"), [(stream, slow) for stream, replies in SLOW.items() for slow in replies], ids=["whole", "stream", "stream with a head"])
def test_a_slow_first_one_is_beaten_by_the_second_and_is_told(pair: Dragoman, counted: Counted, stands: dict[str, Scripted], stream: bool, slow: Reply) -> None:
    stands["a"].then(slow)
    stands["b"].then(good(stream))
    reply = ask(pair, stream=stream)
    assert (reply.status_code, asked(stands)) == (200, "ab"), reply.text
    assert "Hello" in reply.text and "error" not in reply.text
    assert reply.text.endswith("data: [DONE]\n\n") == stream
    stands["a"].wait_for_departures(1)
    # It is no failure, and nobody was asked again.
    assert counts(reply) == ("0", "0")
    second = reply.headers["x-litellm-model-id"]
    # Both get the same, each for itself: by the way of the second nothing is added or lost.
    first, other = stands["a"].last, stands["b"].last
    assert (first.header("authorization"), other.header("authorization")) == ("Bearer sk-t0", "Bearer sk-t1")
    own = {"authorization", "host", "x-forwarded-proto"}
    assert [pair for pair in sorted(first.headers) if pair[0] not in own] == [pair for pair in sorted(other.headers) if pair[0] not in own]
    assert {**first.json, **model(1)} == other.json and first.json["model"] == "t0"
    assert (first.target, other.header("host")) == (other.target, f"127.0.0.1:{stands['b'].port}")
    # What the first has read is billed, as far as anybody knows.
    counted.wait("requests", 1, dragoman_status="2xx")
    assert counted("attempts", dragoman_class="ok", dragoman_model="t1") == 1
    assert counted("attempts", dragoman_class="abandoned", dragoman_model="t0") == 1
    assert counted("attempts") == 2
    assert counted("tokens", dragoman_model="t0", dragoman_type="input") > 0
    assert counted("tokens", dragoman_model="t0", dragoman_type="output") == 0
    assert counted("estimated", dragoman_model="t0") == 1
    assert (counted("fallbacks"), counted("retries"), counted("errors")) == (0, 0, 0)
    if not stream:
        assert counted("tokens", dragoman_model="t1", dragoman_type="output") == 2
    # The next request begins with the first again.
    stands["a"].then(good(stream))
    reply = ask(pair, stream=stream)
    assert (reply.status_code, asked(stands)) == (200, "aab")
    assert reply.headers["x-litellm-model-id"] != second


@BOTH
def test_a_fast_first_one_is_the_only_one(pair: Dragoman, counted: Counted, stands: dict[str, Scripted], stream: bool) -> None:
    stands["a"].then(good(stream))
    reply = ask(pair, stream=stream)
    assert (reply.status_code, asked(stands), counts(reply)) == (200, "a", ("0", "0"))
    counted.wait("attempts", 1)
    # A stream that flows is left alone however long it takes, and so is what comes behind the first token.
    late = threading.Event()
    stands["a"].then(stream_reply(event("Hel"), Until(late), event("lo"), event(finish="stop"), "data: [DONE]\n\n"))
    threading.Timer(1, late.set).start()
    reply = ask(pair, stream=True)
    assert (asked(stands), reply.text.count("data:")) == ("aa", 4)


@BOTH
def test_the_first_one_wins_where_it_answers_first(pair: Dragoman, counted: Counted, stands: dict[str, Scripted], stream: bool) -> None:
    stands["a"].then(then(Until(Follower(stands["b"]).event), reply=good(stream)))
    stands["b"].then(SILENT)
    reply = ask(pair, stream=stream)
    assert (reply.status_code, asked(stands), counts(reply)) == (200, "ab", ("0", "0")), reply.text
    assert "Hello" in reply.text
    stands["b"].wait_for_departures(1)
    counted.wait("requests", 1, dragoman_model="t0")
    assert counted("attempts", dragoman_class="abandoned", dragoman_model="t1") == 1
    assert counted("attempts", dragoman_class="ok", dragoman_model="t0") == 1


LOSSES = {
    "a reset": raw_reply(RESET),
    "a closed connection": raw_reply(CLOSE),
    "500": failure(500),
    "429": failure(429, retry_after="30"),
    "400": failure(400),
    "a window": WINDOW,
    "a body that ends early": Reply(200, (("content-type", "application/json"),), (b'{"id":', CLOSE)),
}
STREAM_LOSSES = {
    "an error as its first event": stream_reply({"error": {"message": "Overloaded", "type": "overloaded_error"}}),
    "a reset before the first token": stream_reply(": hm\n\n", RESET),
}
ALL_LOSSES = [(False, name) for name in LOSSES] + [(True, name) for name in {**LOSSES, **STREAM_LOSSES} if name != "a body that ends early"]


@pytest.mark.parametrize(("stream", "name"), ALL_LOSSES)
@pytest.mark.parametrize("loser", ["first", "second"])
def test_what_fails_while_the_other_runs_is_not_told(pair: Dragoman, counted: Counted, stands: dict[str, Scripted], stream: bool, name: str, loser: str) -> None:
    lost = {**LOSSES, **STREAM_LOSSES}[name]
    if loser == "first":
        delayed = Until(Follower(stands["b"]).event)
        stands["a"].then(then(delayed, reply=lost) if lost.status else raw_reply(delayed, *lost.steps))
        winner = stands["b"]
    else:
        stands["b"].then(lost)
        winner = stands["a"]
    # The other one answers once the loss has been seen and counted: there is no other sign of it outside.
    seen = threading.Event()
    winner.then(then(Until(seen), reply=good(stream)))
    threading.Timer(0.8, seen.set).start()
    reply = ask(pair, stream=stream)
    assert (reply.status_code, asked(stands), counts(reply)) == (200, "ab", ("0", "0")), reply.text
    assert "Hello" in reply.text and "error" not in reply.text
    winners, losers = ("t1", "t0") if loser == "first" else ("t0", "t1")
    counted.wait("requests", 1, dragoman_model=winners, dragoman_status="2xx")
    assert counted("attempts", dragoman_class="ok", dragoman_model=winners) == 1
    assert counted("attempts", dragoman_class="ok", dragoman_model=losers) == 0
    assert (counted("attempts", dragoman_model=losers), counted("attempts", dragoman_class="abandoned")) == (1, 0)


@BOTH
@pytest.mark.parametrize("first", ["a reset", "500", "silence"])
@pytest.mark.parametrize("second", ["a reset", "500", "silence"])
def test_both_fail_and_another_model_stands_in(stands: dict[str, Scripted], stream: bool, first: str, second: str) -> None:
    models = [*group(stands["a"], stands["b"], timeout=1), entry("other", "openai/t2", stands["c"])]
    replies = {**LOSSES, "silence": SILENT}
    with run(models, {"num_retries": 0, "fallbacks": [{"m": ["other"]}]}) as running:
        delayed = Until(Follower(stands["b"]).event)
        reply = replies[first]
        stands["a"].then(then(delayed, reply=reply) if reply.status else raw_reply(delayed, *reply.steps))
        stands["b"].then(replies[second])
        stands["c"].then(good(stream))
        answer = ask(running, stream=stream)
        assert (answer.status_code, asked(stands), counts(answer)) == (200, "abc", ("0", "1")), answer.text
        assert "Hello" in answer.text and "error" not in answer.text
        running.wait_for_total("dragoman_attempts", 3)
        assert running.total("dragoman_attempts", dragoman_class="ok") == 1


@BOTH
@pytest.mark.parametrize(
    ("first", "second", "status", "says"),
    [
        ("500", "a reset", 503, "The provider can't be reached, or broke the connection off before it answered. (2 attempts have failed.)"),
        ("a reset", "500", 500, "no. (2 attempts have failed.)"),
        ("silence", "silence", 504, "The provider didn't answer within 1000 ms. (2 attempts have failed.)"),
        ("silence", "500", 504, "The provider didn't answer within 1000 ms. (2 attempts have failed.)"),
    ],
)
def test_both_fail_and_nobody_is_left(stands: dict[str, Scripted], stream: bool, first: str, second: str, status: int, says: str) -> None:
    replies = {**LOSSES, "silence": SILENT}
    with run(group(stands["a"], stands["b"], timeout=1), {"num_retries": 0}) as running:
        reply = replies[first]
        begun = Follower(stands["b"])
        # The second's reset comes behind the first's failure, and the other way round.
        stands["a"].then(then(Until(begun.event), reply=reply) if reply.status else raw_reply(Until(begun.event), *reply.steps))
        late = threading.Event()
        threading.Timer(0.7, late.set).start()
        other = replies[second]
        stands["b"].then(then(Until(late), reply=other) if other.status else raw_reply(Until(late), *other.steps))
        answer = ask(running, stream=stream)
        assert (answer.status_code, asked(stands)) == (status, "ab"), answer.text
        assert answer.json()["error"]["message"] == says
        running.wait_for_total("dragoman_requests", 1)


def test_both_fail_and_are_asked_again_after_a_while(stands: dict[str, Scripted]) -> None:
    with run(group(stands["a"], stands["b"], timeout=1), {"num_retries": 1}) as running:
        stands["a"].then(SILENT, GOOD)
        stands["b"].then(SILENT)
        answer = ask(running)
        assert (answer.status_code, counts(answer), len(stands["b"].requests)) == (200, ("1", "0"), 1), answer.text
        assert asked(stands) == "aab"


def test_the_only_target_is_asked_twice(stands: dict[str, Scripted]) -> None:
    with run(group(stands["a"], timeout=5)) as running:
        stands["a"].then(SILENT, GOOD)
        answer = ask(running)
        assert (answer.status_code, asked(stands), counts(answer)) == (200, "aa", ("0", "0"))
        stands["a"].wait_for_departures(1)


def test_the_second_may_speak_another_language(stands: dict[str, Scripted]) -> None:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "c", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 2}}
    models = [entry("m", "openai/t0", stands["a"], order=0), entry("m", "anthropic/t1", stands["b"], order=1)]
    with run(models) as running:
        stands["a"].then(SILENT)
        stands["b"].then(Reply(200, (("content-type", "application/json"),), (json.dumps(message).encode(),), "length"))
        answer = ask(running)
        assert answer.json()["choices"][0]["message"]["content"] == "Hello"
        assert (stands["b"].last.path, stands["b"].last.header("x-api-key")) == ("/v1/messages", "sk-t1")
        assert stands["b"].last.header("authorization") is None


@pytest.mark.parametrize(
    ("hedging", "stream", "names"),
    [
        ({"first_token_after": 0.2}, False, "a"),
        ({"reply_after": 0.2}, True, "a"),
        ({**AFTER, "models": ["other"]}, False, "a"),
        ({**AFTER, "models": ["m"]}, False, "ab"),
        # Beyond what an attempt may take there is nothing to hedge.
        ({"first_token_after": 30}, True, "a"),
    ],
)
def test_what_is_hedged_is_the_configs_to_say(stands: dict[str, Scripted], hedging: dict[str, Any], stream: bool, names: str) -> None:
    models = [*group(stands["a"], stands["b"], timeout=20), entry("other", "openai/t2", stands["c"])]
    with run(models, hedging=hedging) as running:
        late = threading.Event()
        threading.Timer(1, late.set).start()
        stands["a"].then(then(Until(late), reply=good(stream)))
        stands["b"].then(good(stream))
        assert ask(running, stream=stream).status_code == 200
        assert asked(stands) == names


def test_what_is_wrong_is_told(tmp_path: pathlib.Path) -> None:
    def told(hedging: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
        config = tmp_path / "config.yaml"
        config.write_text(json.dumps({"model_list": [entry("m", "openai/t", "http://h/v1")], "dragoman": {"hedging": hedging}}))
        return subprocess.run([COMMAND, *words, config], capture_output=True, text=True, timeout=60)

    assert told(AFTER, "check").returncode == 0
    nothing = told({}, "check")
    assert nothing.returncode != 0 and "dragoman.hedging says no time" in nothing.stderr + nothing.stdout
    assert "names 'k', which is no model_name" in (lambda done: done.stderr + done.stdout)(told({**AFTER, "models": ["k"]}, "check"))
    old = told(AFTER, "render", "envoy", "--out", str(tmp_path / "out"), "--envoy-version", "1.36", "--config")
    assert "dragoman.hedging needs 1.37 or later" in old.stderr, old


def test_a_client_that_leaves_ends_both(pair: Dragoman, counted: Counted, stands: dict[str, Scripted]) -> None:
    stands["a"].then(SILENT)
    stands["b"].then(SILENT)
    with contextlib.suppress(Exception):
        pair.client(timeout=1).chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    stands["a"].wait_for_departures(1)
    stands["b"].wait_for_departures(1)
    counted.wait("attempts", 2)
    stands["a"].then(GOOD)
    assert ask(pair).status_code == 200


def test_many_at_once(stands: dict[str, Scripted]) -> None:
    count = 20
    with run(group(stands["a"], stands["b"], timeout=10)) as running:
        stands["a"].then(*[SILENT] * count)
        stands["b"].then(*[GOOD] * count)
        answers: list[int] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(running).status_code)) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (answers, asked(stands)) == ([200] * count, "a" * count + "b" * count)
        stands["a"].wait_for_departures(count)
        running.wait_for_total("dragoman_attempts", 2 * count)
        assert running.total("dragoman_tokens", dragoman_model="t1", dragoman_type="output") == count * COMPLETION["usage"]["completion_tokens"]
