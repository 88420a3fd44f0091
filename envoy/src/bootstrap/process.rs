//! What Envoy's process is told: admin port, statistics, overload.

use serde_json::{Value, json};

use super::{Site, address, typed};
use crate::version::Version;

/// Envoy's advice for the edge: so many open connections, and so much memory for Envoy's own buffers.
const MAX_CONNECTIONS: u32 = 50_000;
const MAX_HEAP_BYTES: u64 = 4 * 1024 * 1024 * 1024;

/// The labels in the names of Dragoman's statistics: `wasmcustom.dragoman.requests;route=...;status=2xx;`.
const LABELS: &[&str] = &["provider", "model", "status", "type", "class", "reason", "role", "target"];

/// The admin port.
pub fn admin(site: &Site) -> Value {
    json!({"address": address(&site.admin.0, site.admin.1), "ignore_global_conn_limit": true})
}

/// Labels and buckets.
pub fn stats(version: Version) -> Value {
    let scoped = !version.scopes_statistics_alike();
    let beginning =
        if scoped { r"^(?:cluster\.[^;]*\.)?wasmcustom\.dragoman\." } else { r"^wasmcustom\.dragoman\." };
    let tag = |name: &str, regex: String| json!({"tag_name": format!("dragoman_{name}"), "regex": regex});
    // The first group is taken out of the name, the second is the label's value. The first label takes the separator in
    // front of it along; each takes the one behind it.
    let mut tags = vec![tag("route", format!("{beginning}[a-z_.]+(;route=([^;]*);)"))];
    tags.extend(LABELS.iter().map(|label| tag(label, format!("{beginning}.*;({label}=([^;]*);)"))));
    if scoped {
        tags.push(tag("scope", r"^(cluster\.([^;]*)\.)wasmcustom\.dragoman\.".to_owned()));
    }
    let matched = |name: &str| json!({if scoped { "contains" } else { "prefix" }: name});
    let milliseconds: &[f64] = &[
        1.0,
        5.0,
        10.0,
        25.0,
        50.0,
        100.0,
        250.0,
        500.0,
        1000.0,
        2500.0,
        5000.0,
        10_000.0,
        30_000.0,
        60_000.0,
        120_000.0,
        300_000.0,
        600_000.0,
        1_800_000.0,
    ];
    let microseconds: &[f64] = &[
        1000.0,
        2500.0,
        5000.0,
        7500.0,
        10_000.0,
        15_000.0,
        20_000.0,
        30_000.0,
        50_000.0,
        75_000.0,
        100_000.0,
        250_000.0,
        500_000.0,
        1_000_000.0,
    ];
    json!({
        "stats_tags": tags,
        // The first that matches holds. A token takes a millisecond at the least, a request half an hour at the most.
        "histogram_bucket_settings": [
            {"match": matched("wasmcustom.dragoman.time_per_output_token_microseconds"), "buckets": microseconds},
            {"match": matched("wasmcustom.dragoman."), "buckets": milliseconds},
        ],
    })
}

/// What Envoy does when memory or connections run out.
pub fn overload_manager() -> Value {
    let threshold = |monitor: &str, value: f64| json!([{"name": monitor, "threshold": {"value": value}}]);
    let heap = "envoy.resource_monitors.fixed_heap";
    let connections = "envoy.resource_monitors.global_downstream_max_connections";
    let heap_config = typed(
        "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
        json!({"max_heap_size_bytes": MAX_HEAP_BYTES}),
    );
    let connections_config = typed(
        "envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        json!({"max_active_downstream_connections": MAX_CONNECTIONS}),
    );
    json!({
        "refresh_interval": "0.25s",
        "resource_monitors": [
            {"name": heap, "typed_config": heap_config},
            {"name": connections, "typed_config": connections_config},
        ],
        "actions": [
            {"name": "envoy.overload_actions.shrink_heap", "triggers": threshold(heap, 0.90)},
            {"name": "envoy.overload_actions.disable_http_keepalive", "triggers": threshold(heap, 0.95)},
            {"name": "envoy.overload_actions.stop_accepting_requests", "triggers": threshold(heap, 0.98)},
        ],
        "loadshed_points": [],
    })
}
