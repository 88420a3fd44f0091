//! What the config says of repeating and of standing in, checked: how often which failure, and which model for which.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::config::{CourseConfig, Stands};
use crate::error::{Class, Error, Kind};

/// The classes of failures that a retry policy can name, by LiteLLM's names: those of [`Class`], in their order, of which the
/// last is the default. LiteLLM counts a bad gateway among what is unavailable.
const CLASSES: [&str; 9] = [
    "BadRequestErrorRetries",
    "AuthenticationErrorRetries",
    "TimeoutErrorRetries",
    "RateLimitErrorRetries",
    "ContentPolicyViolationErrorRetries",
    "InternalServerErrorRetries",
    "ServiceUnavailableErrorRetries",
    "NotFoundErrorRetries",
    "DefaultRetries",
];
const DEFAULT: usize = CLASSES.len() - 1;

/// How often anything is repeated at most, whoever wishes it: more is no course but a siege.
pub(super) const MOST_RETRIES: u32 = 20;

/// The names of the classes of failures that a retry policy can have.
#[must_use]
pub const fn class_names() -> &'static [&'static str] {
    &CLASSES
}

const fn class(kind: Kind) -> usize {
    let class = kind.class();
    match class {
        Class::BadGateway | Class::NotFound | Class::Other => class.place() - 1,
        _ => class.place(),
    }
}

/// How often each class of failure is repeated, where that is said.
#[derive(Clone, Copy, Debug, Default)]
struct Retries([Option<u32>; CLASSES.len()]);

impl Retries {
    fn check(raw: &BTreeMap<String, u32>) -> Result<Self, String> {
        let mut retries = Self::default();
        for (name, number) in raw {
            let place = CLASSES.iter().position(|class| class == name);
            *place
                .and_then(|place| retries.0.get_mut(place))
                .ok_or_else(|| format!("'{name}' is no class of failures: {}", CLASSES.join(", ")))? =
                Some(*number);
        }
        Ok(retries)
    }

    fn of(&self, kind: Kind) -> Option<u32> {
        let said = |class: usize| self.0.get(class).copied().flatten();
        said(class(kind)).or_else(|| said(DEFAULT).filter(|_| passes(kind)))
    }
}

/// Whether a failure of this kind may pass when the same is asked again: what LiteLLM repeats.
pub(super) const fn passes(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Timeout
            | Kind::Conflict
            | Kind::RateLimit
            | Kind::Quota
            | Kind::Server
            | Kind::BadGateway
            | Kind::Overloaded
    )
}

/// What is tried when an attempt fails.
#[derive(Debug)]
pub struct Policy {
    retries: u32,
    by_class: Retries,
    /// In boxes, as then this is one more of the tables that the wasm has already.
    by_model: HashMap<String, Box<Retries>>,
    /// The least time before the same target is asked again, in milliseconds.
    pub(super) retry_after_ms: u64,
    /// How long a request may take unless it or its target says otherwise, in milliseconds.
    pub(super) timeout_ms: u64,
    pub(super) max_fallbacks: u32,
    fallbacks: Stands,
    context_window: Stands,
    content_policy: Stands,
    /// Whether a prompt is held against a model's window before it is sent.
    pub check_windows: bool,
}

impl Policy {
    /// Checks what the config says.
    ///
    /// # Errors
    /// What is wrong, for the config's author.
    pub fn check(raw: CourseConfig) -> Result<Self, String> {
        let by_model = raw.model_retry_policy.iter();
        Ok(Self {
            retries: raw.retries.min(MOST_RETRIES),
            by_class: Retries::check(&raw.retry_policy)?,
            by_model: by_model
                .map(|(model, policy)| Ok((model.clone(), Box::new(Retries::check(policy)?))))
                .collect::<Result<_, String>>()?,
            retry_after_ms: raw.retry_after_ms,
            timeout_ms: raw.timeout_ms,
            max_fallbacks: raw.max_fallbacks,
            fallbacks: raw.fallbacks,
            context_window: raw.context_window_fallbacks,
            content_policy: raw.content_policy_fallbacks,
            check_windows: raw.check_windows,
        })
    }

    /// How long an attempt may take unless its request or target says otherwise, in milliseconds.
    #[must_use]
    pub const fn timeout_ms(&self) -> u64 {
        self.timeout_ms
    }

    /// How often a failure is repeated within `model`; `wished` is what the request says, or else its first target.
    pub(super) fn retries(&self, model: &str, error: &Error, wished: Option<u32>) -> u32 {
        let said = self.by_model.get(model).and_then(|policy| policy.of(error.kind));
        let said = said.or_else(|| self.by_class.of(error.kind));
        let usual = || if repeatable(error) { wished.unwrap_or(self.retries) } else { 0 };
        said.unwrap_or_else(usual).min(MOST_RETRIES)
    }

    /// The models that stand in for `model` at this failure, in order.
    pub(super) fn instead(&self, model: &str, kind: Kind) -> &[String] {
        let own = match kind {
            Kind::ContextWindow => Some(&self.context_window),
            Kind::ContentPolicy => Some(&self.content_policy),
            _ => None,
        };
        // As in LiteLLM: where a class has its own list, the general one isn't asked.
        if let Some(own) = own.filter(|own| !own.is_empty()) {
            return own.get(model).map(Vec::as_slice).unwrap_or_default();
        }
        let named = self.fallbacks.get(model).or_else(|| self.fallbacks.get("*"));
        named.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Whether LiteLLM repeats it when nobody has said how often: 408, 409, 429 and 5xx.
fn repeatable(error: &Error) -> bool {
    passes(error.kind) && matches!(error.http_status(), 408 | 409 | 429 | 500..)
}
