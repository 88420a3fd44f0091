"""Measurements: alternating rounds over items and contenders, and the curves around them.

Owns what is measured and how it is condensed; everything is medians over rounds, ratios are taken within a round.
Must not know how the numbers are shown.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable

from . import work
from .contenders import ALL, ROOT, Contender, Direct, Dragoman, Failed, Roles, Unavailable
from .provider import Shot, StandIn, fire, probe

BARE = "bare"


@dataclasses.dataclass
class Settings:
    contenders: list[str]
    items: list[str]
    rounds: int = 5
    seconds: float = 1.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Bench:
    """The stand-in and the contenders that came up."""

    def __init__(self, names: Iterable[str], routes: int = 1) -> None:
        self.missing: dict[str, str] = {}
        self.running: dict[str, Contender] = {}
        self.stand_in = StandIn()
        Direct.stand_in = self.stand_in.group
        for name in names:
            contender = ALL[name](routes)
            say(f"starting {contender.title}")
            try:
                contender.install()
                contender.start(self.stand_in.port)
            except (Unavailable, Failed, OSError) as reason:
                contender.stop()
                self.missing[name] = str(reason)
                say(f"  left out: {reason}")
            else:
                self.running[name] = contender

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for contender in self.running.values():
            contender.stop()
        self.stand_in.stop()

    def one(self, name: str) -> Contender:
        """The only contender that was asked for."""
        if name not in self.running:
            raise SystemExit(f"{name} did not come up: {self.missing.get(name)}")
        return self.running[name]

    def able(self, item: work.Item, refused: dict[str, str]) -> list[str]:
        """The contenders whose answer to `item` is right; why not of the others goes to `refused`."""
        able = []
        for name, contender in self.running.items():
            fault = probe(contender, self.stand_in, item)
            if fault:
                refused[name] = fault
                say(f"  {name} can't: {fault}")
            else:
                able.append(name)
        return able

    def warm(self, name: str, item: work.Item, seconds: float) -> None:
        """Fires until the cost no longer falls: V8 compiles wasm and JavaScript in tiers, the last one late."""
        last = float("inf")
        for _ in range(8):
            now = fire(self.running[name], self.stand_in, item, min(1.0, seconds)).cpu_us
            if now > last * 0.95:
                return
            last = now

    def rounds(self, names: list[str], rounds: int, shoot: Callable[[Contender], Shot]) -> dict[str, list[Shot]]:
        """Alternating rounds, every second one backwards, so that a drift of the machine hits all alike."""
        shots: dict[str, list[Shot]] = {name: [] for name in names}
        for number in range(rounds):
            for name in names if number % 2 == 0 else reversed(names):
                shots[name].append(shoot(self.running[name]))
        return shots


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _at(shots: list[Shot], field: str, place: int) -> float | None:
    """The median over rounds of a percentile: place 0 is p50, 2 is p99."""
    found = _median(row[place] for row in (getattr(shot, field) for shot in shots) if row)
    return None if found is None else round(found, 1)


def condense(shots: dict[str, list[Shot]]) -> dict[str, dict]:
    """One line per contender, with its ratio to bare Envoy and what it adds to it, both taken round by round."""
    lines = {}
    bare = shots.get(BARE)
    for name, mine in shots.items():
        line: dict = {
            "cpu_us": round(_median(s.cpu_us for s in mine) or 0, 1),
            "rps": round(_median(s.requests / s.seconds for s in mine) or 0, 1),
            "p50_us": _at(mine, "latency_us", 0),
            "p99_us": _at(mine, "latency_us", 2),
            "memory_mb": round(max(s.memory_kb for s in mine) / 1024, 1),
            "errors": sum(s.errors for s in mine),
            "rounds_cpu_us": [round(s.cpu_us, 1) for s in mine],
        }
        if line["errors"]:
            line["first_error"] = next(s.first_error for s in mine if s.first_error)
        if bare:
            pairs = list(zip(mine, bare, strict=True))
            line["ratio"] = round(_median(m.cpu_us / b.cpu_us for m, b in pairs if b.cpu_us) or 0, 3)
            line["added_us"] = round(_median(m.cpu_us - b.cpu_us for m, b in pairs) or 0, 1)
        lines[name] = line
    return lines


def measure_items(settings: Settings) -> dict:
    """The table: every item with every contender that can do it."""
    known = work.items()
    result: dict = {"items": {}, "refused": {}}
    with Bench(settings.contenders) as bench:
        result["missing"] = bench.missing
        for name in settings.items:
            item = known[name]
            say(f"{name}: {len(item.request)} bytes there, {len(item.reply)} back")
            refused: dict[str, str] = {}
            able = bench.able(item, refused)
            if refused:
                result["refused"][name] = refused
            bench.stand_in.play(item)
            for one in able:
                bench.warm(one, item, settings.seconds)
            # A stream of events that come alone takes half a second.
            seconds = max(3.0, settings.seconds) if item.gap_us else settings.seconds
            shots = bench.rounds(able, settings.rounds, lambda c, item=item, s=seconds: fire(c, bench.stand_in, item, s))
            result["items"][name] = condense(shots)
            for one, line in result["items"][name].items():
                say(f"  {one:18} {line['cpu_us']:10.1f} us  {line.get('ratio', 0):8.2f} x  {line['rps']:9.0f}/s  {line['rounds_cpu_us']}")
    return result


def measure_paced(settings: Settings, provider: str = "anthropic") -> dict:
    """What a client waits longer for its first token and for each further one than without a proxy."""
    first = work.paced(provider, count=10, gap_us=1000, connections=2)
    each = work.paced(provider, count=work.EVENTS, gap_us=2000, connections=2)
    result: dict = {}
    with Bench([Direct.name, *[n for n in settings.contenders if n != Direct.name]]) as bench:
        able = bench.able(first, {})
        for item, field, key in ((first, "first_event_us", "first_token"), (each, "event_delay_us", "event")):
            bench.stand_in.play(item)
            seconds = max(2.0, settings.seconds)
            for one in able:
                fire(bench.running[one], bench.stand_in, item, 1.0)
            shots = bench.rounds(able, min(3, settings.rounds), lambda c, item=item, s=seconds: fire(c, bench.stand_in, item, s))
            for one in able:
                line = result.setdefault(one, {})
                for place, percent in ((0, "p50"), (2, "p99")):
                    value = _at(shots[one], field, place)
                    direct = _at(shots[Direct.name], field, place)
                    line[f"{key}_{percent}_us"] = value
                    line[f"{key}_added_{percent}_us"] = None if value is None or direct is None else round(value - direct, 1)
    return result


def measure_ladder(settings: Settings, steps: tuple[int, ...] = (1, 4, 16, 64)) -> dict:
    """The ladder of LiteLLM's gateway benchmark: a provider that answers after 22 ms."""
    item = work.delayed(22_000)
    result: dict = {}
    with Bench([Direct.name, *[n for n in settings.contenders if n != Direct.name]]) as bench:
        able = bench.able(item, {})
        bench.stand_in.play(item)
        for step in steps:
            # A p99 wants a hundred samples at the least.
            seconds = max(settings.seconds, 5.0 if step == 1 else 2.0)
            for one in able:
                fire(bench.running[one], bench.stand_in, item, 0.5, step)
            shots = bench.rounds(able, min(3, settings.rounds), lambda c, s=seconds, n=step: fire(c, bench.stand_in, item, s, n))
            direct = shots[Direct.name]
            lines = result.setdefault(str(step), {})
            for one in able:
                line = {"rps": round(_median(s.requests / s.seconds for s in shots[one]) or 0, 1)}
                for place, percent in ((0, "p50"), (2, "p99")):
                    line[f"{percent}_us"] = _at(shots[one], "latency_us", place)
                    pairs = zip(shots[one], direct, strict=True)
                    added = _median(a.latency_us[place] - b.latency_us[place] for a, b in pairs if a.latency_us and b.latency_us)
                    line[f"added_{percent}_us"] = None if added is None else round(added, 1)
                lines[one] = line
    return result


