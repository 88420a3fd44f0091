"""Tables made from a run's JSON: for the terminal, for Markdown, and between the markers of a README.

Owns the wording of results. Must not measure, and reads nothing but the run.
"""

from __future__ import annotations

import pathlib
import re

from . import goals

BEGIN = "<!-- bench:begin (made by `make bench-readme` from integration/bench/recorded.json) -->"
END = "<!-- bench:end -->"

# The items of the short table: what a reader of the front page asks for.
SHORT = ("anthropic/small", "anthropic/large", "anthropic/stream", "anthropic/stream-alone", "openai/small", "openai/large")


def _number(value: float | None, digits: int = 0) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _markdown(head: list[str], rows: list[list[str]]) -> list[str]:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]


def _plain(head: list[str], rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def cpu_table(run: dict, names: tuple[str, ...] | None = None) -> tuple[list[str], list[list[str]]]:
    """CPU microseconds per request and the ratio to bare Envoy: a row per contender, a column per item."""
    items = [name for name in run.get("items", {}) if names is None or name in names]
    rows: list[list[str]] = []
    for contender, title in run["contenders"].items() if items else ():
        if contender == "direct" or contender in run.get("missing", {}):
            continue
        cells = []
        for item in items:
            line = run["items"][item].get(contender)
            if line is None:
                cells.append("can't")
            elif contender == "bare" or "ratio" not in line:
                cells.append(_number(line["cpu_us"]))
            else:
                cells.append(f"{_number(line['cpu_us'])} ({line['ratio']:.2f}×)")
        rows.append([title, *cells])
    return ["CPU µs per request (× bare Envoy)", *items], rows


def _detail_tables(run: dict) -> list[tuple[list[str], list[list[str]]]]:
    tables = []
    for item, lines in run.get("items", {}).items():
        rows = [
            [
                run["contenders"].get(name, name),
                _number(line["cpu_us"], 1),
                _number(line.get("ratio"), 2),
                _number(line.get("added_us"), 1),
                _number(line["rps"]),
                _number(line["p50_us"]),
                _number(line["p99_us"]),
                _number(line["memory_mb"]),
            ]
            for name, line in lines.items()
        ]
        head = [item, "CPU µs", "× bare", "+ µs", "requests/s", "p50 µs", "p99 µs", "RSS MB"]
        tables.append((head, rows))
    if "paced" in run:
        head = ["paced stream, added µs", "first token p50", "first token p99", "event p50", "event p99"]
        keys = ("first_token_added_p50_us", "first_token_added_p99_us", "event_added_p50_us", "event_added_p99_us")
        rows = [[run["contenders"].get(n, n), *(_number(line.get(k)) for k in keys)] for n, line in run["paced"].items() if n != "direct"]
        tables.append((head, rows))
    if "ladder" in run:
        steps = list(run["ladder"])
        names = list(next(iter(run["ladder"].values())))
        for title, key, digits in (("22 ms provider: p99 added, ms, at concurrency", "added_p99_us", 2), ("22 ms provider: requests/s at concurrency", "rps", 0)):
            rows = []
            for name in names:
                values = [run["ladder"][step].get(name, {}).get(key) for step in steps]
                scale = 1000 if key.endswith("_us") else 1
                rows.append([run["contenders"].get(name, name), *(_number(None if v is None else v / scale, digits) for v in values)])
            tables.append(([title, *steps], rows))
    for kind, title in (("body", "CPU µs by body bytes"), ("routes", "CPU µs by routes")):
        growth = run.get("growth", {}).get(kind)
        if growth:
            tables.append(_across(run, growth, title, lambda line: _number(line["cpu_us"])))
    requests = run.get("growth", {}).get("requests")
    if requests:
        tables.append(_across(run, requests, "RSS MB after so many requests", lambda line: _number(line["after_kb"] / 1024)))
        tables.append(_across(run, requests, "Series after so many requests", lambda line: _number(line["series"])))
    streams = run.get("growth", {}).get("streams")
    if streams:
        tables.append(_across(run, streams, "CPU µs per event by concurrent streams", lambda line: _number(line["event_us"], 1)))
        memory = lambda line: f"{line['peak_kb'] / 1024:.0f} → {line['after_kb'] / 1024:.0f}"  # noqa: E731
        tables.append(_across(run, streams, "RSS MB at peak → after, by concurrent streams", memory))
    return tables


def _across(run: dict, growth: dict, title: str, show) -> tuple[list[str], list[list[str]]]:  # noqa: ANN001
    names = [n for n in run["contenders"] if any(n in lines for lines in growth.values())]
    rows = [[run["contenders"][n], *(show(lines[n]) if n in lines else "–" for lines in growth.values())] for n in names]
    return [title, *growth], rows


def goal_table(run: dict) -> tuple[list[str], list[list[str]]]:
    rows = [[row.goal, row.limit, row.figure, row.floor, row.warm, "yes" if row.reached else "no"] for row in goals.rows(run)]
    return ["Goal", "limit", "reached figure", "calls without work", "calls and work undisturbed", "reached"], rows


def profile_table(run: dict) -> tuple[list[str], list[list[str]]]:
    """Where a request's CPU goes, by samples; why what is not reached isn't."""
    rows = []
    for item, lines in run.get("profile", {}).items():
        for name, line in lines.items():
            parts = [_number(line[part]) for part in ("cpu_us", "kernel_us", "envoy_us", "wasm_us")]
            calls = [str(line[kind]) if line[kind] else "–" for kind in ("callbacks", "host_calls")]
            rows.append([f"{item}: {run['contenders'].get(name, name)}", *parts, *calls])
    return ["CPU µs of a request", "all", "kernel", "Envoy and V8's runtime", "wasm", "callbacks", "host calls"], rows


def about(run: dict) -> list[str]:
    """The machine and how to read the numbers, one sentence per line."""
    machine = run["machine"]
    lines = [
        f"Measured {run['date']} at {run['commit']} on {machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_gb']} GB, {machine['system']}.",
        "CPU is that of the contender's whole process group, with one worker, medians of "
        f"{run['rounds']} alternating rounds of {run['seconds']:g} s; the ratios are taken within a round.",
    ]
    direct = run.get("items", {}).get("anthropic/small", {}).get("direct")
    if direct:
        lines.append(f"Without a proxy the same ends do {_number(direct['rps'])} requests/s, so they are not the limit.")
    for name, reason in run.get("missing", {}).items():
        lines.append(f"Left out: {run['contenders'].get(name, name)}, because {_first_line(reason)}.")
    return lines


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:160].rstrip(".") if text.strip() else "it gave no reason"


