"""OpenAI's Python SDK asks for responses, of providers in every language: its own stream accumulator and types are the judges."""

from __future__ import annotations

import json

import openai
import pydantic
import pytest
from checks import assert_openai_error
from conftest import MASTER_KEY, entry, litellm_config, start
from gateway import HTTP, envoy_version
from openai.types.responses import Response, ResponseStreamEvent
from standins.scripted import STALL, json_reply, stream_reply

EVERY = ["anthropic", "bedrock", "cohere", "gemini", "mistral", "ollama", "openai"]
every_language = pytest.mark.parametrize("model", EVERY)
# OpenAI's stand-in speaks responses itself; for the others they are translated.
TRANSLATED = [model for model in EVERY if model != "openai"]
translated = pytest.mark.parametrize("model", TRANSLATED)

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}}, "required": ["place", "days"], "additionalProperties": False},
    "strict": True,
}
CLOCK = {"type": "function", "name": "clock", "description": "The time.", "parameters": {"type": "object", "properties": {}}, "strict": False}

EVENT = pydantic.TypeAdapter(ResponseStreamEvent)


def strictly(raw: dict) -> Response:
    """The SDK's own model, which the SDK itself never insists on."""
    return Response.model_validate(raw)


def judged(events: list[dict]) -> None:
    """What every stream of events keeps to."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    open_items, done_items, parts = {}, {}, set()
    for event in events:
        EVENT.validate_python(event)
        kind, at = event["type"], event.get("output_index")
        if kind == "response.output_item.added":
            assert at == len(open_items) + len(done_items), "items are numbered as they come"
            open_items[at] = event["item"]["id"]
        elif kind == "response.output_item.done":
            assert open_items.pop(at) == event["item"]["id"]
            done_items[at] = event["item"]
        elif at is not None:
            assert open_items[at] == event["item_id"], f"{kind} is told of an item that is not open"
            if kind == "response.content_part.added":
                parts.add((at, event["content_index"]))
            elif kind == "response.content_part.done":
                parts.remove((at, event["content_index"]))
    assert not open_items and not parts
    last = events[-1]
    assert last["type"] in ("response.completed", "response.incomplete")
    assert [item["id"] for item in last["response"]["output"]] == [done_items[at]["id"] for at in sorted(done_items)]


def raw_events(gateway, **asked) -> list[dict]:
    with HTTP.stream("POST", gateway.base_url + "/v1/responses", json={"stream": True, **asked}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    events = []
    for block in text.split("\n\n")[:-1]:
        name, data = block.split("\n", 1)
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    return events


@every_language
def test_a_response(languages, model):
    raw = languages.client().responses.with_raw_response.create(
        model=model, instructions="Be kind.", input="Hello, wörld 🌍", metadata={"a": "b"}, user="u-1", max_output_tokens=50
    )
    response = strictly(json.loads(raw.http_response.read()))
    assert (response.object, response.status, response.error, response.incomplete_details) == ("response", "completed", None, None)
    assert response.output_text == "You said: Hello, wörld 🌍"
    assert (response.instructions, response.metadata, response.tools, response.tool_choice) == ("Be kind.", {"a": "b"}, [], "auto")
    # "Be kind." and the three words, as the stand-ins count.
    assert (response.usage.input_tokens, response.usage.output_tokens, response.usage.total_tokens) == (5, 5, 10)
    [message] = response.output
    assert (message.type, message.role, message.status) == ("message", "assistant", "completed")
    assert response.id.startswith("resp_") and response.created_at > 1_600_000_000


@every_language
def test_the_streams_helper(languages, model):
    with languages.client().responses.stream(model=model, input="Hello, wörld 🌍") as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert "".join(deltas) == final.output_text == "You said: Hello, wörld 🌍"
    assert (final.usage.input_tokens, final.usage.output_tokens) == (3, 5)


@every_language
def test_a_streams_events(languages, model):
    events = raw_events(languages, model=model, input="both", tools=[WEATHER, CLOCK])
    judged(events)
    response = strictly(events[-1]["response"])
    calls = [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
    assert calls == [("weather", {"place": "both", "days": 7}), ("clock", {})]
    ids = {event["response"]["id"] for event in events if "response" in event}
    assert len(ids) == 1


@every_language
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_loop_of_tools_in_three_turns(languages, model, stream):
    client = languages.client()

    def ask(items: list) -> Response:
        options = {"model": model, "input": items, "tools": [WEATHER, CLOCK], "include": ["reasoning.encrypted_content"], "store": False}
        if not stream:
            return client.responses.create(**options)
        with client.responses.stream(**options) as events:
            return events.get_final_response()

    items: list = [{"role": "user", "content": "Bern"}]
    for turn, question in enumerate(["both", "Basel", None]):
        response = ask(items)
        calls = [item for item in response.output if item.type == "function_call"]
        assert [call.name for call in calls] == (["weather", "clock"] if turn == 1 else ["weather"])
        assert len({call.call_id for call in calls}) == len(calls)
        # All that came goes back, as OpenAI's guide says.
        items += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
        items += [{"type": "function_call_output", "call_id": call.call_id, "output": f"sunny {turn}"} for call in calls]
        answer = ask(items)
        assert answer.output_text == "The tool said: " + "; ".join([f"sunny {turn}"] * len(calls))
        items += [item.model_dump(exclude_none=True, exclude={"content": {"__all__": {"parsed"}}}) for item in answer.output]
        if question:
            items.append({"role": "user", "content": [{"type": "input_text", "text": question}]})


@every_language
def test_parse(languages, model):
    class Place(pydantic.BaseModel):
        name: str
        people: int

    if model == "bedrock":
        pytest.skip("its stand-in answers with no schema")
    response = languages.client().responses.parse(model=model, input="Bern", text_format=Place)
    assert response.output_parsed == Place(name="Bern", people=7)


@every_language
def test_the_token_limit(languages, model):
    response = languages.client().responses.create(model=model, input="Hello, wörld 🌍", max_output_tokens=2)
    assert (response.status, response.incomplete_details.reason, response.output_text) == ("incomplete", "max_output_tokens", "You said:")


@every_language
def test_an_image(languages, model):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    content = [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": f"data:image/png;base64,{pixel}", "detail": "auto"}]
    response = languages.client().responses.create(model=model, input=[{"role": "user", "content": content}])
    assert response.output_text in ("You said: What is it? [image_url]", "You said: What is it? [image]", "You said: What is it? [input_image]")


@pytest.mark.parametrize("model", ["anthropic", "gemini"])
def test_reasoning_comes_back(languages, speakers, model):
    """What the model thought is shown, and returns to it signed."""
    client = languages.client()
    options = {"model": model, "tools": [WEATHER], "reasoning": {"effort": "low", "summary": "auto"}, "max_output_tokens": 4000}
    first = client.responses.create(input="Bern", **options)
    [thought] = [item for item in first.output if item.type == "reasoning"]
    assert thought.summary[0].text == "The user wants an answer to: Bern"
    assert first.usage.output_tokens > 0
    with client.responses.stream(input="Bern", **options) as stream:
        said = "".join(event.delta for event in stream if event.type == "response.reasoning_summary_text.delta")
        streamed = stream.get_final_response()
    assert said == thought.summary[0].text
    for response in (first, streamed):
        speakers[model].clear()
        [call] = [item for item in response.output if item.type == "function_call"]
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        told = [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in response.output]
        answer = client.responses.create(input=[{"role": "user", "content": "Bern"}, *told, result], **options)
        assert answer.output_text == "The tool said: sunny"
        asked = speakers[model].last.body.decode()
        signature = "thoughtSignature" if model == "gemini" else "signature"
        assert signature in asked


@translated
def test_what_needs_a_store_is_refused(languages, model):
    client = languages.client()
    made = client.responses.create(model=model, input="Hello", store=True)
    assert made.to_dict()["store"] is False
    for call in (client.responses.retrieve, client.responses.delete, client.responses.cancel, lambda id_: client.responses.input_items.list(id_).data):
        with pytest.raises(openai.NotFoundError) as raised:
            call(made.id)
        assert raised.value.code == "response_not_stored"
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=model, input="More", previous_response_id=made.id)
    assert (raised.value.param, raised.value.code) == ("previous_response_id", "response_not_stored")
    for name, value in {"background": True, "conversation": "conv_1", "prompt": {"id": "pmpt_1"}}.items():
        with pytest.raises(openai.BadRequestError) as raised:
            client.responses.create(model=model, input="Hello", **{name: value})
        assert raised.value.param == name
    with pytest.raises(openai.BadRequestError) as raised:
        client.responses.create(model=model, input="Hello", tools=[{"type": "file_search", "vector_store_ids": ["vs_1"]}])
    assert raised.value.param == "tools[0].type"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=model, input=[{"type": "item_reference", "id": "msg_1"}])


def test_a_kept_response_is_reached_by_its_id(gateway):
    client = gateway.client()
    made = client.responses.create(model="openai", input="Hello")
    assert made.id.startswith("resp_dgm")
    kept = client.responses.retrieve(made.id)
    assert (kept.id, kept.output_text) == (made.id, "You said: Hello")
    assert [item.content for item in client.responses.input_items.list(made.id).data if item.role == "user"]
    assert client.responses.cancel(made.id).status == "cancelled"
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_conversation_goes_on_where_it_was_kept(gateway, stream):
    client = gateway.client()

    def ask(**asked) -> Response:
        options = {"model": "openai", "tools": [WEATHER], **asked}
        if not stream:
            return client.responses.create(**options)
        with client.responses.stream(**options) as events:
            return events.get_final_response()

    first = ask(input="Bern")
    [call] = [item for item in first.output if item.type == "function_call"]
    second = ask(previous_response_id=first.id, input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}])
    assert (second.output_text, second.previous_response_id) == ("The tool said: sunny", first.id)


def test_two_targets_that_keep_responses(script_room, providers):
    """Whichever of a route's targets made a response, what is asked of it later goes there."""
    openai_ = providers["openai"]
    with type(openai_)() as other:
        models = [entry("both", "openai/gpt-4o", openai_.api_base), entry("both", "openai/gpt-4o", other.api_base)]
        config = {"model_list": models, "litellm_settings": {"num_retries": 0}, "general_settings": {"master_key": "os.environ/MASTER_KEY"}}
        with start("roles", config) as gateway:
            client = gateway.client(MASTER_KEY)
            made = [client.responses.create(model="both", input=f"Hello {number}") for number in range(12)]
            for number, response in enumerate(made):
                assert client.responses.retrieve(response.id).output_text == f"You said: Hello {number}"
                more = client.responses.create(model="both", input="More", previous_response_id=response.id)
                assert more.output_text == "You said: More"
            assert other.requests, "both targets were asked"
            # Another key's ids, changed ids and a provider's own are nobody's.
            id_ = made[0].id
            for wrong in (id_[:-3] + "AAA", id_[:10] + ("B" if id_[10] != "B" else "C") + id_[11:], "resp_0123456789abcdef", "resp_dgm", "x"):
                with pytest.raises(openai.NotFoundError) as raised:
                    client.responses.retrieve(wrong)
                assert raised.value.code == "response_not_found"
                with pytest.raises(openai.BadRequestError) as raised:
                    client.responses.create(model="both", input="More", previous_response_id=wrong)
                assert raised.value.code == "previous_response_not_found"
            with pytest.raises(openai.AuthenticationError):
                gateway.client("sk-wrong").responses.retrieve(id_)
        with start("roles", {**config, "general_settings": {"master_key": "sk-another-1234567890"}}) as elsewhere:
            with pytest.raises(openai.NotFoundError):
                elsewhere.client("sk-another-1234567890").responses.retrieve(id_)


