"""Bootstraps for the Envoys that are compared with: bare, with an empty wasm filter, with Envoy's own transcoder.

All three are the same but for their filters, and as lean as Envoy gets: one listener, static clusters, no access log.
"""

from __future__ import annotations

import json
import pathlib

_HTTP = "type.googleapis.com/envoy.extensions.filters.http."
# Native filters and wasm hold whole bodies: the limit fits the largest one measured.
_BUFFER = 32 << 20
_AI = "type.googleapis.com/envoy.extensions.http.ai_filters."
_AI_MANAGER = "envoy.filters.http.ai_protocol_manager"
_PROTOCOLS = {"openai": "OPENAI_CHAT_COMPLETIONS", "anthropic": "ANTHROPIC_MESSAGES"}
_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
_MODELS = {"openai": "gpt-", "anthropic": "claude-"}
_CREDENTIALS = {
    "openai": {"authorization": "Bearer sk-provider"},
    "anthropic": {"x-api-key": "sk-provider", "anthropic-version": "2023-06-01"},
}


def write(
    path: pathlib.Path,
    listen: int,
    admin: int,
    provider: int,
    filters: list[dict],
    routes: list[dict],
    upstream: list[dict],
) -> None:
    """A bootstrap with these `filters` on the listener and `upstream` ones for each attempt, as `dragoman render` places them."""
    router: dict = {"@type": _HTTP + "router.v3.Router"}
    if upstream:
        codec = {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": _HTTP + "upstream_codec.v3.UpstreamCodec"}}
        router["upstream_http_filters"] = [*upstream, codec]
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "AUTO",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [*filters, {"name": "envoy.filters.http.router", "typed_config": router}],
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
        "static_resources": {"listeners": [listener], "clusters": [cluster("provider", provider)]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bootstrap, indent=1))


def cluster(name: str, port: int) -> dict:
    """A provider's address."""
    endpoint = {"endpoint": {"address": _address(port)}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "per_connection_buffer_limit_bytes": _BUFFER,
        "circuit_breakers": {"thresholds": [{"max_connections": 10000, "max_pending_requests": 10000, "max_requests": 10000}]},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


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


def transcoder_filters() -> list[dict]:
    """Envoy's transcoder alone. OpenAI's chat, the canonical form, is what clients send: only the hop to the provider has to
    be converted.
    """
    return [_ai_manager(_AI_MANAGER, [_transcoder("FROM_IR", "TO_IR")])]


def transcoder_routes() -> list[dict]:
    """The client's prefix names the provider's protocol; the transcoder leaves the path to the route."""
    return [_native_route(provider, {"path": f"/{provider}{_PATHS['openai']}"}, _AI_MANAGER) for provider in _PROTOCOLS]


def native_filters() -> list[dict]:
    """As Envoy's own sandbox makes an AI gateway of it: one manager reads the model, by which the route is picked again,
    and a second one converts.
    Source: <https://www.envoyproxy.io/docs/envoy/v1.40.0/start/sandboxes/ai-transcoder>.
    """
    info = {
        "name": "envoy.http.ai_filters.request_info",
        "typed_config": {"@type": _AI + "request_info.v3.RequestInfo"},
    }
    again = {
        "name": "envoy.filters.http.set_filter_state",
        "typed_config": {"@type": _HTTP + "set_filter_state.v3.Config", "clear_route_cache": True},
    }
    convert = [_transcoder("TO_IR", "FROM_IR"), _transcoder("FROM_IR", "TO_IR")]
    return [_ai_manager("read_model", [info], reserialize_body="DISABLE"), again, _ai_manager("transcode", convert)]


def native_routes() -> list[dict]:
    """A route for each provider's models, with its key, and the one on which every request starts."""
    chat = {"path": _PATHS["openai"]}
    first = {
        "match": chat,
        "direct_response": {"status": 404},
        "typed_per_filter_config": {"read_model": _declared(request="openai")},
    }
    return [*(_model_route(provider, chat) for provider in _PROTOCOLS), first]


def _model_route(provider: str, chat: dict) -> dict:
    asked = [{"key": "envoy.ai.model.request", "string_match": {"prefix": _MODELS[provider]}}]
    credential = [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in _CREDENTIALS[provider].items()
    ]
    headers = {"request_headers_to_remove": ["authorization"], "request_headers_to_add": credential}
    return _native_route(provider, {**chat, "filter_state": asked}, "transcode") | headers


def _ai_manager(name: str, filters: list[dict], **request: str) -> dict:
    config = {"@type": _HTTP + "ai_protocol_manager.v3.AiProtocolManager", "request_handling": request, "filters": filters}
    return {"name": name, "typed_config": config}


def _transcoder(request: str, response: str) -> dict:
    handling = {"request_handling": request, "response_handling": response}
    return {"name": "envoy.http.ai_filters.transcoder", "typed_config": {"@type": _AI + "transcoder.v3.Transcoder", **handling}}


def _declared(**protocols: str) -> dict:
    said = {side: {"llm_protocol": _PROTOCOLS[whose]} for side, whose in protocols.items()}
    return {"@type": _HTTP + "ai_protocol_manager.v3.AiProtocolManagerPerRoute", **said}


def _native_route(provider: str, match: dict, manager: str) -> dict:
    return {
        "match": match,
        "route": {"cluster": "provider", "timeout": "0s", "prefix_rewrite": _PATHS[provider]},
        "typed_per_filter_config": {manager: _declared(request="openai", response=provider)},
    }
