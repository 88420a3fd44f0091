//! Which failures take a target out of the rotation, and for how long: LiteLLM's rules.
//!
//! Counts are per minute. They are kept by the shell, for all workers together; nothing here knows where.

use std::collections::BTreeMap;

use crate::config::CooldownConfig;
use crate::error::{Class, Kind};

/// How long a target is left alone unless the config or the provider says otherwise, in milliseconds.
const USUAL_MS: u64 = 5_000;
/// A provider's `retry-after` counts up to this: longer, nobody would notice that it is well again.
const LONGEST_MS: u64 = 3_600_000;
/// From so many requests in a minute on, more failures than successes mean something.
const ENOUGH: u32 = 5;
/// From so many on, nothing but failures means something even where nobody else could do the work.
const ENOUGH_ALONE: u32 = 1_000;
/// The failures that LiteLLM bears where only some classes have a limit of their own.
const USUAL_FAILS: u32 = 3;

/// The classes of failures that a policy can name: those of [`Class`], in their order.
const CLASSES: [&str; Class::Other.place()] = [
    "BadRequestErrorAllowedFails",
    "AuthenticationErrorAllowedFails",
    "TimeoutErrorAllowedFails",
    "RateLimitErrorAllowedFails",
    "ContentPolicyViolationErrorAllowedFails",
    "InternalServerErrorAllowedFails",
    "ServiceUnavailableErrorAllowedFails",
    "BadGatewayErrorAllowedFails",
    "NotFoundErrorAllowedFails",
];

/// The name under which a policy has the class of a failure, if it has one.
#[must_use]
pub fn class_names() -> &'static [&'static str] {
    &CLASSES
}

/// What a target has done in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minute {
    /// Minutes since the Unix epoch.
    pub minute: u32,
    /// Attempts that succeeded.
    pub successes: u32,
    /// Attempts that failed, by class.
    pub fails: [u32; Class::COUNT],
}

impl Minute {
    /// How many bytes it is written in.
    pub const SIZE: usize = 4 * (Class::COUNT + 2);

    /// Adds what another has counted; the younger minute stays.
    pub fn add(&mut self, other: &Self) {
        if other.minute > self.minute {
            *self = *other;
        } else if other.minute == self.minute {
            self.successes = self.successes.saturating_add(other.successes);
            for (here, there) in self.fails.iter_mut().zip(other.fails) {
                *here = here.saturating_add(there);
            }
        }
    }

    /// Counts a failure.
    pub fn failed(&mut self, kind: Kind) {
        if let Some(count) = self.fails.get_mut(kind.class().place()) {
            *count = count.saturating_add(1);
        }
    }

    fn all_fails(&self) -> u32 {
        self.fails.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn fails_of(&self, kind: Kind) -> u32 {
        self.fails.get(kind.class().place()).copied().unwrap_or_default()
    }

    /// As bytes that [`Self::read`] reads.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let numbers = [self.minute, self.successes].into_iter().chain(self.fails);
        numbers.flat_map(u32::to_le_bytes).collect()
    }

    /// What [`Self::write`] wrote.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != Self::SIZE {
            return None;
        }
        let (numbers, _) = bytes.as_chunks::<4>();
        let mut numbers = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes));
        let mut read = Self { minute: numbers.next()?, successes: numbers.next()?, ..Self::default() };
        for (count, number) in read.fails.iter_mut().zip(numbers) {
            *count = number;
        }
        Some(read)
    }
}

/// When failures are too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Limits {
    all: Option<u32>,
    by_class: [Option<u32>; Class::COUNT],
}

impl Limits {
    fn check(all: Option<u32>, policy: &BTreeMap<String, u32>) -> Result<Self, String> {
        let mut limits = Self { all, ..Self::default() };
        for (name, limit) in policy {
            let class = CLASSES.iter().position(|class| class == name);
            *class
                .and_then(|class| limits.by_class.get_mut(class))
                .ok_or_else(|| format!("'{name}' is no class of failures: {}", CLASSES.join(", ")))? =
                Some(*limit);
        }
        Ok(limits)
    }

    fn of(&self, kind: Kind) -> Option<u32> {
        self.by_class.get(kind.class().place()).copied().flatten()
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The rules for one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    off: bool,
    own: Limits,
    common: Limits,
    own_ms: Option<u64>,
    common_ms: Option<u64>,
    /// It takes any model of its vendor's: that one isn't there is the client's fault.
    any_model: bool,
}

/// A failed attempt.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// What kind of failure.
    pub kind: Kind,
    /// The status that it has.
    pub status: u16,
    /// When the provider says that it can be asked again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// Whether nobody else on the route could do the work.
    pub alone: bool,
}

