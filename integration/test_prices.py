"""What usages cost by Dragoman's table and arithmetic, and by LiteLLM's own `cost_per_token`: the same, to the nanodollar."""

from __future__ import annotations

import functools
import json
import subprocess

import pytest
from gateway import COMMAND, ROOT

pytestmark = pytest.mark.timeout(300)

TABLE = ROOT / "envoy" / "src" / "prices" / "table.tsv"
LITELLM = ROOT / ".cache" / "litellm" / "bin" / "python"

# LiteLLM's names of the providers whose models are compared, and what stands in front of their models in its map.
PROVIDERS = {
    "openai": "",
    "anthropic": "",
    "gemini": "gemini/",
    "vertex_ai-language-models": "",
    "vertex_ai-anthropic_models": "vertex_ai/",
    "bedrock": "",
    "bedrock_converse": "",
    "azure": "azure/",
    "mistral": "mistral/",
    "groq": "groq/",
    "deepseek": "deepseek/",
    "xai": "xai/",
    "fireworks_ai": "fireworks_ai/",
    "together_ai": "together_ai/",
    "cohere_chat": "",
    "dashscope": "dashscope/",
    "deepinfra": "deepinfra/",
    "novita": "novita/",
    "moonshot": "moonshot/",
    "voyage": "voyage/",
}
CODES = {
    "i": "input_cost_per_token",
    "o": "output_cost_per_token",
    "r": "cache_read_input_token_cost",
    "w": "cache_creation_input_token_cost",
    "h": "cache_creation_input_token_cost_above_1hr",
    "t": "output_cost_per_reasoning_token",
    "ai": "input_cost_per_audio_token",
    "ao": "output_cost_per_audio_token",
    "ii": "input_cost_per_image_token",
    "io": "output_cost_per_image_token",
}
# Of each provider: those with the most to say, and some of the others.
RICH, OTHERS = 8, 4


def usage(prompt: int, completion: int, cached: int = 0, written: int = 0, hour: int = 0, reasoning: int = 0, audio: int = 0, image: int = 0) -> dict:
    details: dict = {name: count for name, count in (("cached_tokens", cached), ("audio_tokens", audio), ("image_tokens", image)) if count}
    if written:
        details["cache_creation_tokens"] = written
        details["cache_creation_token_details"] = {"ephemeral_5m_input_tokens": written - hour, "ephemeral_1h_input_tokens": hour}
    spent = {name: count for name, count in (("reasoning_tokens", reasoning), ("audio_tokens", audio // 2)) if count}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        **({"prompt_tokens_details": details} if details else {}),
        **({"completion_tokens_details": spent} if spent else {}),
    }


USAGES = {
    "plain": (usage(1234, 567), None),
    "cached": (usage(10_000, 77, cached=9_001), None),
    "written": (usage(10_000, 77, cached=1_000, written=5_000, hour=2_000), None),
    "reasoning": (usage(99, 3_000, reasoning=2_500), None),
    "sound": (usage(5_000, 900, cached=100, audio=800), None),
    "pictures": (usage(5_000, 900, image=1_530), None),
    "at a threshold": (usage(200_000, 100, cached=50_000), None),
    "long": (usage(200_001, 100, cached=50_000, written=30_000, hour=10_000), None),
    "longer": (usage(272_001, 4_000, cached=1), None),
    "above 128k": (usage(128_001, 10, reasoning=5), None),
    "priority": (usage(10_000, 500, cached=3_000, reasoning=100), "priority"),
    "flex, long": (usage(280_000, 500, cached=3_000), "flex"),
}


def rows() -> dict[str, list[tuple[str, dict[str, float]]]]:
    """Models and their prices by LiteLLM's keys, by provider."""
    found: dict[str, list[tuple[str, dict[str, float]]]] = {}
    for line in TABLE.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, provider, _, rates = line.split("\t")
        prices = {}
        for pair in rates.split():
            place, price = pair.split("=")
            place, _, tier = place.partition("/")
            code, _, above = place.partition("@")
            key = CODES[code] + (f"_above_{int(above) // 1000}k_tokens" if above else "") + (f"_{tier}" if tier else "")
            prices[key.replace("_batch", "_batches")] = int(price) / 1e12
        if prices and name.startswith(PROVIDERS.get(provider, "\0")) and (PROVIDERS[provider] or "/" not in name):
            found.setdefault(provider, []).append((name, prices))
    return found


@functools.cache
def compared() -> list[tuple[str, float | str, int | None]]:
    """What was asked, LiteLLM's dollars and Dragoman's nanodollars."""
    asked, names = [], []
    for provider, models in rows().items():
        rich = sorted(models, key=lambda model: (-len(model[1]), model[0]))
        for row, prices in [*rich[:RICH], *rich[RICH :: max(1, len(rich) // OTHERS)][:OTHERS]]:
            family = provider.split("-")[0].removesuffix("_converse")
            model = f"{family}/{row.removeprefix(PROVIDERS[provider])}"
            for name, (told, tier) in USAGES.items():
                asked.append({"row": row, "model": model, "prices": prices, "usage": told, "service_tier": tier})
                names.append(f"{model}: {name}")
    said = subprocess.run([LITELLM, "differential/costs.py"], input=json.dumps(asked), capture_output=True, text=True, check=True, cwd=ROOT / "integration")
    lines = "".join(json.dumps({key: each[key] for key in ("model", "usage", "service_tier")}) + "\n" for each in asked)
    ours = subprocess.run([COMMAND, "price"], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    costs = zip(names, json.loads(said.stdout), (json.loads(line)["nanodollars"] for line in ours), strict=True)
    return [(name, litellm, nano) for name, litellm, nano in costs if litellm is not None]


def intended(name: str) -> bool:
    """LiteLLM has the prices of Fireworks' service tier, and bills it as if nobody had asked for it."""
    return name.startswith("fireworks_ai/") and name.endswith(": priority")


def test_the_same_as_litellm() -> None:
    different = [f"{name}: LiteLLM {litellm}, Dragoman {nano}" for name, litellm, nano in compared() if not same(litellm, nano) and not intended(name)]
    assert not different, f"{len(different)} of {len(compared())}:\n" + "\n".join(different[:60])


def same(litellm: float | str, nano: int | None) -> bool:
    return not isinstance(litellm, str) and nano is not None and abs(litellm - nano / 1e9) <= 1e-9


def test_enough_was_compared() -> None:
    assert len(compared()) > 1000
    assert any(intended(name) and not same(litellm, nano) for name, litellm, nano in compared())
    assert len({name.split("/")[0] for name, _, _ in compared()}) > 12
