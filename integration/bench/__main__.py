"""`python -m bench` from `integration/`: run, check, readme, show, install, profile."""

from __future__ import annotations

import argparse
import json
import pathlib
import signal
import sys

from . import choice, measure, profile, report, work
from .contenders import ALL, CACHE, ROOT, Unavailable
from .measure import Settings, say

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE / "recorded.json"
LAST = CACHE / "run.json"
PARTS = ("items", "paced", "ladder", "growth", "profile", "choice")

# What the check looks at: Dragoman's own ratios on the items that its speed is judged by.
CHECK_CONTENDERS = ["bare", "dragoman", "inline"]
CHECK_ITEMS = ["anthropic/small", "anthropic/large", "anthropic/stream", "anthropic/stream-alone", "openai/small", "openai/large"]
# A ratio may rise by this share over the recorded one before the check fails.
ALLOWED = 0.15


def main() -> int:
    # Whoever is stopped stops the servers that it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # `python -m bench` alone is the whole benchmark.
    arguments = _parser().parse_args(sys.argv[1:] or ["run"])
    return arguments.act(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="What Dragoman costs beside the others.")
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="measure; print the tables, write the JSON")
    run.add_argument("--part", default=",".join(PARTS), help="which of " + ", ".join(PARTS))
    run.add_argument("--out", type=pathlib.Path, default=LAST)
    run.add_argument("--record", action="store_true", help="keep this run as the recorded one, merged part by part")
    run.set_defaults(act=_run)
    check = commands.add_parser("check", help="compare the ratios with the recorded run; fail beyond 15 %%")
    check.set_defaults(act=_check)
    for command in (run, check):
        command.add_argument("--contender", default="", help="names, comma-separated: " + ", ".join(ALL))
        command.add_argument("--item", default="", help="names or beginnings of names: " + ", ".join(work.items()))
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--seconds", type=float, default=1.0)
    show = commands.add_parser("show", help="print a run's tables")
    show.add_argument("run", type=pathlib.Path, nargs="?", default=RECORDED)
    show.add_argument("--markdown", action="store_true")
    show.set_defaults(act=_show)
    readme = commands.add_parser("readme", help="write the recorded run's tables between the markers of the READMEs")
    readme.set_defaults(act=_readme)
    install = commands.add_parser("install", help="bring every contender into the cache")
    install.set_defaults(act=_install)
    profile.add_commands(commands)
    return parser


def _settings(arguments: argparse.Namespace, contenders: list[str], items: list[str]) -> Settings:
    if arguments.contender:
        contenders = arguments.contender.split(",")
        unknown = [name for name in contenders if name not in ALL]
        if unknown:
            raise SystemExit(f"unknown contender {', '.join(unknown)}; there are {', '.join(ALL)}")
    if arguments.item:
        wanted = arguments.item.split(",")
        items = [name for name in work.items() if any(name == w or name.startswith(w + "/") or name.split("/")[1] == w for w in wanted)]
        if not items:
            raise SystemExit(f"no item is called {arguments.item}")
    return Settings(contenders, items, arguments.rounds, arguments.seconds)


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments, list(ALL), list(work.items()))
    run = measure.heading(settings)
    parts = arguments.part.split(",")
    if "items" in parts:
        run |= measure.measure_items(settings)
    others = Settings([n for n in settings.contenders if n != "direct"], settings.items, settings.rounds, settings.seconds)
    if "paced" in parts:
        run["paced"] = measure.measure_paced(others)
    if "ladder" in parts:
        run["ladder"] = measure.measure_ladder(others)
    if "growth" in parts:
        run["growth"] = measure.measure_growth(others)
    if "profile" in parts:
        run["profile"] = profile.measure_profile(others)
        run["inside"] = profile.measure_inside(settings.seconds)
    if "choice" in parts:
        run["choice"] = choice.measure_choice(settings)
    _write(arguments.out, run)
    if arguments.record:
        _write(RECORDED, _merged(run))
    print(report.terminal(run))
    say(f"\nwritten to {arguments.out}")
    return 0


def _merged(run: dict) -> dict:
    """A run of some parts replaces those parts of the recorded one; its heading is the newer run's."""
    old = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    merged = {**old, **run}
    merged["contenders"] = {**old.get("contenders", {}), **run["contenders"]}
    return merged


def _write(path: pathlib.Path, run: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")


def _check(arguments: argparse.Namespace) -> int:
    if not RECORDED.exists():
        print("no recorded run: `python -m bench run --record` makes one")
        return 1
    recorded = json.loads(RECORDED.read_text())
    settings = _settings(arguments, CHECK_CONTENDERS, CHECK_ITEMS)
    slower = _slower(measure.measure_items(settings), recorded)
    if slower:
        # A neighbour's noise can pass for a regression once, hardly twice.
        say("measuring again: " + ", ".join(sorted({item for item, *_ in slower})))
        again = Settings(settings.contenders, sorted({item for item, *_ in slower}), settings.rounds + 2, settings.seconds)
        slower = _slower(measure.measure_items(again), recorded)
    for item, name, now, then in slower:
        print(f"{name} on {item}: {now:.2f} times bare Envoy, recorded {then:.2f}")
    print("slower than recorded" if slower else "no slower than recorded")
    return 1 if slower else 0


def _slower(run: dict, recorded: dict) -> list[tuple[str, str, float, float]]:
    found = []
    for item, lines in run["items"].items():
        for name, line in lines.items():
            then = recorded.get("items", {}).get(item, {}).get(name, {}).get("ratio")
            if name != measure.BARE and then and line["ratio"] > then * (1 + ALLOWED):
                found.append((item, name, line["ratio"], then))
    for name, reason in run["missing"].items():
        raise SystemExit(f"{name} did not come up: {reason}")
    return found


def _show(arguments: argparse.Namespace) -> int:
    run = json.loads(arguments.run.read_text())
    print(report.markdown(run) if arguments.markdown else report.terminal(run))
    return 0


def _readme(_: argparse.Namespace) -> int:
    run = json.loads(RECORDED.read_text())
    pages = {HERE / "README.md": report.markdown(run), ROOT / "README.md": report.short(run)}
    for page, text in pages.items():
        done = page.exists() and report.insert(page, text)
        print(f"{page.relative_to(ROOT)}: {'written' if done else 'has no markers'}")
    return 0


def _install(_: argparse.Namespace) -> int:
    for contender in ALL.values():
        try:
            contender().install()
        except Unavailable as reason:
            print(f"{contender.title}: {reason}")
        else:
            print(f"{contender.title}: ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
