"""OpenAI's Responses and its older completions, as OpenAI's stand-in speaks them: with a store, as OpenAI has one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from openai.types.completion_create_params import CompletionCreateParamsNonStreaming as PlainCompletion
from openai.types.completion_create_params import CompletionCreateParamsStreaming as StreamedCompletion
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming

from .scripted import Reply, json_reply, stream_reply
from .typed import problems
from .vendor import Refusal, Said, Turn, say
from .wire import Request

REQUEST = ResponseCreateParamsNonStreaming | ResponseCreateParamsStreaming
COMPLETION = PlainCompletion | StreamedCompletion

_PATH = re.compile(r"/v1/responses(?:/([^/]+))?(/cancel|/input_items)?")


class Responses:
    """The responses of one vendor: what was made, and is kept until it is deleted."""

    def __init__(self, fresh_id: Callable[[str], str], error: Callable[..., Reply], failures: dict[str, Reply]):
        self._fresh_id, self._error, self._failures = fresh_id, error, failures
        self._kept: dict[str, dict] = {}
        self._asked: dict[str, list] = {}

    def respond(self, request: Request) -> Reply | None:
        """The answer to a request that is for a response; None for one that isn't."""
        found = _PATH.fullmatch(request.path)
        if not found:
            return None
        id_, more = found.groups()
        if id_ is None:
            return self._create(request.json) if request.method == "POST" else None
        kept = self._kept.get(id_)
        if kept is None:
            raise Refusal(self._error(404, f"Response with id '{id_}' not found.", "invalid_request_error", None))
        match request.method, more:
            case "GET", None:
                return json_reply(kept)
            case "GET", "/input_items":
                items = self._asked[id_]
                return json_reply({"object": "list", "data": items, "first_id": items[0]["id"], "last_id": items[-1]["id"], "has_more": False})
            case "DELETE", None:
                del self._kept[id_]
                return json_reply({"id": id_, "object": "response", "deleted": True})
            case "POST", "/cancel":
                kept["status"] = "cancelled"
                return json_reply(kept)
        return None

    def _create(self, body: dict) -> Reply:
        if body["model"] in self._failures:
            raise Refusal(self._failures[body["model"]])
        # Some of what its SDK's types demand, OpenAI fills in.
        lenient = (": unknown", ".strict: missing", ".status: missing", ".id: missing")
        if found := [problem for problem in problems(body, REQUEST) if not problem.endswith(lenient)]:
            raise Refusal(self._error(400, f"Invalid value: {found[0]}", "invalid_request_error", None))
        previous = body.get("previous_response_id")
        if previous is not None and previous not in self._kept:
            raise Refusal(self._error(400, f"Previous response with id '{previous}' not found.", "invalid_request_error", "previous_response_not_found"))
        items = _items(body["input"])
        asked = [*self._asked.get(previous, []), *({"id": self._fresh_id("msg_"), **item} for item in items)]
        said = say(_turn(body, asked))
        response = self._response(body, said)
        if body.get("store", True):
            self._kept[response["id"]] = response
            # What comes next goes on from the question and the answer.
            self._asked[response["id"]] = [*asked, *response["output"]]
        return self._stream(body, response, said) if body.get("stream") else json_reply(response, headers=[("x-request-id", "req_stand_in")])

    def _response(self, body: dict, said: Said) -> dict:
        status = "incomplete" if said.cut else "completed"
        text = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        output: list[dict] = [{"id": self._fresh_id("msg_"), "type": "message", "status": status, "role": "assistant", "content": [text]}]
        for call_id, name, arguments in said.calls:
            call = {"type": "function_call", "status": "completed", "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}
            output.append({"id": self._fresh_id("fc_"), **call})
        return {
            "id": self._fresh_id("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if said.cut else None,
            "instructions": body.get("instructions"),
            "metadata": body.get("metadata", {}),
            "model": body["model"] + "-2026-01-01",
            "output": output,
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "previous_response_id": body.get("previous_response_id"),
            "store": body.get("store", True),
            "temperature": body.get("temperature", 1.0),
            "text": body.get("text", {"format": {"type": "text"}}),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools", []),
            "top_p": 1.0,
            "usage": {
                "input_tokens": said.input_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": said.output_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": said.input_tokens + said.output_tokens,
            },
        }

    def _stream(self, body: dict, response: dict, said: Said) -> Reply:
        begun = {**response, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        events: list[dict] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
        for at, item in enumerate(response["output"]):
            place = {"item_id": item["id"], "output_index": at}
            if item["type"] == "message":
                [text] = item["content"]
                inner = {**place, "content_index": 0}
                events.append({"type": "response.output_item.added", "output_index": at, "item": {**item, "status": "in_progress", "content": []}})
                events.append({"type": "response.content_part.added", **inner, "part": {**text, "text": ""}})
                events += [{"type": "response.output_text.delta", **inner, "delta": word, "logprobs": []} for word in said.words]
                events.append({"type": "response.output_text.done", **inner, "text": text["text"], "logprobs": []})
                events.append({"type": "response.content_part.done", **inner, "part": text})
            else:
                events.append({"type": "response.output_item.added", "output_index": at, "item": {**item, "status": "in_progress", "arguments": ""}})
                events.append({"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]})
                events.append({"type": "response.function_call_arguments.done", **place, "name": item["name"], "arguments": item["arguments"]})
            events.append({"type": "response.output_item.done", "output_index": at, "item": item})
        numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
        if body["model"] == "breaks-off":
            broken = {"type": "error", "code": "server_error", "message": "The server had an error.", "param": None}
            return stream_reply(*numbered[:5], {**broken, "sequence_number": 5})
        last = {"type": f"response.{response['status']}", "sequence_number": len(events), "response": response}
        return stream_reply(*numbered, last)


def completion(body: dict, fresh_id: Callable[[str], str], error: Callable[..., Reply]) -> Reply:
    """The older completions: a prompt, or several, each gone on with."""
    if found := [problem for problem in problems(body, COMPLETION) if not problem.endswith(": unknown")]:
        raise Refusal(error(400, f"Invalid value: {found[0]}", "invalid_request_error", None))
    prompts = body["prompt"] if isinstance(body["prompt"], list) else [body["prompt"]]
    told = [say(Turn(body["model"], prompt, limit=body.get("max_tokens"), prompt=prompt)) for prompt in prompts]
    head = {"id": fresh_id("cmpl-"), "object": "text_completion", "created": int(time.time()), "model": body["model"]}
    spent = (sum(said.input_tokens for said in told), sum(said.output_tokens for said in told))
    usage = {"prompt_tokens": spent[0], "completion_tokens": spent[1], "total_tokens": sum(spent)}

    def choice(at: int, text: str, finish: str | None) -> dict:
        return {"text": text, "index": at, "logprobs": None, "finish_reason": finish}

    def ended(said: Said) -> str:
        return "length" if said.cut else "stop"

    if not body.get("stream"):
        return json_reply({**head, "choices": [choice(at, said.text, ended(said)) for at, said in enumerate(told)], "usage": usage})
    events: list[dict[str, Any]] = []
    for at, said in enumerate(told):
        events += [{**head, "choices": [choice(at, word, None)]} for word in said.words]
        events.append({**head, "choices": [choice(at, "", ended(said))]})
    if (body.get("stream_options") or {}).get("include_usage"):
        events.append({**head, "choices": [], "usage": usage})
    return stream_reply(*events, "data: [DONE]\n\n")


def _items(asked: Any) -> list[dict]:
    return [{"type": "message", "role": "user", "content": asked}] if isinstance(asked, str) else asked


def _turn(body: dict, items: list[dict]) -> Turn:
    results = []
    for item in reversed(items):
        if item.get("type") != "function_call_output":
            break
        results.insert(0, _text(item["output"]))
    tools = [(tool["name"], tool.get("parameters") or {}) for tool in body.get("tools", []) if tool["type"] == "function"]
    choice = body.get("tool_choice", "auto")
    if choice == "none":
        tools = []
    elif isinstance(choice, dict):
        tools = [tool for tool in tools if tool[0] == choice.get("name")]
    form = (body.get("text") or {}).get("format") or {}
    schema = {"type": "object"} if form.get("type") == "json_object" else form.get("schema")
    asked = next((_text(item["content"]) for item in reversed(items) if item.get("role") == "user"), "")
    prompt = " ".join([body.get("instructions") or "", *(_text(item.get("content", item.get("output"))) for item in items)])
    return Turn(body["model"], asked, results, tools, schema, False, body.get("max_output_tokens"), prompt)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", f"[{part['type']}]") for part in content)
    return content or ""
