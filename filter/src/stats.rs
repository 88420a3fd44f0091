//! What is counted in Envoy's stats, and under which names.
//!
//! A name holds its labels: `dragoman.requests;route=R;provider=P;model=M;status=2xx;`. Envoy's `stats_tags` turn them
//! into real ones. All of them come from the config, so the number of series is routes x targets x the few words below.

use std::cell::RefCell;

use dragoman_core::error::Kind;
use dragoman_core::meter::Measurement;
use hashbrown::HashMap;

use crate::host;

/// The counters of one target on one route, defined when they are first counted.
#[derive(Debug, Default)]
struct Series {
    /// By the status' first digit.
    requests: [Option<u32>; 6],
    input: Option<u32>,
    output: Option<u32>,
    errors: HashMap<Kind, Option<u32>>,
}

thread_local! {
    /// By route and target: making a name for each count would cost as much as counting.
    static SERIES: RefCell<HashMap<String, HashMap<String, Series>>> = RefCell::new(HashMap::new());
}

/// Counts a stream that has ended.
pub fn count(settled: &Measurement<'_>) {
    SERIES.with_borrow_mut(|all| {
        let routes = match all.get_mut(settled.route) {
            Some(targets) => targets,
            None => all.entry(settled.route.to_owned()).or_default(),
        };
        let id = &settled.target.id;
        let series = match routes.get_mut(id) {
            Some(series) => series,
            None => routes.entry(id.clone()).or_default(),
        };
        series.count(settled);
    });
}

impl Series {
    fn count(&mut self, settled: &Measurement<'_>) {
        let class = settled.class();
        if let Some(counter) = self.requests.get_mut(usize::from(class)) {
            add(counter, settled, 1, || ("requests", format!("status={class}xx")));
        }
        if let Some(usage) = settled.usage {
            add(&mut self.input, settled, usage.input, || ("tokens", "type=input".to_owned()));
            add(&mut self.output, settled, usage.output, || ("tokens", "type=output".to_owned()));
        }
        if let Some(kind) = settled.failure {
            let counter = self.errors.entry(kind).or_default();
            add(counter, settled, 1, || ("errors", format!("class={}", kind.label())));
        }
    }
}

fn add(
    counter: &mut Option<u32>,
    of: &Measurement<'_>,
    by: u64,
    name: impl FnOnce() -> (&'static str, String),
) {
    if by == 0 {
        return;
    }
    if counter.is_none() {
        let (metric, last) = name();
        let (route, provider, model) = (label(of.route), of.target.provider.name, label(&of.target.model));
        *counter = host::counter(&format!(
            "dragoman.{metric};route={route};provider={provider};model={model};{last};"
        ));
    }
    if let Some(id) = *counter {
        host::add(id, by);
    }
}

/// A label's value without the characters that end one.
fn label(text: &str) -> String {
    text.replace([';', '=', '\n', '\r'], "_")
}
