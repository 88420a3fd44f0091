//! The page of metrics, from the table that the filter counts by.

use std::fmt::Write as _;
use std::{env, fs};

use dragoman_core::meter::{Form, METRICS};

const HEAD: &str = "# Metrics

Dragoman counts in Envoy's own statistics: at the admin port under `/stats/prometheus`, and in every stats sink that Envoy is given.
This page is made from the table that the filter counts by.

In Prometheus a metric is called `dragoman_<name>`, and its labels `dragoman_route`, `dragoman_provider`, `dragoman_model` and the one that is named here.
Their values come from the config or from a fixed list, never from a request: a route that has a `*` counts under its own name, and so does a model.
What a client makes up makes no series.

";

const TAIL: &str = "
A series exists once it has been counted.
For each route there are at most as many as its targets times the sum of the values above, and Envoy never forgets one before it restarts: a config of 1,000 routes with three targets each has at most";

const REST: &str = "
## Whose counts

A complete reply is counted by what its provider tells, each number once, however often it is repeated.
A stream that its client drops or that is cut, and a reply whose provider tells no usage, is counted by what was seen: the prompt as the provider told it, else by the request's length; the output by its text, four bytes a token.
Such a reply is in `estimated` too.
Of several prompts that are asked for one after the other (`/v1/completions` of a provider that only chats), each counts as a request.
An attempt that failed counts where its provider has told tokens, for that provider, whoever answered in the end.

## Prices

`cost_nanodollars` comes of a table of public prices that the command carries (`dragoman price` tells its version and its rates), or of the config's own.
Arithmetic is in whole picodollars per token.
What has no price is in `unpriced`, and its cost is nowhere.

## What it costs

Metering a streamed request is five counts, three values of histograms, four looks at the clock and two headers, about 1.5 microseconds of Envoy's; a test holds that they are less than five.
Chunks of a stream cost nothing beyond the look at each that translation or passing takes anyway.
";

fn page() -> String {
    let mut text = HEAD.to_owned();
    text.push_str("| name | form | label | values | meaning | LiteLLM's | OpenTelemetry's |\n|---|---|---|---|---|---|---|\n");
    for row in METRICS {
        let form = match row.form {
            Form::Counter => "counter",
            Form::Gauge => "gauge",
            Form::Histogram => "histogram",
        };
        let quoted = |names: &str| {
            let names = names.split(", ").filter(|name| !name.is_empty());
            names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let _ = writeln!(
            text,
            "| `{}` | {form} | {} | {} | {} | {} | {} |",
            row.name,
            quoted(row.label),
            row.values,
            row.what,
            quoted(row.litellm),
            quoted(row.otel)
        );
    }
    let sum: usize = METRICS.iter().map(|row| row.values).sum();
    let _ = writeln!(text, "{TAIL} {} of them.", 1000 * 3 * sum);
    let _ = writeln!(text, "In practice it has a tenth: most targets never fail in most ways.");
    text.push_str(REST);
    text
}

#[test]
fn the_committed_page_is_what_is_counted() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md");
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(path, page()).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(committed == page(), "envoy/METRICS.md is stale: UPDATE_EXPECT=1 cargo test -p dragoman");
}

#[test]
fn every_label_is_rendered_as_one() {
    let rendered = crate::bootstrap::stats_config().to_string();
    for row in METRICS.iter().filter(|row| !row.label.is_empty()) {
        assert!(rendered.contains(&format!("\"dragoman_{}\"", row.label)), "{}", row.label);
    }
}
