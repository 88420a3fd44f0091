//! Series, summed up by route and target, as a table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::admin::Sample;

const HEADS: [&str; 12] = [
    "ROUTE", "TARGET", "REQ", "REQ/S", "5XX", "ERR", "FALLB", "TOK IN", "TOK OUT", "USD", "TTFT p50",
    "TIME p95",
];

/// A row's place: route, then provider and model.
type Key = (String, String);

/// What a row counts.
#[derive(Debug, Default)]
struct Row {
    requests: f64,
    failed: f64,
    errors: f64,
    fallbacks: f64,
    input: f64,
    output: f64,
    nanodollars: f64,
    unpriced: f64,
    first_token: Buckets,
    duration: Buckets,
    cooling: bool,
}

/// A histogram: counts of what is at most so much.
type Buckets = Vec<(f64, f64)>;

/// All rows.
#[derive(Debug, Default)]
pub struct Table {
    rows: BTreeMap<Key, Row>,
}

impl Table {
    /// Sums series up.
    pub fn read(samples: &[Sample]) -> Self {
        let mut table = Self::default();
        for sample in samples {
            let label = |name: &str| sample.labels.get(name).map_or("", String::as_str);
            let target = format!("{}/{}", label("provider"), label("model"));
            let row = table.rows.entry((label("route").to_owned(), target)).or_default();
            row.add(sample, &label);
        }
        table
    }

    /// The table; `before` is an earlier one, and how long ago it was.
    pub fn text(&self, before: Option<(&Self, Duration)>) -> String {
        if self.rows.is_empty() {
            return "No request has been counted yet.\n".to_owned();
        }
        let mut lines = vec![HEADS.map(str::to_owned)];
        for (key, row) in &self.rows {
            let rate = before.map(|(table, passed)| {
                let earlier = table.rows.get(key).map_or(0.0, |row| row.requests);
                (row.requests - earlier).max(0.0) / passed.as_secs_f64().max(0.001)
            });
            lines.push(row.cells(key, rate));
        }
        aligned(&lines)
    }
}

impl Row {
    fn add<'l>(&mut self, sample: &Sample, label: &dyn Fn(&str) -> &'l str) {
        let value = sample.value;
        let bucket = || (label("le").parse().unwrap_or(f64::INFINITY), value);
        match sample.name.as_str() {
            "requests" => {
                self.requests += value;
                if label("status") == "5xx" {
                    self.failed += value;
                }
            }
            "errors" => self.errors += value,
            "fallbacks" => self.fallbacks += value,
            "tokens" if label("type") == "input" => self.input += value,
            "tokens" if label("type") == "output" => self.output += value,
            "cost_nanodollars" => self.nanodollars += value,
            "unpriced" => self.unpriced += value,
            "cooldown" => self.cooling |= value > 0.0,
            "time_to_first_token_milliseconds_bucket" => self.first_token.push(bucket()),
            "duration_milliseconds_bucket" => self.duration.push(bucket()),
            _ => {}
        }
    }

    fn cells(&self, (route, target): &Key, rate: Option<f64>) -> [String; 12] {
        let time = |buckets: &Buckets, share: f64| {
            quantile(buckets, share).map_or_else(|| "-".to_owned(), |time| format!("{time:.0} ms"))
        };
        // What has no price is not in the sum.
        let more = if self.unpriced > 0.0 { "+?" } else { "" };
        [
            route.clone(),
            if self.cooling { format!("{target} (left alone)") } else { target.clone() },
            format!("{:.0}", self.requests),
            rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}")),
            format!("{:.0}", self.failed),
            format!("{:.0}", self.errors),
            format!("{:.0}", self.fallbacks),
            format!("{:.0}", self.input),
            format!("{:.0}", self.output),
            format!("{:.6}{more}", self.nanodollars / 1e9),
            time(&self.first_token, 0.5),
            time(&self.duration, 0.95),
        ]
    }
}

/// What so large a share is at most; within a bucket all is taken as even.
fn quantile(buckets: &Buckets, share: f64) -> Option<f64> {
    let mut sorted = buckets.clone();
    sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let wanted = sorted.last().map(|(_, all)| all * share).filter(|wanted| *wanted > 0.0)?;
    let (mut least, mut below) = (0.0, 0.0);
    for (most, count) in sorted {
        if count >= wanted {
            let inside =
                if most.is_finite() { (most - least) * (wanted - below) / (count - below) } else { 0.0 };
            return Some(least + inside);
        }
        (least, below) = (most, count);
    }
    None
}

/// Names to the left, numbers to the right.
fn aligned(lines: &[[String; 12]]) -> String {
    let mut widths = [0; 12];
    for line in lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (place, (cell, width)) in line.iter().zip(widths).enumerate() {
            let _ = if place < 2 { write!(row, "{cell:<width$}  ") } else { write!(row, "{cell:>width$}  ") };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_prometheus() {
        let buckets = vec![(f64::INFINITY, 10.0), (10.0, 10.0), (5.0, 1.0)];
        assert!((quantile(&buckets, 0.95).unwrap() - 9.722_222).abs() < 0.001);
        assert_eq!(quantile(&Vec::new(), 0.5), None);
    }
}
