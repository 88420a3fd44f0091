//! Access logs and traces: which sinks there are, and what they are told. The attributes are the core's
//! ([`dragoman_core::observe`]); the filter sets each as filter state, and here stands how Envoy reads them.

use dragoman_core::config::Observe;
use dragoman_core::observe::{
    ATTRIBUTES, Attribute, CAME_IN, INPUT_MESSAGES, OPERATION, OUTPUT_MESSAGES, PATH, PROVIDER,
    REQUEST_MODEL, STATUS, Shape,
};
use serde_json::{Map, Value, json};

use super::{Site, cluster, filter, typed};
use crate::convert::{Captures, Collector, Plan};

/// The cluster of the collector that log records go to.
const LOGS_CLUSTER: &str = "dragoman_otlp_logs";
/// The cluster of the collector that spans go to.
const TRACES_CLUSTER: &str = "dragoman_otlp_traces";

/// What the filter must tell; nothing where nobody listens.
pub fn told(plan: &Plan, site: &Site) -> Option<Observe> {
    let (logs, traces) = sinks(plan, site);
    let one_trace = traces && site.version.continues_traces();
    (logs || traces).then_some(Observe { traces, one_trace })
}

/// What the filter must tell of prompts and answers; nothing where nobody listens.
pub fn captured<'p>(plan: &'p Plan, site: &Site) -> Option<&'p Captures> {
    let (logs, traces) = sinks(plan, site);
    let told = |capture: &&Captures| (capture.logs && logs) || (capture.traces && traces);
    plan.observe.capture.as_ref().filter(told)
}

/// Whether there are logs, and traces that can be told.
fn sinks(plan: &Plan, site: &Site) -> (bool, bool) {
    let observe = &plan.observe;
    let logs = site.access_log || observe.stdout || observe.file.is_some() || observe.logs.is_some();
    (logs, observe.traces.is_some() && site.version.formats_tags())
}

/// The names under which prompts and answers are told, where they are.
fn messages(told: bool) -> impl Iterator<Item = &'static str> {
    [INPUT_MESSAGES, OUTPUT_MESSAGES].into_iter().filter(move |_| told)
}

/// The parts of the HttpConnectionManager: its access logs and its tracing, where there are any.
pub fn connection_manager(plan: &Plan, site: &Site) -> Value {
    let observe = &plan.observe;
    let mut logs = Vec::new();
    let captures = |place: fn(&Captures) -> bool| observe.capture.as_ref().is_some_and(place);
    let in_logs = captures(|capture| capture.logs);
    let format = json!({"json_format": json_format(in_logs), "omit_empty_values": true});
    if site.access_log || observe.stdout {
        let log =
            typed("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", json!({"log_format": format}));
        logs.push(json!({"name": "envoy.access_loggers.stdout", "typed_config": log}));
    }
    if let Some(path) = &observe.file {
        let log = typed(
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
            json!({"path": path, "log_format": format}),
        );
        logs.push(json!({"name": "envoy.access_loggers.file", "typed_config": log}));
    }
    if let Some(collector) = observe.logs.as_ref().filter(|logs| logs.grpc || site.version.formats_tags()) {
        let log = typed(
            "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
            log_records(collector, in_logs, site),
        );
        logs.push(json!({"name": "envoy.access_loggers.open_telemetry", "typed_config": log}));
    }
    let mut parts = Map::new();
    if !logs.is_empty() {
        for log in logs.iter_mut().filter_map(Value::as_object_mut) {
            log.insert("filter".to_owned(), last_of_request());
        }
        parts.insert("access_log".to_owned(), Value::Array(logs));
    }
    if let Some(traces) = &observe.traces {
        let tags = tags(captures(|capture| capture.traces));
        let tracing = tracing(&traces.collector, traces.sampling_percent, tags, site);
        parts.insert("tracing".to_owned(), tracing);
    }
    Value::Object(parts)
}

/// One line for each request, not for each time that it begins anew: then its status is 307.
fn last_of_request() -> Value {
    let status = |op: &str, value: u32| {
        let value = json!({"default_value": value, "runtime_key": "dragoman.access_log"});
        json!({"status_code_filter": {"comparison": {"op": op, "value": value}}})
    };
    json!({"or_filter": {"filters": [status("LE", 306), status("GE", 308)]}})
}

