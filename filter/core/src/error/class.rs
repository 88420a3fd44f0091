//! The classes into which LiteLLM puts failures: what its policies name.
//! <https://docs.litellm.ai/docs/routing#advanced-custom-retries-cooldowns-based-on-error-type>

use super::Kind;

/// LiteLLM's class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// `BadRequestError`
    BadRequest,
    /// `AuthenticationError`
    Authentication,
    /// `TimeoutError`
    Timeout,
    /// `RateLimitError`
    RateLimit,
    /// `ContentPolicyViolationError`
    ContentPolicy,
    /// `InternalServerError`
    InternalServer,
    /// `ServiceUnavailableError`
    ServiceUnavailable,
    /// `BadGatewayError`
    BadGateway,
    /// `NotFoundError`
    NotFound,
    /// None that a policy can name.
    Other,
}

impl Class {
    /// How many there are.
    pub const COUNT: usize = Self::Other.place() + 1;

    /// Its place among them all.
    #[must_use]
    pub const fn place(self) -> usize {
        self as usize
    }
}

impl Kind {
    /// LiteLLM's class of a failure of this kind.
    #[must_use]
    pub const fn class(self) -> Class {
        match self {
            Self::InvalidRequest
            | Self::UnsupportedParameter
            | Self::ContextWindow
            | Self::TooLarge
            | Self::Unprocessable => Class::BadRequest,
            Self::Authentication => Class::Authentication,
            Self::Timeout => Class::Timeout,
            Self::RateLimit | Self::Quota => Class::RateLimit,
            Self::ContentPolicy => Class::ContentPolicy,
            Self::Server => Class::InternalServer,
            Self::Overloaded => Class::ServiceUnavailable,
            Self::BadGateway => Class::BadGateway,
            Self::NotFound => Class::NotFound,
            Self::PaymentRequired | Self::PermissionDenied | Self::Conflict => Class::Other,
        }
    }
}
