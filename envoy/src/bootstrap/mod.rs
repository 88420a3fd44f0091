//! The configuration of an Envoy (v3) that runs a plan.
//!
//! Owns every value that Envoy is told, with the reason for each that isn't Envoy's default. The same plan and site always
//! render the same text; no secret is ever in it. Envoy's advice for the edge is followed:
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge>

mod cluster;
pub mod discovery;
mod filter;
mod listener;
mod observe;
mod process;
mod tail;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;

use dragoman_core::config::Role;
use serde_json::{Value, json};

use crate::convert::Plan;
use crate::version::Version;

/// What a rendered Envoy must know beside the plan.
#[derive(Clone, Debug)]
pub struct Site {
    /// Where clients come in: host and port.
    pub listen: (String, u16),
    /// Where the admin port is: host and port.
    pub admin: (String, u16),
    /// Which Envoy reads it.
    pub version: Version,
    /// Where that Envoy finds the filter.
    pub wasm: PathBuf,
    /// Where that Envoy finds the certificates that it trusts.
    pub roots: PathBuf,
    /// `Gateway` for both roles, each in its place; `Inline` for both on the listener.
    pub role: Role,
    /// Whether a line is written for every request.
    pub access_log: bool,
    /// The environment variables of Envoy's process that the filter may read.
    pub variables: BTreeSet<String>,
}

impl Site {
    /// Whether attempts of `plan` can run beside each other here.
    fn hedges(&self, plan: &Plan) -> bool {
        self.role != Role::Inline && self.version.hedges() && plan.hedges()
    }
}

/// A whole bootstrap.
#[must_use]
pub fn bootstrap(plan: &Plan, site: &Site) -> Value {
    let listeners = listeners(plan, site, listener::Contents::inside(plan, site));
    whole(site, "static_resources", &json!({"listeners": listeners, "clusters": clusters(plan, site)}))
}

/// All listeners: the clients' own, and where a request that nobody answers goes.
fn listeners(plan: &Plan, site: &Site, contents: listener::Contents) -> Vec<Value> {
    let mut listeners = vec![listener::listener(plan, site, contents)];
    if site.role != Role::Inline {
        listeners.push(tail::listener(plan, site));
    }
    listeners
}

/// What Envoy is told beside its resources, and these by the key that says how it has them.
fn whole(site: &Site, key: &str, resources: &Value) -> Value {
    let mut bootstrap = json!({
        "node": {"id": "dragoman", "cluster": "dragoman"},
        "admin": process::admin(site),
        key: resources,
        "stats_config": process::stats(site.version),
        // A cluster's statistics take more memory than the cluster: they come with its first request.
        "deferred_stat_options": {"enable_deferred_creation_stats": true},
        "overload_manager": process::overload_manager(),
    });
    if site.role != Role::Inline
        && let Some(bootstrap) = bootstrap.as_object_mut()
    {
        bootstrap.insert("bootstrap_extensions".to_owned(), tail::extensions());
    }
    bootstrap
}

/// The parts that go into an Envoy configuration of one's own: a file's name, what it is for, and its content.
#[must_use]
pub fn includes(plan: &Plan, site: &Site) -> Vec<(&'static str, &'static str, Value)> {
    let mut parts = vec![
        (
            "http_filter.yaml",
            "Goes into the http_filters of an HttpConnectionManager, in the place of the router.\n\
             No filter that changes bodies may come between the two: the second reads what the first has kept.",
            json!([filter::gateway(plan, site), listener::router(plan, site)]),
        ),
        (
            "route.yaml",
            "Goes into the routes of a virtual host, in front of others that match the same paths.\n\
             The HttpConnectionManager must remove x-dragoman-* from what clients send: see early_header_mutation.yaml.",
            json!(listener::routes(plan, site)),
        ),
        (
            "early_header_mutation.yaml",
            "Goes into the HttpConnectionManager: no client may name a cluster.",
            json!({"early_header_mutation_extensions": listener::early_header_mutation()}),
        ),
        ("clusters.yaml", "Goes into static_resources.clusters.", Value::Array(clusters(plan, site))),
        (
            "local_reply_config.yaml",
            "Goes into the HttpConnectionManager: what Envoy answers past the filter gets OpenAI's form.",
            json!({"local_reply_config": listener::local_replies(site)}),
        ),
        (
            "observe.yaml",
            "Goes into the HttpConnectionManager: what its access log and its spans are told.",
            observe::connection_manager(plan, site),
        ),
        (
            "stats_config.yaml",
            "Goes into the bootstrap: Dragoman's statistics with labels.",
            process::stats(site.version),
        ),
    ];
    if site.role != Role::Inline {
        let tail = json!({
            "static_resources": {"listeners": [tail::listener(plan, site)]},
            "bootstrap_extensions": tail::extensions(),
        });
        parts.push((
            "tail.yaml",
            "Goes into the bootstrap: the listener inside the process to which Envoy turns when a provider can't be reached.",
            tail,
        ));
    }
    // Without logs and traces there is nothing to put in.
    parts.into_iter().filter(|(_, _, value)| *value != json!({})).collect()
}

/// Where requests go, and what is told of them.
fn clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    [cluster::clusters(plan, site), observe::clusters(plan, site)].concat()
}

/// The labels and buckets of Dragoman's statistics.
#[cfg(test)]
pub fn stats_config() -> Value {
    process::stats(crate::version::CURRENT)
}

/// Seconds as Envoy reads a duration.
fn duration(milliseconds: u64) -> String {
    if milliseconds.is_multiple_of(1000) {
        format!("{}s", milliseconds / 1000)
    } else {
        format!("{}.{:03}s", milliseconds / 1000, milliseconds % 1000)
    }
}

/// An address. A host in brackets is IPv6.
fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": bare(host), "port_value": port}})
}

/// A host without the brackets of IPv6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// A value of a type that Envoy knows by its URL.
fn typed(name: &str, mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        object.insert("@type".to_owned(), Value::String(format!("type.googleapis.com/{name}")));
    }
    value
}
