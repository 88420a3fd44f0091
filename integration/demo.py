"""`make demo`: what Dragoman does, seen from both sides, with stand-ins for the providers so that it costs nothing.

One client, OpenAI's own SDK, talks to OpenAI and to Anthropic through a real Envoy. Each scene prints what the client asked,
what the provider got in its own language, and what came back.
"""

from __future__ import annotations

import json
import sys
import textwrap
from typing import Any

import openai
import yaml
from gateway import COMMAND, Dragoman, NotReady
from standins import vendors
from standins.vendor import Vendor
from standins.wire import Request

BOLD, DIM, CYAN, GREEN, YELLOW, OFF = ("\033[1m", "\033[2m", "\033[36m", "\033[32m", "\033[33m", "\033[0m") if sys.stdout.isatty() else ("",) * 6

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def title(text: str) -> None:
    print(f"\n{BOLD}{CYAN}━━ {text} {'━' * max(0, 76 - len(text))}{OFF}")


def tell(label: str, text: str, colour: str = "") -> None:
    head, *rest = text.splitlines() or [""]
    print(f"{BOLD}{label:>16}{OFF}  {colour}{head}{OFF}")
    for line in rest:
        print(f"{'':>16}  {colour}{line}{OFF}")


def short(value: Any) -> str:
    lines = json.dumps(value, ensure_ascii=False, indent=1).splitlines()
    one = " ".join(line.strip() for line in lines)
    return "\n".join(textwrap.wrap(one, 96, break_long_words=False, break_on_hyphens=False))


def got(request: Request) -> None:
    """What a provider was asked; of its key only that it was there."""
    names = ("x-api-key", "authorization", "anthropic-version")
    shown = [f"{name}: {'(its own key)' if 'version' not in name else request.header(name)}" for name in names if request.header(name)]
    tell("provider got", f"{request.method} {request.path}   {DIM}{', '.join(shown)}{OFF}")
    tell("", short(request.json), YELLOW)


def ask(client: openai.OpenAI, **request: Any) -> Any:
    tell("client asks", "client.chat.completions.create(")
    tell("", f"    {short({key: value for key, value in request.items()})[1:-1].strip()})", YELLOW)
    return client.chat.completions.create(**request)


def chat(client: openai.OpenAI, providers: dict[str, Vendor]) -> None:
    for model in ("claude", "gpt"):
        title(f"A chat with {model}: the same code, whoever answers")
        messages = [{"role": "system", "content": "You are an interpreter."}, {"role": "user", "content": "Good morning!"}]
        reply = ask(client, model=model, messages=messages, max_tokens=100)
        got(providers[{"claude": "anthropic", "gpt": "openai"}[model]].last)
        tell("came back", reply.choices[0].message.content, GREEN)
        tell("", f"finish_reason={reply.choices[0].finish_reason}, {reply.usage.prompt_tokens} + {reply.usage.completion_tokens} tokens", DIM)


def stream(client: openai.OpenAI, providers: dict[str, Vendor]) -> None:
    title("A stream: Anthropic's events become OpenAI's chunks as they come")
    request = {"messages": [{"role": "user", "content": "Tell me a short story."}], "stream": True, "stream_options": {"include_usage": True}}
    chunks = list(ask(client, model="claude", **request))
    got(providers["anthropic"].last)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    tell("came back", " ".join(f"[{piece}]" for piece in pieces), GREEN)
    tell("", f"{len(chunks)} chunks, the last with usage: {chunks[-1].usage.prompt_tokens} + {chunks[-1].usage.completion_tokens} tokens", DIM)


def tools(client: openai.OpenAI, providers: dict[str, Vendor]) -> None:
    title("Tools: a call, its result, an answer")
    messages: list[Any] = [{"role": "user", "content": "Istanbul"}]
    reply = ask(client, model="claude", messages=messages, tools=[WEATHER])
    got(providers["anthropic"].last)
    call = reply.choices[0].message.tool_calls[0]
    tell("came back", f"{call.function.name}({call.function.arguments})   {DIM}finish_reason={reply.choices[0].finish_reason}{OFF}", GREEN)
    messages += [reply.choices[0].message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny, 24 °C"}]
    reply = client.chat.completions.create(model="claude", messages=messages, tools=[WEATHER])
    tell("with the result", reply.choices[0].message.content, GREEN)


def errors(client: openai.OpenAI, providers: dict[str, Vendor]) -> None:
    title("Errors: whatever a provider says, the SDK raises what it would for OpenAI")
    for model in ("anthropic/rate-limited", "anthropic/too-long", "no-such-model"):
        try:
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Hello"}])
        except openai.APIStatusError as error:
            native = providers["anthropic"].failures.get(model.partition("/")[2])
            if native:
                tell("provider said", f"{native.status} {native.steps[0].decode()}", YELLOW)
            retry = error.response.headers.get("retry-after")
            tell("SDK raised", f"{type(error).__name__} {error.status_code} code={error.code}{f', retry after {retry} s' if retry else ''}", GREEN)
            tell("", error.body["message"], DIM)
        else:
            raise SystemExit(f"{model} did not fail")


def metrics(gateway: Dragoman) -> None:
    title(f"Metrics: {gateway.admin_url}/stats/prometheus")
    # Of a histogram its count and sum: its buckets are many.
    told = [sample for sample in gateway.samples("dragoman_") if sample.value and not sample.name.endswith("_bucket")]
    for sample in told:
        labels = ", ".join(f"{name.removeprefix('dragoman_')}={value}" for name, value in sorted(sample.labels.items()))
        print(f"  {sample.name:<50} {labels:<72} {BOLD}{sample.value:g}{OFF}")


def main() -> int:
    providers = {prefix: vendors()[prefix]() for prefix in ("openai", "anthropic")}
    for standin in providers.values():
        standin.__enter__()

    def entry(name: str, model: str) -> dict[str, Any]:
        standin = providers[model.partition("/")[0]]
        return {"model_name": name, "litellm_params": {"model": model, "api_base": standin.api_base, "api_key": "os.environ/DEMO_KEY"}}

    config = {
        "model_list": [entry("gpt", "openai/gpt-4o"), entry("claude", "anthropic/claude-sonnet-4-5"), entry("anthropic/*", "anthropic/*")],
        "litellm_settings": {"num_retries": 0},
    }
    try:
        with Dragoman(config, {"DEMO_KEY": Vendor.key}) as gateway:
            title("A LiteLLM config, a real Envoy")
            tell("config.yaml", yaml.safe_dump(config, sort_keys=False, default_flow_style=None, width=120).strip())
            tell("started", f"{COMMAND.name} run --config config.yaml --listen {gateway.host}:{gateway.port} --admin {gateway.host}:{gateway.admin_port}")
            tell("it said", (gateway.home / "stdout").read_text().strip(), GREEN)
            client = gateway.client()
            for scene in (chat, stream, tools, errors):
                scene(client, providers)
            metrics(gateway)
    except NotReady as reason:
        print(reason, file=sys.stderr)
        return 1
    finally:
        for standin in providers.values():
            standin.__exit__()
    print(f"\n{BOLD}Done; Envoy and the stand-ins have stopped.{OFF}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
