"""Bootstraps for the Envoys that are compared with: bare, with an empty wasm filter, with Envoy's own transcoder.

All three are the same but for their filters, and as lean as Envoy gets: one listener, static clusters, no access log.
"""

from __future__ import annotations

import json
import pathlib

_HTTP = "type.googleapis.com/envoy.extensions.filters.http."
_PROTOCOLS = {"openai": "OPENAI_CHAT_COMPLETIONS", "anthropic": "ANTHROPIC_MESSAGES"}


def write(path: pathlib.Path, listen: int, admin: int, provider: int, filters: list[dict], routes: list[dict]) -> None:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": {"@type": _HTTP + "router.v3.Router"}}],
        # Native filters and wasm hold whole bodies: the limit fits the largest one measured.
        "request_timeout": "0s",
    }
    listener = {
        "name": "bench",
        "address": _address(listen),
        "per_connection_buffer_limit_bytes": 32 << 20,
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    }
    cluster = {
        "name": "provider",
        "type": "STATIC",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": 32 << 20,
        "circuit_breakers": {"thresholds": [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000}]},
        "load_assignment": {
            "cluster_name": "provider",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(provider)}}]}],
        },
    }
    bootstrap = {
        "admin": {"address": _address(admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bootstrap, indent=1))


def _address(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def plain_routes() -> list[dict]:
    return [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}]


def wasm_filter(module: pathlib.Path) -> dict:
    config = {
        "name": "empty",
        "vm_config": {
            "runtime": "envoy.wasm.runtime.v8",
            "code": {"local": {"filename": str(module)}},
        },
        "allow_on_headers_stop_iteration": True,
    }
    return {"name": "empty", "typed_config": {"@type": _HTTP + "wasm.v3.Wasm", "config": config}}


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
