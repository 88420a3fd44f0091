"""Envoy's OpenTelemetry traces: a span for each request, one for each attempt, with the attributes of the access log. Where
they go is a receiver built on the official protobufs."""

from __future__ import annotations

import base64
import json

import openai
import pytest
from checks import HELLO
from conftest import PROVIDER_KEY, SHAPES, entry, litellm_config
from gateway import envoy_version
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from otlp import Receiver, attributes
from standins.scripted import json_reply

pytestmark = pytest.mark.skipif(envoy_version() < (1, 37), reason="Envoy 1.36 can't tag spans with filter state")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def receiver():
    with Receiver() as started:
        yield started


def traced(shape: str, providers, script, receiver: Receiver, env: dict[str, str] | None = None, **settings):
    traces = {"endpoint": f"http://127.0.0.1:{receiver.grpc_port}", "protocol": "grpc"}
    config = litellm_config(providers, script, **({"dragoman": {"traces": traces}} if not settings else settings))
    return SHAPES[shape](config, {"PROVIDER_KEY": PROVIDER_KEY, **(env or {})})


def kinds(receiver: Receiver, count: int) -> tuple[list[Span], list[Span]]:
    """The spans of requests and of attempts, once there are that many."""
    spans = receiver.wait(lambda r: r.spans if len(r.spans) >= count else None)
    return [s for s in spans if s.kind == Span.SPAN_KIND_SERVER], [s for s in spans if s.kind == Span.SPAN_KIND_CLIENT]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stream", [False, True])
def test_a_request_and_its_attempt_continue_the_clients_trace(shape, stream, providers, script_room, receiver):
    with traced(shape, providers, script_room, receiver) as gateway:
        reply = gateway.client().chat.completions.create(
            model="anthropic", messages=HELLO, stream=stream, user="ada", extra_headers={"traceparent": TRACEPARENT, "tracestate": "v=1"}
        )
        if stream:
            list(reply)
        ((request,), (attempt,)) = kinds(receiver, 2)
    assert request.trace_id.hex() == attempt.trace_id.hex() == TRACE
    assert (request.parent_span_id.hex(), attempt.parent_span_id) == (PARENT, request.span_id)
    asked = providers["anthropic"].last
    assert asked.header("traceparent") == f"00-{TRACE}-{attempt.span_id.hex()}-01"
    assert asked.header("tracestate") == "v=1"
    for span in (request, attempt):
        told = attributes(span)
        if shape == "inline" and span is attempt:
            # No filter sees the attempt end before Envoy has ended its span.
            continue
        assert told[gen_ai.GEN_AI_PROVIDER_NAME] == told[gen_ai.GEN_AI_SYSTEM] == "anthropic"
        assert told[gen_ai.GEN_AI_REQUEST_MODEL] == told["dragoman.route"] == "anthropic"
        assert (told[gen_ai.GEN_AI_USAGE_INPUT_TOKENS], told[gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS]) == ("1", "3")
        assert (told[gen_ai.GEN_AI_RESPONSE_FINISH_REASONS], told["user.id"]) == ("stop", "ada")
        assert "error.type" not in told
        assert "Hello" not in json.dumps(told)
    assert request.name == "gateway"
    assert receiver.resources[0]["service.name"] == "dragoman"


def passes(receiver: Receiver, count: int) -> list[tuple[Span, list[Span]]]:
    """Each pass of a request, in order: its own span, and those below it. Envoy begins a request anew for each next try."""
    requests, attempts = kinds(receiver, count)
    by_end = sorted(requests, key=lambda span: span.end_time_unix_nano)
    return [(span, [below for below in attempts if below.parent_span_id == span.span_id]) for span in by_end]


def chain(providers, first: str) -> list[dict]:
    anthropic = providers["anthropic"]
    return [
        entry("chain", "openai/first", first, order=1),
        entry("chain", f"{anthropic.prefix}/{anthropic.model}", anthropic.api_base, order=2),
    ]


# From 1.39 on Envoy's tracer drops what has a parent and has begun anew.
ONE_TRACE = envoy_version() < (1, 39)