impl Rules {
    /// Checks what the config says for all targets, and for this one.
    ///
    /// # Errors
    /// What is wrong, for the config's author.
    pub fn check(
        common: &CooldownConfig,
        own: Option<&CooldownConfig>,
        any_model: bool,
    ) -> Result<Self, String> {
        let limits =
            |config: &CooldownConfig| Limits::check(config.allowed_fails, &config.allowed_fails_policy);
        Ok(Self {
            off: common.off || own.is_some_and(|own| own.off),
            own: own.map(limits).transpose()?.unwrap_or_default(),
            common: limits(common)?,
            own_ms: own.and_then(|own| own.ms),
            common_ms: common.ms,
            any_model,
        })
    }

    /// How long the target is left alone after this failure, in milliseconds; `None` when it isn't. `minute` counts the
    /// failure already.
    #[must_use]
    pub fn judge(&self, failed: &Failed, minute: &Minute) -> Option<u64> {
        if !self.concerned(failed) || !self.too_many(failed, minute) {
            return None;
        }
        let ms = self.own_ms.or(failed.retry_after_ms).or(self.common_ms).unwrap_or(USUAL_MS).min(LONGEST_MS);
        (ms > 0).then_some(ms)
    }

    /// Whether targets are never left alone.
    #[must_use]
    pub const fn off(&self) -> bool {
        self.off
    }

    /// Whether a failure says anything about the target: other refusals are about the request.
    #[must_use]
    pub fn concerned(&self, failed: &Failed) -> bool {
        let about_target = match failed.status {
            401 | 402 | 408 | 429 | 500.. => true,
            404 => !self.any_model,
            _ => false,
        };
        !self.off && (about_target || self.own.of(failed.kind).is_some())
    }

    fn too_many(&self, failed: &Failed, minute: &Minute) -> bool {
        let Failed { kind, status, alone, .. } = *failed;
        let own = self.own.of(kind);
        let common = self.common.of(kind);
        if alone && status == 402 && own.is_none() && common.is_none() {
            return false;
        }
        if !self.own.is_empty() {
            if alone && own.is_none() && (self.own.all.is_some() || common.is_none()) {
                return false;
            }
            if let Some(limit) = own {
                return minute.fails_of(kind) > limit;
            }
            if let Some(limit) = self.own.all {
                return minute.all_fails() > limit;
            }
        }
        if self.common.is_empty() {
            return share(status, alone, minute);
        }
        if alone && common.is_none() {
            return false;
        }
        match common {
            Some(limit) => minute.fails_of(kind) > limit,
            None => minute.all_fails() > self.common.all.unwrap_or(USUAL_FAILS),
        }
    }
}

