//! Failures that services give by an exception's name, in a header, a body or a frame: which kind each is.

use super::{Error, Kind};

impl Kind {
    /// The kind that an exception's name speaks of, for services that name their failures so; `None` for those that say
    /// no more than their status. Case does not matter: a stream spells names otherwise than a header does.
    /// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>.
    #[must_use]
    pub fn of_exception(name: &str) -> Option<Self> {
        const NAMES: &[(&str, Kind)] = &[
            ("ThrottlingException", Kind::RateLimit),
            ("TooManyRequestsException", Kind::RateLimit),
            ("ServiceQuotaExceededException", Kind::RateLimit),
            ("ModelNotReadyException", Kind::Overloaded),
            ("ServiceUnavailableException", Kind::Overloaded),
            ("ServiceUnavailable", Kind::Overloaded),
            ("InternalServerException", Kind::Server),
            ("InternalFailure", Kind::Server),
            ("ModelErrorException", Kind::Server),
            ("ModelStreamErrorException", Kind::Server),
            ("ModelError", Kind::Server),
            ("ModelTimeoutException", Kind::Timeout),
            ("ResourceNotFoundException", Kind::NotFound),
            ("AccessDeniedException", Kind::PermissionDenied),
            ("OptInRequired", Kind::PermissionDenied),
            ("NotAuthorized", Kind::PermissionDenied),
            ("ExpiredTokenException", Kind::Authentication),
            ("ExpiredToken", Kind::Authentication),
            ("RequestExpired", Kind::Authentication),
            ("UnrecognizedClientException", Kind::Authentication),
            ("InvalidClientTokenId", Kind::Authentication),
            ("InvalidSignatureException", Kind::Authentication),
            ("SignatureDoesNotMatch", Kind::Authentication),
            ("IncompleteSignature", Kind::Authentication),
            ("IncompleteSignatureException", Kind::Authentication),
            ("MissingAuthenticationToken", Kind::Authentication),
            ("MissingAuthenticationTokenException", Kind::Authentication),
        ];
        // An address may stand before the name or behind it.
        let name = name.split(':').next().unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default().trim();
        NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, kind)| *kind)
    }
}

impl Error {
    /// Takes into account the name that the provider gives a failure beside its body, in a header:
    /// `ThrottlingException`, alone or with an address behind a colon.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        // What the message itself says of the window or the policy is more than any name.
        let told = matches!(self.kind, Kind::ContextWindow | Kind::ContentPolicy);
        if let Some(kind) = Kind::of_exception(name).filter(|kind| !told && *kind != self.kind) {
            self.kind = kind;
            self.status = None;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Said;

    #[test]
    fn a_name_beside_the_body_tells_more_than_a_status() {
        let named = |status, message: &str, name: &str| {
            let error = Error::upstream(Kind::of_status(status), message).status(status).named(name);
            (error.kind, error.http_status())
        };
        let long = "ExpiredTokenException:http://internal.amazon.com/coral/com.amazon.coral.service/";
        assert_eq!(named(403, "x", long), (Kind::Authentication, 401));
        assert_eq!(named(424, "x", "ModelErrorException"), (Kind::Server, 500));
        assert_eq!(named(429, "x", "com.amazon.coral#ThrottlingException"), (Kind::RateLimit, 429));
        assert_eq!(named(400, "x", "ValidationException"), (Kind::InvalidRequest, 400));
        let window = Said::read(br#"{"message":"Input is too long for requested model."}"#);
        assert_eq!(window.into_error(400, "x").named("ThrottlingException").kind, Kind::ContextWindow);
    }
}
