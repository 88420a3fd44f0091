"""Prompts and answers in access logs and traces, for who asks for them: within a bound, without the words that must not be
told, and never a key. Without the section `dragoman.capture` there is nothing of them."""

from __future__ import annotations

import json

import anthropic
import pytest
from checks import HELLO
from conftest import MASTER_KEY, PROVIDER_KEY, SHAPES, entry, litellm_config
from gateway import envoy_version
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GEN_AI_INPUT_MESSAGES as INPUT
from opentelemetry.semconv._incubating.attributes.gen_ai_attributes import GEN_AI_OUTPUT_MESSAGES as OUTPUT
from otlp import Receiver, attributes
from standins.scripted import CLOSE, json_reply, stream_reply
from test_logs import ENV, lines, start

CUT = "...[truncated]"
REDACT = ["Lovelace", "sk-*", "Müller"]
# Marks of JSON, of lines, beyond ASCII, and one that no C string holds.
ODD = 'say "ü"\n\\ \t\u0000 \U0001f600 </s>'


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("logs") / "requests.json"


@pytest.fixture(scope="module", params=SHAPES)
def capturing(request, providers, script_room, file):
    capture = {"max_bytes": 256, "redact": REDACT}
    with start(request.param, providers, script_room, access_log={"file": str(file)}, capture=capture) as gateway:
        yield gateway


@pytest.fixture
def line(capturing, file):
    """Gives the line of the request that comes next."""
    before = len(lines(file, 0))
    return lambda: lines(file, before + 1)[-1]


def chat(gateway, model: str, content: str, **more):
    reply = gateway.client(MASTER_KEY).chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **more)
    if not more.get("stream"):
        return reply.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in reply if chunk.choices)


def answered(line: dict) -> str:
    """The text of an answer, which is whole JSON however much was cut."""
    ((message,), text) = json.loads(line[OUTPUT]), ""
    assert message["role"] == "assistant"
    for part in message["parts"]:
        assert part["type"] == "text"
        text += part["content"]
    return text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_what_was_asked_and_answered(capturing, line, model, stream):
    answer = chat(capturing, model, ODD, stream=stream)
    told = line()
    assert json.loads(told[INPUT]) == [{"role": "user", "content": ODD}]
    assert answered(told) == answer
    assert "ü" in answer and '"' in answer
    assert json.loads(told[OUTPUT])[0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_redacted_before_anything_leaves_the_filter(capturing, line, file, model, stream):
    asked = f"Ada lovelace, Herr Müller and {PROVIDER_KEY} meet Lovelaces"
    answer = chat(capturing, model, asked, stream=stream)
    # The client gets what it was answered.
    assert "lovelace" in answer and PROVIDER_KEY in answer
    told = line()
    kept = "Ada [REDACTED], Herr [REDACTED] and [REDACTED] meet [REDACTED]s"
    assert json.loads(told[INPUT]) == [{"role": "user", "content": kept}]
    assert answered(told).endswith(kept)
    text = file.read_text()
    for secret in ("ovelace", "üller", "\\u00fcller", PROVIDER_KEY, MASTER_KEY):
        assert secret not in text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_bounded(capturing, line, model, stream):
    # However the bound falls, it leaves no half of a word.
    answer = chat(capturing, model, "ü " + "Lovelace " * 40 + "ö" * 5000, stream=stream)
    told = line()
    assert told[INPUT].endswith(CUT) and len(told[INPUT].encode()) <= 256 + len(CUT)
    text = answered(told)
    assert text.endswith(CUT) and len(text.encode()) <= 256 + len(CUT)
    assert len(answer) > 5000
    for kept in (told[INPUT], text):
        assert "[REDACTED] [REDACTED]" in kept and "ove" not in kept


def chunk(**delta) -> dict:
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def end(reason: str) -> dict:
    return {"id": "c", "object": "chat.completion.chunk", "model": "m", "created": 1, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def test_a_word_that_comes_in_pieces_and_calls(capturing, line, script):
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "find", "arguments": ""}}
    more = [{"index": 0, "function": {"arguments": text}} for text in ('{"who": "Love', 'lace", "key": "sk', '-12"}')]
    pieces = [chunk(role="assistant", content="I know Lo"), chunk(content="ve"), chunk(content="lace"), chunk(content=", M\u00fc"), chunk(content="ller")]
    script.then(stream_reply(*pieces, chunk(tool_calls=[call]), *(chunk(tool_calls=[piece]) for piece in more), end("tool_calls"), "data: [DONE]\n\n"))
    assert chat(capturing, "scripted-openai", "Who?", stream=True) == "I know Lovelace, Müller"
    parts = [
        {"type": "text", "content": "I know [REDACTED], [REDACTED]"},
        {"type": "tool_call", "name": "find", "arguments": '{"who": "[REDACTED]", "key": "[REDACTED]"}'},
    ]
    assert json.loads(line()[OUTPUT]) == [{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}]


def test_what_a_stream_has_said_that_breaks_off(capturing, line, script):
    script.then(stream_reply(chunk(role="assistant", content="Lovelace said"), CLOSE))
    with pytest.raises(Exception):
        chat(capturing, "scripted-openai", "Who?", stream=True)
    assert answered(line()) == "[REDACTED] said"


