//! What is counted, by name: the one table that stats, their documentation and the rendered labels are made from.

use crate::for_people;

/// A metric of the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Requests that have ended.
    Requests,
    /// Requests that have failed.
    Errors,
    /// Attempts at a target.
    Attempts,
    /// Attempts that were followed by one at the same target.
    Retries,
    /// Attempts that were followed by one at another target.
    Fallbacks,
    /// Tokens that a provider bills.
    Tokens,
    /// Replies whose tokens are partly estimated.
    Estimated,
    /// Spend.
    Cost,
    /// Replies without a known price.
    Unpriced,
    /// How long requests take.
    Duration,
    /// How long streams let wait.
    FirstToken,
    /// How fast streams flow.
    PerToken,
    /// Which targets are left alone.
    Cooldown,
    /// Copies of requests that have ended.
    MirroredRequests,
    /// What those used.
    MirroredTokens,
    /// Requests of a dry run that have ended.
    DryRequests,
    /// What those used.
    DryTokens,
    /// What those cost.
    DryCost,
}

/// What a metric is to Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is a distribution.
    Histogram,
}

/// A metric as people read of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub metric: Metric,
    /// Its name behind `dragoman.`.
    pub name: &'static str,
    /// What it is to Envoy.
    pub form: Form,
    /// Its label beside `route`, `provider` and `model`.
    pub label: &'static str,
    /// How many values that label can have; 1 where there is none.
    pub values: usize,
    /// What it says.
    pub what: &'static str,
    /// The name of the like in LiteLLM's Prometheus metrics.
    pub litellm: &'static str,
    /// The name of the like in OpenTelemetry's conventions.
    pub otel: &'static str,
}

const fn row(metric: Metric, name: &'static str, label: (&'static str, usize), what: &'static str) -> Row {
    let (label, values) = label;
    Row { metric, name, form: Form::Counter, label, values, what: for_people(what), litellm: "", otel: "" }
}

/// The kinds of failures, and one for an attempt that nobody answered.
const REASONS: usize = 18;

