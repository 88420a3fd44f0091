//! Where clients come in.

use dragoman_core::config::{
    AGAIN_HEADER, CLUSTER_HEADER, MAX_TURNS, MIRROR_FOR_HEADER, MIRROR_HEADER, Role, TRACEPARENT, WAIT_HEADER,
};
use dragoman_core::observe::IDENTITY_HEADERS;
use dragoman_core::pass::PASS_HEADER;
use serde_json::{Value, json};

use super::{Site, address, duration, filter, observe, typed};
use crate::convert::Plan;

/// What a connection may hold back before Envoy stops reading from it. Envoy's advice for the edge is 32 KiB; eight times as
/// much takes a third from what an image of 800 KB costs (690 µs of CPU more than in bare Envoy become 457).
const CONNECTION_BUFFER: u32 = 256 * 1024;
/// How much more than the filter's limit Envoy takes, so that the filter's own refusal, in OpenAI's form, comes first.
const BODY_SLACK: usize = 4 * 1024 * 1024;

/// What a listener has in itself, or where it finds it.
pub struct Contents {
    /// The gateway's filter.
    pub gateway: Value,
    /// The routes, behind the connection manager's key for them.
    pub routes: (&'static str, Value),
}

impl Contents {
    /// Those of a listener that has all in itself.
    pub fn inside(plan: &Plan, site: &Site) -> Self {
        Self { gateway: filter::gateway(plan, site), routes: ("route_config", route_config(plan, site)) }
    }
}

/// The routes of all hosts.
pub fn route_config(plan: &Plan, site: &Site) -> Value {
    json!({
        "name": "dragoman",
        "virtual_hosts": [{"name": "dragoman", "domains": ["*"], "routes": routes(plan, site)}],
    })
}

/// The listener.
pub fn listener(plan: &Plan, site: &Site, contents: Contents) -> Value {
    let connection_buffer = if site.version.limits_bodies_by_route() {
        CONNECTION_BUFFER as usize
    } else {
        body_limit(plan, site)
    };
    json!({
        "name": "dragoman",
        "address": address(&site.listen.0, site.listen.1),
        "per_connection_buffer_limit_bytes": connection_buffer,
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": typed(
                "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                connection_manager(plan, site, contents),
            ),
        }]}],
    })
}

/// What Envoy takes of a request's body.
fn body_limit(plan: &Plan, site: &Site) -> usize {
    let needed = plan.max_body_bytes.saturating_add(BODY_SLACK);
    // Up to 1.37 a request that begins anew hangs when its body fills more than half of what is allowed.
    if site.role == Role::Inline || site.version.begins_anew_with_all() {
        needed
    } else {
        needed.saturating_mul(2)
    }
}

fn connection_manager(plan: &Plan, site: &Site, contents: Contents) -> Value {
    let (found, routes) = contents.routes;
    let mut manager = json!({
        "stat_prefix": "dragoman",
        "codec_type": "AUTO",
        // The peer is the client, whatever x-forwarded-for claims, and no peer is trusted as internal: x-envoy-* headers of
        // clients are removed even on loopback.
        "use_remote_address": true,
        "skip_xff_append": true,
        // No list at all would mean the private networks, loopback among them: this one holds nobody's address.
        "internal_address_config": {
            "unix_sockets": false,
            "cidr_ranges": [{"address_prefix": "0.0.0.0", "prefix_len": 32}],
        },
        "early_header_mutation_extensions": early_header_mutation(),
        "normalize_path": true,
        "merge_slashes": true,
        // Model names hold slashes, so clients ask for /v1/models/anthropic%2Fclaude: the filter reads both forms.
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "max_request_headers_kb": 60,
        "common_http_protocol_options": {
            "idle_timeout": "3600s",
            "max_headers_count": 100,
            "headers_with_underscores_action": "DROP_HEADER",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 262_144,
            "initial_connection_window_size": 1_048_576,
        },
        // A provider may think for an hour before its first byte.
        "stream_idle_timeout": duration(plan.longest_ms()),
        // For /v1/realtime; the filter refuses it at any other path.
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "request_headers_timeout": "15s",
        // How long a client may take to send its request; a body of the limit at 1 Mbit/s fits.
        "request_timeout": "300s",
        "http_filters": [
            contents.gateway,
            router(plan, site),
        ],
        found: routes,
    });
    if let Some(manager) = manager.as_object_mut() {
        if let Value::Object(told) = observe::connection_manager(plan, site) {
            manager.extend(told);
        }
        manager.insert("local_reply_config".to_owned(), local_replies(site));
    }
    manager
}