def test_other_languages(capturing, file, script):
    before = len(lines(file, 0))
    client = anthropic.Anthropic(api_key=MASTER_KEY, base_url=capturing.base_url, max_retries=0)
    with client.messages.stream(model="anthropic", max_tokens=100, messages=HELLO) as stream:
        said = stream.get_final_text()
    openai = capturing.client(MASTER_KEY)
    openai.responses.create(model="anthropic", input="Hi Lovelace")
    script.then(json_reply({"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}))
    openai.embeddings.create(model="scripted-openai", input=["Lovelace"], encoding_format="float")
    passed, translated, vectors = lines(file, before + 3)[before:]
    assert (json.loads(passed[INPUT]), answered(passed)) == (HELLO, said)
    assert json.loads(translated[INPUT]) == "Hi [REDACTED]"
    assert answered(translated) == "You said: Hi [REDACTED]"
    assert (json.loads(vectors[INPUT]), vectors.get(OUTPUT)) == (["[REDACTED]"], None)


@pytest.mark.parametrize("shape", SHAPES)
def test_failures_tell_what_was_asked_and_no_answer(shape, providers, script, tmp_path):
    file = tmp_path / "requests.json"
    with start(shape, providers, script, access_log={"file": str(file)}, capture={}) as gateway:
        script.then(json_reply({"id": "x", "choices": [{"index": 0, "message": {"role": "assistant", "content": "half"}}, 7]}))
        with pytest.raises(Exception):
            chat(gateway, "scripted-openai", "Who?")
        (failed,) = lines(file, 1)
    assert (json.loads(failed[INPUT])[0]["content"], failed.get(OUTPUT)) == ("Who?", None)


FIRST = {"id": "x", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "not this"}}, 7]}


@pytest.mark.skipif(envoy_version() < (1, 37), reason="Envoy 1.36 can't try again for what only a body tells")
def test_only_the_answer_that_the_client_got(providers, script, tmp_path):
    file = tmp_path / "requests.json"
    script.then(json_reply(FIRST))
    standin = providers["anthropic"]
    chain = [
        entry("chain", "openai/first", script.base + "/v1", order=1),
        entry("chain", f"anthropic/{standin.model}", standin.api_base, order=2),
    ]
    config = {"model_list": chain, "dragoman": {"access_log": {"file": str(file)}, "capture": {}}}
    with SHAPES["roles"](config, ENV) as gateway:
        assert chat(gateway, "chain", "Hello") == "You said: Hello"
        (told,) = lines(file, 1)
    assert told["dragoman.attempts"] == 2
    assert (json.loads(told[INPUT]), answered(told)) == (HELLO, "You said: Hello")
    assert "not this" not in file.read_text()


TRACES = pytest.mark.skipif(envoy_version() < (1, 37), reason="Envoy 1.36 can't tag spans with filter state")


@TRACES
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stream", [False, True])
def test_traces_and_only_there(shape, stream, providers, script, tmp_path):
    file = tmp_path / "requests.json"
    with Receiver() as receiver:
        traces = {"endpoint": f"http://127.0.0.1:{receiver.grpc_port}", "protocol": "grpc"}
        capture = {"redact": REDACT, "where": ["traces"]}
        with start(shape, providers, script, access_log={"file": str(file)}, traces=traces, capture=capture) as gateway:
            answers = [chat(gateway, model, f"{ODD} Lovelace", stream=stream) for model in ("openai", "anthropic")]
            receiver.wait(lambda r: len(r.spans) == 4)
            logged = lines(file, 2)
    requests = [span for span in receiver.spans if span.name == "gateway"]
    assert len(requests) == 2
    for answer, span in zip(answers, sorted(requests, key=lambda span: span.end_time_unix_nano)):
        told = attributes(span)
        assert json.loads(told[INPUT]) == [{"role": "user", "content": f"{ODD} [REDACTED]"}]
        assert answered(told) == answer.replace("Lovelace", "[REDACTED]")
    everything = json.dumps([attributes(span) for span in receiver.spans])
    for secret in ("ovelace", PROVIDER_KEY, MASTER_KEY):
        assert secret not in everything
    for told in logged:
        assert not {INPUT, OUTPUT} & told.keys()


@pytest.mark.parametrize("shape", SHAPES)
def test_log_records_and_nothing_without_the_section(shape, providers, script):
    def records(**more) -> list[dict]:
        with Receiver() as receiver:
            otlp = {"endpoint": f"http://127.0.0.1:{receiver.grpc_port}", "protocol": "grpc"}
            with start(shape, providers, script, access_log={"otlp": otlp}, **more) as gateway:
                chat(gateway, "openai", "Hello there", stream=True)
                receiver.wait(lambda r: r.logs)
                captures = "gen_ai.input.messages" in json.dumps(gateway.config_dump())
            assert captures == bool(more)
            return [attributes(record) for record in receiver.logs]

    (told,) = records(capture={"where": ["logs"]})
    assert json.loads(told[INPUT]) == [{"role": "user", "content": "Hello there"}]
    assert answered(told) == "You said: Hello there"
    (silent,) = records()
    assert not {INPUT, OUTPUT} & silent.keys()
    assert "there" not in json.dumps(silent)
