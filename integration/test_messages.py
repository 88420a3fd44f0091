"""Anthropic's Messages through a real Envoy: what its SDK and frameworks rely on beside the matrix of `test_languages.py`."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from checks import HELLO
from conftest import MASTER_KEY, PROVIDER_KEY, entry, litellm_config, start
from gateway import HTTP, free_port
from languages import SCHEMA, grammar
from standins.natives import INPUT, NATIVES, OUTPUT, Turn, anthropic_events
from standins.scripted import CLOSE, Scripted, Until, json_reply, stream_reply

ASKED = {"max_tokens": 100, "messages": HELLO}
TOOL = {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}


@pytest.fixture(scope="module")
def provider() -> Iterator[Scripted]:
    with Scripted() as standin:
        yield standin


@pytest.fixture(scope="module")
def flaky() -> Iterator[Scripted]:
    """A provider whose script is always at its end: it fails."""
    with Scripted() as standin:
        yield standin


@pytest.fixture(scope="module", params=["roles", "inline"])
def served(request: pytest.FixtureRequest, provider: Scripted) -> Iterator:
    models = [entry(name, native.model, provider.base + native.base_path, **native.params) for name, native in NATIVES.items()]
    models.append(entry("nobody", "openai/gpt-5", f"http://127.0.0.1:{free_port()}/v1"))
    models.append(entry("vertex", "vertex_ai/claude-sonnet-4-5@20250929", provider.base, vertex_project="p", vertex_location="us-east5"))
    models.append(entry("foundry", "azure_ai/claude-sonnet-4-5", provider.base))
    with start(request.param, {"model_list": models, "litellm_settings": {"num_retries": 0}}) as started:
        yield started


def client(gateway: Any, **options: Any) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(verify=False)
    options = {"api_key": "sk-client", "max_retries": 0, "timeout": 60, "http_client": http, **options}
    return anthropic.Anthropic(base_url=gateway.base_url, **options)


def post(gateway: Any, body: Any, path: str = "/v1/messages", **headers: str) -> Any:
    return HTTP.post(gateway.base_url + path, json=body, headers=headers, timeout=30)


def envelope(answer: Any, status: int, type_: str) -> str:
    """An error in Anthropic's form: its message."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    body = answer.json()
    assert body["type"] == "error" and body["error"]["type"] == type_, body
    assert body["request_id"], body
    return body["error"]["message"]


@pytest.mark.parametrize("model", ["anthropic", "bedrock_invoke", "converse", "gemini", "vertex", "foundry"])
def test_tokens_are_counted_by_who_can(served, provider, model):
    provider.clear()
    replies = {"gemini": {"totalTokens": 42}, "bedrock_invoke": {"inputTokens": 42}, "converse": {"inputTokens": 42}}
    provider.then(json_reply(replies.get(model, {"input_tokens": 42})))
    counted = client(served).messages.count_tokens(model=model, messages=HELLO, system="Be brief.", tools=[TOOL])
    assert counted.input_tokens == 42 and not counted.model_extra
    path, body = provider.last.path, provider.last.body
    paths = {
        "anthropic": "/v1/messages/count_tokens",
        "foundry": "/anthropic/v1/messages/count_tokens",
        "gemini": "/v1beta/models/gemini-3-pro-preview:countTokens",
        "vertex": "/v1/projects/p/locations/us-east5/publishers/anthropic/models/count-tokens:rawPredict",
    }
    assert path == paths.get(model, "/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/count-tokens")
    assert b"max_tokens" not in body


@pytest.mark.parametrize("model", ["openai", "cohere", "mistral", "ollama"])
def test_tokens_are_estimated_elsewhere_and_that_is_said(served, provider, model):
    provider.clear()
    raw = client(served).messages.with_raw_response.count_tokens(model=model, messages=HELLO)
    counted = raw.parse()
    assert raw.headers["x-dragoman-estimated"] == "true"
    assert 1 <= counted.input_tokens <= 20 and counted.model_extra == {"estimated": True}
    assert not provider.requests


def test_errors_come_in_anthropics_envelope(served):
    assert "does not exist" in envelope(post(served, {**ASKED, "model": "nope"}), 404, "not_found_error")
    assert "'messages'" in envelope(post(served, {"model": "openai"}), 400, "invalid_request_error")
    assert "'messages[0].content[0]'" in envelope(
        post(served, {**ASKED, "model": "openai", "messages": [{"role": "user", "content": [{"type": "image"}]}]}), 400, "invalid_request_error"
    )
    assert "code_execution" in envelope(
        post(served, {**ASKED, "model": "openai", "tools": [{"type": "code_execution_20250825", "name": "x"}]}), 400, "invalid_request_error"
    )
    envelope(HTTP.post(served.base_url + "/v1/messages", content=b"{", timeout=30), 400, "invalid_request_error")
    envelope(HTTP.get(served.base_url + "/v1/messages", timeout=30), 405, "invalid_request_error")
    envelope(post(served, {}, path="/anthropic/v1/messages"), 400, "invalid_request_error")
    with pytest.raises(anthropic.NotFoundError):
        client(served).messages.create(model="nope", **ASKED)


