"""What a platform team reads of each request: Envoy's access log, as JSON in a file or on standard output, and as
OpenTelemetry's log records. The attributes are OpenTelemetry's for generative AI."""

from __future__ import annotations

import json
import pathlib
import time

import openai
import pytest
import yaml
from checks import HELLO
from conftest import MASTER_KEY, PROVIDER_KEY, SHAPES, entry, litellm_config
from gateway import Dragoman, envoy_version
from inline import Inline
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from otlp import Receiver, attributes
from standins.scripted import json_reply

ENV = {"PROVIDER_KEY": PROVIDER_KEY, "MASTER_KEY": MASTER_KEY}
SECRET_WORDS = "the-prompt-is-nobodys-business"


def start(shape: str, providers, script, **dragoman):
    config = litellm_config(providers, script, dragoman=dragoman, general_settings={"master_key": "os.environ/MASTER_KEY"})
    return SHAPES[shape](config, ENV)


def lines(file: pathlib.Path, count: int) -> list[dict]:
    """The log's lines, once there are that many: Envoy writes them after a while."""
    end = time.monotonic() + 20
    while True:
        text = file.read_text() if file.exists() else ""
        found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        if len(found) >= count:
            return found
        assert time.monotonic() < end, text
        time.sleep(0.05)


@pytest.fixture
def file(tmp_path) -> pathlib.Path:
    return tmp_path / "requests.json"


@pytest.fixture(params=SHAPES)
def logging(request, providers, script_room, file):
    with start(request.param, providers, script_room, access_log={"file": str(file)}) as gateway:
        yield gateway


@pytest.mark.parametrize("stream", [False, True])
def test_a_line_holds_what_a_request_was_and_used(logging, file, providers, stream):
    client = logging.client(MASTER_KEY)
    reply = client.chat.completions.create(model="anthropic", messages=HELLO, stream=stream, user="ada", extra_body={"metadata": {"tags": ["a", "b"]}})
    if stream:
        list(reply)
    (line,) = lines(file, 1)
    assert line[gen_ai.GEN_AI_OPERATION_NAME] == "chat"
    assert line[gen_ai.GEN_AI_PROVIDER_NAME] == line[gen_ai.GEN_AI_SYSTEM] == "anthropic"
    assert line[gen_ai.GEN_AI_REQUEST_MODEL] == "anthropic"
    assert line[gen_ai.GEN_AI_RESPONSE_MODEL].startswith(providers["anthropic"].model)
    assert line[gen_ai.GEN_AI_RESPONSE_ID]
    # "Hello" is one token, "You said: Hello" three, as the stand-ins count.
    assert (line[gen_ai.GEN_AI_USAGE_INPUT_TOKENS], line[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS]) == (1, 3)
    # Three dollars a million in, fifteen out.
    assert line["gen_ai.usage.cost"] == pytest.approx(0.000048)
    assert line.get("dragoman.usage.unpriced") is None
    assert line[gen_ai.GEN_AI_RESPONSE_FINISH_REASONS] == ["stop"]
    assert (line["dragoman.route"], line["dragoman.attempts"], line["attempts"]) == ("anthropic", 1, 1)
    assert line["dragoman.target"].startswith("claude")
    assert (line["user.id"], line["dragoman.tags"]) == ("ada", "a,b")
    assert line.get(gen_ai.GEN_AI_REQUEST_STREAM) is (True if stream else None)
    assert line.get("error.type") is None
    if stream:
        assert 0 < line[gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK] < 30
    assert (line["method"], line["url.path"], line["status"]) == ("POST", "/v1/chat/completions", 200)


def test_failures_have_their_class(logging, file):
    client = logging.client(MASTER_KEY)
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="openai/rate-limited", messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="made-up", messages=HELLO)
    with pytest.raises(openai.AuthenticationError):
        logging.client("sk-wrong").chat.completions.create(model="openai", messages=HELLO)
    limited, unknown, stranger = lines(file, 3)
    assert (limited["error.type"], limited[gen_ai.GEN_AI_REQUEST_MODEL], limited["dragoman.route"]) == ("rate_limit", "openai/rate-limited", "openai/*")
    assert (unknown["error.type"], unknown["status"]) == ("not_found", 404)
    assert (stranger["error.type"], stranger["status"]) == ("authentication", 401)


def test_no_prompt_and_no_key_is_in_any_line(logging, file):
    messages = [{"role": "user", "content": SECRET_WORDS}]
    client = logging.client(MASTER_KEY)
    client.chat.completions.create(model="openai", messages=messages, extra_query={"key": "sk-in-the-query"})
    with pytest.raises(openai.AuthenticationError):
        logging.client("sk-wrong").chat.completions.create(model="openai", messages=messages)
    lines(file, 2)
    text = file.read_text()
    for secret in (SECRET_WORDS, MASTER_KEY, PROVIDER_KEY, "sk-in-the-query", "sk-wrong"):
        assert secret not in text


def test_a_stream_that_the_client_drops_has_its_line(logging, file, script):
    stream = logging.client(MASTER_KEY).chat.completions.create(model="anthropic", messages=HELLO, stream=True)
    next(iter(stream))
    stream.close()
    (line,) = lines(file, 1)
    assert line[gen_ai.GEN_AI_REQUEST_MODEL] == "anthropic"
    assert line[gen_ai.GEN_AI_USAGE_INPUT_TOKENS] == 1


