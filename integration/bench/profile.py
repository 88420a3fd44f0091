"""Where a request's time goes: host calls counted from Envoy's own trace, and samples by `perf`.

Envoy's wasm logger names every crossing between host and module at trace level, and the level can be set while it
runs; so what is counted is the very filter that is measured, without an instrumented build.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import threading
import urllib.request
from collections.abc import Sequence

from . import work
from .contenders import ALL, CACHE, KEY, ROOT, Contender, Inline, Roles
from .measure import Bench, Settings, say
from .provider import StandIn, fire, probe

DATA = CACHE / "perf.data"
NO_PERF = "perf is not on the PATH (apt install linux-perf)"
PROFILED = ("bare", "empty", "calls", "calls-inline", "roles", "inline", "native", "transcoder")
INSIDE_ITEMS = ("anthropic/small", "anthropic/large", "anthropic/stream", "anthropic/image", "openai/small", "openai/large")
PROFILED_ITEMS = ("anthropic/small", "anthropic/large", "anthropic/stream", "openai/small", "openai/large")

_WASM = re.compile(r"JIT|anon|perf-\d+\.map|unknown")
_ENTER = re.compile(r"\[host->vm\] (\w+)\(([^)]*)\)")
_LEAVE = re.compile(r"\[host<-vm\] (\w+) return")
_CALL = re.compile(r"\[vm->host\] (?:\w+\.)?(\w+)\(")


def add_commands(commands: argparse._SubParsersAction) -> None:
    calls = commands.add_parser("calls", help="count the host calls of one request, by callback")
    calls.set_defaults(act=_calls)
    perf = commands.add_parser("perf", help="sample a contender under load: kernel, Envoy, wasm")
    perf.set_defaults(act=_perf)
    inside = commands.add_parser("inside", help="drive the filter under Node: its own time, memory, functions")
    inside.set_defaults(act=_inside)
    for command in (calls, perf, inside):
        command.add_argument("--contender", default="dragoman")
        command.add_argument("--item", default="anthropic/small")
    for command in (perf, inside):
        command.add_argument("--seconds", type=float, default=5.0)


def _calls(arguments: argparse.Namespace) -> int:
    item = work.items()[arguments.item]
    with Bench([arguments.contender]) as bench:
        contender = bench.one(arguments.contender)
        # The first requests find cold caches and new connections; the third is like the millionth.
        for _ in range(2):
            fault = probe(contender, bench.stand_in, item)
            if fault:
                print(fault)
                return 1
        log = trace(contender, bench.stand_in, item)
    counts = count(log)
    total = sum(n for callback in counts for n in callback[2].values())
    for name, times, inside in counts:
        print(f"{name} x{times}" if times > 1 else name)
        for call, n in sorted(inside.items(), key=lambda pair: -pair[1]):
            print(f"    {n:4} {call}")
    print(f"{len(counts)} kinds of callback, {sum(t for _, t, _ in counts)} callbacks, {total} host calls")
    return 0


def trace(contender: Contender, stand_in: StandIn, item: work.Item) -> str:
    """What Envoy logs about its wasm while one request passes."""
    assert contender.group
    set_level(contender, "trace")
    start = contender.group.log.stat().st_size
    probe(contender, stand_in, item)
    set_level(contender, "error")
    with contender.group.log.open("rb") as log:
        log.seek(start)
        return log.read().decode(errors="replace")


def set_level(contender: Contender, level: str) -> None:
    url = f"http://127.0.0.1:{contender.admin}/logging?wasm={level}"
    urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=5).read()


def count(log: str) -> list[tuple[str, int, collections.Counter[str]]]:
    """Callbacks in the order of their first appearance, how often each came, and the host calls made inside."""
    found: dict[str, tuple[int, collections.Counter[str]]] = {}
    stack: list[str] = []
    for line in log.splitlines():
        if enter := _ENTER.search(line):
            name = enter[1]
            # The context's number tells the roles apart: gateway and upstream have one each.
            if name.startswith("proxy_on_") and name != "proxy_on_memory_allocate":
                stack.append(f"{name} [{enter[2].split(',')[0]}]")
                times, inside = found.setdefault(stack[-1], (0, collections.Counter()))
                found[stack[-1]] = (times + 1, inside)
        elif leave := _LEAVE.search(line):
            if stack and stack[-1].startswith(leave[1] + " "):
                stack.pop()
        elif (call := _CALL.search(line)) and "return" not in line:
            found.setdefault(stack[-1] if stack else "outside", (1, collections.Counter()))[1][call[1]] += 1
    return [(name, times, inside) for name, (times, inside) in found.items()]


def _perf(arguments: argparse.Namespace) -> int:
    if not shutil.which("perf"):
        print(NO_PERF)
        return 1
    item = work.items()[arguments.item]
    with Bench([arguments.contender]) as bench:
        contender = bench.one(arguments.contender)
        bench.stand_in.play(item)
        fire(contender, bench.stand_in, item, 1.0)
        cpu_us = _sample(contender, bench.stand_in, item, arguments.seconds)
        print(f"{contender.title}, {item.name}: {cpu_us:.1f} us per request under perf")
        for keys in ("dso", "dso,symbol"):
            print("\n".join(_shares(keys)[:40]), end="\n\n")
    print("Memory without a file's name ([JIT], anon, perf-PID.map) is wasm, compiled by V8.")
    return 0


def _sample(contender: Contender, stand_in: StandIn, item: work.Item, seconds: float) -> float:
    """Samples a contender under load; its microseconds of CPU per request meanwhile."""
    assert contender.group
    busy = max(contender.group.pids(), key=_ticks)
    # The software clock works in virtual machines, too, where the hardware counters often don't.
    record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-p", str(busy), "-o", str(DATA), "--", "sleep", str(seconds)]
    sampler = threading.Thread(target=subprocess.run, args=(record,), kwargs={"capture_output": True})
    sampler.start()
    shot = fire(contender, stand_in, item, seconds + 0.5)
    sampler.join()
    return shot.cpu_us


def _shares(keys: str) -> list[str]:
    """Lines of `perf report`: a share, and what has it."""
    report = ["perf", "report", "-i", str(DATA), "--stdio", "--percent-limit", "0.7", "--sort", keys]
    out = subprocess.run(report, capture_output=True, text=True).stdout
    return [line for line in out.splitlines() if line.strip() and not line.startswith("#")]


def measure_profile(settings: Settings) -> dict:
    """Where the time of a request goes: the shares of kernel, Envoy and wasm in the samples, of a cost measured without
    sampling; and how often host and module call each other."""
    result: dict = {}
    names = [name for name in PROFILED if name in settings.contenders]
    if not shutil.which("perf"):
        say(NO_PERF)
        return result
    with Bench(names) as bench:
        for item in (work.items()[name] for name in PROFILED_ITEMS):
            able = bench.able(item, {})
            bench.stand_in.play(item)
            for name in able:
                bench.warm(name, item, settings.seconds)
            shots = bench.rounds(able, settings.rounds, lambda c, item=item: fire(c, bench.stand_in, item, settings.seconds))
            for name in able:
                cpu_us = statistics.median(shot.cpu_us for shot in shots[name])
                _sample(bench.running[name], bench.stand_in, item, max(3.0, settings.seconds))
                line = {"cpu_us": round(cpu_us, 1), **{part: 0.0 for part in ("kernel_us", "envoy_us", "wasm_us")}}
                for share in _shares("dso"):
                    percent, _, where = share.strip().partition("%")
                    part = "kernel_us" if "kernel" in where else "wasm_us" if _WASM.search(where) else "envoy_us"
                    line[part] = round(line[part] + cpu_us * float(percent) / 100, 1)
                counts = count(trace(bench.running[name], bench.stand_in, item))
                line["callbacks"] = sum(times for _, times, _ in counts)
                line["host_calls"] = sum(calls.total() for *_, calls in counts)
                result.setdefault(item.name, {})[name] = line
                say(f"profile {item.name} {name}: {line}")
    return result


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def _inside(arguments: argparse.Namespace) -> int:
    """The role's filter in a host of a page of JavaScript (host.mjs); names of functions by a build that keeps them."""
    contender = ALL[arguments.contender]()
    if not isinstance(contender, Roles):
        print("only roles and inline are Dragoman in a bootstrap of the benchmark's own")
        return 1
    told, profile = inside(contender, work.items()[arguments.item], named_wasm(), arguments.seconds)
    print(json.dumps(told))
    names = _names(profile)
    times: collections.Counter[str] = collections.Counter()
    for node, time in zip(profile["samples"], profile["timeDeltas"], strict=True):
        times[names[node]] += time
    for name, time in times.most_common(20):
        print(f"{100 * time / times.total():6.2f} %  {name[:140]}")
    return 0


