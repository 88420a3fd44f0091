"""Where a request's time goes: host calls counted from Envoy's own trace, and samples by `perf`.

Envoy's wasm logger names every crossing between host and module at trace level, and the level can be set while it
runs; so what is counted is the very filter that is measured, without an instrumented build.
"""

from __future__ import annotations

import argparse
import collections
import re
import shutil
import subprocess
import threading
import urllib.request

from . import work
from .contenders import ALL, CACHE, Contender
from .measure import Bench
from .provider import StandIn, fire, probe

_ENTER = re.compile(r"\[host->vm\] (\w+)\(([^)]*)\)")
_LEAVE = re.compile(r"\[host<-vm\] (\w+) return")
_CALL = re.compile(r"\[vm->host\] (?:\w+\.)?(\w+)\(")


def add_commands(commands: argparse._SubParsersAction) -> None:
    calls = commands.add_parser("calls", help="count the host calls of one request, by callback")
    calls.set_defaults(act=_calls)
    perf = commands.add_parser("perf", help="sample a contender under load: kernel, Envoy, wasm")
    perf.set_defaults(act=_perf)
    for command in (calls, perf):
        command.add_argument("--contender", default="dragoman")
        command.add_argument("--item", default="anthropic/small")
    perf.add_argument("--seconds", type=float, default=5.0)


def _calls(arguments: argparse.Namespace) -> int:
    item = work.items()[arguments.item]
    with Bench([arguments.contender]) as bench:
        contender = bench.running[arguments.contender]
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
        print("perf is not on the PATH (apt install linux-perf)")
        return 1
    item = work.items()[arguments.item]
    data = CACHE / "perf.data"
    with Bench([arguments.contender]) as bench:
        contender = bench.running[arguments.contender]
        assert contender.group
        bench.stand_in.play(item)
        fire(contender, bench.stand_in, item, 1.0)
        busy = max(contender.group.pids(), key=_ticks)
        # The software clock works in virtual machines, too, where the hardware counters often don't.
        record = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "4000", "-p", str(busy), "-o", str(data), "--", "sleep", str(arguments.seconds)]
        sampler = threading.Thread(target=subprocess.run, args=(record,), kwargs={"capture_output": True})
        sampler.start()
        shot = fire(contender, bench.stand_in, item, arguments.seconds + 0.5)
        sampler.join()
        print(f"{contender.title}, {item.name}: {shot.cpu_us:.1f} us per request under perf")
        for keys in ("dso", "dso,symbol"):
            report = ["perf", "report", "-i", str(data), "--stdio", "--percent-limit", "0.7", "--sort", keys]
            out = subprocess.run(report, capture_output=True, text=True).stdout
            lines = [line for line in out.splitlines() if line.strip() and not line.startswith("#")]
            print("\n".join(lines[:40]), end="\n\n")
    print("Memory without a file's name ([JIT], anon, perf-PID.map) is wasm, compiled by V8.")
    return 0


def _ticks(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


__all__ = ["add_commands", "count", "trace"]