def test_whose_a_key_is_comes_from_filters_in_front_only(logging, file):
    client = logging.client(MASTER_KEY)
    client.chat.completions.create(model="openai", messages=HELLO, extra_headers={"x-dragoman-team": "forged", "x-litellm-end-user-id": "u"})
    (line,) = lines(file, 1)
    assert (line["user.id"], line.get("dragoman.team")) == ("u", None)


class Fronted(Inline):
    """With a filter in front that knows whose a key is, as an authentication filter does."""

    def command(self) -> list[str]:
        command = super().command()
        file = self.home / "rendered" / "envoy.yaml"
        bootstrap = yaml.safe_load(file.read_text())
        manager = bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        told = [{"append": {"header": {"key": f"x-dragoman-{key}", "value": value}}} for key, value in (("team", "lexicographers"), ("key-alias", "ada-laptop"))]
        mutation = {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": told},
        }
        manager["http_filters"].insert(0, {"name": "whose", "typed_config": mutation})
        file.write_text(yaml.safe_dump(bootstrap))
        return command


def test_the_team_and_the_alias_that_a_filter_in_front_tells(providers, script, file):
    script.then(json_reply({"id": "x", "object": "chat.completion", "model": "m", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}))
    config = litellm_config(providers, script, dragoman={"access_log": {"file": str(file)}})
    with Fronted(config, ENV) as gateway:
        forged = {"x-dragoman-team": "forged", "x-dragoman-key-alias": "forged"}
        gateway.client().chat.completions.create(model="scripted-openai", messages=HELLO, extra_headers=forged)
        (line,) = lines(file, 1)
    assert (line["dragoman.team"], line["dragoman.key.alias"]) == ("lexicographers", "ada-laptop")
    # It is nobody's business but the gateway's.
    assert not {"x-dragoman-team", "x-dragoman-key-alias"} & {name.lower() for name, _ in script.last.headers}


def test_usage_without_a_price_and_usage_that_is_estimated_are_marked(logging, file, script):
    reply = {"id": "x", "object": "chat.completion", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}]}
    usage = {"usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}
    client = logging.client(MASTER_KEY)
    for answer, model in ((reply | usage, "openai/scripted-unpriced"), (reply | usage, "scripted-anthropic"), (reply, "scripted-openai")):
        if model == "scripted-anthropic":
            answer = {"id": "x", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}
            answer["usage"] = {"input_tokens": 5, "output_tokens": 2}
        if model != "openai/scripted-unpriced":
            script.then(json_reply(answer))
        client.chat.completions.create(model=model, messages=HELLO)
    unpriced, priced, estimated = lines(file, 3)
    assert (unpriced.get("dragoman.usage.unpriced"), unpriced.get("gen_ai.usage.cost"), unpriced.get("dragoman.usage.estimated")) == (True, None, None)
    assert (priced.get("dragoman.usage.unpriced"), priced.get("dragoman.usage.estimated")) == (None, None)
    assert priced["gen_ai.usage.cost"] > 0
    assert estimated["dragoman.usage.estimated"] is True


def test_standard_output(providers, script_room):
    with start("roles", providers, script_room, access_log={"stdout": True}) as gateway:
        gateway.client(MASTER_KEY).chat.completions.create(model="openai", messages=HELLO)
        (line,) = lines(gateway.home / "stdout", 1)
    assert line[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS] == 3


PROTOCOLS = ["grpc", "http/protobuf"] if envoy_version() >= (1, 37) else ["grpc"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_opentelemetrys_log_records(providers, script_room, protocol):
    with Receiver() as receiver:
        port = receiver.grpc_port if protocol == "grpc" else receiver.http_port
        otlp = {"endpoint": f"http://127.0.0.1:{port}", "protocol": protocol, "headers": {"Authorization": "os.environ/COLLECTOR_KEY"}}
        config = litellm_config(providers, script_room, dragoman={"access_log": {"otlp": otlp}})
        with Dragoman(config, {**ENV, "COLLECTOR_KEY": "Basic collector-key"}) as gateway:
            gateway.client().chat.completions.create(model="anthropic", messages=HELLO)
            with pytest.raises(openai.RateLimitError):
                gateway.client().chat.completions.create(model="openai/rate-limited", messages=HELLO)
            receiver.wait(lambda r: len(r.logs) == 2)
            assert "collector-key" not in json.dumps(gateway.config_dump())
    told, failed = map(attributes, receiver.logs)
    assert told[gen_ai.GEN_AI_PROVIDER_NAME] == "anthropic"
    assert (told[gen_ai.GEN_AI_USAGE_INPUT_TOKENS], told[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS]) == ("1", "3")
    assert (told["http.response.status_code"], failed["error.type"]) == ("200", "rate_limit")
    assert receiver.resources[0] == {"service.name": "dragoman"}
    (export, *_) = receiver.exports
    assert export.path == ("grpc" if protocol == "grpc" else "/v1/logs")
    assert export.headers["authorization"] == "Basic collector-key"