/// The collectors' clusters.
pub fn clusters(plan: &Plan, site: &Site) -> Vec<Value> {
    let logs = plan.observe.logs.as_ref().map(|logs| (LOGS_CLUSTER, logs));
    let traces = plan.observe.traces.as_ref().map(|traces| (TRACES_CLUSTER, &traces.collector));
    logs.into_iter().chain(traces).map(|(name, collector)| collector_cluster(name, collector, site)).collect()
}

fn collector_cluster(name: &str, collector: &Collector, site: &Site) -> Value {
    let address = &collector.address;
    let host = super::bare(&address.host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let mut cluster = cluster::service(name, host, address.port);
    let Some(object) = cluster.as_object_mut() else { return cluster };
    if is_address {
        object.remove("cluster_type");
        object.insert("type".to_owned(), json!("STATIC"));
    }
    if address.tls {
        object.insert("transport_socket".to_owned(), cluster::tls(host, is_address, site));
    }
    let http = if collector.grpc { "http2_protocol_options" } else { "http_protocol_options" };
    let mut protocol = json!({"explicit_http_config": {http: {}}});
    if !collector.headers.is_empty()
        && let Some(protocol) = protocol.as_object_mut()
    {
        protocol.insert("http_filters".to_owned(), json!([headers(collector), filter::upstream_codec()]));
    }
    let options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    object.insert("typed_extension_protocol_options".to_owned(), json!({options: typed(options, protocol)}));
    cluster
}

/// A collector's headers, which Envoy takes from its environment: what exporters are told themselves is taken as it stands by
/// gRPC, and by HTTP on 1.36, so a filter of the cluster sets them.
fn headers(collector: &Collector) -> Value {
    let set = |(name, variable): (&String, &String)| {
        let header = json!({"key": name, "value": format!("%ENVIRONMENT({variable})%")});
        json!({"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}})
    };
    let mutations: Vec<Value> = collector.headers.iter().map(set).collect();
    let mutation = typed(
        "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
        json!({"mutations": {"request_mutations": mutations}}),
    );
    json!({"name": "envoy.filters.http.header_mutation", "typed_config": mutation})
}

/// A line of JSON for every request: what Envoy knows of it, and what the filter does. No header of a client's or a
/// provider's is in it, and no query, so no key can be.
fn json_format(captured: bool) -> Value {
    let mut format = json!({
        "time": "%START_TIME%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "trace_id": "%TRACE_ID%",
        "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "method": "%REQ(:METHOD)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "first_byte_ms": "%RESPONSE_DURATION%",
        "bytes_received": "%BYTES_RECEIVED%",
        "bytes_sent": "%BYTES_SENT%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "cluster": "%UPSTREAM_CLUSTER%",
    });
    let Some(object) = format.as_object_mut() else { return format };
    for attribute in ATTRIBUTES {
        object.insert(attribute.name.to_owned(), Value::String(typed_operator(attribute)));
        if attribute.name == PROVIDER {
            // The name that it had before, which many dashboards still ask for.
            object.insert("gen_ai.system".to_owned(), Value::String(typed_operator(attribute)));
        }
    }
    for name in messages(captured) {
        object.insert(name.to_owned(), Value::String(operator(name)));
    }
    format
}

/// How a log in JSON reads an attribute: numbers as numbers.
fn typed_operator(attribute: &Attribute) -> String {
    let state = format!("filter_state[\"wasm.{}\"]", attribute.name);
    match attribute.shape {
        Shape::Text => operator(attribute.name),
        Shape::Item => format!("%TYPED_CEL([{state}])%"),
        Shape::Whole => format!("%TYPED_CEL(int({state}))%"),
        Shape::Decimal => format!("%TYPED_CEL(double({state}))%"),
        Shape::Flag => format!("%TYPED_CEL({state} == \"true\")%"),
    }
}

/// How everything else reads it: as text.
fn operator(name: &str) -> String {
    format!("%FILTER_STATE(wasm.{name}:PLAIN)%")
}

/// Tags of log records and spans, which stay away where there is nothing to tell.
fn tags(captured: bool) -> Vec<Value> {
    let tag = |name: &str, value: String| json!({"tag": name, "value": value});
    let mut tags: Vec<Value> = ATTRIBUTES.iter().map(|a| tag(a.name, operator(a.name))).collect();
    tags.push(tag("gen_ai.system", operator(PROVIDER)));
    tags.extend(messages(captured).map(|name| tag(name, operator(name))));
    tags
}

fn log_records(collector: &Collector, captured: bool, site: &Site) -> Value {
    let mut config = json!({
        "disable_builtin_labels": true,
        "resource_attributes": {"values": [attribute("service.name", &collector.service)]},
        "body": {"string_value": format!("%REQ(:METHOD)% {} %RESPONSE_CODE%", operator(PATH))},
    });
    let Some(object) = config.as_object_mut() else { return config };
    let mut values = vec![
        attribute("http.request.method", "%REQ(:METHOD)%"),
        attribute("http.response.status_code", "%RESPONSE_CODE%"),
        attribute("envoy.response_flags", "%RESPONSE_FLAGS%"),
        attribute("envoy.duration_ms", "%DURATION%"),
        attribute("http.request.id", "%REQ(X-REQUEST-ID)%"),
    ];
    if site.version.formats_tags() {
        object.insert("custom_tags".to_owned(), Value::Array(tags(captured)));
    } else {
        values.extend(ATTRIBUTES.iter().map(|a| attribute(a.name, &operator(a.name))));
        values.push(attribute("gen_ai.system", &operator(PROVIDER)));
        values.extend(messages(captured).map(|name| attribute(name, &operator(name))));
    }
    object.insert("attributes".to_owned(), json!({"values": values}));
    if site.version.formats_tags() {
        object.insert("log_name".to_owned(), json!("dragoman"));
        object.extend([service(collector, LOGS_CLUSTER, "/v1/logs")]);
    } else {
        let (_, service) = service(collector, LOGS_CLUSTER, "/v1/logs");
        let common = json!({"log_name": "dragoman", "transport_api_version": "V3", "grpc_service": service});
        object.insert("common_config".to_owned(), common);
    }
    config
}

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"string_value": value}})
}

