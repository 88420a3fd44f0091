"""A filter whose VM fails: the client gets a clear 503, a stat tells it, and the next VM serves on.

What is rendered is run as it is, but for the filter: the probe takes its place, as nothing makes Dragoman's own panic.
"""

from __future__ import annotations

import pathlib
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from checks import assert_openai_error
from envoys import PROBE
from gateway import COMMAND, HTTP, Envoy, envoy_version
from standins.scripted import Scripted, json_reply


def filters(node: Any) -> Iterator[dict[str, Any]]:
    """The plugin configurations anywhere in a bootstrap."""
    if isinstance(node, dict):
        if str(node.get("@type", "")).endswith("wasm.v3.Wasm"):
            yield node["config"]
        for inner in node.values():
            yield from filters(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from filters(inner)


def rendered(home: pathlib.Path, role: str, base: str, words: dict[str, str]) -> dict[str, Any]:
    """What the command renders, with the probe in the filter's place; `words` are what it does as each plugin."""
    config = home / "config.yaml"
    params = {"model": "openai/gpt-4o", "api_base": base, "api_key": "os.environ/PROVIDER_KEY"}
    config.write_text(yaml.safe_dump({"model_list": [{"model_name": "m", "litellm_params": params}]}))
    version = ".".join(str(part) for part in envoy_version()[:2])
    where = ["--config", config, "--out", home, "--listen", "127.0.0.1:1", "--admin", "127.0.0.1:2"]
    subprocess.run([COMMAND, "render", "envoy", "--role", role, "--envoy-version", version, *where], check=True, capture_output=True)
    bootstrap = yaml.safe_load((home / "envoy.yaml").read_text())
    for plugin in filters(bootstrap):
        plugin["vm_config"]["code"]["local"]["filename"] = str(PROBE)
        plugin["vm_config"].pop("environment_variables", None)
        plugin["configuration"]["value"] = words[plugin["name"]]
    bootstrap["admin"]["address"]["socket_address"]["port_value"] = "@ADMIN_PORT@"
    bootstrap["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = "@PORT@"
    return bootstrap


def served(envoy: Envoy, path: str = "/") -> httpx.Response:
    """The first answer that isn't a 503 of a VM that waits to be made: one is made at most once in a second."""
    end = time.monotonic() + 10
    while (answer := HTTP.post(envoy.base_url + path, content=b"x")).status_code == 503:
        assert_openai_error(answer, 503)
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return answer


def assert_clear(answer: httpx.Response) -> None:
    error = assert_openai_error(answer, 503)
    assert (error["type"], error["code"]) == ("server_error", "service_unavailable")
    assert "try again" in error["message"]
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("role", ["upstream", "inline"])
def test_a_filter_that_fails_says_so_and_starts_anew(tmp_path, role):
    words = {"dragoman": "gate panic-at:/panic answer", "dragoman_upstream": "up"}
    with Envoy(rendered(tmp_path, role, "http://127.0.0.1:9/v1", words)) as envoy:
        assert served(envoy).text == "answered"
        assert_clear(HTTP.post(envoy.base_url + "/panic", content=b"x"))
        assert "panicked" in envoy.log()
        assert served(envoy).text == "answered"
        assert envoy.stat("wasm.dragoman.vm_reload_success") == 1
        # Whoever comes while it waits to be made is told the same, and counted.
        for _ in range(2):
            assert_clear(HTTP.post(envoy.base_url + "/panic", content=b"x"))
        assert envoy.stat("wasm.dragoman.vm_reload_backoff") >= 1
        assert served(envoy).text == "answered"


def test_an_attempt_that_fails_says_so_and_both_roles_share_the_next_vm(tmp_path):
    """What one role leaves in memory the other finds, in the new VM too."""
    words = {"dragoman": "gate say:remembered", "dragoman_upstream": "up panic-at:/panic hear"}
    with Scripted(json_reply({"fine": True}), json_reply({"fine": True})) as provider:
        bootstrap = rendered(tmp_path, "upstream", provider.base + "/v1", words)
        cluster, *_ = bootstrap["static_resources"]["clusters"]
        words["dragoman"] += f" cluster:{cluster['name']}"
        with Envoy(rendered(tmp_path, "upstream", provider.base + "/v1", words)) as envoy:
            assert served(envoy).json() == {"fine": True}
            assert_clear(HTTP.post(envoy.base_url + "/panic", content=b"x"))
            assert served(envoy).json() == {"fine": True}
            assert [request.header("x-probe-memory") for request in provider.requests] == ["remembered"] * 2
