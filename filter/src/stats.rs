//! What is counted in Envoy's stats.
//!
//! A name holds its labels: `dragoman.requests;route=R;provider=P;model=M;status=2xx;`. Envoy's `stats_tags` turn them
//! into real ones. All of them come from the config or from this code, so the number of series is routes x targets x the
//! few words of each metric. [`dragoman_core::meter::METRICS`] has their names.

use std::cell::RefCell;

use dragoman_core::config::Target;
use dragoman_core::meter::{Bill, Measurement, Metric, Tried, Usage};

use crate::host;
use crate::table::Names;

/// The series of one target on one route, defined when they are first counted; Envoy's number of each.
type Series = Vec<(Metric, &'static str, Option<u32>)>;

thread_local! {
    /// By route and target: making a name for each count would cost as much as counting.
    static SERIES: RefCell<Names<Names<Series>>> = RefCell::new(Names::new());
}

/// The series of one target on one route, open for counting.
struct Page<'p> {
    series: &'p mut Series,
    route: &'p str,
    target: &'p Target,
}

const STATUSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts a stream that has ended.
pub fn count(measured: &Measurement<'_>) {
    SERIES.with_borrow_mut(|all| {
        let routes = match all.get_mut(measured.route) {
            Some(targets) => targets,
            None => all.entry(measured.route.to_owned()).or_default(),
        };
        let mut page = open(routes, measured.route, measured.target);
        page.request(measured);
        for (place, tried) in measured.attempts.iter().enumerate() {
            let mut page = open(routes, measured.route, &tried.target);
            page.attempt(tried, measured.attempts.get(place + 1));
            if let Some(Some(bill)) = measured.bills.get(place) {
                page.bill(bill);
            }
        }
    });
}

/// Counts a copy of a request that has ended, apart from all others.
pub fn count_copy(route: &str, target: &Target, class: &'static str, usage: Option<Usage>) {
    count_apart([Metric::MirroredRequests, Metric::MirroredTokens], route, target, class, usage);
}

/// Counts a request of a dry run, apart from all others; `target` is who would have been asked.
pub fn count_rehearsal(
    route: &str,
    target: &Target,
    class: &'static str,
    usage: Option<Usage>,
    cost: Option<u64>,
) {
    count_apart([Metric::DryRequests, Metric::DryTokens], route, target, class, usage);
    SERIES.with_borrow_mut(|all| {
        let cost = cost.filter(|_| usage.is_some()).unwrap_or(0);
        open(all.entry_ref(route).or_default(), route, target).add(Metric::DryCost, "", cost);
    });
}

/// Counts one for which no target would have been asked.
pub fn count_unplanned(class: &'static str) {
    if let Some(id) = host::counter(&Metric::DryRequests.series("none", "none", "none", class)) {
        host::add(id, 1);
    }
}

fn count_apart(
    [requests, tokens]: [Metric; 2],
    route: &str,
    target: &Target,
    class: &'static str,
    usage: Option<Usage>,
) {
    SERIES.with_borrow_mut(|all| {
        let mut page = open(all.entry_ref(route).or_default(), route, target);
        page.add(requests, class, 1);
        if let Some(usage) = usage {
            page.add(tokens, "input", usage.input);
            page.add(tokens, "output", usage.output);
        }
    });
}

fn open<'p>(routes: &'p mut Names<Series>, route: &'p str, target: &'p Target) -> Page<'p> {
    if !routes.contains_key(&target.id) {
        routes.insert(target.id.clone(), Box::default());
    }
    let series = routes.entry_ref(&target.id).or_default();
    Page { series, route, target }
}

impl Page<'_> {
    fn request(&mut self, measured: &Measurement<'_>) {
        let status = STATUSES.get(usize::from(measured.class())).unwrap_or(&STATUSES[0]);
        self.add(Metric::Requests, status, 1);
        if let Some(kind) = measured.failure {
            self.add(Metric::Errors, kind.label(), 1);
        }
        self.record(Metric::Duration, measured.duration / 1_000_000);
        if let Some(first) = measured.first_token {
            self.record(Metric::FirstToken, first / 1_000_000);
        }
        if let Some(time) = measured.time_per_output_token() {
            self.record(Metric::PerToken, time / 1000);
        }
    }

    fn attempt(&mut self, tried: &Tried, next: Option<&Tried>) {
        let silent = if tried.abandoned { "abandoned" } else { "no_reply" };
        let class = tried.failure.map_or(silent, |kind| kind.label());
        let failed = tried.failure.is_some() || tried.status == 0 || tried.abandoned;
        self.add(Metric::Attempts, if failed { class } else { "ok" }, 1);
        if let Some(next) = next.filter(|next| !next.beside) {
            let same = next.target.id == tried.target.id;
            self.add(if same { Metric::Retries } else { Metric::Fallbacks }, class, 1);
        }
    }

    fn bill(&mut self, bill: &Bill) {
        for (kind, tokens) in bill.usage.by_type() {
            self.add(Metric::Tokens, kind, tokens);
        }
        if bill.estimated {
            self.add(Metric::Estimated, "", 1);
        }
        match bill.cost {
            Some(cost) => self.add(Metric::Cost, "", cost),
            None => self.add(Metric::Unpriced, "", 1),
        }
    }

    fn add(&mut self, metric: Metric, value: &'static str, by: u64) {
        if by > 0
            && let Some(id) = self.series(metric, value, host::counter)
        {
            host::add(id, by);
        }
    }

    fn record(&mut self, metric: Metric, value: u64) {
        if let Some(id) = self.series(metric, "", host::histogram) {
            host::record(id, value);
        }
    }

    fn series(
        &mut self,
        metric: Metric,
        value: &'static str,
        define: impl FnOnce(&str) -> Option<u32>,
    ) -> Option<u32> {
        let Self { series, route, target } = self;
        // A few dozen at most.
        let known = series.iter().find(|(of, with, _)| (*of, *with) == (metric, value));
        if let Some((.., id)) = known {
            return *id;
        }
        let id = define(&metric.series(route, target.provider.name, &target.model, value));
        series.push((metric, value, id));
        id
    }
}