def measure_growth(settings: Settings) -> dict:
    """Cost against the size of a body, the number of routes and of concurrent streams; memory during and after."""
    return {
        "body": _body_growth(settings),
        "routes": _route_growth(settings),
        "streams": _stream_growth(settings),
        "requests": _request_growth(settings),
    }


def _body_growth(settings: Settings) -> dict:
    result: dict = {}
    with Bench(settings.contenders) as bench:
        for size in (1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20):
            item = dataclasses.replace(work.sized("anthropic", size), connections=4)
            able = bench.able(item, {})
            bench.stand_in.play(item)
            for one in able:
                bench.warm(one, item, 0.3)
            shots = bench.rounds(able, settings.rounds, lambda c, item=item: fire(c, bench.stand_in, item, settings.seconds))
            result[str(len(item.request))] = condense(shots)
            say(f"body {len(item.request)}: " + ", ".join(f"{n} {v['cpu_us']}" for n, v in result[str(len(item.request))].items()))
    return result


def _route_growth(settings: Settings) -> dict:
    """Only contenders with a table of models have routes to grow."""
    item = work.items()["anthropic/small"]
    result: dict = {}
    names = [n for n in settings.contenders if ALL[n].has_routes or n == BARE]
    for count in (1, 10, 100, 1000):
        with Bench(names, count) as bench:
            able = bench.able(item, {})
            bench.stand_in.play(item)
            for one in able:
                bench.warm(one, item, 0.5)
            shots = bench.rounds(able, settings.rounds, lambda c: fire(c, bench.stand_in, item, settings.seconds))
            lines = condense(shots)
            for one in able:
                lines[one]["ready_s"] = round(bench.running[one].took_s, 2)
            result[str(count)] = lines
            say(f"routes {count}: " + ", ".join(f"{n} {v['cpu_us']} us {v['memory_mb']} MB" for n, v in lines.items()))
    return result