/// The router, with the upstream role in it. It runs once for each attempt whatever the cluster is; on each cluster it would
/// be configured thousands of times, and Envoy hashes the whole filter each time.
pub fn router(plan: &Plan, site: &Site) -> Value {
    // Providers and clients have no use for Envoy's own headers.
    let mut router = json!({"suppress_envoy_headers": true});
    if site.role != Role::Inline
        && let Some(router) = router.as_object_mut()
    {
        router.insert(
            "upstream_http_filters".to_owned(),
            json!([filter::upstream(plan, site), filter::upstream_codec()]),
        );
    }
    let router = typed("envoy.extensions.filters.http.router.v3.Router", router);
    json!({"name": "envoy.filters.http.router", "typed_config": router})
}

/// What Envoy answers past all filters gets OpenAI's form here.
pub fn local_replies(site: &Site) -> Value {
    let error = |message: &str, code: &str| json!({"error": {"message": message, "type": "server_error", "param": null, "code": code}});
    // The filter's VM has failed: Envoy makes a new one, at most once in a second, and says nothing to the client. No flag
    // tells it, so the reason is asked for.
    let failed = typed(
        "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
        json!({"expression": "response.code_details == 'wasm_fail_stream'"}),
    );
    let mut mappers = vec![json!({
        "filter": {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": failed}},
        "body_format_override": {"json_format": error("The gateway failed and starts anew: try again.", "service_unavailable")},
        "headers_to_add": [{"header": {"key": "retry-after", "value": "1"}}],
    })];
    if site.role == Role::Inline {
        // A provider that breaks off while the inline filter holds its reply's head. The filter's own answers bear no
        // response flag and stay as they are.
        mappers.push(json!({
            "filter": {"response_flag_filter": {}},
            "body_format_override": {"json_format": error("%LOCAL_REPLY_BODY%", "bad_gateway")},
        }));
    }
    json!({"mappers": mappers})
}

/// The filter alone names clusters, and requests that begin anew; filters in front of it say whose a key is.
pub fn early_header_mutation() -> Value {
    let remove = |name: &&str| json!({"remove": name});
    let removed: Vec<Value> = [CLUSTER_HEADER, AGAIN_HEADER, PASS_HEADER, MIRROR_HEADER, MIRROR_FOR_HEADER]
        .iter()
        .chain(IDENTITY_HEADERS)
        .map(remove)
        .collect();
    let mutation = typed(
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        json!({"mutations": removed}),
    );
    json!([{"name": "envoy.http.early_header_mutation.header_mutation", "typed_config": mutation}])
}

/// All routes.
pub fn routes(plan: &Plan, site: &Site) -> Vec<Value> {
    vec![passing(plan, site), route(plan, site)]
}

/// The route of requests that pass as they are: what is tried once is not kept for another time, so that a body of any size
/// passes in the same memory.
fn passing(plan: &Plan, site: &Site) -> Value {
    json!({
        "match": {"prefix": "/", "headers": [{"name": PASS_HEADER, "present_match": true}]},
        "route": {
            "cluster_header": CLUSTER_HEADER,
            "timeout": "0s",
            "idle_timeout": duration(plan.longest_ms()),
        },
        // What the filter reads of a body before it lets it go.
        "request_body_buffer_limit": body_limit(plan, site),
        "request_headers_to_remove": PRIVATE,
    })
}

/// What is no provider's business: how requests are routed, and who the client is.
const PRIVATE: &[&str] = &[
    CLUSTER_HEADER,
    AGAIN_HEADER,
    PASS_HEADER,
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "forwarded",
];

/// The route: the filter answers what has no model, and names the cluster of the rest.
fn route(plan: &Plan, site: &Site) -> Value {
    let mut action = json!({
        "cluster_header": CLUSTER_HEADER,
        // No limit over all attempts, and no limit to a stream that flows: each attempt has its own, below.
        "timeout": "0s",
        "idle_timeout": duration(plan.longest_ms()),
        "retry_policy": retry_policy(plan, site),
    });
    if site.role != Role::Inline
        && let Some(action) = action.as_object_mut()
    {
        // A failed attempt's reply becomes a redirect by the filter's hand, and by no other's: no provider's passes it.
        let redirects = json!({
            "redirect_response_codes": [307],
            "response_headers_to_copy": [AGAIN_HEADER, TRACEPARENT],
            "max_internal_redirects": MAX_TURNS,
            "allow_cross_scheme_redirect": true,
        });
        action.insert("internal_redirect_policy".to_owned(), redirects);
        // Only where a model has its requests copied: Envoy keeps a request's body for a copy.
        if plan.targets.iter().any(|target| target.silent.is_some()) {
            action.insert("request_mirror_policies".to_owned(), json!([{"cluster_header": MIRROR_HEADER}]));
        }
    }
    json!({
        "match": {"prefix": "/"},
        "route": action,
        "request_body_buffer_limit": body_limit(plan, site),
        "request_headers_to_remove": PRIVATE,
    })
}

/// What makes an attempt fail, and what then.
fn retry_policy(plan: &Plan, site: &Site) -> Value {
    if site.role == Role::Inline {
        return inline_retry_policy(plan, site);
    }
    let priority = typed(
        "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
        json!({"update_frequency": 1}),
    );
    json!({
        // What no reply announces is tried again on the tail; what one does, after the time that the filter says.
        "retry_on": "reset,connect-failure,refused-stream,retriable-headers",
        "retriable_headers": [{"name": WAIT_HEADER, "present_match": true}],
        "rate_limited_retry_back_off": {
            "reset_headers": [{"name": WAIT_HEADER, "format": "SECONDS"}],
            "max_interval": "3600s",
        },
        "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
        // The filter decides when it is enough; this only ends what would have no end.
        // As often as a request may begin anew: far more than any course takes.
        "num_retries": MAX_TURNS,
        "retry_priority": {"name": "envoy.retry_priorities.previous_priorities", "typed_config": priority},
        // Until the reply's head goes to the client. The filter holds it until the first event is there, or the whole reply.
        // A target with another timeout has it from the filter.
        "per_try_timeout": duration(plan.course.timeout_ms),
    })
}

/// An inline filter can't decide on the next attempt: Envoy repeats this one, as LiteLLM would without a policy.
fn inline_retry_policy(plan: &Plan, site: &Site) -> Value {
    // LiteLLM tries these again: no connection, timeouts, 408, 409, 429 and all of 5xx. The filter holds a failure's head until
    // it has read why; 1.36 breaks the client's connection when such a head is then tried again.
    let retry_on = if site.version.holds_heads() {
        "5xx,reset,connect-failure,refused-stream,retriable-status-codes"
    } else {
        "connect-failure,refused-stream,reset-before-request"
    };
    json!({
        "retry_on": retry_on,
        "retriable_status_codes": [408, 409, 429],
        "num_retries": plan.course.retries,
        "per_try_timeout": duration(plan.course.timeout_ms),
        "retry_back_off": {"base_interval": "0.1s", "max_interval": "8s"},
    })
}
