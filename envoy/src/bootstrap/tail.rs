//! The tail: a listener inside the process that answers at once, behind every address to which requests go.
//!
//! What no reply announces (no connection, a reset, silence) Envoy tries again there, and the filter turns the answer into
//! what follows. Nothing of a request ever goes there but its id, unless a second attempt is made beside the first: that names its
//! address, to which the listener passes it on.

use dragoman_core::config::{CLUSTER_HEADER, METADATA_NAMESPACE, TAIL_HEADER, TAIL_KEY};
use serde_json::{Value, json};

use super::{Site, cluster, duration, typed};
use crate::convert::Plan;

/// The name of the listener and of its cluster.
const NAME: &str = "dragoman_tail";
/// The name of the cluster that leads there once more: for an attempt that waits while two others run.
const AGAIN: &str = "dragoman_tail_again";

/// The listener.
pub fn listener(plan: &Plan, site: &Site) -> Value {
    let tell = json!([{"header": {"key": TAIL_HEADER, "value": "1"}}]);
    let mut routes = vec![json!({
        "match": {"prefix": "/"},
        "direct_response": {"status": 200},
        "response_headers_to_add": tell,
    })];
    let mut router = json!({});
    let mut manager = json!({"stat_prefix": NAME});
    if site.hedges(plan)
        && let Some(manager) = manager.as_object_mut()
    {
        router = json!({"suppress_envoy_headers": true});
        routes.insert(0, second(plan));
        let more = json!({
            // Both heads pass as they are.
            "generate_request_id": false,
            "skip_xff_append": true,
            "server_header_transformation": "PASS_THROUGH",
            "scheme_header_transformation": {"match_upstream": true},
            "stream_idle_timeout": duration(plan.longest_ms()),
            // A reply that breaks off does so at once.
            "delayed_close_timeout": "0s",
            // A provider that can't be reached, or breaks off before its head: the filter knows it by the header.
            "local_reply_config": {"mappers": [{"filter": {"response_flag_filter": {}}, "headers_to_add": tell}]},
        });
        if let Value::Object(more) = more {
            manager.extend(more);
        }
    }
    let router = typed("envoy.extensions.filters.http.router.v3.Router", router);
    if let Some(manager) = manager.as_object_mut() {
        let hosts = json!([{"name": NAME, "domains": ["*"], "routes": routes}]);
        manager.insert("route_config".to_owned(), json!({"name": NAME, "virtual_hosts": hosts}));
        let filters = json!([{"name": "envoy.filters.http.router", "typed_config": router}]);
        manager.insert("http_filters".to_owned(), filters);
    }
    let manager =
        typed("envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager", manager);
    json!({
        "name": NAME,
        "internal_listener": {},
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager},
        ]}],
    })
}

/// The way of an attempt that is made beside another one: to the address that it names.
fn second(plan: &Plan) -> Value {
    json!({
        "match": {"prefix": "/", "headers": [{"name": CLUSTER_HEADER, "present_match": true}]},
        "route": {
            "cluster_header": CLUSTER_HEADER,
            "timeout": "0s",
            "idle_timeout": duration(plan.longest_ms()),
        },
        "request_headers_to_remove": [CLUSTER_HEADER, "x-forwarded-proto"],
    })
}

/// The clusters that lead to it.
pub fn clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    let mut clusters = vec![to_it(NAME)];
    if site.hedges(plan) {
        clusters.push(to_it(AGAIN));
        for cluster in clusters.iter_mut().filter_map(Value::as_object_mut) {
            // Attempts are there for as long as a provider takes.
            cluster.insert("circuit_breakers".to_owned(), cluster::no_limits());
        }
    }
    clusters
}

fn to_it(name: &str) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
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
    aggregate(&[place, NAME])
}

/// A cluster that has the tail behind the cluster `place`, and behind that once more.
pub fn behind_twice(place: &str) -> Value {
    aggregate(&[place, NAME, AGAIN])
}

fn aggregate(members: &[&str]) -> Value {
    let members = json!({"clusters": members});
    let aggregate = typed("envoy.extensions.clusters.aggregate.v3.ClusterConfig", members);
    json!({"name": "envoy.clusters.aggregate", "typed_config": aggregate})
}
