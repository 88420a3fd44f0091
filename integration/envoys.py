"""Pieces of Envoy bootstraps for the tests that pin what Envoy does with filters. Knows nothing of Dragoman."""

from __future__ import annotations

from typing import Any

from gateway import ROOT

PROBE = ROOT / "target" / "wasm32-wasip1" / "release" / "probe.wasm"

_HTTP = "type.googleapis.com/envoy.extensions.filters.http."
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def bootstrap(filters: list[dict], clusters: list[dict], route: dict | None = None, **more: Any) -> dict:
    """One listener with `filters`, one route to the first cluster. `more` goes into the connection manager."""
    action = {"cluster": clusters[0]["name"], "timeout": "20s", **(route or {})}
    if "cluster_header" in action:
        del action["cluster"]
    stats = more.pop("stats", None)
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "probe",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": action}]}]},
        "http_filters": [*filters, {"name": "router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}],
        **more,
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "probe", "address": _address("@PORT@"), "filter_chains": [chain]}
    made: dict[str, Any] = {"admin": {"address": _address("@ADMIN_PORT@")}, "static_resources": {"listeners": [listener], "clusters": clusters}}
    if stats:
        made["stats_config"] = stats
    return made


def probe(words: str, env: list[str] | None = None, stop_headers: bool = True, vm: str = "shared") -> dict:
    """The probe filter; `words` are its name and what it does."""
    machine: dict[str, Any] = {"vm_id": vm, "runtime": "envoy.wasm.runtime.v8", "code": {"local": {"filename": str(PROBE)}}}
    if env:
        machine["environment_variables"] = {"host_env_keys": env}
    config: dict[str, Any] = {
        "name": words.split()[0],
        "vm_config": machine,
        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": words},
    }
    if stop_headers:
        config["allow_on_headers_stop_iteration"] = True
    return {"name": "probe." + words.split()[0], "typed_config": {"@type": _HTTP + "wasm.v3.Wasm", "config": config}}


def cluster(name: str, port: int, filters: list[dict] | None = None, target: str | None = None) -> dict:
    """A cluster of one endpoint on loopback; `target` is the endpoint's metadata."""
    endpoint: dict[str, Any] = {"endpoint": {"address": _address(port)}}
    if target:
        endpoint["metadata"] = {"filter_metadata": {"probe": {"target": target}}}
    made = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    return _filtered(made, filters)


def aggregate(name: str, members: list[str], filters: list[dict] | None = None) -> dict:
    """A cluster of clusters, tried in order."""
    kind = {
        "name": "envoy.clusters.aggregate",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": members},
    }
    return _filtered({"name": name, "connect_timeout": "5s", "lb_policy": "CLUSTER_PROVIDED", "cluster_type": kind}, filters)


def retries(on: str, times: int = 2, walk: bool = False, **more: Any) -> dict:
    """A retry policy; with `walk`, each retry goes to the next priority."""
    policy: dict[str, Any] = {"retry_on": on, "num_retries": times, "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.002s"}, **more}
    if walk:
        priority = "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
        policy["retry_priority"] = {
            "name": "envoy.retry_priorities.previous_priorities",
            "typed_config": {"@type": priority, "update_frequency": 1},
        }
    return {"retry_policy": policy}


def redirects(times: int = 5) -> dict:
    """A route whose 307s the router follows itself."""
    return {"internal_redirect_policy": {"max_internal_redirects": times, "redirect_response_codes": [307], "allow_cross_scheme_redirect": True}}


def tail(made: dict, name: str = "tail") -> dict:
    """Adds a listener inside the process that answers 200 at once, and a cluster of this name that leads to it."""
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200}, "response_headers_to_add": [{"header": {"key": "x-probe-tail", "value": "yes"}}]}],
                }
            ]
        },
        "http_filters": [{"name": "router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    endpoint = {"endpoint": {"address": {"envoy_internal_address": {"server_listener_name": name}}}}
    made["static_resources"]["listeners"].append({"name": name, "internal_listener": {}, "filter_chains": [chain]})
    made["static_resources"]["clusters"].append(
        {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]}}
    )
    internal = "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener"
    made["bootstrap_extensions"] = [{"name": "envoy.bootstrap.internal_listener", "typed_config": {"@type": internal}}]
    return made


def access_log(line: str) -> list[dict]:
    """An access log in the file `access.log` of the process's home."""
    config = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": "@HOME@/access.log",
        "log_format": {"text_format_source": {"inline_string": line + "\n"}},
    }
    return [{"name": "envoy.access_loggers.file", "typed_config": config}]


def _filtered(made: dict, filters: list[dict] | None) -> dict:
    if filters:
        codec = {"name": "codec", "typed_config": {"@type": _HTTP + "upstream_codec.v3.UpstreamCodec"}}
        made["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/" + _OPTIONS,
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": [*filters, codec],
            }
        }
    return made


def _address(port: int | str) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