def test_other_methods_and_paths(gateway):
    id_ = gateway.client().responses.create(model="openai", input="Hello").id
    assert_openai_error(HTTP.post(f"{gateway.base_url}/v1/responses/{id_}", json={}), 405)
    assert_openai_error(HTTP.get(f"{gateway.base_url}/v1/responses"), 405)
    # A body where none is wanted changes nothing.
    assert HTTP.post(f"{gateway.base_url}/v1/responses/{id_}/cancel", json={"a": "b" * 1000}).json()["status"] == "cancelled"


FAILURES = [("openai/rate-limited", 429), ("openai/down", 500), ("openai/too-long", 400), ("anthropic/rate-limited", 429), ("gemini/rate-limited", 429)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("model", "status"), FAILURES)
def test_an_error_before_the_answer(languages, model, status, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        languages.client().responses.create(model=model, input="Hello", stream=stream)
    assert raised.value.status_code == status
    assert raised.value.body.keys() >= {"message", "type", "param", "code"}


@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_an_error_in_mid_stream(languages, model):
    text = ""
    with pytest.raises(openai.APIError) as raised:
        for event in languages.client().responses.create(model=f"{model}/breaks-off", input="Hello", stream=True):
            text += event.delta if event.type == "response.output_text.delta" else ""
    assert "You said:".startswith(text.rstrip()) and raised.value.message


def test_a_stream_that_fails_before_it_says_anything_is_an_error_by_itself(gateway, script):
    """On an Envoy that holds heads, what is told before the first output commits to nothing."""
    begun = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    failed = {**begun, "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}}
    script.then(stream_reply({"type": "response.created", "sequence_number": 0, "response": begun}, {"type": "response.failed", "sequence_number": 1, "response": failed}))
    with pytest.raises(openai.APIError) as raised:
        list(gateway.client().responses.create(model="scripted-openai", input="Hello", stream=True))
    assert "Slow down." in raised.value.message
    if type(gateway).__name__ == "Dragoman" and envoy_version() >= (1, 37):
        assert raised.value.status_code == 429


def test_a_failed_response_is_an_error(gateway, script):
    failed = {"id": "resp_1", "object": "response", "status": "failed", "error": {"code": "server_error", "message": "It broke."}, "output": []}
    script.then(json_reply(failed))
    with pytest.raises(openai.InternalServerError) as raised:
        gateway.client().responses.create(model="scripted-openai", input="Hello")
    assert "It broke." in raised.value.message


def test_a_stream_that_ends_early_is_no_success(gateway, script):
    begun = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    delta = {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hel", "logprobs": []}
    script.then(stream_reply({"type": "response.created", "sequence_number": 0, "response": begun}, delta))
    with pytest.raises(openai.APIError):
        list(gateway.client().responses.create(model="scripted-openai", input="Hello", stream=True))


def test_the_client_leaves_and_the_provider_is_told(gateway, script):
    begun = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    delta = {"type": "response.output_text.delta", "sequence_number": 1, "item_id": "m", "output_index": 0, "content_index": 0, "delta": "Hel", "logprobs": []}
    script.then(stream_reply({"type": "response.created", "sequence_number": 0, "response": begun}, delta, STALL))
    stream = gateway.client().responses.create(model="scripted-openai", input="Hello", stream=True)
    next(stream)
    stream.response.close()
    script.wait_for_departures(1)


@pytest.mark.parametrize("model", ["openai", "anthropic"])
def test_responses_are_metered(providers, script_room, model):
    with start("roles", litellm_config(providers, script_room)) as gateway:
        client = gateway.client()
        made = client.responses.create(model=model, input="Hello")
        list(client.responses.create(model=model, input="Hello", stream=True))
        labels = {"dragoman_route": model, "dragoman_provider": model}
        gateway.wait_for_total("dragoman_requests", 2, **labels, dragoman_status="2xx")
        # "Hello" is one token, "You said: Hello" three, as the stand-ins count.
        assert gateway.total("dragoman_tokens", **labels, dragoman_type="input") == 2
        assert gateway.total("dragoman_tokens", **labels, dragoman_type="output") == 6
        if model == "openai":
            # What is read again costs nothing again.
            client.responses.retrieve(made.id)
            gateway.wait_for_total("dragoman_requests", 3, **labels, dragoman_status="2xx")
            assert gateway.total("dragoman_tokens", **labels, dragoman_type="input") == 2


@pytest.mark.skipif(envoy_version() < (1, 37), reason="there, only what never reached a provider is tried again")
def test_a_response_is_tried_elsewhere(providers, script_room):
    """A chain from a target that speaks responses to one that doesn't: the second answers in the first one's place."""
    models = [
        entry("chain", "openai/down", providers["openai"].api_base, order=1),
        entry("chain", f"anthropic/{providers['anthropic'].model}", providers["anthropic"].api_base, order=2),
    ]
    with start("roles", {"model_list": models, "router_settings": {"num_retries": 2}}) as gateway:
        response = gateway.client().responses.create(model="chain", input="Hello")
        assert response.output_text == "You said: Hello"
        with gateway.client().responses.stream(model="chain", input="Hello") as stream:
            assert stream.get_final_response().output_text == "You said: Hello"
