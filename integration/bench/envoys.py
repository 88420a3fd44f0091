"""Bootstraps for the Envoys that are compared with: bare, with an empty wasm filter, with Envoy's own transcoder.

All three are the same but for their filters, and as lean as Envoy gets: one listener, static clusters, no access log.
"""

from __future__ import annotations

import json
import pathlib

_HTTP = "type.googleapis.com/envoy.extensions.filters.http."
# Native filters and wasm hold whole bodies: the limit fits the largest one measured.
_BUFFER = 32 << 20
_PROTOCOLS = {"openai": "OPENAI_CHAT_COMPLETIONS", "anthropic": "ANTHROPIC_MESSAGES"}


def write(
    path: pathlib.Path,
    listen: int,
    admin: int,
    provider: int,
    filters: list[dict],
    routes: list[dict],
    clusters: list[dict] | None = None,
) -> None:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}],
        "request_timeout": "0s",
    }
    listener = {
        "name": "bench",
        "address": _address(listen),
        "per_connection_buffer_limit_bytes": _BUFFER,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    bootstrap = {
        "admin": {"address": _address(admin)},
        "static_resources": {"listeners": [listener], "clusters": clusters or [cluster("provider", provider)]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bootstrap, indent=1))


def cluster(name: str, port: int, target: dict | None = None, filters: list[dict] | None = None) -> dict:
    """The provider as a cluster; with `target`, as Dragoman's upstream role wants it: on the endpoint, as JSON."""
    endpoint: dict = {"endpoint": {"address": _address(port)}}
    if target:
        endpoint["metadata"] = {"filter_metadata": {"dragoman": {"target": json.dumps(target)}}}
    made = {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": _BUFFER,
        "circuit_breakers": {"thresholds": [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    if filters:
        options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        codec = {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": _HTTP + "upstream_codec.v3.UpstreamCodec"}}
        made["typed_extension_protocol_options"] = {
            options: {
                "@type": "type.googleapis.com/" + options,
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": [*filters, codec],
            }
        }
    return made


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def cluster_header_routes() -> list[dict]:
    """The gateway role names the cluster in a header."""
    return [{"match": {"prefix": "/"}, "route": {"cluster_header": "x-dragoman-cluster", "timeout": "0s"}}]


def plain_routes() -> list[dict]:
    return [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}]


def wasm_filter(module: pathlib.Path, configuration: dict | str | None = None) -> dict:
    """Filters of the same module share one VM per worker: same `vm_id`, same code."""
    config: dict = {
        "name": module.stem,
        "root_id": module.stem,
        "vm_config": {
            "vm_id": module.stem,
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(module)}},
        },
        "allow_on_headers_stop_iteration": True,
    }
    if configuration:
        value = configuration if isinstance(configuration, str) else json.dumps(configuration)
        config["configuration"] = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": value}
    return {"name": module.stem, "typed_config": {"@type": _HTTP + "wasm.v3.Wasm", "config": config}}


def native_filter() -> dict:
    """OpenAI's chat, the canonical form, is what clients send: only the hop to the provider has to be converted."""
    transcoder = {
        "name": "envoy.http.ai_filters.transcoder",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.ai_filters.transcoder.v3.Transcoder",
            "request_handling": "FROM_IR",
            "response_handling": "TO_IR",
        },
    }
    manager = {
        "@type": _HTTP + "ai_protocol_manager.v3.AiProtocolManager",
        "request_handling": {},
        "response_handling": {},
        "filters": [transcoder],
    }
    return {"name": "envoy.filters.http.ai_protocol_manager", "typed_config": manager}


def native_routes() -> list[dict]:
    """The client's prefix names the provider's protocol; the transcoder leaves the path to the route."""
    return [_native_route(provider) for provider in _PROTOCOLS]


def _native_route(provider: str) -> dict:
    path = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}[provider]
    declared = {
        "@type": _HTTP + "ai_protocol_manager.v3.AiProtocolManagerPerRoute",
        "request": {"llm_protocol": _PROTOCOLS["openai"]},
        "response": {"llm_protocol": _PROTOCOLS[provider]},
    }
    return {
        "match": {"path": f"/{provider}/v1/chat/completions"},
        "route": {"cluster": "provider", "timeout": "0s", "prefix_rewrite": path},
        "typed_per_filter_config": {"envoy.filters.http.ai_protocol_manager": declared},
    }