def _request_growth(settings: Settings) -> dict:
    """Statistics and memory after more and more requests, half of them streams; a fresh process per contender."""
    result: dict = {}
    whole, stream = work.items()["anthropic/small"], work.items()["anthropic/stream"]
    # Others' memory after so many is not what is asked, and takes LiteLLM hours.
    for name in (name for name in settings.contenders if issubclass(ALL[name], (Dragoman, Roles)) or name == BARE):
        with Bench([name]) as bench:
            if name not in bench.running:
                continue
            contender, done = bench.running[name], 0
            for count in (1_000, 10_000, 50_000, 100_000):
                for item in (whole, stream):
                    if probe(contender, bench.stand_in, item):
                        break
                    bench.stand_in.play(item)
                    fire(contender, bench.stand_in, item, connections=8, each=max(1, (count - done) // 16))
                done = count
                result.setdefault(str(count), {})[name] = {
                    "series": series(contender),
                    "after_kb": contender.group.memory_kb() if contender.group else 0,
                }
                say(f"requests {count} {name}: {result[str(count)][name]}")
    return result


def series(contender: Contender) -> int:
    """How many series of Dragoman's an Envoy has; 0 for others."""
    try:
        url = f"http://127.0.0.1:{contender.admin}/stats?filter=dragoman"
        return len(urllib.request.urlopen(url, timeout=10).read().splitlines())
    except (AttributeError, OSError):
        return 0


def _stream_growth(settings: Settings) -> dict:
    """The same number of events per second on more and more streams; a fresh process per contender for its memory."""
    result: dict = {}
    for name in settings.contenders:
        with Bench([name]) as bench:
            if name not in bench.running:
                continue
            contender = bench.running[name]
            for count in (1, 10, 100, 1000):
                item = work.paced("anthropic", count=20, gap_us=max(1000, count * 250), connections=count)
                if probe(contender, bench.stand_in, item):
                    break
                bench.stand_in.play(item)
                before = contender.group.memory_kb() if contender.group else 0
                shot = fire(contender, bench.stand_in, item, each=max(1, 400 // count), watch=True)
                time.sleep(2)
                result.setdefault(str(count), {})[name] = {
                    "event_us": round(shot.cpu_us / 20, 2),
                    "errors": shot.errors,
                    "first_error": shot.first_error,
                    "before_kb": before,
                    "peak_kb": shot.peak_kb,
                    "after_kb": contender.group.memory_kb() if contender.group else 0,
                    "event_delay_p99_us": shot.event_delay_us[2] if shot.event_delay_us else None,
                }
                say(f"streams {count} {name}: {result[str(count)][name]}")
    return result


def machine() -> dict:
    """Enough to judge a number by, nothing that names a host."""
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": model, "cpus": os.cpu_count(), "memory_gb": round(memory), "system": f"{platform.system()} {platform.release().split('-')[0]}"}


def heading(settings: Settings) -> dict:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    return {
        "schema": 1,
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "machine": machine(),
        "contenders": {name: ALL[name].title for name in settings.contenders},
        "rounds": settings.rounds,
        "seconds": settings.seconds,
    }


__all__ = ["BARE", "Bench", "Settings", "heading", "measure_growth", "measure_items", "measure_ladder", "measure_paced", "say"]
