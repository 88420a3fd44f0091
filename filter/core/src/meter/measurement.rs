//! One request, settled.

use std::rc::Rc;

use super::{Bill, Tried, Usage};
use crate::config::Target;
use crate::error::Kind;

/// What a request was, used and cost. Times are in nanoseconds.
#[derive(Debug)]
pub struct Measurement<'m> {
    /// The route's name, as the config has it.
    pub route: &'m str,
    /// The model that the client asked for: the route's name unless that has a `*`.
    pub asked: &'m str,
    /// What the client asked for: `chat`, `embeddings`.
    pub operation: &'static str,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The target that answered or failed last; before any attempt, the one that was picked.
    pub target: &'m Rc<Target>,
    /// Every attempt, in order; long chains are cut.
    pub attempts: &'m [Tried],
    /// The place among them of the one that answered, else of the last.
    pub answered: usize,
    /// How many there were for earlier prompts of the same client's, which are counted already.
    pub before: usize,
    /// What each of them is billed by its provider.
    pub bills: &'m [Option<Bill>],
    /// The status that the client got; 0 when it went away before one.
    pub status: u16,
    /// Why the request failed, if it did.
    pub failure: Option<Kind>,
    /// What that attempt used, and those of earlier prompts.
    pub usage: Option<Usage>,
    /// Whether a part of the usage is estimated, as the provider didn't tell.
    pub estimated: bool,
    /// What it cost, in nanodollars: all attempts that a provider bills, of earlier prompts too. `None` where a price is not known, and where none
    /// was billed.
    pub cost: Option<u64>,
    /// When the request came, since the Unix epoch.
    pub started: u64,
    /// How long it took, until its last byte or its end.
    pub duration: u64,
    /// How long a stream's first output took from the request's coming.
    pub first_token: Option<u64>,
}

impl Measurement<'_> {
    /// The attempt that answered the client, else the last.
    #[must_use]
    pub fn last(&self) -> Option<&Tried> {
        self.attempts.get(self.answered)
    }

    /// How long a stream took for each token behind its first.
    #[must_use]
    pub fn time_per_output_token(&self) -> Option<u64> {
        let last = self.last()?;
        let behind = self.usage?.output.checked_sub(1).filter(|tokens| *tokens > 0)?;
        let end = last.ended.unwrap_or(self.started.saturating_add(self.duration));
        Some(end.saturating_sub(last.first_token?) / behind)
    }

    /// The status' class: 2 to 5. Without a head the client went away first, which everybody counts as a 4xx (nginx's
    /// 499).
    #[must_use]
    pub const fn class(&self) -> u16 {
        if self.status == 0 { 4 } else { self.status / 100 }
    }
}
