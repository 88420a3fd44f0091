//! What is tried next when an attempt fails, and when to give up: the course of one request from its first attempt to the
//! last. Pure: what has happened is told, what follows is answered.
//!
//! LiteLLM's rules: a failure that may pass is repeated within the model's targets, on another one where there is one;
//! then the models that stand in for it have their turn, each with repetitions of its own.

mod policy;
mod wishes;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::error::{Error, Kind};
pub use policy::{Policy, class_names};
pub use wishes::Wishes;

/// The longest that a provider's `retry-after` is waited for, in seconds: LiteLLM's minute.
const LONGEST_WAIT: u64 = 60;
/// The longest wait when nobody says how long, in milliseconds.
const LONGEST_PAUSE_MS: u64 = 8_000;

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt, at once.
    Now,
    /// Another attempt at the same target, after so many seconds.
    After(u64),
    /// Nothing: the client gets the failure.
    Nothing,
}

/// The course of one request.
#[derive(Debug)]
pub struct Course {
    policy: Rc<Policy>,
    wishes: Wishes,
    /// The model whose turn it is.
    model: String,
    /// The targets of the model that have been tried, by their places in the gateway's list.
    tried: Vec<usize>,
    /// How many targets the model has.
    targets: usize,
    /// Models that have had their turn.
    been: Vec<String>,
    /// Models that are still to have theirs.
    ahead: VecDeque<String>,
    /// Attempts so far.
    attempts: u32,
    /// Repetitions within the model whose turn it is.
    here: u32,
    /// How many the first of the model's targets wants.
    own: Option<u32>,
    retries: u32,
    fallbacks: u32,
    /// When the request came, in Unix milliseconds.
    began_ms: u64,
    /// How long an attempt may take, in milliseconds.
    timeout_ms: u64,
    last: Option<Error>,
}

impl Course {
    /// A request for `model` that came at `now_ms`.
    #[must_use]
    pub fn begin(policy: Rc<Policy>, wishes: Wishes, model: String, now_ms: u64) -> Self {
        let timeout_ms = wishes.timeout_ms.unwrap_or(policy.timeout_ms);
        Self {
            policy,
            wishes,
            model,
            tried: Vec::new(),
            targets: 0,
            been: Vec::new(),
            ahead: VecDeque::new(),
            attempts: 0,
            here: 0,
            own: None,
            retries: 0,
            fallbacks: 0,
            began_ms: now_ms,
            timeout_ms,
            last: None,
        }
    }

    /// Begins again at `now_ms`, with the model that was named, for what the same client asks next.
    pub fn begin_again(&mut self, now_ms: u64) {
        self.model = self.been.drain(..).next().unwrap_or_else(|| std::mem::take(&mut self.model));
        self.tried.clear();
        self.ahead.clear();
        (self.attempts, self.here, self.retries, self.fallbacks) = (0, 0, 0, 0);
        self.began_ms = now_ms;
        self.last = None;
    }

    /// The model whose turn it is.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The model whose turn it is, where it isn't the one that was asked for.
    #[must_use]
    pub fn stand_in(&self) -> Option<String> {
        (self.fallbacks > 0).then(|| self.model.clone())
    }

    /// The model's targets that have been tried in this round, by their places in the gateway's list.
    #[must_use]
    pub fn tried(&self) -> &[usize] {
        &self.tried
    }

    /// What the request says of its own course.
    #[must_use]
    pub const fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// Repetitions, and models that have stood in.
    #[must_use]
    pub const fn counts(&self) -> (u32, u32) {
        (self.retries, self.fallbacks)
    }

    /// The last failure, for the client.
    #[must_use]
    pub const fn last(&self) -> Option<&Error> {
        self.last.as_ref()
    }

    /// An attempt begins at the target `place`, one of `targets` of the model, which may take `timeout_ms`. Of a model's
    /// targets the one that is asked first says, as in LiteLLM, how often a failure is repeated: `retries`, or nothing.
    pub fn goes(&mut self, place: usize, targets: usize, timeout_ms: u64, retries: Option<u32>) {
        self.attempts += 1;
        if self.here == 0 {
            self.own = retries;
        }
        self.targets = targets;
        self.timeout_ms = timeout_ms;
        if self.tried.len() >= targets {
            self.tried.clear();
        }
        self.tried.push(place);
    }

    /// Only the model's target can be asked: it keeps what the request goes on from.
    pub const fn stays(&mut self) {
        self.wishes.no_fallbacks = true;
    }

    /// How long the attempt that was begun last may take, in milliseconds.
    #[must_use]
    pub const fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// An attempt has failed while another one may still answer.
    pub fn lost(&mut self, error: &Error) {
        self.last = Some(error.clone());
    }

    /// The same target is tried again, without another choice.
    pub const fn goes_again(&mut self) {
        self.attempts += 1;
    }