def named_wasm() -> pathlib.Path:
    """The filter with the names of its functions, not yet optimised by Binaryen."""
    build = ["cargo", "build", "--release", "--package", "dragoman-filter", "--target", "wasm32-wasip1", "--target-dir", str(CACHE / "named")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, env={**os.environ, "CARGO_PROFILE_RELEASE_STRIP": "none"})
    return CACHE / "named" / "wasm32-wasip1" / "release" / "dragoman.wasm"


def inside(contender: Roles, item: work.Item, module: pathlib.Path, seconds: float) -> tuple[dict, dict]:
    """One request after another through the filter alone, under Node: what the host tells (`us` per request, `memory` in
    bytes of the module, `calls` of one request) and V8's profile."""
    home = CACHE / "inside"
    home.mkdir(parents=True, exist_ok=True)
    for old in home.glob("*.cpuprofile"):
        old.unlink()
    (home / "request").write_bytes(item.request)
    (home / "response").write_bytes(item.reply)
    request = [[":method", "POST"], [":path", item.endpoint], [":authority", "localhost"], [":scheme", "http"]]
    request += [["content-type", "application/json"], ["authorization", f"Bearer {KEY}"], ["content-length", str(len(item.request))]]
    kind = "text/event-stream" if item.stream else "application/json"
    response = [[":status", "200"], ["content-type", kind], ["x-envoy-upstream-service-time", "0"]]
    if not item.stream:
        response.append(["content-length", str(len(item.reply))])
    about = {
        "plugins": contender.plugins(9),
        "requestHeaders": request,
        "responseHeaders": response,
        "request": str(home / "request"),
        "response": str(home / "response"),
        "pieces": item.reply.count(b"\n\n") if item.gap_us else 1,
    }
    (home / "work.json").write_text(json.dumps(about))
    host = pathlib.Path(__file__).with_name("host.mjs")
    # As Envoy's V8 compiles: everything by the optimising compiler at once, and no function into another.
    as_envoy = ["--no-liftoff", "--no-wasm-dynamic-tiering", "--no-wasm-inlining"]
    command = ["node", *as_envoy, "--cpu-prof", "--cpu-prof-interval", "200", str(host), str(module), "work.json", str(seconds)]
    told = json.loads(subprocess.run(command, cwd=home, check=True, capture_output=True, text=True).stdout)
    return told, json.loads(next(home.glob("*.cpuprofile")).read_text())