def refusals(run: dict) -> list[str]:
    lines = []
    for item, refused in run.get("refused", {}).items():
        for name, why in refused.items():
            lines.append(f"{run['contenders'].get(name, name)} can't do {item}: {_first_line(why)}.")
    return lines


def terminal(run: dict) -> str:
    tables = [cpu_table(run), goal_table(run), profile_table(run), *_detail_tables(run)]
    parts = ["\n".join(_plain(head, rows)) for head, rows in tables if rows]
    return "\n\n".join([*parts, "\n".join([*about(run), *refusals(run)])])


def markdown(run: dict) -> str:
    """Everything, for the benchmark's own page."""
    tables = [cpu_table(run), goal_table(run), profile_table(run), *_detail_tables(run)]
    parts = ["\n".join(_markdown(head, rows)) for head, rows in tables if rows]
    notes = [*about(run), *(f"- {line}" for line in refusals(run))]
    return "\n\n".join(["\n".join(about(run)), *parts, "\n".join(notes[len(about(run)) :])]).strip()


def short(run: dict) -> str:
    """The front page's table."""
    head, rows = cpu_table(run, SHORT)
    goals_head, goals_rows = goal_table(run)
    goals_part = ["What was aimed at, and what is reached:", "", *_markdown(goals_head, goals_rows), ""] if goals_rows else []
    return "\n".join([*_markdown(head, rows), "", *goals_part, *about(run), "Where the time goes, all tables, and how to repeat them: [integration/bench](integration/bench/README.md)."])


def insert(page: pathlib.Path, text: str) -> bool:
    """Puts `text` between the markers of `page`; False when it has none."""
    old = page.read_text()
    pattern = re.compile(r"(<!-- bench:begin[^>]*-->\n).*?(<!-- bench:end -->)", re.DOTALL)
    if not pattern.search(old):
        return False
    page.write_text(pattern.sub(lambda m: m.group(1) + text + "\n" + m.group(2), old))
    return True
