"""A target that keeps failing leaves the rotation and comes back; when all have left, the least bad is tried."""

from __future__ import annotations

import time

import pytest
from checks import assert_openai_error
from test_choice import ask, running, tally, target, three, who  # noqa: F401

COOLDOWN = "dragoman_cooldown"


def fail_once(gateway, standin, status: int) -> None:
    """Asks until that provider has failed once."""
    before = len(standin.requests)
    for _ in range(200):
        answer = ask(gateway)
        if len(standin.requests) > before:
            assert answer.status_code == status, answer.text
            return
    raise AssertionError("it was never asked")


@pytest.mark.parametrize("status", [401, 404, 429])
def test_at_once_and_back_again(three, status):  # noqa: F811
    one = three[0]
    with running([target("m", standin) for standin in three], {"cooldown_time": 2}, workers=2) as gateway:
        one.failure = (status, ())
        fail_once(gateway, one, status)
        left = time.monotonic()
        gateway.wait_for_total(COOLDOWN, 1, dragoman_route="m", dragoman_target="one")
        time.sleep(0.3)
        one.failure = None
        while time.monotonic() < left + 1.5:
            assert who(ask(gateway)) != "one"
        gateway.wait_for_total(COOLDOWN, 0)
        assert tally(gateway, 40)["one"] > 0


def test_most_of_five_in_a_minute(three):  # noqa: F811
    one = three[0]
    with running([target("m", standin) for standin in three[:2]], {"cooldown_time": 60}, workers=2) as gateway:
        one.failure = (500, ())
        for _ in range(4):
            fail_once(gateway, one, 500)
        assert gateway.total(COOLDOWN) == 0
        fail_once(gateway, one, 500)
        time.sleep(0.3)
        assert tally(gateway, 20) == {"two": 20}


def test_refusals_of_a_request_are_no_reason(three):  # noqa: F811
    one = three[0]
    with running([target("m", standin) for standin in three[:2]], {"allowed_fails": 0}) as gateway:
        one.failure = (400, ())
        for _ in range(4):
            fail_once(gateway, one, 400)
        assert gateway.total(COOLDOWN) == 0


def test_allowed_fails_by_number_and_by_class(three):  # noqa: F811
    one, two, _ = three
    models = [target("m", one, {"allowed_fails": 1}), target("m", two)]
    router = {"allowed_fails_policy": {"RateLimitErrorAllowedFails": 3}, "cooldown_time": 60}
    with running(models, router) as gateway:
        one.failure = (500, ())
        fail_once(gateway, one, 500)
        assert gateway.total(COOLDOWN) == 0
        fail_once(gateway, one, 500)
        assert tally(gateway, 10) == {"two": 10}
        two.failure = (429, ())
        for _ in range(3):
            assert ask(gateway).status_code == 429
        assert gateway.total(COOLDOWN, dragoman_target="two") == 0
        assert ask(gateway).status_code == 429
        gateway.wait_for_total(COOLDOWN, 1, dragoman_target="two")


def test_how_long_says_the_target_then_the_provider_then_the_router(three):  # noqa: F811
    one, two, three_ = three
    models = [target("m", one, cooldown_time=60), target("m", two), target("m", three_)]
    with running(models, {"cooldown_time": 0.5}) as gateway:
        for standin in three:
            standin.failure = (429, (("retry-after", "2"),))
            fail_once(gateway, standin, 429)
            standin.failure = None
        log = gateway.wait_for_log("is left alone", 3)
        assert "one is left alone for 60000 ms" in log and "two is left alone for 2000 ms" in log


def test_when_all_are_left_alone_the_first_to_come_back_is_tried(three):  # noqa: F811
    one, two, _ = three
    models = [target("m", one, cooldown_time=60), target("m", two, cooldown_time=30)]
    with running(models) as gateway:
        for standin in (one, two):
            standin.failure = (429, ())
            fail_once(gateway, standin, 429)
        for standin in (one, two):
            standin.failure = None
        assert tally(gateway, 10) == {"two": 10}


def test_a_connection_that_is_refused_counts(three):  # noqa: F811
    one, two, _ = three
    with running([target("m", one), target("m", two)], {"cooldown_time": 60, "allowed_fails": 0}) as gateway:
        one.__exit__()
        for _ in range(60):
            answer = ask(gateway)
            if answer.status_code != 200:
                break
        assert_openai_error(answer, 503)
        gateway.wait_for_total(COOLDOWN, 1, dragoman_target="one")
        assert tally(gateway, 20) == {"two": 20}
        one.__enter__()


def test_cooldowns_can_be_switched_off(three):  # noqa: F811
    one, two, _ = three
    with running([target("m", one), target("m", two)], {"disable_cooldowns": True}) as gateway:
        one.failure = (429, ())
        for _ in range(3):
            fail_once(gateway, one, 429)
        assert gateway.total(COOLDOWN) == 0
