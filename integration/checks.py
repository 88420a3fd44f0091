"""What several tests ask of an answer and of a gateway."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from gateway import HTTP, Process

HELLO = [{"role": "user", "content": "Hello"}]

COMPLETION = {
    "id": "x",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
"""A provider's whole answer, in OpenAI's form."""


def wait_until(true: Callable[[], bool], seconds: float = 20) -> float:
    """Gives how long it took."""
    begin = time.monotonic()
    while not true():
        assert time.monotonic() - begin < seconds
        time.sleep(0.02)
    return time.monotonic() - begin


def assert_openai_error(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """An error in OpenAI's form: its inner object."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["content-type"].startswith("application/json")
    assert list(answer.json()) == ["error"], answer.text[:500]
    return assert_error_object(answer.json()["error"])


def assert_error_object(error: dict[str, Any]) -> dict[str, Any]:
    assert error.keys() >= {"message", "type", "param", "code"}
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["type"], str) and error["type"]
    assert isinstance(error["code"], str | None)
    return error


@contextlib.contextmanager
def unharmed(gateway: Process) -> Iterator[None]:
    """Whatever happens inside: the same Envoy and the same VM serve on afterwards, and hold nothing of it."""
    pid, vms = gateway.envoy_pid, _vms_created(gateway)
    yield
    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": "openai", "messages": HELLO}, timeout=30)
    assert answer.status_code == 200, f"{answer.status_code}: {answer.text[:500]}\n{gateway.log()[-3000:]}"
    assert gateway.envoy_pid == pid
    assert _vms_created(gateway) == vms, f"a VM was lost:\n{gateway.log()[-3000:]}"
    assert_idle(gateway)


def assert_idle(gateway: Process) -> None:
    """No request is under way, at either side. Envoy counts down when it comes to it, so this waits."""
    end = time.monotonic() + 20
    while busy := {name: value for name, value in gateway.stats(ACTIVE).items() if value and not name.startswith("http.admin.")}:
        assert time.monotonic() < end, f"still busy: {busy}"
        time.sleep(0.02)


ACTIVE = r"^(http\..*\.downstream_rq_active|cluster\..*\.upstream_rq(_pending)?_active)$"


def _vms_created(gateway: Process) -> int:
    """How many VMs Envoy has ever made: one that panicked is replaced by a new one."""
    made = gateway.stats(r"^wasm\..*\.created$")
    assert made, "Envoy does not count its VMs"
    return sum(made.values())
