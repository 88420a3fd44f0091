//! The same configuration in parts that Envoy watches: what changes in them is live without a restart.
//!
//! A changed list of models touches clusters, the gateway's configuration and perhaps the route, none of which ends a
//! connection or a running stream. Only what the listener itself says (body limits, access logs) makes Envoy drain the old
//! one. <https://www.envoyproxy.io/docs/envoy/latest/configuration/overview/xds_api>

use std::path::Path;

use serde_json::{Value, json};

use super::{Site, bootstrap};
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
    let mut whole = bootstrap(plan, site);
    let source =
        |file: &str| json!({"resource_api_version": "V3", "path_config_source": {"path": folder.join(file)}});
    let mut take = |pointer: &str, instead: Value| {
        whole.pointer_mut(pointer).map_or(Value::Null, |place| std::mem::replace(place, instead))
    };
    let manager = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let filter = take(
        &format!("{manager}/http_filters/0"),
        json!({
            "name": "dragoman",
            "config_discovery": {
                "config_source": source("filter.json"),
                "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
            },
        }),
    );
    let route = take(&format!("{manager}/route_config"), Value::Null);
    if let Some(manager) = whole.pointer_mut(manager).and_then(Value::as_object_mut) {
        manager.remove("route_config");
        let rds = json!({"route_config_name": "dragoman", "config_source": source("routes.json")});
        manager.insert("rds".to_owned(), rds);
    }
    let mut resources =
        whole.as_object_mut().and_then(|whole| whole.remove("static_resources")).unwrap_or_default();
    let mut all = |of: &str| match resources.get_mut(of).map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let (listeners, clusters) = (all("listeners"), all("clusters"));
    if let Some(whole) = whole.as_object_mut() {
        let dynamic = json!({"cds_config": source("clusters.json"), "lds_config": source("listeners.json")});
        whole.insert("dynamic_resources".to_owned(), dynamic);
    }
    let extension = json!({"name": "dragoman", "typed_config": filter.get("typed_config")});
    let parts = vec![
        part("clusters.json", "cluster_manager.cds", "envoy.config.cluster.v3.Cluster", clusters),
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
            vec![route],
        ),
        part("listeners.json", "listener_manager.lds", "envoy.config.listener.v3.Listener", listeners),
    ];
    (whole.to_string(), parts)
}

fn part(file: &'static str, stats: &'static str, kind: &str, resources: Vec<Value>) -> Part {
    let resources: Vec<Value> = resources.into_iter().map(|resource| super::typed(kind, resource)).collect();
    Part { file, stats, text: json!({"resources": resources}).to_string() }
}
