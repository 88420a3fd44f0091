"""What the speed of Dragoman is judged by: each goal with the figure that a run reached, and whether that is enough.

Beside it stand two floors. One is the figure of `calls`, a filter that makes the callbacks and host calls of Dragoman's and does
no work: where that is beyond the limit, no filter that makes these calls can reach the goal. The other adds what Dragoman's
own code takes when it runs alone, under Node: where that is beyond the limit, the goal takes less work, not the same work done
faster.
Owns the goals' wording and arithmetic; reads nothing but a run's JSON. A figure that the run doesn't have is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Row(NamedTuple):
    goal: str
    limit: str
    figure: str
    floor: str
    """The same of the filter that only makes the calls, where that says something."""
    warm: str
    """The same with Dragoman's own work as it is where nothing disturbs it."""
    reached: bool


# Who does the same without any work.
IDLE = {"roles": "calls", "inline": "calls-inline"}


def rows(run: dict) -> Iterator[Row]:
    for find in (_beside_native, _beside_each_other, _streams, _beside_others, _bodies, _ladder, _many_streams, _routes, _choice, _metering):
        yield from find(run)


def _line(run: dict, item: str, name: str) -> dict:
    return run.get("items", {}).get(item, {}).get(name, {})


def _added(run: dict, item: str, name: str) -> float | None:
    return _line(run, item, name).get("added_us")


class Floors(NamedTuple):
    """What a figure can't go below: without any work, and with Dragoman's work undisturbed."""

    idle: float | None = None
    warm: float | None = None

    def by(self, convert: Callable[[float], float]) -> Floors:
        """The floors of a figure that is made of what is added like this."""
        return Floors(*(None if added is None else convert(added) for added in self))


def _floors(run: dict, item: str, role: str) -> Floors:
    """Microseconds added to a request."""
    idle = _added(run, item, IDLE[role])
    work = run.get("inside", {}).get(item, {}).get(f"{role}_us")
    return Floors(idle, None if idle is None or work is None else idle + work)


def _at_most(goal: str, value: float | None, limit: float, show: Callable[[float], str], floors: Floors = Floors()) -> Iterator[Row]:
    if value is not None:
        yield _row(goal, "≤", value, limit, show, floors, value <= limit)


def _at_least(goal: str, value: float | None, limit: float, show: Callable[[float], str], floors: Floors) -> Iterator[Row]:
    if value is not None:
        yield _row(goal, "≥", value, limit, show, floors, value >= limit)


def _row(goal: str, sign: str, value: float, limit: float, show: Callable[[float], str], floors: Floors, reached: bool) -> Row:
    idle, warm = ("–" if floor is None else show(floor) for floor in floors)
    return Row(goal, f"{sign} {show(limit)}", show(value), idle, warm, reached)


def _times(value: float) -> str:
    return f"{value:.2f}×" if value < 10 else f"{value:,.0f}×"


def _us(value: float) -> str:
    return f"{value:.1f} µs"


