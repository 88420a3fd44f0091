"""Stand-in providers on loopback: what the tests, the demo and the benchmarks put in a real provider's place.

`wire` is the ground (HTTP by hand), `scripted` plays what a test tells it, `replay` plays recorded traffic byte for byte.
Every other module here is one vendor that answers in its own language, from the request: adding one is adding a file
with a `Vendor` in it, found by its LiteLLM prefix.
"""

from __future__ import annotations

import importlib
import pkgutil

from .vendor import Vendor


def vendors() -> dict[str, type[Vendor]]:
    """Every vendor that has a stand-in, by LiteLLM's prefix."""
    found: dict[str, type[Vendor]] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        for item in vars(loaded).values():
            if isinstance(item, type) and issubclass(item, Vendor) and item.__module__ == loaded.__name__ and "prefix" in vars(item):
                found[item.prefix] = item
    return found
