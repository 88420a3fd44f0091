//! What Dragoman adds to LiteLLM's config: the section `dragoman`, which LiteLLM doesn't read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of Dragoman's own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dragoman {
    /// A request header whose value keeps requests on one target of their route while that is healthy: a tenant's or a
    /// conversation's name, for warm prompt caches. Stronger than LiteLLM's affinities.
    pub sticky_header: Option<String>,
    /// How many of a hundred requests are copied to a `silent_model`; 100 when absent.
    #[schemars(range(min = 0, max = 100))]
    pub mirror_percent: Option<u64>,
    /// Whether all requests, or those for some models, pass as they are, and their replies too, while what would have become of
    /// them is counted (`dragoman_dry_run_*`) and logged (`dragoman.dry_run`). In the inline role they go where Envoy's own
    /// routes send them, else to the address of the target that would have been asked, or of the first one where they name no
    /// known model. Clients' keys are not judged and go with them, but for the `master_key`: there the target's `api_key` takes
    /// its place. With a list, requests wait until their body has come. Not with `aws_signer: envoy`.
    pub dry_run: Option<DryRun>,
    /// When a second target is asked beside the first, without giving it up: the first token, or the whole reply, that comes
    /// first wins, and the other request is broken off. What it has used until then is counted. Needs Envoy 1.37.
    pub hedging: Option<Hedging>,
    /// Where a line for every request goes.
    pub access_log: AccessLog,
    /// Where a span for every request, and one for each of its attempts, goes.
    pub traces: Option<Traces>,
    /// Has prompts and answers written where requests are told, which is nowhere when absent. `capture: {}` is enough.
    pub capture: Option<Capture>,
}

/// Which requests pass as they are.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum DryRun {
    /// All, or none.
    All(bool),
    /// Those for these models, by the names that clients say.
    Of(Vec<String>),
}

/// When a second target is asked beside the first.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hedging {
    /// How long a stream's first token may take, in seconds, before a second target is asked: another one of the model's, or
    /// the same again where there is no other. Streams are never hedged when absent.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 86400))]
    pub first_token_after: Option<f64>,
    /// The same for requests that don't stream, by the time of their whole reply. Those are never hedged when absent.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 86400))]
    pub reply_after: Option<f64>,
    /// The models that it holds for, by their `model_name` or alias; all when absent.
    #[serde(default)]
    pub models: Option<Vec<String>>,
}

/// Where a line for every request goes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AccessLog {
    /// As JSON to Envoy's standard output. The same as `litellm_settings.json_logs`.
    pub stdout: bool,
    /// As JSON to this file. Envoy opens it anew on `POST /reopen_logs` at its admin port.
    pub file: Option<String>,
    /// As OpenTelemetry's log records to a collector.
    pub otlp: Option<Otlp>,
}

/// Prompts and answers in access logs and traces. Whoever reads those reads what people write: say so to them, and redact.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    /// The most that is told of a prompt and of an answer, in bytes as JSON spells them; 4096 when absent. The rest is cut.
    #[serde(default)]
    #[schemars(range(min = 64, max = 65536))]
    pub max_bytes: Option<usize>,
    /// Words that become `[REDACTED]` first, wherever they stand, in whatever case of a to z.
    /// `*` stands for any characters but white space and quotes: `sk-*`, `*@example.com`. At most 100.
    #[serde(default)]
    pub redact: Vec<String>,
    /// Where: `logs`, `traces`; both when absent.
    #[serde(default, rename = "where")]
    pub places: Option<Vec<Told>>,
}

/// Where something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Told {
    /// Lines and log records.
    Logs,
    /// Spans.
    Traces,
}

/// A collector of OpenTelemetry's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Its URL: `http://collector:4317`.
    /// Over HTTP, `/v1/logs` or `/v1/traces` is added unless the path ends so, as OpenTelemetry's SDKs do.
    pub endpoint: String,
    /// How it is spoken to; by the port when absent: `grpc`, or `http/protobuf` for 4318 and for URLs with a path.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Headers that every request to it carries; `os.environ/NAME` keeps a secret out of the rendered files.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub headers: BTreeMap<String, String>,
    /// The name of the service that all is told for; `dragoman` when absent.
    #[serde(default)]
    pub service_name: Option<String>,
}

/// Where spans go: a collector, and which requests are told.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// As in `otlp`.
    pub endpoint: String,
    /// As in `otlp`.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// As in `otlp`.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub headers: BTreeMap<String, String>,
    /// As in `otlp`.
    #[serde(default)]
    pub service_name: Option<String>,
    /// How many of a hundred requests are traced that no `traceparent` of the client's decides on; 100 when absent.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub sampling_percent: Option<f64>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Protocol {
    /// OTLP over gRPC.
    #[serde(rename = "grpc")]
    Grpc,
    /// OTLP over HTTP.
    #[serde(rename = "http/protobuf")]
    Http,
}
