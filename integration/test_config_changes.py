"""A config that changes while it runs: what it says is live within two seconds, and nobody who is being served notices."""

from __future__ import annotations

import json
import os
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from checks import COMPLETION, wait_until
from gateway import HTTP, Dragoman
from standins.scripted import Scripted, Until, json_reply, stream_reply

GOOD = json_reply(COMPLETION)


def chunk(text: str, finish: str | None = None) -> dict:
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


def model(name: str, provider: Scripted, key: str = "sk-first") -> dict:
    return {"model_name": name, "litellm_params": {"model": f"openai/{name}", "api_base": provider.base + "/v1", "api_key": key}}


@pytest.fixture
def providers() -> Iterator[tuple[Scripted, Scripted]]:
    with Scripted() as one, Scripted() as other:
        yield one, other


def ask(running: Dragoman, name: str, **more: Any) -> httpx.Response:
    return HTTP.post(running.base_url + "/v1/chat/completions", json={"model": name, "messages": [{"role": "user", "content": "Hi"}], **more})


def models(running: Dragoman) -> list[str]:
    return [entry["id"] for entry in HTTP.get(running.base_url + "/v1/models").json()["data"]]


def change(running: Dragoman, config: dict | str) -> None:
    """Puts a config in the place of the one that runs, as an editor does."""
    file = running.home / "config.yaml"
    new = file.with_suffix(".new")
    new.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    os.replace(new, file)


def config(*entries: dict, **more: Any) -> dict:
    return {"model_list": list(entries), "litellm_settings": {"num_retries": 0}, **more}


def stream(running: Dragoman, name: str) -> tuple[threading.Thread, list[str]]:
    """A stream that is read in a thread of its own: the thread, and the lines that it has read."""
    lines: list[str] = []

    def read() -> None:
        body = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
        with httpx.stream("POST", running.base_url + "/v1/chat/completions", json=body, timeout=60) as reply:
            lines.extend(line for line in reply.iter_lines() if line)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, lines


def test_a_changed_config_is_live_and_running_streams_go_on(providers: tuple[Scripted, Scripted]) -> None:
    one, other = providers
    more = threading.Event()
    with Dragoman(config(model("a", one), model("b", one))) as running:
        envoy = running.envoy_pid
        one.then(stream_reply(chunk("Hel"), Until(more), chunk("lo", "stop"), "data: [DONE]\n\n"), GOOD)
        thread, lines = stream(running, "a")
        wait_until(lambda: len(one.requests) == 1)
        assert ask(running, "b").status_code == 200
        # Even the provider that the stream comes from has gone from the config.
        change(running, config(model("c", other)))
        took = wait_until(lambda: models(running) == ["c"])
        said = running.wait_for_log("config.yaml is live, after")
        other.then(GOOD)
        assert ask(running, "c").status_code == 200
        assert ask(running, "b").status_code == 404
        # Two seconds are promised on a machine that has nothing else to do; what is told there is what Envoy took.
        assert took < 10, said
        # The stream's counters are those of before.
        running.wait_for_total("dragoman_requests", 1, dragoman_route="b")
        more.set()
        thread.join(20)
        assert lines[-1] == "data: [DONE]" and json.loads(lines[-2].removeprefix("data: "))["choices"][0]["delta"]["content"] == "lo"
        running.wait_for_total("dragoman_requests", 1, dragoman_route="a")
        assert running.envoy_pid == envoy
        assert running.stat("listener_manager.total_listeners_draining") == 0


def test_a_wrong_config_is_refused_in_the_words_of_check_and_the_old_one_stays(providers: tuple[Scripted, Scripted]) -> None:
    one, _ = providers
    with Dragoman(config(model("a", one))) as running:
        change(running, "model_list:\n- model_name: m\n  litellm_params: {model: opnai/x}\n")
        said = running.wait_for_log("is not live, what ran before goes on: it has problems")
        assert "config.yaml:3: error: model_list[0].litellm_params.model 'opnai' is no provider" in said
        change(running, "model_list: [")
        running.wait_for_log("is not live, what ran before goes on", times=2)
        one.then(GOOD)
        assert models(running) == ["a"] and ask(running, "a").status_code == 200
        change(running, config(model("b", one)))
        wait_until(lambda: models(running) == ["b"])


def test_what_envoy_refuses_is_not_live_and_everything_goes_back(providers: tuple[Scripted, Scripted], tmp_path: pathlib.Path) -> None:
    one, other = providers
    roots = tmp_path / "roots.pem"
    roots.write_text("no certificate")
    with Dragoman(config(model("a", one)), options=["--concurrency", "1", "--roots", str(roots)]) as running:
        entry = model("b", other)
        entry["litellm_params"]["api_base"] = "https://127.0.0.1:1/v1"
        change(running, config(model("a", one), entry))
        said = running.wait_for_log("is not live, what ran before goes on: Envoy refuses clusters.json")
        assert "roots.pem" in said
        one.then(GOOD)
        assert models(running) == ["a"] and ask(running, "a").status_code == 200


def test_a_new_secret_reaches_a_next_envoy_while_the_first_finishes_its_streams(providers: tuple[Scripted, Scripted]) -> None:
    one, other = providers
    more = threading.Event()
    with Dragoman(config(model("a", one), model("b", other))) as running:
        first = running.envoy_pid
        one.then(GOOD)
        other.then(stream_reply(chunk("Hel"), Until(more), chunk("lo", "stop"), "data: [DONE]\n\n"))
        assert ask(running, "a").status_code == 200
        thread, lines = stream(running, "b")
        wait_until(lambda: len(other.requests) == 1)
        second = model("a", one, "sk-second")
        second["litellm_params"]["max_retries"] = 3
        change(running, config(second, model("b", other)))
        said = running.wait_for_log("config.yaml is live, after")
        # It is read once, and what is to be said of it is said once.
        assert said.count("litellm_params.max_retries is ignored") == 1, said
        one.then(GOOD)
        assert ask(running, "a").status_code == 200, said
        assert [request.header("authorization") for request in one.requests] == ["Bearer sk-first", "Bearer sk-second"]
        more.set()
        thread.join(20)
        assert lines[-1] == "data: [DONE]"
        # The first Envoy hands over what it counts from now on: what it had already flushed to its sinks, every 5 s, begins anew.
        running.wait_for_total("dragoman_requests", 1, dragoman_route="b")
        assert pathlib.Path(f"/proc/{first}").exists()
        for file in pathlib.Path("/proc").glob(f"{running.pid}/task/*/children"):
            assert len(file.read_text().split()) in (0, 2)
    assert not pathlib.Path(f"/proc/{first}").exists()
