"""Client languages as their vendors' own SDKs speak them: what a test asks in one way, in each of them.

To add a language: a class here and a line in `LANGUAGES`.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import anthropic
import openai
from openai.lib.streaming._deltas import accumulate_delta
from openai.types.chat import ChatCompletion

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
"""The input of every function."""

FUNCTION = {"type": "function", "function": {"name": "get_weather", "description": "The weather", "parameters": SCHEMA}}
"""One of them, as a chat's tool."""

RUN = {"name": "run", "description": "Runs a program."}
"""A custom tool: its input is a text."""


@dataclasses.dataclass
class Answer:
    """What an SDK made of a turn."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, str, Any]] = dataclasses.field(default_factory=list)
    """Id, name, and arguments or a custom tool's input."""
    finish: str = ""
    """`stop` or `calls`, in no language's words."""
    input: int = 0
    output: int = 0
    native: Any = None
    """The turn as the SDK has it, to be sent back."""


class Refused(Exception):
    """The gateway's or the provider's refusal, as the SDK understood it."""

    def __init__(self, status: int, message: str):
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


class Language:
    """A conversation in one language; `say` goes on with it."""

    def __init__(self, base_url: str, model: str, *, tools: bool = False, custom: bool = False, thinking: bool = False, stream: bool = False):
        self.base_url, self.model = base_url, model
        self.custom = custom
        self.tools, self.thinking, self.stream = tools, thinking, stream
        self.turns: list[Any] = []

    def sdk(self) -> openai.OpenAI:
        """OpenAI's SDK, as the client of the gateway."""
        http = openai.DefaultHttpxClient(verify=False)
        return openai.OpenAI(base_url=self.base_url + "/v1", api_key="sk-client", http_client=http, max_retries=0, timeout=60)

    def say(self, text: str, image: bool = False) -> Answer:
        """The user says something."""
        raise NotImplementedError

    def result(self, results: dict[str, str]) -> Answer:
        """The results of calls, by their ids."""
        raise NotImplementedError


class Chat(Language):
    """OpenAI's chat completions."""

    def say(self, text: str, image: bool = False) -> Answer:
        parts: list[dict] = [{"type": "text", "text": text}]
        if image:
            parts.append({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}})
        self.turns.append({"role": "user", "content": parts if image else text})
        return self._ask()

    def result(self, results: dict[str, str]) -> Answer:
        self.turns += [{"role": "tool", "tool_call_id": id_, "content": text} for id_, text in results.items()]
        return self._ask()

    def _ask(self) -> Answer:
        client = self.sdk()
        more: dict[str, Any] = {"max_completion_tokens": 4000}
        if self.tools:
            more["tools"] = [FUNCTION]
        if self.custom:
            more["tools"] = [{"type": "custom", "custom": RUN}]
        if self.thinking:
            more["reasoning_effort"] = "high"
        try:
            if self.stream and self.custom:
                thinking, reply = "", gathered(client.chat.completions.create(model=self.model, messages=self.turns, stream=True, stream_options={"include_usage": True}, **more))
            elif self.stream:
                with client.chat.completions.stream(model=self.model, messages=self.turns, stream_options={"include_usage": True}, **more) as events:
                    thinking = "".join(
                        (event.chunk.choices[0].delta.model_extra or {}).get("reasoning_content") or ""
                        for event in events
                        if event.type == "chunk" and event.chunk.choices
                    )
                    reply = events.get_final_completion()
            else:
                reply = client.chat.completions.create(model=self.model, messages=self.turns, **more)
                thinking = (reply.choices[0].message.model_extra or {}).get("reasoning_content") or ""
        except openai.APIStatusError as error:
            raise Refused(error.status_code, str(error.body["message"])) from error
        message = reply.choices[0].message
        given = lambda call: (call.custom.name, call.custom.input) if call.type == "custom" else (call.function.name, json.loads(call.function.arguments))
        calls = [(call.id, *given(call)) for call in message.tool_calls or []]
        self.turns.append({"role": "assistant", "content": message.content, **({"tool_calls": [call.model_dump(exclude={"parsed_arguments": True, "index": True, "function": {"parsed_arguments"}}) for call in message.tool_calls]} if calls else {})})
        finish = {"stop": "stop", "tool_calls": "calls"}.get(reply.choices[0].finish_reason, reply.choices[0].finish_reason)
        return Answer(message.content or "", thinking, calls, finish, reply.usage.prompt_tokens, reply.usage.completion_tokens, message)


