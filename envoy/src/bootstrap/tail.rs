//! The tail: a listener inside the process that answers at once, behind every address to which requests go.
//!
//! What no reply announces (no connection, a reset, silence) Envoy tries again there, and the filter turns the answer into
//! what follows. Nothing of a request ever goes there but its id.

use dragoman_core::config::{METADATA_NAMESPACE, TAIL_HEADER, TAIL_KEY};
use serde_json::{Value, json};

use super::typed;

/// The name of the listener and of its cluster.
const NAME: &str = "dragoman_tail";

/// The listener.
pub fn listener() -> Value {
    let router = typed("envoy.extensions.filters.http.router.v3.Router", json!({}));
    let manager = typed(
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        json!({
            "stat_prefix": NAME,
            "route_config": {
                "name": NAME,
                "virtual_hosts": [{
                    "name": NAME,
                    "domains": ["*"],
                    "routes": [{
                        "match": {"prefix": "/"},
                        "direct_response": {"status": 200},
                        "response_headers_to_add": [{"header": {"key": TAIL_HEADER, "value": "1"}}],
                    }],
                }],
            },
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": router}],
        }),
    );
    json!({
        "name": NAME,
        "internal_listener": {},
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    })
}

/// The cluster that leads to it.
pub fn cluster() -> Value {
    json!({
        "name": NAME,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": NAME,
            "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": {"envoy_internal_address": {"server_listener_name": NAME}}},
                // The filter knows it by this.
                "metadata": {"filter_metadata": {METADATA_NAMESPACE: {TAIL_KEY: "1"}}},
            }]}],
        },
    })
}

/// What the bootstrap needs for listeners inside the process.
pub fn extensions() -> Value {
    let listeners = typed("envoy.extensions.bootstrap.internal_listener.v3.InternalListener", json!({}));
    json!([{"name": "envoy.bootstrap.internal_listener", "typed_config": listeners}])
}

/// A cluster that has the tail behind the cluster `place`.
pub fn behind(place: &str) -> Value {
    let members = json!({"clusters": [place, NAME]});
    let aggregate = typed("envoy.extensions.clusters.aggregate.v3.ClusterConfig", members);
    json!({"name": "envoy.clusters.aggregate", "typed_config": aggregate})
}
