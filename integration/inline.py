"""Dragoman's inline role: one listener filter in an Envoy whose clusters know nothing of it, as in an Istio mesh."""

from __future__ import annotations

import json
import urllib.parse
from typing import Any

import openai
from envoys import bootstrap, cluster
from gateway import FILTER, Envoy


class Inline(Envoy):
    """The same LiteLLM config as `Dragoman` takes, as far as tests need it, put into a bootstrap of their own."""

    def __init__(self, config: dict[str, Any], env: dict[str, str] | None = None, options: list[str] | None = None):
        self.config = config
        plugin, clusters = _plugin(config)
        variables = [name for name in (env or {})]
        machine = {
            "vm_id": "dragoman",
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(FILTER)}},
            "environment_variables": {"host_env_keys": variables},
        }
        wasm = {
            "name": "dragoman",
            "vm_config": machine,
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(plugin)},
            "failure_policy": "FAIL_RELOAD",
            "allow_on_headers_stop_iteration": True,
        }
        kind = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"
        listener = {"name": "dragoman", "typed_config": {"@type": kind, "config": wasm}}
        made = bootstrap(
            [listener],
            clusters,
            {"cluster_header": "x-dragoman-cluster", "timeout": "0s"},
            internal_address_config={"cidr_ranges": []},
            early_header_mutation_extensions=_NO_CLUSTER_FROM_OUTSIDE,
            local_reply_config=_LOCAL_REPLIES,
            stats={"stats_tags": _TAGS},
        )
        # The filter can't take the router's header away, as the router reads it after the filter.
        routes = made["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
        routes["request_headers_to_remove"] = ["x-dragoman-cluster"]
        # Whole bodies are held: the limit fits the largest one that a test sends and the filter lets through.
        for holder in (*made["static_resources"]["listeners"], *clusters):
            holder["per_connection_buffer_limit_bytes"] = 64 << 20
        super().__init__(made, env)

    def client(self, key: str = "sk-client", **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base_url + "/v1", api_key=key, **{"max_retries": 0, "timeout": 60, **options})


# The filter alone names clusters.
_NO_CLUSTER_FROM_OUTSIDE = [
    {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove": "x-dragoman-cluster"}],
        },
    }
]

# A provider that breaks off while its reply's head is held gets Envoy to answer past all filters. The mapper sees to
# OpenAI's form there; the filter's own replies, which carry no response flag, stay as they are.
_LOCAL_REPLIES = {
    "mappers": [
        {
            "filter": {"response_flag_filter": {}},
            "body_format_override": {
                "json_format": {"error": {"message": "%LOCAL_REPLY_BODY%", "type": "server_error", "param": None, "code": "bad_gateway"}}
            },
        }
    ]
}

_TAGS = [
    {"tag_name": "dragoman." + tag, "regex": rf"^wasmcustom\.dragoman\..*?(;{tag}=([^;]*))"} for tag in ("route", "provider", "model", "status", "type", "class")
]


def _setting(value: str) -> Any:
    return {"env": value.removeprefix("os.environ/")} if value.startswith("os.environ/") else value


def _plugin(config: dict[str, Any]) -> tuple[dict[str, Any], list[dict]]:
    """The plugin's configuration, and a cluster for each target."""
    targets, clusters = [], []
    routes: dict[str, dict[str, Any]] = {}
    for at, entry in enumerate(config["model_list"]):
        params = dict(entry["litellm_params"])
        name, (provider, _, model) = entry["model_name"], params.pop("model").partition("/")
        target: dict[str, Any] = {"id": f"t{at}", "provider": provider, "model": model, "base_url": params.pop("api_base")}
        if "*" in name:
            target["pattern"] = name
        if key := params.pop("api_key", None):
            target["api_key"] = _setting(key)
        for known in ("drop_params", "additional_drop_params"):
            if known in params:
                target[known] = params.pop(known)
        if headers := params.pop("extra_headers", None):
            target["headers"] = {key: _setting(value) for key, value in headers.items()}
        target["params"] = params
        targets.append(target)
        address = urllib.parse.urlsplit(target["base_url"])
        assert address.port
        clusters.append(cluster(f"t{at}", address.port))
        routes.setdefault(name, {"name": name, "targets": []})["targets"].append({"target": f"t{at}", "cluster": f"t{at}"})
    plugin: dict[str, Any] = {"role": "inline", "targets": targets, "routes": list(routes.values())}
    if master := config.get("general_settings", {}).get("master_key"):
        plugin["master_key"] = _setting(master)
    return plugin, clusters
