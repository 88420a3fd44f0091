"""What envoy/observability holds: the rules by promtool and their own unit tests, and the dashboard by a real Prometheus that has
scraped the demo's traffic and some that goes wrong."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import time

import demo
import httpx
import pytest
from checks import COMPLETION, HELLO
from conftest import MASTER_KEY, PROVIDER_KEY, entry
from gateway import HTTP, ROOT, Dragoman, free_port
from standins.scripted import json_reply

FOLDER = ROOT / "envoy" / "observability"
INSTALLED = ROOT / ".cache" / "prometheus" / "usr" / "bin"


def tool(name: str) -> str:
    """Debian's Prometheus: of the PATH, or where `make setup` has unpacked it."""
    return shutil.which(name) or str(INSTALLED / name)


@pytest.mark.parametrize("words", [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]])
def test_the_rules(words):
    done = subprocess.run([tool("promtool"), *words], cwd=FOLDER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_test():
    rules = (FOLDER / "rules.yaml").read_text()
    tests = (FOLDER / "rules_test.yaml").read_text()
    alerts = [line.split("alert: ")[1] for line in rules.splitlines() if "- alert: " in line]
    assert len(alerts) == 6 and all(f"- alertname: {alert}" in tests for alert in alerts)


class Prometheus:
    """A real Prometheus that scrapes a gateway every half second, with our rules."""

    def __init__(self, gateway: Dragoman, home):
        self.url = f"http://127.0.0.1:{free_port()}"
        home.mkdir()
        shutil.copy(FOLDER / "rules.yaml", home / "rules.yaml")
        scrape = {"job_name": "envoy", "metrics_path": "/stats/prometheus", "static_configs": [{"targets": [f"127.0.0.1:{gateway.admin_port}"]}]}
        config = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
        (home / "prometheus.yml").write_text(json.dumps(config))
        self._home = home

    def __enter__(self) -> Prometheus:
        where = [f"--config.file={self._home / 'prometheus.yml'}", f"--storage.tsdb.path={self._home / 'data'}", f"--web.listen-address={self.url.removeprefix('http://')}"]
        with (self._home / "log").open("wb") as log:
            self._process = subprocess.Popen([tool("prometheus"), *where], stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def ask(self, query: str) -> list[dict]:
        answer = HTTP.get(self.url + "/api/v1/query", params={"query": query}).json()
        assert answer["status"] == "success", f"{query}: {answer}"
        return [found for found in answer["data"]["result"] if not math.isnan(float(found["value"][1]))]

    def wait(self, query: str, seconds: float = 60) -> list[dict]:
        end = time.monotonic() + seconds
        found: list[dict] = []
        while not found:
            assert time.monotonic() < end, f"no data: {query}"
            time.sleep(0.2)
            try:
                found = self.ask(query)
            except httpx.HTTPError:
                assert self._process.poll() is None, (self._home / "log").read_text()[-2000:]
        return found


SILENT = {key: value for key, value in COMPLETION.items() if key != "usage"}
"""A reply without usage: what it used is estimated."""


def traffic(gateway: Dragoman, providers, script) -> None:
    client = gateway.client()
    demo.chat(client, providers)
    demo.stream(client, providers)
    demo.tools(client, providers)
    demo.errors(client, providers)
    script.then(json_reply(SILENT))
    client.chat.completions.create(model="silent", messages=HELLO)
    script.then(json_reply({"error": {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}, 429))
    client.chat.completions.create(model="chain", messages=HELLO)
    client.chat.completions.create(model="unpriced", messages=HELLO)


def test_every_query_of_the_dashboard_returns_data(providers, script, tmp_path):
    claude, gpt = providers["anthropic"], providers["openai"]
    models = [
        entry("gpt", "openai/gpt-4o", gpt.api_base),
        entry("claude", "anthropic/claude-sonnet-4-5", claude.api_base),
        entry("anthropic/*", "anthropic/*", claude.api_base),
        entry("unpriced", "openai/nobody-prices-this", gpt.api_base),
        entry("silent", "openai/gpt-4o", script.base + "/v1"),
        entry("chain", "openai/gpt-4o", script.base + "/v1", order=1),
        entry("chain", "anthropic/claude-sonnet-4-5", claude.api_base, order=2),
    ]
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) == 15
    settings = {"router_settings": {"cooldown_time": 1}}
    with Dragoman({"model_list": models, **settings}, {"PROVIDER_KEY": PROVIDER_KEY, "MASTER_KEY": MASTER_KEY}) as gateway:
        with Prometheus(gateway, tmp_path / "prometheus") as prometheus:
            traffic(gateway, providers, script)
            prometheus.wait("dragoman_requests")
            # Until the failed target is back.
            time.sleep(2.5)
            traffic(gateway, providers, script)
            for query in queries:
                asked = query.replace("$__rate_interval", "1m").replace("$__range", "1m").replace("$route", ".*")
                prometheus.wait(asked)
            for rule in ("dragoman:spend_dollars_per_hour", "dragoman:fallback_ratio", "dragoman:time_to_first_token_milliseconds:p95"):
                prometheus.wait(rule)