def _share(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def _beside_native(run: dict) -> Iterator[Row]:
    for other, whose in (("native", "Envoy's native AI gateway"), ("transcoder", "Envoy's native transcoder alone")):
        for item in ("anthropic/small", "anthropic/large", "openai/small", "openai/large"):
            native = _added(run, item, other)
            if not native:
                continue
            for name, limit, title in (("roles", 0.5, "gateway + upstream"), ("inline", 1 / 3, "inline")):
                share = _share(_added(run, item, name), native)
                floors = _floors(run, item, name).by(lambda added, native=native: added / native)
                yield from _at_most(f"{item}: what {title} adds, of what {whose} adds", share, limit, _times, floors)


def _beside_each_other(run: dict) -> Iterator[Row]:
    for size in ("small", "large"):
        mine, whole = (_added(run, f"{provider}/{size}", "roles") for provider in ("openai", "anthropic"))
        least, most = (_floors(run, f"{provider}/{size}", "roles") for provider in ("openai", "anthropic"))
        # Undisturbed work is compared with undisturbed work: what both have in common stays in both.
        floors = Floors(_share(least.idle, whole), _share(least.warm, most.warm))
        yield from _at_most(f"{size}: what OpenAI to OpenAI adds, of what OpenAI to Anthropic adds", _share(mine, whole), 0.6, _times, floors)


def _streams(run: dict) -> Iterator[Row]:
    for item, limit, title in (("anthropic/stream", 2.5, "together"), ("anthropic/stream-alone", 10.0, "alone")):
        floors = _floors(run, item, "roles").by(lambda added: added / 200)
        yield from _at_most(f"stream, events arrive {title}: added per event", _share(_added(run, item, "roles"), 200), limit, _us, floors)
    # The transcoder alone, which is cheaper than a whole gateway made of it.
    share = _share(_added(run, "anthropic/stream", "roles"), _added(run, "anthropic/stream", "transcoder"))
    yield from _at_most("stream: added, of what the native transcoder adds", share, 0.1, _times)
    first, floor = (run.get("paced", {}).get(who, {}).get("first_token_added_p99_us") for who in ("dragoman", "calls"))
    yield from _at_most("stream: time to first token added at p99", first, 500.0, _us, Floors(floor))


def _beside_others(run: dict) -> Iterator[Row]:
    item = "anthropic/small"
    mine, lean, bare = (_line(run, item, who).get("cpu_us") for who in ("dragoman", "roles", "bare"))
    for name, limit, title in (("litellm", 80.0, "LiteLLM's CPU"), ("portkey", 8.0, "Portkey's CPU")):
        theirs = _line(run, item, name).get("cpu_us")
        if mine and lean and bare and theirs:
            # The bootstrap that `dragoman run` writes has its price, too: limits, the overload manager, statistics.
            fixed = bare + max(0.0, mine - lean)
            floors = _floors(run, item, "roles").by(lambda added, theirs=theirs, fixed=fixed: theirs / (fixed + added))
            yield from _at_least(f"small: {title}, of Dragoman's", theirs / mine, limit, _times, floors)


def _bodies(run: dict) -> Iterator[Row]:
    large = "anthropic/large"
    if bare := _line(run, large, "bare").get("cpu_us"):
        floors = _floors(run, large, "roles").by(lambda added: (bare + added) / bare)
        yield from _at_most("110 KB of text, of bare Envoy's cost", _line(run, large, "roles").get("ratio"), 2.2, _times, floors)
    sizes = [(int(size), lines["roles"]["cpu_us"]) for size, lines in run.get("growth", {}).get("body", {}).items() if "roles" in lines]
    if len(sizes) > 2:
        (small, cheap), (middle, dearer), (large_body, dearest) = sizes[0], sizes[-2], sizes[-1]
        slope = _share((dearest - dearer) / (large_body - middle), (dearer - cheap) / (middle - small))
        yield from _at_most("a further byte of 4 MB, of what one of 1 MB costs", slope, 1.5, _times)
    inside = run.get("inside", {})
    if "anthropic/image" in inside:
        image, small = inside["anthropic/image"], inside["anthropic/small"]
        yield from _at_most("an image's growth of the module's memory, of its body", (image["memory"] - small["memory"]) / image["body"], 2.0, _times)


def _ladder(run: dict) -> Iterator[Row]:
    added, floor = (run.get("ladder", {}).get("16", {}).get(who, {}).get("added_p99_us") for who in ("dragoman", "calls"))
    yield from _at_most("22 ms provider, 16 at a time: added at p99", added, 300.0, _us, Floors(floor))


def _many_streams(run: dict) -> Iterator[Row]:
    lines = run.get("growth", {}).get("streams", {}).get("1000", {})
    if "dragoman" not in lines or "bare" not in lines:
        return
    mine, bare = lines["dragoman"], lines["bare"]
    yield from _at_most("1,000 streams: errors", mine["errors"], 0, lambda value: f"{value:.0f}")
    growth = ((mine["peak_kb"] - mine["before_kb"]) - (bare["peak_kb"] - bare["before_kb"])) / 1000
    yield from _at_most("1,000 streams: memory for each, over bare Envoy's", growth, 40, lambda value: f"{value:.0f} KB")


def _routes(run: dict) -> Iterator[Row]:
    routes = run.get("growth", {}).get("routes", {})
    few, many = routes.get("10", {}).get("dragoman"), routes.get("1000", {}).get("dragoman")
    if few and many:
        # Two runs of the contender: only their ratios to the bare Envoy beside each can be compared.
        yield from _at_most("1,000 routes of five targets, of the cost with 10", _share(many["ratio"], few["ratio"]), 1.1, _times)
        yield from _at_most("1,000 routes: ready after", many.get("ready_s"), 10.0, lambda value: f"{value:.1f} s")
        each = (many["memory_mb"] - few["memory_mb"]) * 1024 / 990
        yield from _at_most("memory for each route", each, 100, lambda value: f"{value:.0f} KB")


def _choice(run: dict) -> Iterator[Row]:
    dearest = max((line["many_us"] for line in run.get("choice", {}).values()), default=None)
    yield from _at_most("a decision among 100 targets, by the dearest strategy", dearest, 5.0, _us)


def _metering(run: dict) -> Iterator[Row]:
    inside = run.get("inside", {}).get("anthropic/small", {})
    yield from _at_most("metering, for each request", inside.get("metering_us"), 5.0, _us)
    requests = run.get("growth", {}).get("requests", {})
    first, last = requests.get("1000", {}).get("dragoman"), requests.get("100000", {}).get("dragoman")
    if first and last:
        yield from _at_most("series after 100,000 requests, of those after 1,000", _share(last["series"], first["series"]), 1.0, _times)


__all__ = ["Row", "rows"]
