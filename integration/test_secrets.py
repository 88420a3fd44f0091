"""Nobody's secret reaches anybody else: not a provider's key, not the master key, not what a client brings along."""

from __future__ import annotations

import pathlib

import pytest
from checks import HELLO, assert_openai_error
from conftest import MASTER_KEY, PROVIDER_KEY, litellm_config, start
from gateway import HTTP
from standins import vendors
from standins.scripted import json_reply, stream_reply
from test_bad_providers import GOOD
from test_chat import EVENTS

CLIENT_SECRETS = {
    "x-api-key": "client-api-key-1",
    "api-key": "client-api-key-2",
    "x-goog-api-key": "client-api-key-3",
    "cookie": "session=client-cookie",
    "proxy-authorization": "Basic client-proxy",
    "x-amz-security-token": "client-amz-token",
    "anthropic-beta": "client-chosen-beta",
    "openai-organization": "client-organisation",
}
INTERNAL = {
    "x-dragoman-cluster": "admin",
    "x-dragoman-target": "{}",
    "x-dragoman-anything": "client-said",
    "x-envoy-original-path": "/client-said",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-decorator-operation": "client-said",
}


@pytest.mark.parametrize("model", sorted(vendors()))
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_provider_sees_its_own_key_and_no_other_credential(guarded, providers, model, stream):
    providers[model].clear()
    headers = {"authorization": f"Bearer {MASTER_KEY}", **CLIENT_SECRETS, **INTERNAL}
    body = {"model": model, "messages": HELLO, "stream": stream}
    answer = HTTP.post(guarded.base_url + "/v1/chat/completions", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    [request] = providers[model].requests
    seen = request.everything()
    assert seen.count(PROVIDER_KEY) == 1
    assert MASTER_KEY not in seen
    for name, value in {**CLIENT_SECRETS, **INTERNAL}.items():
        assert name == "x-api-key" or name not in request.names(), name
        assert value not in seen or value in ("1", "{}", "5xx", "admin"), name
    assert not [name for name in request.names() if name.startswith(("x-dragoman", "x-litellm"))]


def test_a_client_can_not_choose_the_cluster(gateway, providers):
    """The header by which the filter names the cluster means nothing when it comes from outside."""
    for standin in providers.values():
        standin.clear()
    clusters = {line.partition("::")[0] for line in gateway.admin("/clusters").splitlines()}
    assert clusters
    for cluster in clusters:
        answer = HTTP.get(gateway.base_url + "/elsewhere", headers={"x-dragoman-cluster": cluster}, timeout=30)
        # Of the inline filter, other paths are not the business: what has no route there is Envoy's own 503.
        assert answer.status_code in (404, 503)
    assert [standin.requests for standin in providers.values()] == [[] for _ in providers]


@pytest.mark.parametrize("model", sorted(vendors()))
def test_a_key_that_a_provider_repeats_stays_here(gateway, script, model):
    message = f"Incorrect API key provided: {PROVIDER_KEY}. Ask your administrator."
    for status in (401, 400, 500):
        script.clear()
        script.then(json_reply({"type": "error", "error": {"type": "authentication_error", "message": message}}, status))
        answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": f"scripted-{model}", "messages": HELLO}, timeout=30)
        assert "Incorrect API key provided" in assert_openai_error(answer, status)["message"]
        assert PROVIDER_KEY not in answer.text


@pytest.mark.parametrize("status", [200, 401])
def test_a_key_in_a_header_of_a_reply_stays_here(gateway, script, status):
    reply = GOOD["openai"] if status == 200 else {"error": {"message": "no"}}
    said = [("x-your-key", PROVIDER_KEY), ("link", f"<https://provider/?key={PROVIDER_KEY}>; rel=next"), ("x-fine", "as it is")]
    script.then(json_reply(reply, status, said))
    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json={"model": "scripted-openai", "messages": HELLO}, timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.headers["x-fine"] == "as it is"
    assert PROVIDER_KEY not in str(answer.headers) + answer.text


@pytest.mark.parametrize("model", sorted(vendors()))
def test_a_key_in_an_error_inside_a_stream_stays_here(gateway, script, model):
    first, _ = EVENTS[model]("m")
    message = f"Incorrect API key provided: {PROVIDER_KEY}."
    error = {"type": "error", "error": {"type": "authentication_error", "message": message}}
    script.then(stream_reply(*first, error))
    body = {"model": f"scripted-{model}", "messages": HELLO, "stream": True}
    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json=body, timeout=30)
    assert "Incorrect API key provided" in answer.text
    assert PROVIDER_KEY not in answer.text


@pytest.mark.parametrize("shape", ["roles", "inline"])
def test_no_secret_is_written_down(providers, script, shape):
    """After good and bad requests the keys are in no log, no stat, no configuration, no file and no command line."""
    config = litellm_config(providers, script, general_settings={"master_key": "os.environ/MASTER_KEY"})
    with start(shape, config) as gateway:
        said = []
        for key in (MASTER_KEY, "sk-wrong"):
            for model in (*vendors(), "openai/rate-limited", "openai/down", "openai/html", "no-such-model", f"scripted-{next(iter(vendors()))}"):
                for stream in (False, True):
                    body = {"model": model, "messages": HELLO, "stream": stream}
                    headers = {"authorization": f"Bearer {key}", "x-dragoman-cluster": "nonsense"}
                    answer = HTTP.post(gateway.base_url + "/v1/chat/completions", json=body, headers=headers, timeout=30)
                    said.append(str(answer.headers) + answer.text)
            said.append(HTTP.get(gateway.base_url + "/v1/models", headers={"authorization": f"Bearer {key}"}, timeout=30).text)
        places = {f"answer {number}": text for number, text in enumerate(said)}
        places["log"] = gateway.log()
        for path in ("/stats", "/stats/prometheus", "/config_dump?include_eds", "/clusters?format=json", "/server_info", "/listeners", "/memory"):
            places[path] = gateway.admin(path)
        for pid in {gateway.pid, gateway.envoy_pid}:
            places[f"command line {pid}"] = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
            working = [part for part in places[f"command line {pid}"].split("\0") if part.startswith("/") and pathlib.Path(part).is_file()]
            places |= {file: pathlib.Path(file).read_text(errors="replace") for file in working if pathlib.Path(file).stat().st_size < 10_000_000}
        assert any("envoy" in place and place.endswith((".yaml", ".json")) or "bootstrap" in place for place in places), "the bootstrap was not looked at"
        for secret in (PROVIDER_KEY, MASTER_KEY):
            assert [place for place, text in places.items() if secret in text] == []
