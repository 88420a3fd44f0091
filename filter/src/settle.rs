//! The end of a request: what the gateway asked and what the attempts reported become one measurement, for all who count.

use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::client::completions::several::Before;
use dragoman_core::config::Target;
use dragoman_core::error::Kind;
use dragoman_core::meter::{Bill, Measurement, Usage};

use crate::host;
use crate::ledger::Entry;
use crate::observe;
use crate::state::{self, Begun};
use crate::stats;

/// What the gateway knows of a request.
#[derive(Clone, Copy)]
pub struct Asked<'s> {
    /// The route's name.
    pub route: &'s str,
    /// The model that the client asked for.
    pub model: &'s str,
    /// What it asked for: `chat`, `embeddings`.
    pub operation: &'static str,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// The target that was picked.
    pub target: &'s Rc<Target>,
    /// The status that the client got; 0 when it went away before one.
    pub status: u16,
    /// When the request came.
    pub started: u64,
    /// What the choice of the target must get back.
    pub begun: Option<Begun>,
}

/// Settles a stream that has ended. Runs in `on_log`: what is set as filter state here still reaches the access logs.
/// `observed` when they are to be told. Gives what it has taken, for a next prompt.
pub fn settle(asked: &Asked<'_>, gateway: &Gateway, entry: &Entry, observed: bool) -> Option<Before> {
    let mut before = None;
    measure(asked, gateway, entry, &mut |measurement| {
        if let Some(begun) = asked.begun {
            state::end(begun, measurement);
        }
        stats::count(measurement);
        if observed {
            observe::settled(measurement, false);
        }
        let Measurement { usage, estimated, cost, .. } = *measurement;
        before = usage.map(|usage| Before {
            bill: Bill { usage, estimated, cost },
            attempts: measurement.before + measurement.attempts.len(),
            counts: entry.counts().unwrap_or_default(),
        });
    });
    before
}

/// What the answer of a stream was billed. One of several prompts is that of all their attempts: the client can't know them apart.
pub fn billed(entry: &Entry, gateway: &Gateway) -> Option<Bill> {
    if entry.several.is_none() {
        return gateway.bill(entry.attempts.get(entry.answered())?);
    }
    let bills = bills(entry, gateway);
    whole(entry, &bills, total(&bills))
}

/// What each attempt was billed.
fn bills(entry: &Entry, gateway: &Gateway) -> Vec<Option<Bill>> {
    entry.attempts.iter().map(|tried| gateway.bill(tried)).collect()
}

/// What all attempts cost: nothing known where one has no price, or none was billed.
fn total(bills: &[Option<Bill>]) -> Option<u64> {
    let mut billed = bills.iter().flatten().map(|bill| bill.cost);
    billed.next().and_then(|first| billed.try_fold(first?, |sum, cost| Some(cost?.saturating_add(sum))))
}

/// The bill of the attempt that answered at the `cost` of all, with those of the prompts before.
fn whole(entry: &Entry, bills: &[Option<Bill>], cost: Option<u64>) -> Option<Bill> {
    let own = bills.get(entry.answered()).copied().flatten().map(|own| Bill { cost, ..own });
    let Some(several) = entry.several.as_ref().filter(|several| several.before.is_some()) else { return own };
    // Attempts before one that was not billed may have been.
    let tried =
        bills.iter().flatten().next().map(|_| Bill { usage: Usage::default(), estimated: false, cost });
    several.with_before(own.or(tried))
}

/// What a stream has come to so far.
pub fn measure(asked: &Asked<'_>, gateway: &Gateway, entry: &Entry, tell: &mut dyn FnMut(&Measurement<'_>)) {
    let answered = entry.answered();
    let last = entry.attempts.get(answered);
    let bills = bills(entry, gateway);
    let cost = total(&bills);
    // What no attempt tells (no connection, no time, no target), the status does.
    let unanswered = || (asked.status >= 400).then(|| Kind::of_status(asked.status));
    let own = whole(entry, &bills, cost);
    let before = entry.several.as_ref().and_then(|several| several.before);
    let measurement = Measurement {
        route: asked.route,
        asked: asked.model,
        operation: asked.operation,
        stream: asked.stream,
        target: last.map_or(asked.target, |tried| &tried.target),
        attempts: &entry.attempts,
        answered,
        before: before.map_or(0, |before| before.attempts),
        bills: &bills,
        status: asked.status,
        failure: last.and_then(|tried| tried.failure).or_else(unanswered),
        usage: own.map(|bill| bill.usage),
        estimated: own.is_some_and(|bill| bill.estimated),
        cost: if before.is_some() { own.and_then(|bill| bill.cost) } else { cost },
        started: asked.started,
        duration: host::now().saturating_sub(asked.started),
        first_token: last.and_then(|tried| tried.first_token).map(|at| at.saturating_sub(asked.started)),
    };
    tell(&measurement);
}