def _names(profile: dict) -> dict[int, str]:
    return {node["id"]: node["callFrame"]["functionName"] or "(JavaScript)" for node in profile["nodes"]}


def share_below(profile: dict, wanted: Sequence[str] = ("",)) -> float:
    """The share of the samples in the module's functions whose names have one of `wanted`, by default in all, and in those
    that they call; the host's, which isn't Envoy's, is left out.
    """
    names, below, module = _names(profile), set(), set()
    # A node comes before its children.
    for node in profile["nodes"]:
        if node["id"] in below or any(part in names[node["id"]] for part in wanted):
            below.update([node["id"], *node.get("children", [])])
        if node["callFrame"]["url"].startswith("wasm:"):
            module.add(node["id"])
    times: collections.Counter[bool] = collections.Counter()
    for node, time in zip(profile["samples"], profile["timeDeltas"], strict=True):
        times[node in below and node in module] += time
    return times[True] / times.total()


def measure_inside(seconds: float) -> dict:
    """The filter alone: how long its own code works on a request in each shape, how long it meters one, and by how much a body
    makes its memory grow.
    """
    module = named_wasm()
    result: dict = {}
    for name in INSIDE_ITEMS:
        item = work.items()[name]
        result[name] = line = {"body": len(item.request)}
        for contender in (Roles(), Inline()):
            told, profile = inside(contender, item, module, max(2.0, seconds))
            line[f"{contender.name}_us"] = round(told["us"] * share_below(profile), 2)
            if contender.name == "roles":
                line |= {"metering_us": round(told["us"] * share_below(profile, ["proxy_on_log"]), 2), "memory": told["memory"]}
        say(f"inside {name}: {line}")
    return result


__all__ = ["add_commands", "count", "measure_inside", "measure_profile", "trace"]
