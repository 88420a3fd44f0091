"""Who is asked: one model of each vendor, as both LiteLLM and Dragoman are told of it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Asked:
    model: str
    """The upstream model with LiteLLM's prefix."""
    base: str = ""
    """What `api_base` has behind the address."""
    params: dict[str, str] = dataclasses.field(default_factory=dict)
    """More `litellm_params`."""


KEY = "sk-differential-0123456789"

BEDROCK = {"aws_region_name": "eu-west-1"}

VENDORS = {
    "openai": Asked("openai/gpt-4o", "/v1"),
    "azure": Asked("azure/gpt-4o", params={"api_version": "2025-02-01-preview"}),
    "anthropic": Asked("anthropic/claude-sonnet-4-5"),
    "gemini": Asked("gemini/gemini-2.5-flash", "/v1beta"),
    "bedrock-claude": Asked("bedrock/converse/anthropic.claude-sonnet-4-5-20250929-v1:0", params=BEDROCK),
    "bedrock-nova": Asked("bedrock/amazon.nova-pro-v1:0", params=BEDROCK),
    "cohere": Asked("cohere_chat/command-a-03-2025", "/v2/chat"),
    "mistral": Asked("mistral/mistral-large-latest", "/v1"),
    "ollama": Asked("ollama_chat/llama3.1"),
    "groq": Asked("groq/openai/gpt-oss-120b", "/openai/v1"),
    "deepseek": Asked("deepseek/deepseek-chat", "/v1"),
    "xai": Asked("xai/grok-4", "/v1"),
}
"""By a name of ours: the same vendor is here twice where its models differ."""
