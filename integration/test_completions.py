"""OpenAI's older completions: passed where a vendor has them, asked by chat elsewhere."""

from __future__ import annotations

import openai
import pytest
from conftest import entry, start

CHATTING = ["anthropic", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai"]
chatting = pytest.mark.parametrize("model", CHATTING)


@chatting
def test_a_completion(languages, model):
    reply = languages.client().completions.create(model=model, prompt="Hello, wörld 🌍", max_tokens=50)
    assert (reply.object, reply.id[:1] != "", reply.created > 1_600_000_000) == ("text_completion", True, True)
    [choice] = reply.choices
    assert (choice.index, choice.text, choice.finish_reason, choice.logprobs) == (0, "You said: Hello, wörld 🌍", "stop", None)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (3, 5, 8)


@chatting
def test_a_stream(languages, model):
    chunks = list(languages.client().completions.create(model=model, prompt=["Hello"], stream=True, stream_options={"include_usage": True}))
    assert {chunk.object for chunk in chunks} == {"text_completion"}
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "You said: Hello"
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 4)


@chatting
def test_the_prompt_is_echoed(languages, model):
    client = languages.client()
    assert client.completions.create(model=model, prompt="Hello", echo=True).choices[0].text == "HelloYou said: Hello"
    chunks = client.completions.create(model=model, prompt="Hello", echo=True, stream=True)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "HelloYou said: Hello"


@chatting
def test_the_token_limit(languages, model):
    choice = languages.client().completions.create(model=model, prompt="Hello, wörld", max_tokens=2).choices[0]
    assert (choice.text, choice.finish_reason) == ("You said:", "length")


@chatting
@pytest.mark.parametrize(
    ("asked", "param"),
    [({"prompt": [1, 2]}, "prompt"), ({"prompt": "a", "suffix": "b"}, "suffix"), ({"prompt": "a", "best_of": 2}, "best_of")],
    ids=["tokens", "suffix", "best_of"],
)
def test_what_only_a_completions_api_can_do_is_refused(languages, model, asked, param):
    with pytest.raises(openai.BadRequestError) as raised:
        languages.client().completions.create(model=model, **asked)
    assert raised.value.param == param


@pytest.fixture
def passing(providers):
    """A vendor that has completions: vLLM, whose server is much like OpenAI's."""
    standin = providers["openai"]
    models = [entry("base", "hosted_vllm/base", standin.api_base), entry("instruct", "openai/gpt-3.5-turbo-instruct", standin.api_base)]
    with start("roles", {"model_list": models}) as gateway:
        yield gateway


@pytest.mark.parametrize("model", ["base", "instruct"])
def test_a_vendor_that_has_completions_is_asked_for_them(passing, providers, model):
    providers["openai"].clear()
    reply = passing.client().completions.create(model=model, prompt=["Hello", "Bye now"], suffix="!", best_of=2)
    assert [choice.text for choice in reply.choices] == ["You said: Hello", "You said: Bye now"]
    assert providers["openai"].last.path == "/v1/completions"
    chunks = list(passing.client().completions.create(model=model, prompt="Hello", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "You said: Hello"
    # Nobody asked for the usage: it is not there, although Dragoman asked the provider for it.
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    passing.wait_for_total("dragoman_requests", 2, dragoman_route=model, dragoman_status="2xx")
    assert passing.total("dragoman_tokens", dragoman_route=model, dragoman_type="input") == 4
    assert passing.total("dragoman_tokens", dragoman_route=model, dragoman_type="output") == 3 + 4 + 3


def test_errors(languages):
    with pytest.raises(openai.RateLimitError):
        languages.client().completions.create(model="anthropic/rate-limited", prompt="Hello")
    with pytest.raises(openai.APIError):
        list(languages.client().completions.create(model="anthropic/breaks-off", prompt="Hello", stream=True))
    with pytest.raises(openai.NotFoundError):
        languages.client().completions.create(model="no-such-model", prompt="Hello")
