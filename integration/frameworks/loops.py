"""Runs in the frameworks' own virtual environment: lets each complete a loop of tools through the gateway.

argv: the gateway's address, the framework, the model. stdout: {"calls": [...], "answer": text, "input_tokens": n} as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

# Nothing must be sent anywhere but to the gateway.
os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"

BASE, FRAMEWORK, MODEL = sys.argv[1:]
CALLS: list[list] = []


def weather(place: str, days: int) -> str:
    """The weather of a place."""
    CALLS.append(["weather", place, days])
    return f"sunny in {place}"


def agents(responses: bool, stream: bool) -> dict:
    from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
    from openai import AsyncOpenAI

    set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=BASE + "/v1", api_key="sk-client", max_retries=0)
    kind = OpenAIResponsesModel if responses else OpenAIChatCompletionsModel
    agent = Agent(name="Clerk", instructions="Be kind.", model=kind(model=MODEL, openai_client=client), tools=[function_tool(weather)])

    async def run() -> dict:
        if not stream:
            result = await Runner.run(agent, "Bern")
        else:
            result = Runner.run_streamed(agent, "Bern")
            async for _ in result.stream_events():
                pass
        # Another turn goes on from all that was said.
        again = await Runner.run(agent, [*result.to_input_list(), {"role": "user", "content": "Thanks"}])
        return {"answer": result.final_output, "again": again.final_output, "input_tokens": result.context_wrapper.usage.input_tokens}

    return asyncio.run(run())


def langchain(responses: bool, stream: bool) -> dict:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    chat = ChatOpenAI(model=MODEL, base_url=BASE + "/v1", api_key="sk-client", max_retries=0, use_responses_api=responses, stream_usage=True)
    bound = chat.bind_tools([tool(weather)])

    def ask(messages: list):
        if not stream:
            return bound.invoke(messages)
        whole = None
        for chunk in bound.stream(messages):
            whole = chunk if whole is None else whole + chunk
        return whole

    messages: list = [HumanMessage("Bern")]
    reply = ask(messages)
    used = reply.usage_metadata["input_tokens"]
    while reply.tool_calls:
        messages += [reply, *(ToolMessage(weather(**call["args"]), tool_call_id=call["id"]) for call in reply.tool_calls)]
        reply = ask(messages)
        used += reply.usage_metadata["input_tokens"]
    again = ask([*messages, reply, HumanMessage("Thanks")])
    while again.tool_calls:
        messages += [reply, HumanMessage("Thanks"), again, *(ToolMessage(weather(**call["args"]), tool_call_id=call["id"]) for call in again.tool_calls)]
        again = ask(messages)
    return {"answer": reply.text, "again": again.text, "input_tokens": used}


def main() -> None:
    name, _, more = FRAMEWORK.partition("/")
    run = {"agents": agents, "langchain": langchain}[name]
    found = run("responses" in more, "stream" in more)
    json.dump({"calls": CALLS, **found}, sys.stdout)


main()