    /// The attempt that was begun `ago_ms` has ended without a word.
    #[must_use]
    pub fn silence(&self, ago_ms: u64) -> Error {
        // Envoy's timer and our clock are not one.
        if ago_ms.saturating_add(5) >= self.timeout_ms {
            let message = format!("The provider didn't answer within {} ms.", self.timeout_ms);
            return Error::upstream(Kind::Timeout, message).status(504);
        }
        Error::unreached()
    }

    /// An attempt has failed, or the model's turn has come to nothing: what follows? `retry_after` is what the provider says
    /// of when to come back, in seconds.
    pub fn failed(&mut self, error: &Error, retry_after: Option<u64>, now_ms: u64) -> Next {
        self.last = Some(error.clone());
        let next = if self.attempts > 0 { self.again(error, retry_after, now_ms) } else { None };
        if let Some(next) = next {
            self.here += 1;
            self.retries += 1;
            return next;
        }
        if self.turn_passes(error.kind) {
            return Next::Now;
        }
        self.last = Some(self.told(error.clone()));
        Next::Nothing
    }

    /// The last failure, with how many attempts there were.
    #[must_use]
    pub fn told(&self, mut error: Error) -> Error {
        if self.attempts > 1 {
            let stop = if error.message.ends_with(['.', '!', '?']) { "" } else { "." };
            error.message = format!("{}{stop} ({} attempts have failed.)", error.message, self.attempts);
        }
        error
    }

    /// What `find` has for the model whose turn it is, or for the next one that can be asked.
    ///
    /// # Errors
    /// The last failure, where no model can be asked.
    pub fn find<T>(&mut self, mut find: impl FnMut(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            let error = match find(self) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            if !self.passes_over(&error) {
                return Err(self.last.clone().unwrap_or(error));
            }
        }
    }

    /// The model whose turn it is can't be asked: does another stand in? Where the request's own model is wrong none does; but
    /// where it is full, or too small for the prompt.
    fn passes_over(&mut self, error: &Error) -> bool {
        if self.attempts > 0 {
            let kind = self.last.as_ref().map_or(error.kind, |last| last.kind);
            return self.turn_passes(kind);
        }
        if self.fallbacks == 0 && !matches!(error.kind, Kind::RateLimit | Kind::ContextWindow) {
            return false;
        }
        self.last.get_or_insert_with(|| error.clone());
        self.turn_passes(error.kind)
    }

    /// Another attempt within the model, if one is due.
    fn again(&self, error: &Error, retry_after: Option<u64>, now_ms: u64) -> Option<Next> {
        if self.here >= self.policy.retries(&self.model, error, self.wishes.retries.or(self.own)) {
            return None;
        }
        if self.tried.len() < self.targets {
            return Some(Next::Now);
        }
        // Everybody has been asked. Who limits its rate had better be left alone, where another model may stand in.
        if matches!(error.kind, Kind::RateLimit | Kind::Quota) && self.next_model(error.kind).is_some() {
            return None;
        }
        let pause_ms = (500_u64 << self.here.min(4)).min(LONGEST_PAUSE_MS).max(self.policy.retry_after_ms);
        let seconds = match retry_after.filter(|seconds| *seconds > 0) {
            Some(seconds) if seconds > LONGEST_WAIT => return None,
            Some(seconds) => seconds.max(self.policy.retry_after_ms.div_ceil(1000)),
            None => pause_ms.div_ceil(1000),
        };
        let deadline = self.began_ms.saturating_add(self.wishes.timeout_ms.unwrap_or(self.policy.timeout_ms));
        (now_ms.saturating_add(seconds * 1000) < deadline).then_some(Next::After(seconds))
    }

    /// The model that would stand in at this failure.
    fn next_model(&self, kind: Kind) -> Option<String> {
        if self.wishes.no_fallbacks || self.fallbacks >= self.policy.max_fallbacks {
            return None;
        }
        let new = |name: &&String| **name != self.model && !self.been.contains(*name);
        let instead = match &self.wishes.fallbacks {
            Some(wished) => wished.as_slice(),
            None => self.policy.instead(&self.model, kind),
        };
        instead.iter().find(new).or_else(|| self.ahead.iter().find(new)).cloned()
    }

    /// Gives the next model its turn, if there is one.
    fn turn_passes(&mut self, kind: Kind) -> bool {
        let Some(next) = self.next_model(kind) else { return false };
        if self.wishes.fallbacks.is_none() {
            // What stands in for the one that stands in comes before what else could.
            for name in self.policy.instead(&self.model, kind).iter().rev() {
                self.ahead.retain(|known| known != name);
                self.ahead.push_front(name.clone());
            }
        }
        self.been.push(std::mem::replace(&mut self.model, next));
        self.tried.clear();
        (self.here, self.targets) = (0, 0);
        self.fallbacks += 1;
        true
    }
}

#[cfg(test)]
mod tests;
