"""Runs in LiteLLM's own virtual environment: what its `cost_per_token` says of usages.

stdin: [{"model", "prices", "usage", "service_tier"}] as JSON; `prices` are the ones that Dragoman knows, by LiteLLM's keys.
stdout: [dollars, or null where LiteLLM's own map has other prices, or a message] as JSON.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LITELLM_LOG"] = "CRITICAL"

import litellm  # noqa: E402
from litellm.types.utils import CacheCreationTokenDetails, CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage  # noqa: E402

litellm.suppress_debug_info = True


def cost(asked: dict) -> float | str | None:
    entry = litellm.model_cost.get(asked["row"], {})
    if any(abs((entry.get(key) or 0) - value) > 1e-15 for key, value in asked["prices"].items()):
        return None
    if any(key not in asked["prices"] for key in entry if "token" in key and "cost" in key and priced(key) and entry[key] is not None) or entry.get("off_peak_pricing"):
        return None
    told = asked["usage"]
    prompt, lifetimes = dict(told.get("prompt_tokens_details") or {}), None
    if "cache_creation_token_details" in prompt:
        lifetimes = CacheCreationTokenDetails(**prompt.pop("cache_creation_token_details"))
    usage = Usage(
        prompt_tokens=told["prompt_tokens"],
        completion_tokens=told["completion_tokens"],
        total_tokens=told["prompt_tokens"] + told["completion_tokens"],
        prompt_tokens_details=PromptTokensDetailsWrapper(**prompt, cache_creation_token_details=lifetimes) if prompt else None,
        completion_tokens_details=CompletionTokensDetailsWrapper(**told["completion_tokens_details"]) if told.get("completion_tokens_details") else None,
    )
    provider, model = asked["model"].split("/", 1)
    try:
        return sum(litellm.cost_per_token(model=model, custom_llm_provider=provider, usage_object=usage, service_tier=asked["service_tier"]))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def priced(key: str) -> bool:
    """Whether Dragoman's table would have it: not what only LiteLLM's newest tiers and vendors' own units have."""
    return not any(word in key for word in ("_cache_hit", "dbu", "video", "_decisions", "_12hr", "citation", "cache_read_input_audio", "explicit_"))


def main() -> None:
    asked = json.load(sys.stdin)
    answers, sys.stdout = sys.stdout, sys.stderr
    json.dump([cost(each) for each in asked], answers)


main()
