//! Google's access tokens: asked for through an Envoy cluster on the root's ticks, kept in Envoy's shared data for all
//! workers and both roles. What is asked and what an answer means is the core's.
//!
//! One worker asks at a time: who does has taken the turn by a compare-and-swap. A token is renewed before it ends, so
//! that no request waits for one; only at Envoy's start there is none for a moment.

use std::time::Duration;

use dragoman_core::config::Target;
use dragoman_core::error::Error;
use dragoman_core::provider::auth::google::{Source, Token};

use crate::host;

/// How long before its end a token is renewed, in seconds. Google's metadata server gives the same token again until
/// shortly before this.
const MARGIN: u64 = 225;
/// How long before its end a token is used no more, in seconds.
const LAST: u64 = 10;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody else asks after one has, in seconds; doubled by each failure, up to [`LONGEST_TURN`].
const TURN: u64 = 5;
const LONGEST_TURN: u64 = 80;
/// How often is looked whether a token must be had, and while one is missing.
pub const TICK: Duration = Duration::from_secs(1);
const FIRST_TICKS: Duration = Duration::from_millis(100);

/// The tokens that a plugin's targets need.
#[derive(Default)]
pub struct Tokens {
    needs: Vec<Need>,
    hurried: bool,
}

struct Need {
    source: Source,
    /// The key in Envoy's shared data.
    key: String,
    /// The call under way.
    call: Option<u32>,
    /// Failures since the last success.
    failures: u32,
}

fn key(name: &str) -> String {
    format!("dragoman.token.{name}")
}

fn kept(key: &str) -> Option<Token> {
    let (bytes, _) = host::shared(key);
    Token::parse(std::str::from_utf8(&bytes?).ok()?)
}

/// The token that is kept under a source's name, while it holds.
pub fn current(name: &str) -> Option<String> {
    kept(&key(name)).filter(|token| token.expires > host::seconds() + LAST).map(|token| token.value)
}

impl Tokens {
    /// What `targets` need.
    ///
    /// # Errors
    /// What is wrong with a target's settings.
    pub fn of<'t>(targets: impl Iterator<Item = &'t Target>) -> Result<Self, Error> {
        let mut needs: Vec<Need> = Vec::new();
        for target in targets {
            let Some(source) = Source::of(target)?.filter(|source| *source != Source::Envoy) else {
                continue;
            };
            let key = key(&source.name());
            if !needs.iter().any(|need| need.key == key) {
                needs.push(Need { source, key, call: None, failures: 0 });
            }
        }
        Ok(Self { needs, hurried: false })
    }

    /// Has the root tick, if any token is needed.
    pub fn begin(&mut self) {
        if !self.needs.is_empty() {
            self.hurried = true;
            host::tick_every(FIRST_TICKS);
        }
    }

    /// Asks for every token that is missing or about to end.
    pub fn tick(&mut self) {
        let now = host::seconds();
        let mut missing = false;
        for need in &mut self.needs {
            let token = kept(&need.key);
            missing |= token.is_none();
            if need.call.is_none() && token.is_none_or(|token| token.expires <= now + MARGIN) {
                need.ask(now);
            }
        }
        if missing != self.hurried {
            self.hurried = missing;
            host::tick_every(if missing { FIRST_TICKS } else { TICK });
        }
    }

    /// The answer to the call of this number has come, with so many headers and bytes.
    pub fn answered(&mut self, call: u32, headers: usize, size: usize) {
        let Some(need) = self.needs.iter_mut().find(|need| need.call == Some(call)) else { return };
        need.call = None;
        let (status, body) = host::answer(headers, size);
        match Token::read(status, &body, host::seconds()) {
            Ok(token) => {
                need.failures = 0;
                host::share(&need.key, token.write().as_bytes(), None);
            }
            Err(error) => need.failed(&error),
        }
    }
}

impl Need {
    fn ask(&mut self, now: u64) {
        let turn = format!("{}.turn", self.key);
        let (bytes, version) = host::shared(&turn);
        let until = bytes.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse::<u64>().ok());
        if until.is_some_and(|until| until > now) {
            return;
        }
        let pause = TURN.saturating_mul(1 << self.failures.min(4)).min(LONGEST_TURN);
        // Another worker was faster: the turn is its own.
        if !host::share(&turn, (now + pause).to_string().as_bytes(), version) {
            return;
        }
        match self.source.call(&host::env, now) {
            Ok(Some(call)) => {
                let headers = call.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                self.call = host::call(call.cluster, headers, &call.body, PATIENCE);
                if self.call.is_none() {
                    let cluster = call.cluster;
                    self.failed(&Error::config(format!("the cluster {cluster} can't be called")));
                }
            }
            Ok(None) => {}
            Err(error) => self.failed(&error),
        }
    }

    fn failed(&mut self, error: &Error) {
        self.failures = self.failures.saturating_add(1);
        log::error!("dragoman: no Google access token ({}): {}", self.source.name(), error.message);
    }
}