/// Every metric.
pub const METRICS: &[Row] = &[
    Row {
        litellm: for_people("litellm_proxy_total_requests_metric"),
        otel: for_people("gen_ai.client.operation.duration (count)"),
        ..row(
            Metric::Requests,
            "requests",
            ("status", 6),
            "Requests that have ended, by the class of the status that the client got (`4xx` too where it went away first); \
             labels are those of the target that answered.",
        )
    },
    Row {
        litellm: for_people("litellm_proxy_failed_requests_metric"),
        otel: for_people("error.type"),
        ..row(Metric::Errors, "errors", ("class", REASONS), "Requests that have failed, by class of error.")
    },
    Row {
        litellm: for_people("litellm_deployment_total_requests"),
        ..row(
            Metric::Attempts,
            "attempts",
            ("class", REASONS + 2),
            "Attempts at a target, by class of error; `ok` for those that failed in nothing, `abandoned` for those that were \
             broken off because another one, begun beside them, answered first.",
        )
    },
    row(
        Metric::Retries,
        "retries",
        ("reason", REASONS),
        "Failed attempts behind which the same target was tried again; labels are the failed target's.",
    ),
    Row {
        litellm: for_people("litellm_deployment_successful_fallbacks"),
        ..row(
            Metric::Fallbacks,
            "fallbacks",
            ("reason", REASONS),
            "Failed attempts behind which another target was tried; labels are the failed target's.",
        )
    },
    Row {
        litellm: for_people("litellm_input_tokens_metric, litellm_output_tokens_metric"),
        otel: for_people("gen_ai.client.token.usage"),
        ..row(
            Metric::Tokens,
            "tokens",
            ("type", 10),
            "Tokens that a provider bills, failed attempts included. `input` and `output` are all of them; `cached`, \
             `cache_write`, `cache_write_1h`, `audio_input` and `image_input` are parts of `input`, `reasoning`, \
             `audio_output` and `image_output` parts of `output`.",
        )
    },
    row(
        Metric::Estimated,
        "estimated",
        ("", 1),
        "Replies whose tokens are partly estimated: the client went away, the stream was cut, or the provider told none.",
    ),
    Row {
        litellm: for_people("litellm_spend_metric"),
        ..row(Metric::Cost, "cost_nanodollars", ("", 1), "Spend, in billionths of a dollar.")
    },
    Row {
        litellm: for_people("litellm_zero_cost_requests_total"),
        ..row(
            Metric::Unpriced,
            "unpriced",
            ("", 1),
            "Replies with tokens whose price is not known: their cost is counted nowhere.",
        )
    },
    Row {
        form: Form::Histogram,
        litellm: for_people("litellm_request_total_latency_metric"),
        otel: for_people("gen_ai.client.operation.duration"),
        ..row(
            Metric::Duration,
            "duration_milliseconds",
            ("", 1),
            "From a request's head to the last byte of its reply.",
        )
    },
    Row {
        form: Form::Histogram,
        litellm: for_people("litellm_llm_api_time_to_first_token_metric"),
        otel: for_people("gen_ai.server.time_to_first_token"),
        ..row(
            Metric::FirstToken,
            "time_to_first_token_milliseconds",
            ("", 1),
            "From a request's head to the first output of its stream.",
        )
    },
    Row {
        form: Form::Histogram,
        litellm: for_people("litellm_deployment_latency_per_output_token"),
        otel: for_people("gen_ai.server.time_per_output_token"),
        ..row(
            Metric::PerToken,
            "time_per_output_token_microseconds",
            ("", 1),
            "Between the tokens of a stream, behind its first.",
        )
    },
    Row {
        form: Form::Gauge,
        litellm: for_people("litellm_deployment_state"),
        ..row(
            Metric::Cooldown,
            "cooldown",
            ("target", 1),
            "1 while a target is left alone because it has failed; 0 when it has come back.",
        )
    },
    row(
        Metric::MirroredRequests,
        "mirrored_requests",
        ("class", REASONS + 2),
        "Copies of requests for a `silent_model`, by the class of their failure, `no_reply` or `ok`; in no other count.",
    ),
    row(
        Metric::MirroredTokens,
        "mirrored_tokens",
        ("type", 2),
        "What those copies used: `input`, `output`; in no other count.",
    ),
    row(
        Metric::DryRequests,
        "dry_run_requests",
        ("class", REASONS + 1),
        "Requests of a `dragoman.dry_run`, by the class of the error that would have been answered or `ok`; in no other count. \
         The labels are `none` where no target would have been asked.",
    ),
    row(
        Metric::DryTokens,
        "dry_run_tokens",
        ("type", 2),
        "What those used, as the replies that passed tell: `input`, `output`; in no other count.",
    ),
    row(
        Metric::DryCost,
        "dry_run_cost_nanodollars",
        ("", 1),
        "What those cost, in billionths of a dollar; in no other count.",
    ),
];

impl Metric {
    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static Row {
        const OTHER: &Row = &row(Metric::Requests, "other", ("", 1), "");
        METRICS.iter().find(|row| row.metric == self).unwrap_or(OTHER)
    }

    /// The name of one of its series, as Envoy is told it: labels stand in it.
    #[must_use]
    pub fn series(self, route: &str, provider: &str, model: &str, value: &str) -> String {
        let row = self.row();
        let (route, model, value) = (label(route), label(model), label(value));
        let last = if row.label.is_empty() { String::new() } else { format!("{}={value};", row.label) };
        format!("dragoman.{};route={route};provider={provider};model={model};{last}", row.name)
    }
}

/// A label's value without the characters that end one.
#[must_use]
fn label(text: &str) -> String {
    text.replace([';', '=', '\n', '\r'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_row_and_its_name() {
        for (place, row) in METRICS.iter().enumerate() {
            assert_eq!(row.metric.row().name, row.name);
            assert!(METRICS.iter().skip(place + 1).all(|other| other.name != row.name));
        }
        assert_eq!(
            Metric::Tokens.series("r;x", "openai", "m", "input"),
            "dragoman.tokens;route=r_x;provider=openai;model=m;type=input;"
        );
        assert_eq!(
            Metric::Cost.series("r", "p", "m", ""),
            "dragoman.cost_nanodollars;route=r;provider=p;model=m;"
        );
    }
}