@pytest.mark.parametrize("parent", [TRACEPARENT, None], ids=["in the client's trace", "in a trace of its own"])
def test_every_attempt_has_a_span_with_its_own_target(providers, script, receiver, parent):
    script.then(json_reply({"error": {"message": "no", "type": "server_error", "param": None, "code": None}}, 500))
    traces = {"endpoint": f"http://127.0.0.1:{receiver.http_port}", "protocol": "http/protobuf"}
    config = {"model_list": chain(providers, script.base + "/v1"), "dragoman": {"traces": traces}}
    with SHAPES["roles"](config, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
        head = {"traceparent": parent, "tracestate": "v=1"} if parent else {}
        gateway.client().chat.completions.create(model="chain", messages=HELLO, extra_headers=head)
        (before, (first,)), (request, (second,)) = passes(receiver, 4)
    assert [attributes(span)[gen_ai.GEN_AI_PROVIDER_NAME] for span in (first, before, second, request)] == ["openai", "openai", "anthropic", "anthropic"]
    assert [attributes(span)["http.status_code"] for span in (first, before, second, request)] == ["500", "500", "200", "200"]
    assert [attributes(span).get("error.type") for span in (first, before, second, request)] == ["server", "server", None, None]
    assert first.name == second.name == "chat chain"
    # The last pass tells of the whole request: from its beginning, with all that it has come to.
    assert attributes(request)["dragoman.attempts"] == "2"
    assert "dragoman.attempts" not in attributes(before)
    assert request.start_time_unix_nano == before.start_time_unix_nano < first.end_time_unix_nano < second.start_time_unix_nano
    asked, answered = script.last, providers["anthropic"].last
    assert asked.header("traceparent") == f"00-{first.trace_id.hex()}-{first.span_id.hex()}-01"
    assert answered.header("traceparent") == f"00-{second.trace_id.hex()}-{second.span_id.hex()}-01"
    assert before.trace_id == first.trace_id and request.trace_id == second.trace_id
    came_in = parent or asked.header("traceparent")
    assert before.parent_span_id.hex() == (PARENT if parent else "")
    if ONE_TRACE:
        assert request.trace_id == before.trace_id
        assert request.parent_span_id.hex() == came_in.split("-")[2]
        assert answered.header("tracestate") == ("v=1" if parent else None)
    else:
        assert (request.trace_id != before.trace_id, request.parent_span_id) == (True, b"")
        assert [attributes(span).get("dragoman.traceparent") for span in (before, first, request, second)] == [None, None, came_in, came_in]
        assert answered.header("tracestate") is None
    assert asked.header("tracestate") == ("v=1" if parent else None)


def test_a_target_that_nobody_answers_at_has_a_span(providers, script_room, receiver):
    traces = {"endpoint": f"http://127.0.0.1:{receiver.http_port}", "protocol": "http/protobuf"}
    config = {"model_list": chain(providers, "http://127.0.0.1:1/v1"), "dragoman": {"traces": traces}}
    with SHAPES["roles"](config, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
        gateway.client().chat.completions.create(model="chain", messages=HELLO)
        (before, tried), (request, (second,)) = passes(receiver, 5)
    # Below the first pass are the attempt, and the hop inside Envoy that tells the filter of it.
    first, hop = sorted(tried, key=lambda span: span.start_time_unix_nano)
    assert [attributes(span)[gen_ai.GEN_AI_PROVIDER_NAME] for span in (first, before, second, request)] == ["openai", "openai", "anthropic", "anthropic"]
    assert (attributes(first)["error"], attributes(first)["http.status_code"]) == ("true", "0")
    assert attributes(hop)["error.type"] == attributes(before)["error.type"] == "overloaded"
    assert (attributes(request)["http.status_code"], attributes(request)["dragoman.attempts"]) == ("200", "2")


def test_what_the_client_has_decided_against_is_not_traced_anew(providers, script, receiver):
    script.then(json_reply({"error": {"message": "no", "type": "server_error", "param": None, "code": None}}, 500))
    traces = {"endpoint": f"http://127.0.0.1:{receiver.http_port}", "protocol": "http/protobuf"}
    config = {"model_list": chain(providers, script.base + "/v1"), "dragoman": {"traces": traces}}
    with SHAPES["roles"](config, {"PROVIDER_KEY": PROVIDER_KEY}) as gateway:
        client = gateway.client()
        client.chat.completions.create(model="chain", messages=HELLO, extra_headers={"traceparent": TRACEPARENT[:-1] + "0"})
        anew = providers["anthropic"].last.header("traceparent")
        # The next is traced: whatever was to be told of the one before has been told by then.
        script.then(json_reply({"error": {"message": "no", "type": "server_error", "param": None, "code": None}}, 500))
        client.chat.completions.create(model="chain", messages=HELLO)
        spans = passes(receiver, 4)
    assert (anew.split("-")[1], anew[-3:]) == (TRACE, "-00")
    assert len(spans) == 2
    assert TRACE not in {span.trace_id.hex() for span, _ in spans}


def test_failures_and_the_query_of_a_url(providers, script_room, receiver):
    with traced("roles", providers, script_room, receiver) as gateway:
        with pytest.raises(openai.RateLimitError):
            gateway.client().chat.completions.create(model="openai/rate-limited", messages=HELLO, extra_query={"key": "sk-in-the-query"})
        ((request,), _) = kinds(receiver, 2)
    told = attributes(request)
    assert (told["error.type"], told["http.status_code"]) == ("rate_limit", "429")
    assert told["http.url"] == told["url.path"] == "/v1/chat/completions"
    assert "sk-in-the-query" not in str(request)


def test_a_stream_that_the_client_drops_is_traced(providers, script_room, receiver):
    with traced("roles", providers, script_room, receiver) as gateway:
        stream = gateway.client().chat.completions.create(model="anthropic", messages=HELLO, stream=True)
        next(iter(stream))
        stream.close()
        ((request,), (attempt,)) = kinds(receiver, 2)
    for span in (request, attempt):
        told = attributes(span)
        assert (told[gen_ai.GEN_AI_REQUEST_MODEL], told[gen_ai.GEN_AI_PROVIDER_NAME]) == ("anthropic", "anthropic")


def test_no_trace_that_the_client_has_decided_against(providers, script_room, receiver):
    with traced("roles", providers, script_room, receiver) as gateway:
        client = gateway.client()
        client.chat.completions.create(model="openai", messages=HELLO, extra_headers={"traceparent": TRACEPARENT[:-1] + "0"})
        client.chat.completions.create(model="openai", messages=HELLO)
        ((request,), _) = kinds(receiver, 2)
    assert request.trace_id.hex() != TRACE


def test_litellms_callback_otel(providers, script_room, receiver):
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.http_port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=one%20key",
        "OTEL_SERVICE_NAME": "gateway-of-ours",
    }
    with traced("roles", providers, script_room, receiver, env, litellm_settings={"callbacks": ["otel", "prometheus"]}) as gateway:
        gateway.client().chat.completions.create(model="openai", messages=HELLO)
        kinds(receiver, 2)
        assert "one key" not in json.dumps(gateway.config_dump())
    (export, *_) = receiver.exports
    assert (export.path, export.headers["x-api-key"]) == ("/v1/traces", "one key")
    assert receiver.resources[0]["service.name"] == "gateway-of-ours"


def test_langfuse_gets_its_traces_and_its_keys_are_in_no_file(providers, script_room, receiver):
    """What envoy/observability/langfuse.md tells, with the receiver in Langfuse's place."""
    env = {
        "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
        "LANGFUSE_SECRET_KEY": "sk-lf-2",
        "LANGFUSE_OTEL_HOST": f"http://127.0.0.1:{receiver.http_port}",
    }
    with traced("roles", providers, script_room, receiver, env, litellm_settings={"callbacks": ["langfuse_otel"]}) as gateway:
        gateway.client().chat.completions.create(model="openai", messages=HELLO)
        kinds(receiver, 2)
        authorization = "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-2").decode()
        assert authorization.split()[1] not in json.dumps(gateway.config_dump())
    (export, *_) = receiver.exports
    assert (export.path, export.headers["authorization"]) == ("/api/public/otel/v1/traces", authorization)
