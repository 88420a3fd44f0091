//! The same configuration in parts that Envoy watches: what changes in them is live without a restart.
//!
//! A changed list of models touches clusters, the gateway's configuration and perhaps the route, none of which ends a
//! connection or a running stream. Only what the listener itself says (body limits, access logs) makes Envoy drain the old
//! one. <https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/xds_api>

use std::path::Path;

use serde_json::{Value, json};

use super::listener::{self, Contents};
use super::{Site, clusters, filter, listeners, whole};
use crate::convert::Plan;

/// A part in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The file's name.
    pub file: &'static str,
    /// What Envoy's counters of this part are called, before `.update_success` and `.update_rejected`.
    pub stats: &'static str,
    /// The file's content.
    pub text: String,
}

/// The bootstrap, as JSON, and the parts in the order in which Envoy must learn of them: what is named before what names it.
#[must_use]
pub fn watched(plan: &Plan, site: &Site, folder: &Path) -> (String, Vec<Part>) {
    let source =
        |file: &str| json!({"resource_api_version": "V3", "path_config_source": {"path": folder.join(file)}});
    let elsewhere = Contents {
        gateway: json!({
            "name": "dragoman",
            "config_discovery": {
                "config_source": source("filter.json"),
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        }),
        routes: ("rds", json!({"route_config_name": "dragoman", "config_source": source("routes.json")})),
    };
    let dynamic = json!({"cds_config": source("clusters.json"), "lds_config": source("listeners.json")});
    let gateway = filter::gateway(plan, site);
    let extension = json!({"name": "dragoman", "typed_config": gateway.get("typed_config")});
    let parts = vec![
        part("clusters.json", "cluster_manager.cds", "envoy.config.cluster.v3.Cluster", clusters(plan, site)),
        part(
            "filter.json",
            "extension_config_discovery.http_filter.dragoman",
            "envoy.config.core.v3.TypedExtensionConfig",
            vec![extension],
        ),
        part(
            "routes.json",
            "http.dragoman.rds.dragoman",
            "envoy.config.route.v3.RouteConfiguration",
            vec![listener::route_config(plan, site)],
        ),
        part(
            "listeners.json",
            "listener_manager.lds",
            "envoy.config.listener.v3.Listener",
            listeners(plan, site, elsewhere),
        ),
    ];
    (whole(site, "dynamic_resources", &dynamic).to_string(), parts)
}

fn part(file: &'static str, stats: &'static str, kind: &str, resources: Vec<Value>) -> Part {
    let resources: Vec<Value> = resources.into_iter().map(|resource| super::typed(kind, resource)).collect();
    Part { file, stats, text: json!({"resources": resources}).to_string() }
}
