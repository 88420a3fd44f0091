"""Google's generateContent. Source: <https://ai.google.dev/api/generate-content>."""

from __future__ import annotations

import re
from typing import Any

from ..scripted import Reply, json_reply, stream_reply
from ..vendor import Refusal, Said, Turn, Vendor, say
from ..wire import Request

SIGNATURE = "CpcBAXLI2nx7Q0hUaG91Z2h0"
"""What every call carries, and must bring back."""


def error(status: int, word: str, message: str) -> Reply:
    return json_reply({"error": {"code": status, "message": message, "status": word}}, status)


class Gemini(Vendor):
    """Strict about thoughts: a call that comes back without its signature is refused, as Gemini 3 refuses it."""

    prefix = "gemini"
    base_path = "/v1beta"
    model = "gemini-3-pro"
    failures = {
        "rate-limited": error(429, "RESOURCE_EXHAUSTED", "Quota exceeded for requests per minute."),
        "down": error(500, "INTERNAL", "An internal error has occurred."),
        "too-long": error(400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576)."),
    }

    def respond(self, request: Request) -> Reply:
        if request.header("x-goog-api-key") != self.key:
            raise Refusal(error(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."))
        found = re.fullmatch(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)", request.path)
        if not found or request.method != "POST":
            raise Refusal(error(404, "NOT_FOUND", f"{request.method} {request.path} was not found."))
        model, verb = found.groups()
        if model in self.failures:
            raise Refusal(self.failures[model])
        body = request.json
        for content in body["contents"]:
            if any("functionCall" in part for part in content["parts"]) and not any("thoughtSignature" in part for part in content["parts"]):
                raise Refusal(error(400, "INVALID_ARGUMENT", "Function call is missing a thought_signature."))
        said = say(_turn(model, body))
        pieces = [*({"text": word, "thought": True} for word in said.reasoning), *({"text": word} for word in said.words)]
        for at, (_, name, arguments) in enumerate(said.calls):
            call = {"functionCall": {"name": name, "args": arguments}}
            # Only the first of parallel calls is signed.
            pieces.append({**call, "thoughtSignature": SIGNATURE} if at == 0 else call)
        head = {"modelVersion": model, "responseId": self.fresh_id("")}
        if verb == "generateContent":
            return json_reply({"candidates": [_candidate(pieces, said)], "usageMetadata": _usage(said), **head})
        events = [{"candidates": [{"content": {"role": "model", "parts": [piece]}, "index": 0}], **head} for piece in pieces]
        return stream_reply(*events, {"candidates": [_candidate([{"text": ""}], said)], "usageMetadata": _usage(said), **head})


def _candidate(parts: list[dict], said: Said) -> dict:
    return {"content": {"role": "model", "parts": parts}, "finishReason": "MAX_TOKENS" if said.cut else "STOP", "index": 0}


def _usage(said: Said) -> dict:
    thoughts = len(said.reasoning)
    spent = {"promptTokenCount": said.input_tokens, "candidatesTokenCount": said.output_tokens - thoughts, "thoughtsTokenCount": thoughts}
    return {**spent, "totalTokenCount": said.input_tokens + said.output_tokens}


def _turn(model: str, body: dict) -> Turn:
    contents = body["contents"]
    results = [_result(part["functionResponse"]["response"]) for part in contents[-1]["parts"] if "functionResponse" in part]
    tools = [
        (function["name"], function.get("parametersJsonSchema") or function.get("parameters") or {})
        for tool in body.get("tools", [])
        for function in tool.get("functionDeclarations", [])
    ]
    calling = body.get("toolConfig", {}).get("functionCallingConfig", {})
    if calling.get("mode") == "NONE":
        tools = []
    elif allowed := calling.get("allowedFunctionNames"):
        tools = [tool for tool in tools if tool[0] in allowed]
    config = body.get("generationConfig", {})
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    asked = next((_text(content) for content in reversed(contents) if content["role"] == "user" and _text(content)), "")
    reasoning = config.get("thinkingConfig", {}).get("includeThoughts", False)
    prompt = " ".join([_text(body.get("systemInstruction", {"parts": []})), *map(_text, contents)])
    return Turn(model, asked, results, tools, _lower(schema), reasoning, config.get("maxOutputTokens"), prompt)


def _result(response: dict) -> str:
    return str(next(iter(response.values()), ""))


def _text(content: dict) -> str:
    return " ".join(part.get("text", "[image]" if "inlineData" in part else "") for part in content["parts"] if not part.get("thought"))


def _lower(schema: Any) -> Any:
    """Google's own schemas spell types in capitals."""
    if isinstance(schema, dict):
        return {key: value.lower() if key == "type" and isinstance(value, str) else _lower(value) for key, value in schema.items()}
    return [_lower(item) for item in schema] if isinstance(schema, list) else schema