class Messages(Language):
    """Anthropic's Messages."""

    def say(self, text: str, image: bool = False) -> Answer:
        content: list[dict] = [{"type": "text", "text": text}]
        if image:
            content.insert(0, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}})
        self.turns.append({"role": "user", "content": content})
        return self._ask()

    def result(self, results: dict[str, str]) -> Answer:
        self.turns.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, text in results.items()]})
        return self._ask()

    def client(self) -> anthropic.Anthropic:
        http = anthropic.DefaultHttpxClient(verify=False)
        return anthropic.Anthropic(base_url=self.base_url, api_key="sk-client", http_client=http, max_retries=0, timeout=60)

    def _ask(self) -> Answer:
        more: dict[str, Any] = {"max_tokens": 4000, "system": "Be brief."}
        if self.tools:
            more["tools"] = [{"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}]
        if self.thinking:
            more["thinking"] = {"type": "enabled", "budget_tokens": 2000}
        try:
            if self.stream:
                with self.client().messages.stream(model=self.model, messages=self.turns, **more) as events:
                    grammar([event for event in events ])
                    reply = events.get_final_message()
            else:
                reply = self.client().messages.create(model=self.model, messages=self.turns, **more)
        except anthropic.APIStatusError as error:
            raise Refused(error.status_code, str(error.body["error"]["message"])) from error
        answer = Answer(native=reply, input=reply.usage.input_tokens, output=reply.usage.output_tokens)
        for block in reply.content:
            if block.type == "text":
                answer.text += block.text
            elif block.type == "thinking":
                answer.thinking += block.thinking
            elif block.type == "tool_use":
                answer.calls.append((block.id, block.name, block.input))
        answer.finish = {"end_turn": "stop", "tool_use": "calls"}.get(reply.stop_reason, reply.stop_reason)
        self.turns.append({"role": "assistant", "content": [block.model_dump(exclude_none=True, exclude={"parsed_output"}) for block in reply.content]})
        return answer


class Responses(Language):
    """OpenAI's Responses. Every item that came goes back, as its guide says."""

    def say(self, text: str, image: bool = False) -> Answer:
        content: list[dict] = [{"type": "input_text", "text": text}]
        if image:
            content.append({"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "auto"})
        self.turns.append({"role": "user", "content": content})
        return self._ask()

    def result(self, results: dict[str, str]) -> Answer:
        kind = "custom_tool_call_output" if self.custom else "function_call_output"
        self.turns += [{"type": kind, "call_id": id_, "output": text} for id_, text in results.items()]
        return self._ask()

    def _ask(self) -> Answer:
        client = self.sdk()
        more: dict[str, Any] = {"max_output_tokens": 4000, "store": False, "include": ["reasoning.encrypted_content"]}
        if self.tools:
            more["tools"] = [{"type": "function", "name": "get_weather", "description": "The weather", "parameters": SCHEMA, "strict": False}]
        if self.custom:
            more["tools"] = [{"type": "custom", **RUN}]
        if self.thinking:
            more["reasoning"] = {"effort": "high", "summary": "auto"}
        try:
            if self.stream:
                with client.responses.stream(model=self.model, input=self.turns, **more) as events:
                    reply = events.get_final_response()
            else:
                reply = client.responses.create(model=self.model, input=self.turns, **more)
        except openai.APIStatusError as error:
            raise Refused(error.status_code, str(error.body["message"])) from error
        answer = Answer(reply.output_text, native=reply, input=reply.usage.input_tokens, output=reply.usage.output_tokens)
        for item in reply.output:
            if item.type == "reasoning":
                answer.thinking += "".join(part.text for part in item.summary)
            elif item.type == "function_call":
                answer.calls.append((item.call_id, item.name, json.loads(item.arguments)))
            elif item.type == "custom_tool_call":
                answer.calls.append((item.call_id, item.name, item.input))
        answer.finish = "calls" if answer.calls else {"completed": "stop"}.get(reply.status, reply.status)
        self.turns += [item.model_dump(exclude_none=True, exclude={"parsed_arguments": True, "content": {"__all__": {"parsed"}}}) for item in reply.output]
        return answer


class Completions(Language):
    """OpenAI's older completions: texts alone, and no turn but the first."""

    def say(self, text: str, image: bool = False) -> Answer:
        client = self.sdk()
        prompt: Any = text
        if image:
            prompt = [{"type": "text", "text": text}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
        more: dict[str, Any] = {}
        if self.tools:
            more["tools"] = [FUNCTION]
        if self.thinking:
            more["reasoning_effort"] = "high"
        asked: dict[str, Any] = {"model": self.model, "prompt": prompt, "max_tokens": 4000, "extra_body": more}
        answer = Answer()
        try:
            if self.stream:
                replies = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
            else:
                replies = [client.completions.create(**asked)]
        except openai.APIStatusError as error:
            raise Refused(error.status_code, str(error.body["message"])) from error
        for reply in replies:
            for choice in reply.choices:
                answer.text += choice.text
                answer.finish = choice.finish_reason or answer.finish
        usage = replies[-1].usage
        answer.input, answer.output = usage.prompt_tokens, usage.completion_tokens
        return answer


def gathered(chunks: Any) -> ChatCompletion:
    """A stream of chunks as one object. The SDK's own accumulator knows calls of functions only."""
    message: dict[Any, Any] = {}
    whole: dict[str, Any] = {"id": "", "object": "chat.completion", "created": 0, "model": ""}
    finish = None
    for chunk in chunks:
        whole["usage"] = chunk.usage
        for choice in chunk.choices:
            accumulate_delta(message, choice.delta.to_dict())
            finish = choice.finish_reason or finish
    return ChatCompletion.model_validate({**whole, "choices": [{"index": 0, "finish_reason": finish, "logprobs": None, "message": message}]})


def grammar(events: list[Any]) -> None:
    """Anthropic's events come in the order that its documentation promises."""
    # The SDK tells events of its own beside the wire's.
    wire = [event for event in events if event.type.startswith(("message_", "content_block_"))]
    kinds = [event.type for event in wire]
    assert kinds[0] == "message_start" and kinds.count("message_start") == 1, kinds
    assert kinds[-1] == "message_stop" and kinds.count("message_stop") == 1, kinds
    assert kinds.count("message_delta") == 1 and kinds[-2] == "message_delta", kinds
    open_, next_ = None, 0
    fits = {"text": {"text_delta", "citations_delta"}, "thinking": {"thinking_delta", "signature_delta"}, "tool_use": {"input_json_delta"}}
    for event in wire[1:-2]:
        if event.type == "content_block_start":
            assert open_ is None and event.index == next_, kinds
            open_ = event.content_block.type
        elif event.type == "content_block_delta":
            assert event.index == next_ and event.delta.type in fits[open_], (open_, event)
        else:
            assert event.type == "content_block_stop" and event.index == next_ and open_ is not None, kinds
            open_, next_ = None, next_ + 1
    assert open_ is None, kinds


LANGUAGES: dict[str, type[Language]] = {"chat": Chat, "messages": Messages, "responses": Responses, "completions": Completions}
