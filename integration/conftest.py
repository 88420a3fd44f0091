"""What the tests share: stand-in providers, and gateways in front of them in both shapes that Dragoman has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from gateway import Dragoman, envoy_binary, envoy_version
from inline import Inline
from standins import vendors
from standins.languages import LANGUAGES
from standins.replay import SHARED
from standins.scripted import Scripted
from standins.vendor import Vendor

# Whoever has the repository alone can't have the recordings: the rest is tested, and it is said aloud.
NO_RECORDINGS = not (SHARED / "fixtures").is_dir()
collect_ignore = ["test_recordings.py", "test_messages_recordings.py"] if NO_RECORDINGS else []


def pytest_report_header() -> list[str]:
    missing = f"NO RECORDINGS in {SHARED / 'fixtures'}: they were not tested. DRAGOMAN_SHARED names the folder."
    return [f"Envoy {'.'.join(map(str, envoy_version()))} ({envoy_binary()})", *([missing] if NO_RECORDINGS else [])]


def pytest_configure() -> None:
    # Whoever ends the tests early ends them like Ctrl-C does: with everything stopped that they have started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


SHAPES = {"roles": Dragoman, "inline": Inline}
"""`dragoman run` (the gateway and upstream roles), and one listener filter in somebody else's Envoy."""

PROVIDER_KEY = Vendor.key
"""The stand-ins' credential. It must be nowhere but in the requests that they get."""

MASTER_KEY = "sk-master-9876543210"


@pytest.fixture(scope="session")
def providers() -> Iterator[dict[str, Vendor]]:
    """A stand-in of every vendor, by LiteLLM's prefix."""
    started = {prefix: vendor() for prefix, vendor in sorted(vendors().items())}
    for standin in started.values():
        standin.__enter__()
    yield started
    for standin in started.values():
        standin.__exit__()


@pytest.fixture(scope="session")
def script_room() -> Iterator[Scripted]:
    with Scripted() as standin:
        yield standin


@pytest.fixture
def script(script_room: Scripted) -> Scripted:
    """The provider behind the models `scripted-<prefix>`, with an empty script."""
    script_room.clear()
    return script_room


def entry(name: str, model: str, base: str, **params: Any) -> dict[str, Any]:
    """One entry of a `model_list`. The key is in the environment."""
    return {"model_name": name, "litellm_params": {"model": model, "api_base": base, "api_key": "os.environ/PROVIDER_KEY", **params}}


def litellm_config(providers: dict[str, Vendor], script: Scripted, **more: Any) -> dict[str, Any]:
    """Every vendor's stand-in as `<prefix>`, its failures as `<prefix>/<failure>`, and the scripted one in its language as
    `scripted-<prefix>`, or `lenient-<prefix>` with `drop_params`."""
    models = []
    for prefix, standin in providers.items():
        model, scripted = f"{prefix}/{standin.model}", script.base + standin.base_path
        models.append(entry(prefix, model, standin.api_base))
        models.append(entry(f"{prefix}/*", f"{prefix}/*", standin.api_base))
        models.append(entry(f"scripted-{prefix}", model, scripted))
        models.append(entry(f"lenient-{prefix}", model, scripted, drop_params=True))
    # Every reply of a script is for the one request that a test makes.
    return {"model_list": models, "litellm_settings": {"num_retries": 0}, **more}


def start(shape: str, config: dict[str, Any]) -> Dragoman | Inline:
    return SHAPES[shape](config, {"PROVIDER_KEY": PROVIDER_KEY, "MASTER_KEY": MASTER_KEY})


@pytest.fixture(scope="session", params=SHAPES)
def gateway(request: pytest.FixtureRequest, providers: dict[str, Vendor], script_room: Scripted) -> Iterator[Dragoman | Inline]:
    """A gateway that anyone may use, before every stand-in."""
    with start(request.param, litellm_config(providers, script_room)) as started:
        yield started


@pytest.fixture(scope="session", params=SHAPES)
def guarded(request: pytest.FixtureRequest, providers: dict[str, Vendor], script_room: Scripted) -> Iterator[Dragoman | Inline]:
    """A gateway with a master key."""
    config = litellm_config(providers, script_room, general_settings={"master_key": "os.environ/MASTER_KEY"})
    with start(request.param, config) as started:
        yield started


@pytest.fixture(scope="session")
def role_gateway(request: pytest.FixtureRequest, providers: dict[str, Vendor], script_room: Scripted) -> Iterator[Dragoman]:
    """A gateway with everything that only `dragoman run` has: an inline filter lets others' paths through."""
    with start("roles", litellm_config(providers, script_room)) as started:
        yield started


@pytest.fixture(scope="session")
def speakers(providers: dict[str, Vendor]) -> Iterator[dict[str, Vendor]]:
    """A stand-in for every language that is spoken to providers, by LiteLLM's prefix."""
    started = {prefix: vendor() for prefix, vendor in LANGUAGES.items()}
    for standin in started.values():
        standin.__enter__()
    yield {**providers, **started}
    for standin in started.values():
        standin.__exit__()


@pytest.fixture(scope="session")
def languages(speakers: dict[str, Vendor], script_room: Scripted) -> Iterator[Dragoman]:
    """A gateway before all of them."""
    with start("roles", litellm_config(speakers, script_room)) as started:
        yield started
