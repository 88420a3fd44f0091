"""What the choice among many targets takes inside the filter, by strategy.

A decision is a hundredth of a request, and in Envoy less than what one process differs from the next by how its memory
happens to lie; so it is read off V8's profile of the filter alone, under Node: what is looked up, the choice, what is
counted for later choices.
"""

from __future__ import annotations

import statistics

from . import work
from .contenders import Roles
from .measure import Settings, say
from .profile import inside, named_wasm, share_below

STRATEGIES = ("shuffle", "least_busy", "latency", "cost", "usage")
MANY = 100
# As they are called in the module's symbols.
PARTS = ("5state4look", "Gateway$GT$6choose", "5state9under_way", "5state6use_up", "5state9succeeded")


class Choosing(Roles):
    """So many targets behind the model that is asked for, of which a strategy picks one."""

    def __init__(self, strategy: str, targets: int) -> None:
        super().__init__()
        self.strategy, self.count = strategy, targets

    def plugins(self, provider: int) -> list[dict]:
        gateway, upstream = super().plugins(provider)
        first = self.targets(provider)[work.ANTHROPIC_MODEL]
        ids = [first["id"], *(f"target-{n}" for n in range(self.count - 1))]
        gateway["targets"] += [first | {"id": name} for name in ids[1:]]
        # Limits that are never reached: without any, nothing is counted.
        member = {"rpm": 10**9, "tpm": 10**12}
        choices = [{"target": name, "cluster": name, "member": member} for name in ids]
        gateway["routes"] = [{"name": work.ANTHROPIC_MODEL, "targets": choices}]
        gateway["routing"] = {"strategy": self.strategy}
        return [gateway, upstream]


def measure_choice(settings: Settings) -> dict:
    """By strategy: microseconds that a request's decision takes among one target and among many; medians of rounds."""
    item, module = work.items()["anthropic/small"], named_wasm()
    result: dict = {}
    for strategy in STRATEGIES:
        taken: dict[int, list[float]] = {1: [], MANY: []}
        for _ in range(settings.rounds):
            for count, found in taken.items():
                told, profile = inside(Choosing(strategy, count), item, module, max(2.0, settings.seconds))
                found.append(told["us"] * share_below(profile, PARTS))
        one, many = (round(statistics.median(found), 2) for found in taken.values())
        result[strategy] = {"one_us": one, "many_us": many}
        say(f"choice by {strategy}: {one} us among one target, {many} us among {MANY}")
    return result


__all__ = ["measure_choice"]
