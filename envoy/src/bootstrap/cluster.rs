//! Where requests go: a cluster for each address, and one that has the tail behind it.

use std::collections::BTreeSet;

use dragoman_core::config::{METADATA_NAMESPACE, Role, Target};
use dragoman_core::provider::auth::aws::Scope;
use dragoman_core::provider::auth::google::{self, Source};
use serde_json::{Value, json};

use super::{Site, address, bare, duration, filter, tail, typed};
use crate::convert::{Deployment, Place, Plan, routing};

/// What a connection may hold back before Envoy stops reading from it.
const CONNECTION_BUFFER: u32 = 1024 * 1024;
/// Envoy's own limits (1,024 connections and requests, 3 retries) would throttle before any provider does.
const NO_LIMIT: u32 = 1_000_000;

/// All clusters.
pub fn clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    let mut clusters: Vec<Value> = plan.places.iter().map(|place| place_cluster(place, plan, site)).collect();
    if site.role != Role::Inline {
        clusters.extend(plan.places.iter().map(|place| tailed_cluster(place, plan, site)));
        let hedged = plan.places.iter().filter(|place| site.hedges(plan) && place.can_hedge());
        clusters.extend(hedged.map(hedged_cluster));
        clusters.extend(tail::clusters(plan, site));
    }
    clusters.extend(token_clusters(plan, site));
    if site.role != Role::Inline {
        clusters.extend(mirror_clusters(plan, site));
    }
    clusters
}

/// The clusters that get copies of requests: one for each target of a `silent_model`.
fn mirror_clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    let models: BTreeSet<&String> = plan.targets.iter().filter_map(|target| target.silent.as_ref()).collect();
    let clusters = models.into_iter().flat_map(|model| {
        let mirrors = routing::mirrors(plan, model).into_iter();
        mirrors.filter_map(move |(name, target)| mirror_cluster(&name, model, target, plan, site))
    });
    clusters.collect()
}

/// The cluster `name` that gets copies for `target`, one of `model`'s.
fn mirror_cluster(name: &str, model: &str, target: &Deployment, plan: &Plan, site: &Site) -> Option<Value> {
    let place = plan.places.iter().find(|place| place.name == target.cluster)?;
    let mut cluster = place_cluster(place, plan, site);
    let mut filters = vec![filter::mirror(site)];
    filters.extend(place.signing.as_ref().map(aws_request_signing));
    filters.push(filter::upstream_codec());
    let mut protocol = protocol(place.address.tls, Some(Value::Array(filters)));
    // Nobody waits for a copy, so nobody else would end one that hangs.
    let common = protocol.as_object_mut()?.values_mut().next()?.get_mut("common_http_protocol_options")?;
    common.as_object_mut()?.insert("max_stream_duration".to_owned(), json!(duration(plan.longest_ms())));
    let config = serde_json::to_string(&target.config).unwrap_or_default();
    let metadata = json!({"filter_metadata": {METADATA_NAMESPACE: {"target": config, "route": model}}});
    let endpoint = cluster.pointer_mut("/load_assignment/endpoints/0/lb_endpoints/0")?;
    endpoint.as_object_mut()?.insert("metadata".to_owned(), metadata);
    *cluster.pointer_mut("/load_assignment/cluster_name")? = json!(name);
    let object = cluster.as_object_mut()?;
    object.insert("name".to_owned(), json!(name));
    object.insert("typed_extension_protocol_options".to_owned(), protocol);
    // Envoy's own limits: copies beyond them are left out, where they would take memory from requests.
    object.remove("circuit_breakers");
    Some(cluster)
}

/// The cluster of one address.
fn place_cluster(place: &Place, plan: &Plan, site: &Site) -> Value {
    let host = bare(&place.address.host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let mut cluster = json!({
        "name": place.name,
        "connect_timeout": "10s",
        "per_connection_buffer_limit_bytes": CONNECTION_BUFFER,
        "circuit_breakers": no_limits(),
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 30, "keepalive_interval": 15, "keepalive_probes": 4}},
        "load_assignment": {
            "cluster_name": place.name,
            "endpoints": [{"lb_endpoints": [{
                "endpoint": {"address": address(host, place.address.port)},
            }]}],
        },
        "typed_extension_protocol_options": protocol(place.address.tls, upstream_filters(place.signing.as_ref(), plan, site)),
    });
    let Some(object) = cluster.as_object_mut() else { return cluster };
    if is_address {
        object.insert("type".to_owned(), json!("STATIC"));
    } else {
        object.insert("cluster_type".to_owned(), dns());
    }
    if place.address.tls {
        object.insert("transport_socket".to_owned(), tls(host, is_address, site));
    }
    cluster
}

/// Where the filter gets Google's access tokens, if a target needs one.
fn token_clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    let sources: Vec<Source> = plan
        .targets
        .iter()
        .filter_map(|target| Target::from_json(&serde_json::to_string(&target.config).ok()?).ok())
        .filter_map(|target| Source::of(&target).ok().flatten())
        .collect();
    let mut clusters = Vec::new();
    if sources.iter().any(|source| matches!(source, Source::Credential(_))) {
        let mut cluster = service(google::TOKEN_CLUSTER, google::TOKEN_HOST, 443);
        if let Some(object) = cluster.as_object_mut() {
            object.insert("transport_socket".to_owned(), tls(google::TOKEN_HOST, false, site));
        }
        clusters.push(cluster);
    }
    if sources.contains(&Source::Metadata) {
        clusters.push(service(google::METADATA_CLUSTER, google::METADATA_HOST, 80));
    }
    clusters
}

