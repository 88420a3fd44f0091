//! From the name that a client asks for to a route, and from a route to the target that is tried first.
//!
//! All of it is pure: what the strategies know of the targets ([`Standing`]) is an argument, kept by the shell.

pub mod health;
pub mod load;
mod names;
pub mod sticky;
mod strategy;
pub mod tags;

use self::health::Rules;
pub use self::names::Routes;
pub use self::strategy::{Moment, Nobody, Rule, Standing, Wishes, choose, part_of};
use crate::config::{HedgeConfig, MirrorConfig, StickyKey};

/// A model name and its targets.
#[derive(Debug)]
pub struct Route {
    /// The name; may hold a `*`.
    pub name: String,
    /// Whether `/v1/models` leaves it out.
    pub hidden: bool,
    /// What can be tried first.
    pub choices: Vec<Choice>,
    /// What keeps requests on one target, where that isn't as on other routes.
    pub sticky: Option<Vec<StickyKey>>,
    /// When a second target is asked beside the first.
    pub hedge: HedgeConfig,
}

/// A target as the first choice of a route: what a decision looks at, close together, as it looks at all of them.
#[derive(Debug, Default)]
pub struct Choice {
    /// The target's place in the gateway's list.
    pub target: usize,
    /// Its id as a number, the same in all workers.
    pub hash: u64,
    /// Its share of the requests, among its tier's.
    pub weight: u64,
    /// Its tier: the lowest is tried first.
    pub order: i64,
    /// Who may use it.
    pub tags: Vec<String>,
    /// Requests that it may get in a minute.
    pub rpm: Option<u64>,
    /// Tokens that it may use in a minute.
    pub tpm: Option<u64>,
    /// What one request is of its limit, by [`part_of`].
    pub request_part: u64,
    /// What one token is of its limit.
    pub token_part: u64,
    /// What a token of input and one of output cost together, in picodollars, or the most where nobody knows; `None` where that
    /// depends on the request, or on nothing.
    pub cost: Option<u64>,
    /// Where what is known of it stands.
    pub seat: Seat,
    /// On which terms it is asked, once it is chosen.
    pub terms: Box<Terms>,
}

/// On which terms a target is asked, once it is chosen.
#[derive(Debug, Default)]
pub struct Terms {
    /// The cluster that tries it first.
    pub cluster: String,
    /// The cluster that does so where a second target may be asked beside it; empty where none may.
    pub hedged: String,
    /// How long an attempt may take until its reply's head is there, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The same for a stream, where it differs.
    pub stream_timeout_ms: Option<u64>,
    /// How often a request that fails at it first is repeated, where that isn't as for others.
    pub retries: Option<u32>,
    /// Where a copy of its requests goes.
    pub mirror: Option<MirrorConfig>,
    /// When it is left alone.
    pub rules: Rules,
}

/// Where what is known of a target stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The group's place in [`Routes::groups`].
    pub group: usize,
    /// Its place there.
    pub slot: usize,
}

/// Targets of which what is known is kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name, the same in all workers and as long as its targets are the same.
    pub key: u64,
    /// How many they are.
    pub size: usize,
}

impl Terms {
    /// The cluster that gets a copy of a request; `random` is evenly drawn from all of `u64`.
    #[must_use]
    pub fn copied_to(&self, random: u64) -> Option<&str> {
        let mirror = self.mirror.as_ref().filter(|mirror| random % 100 < mirror.percent)?;
        let count = u64::try_from(mirror.clusters.len()).unwrap_or(u64::MAX);
        let place = usize::try_from((random / 100).checked_rem(count)?).ok()?;
        mirror.clusters.get(place).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_requests_is_copied() {
        let mirror = MirrorConfig { clusters: vec!["a".into(), "b".into()], percent: 25 };
        let terms = Terms { mirror: Some(mirror), ..Terms::default() };
        let copies: Vec<_> = (0..400).filter_map(|random| terms.copied_to(random)).collect();
        assert_eq!(copies.len(), 100);
        assert_eq!(copies.iter().filter(|copy| **copy == "a").count(), 50);
        assert_eq!(Terms::default().copied_to(0), None);
    }
}