/// The rule where the config gives no limit.
fn share(status: u16, alone: bool, minute: &Minute) -> bool {
    let fails = minute.all_fails();
    let all = fails.saturating_add(minute.successes);
    match status {
        429 if !alone => true,
        // It would fail again at once.
        401 | 402 | 404 => true,
        _ if fails == all && all >= ENOUGH_ALONE => true,
        _ => !alone && all >= ENOUGH && fails > all / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(successes: u32, kind: Kind, fails: u32) -> Minute {
        let mut minute = Minute { minute: 7, successes, ..Minute::default() };
        (0..fails).for_each(|_| minute.failed(kind));
        minute
    }

    fn failed(status: u16) -> Failed {
        Failed { kind: Kind::of_status(status), status, retry_after_ms: None, alone: false }
    }

    fn rules(common: &str, own: &str) -> Rules {
        let config = |json: &str| serde_json::from_str::<CooldownConfig>(json).unwrap();
        Rules::check(&config(common), Some(&config(own)), false).unwrap()
    }

    #[test]
    fn without_limits_by_what_failed_and_how_often() {
        let rules = rules("{}", "{}");
        let judged = |status, successes, fails| {
            rules.judge(&failed(status), &minute(successes, Kind::of_status(status), fails)).is_some()
        };
        for at_once in [401, 402, 404, 429] {
            assert!(judged(at_once, 100, 1), "{at_once}");
        }
        for never in [400, 403, 409, 413, 422] {
            assert!(!judged(never, 0, 100), "{never}");
        }
        for by_share in [408, 500, 502, 503, 504, 529] {
            assert!(!judged(by_share, 0, 4), "{by_share}");
            assert!(judged(by_share, 0, 5), "{by_share}");
            assert!(judged(by_share, 4, 5), "{by_share}");
            assert!(!judged(by_share, 5, 5), "{by_share}");
        }
    }

    #[test]
    fn who_is_alone_is_left_alone_only_when_nothing_else_is_true() {
        let rules = rules("{}", "{}");
        let judged = |status, fails| {
            let failed = Failed { alone: true, ..failed(status) };
            rules.judge(&failed, &minute(0, Kind::of_status(status), fails)).is_some()
        };
        assert!(!judged(429, 999) && !judged(500, 999) && !judged(402, 1));
        assert!(judged(500, 1000) && judged(401, 1) && judged(404, 1));
    }

    #[test]
    fn limits_by_number_and_by_class() {
        let all = rules(r#"{"allowed_fails": 1}"#, "{}");
        assert_eq!(all.judge(&failed(429), &minute(0, Kind::RateLimit, 1)), None);
        assert!(all.judge(&failed(429), &minute(9, Kind::RateLimit, 2)).is_some());
        let by_class = rules(r#"{"allowed_fails_policy": {"TimeoutErrorAllowedFails": 0}}"#, "{}");
        assert!(by_class.judge(&failed(408), &minute(9, Kind::Timeout, 1)).is_some());
        assert_eq!(by_class.judge(&failed(500), &minute(0, Kind::Server, 3)), None);
        assert!(by_class.judge(&failed(500), &minute(0, Kind::Server, 4)).is_some());
        let own = rules(r#"{"allowed_fails": 0}"#, r#"{"allowed_fails": 2}"#);
        assert_eq!(own.judge(&failed(500), &minute(0, Kind::Server, 2)), None);
        assert!(own.judge(&failed(500), &minute(0, Kind::Server, 3)).is_some());
        // A class that a target's own policy names counts, though it is about requests.
        let named = rules("{}", r#"{"allowed_fails_policy": {"BadRequestErrorAllowedFails": 1}}"#);
        assert!(named.judge(&failed(400), &minute(0, Kind::InvalidRequest, 2)).is_some());
        let wrong = CooldownConfig {
            allowed_fails_policy: BTreeMap::from([("TimeoutError".to_owned(), 1)]),
            ..CooldownConfig::default()
        };
        assert!(Rules::check(&wrong, None, false).is_err());
    }

    #[test]
    fn how_long() {
        let after = Failed { retry_after_ms: Some(90_000), ..failed(429) };
        let once = minute(0, Kind::RateLimit, 1);
        let ms = |common: &str, own: &str, failed: &Failed| rules(common, own).judge(failed, &once);
        assert_eq!(ms("{}", "{}", &failed(429)), Some(5_000));
        assert_eq!(ms(r#"{"ms": 60000}"#, "{}", &failed(429)), Some(60_000));
        assert_eq!(ms(r#"{"ms": 60000}"#, "{}", &after), Some(90_000));
        assert_eq!(ms(r#"{"ms": 60000}"#, r#"{"ms": 1000}"#, &after), Some(1_000));
        assert_eq!(ms("{}", r#"{"ms": 0}"#, &after), None);
        assert_eq!(ms(r#"{"off": true}"#, "{}", &after), None);
        let year = Failed { retry_after_ms: Some(31_536_000_000), ..failed(429) };
        assert_eq!(ms("{}", "{}", &year), Some(LONGEST_MS));
    }

    #[test]
    fn a_model_that_only_the_client_knows_is_no_reason() {
        let any = Rules::check(&CooldownConfig::default(), None, true).unwrap();
        assert_eq!(any.judge(&failed(404), &minute(0, Kind::NotFound, 9)), None);
        assert!(any.judge(&failed(401), &minute(0, Kind::Authentication, 1)).is_some());
    }

    #[test]
    fn minutes_add_up_and_survive_writing() {
        let mut one = minute(3, Kind::Server, 2);
        one.add(&minute(1, Kind::Timeout, 1));
        assert_eq!((one.successes, one.all_fails()), (4, 3));
        assert_eq!(Minute::read(&one.write()), Some(one));
        assert_eq!(Minute::read(&[0; 7]), None);
        one.add(&Minute { minute: 6, successes: 50, ..Minute::default() });
        assert_eq!(one.successes, 4);
        one.add(&Minute { minute: 8, successes: 1, ..Minute::default() });
        assert_eq!((one.minute, one.successes, one.all_fails()), (8, 1, 0));
    }
}