/// A cluster that the filter itself calls.
pub fn service(name: &str, host: &str, port: u16) -> Value {
    json!({
        "name": name,
        "connect_timeout": "5s",
        "cluster_type": dns(),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port)}}]}],
        },
    })
}

/// A new connection goes to what the name stands for now; open ones stay. Providers' names change by the minute.
///
/// Envoy isn't ready before it has asked for all names, and asks for all at once. Of hundreds of queries some get lost on
/// the way: each holds the start for 1 s, and a name server that is silent for 3 s, not for c-ares's 5 s and more. One
/// resolver for all names, as is the default, loses answers, too, while Envoy is busy starting (a thousand names were there
/// after 15 s, with a resolver for each after 5).
fn dns() -> Value {
    let resolver = typed(
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        json!({"query_timeout_seconds": 1, "query_tries": 2}),
    );
    let dns = typed(
        "envoy.extensions.clusters.dns.v3.DnsCluster",
        json!({
            "all_addresses_in_single_endpoint": true,
            "dns_lookup_family": "ALL",
            "dns_refresh_rate": "30s",
            "dns_failure_refresh_rate": {"base_interval": "1s", "max_interval": "10s"},
            "respect_dns_ttl": true,
            "typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": resolver},
        }),
    );
    json!({"name": "envoy.clusters.dns", "typed_config": dns})
}

/// TLS, verified with the system's roots and for this host.
pub fn tls(host: &str, is_address: bool, site: &Site) -> Value {
    let kind = if is_address { "IP_ADDRESS" } else { "DNS" };
    let mut context = json!({
        "common_tls_context": {
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": {
                "trusted_ca": {"filename": site.roots},
                "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
            },
        },
    });
    if !is_address && let Some(context) = context.as_object_mut() {
        context.insert("sni".to_owned(), json!(host));
    }
    let context = typed("envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", context);
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}

/// The cluster of one address with the tail behind it.
fn tailed_cluster(place: &Place, plan: &Plan, site: &Site) -> Value {
    let mut cluster = json!({
        "name": place.tailed,
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": no_limits(),
        "cluster_type": tail::behind(&place.name),
    });
    // Envoy takes the filters of the cluster that the route names.
    if let Some(filters) = upstream_filters(place.signing.as_ref(), plan, site)
        && let Some(cluster) = cluster.as_object_mut()
    {
        let protocol = protocol(place.address.tls, Some(filters));
        cluster.insert("typed_extension_protocol_options".to_owned(), protocol);
    }
    cluster
}

/// The cluster of one address for attempts beside each other: with the tail for the second, and again for one that waits.
fn hedged_cluster(place: &Place) -> Value {
    json!({
        "name": place.hedged,
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "circuit_breakers": no_limits(),
        "cluster_type": tail::behind_twice(&place.name),
    })
}

/// The filters of a cluster that needs others than the router's, which they replace.
fn upstream_filters(signing: Option<&Scope>, plan: &Plan, site: &Site) -> Option<Value> {
    let signing = aws_request_signing(signing?);
    let codec = filter::upstream_codec();
    Some(match site.role {
        Role::Inline => json!([signing, codec]),
        _ => json!([filter::upstream(plan, site), signing, codec]),
    })
}

/// Envoy's own signer. It signs what the filter before it has made of the request, with the first key that it finds where
/// AWS's SDKs look:
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/aws_request_signing_filter>
fn aws_request_signing(scope: &Scope) -> Value {
    let signing = typed(
        "envoy.extensions.filters.http.aws_request_signing.v3.AwsRequestSigning",
        json!({"service_name": scope.service, "region": scope.region}),
    );
    json!({"name": "envoy.filters.http.aws_request_signing", "typed_config": signing})
}

fn protocol(tls: bool, filters: Option<Value>) -> Value {
    let http2 = json!({
        "initial_stream_window_size": 1_048_576,
        "initial_connection_window_size": 16_777_216,
        // A connection that died without a word is found before a request is lost on it.
        "connection_keepalive": {"interval": "30s", "timeout": "10s"},
    });
    let mut protocol = json!({
        // Below the 60 s after which the balancers of most providers close a connection.
        "common_http_protocol_options": {"idle_timeout": "50s"},
    });
    if let Some(protocol) = protocol.as_object_mut() {
        // HTTP/2 where the provider takes it in the TLS handshake.
        if tls {
            let auto = json!({"http_protocol_options": {}, "http2_protocol_options": http2});
            protocol.insert("auto_config".to_owned(), auto);
        } else {
            protocol.insert("explicit_http_config".to_owned(), json!({"http_protocol_options": {}}));
        }
        protocol.extend(filters.map(|filters| ("http_filters".to_owned(), filters)));
    }
    let name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    json!({name: typed(name, protocol)})
}

pub fn no_limits() -> Value {
    json!({"thresholds": [{
        "max_connections": NO_LIMIT,
        "max_pending_requests": NO_LIMIT,
        "max_requests": NO_LIMIT,
        "max_retries": NO_LIMIT,
    }]})
}
