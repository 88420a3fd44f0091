"""The matrix: every client language, spoken by its vendor's own SDK, to every native language, in everything that both have.

A cell is filled, or it is refused with an error that says why (`REFUSED`). A language adds its column in `languages.py`, a
vendor its row in `standins/natives.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conftest import PROVIDER_KEY, entry, start
from languages import LANGUAGES, PNG, Refused
from standins.natives import INPUT, NATIVES, OUTPUT, Turn
from standins.scripted import Scripted

FEATURES = ("text", "tools", "thinking", "image", "error")

REFUSED = {("completions", "tools"): "A completion has no 'tools'", ("completions", "image"): "'prompt' must be a string"}
"""What a client language has no words for, whoever is asked: what the error says."""

CALLING = [language for language in LANGUAGES if (language, "tools") not in REFUSED]
"""The languages that have tools."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Scripted]:
    with Scripted() as standin:
        yield standin


@pytest.fixture(scope="module")
def gateway(provider: Scripted) -> Iterator:
    models = [entry(name, native.model, provider.base + native.base_path, **native.params) for name, native in NATIVES.items()]
    with start("roles", {"model_list": models, "litellm_settings": {"num_retries": 0}}) as started:
        yield started


TURNS = {
    "text": Turn(text="It rains in Oslo."),
    "image": Turn(text="A dot."),
    "thinking": Turn(thinking="Hm, let me see.", text="It rains."),
    "tools": Turn(text="Let me look.", calls=(("call_1", "get_weather", {"city": "Oslo"}), ("call_2", "get_weather", {"city": "Bergen \"N\""}))),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("feature", FEATURES)
@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_cell(gateway, provider: Scripted, language: str, native: str, feature: str, stream: bool) -> None:
    provider.clear()
    known = NATIVES[native]
    turn = TURNS.get(feature)
    provider.then(known.failure if turn is None else known.told(language, turn, stream))
    talk = LANGUAGES[language](gateway.base_url, native, tools=feature == "tools", thinking=feature == "thinking", stream=stream)
    ask = lambda: talk.say("Well?", image=feature == "image")
    if words := REFUSED.get((language, feature)):
        with pytest.raises(Refused, match=words) as refused:
            ask()
        assert refused.value.status == 400 and not provider.requests
        return
    if turn is None:
        with pytest.raises(Refused) as refused:
            ask()
        assert (refused.value.status, refused.value.message) == (429, "Slow down.")
        return
    answer = ask()
    assert answer.text == turn.text
    # A completion's answer has no place for thoughts.
    assert answer.thinking == ("" if language == "completions" else turn.thinking)
    assert [(name, args) for _, name, args in answer.calls] == [(name, args) for _, name, args in turn.calls]
    assert len({id_ for id_, _, _ in answer.calls}) == len(turn.calls)
    assert answer.finish == ("calls" if turn.calls else "stop")
    assert (answer.input, answer.output) == (INPUT, OUTPUT)
    if feature == "image":
        assert PNG in provider.last.body.decode()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("native", NATIVES)
@pytest.mark.parametrize("language", CALLING)
def test_a_tool_loop_of_three_turns(gateway, provider: Scripted, language: str, native: str, stream: bool) -> None:
    """Call, result, call again, result, words: the provider gets all that was said, in its own language."""
    provider.clear()
    known = NATIVES[native]
    turns = [
        Turn(thinking="First one.", calls=(("call_1", "get_weather", {"city": "Oslo"}),)),
        Turn(text="And now", calls=(("call_2", "get_weather", {"city": "Bergen"}), ("call_3", "get_weather", {"city": "Moss"}))),
        Turn(text="Rain everywhere."),
    ]
    if language == "chat" and native in ("anthropic", "bedrock_invoke", "converse"):
        # OpenAI's SDK has no place for signed reasoning, and without it Claude's must not go on.
        turns[0] = Turn(calls=turns[0].calls)
    provider.then(*(known.told(language, turn, stream) for turn in turns))
    talk = LANGUAGES[language](gateway.base_url, native, tools=True, stream=stream)
    answer = talk.say("Weather in Oslo, Bergen and Moss?")
    assert [args for _, _, args in answer.calls] == [{"city": "Oslo"}]
    answer = talk.result({answer.calls[0][0]: "rain in Oslo"})
    assert [args for _, _, args in answer.calls] == [{"city": "Bergen"}, {"city": "Moss"}]
    answer = talk.result({id_: f"rain in {args['city']}" for id_, _, args in answer.calls})
    assert (answer.text, answer.finish) == ("Rain everywhere.", "stop")
    assert len(provider.requests) == 3 and provider.left == 0
    last = json.dumps(provider.last.json, ensure_ascii=False)
    for city in ("Oslo", "Bergen", "Moss"):
        assert f"rain in {city}" in last
    if native == "gemini":
        # What Google signed comes back to it.
        assert last.count("c2lnbmF0dXJl") == 2, last


PROGRAM = 'print("wörld 😀")\n\\ \t'


def inputs(said) -> list[str]:
    """The inputs of the tool's calls in what a provider was sent: arguments are objects in one language and texts in another."""
    if isinstance(said, str) and said.startswith('{"input"'):
        said = json.loads(said)
    if isinstance(said, dict) and set(said) == {"input"} and isinstance(said["input"], str):
        return [said["input"]]
    inner = said.values() if isinstance(said, dict) else said if isinstance(said, list) else ()
    return [found for value in inner for found in inputs(value)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("native", [native for native in NATIVES if native != "openai"])
@pytest.mark.parametrize("language", ["chat", "responses"])
def test_a_custom_tool(gateway, provider: Scripted, language: str, native: str, stream: bool) -> None:
    """OpenAI's tools that take any text are functions elsewhere, and the model's calls of them are custom calls again."""
    provider.clear()
    turns = [Turn(text="I run it.", calls=(("call_1", "run", {"input": PROGRAM}),)), Turn(text="Done.")]
    provider.then(*(NATIVES[native].told(language, turn, stream) for turn in turns))
    talk = LANGUAGES[language](gateway.base_url, native, custom=True, stream=stream)
    answer = talk.say("Run it.")
    assert (answer.text, answer.finish) == ("I run it.", "calls")
    assert [(name, given) for _, name, given in answer.calls] == [("run", PROGRAM)]
    schema = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    sent = json.dumps(provider.last.json, ensure_ascii=False)
    assert json.dumps(schema) in sent and "Runs a program." in sent and inputs(provider.last.json) == []
    answer = talk.result({answer.calls[0][0]: "wörld"})
    assert (answer.text, answer.finish, answer.calls) == ("Done.", "stop", [])
    assert inputs(provider.last.json) == [PROGRAM]
    assert len(provider.requests) == 2 and provider.left == 0
