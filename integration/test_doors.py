"""What Envoy serves beside chat, and who may ask for it."""

from __future__ import annotations

import openai
import pytest
from checks import HELLO, assert_openai_error
from conftest import MASTER_KEY
from gateway import HTTP
from standins import vendors


def test_models(gateway):
    client = gateway.client()
    names = [model.id for model in client.models.list()]
    assert set(vendors()) <= set(names)
    one = client.models.retrieve("openai")
    assert (one.id, one.object) == ("openai", "model")
    assert client.models.retrieve("anthropic/claude-anything").id == "anthropic/claude-anything"
    with pytest.raises(openai.NotFoundError) as raised:
        client.models.retrieve("no-such-model")
    assert raised.value.code == "model_not_found"


def test_the_version_in_the_path_may_be_left_out(gateway):
    for path in ("/chat/completions", "/v1/chat/completions"):
        answer = HTTP.post(gateway.base_url + path, json={"model": "openai", "messages": HELLO}, timeout=30)
        assert answer.json()["choices"][0]["message"]["content"] == "You said: Hello"
    assert HTTP.get(gateway.base_url + "/models", timeout=30).json() == HTTP.get(gateway.base_url + "/v1/models", timeout=30).json()


def test_a_model_may_be_named_by_its_provider(gateway, providers):
    for prefix, standin in providers.items():
        standin.clear()
        reply = gateway.client().chat.completions.create(model=f"{prefix}/{standin.model}-20250101", messages=HELLO)
        assert reply.choices[0].message.content == "You said: Hello"
        assert f"{standin.model}-20250101" in standin.last.everything()


@pytest.mark.parametrize("path", ["/health/liveliness", "/health/readiness"])
def test_health_needs_no_key(guarded, path):
    assert HTTP.get(guarded.base_url + path, timeout=30).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/completely/unknown"), ("GET", "/"), ("GET", "/v2/models"), ("DELETE", "/v1")])
def test_any_other_path_is_openais_404(role_gateway, method, path):
    answer = HTTP.request(method, role_gateway.base_url + path, timeout=30)
    assert path in assert_openai_error(answer, 404)["message"]


def test_the_wrong_method(gateway):
    assert_openai_error(HTTP.get(gateway.base_url + "/v1/chat/completions", timeout=30), 405)
    assert_openai_error(HTTP.post(gateway.base_url + "/v1/models", json={}, timeout=30), 405)


def test_the_right_key_is_let_in(guarded):
    client = guarded.client(MASTER_KEY)
    assert client.chat.completions.create(model="openai", messages=HELLO).choices[0].message.content == "You said: Hello"
    assert client.models.list().data


@pytest.mark.parametrize("key", ["sk-wrong", MASTER_KEY[:-1], MASTER_KEY + "0", MASTER_KEY.upper(), "é"], ids=["other", "shorter", "longer", "case", "not ASCII"])
def test_a_wrong_key_is_openais_401(guarded, providers, key):
    providers["openai"].clear()
    header = [(b"authorization", b"Bearer " + key.encode())]
    answer = HTTP.post(guarded.base_url + "/v1/chat/completions", json={"model": "openai", "messages": HELLO}, headers=header, timeout=30)
    error = assert_openai_error(answer, 401)
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert MASTER_KEY not in answer.text
    assert providers["openai"].requests == []


@pytest.mark.parametrize("headers", [{}, {"authorization": ""}, {"authorization": "Bearer"}, {"authorization": "Basic c2s6"}], ids=repr)
def test_no_key_is_openais_401(guarded, headers):
    for method, path in (("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/v1/models/openai")):
        answer = HTTP.request(method, guarded.base_url + path, headers=headers, timeout=30)
        assert assert_openai_error(answer, 401)["code"] == "invalid_api_key"


def test_a_key_is_judged_before_the_request_is_read(guarded):
    """Who has no key learns nothing about models and paths, and can't make the gateway hold bodies."""
    answer = HTTP.post(guarded.base_url + "/v1/chat/completions", content=b"x" * 5_000_000, timeout=30)
    assert_openai_error(answer, 401)