/// How Envoy reaches a collector: the field's name, and its value.
fn service(collector: &Collector, cluster: &str, signal: &str) -> (String, Value) {
    if collector.grpc {
        let grpc = json!({"cluster_name": cluster, "authority": collector.address.authority()});
        return ("grpc_service".to_owned(), json!({"timeout": "10s", "envoy_grpc": grpc}));
    }
    let address = &collector.address;
    let scheme = if address.tls { "https" } else { "http" };
    let signal = if address.path.ends_with(signal) { "" } else { signal };
    let uri = format!("{scheme}://{}{}{signal}", address.authority(), address.path);
    ("http_service".to_owned(), json!({"http_uri": {"uri": uri, "cluster": cluster, "timeout": "10s"}}))
}

fn tracing(collector: &Collector, sampling_percent: f64, mut tags: Vec<Value>, site: &Site) -> Value {
    let (field, service) = service(collector, TRACES_CLUSTER, "/v1/traces");
    let config = typed(
        "envoy.config.trace.v3.OpenTelemetryConfig",
        json!({field: service, "service_name": collector.service}),
    );
    let mut tracing = json!({
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
        "client_sampling": {"value": 100},
        "random_sampling": {"value": sampling_percent},
        "overall_sampling": {"value": 100},
        // A span of its own for each attempt.
        "spawn_upstream_span": true,
    });
    if site.version.formats_tags()
        && let Some(tracing) = tracing.as_object_mut()
    {
        // Envoy's own is the provider's, with its query, where some have their keys.
        tags.push(json!({"tag": "http.url", "value": operator(PATH)}));
        // Envoy's own is 307 where the reply has become a redirect.
        tags.push(json!({"tag": STATUS, "value": operator(STATUS)}));
        tags.push(json!({"tag": CAME_IN, "value": operator(CAME_IN)}));
        tracing.insert("custom_tags".to_owned(), Value::Array(tags));
        tracing.insert("operation".to_owned(), json!("gateway"));
        let attempt = format!("{} {}", operator(OPERATION), operator(REQUEST_MODEL));
        tracing.insert("upstream_operation".to_owned(), Value::String(attempt));
    }
    tracing
}