def test_envoys_own_errors_come_in_anthropics_envelope(served):
    message = envelope(post(served, {**ASKED, "model": "nobody"}), 529, "overloaded_error")
    assert "connect" in message.lower()


@pytest.mark.parametrize("model", NATIVES)
def test_a_provider_that_breaks_off(served, provider, model):
    """Nothing of an answer that was not whole is a success: the SDK raises, whatever the provider's language."""
    provider.clear()
    whole = NATIVES[model].reply(Turn(text="It rains in Oslo."), True)
    if len(whole.steps) == 1:
        body = whole.steps[0]
        whole = stream_reply(body[: len(body) // 2].decode()) if model != "ollama" else whole.__class__(200, whole.headers, (body[: len(body) // 2],))
        provider.then(whole)
    else:
        provider.then(whole.__class__(200, whole.headers, whole.steps[: len(whole.steps) // 2]))
    with pytest.raises((anthropic.APIError, anthropic.APIConnectionError)):
        with client(served).messages.stream(model=model, **ASKED) as events:
            events.get_final_message()


def test_a_reply_has_the_requests_id_where_the_sdk_looks(served, provider):
    for model in ("openai", "anthropic"):
        provider.clear()
        provider.then(NATIVES[model].reply(Turn(text="Yes."), False))
        assert client(served).messages.create(model=model, **ASKED)._request_id


@pytest.mark.parametrize("model", ["anthropic", "openai"])
def test_an_error_in_mid_stream_is_an_event(served, provider, model):
    provider.clear()
    # An error that comes together with the first output is the whole reply.
    seen = threading.Event()
    if model == "anthropic":
        begun = anthropic_events(Turn(text="It rains."))[:3]
        failed = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy."}}
        provider.then(stream_reply(*begun, Until(seen), failed))
    else:
        chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": "It"}, "finish_reason": None}]}
        failed = {"error": {"message": "Busy.", "type": "server_error", "code": 503}}
        first, second = (f"data: {json.dumps(part)}\n\n" for part in (chunk, failed))
        provider.then(stream_reply(first, Until(seen), second))
    text = ""
    with HTTP.stream("POST", f"{served.base_url}/v1/messages", json={**ASKED, "model": model, "stream": True}) as answer:
        for piece in answer.iter_text():
            text += piece
            if "text_delta" in text:
                seen.set()
    assert text.strip().split("\n\n")[-1] == 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy."}}'


def test_a_key_is_shown_in_either_header(providers, script_room):
    config = litellm_config(providers, script_room, general_settings={"master_key": "os.environ/MASTER_KEY"})
    with start("roles", config) as guarded:
        for options in ({"api_key": MASTER_KEY}, {"api_key": None, "auth_token": MASTER_KEY}):
            assert client(guarded, **options).messages.create(model="anthropic", **ASKED).content[0].text == "You said: Hello"
        with pytest.raises(anthropic.AuthenticationError) as refused:
            client(guarded, api_key="sk-wrong").messages.create(model="anthropic", **ASKED)
        assert refused.value.body["error"]["type"] == "authentication_error" and MASTER_KEY not in str(refused.value.body)
        envelope(post(guarded, {**ASKED, "model": "anthropic"}), 401, "authentication_error")


STRANGE: dict[str, Any] = {
    "max_tokens": 100,
    "unheard_of": {"x": [1, "é\u2028"]},
    "tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}],
}


def test_a_request_in_the_providers_own_language_passes(served, provider):
    provider.clear()
    reply = {"id": "msg_1", "type": "message", "content": [{"type": "new_block", "x": 1.50}], "usage": {"input_tokens": 3, "output_tokens": 2, "new": 1}}
    provider.then(json_reply(reply))
    answer = post(served, {**STRANGE, "model": "anthropic"}, **{"anthropic-beta": "one-2026-01-01,two-2026-02-02", "x-api-key": "sk-client"})
    assert answer.content == json.dumps(reply).encode()
    assert provider.last.json == {**STRANGE, "model": "claude-sonnet-4-5"}
    assert provider.last.header("anthropic-beta") == "one-2026-01-01,two-2026-02-02"
    assert provider.last.header("x-api-key") == PROVIDER_KEY and "sk-client" not in provider.last.everything()


def test_a_stream_in_the_providers_own_language_passes_byte_for_byte(served, provider):
    provider.clear()
    text = 'event: message_start\r\ndata:  {"type":"message_start", "message":{"id":"m","usage":{"input_tokens":1}}}\r\n\r\n: a comment\n\nevent: brand_new\ndata: {"type":"brand_new"}\n\n'
    text += 'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
    provider.then(stream_reply(*(text[at : at + 7] for at in range(0, len(text), 7))))
    answer = post(served, {**STRANGE, "model": "anthropic", "stream": True})
    assert answer.text == text and answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("model, flags", [
    ("anthropic", "unheard-of-2027-01-01,context-1m-2025-08-07"),
    ("bedrock_invoke", ["context-1m-2025-08-07"]),
    ("vertex", "context-1m-2025-08-07"),
    ("foundry", "context-1m-2025-08-07"),
])
def test_betas_go_only_where_they_are_known(served, provider, model, flags):
    provider.clear()
    provider.then(NATIVES["anthropic"].reply(Turn(text="Yes."), False))
    answer = client(served).beta.messages.create(model=model, betas=["unheard-of-2027-01-01", "context-1m-2025-08-07"], **ASKED)
    assert answer.content[0].text == "Yes."
    in_body = provider.last.json.get("anthropic_beta")
    assert (in_body or provider.last.header("anthropic-beta")) == flags
    assert (in_body is None) == isinstance(flags, str)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("good", ["anthropic", "gemini", "openai"])
def test_another_target_answers_when_one_fails(provider, flaky, good, stream):
    """Whatever language the target that failed speaks, and whatever the one that answers."""
    native = NATIVES[good]
    bad = NATIVES["openai" if good != "openai" else "anthropic"]
    models = [entry("m", native.model, provider.base + native.base_path), entry("m", bad.model, flaky.base + bad.base_path)]
    config = {"model_list": models, "litellm_settings": {"num_retries": 2}, "router_settings": {"disable_cooldowns": True}}
    provider.clear(), flaky.clear()
    with start("roles", config) as gateway:
        for _ in range(8):
            provider.then(native.reply(Turn(text="Yes."), stream))
            if stream:
                with client(gateway).messages.stream(model="m", **ASKED) as events:
                    grammar(list(events))
                    answer = events.get_final_message()
            else:
                answer = client(gateway).messages.create(model="m", **ASKED)
            assert answer.content[0].text == "Yes."
    assert flaky.requests, "the target that fails was never tried first"


@pytest.mark.parametrize("model", ["anthropic", "bedrock_invoke", "gemini"])
def test_tokens_are_metered(provider, model):
    native = NATIVES[model]
    with start("roles", {"model_list": [entry(model, native.model, provider.base + native.base_path, **native.params)]}) as gateway:
        for stream in (False, True):
            provider.clear()
            provider.then(native.reply(Turn(text="Yes."), stream))
            assert post(gateway, {**ASKED, "model": model, "stream": stream}).status_code == 200
        gateway.wait_for_total("dragoman_requests", 2, dragoman_route=model)
        for kind, tokens in (("input", INPUT), ("output", OUTPUT)):
            assert gateway.total("dragoman_tokens", dragoman_route=model, dragoman_type=kind) == 2 * tokens


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", ["openai", "anthropic", "gemini", "converse", "cohere"])
def test_langchain_completes_a_tool_loop(served, provider, model, streaming):
    from langchain_anthropic import ChatAnthropic
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool

    @tool
    def get_weather(city: str) -> str:
        """The weather."""
        return f"rain in {city}"

    provider.clear()
    native = NATIVES[model]
    turns = [Turn(text="Let me look.", calls=(("call_1", "get_weather", {"city": "Oslo"}),)), Turn(text="It rains.")]
    provider.then(*(native.reply(turn, streaming) for turn in turns))
    chat = ChatAnthropic(model_name=model, base_url=served.base_url, api_key="sk-client", max_retries=0, timeout=60, stop=None, streaming=streaming)
    agent = chat.bind_tools([get_weather])
    talk: list[Any] = [HumanMessage("Weather in Oslo?")]
    for _ in itertools.repeat(None, 4):
        if streaming:
            answer = None
            for chunk in agent.stream(talk):
                answer = chunk if answer is None else answer + chunk
        else:
            answer = agent.invoke(talk)
        talk.append(answer)
        if not answer.tool_calls:
            break
        talk += [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
    assert "It rains." in answer.text and len(provider.requests) == 2
    assert "rain in Oslo" in provider.last.body.decode()


def test_the_connection_breaks(served, provider):
    provider.clear()
    provider.then(stream_reply(*anthropic_events(Turn(text="It rains."))[:3], CLOSE))
    with pytest.raises(Exception) as failed:
        with client(served).messages.stream(model="anthropic", **ASKED) as events:
            events.get_final_message()
    assert failed.value
