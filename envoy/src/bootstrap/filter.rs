//! The Wasm filter in its roles.

use std::collections::BTreeMap;

use dragoman_core::config::{HedgeConfig, PluginConfig, Role, RouteConfig, RouteTargetConfig, TargetConfig};
use dragoman_core::meter::ModelInfo;
use serde_json::{Value, json};

use super::{Site, observe, typed};
use crate::convert::{Plan, routing};
use crate::prices;

/// All roles share one VM per worker: what one knows of a stream the other sees without asking Envoy.
const VM_ID: &str = "dragoman";

/// The filter on the listener.
pub fn gateway(plan: &Plan, site: &Site) -> Value {
    let captures = observe::captured(plan, site);
    let config = PluginConfig {
        master_key: plan.master_key.clone(),
        id_secret: plan.id_secret.clone(),
        max_body_bytes: plan.max_body_bytes,
        course: plan.course.clone(),
        // Only the router stands between the roles, and it changes no body.
        share_bodies: site.role == Role::Gateway,
        hold_heads: site.role == Role::Gateway && site.version.holds_heads(),
        observe: observe::told(plan, site),
        capture: captures.map(|capture| capture.max_bytes),
        redact: captures.map(|capture| capture.redact.clone()).unwrap_or_default(),
        routes: plan
            .routes
            .iter()
            .map(|route| RouteConfig {
                name: route.name.clone(),
                hidden: route.hidden,
                sticky: route.sticky.clone(),
                hedge: if site.hedges(plan) { route.hedge } else { HedgeConfig::default() },
                targets: route
                    .choices
                    .iter()
                    .filter_map(|choice| {
                        let target = plan.targets.get(choice.target)?;
                        // A listener's filter meets one target per request.
                        let inline = site.role == Role::Inline;
                        let mut places = plan.places.iter();
                        let place = places.find(|place| place.name == target.cluster)?;
                        let cluster = if inline { &place.name } else { &place.tailed };
                        let hedges = route.hedge != HedgeConfig::default() && place.can_hedge();
                        let hedged = hedges && site.hedges(plan);
                        Some(RouteTargetConfig {
                            target: target.config.id.clone(),
                            cluster: cluster.clone(),
                            hedged: if hedged { place.hedged.clone() } else { String::new() },
                            weight: choice.weight,
                            order: choice.order,
                            timeout_ms: differs(target.timeout_ms, plan.course.timeout_ms),
                            stream_timeout_ms: differs(target.stream_timeout_ms, target.timeout_ms),
                            member: routing::member(target, plan),
                        })
                    })
                    .collect(),
            })
            .collect(),
        models: models(plan),
        stream_cost: plan.stream_cost,
        dry_run: plan.dry_run.clone(),
        routing: plan.routing.clone(),
        ..PluginConfig::of(site.role)
    };
    let mut config = serde_json::to_value(config).unwrap_or_default();
    let targets: Vec<&_> = plan.targets.iter().map(|target| &target.config).collect();
    if let Some(config) = config.as_object_mut() {
        config.insert("targets".to_owned(), serde_json::to_value(targets).unwrap_or_default());
    }
    wasm("dragoman", &config, site)
}

/// What is known about the models that targets with a `*` can come to serve, and those that answer under names of the
/// provider's own.
fn models(plan: &Plan) -> BTreeMap<String, BTreeMap<String, ModelInfo>> {
    let mut models: BTreeMap<String, BTreeMap<String, ModelInfo>> = BTreeMap::new();
    for target in plan.targets.iter().map(|target| &target.config) {
        // Azure's deployments have names of their users' own; the reply names the model.
        let unpriced = target.info.as_ref().is_none_or(|info| info.price.is_none());
        let any = TargetConfig { model: "*".to_owned(), ..target.clone() };
        let pattern = match target.provider.as_str() {
            _ if target.model.contains('*') => target,
            "azure" | "azure_ai" if unpriced => &any,
            _ => continue,
        };
        models.entry(target.provider.clone()).or_default().extend(prices::of_pattern(pattern));
    }
    models.retain(|_, known| !known.is_empty());
    models
}

/// What must be said because it isn't `usual`.
fn differs(milliseconds: u64, usual: u64) -> Option<u64> {
    (milliseconds != usual).then_some(milliseconds)
}

/// The filter in the router. It is the same for all clusters, as the gateway leaves in memory what differs.
pub fn upstream(plan: &Plan, site: &Site) -> Value {
    let config = PluginConfig {
        hold_heads: site.version.holds_heads(),
        share_bodies: true,
        share_targets: true,
        observe: observe::told(plan, site).filter(|told| told.traces),
        ..PluginConfig::of(Role::Upstream)
    };
    wasm("dragoman_upstream", &serde_json::to_value(config).unwrap_or_default(), site)
}

/// The filter for copies of requests, on the clusters that get them: Envoy's router makes copies without its own filters.
pub fn mirror(site: &Site) -> Value {
    let config = PluginConfig::of(Role::Mirror);
    wasm("dragoman_mirror", &serde_json::to_value(config).unwrap_or_default(), site)
}

/// Envoy's own last filter on the way to a provider.
pub fn upstream_codec() -> Value {
    let codec = typed("envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec", json!({}));
    json!({"name": "envoy.filters.http.upstream_codec", "typed_config": codec})
}

fn wasm(name: &str, config: &Value, site: &Site) -> Value {
    let mut vm = json!({
        "vm_id": VM_ID,
        "runtime": "envoy.wasm.runtime.v8",
        "code": {"local": {"filename": site.wasm}},
    });
    if !site.variables.is_empty()
        && let Some(vm) = vm.as_object_mut()
    {
        vm.insert("environment_variables".to_owned(), json!({"host_env_keys": site.variables}));
    }
    let plugin = json!({
        "name": name,
        "root_id": name,
        "vm_config": vm,
        "configuration": typed("google.protobuf.StringValue", json!({"value": config.to_string()})),
        // Without it a paused head would never see its body.
        "allow_on_headers_stop_iteration": true,
        // A VM that failed is started anew; requests get a 503 until it runs, never an unchecked way through.
        "failure_policy": "FAIL_RELOAD",
        "reload_config": {"backoff": {"base_interval": "1s"}},
    });
    let typed_config = typed("envoy.extensions.filters.http.wasm.v3.Wasm", json!({"config": plugin}));
    json!({"name": "envoy.filters.http.wasm", "typed_config": typed_config})
}
