//! Every failure, with where it came from, what kind it is, and its form in OpenAI's API.
//!
//! Source of the form: <https://platform.openai.com/docs/guides/error-codes/api-errors>.
//! Config and internal details are for the log; [`Error::write_openai`] never shows them.

mod class;
mod exceptions;

pub use class::Class;

use crate::json::{Cursor, FromJson, Json, Kind as JsonKind, Out};

/// Who caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The client's request is wrong.
    Client,
    /// The provider refused or failed.
    Upstream,
    /// The platform team's configuration is wrong.
    Config,
    /// Dragoman or Envoy is wrong.
    Internal,
}

/// What kind of failure it is: decides status, type, code, and whether another target may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request is malformed or a value is out of range.
    InvalidRequest,
    /// A parameter that the provider can't express.
    UnsupportedParameter,
    /// The prompt is longer than the model's window.
    ContextWindow,
    /// The provider's policy refused the content.
    ContentPolicy,
    /// A missing or wrong key.
    Authentication,
    /// The account has no credit left.
    PaymentRequired,
    /// A valid key without the right.
    PermissionDenied,
    /// No such path, model or object.
    NotFound,
    /// The body is over the limit.
    TooLarge,
    /// Well-formed, but refused for its meaning.
    Unprocessable,
    /// Nobody answered in time.
    Timeout,
    /// A state conflict that a retry may solve.
    Conflict,
    /// Too many requests or tokens.
    RateLimit,
    /// The quota or budget is used up; a retry will not help.
    Quota,
    /// The server failed.
    Server,
    /// The provider's answer could not be understood or ended early.
    BadGateway,
    /// The server has too much to do.
    Overloaded,
}

impl Kind {
    /// HTTP status, OpenAI's `type`, OpenAI's `code`.
    const fn form(self) -> (u16, &'static str, Option<&'static str>) {
        match self {
            Self::InvalidRequest => (400, "invalid_request_error", None),
            Self::UnsupportedParameter => (400, "invalid_request_error", Some("unsupported_parameter")),
            Self::ContextWindow => (400, "invalid_request_error", Some("context_length_exceeded")),
            Self::ContentPolicy => (400, "invalid_request_error", Some("content_policy_violation")),
            Self::Authentication => (401, "authentication_error", Some("invalid_api_key")),
            Self::PaymentRequired => (402, "insufficient_quota", Some("insufficient_quota")),
            Self::PermissionDenied => (403, "permission_error", Some("permission_denied")),
            Self::NotFound => (404, "not_found_error", Some("not_found")),
            Self::TooLarge => (413, "invalid_request_error", Some("request_too_large")),
            Self::Unprocessable => (422, "invalid_request_error", None),
            Self::Timeout => (408, "timeout_error", Some("timeout")),
            Self::Conflict => (409, "conflict_error", None),
            Self::RateLimit => (429, "rate_limit_error", Some("rate_limit_exceeded")),
            Self::Quota => (429, "insufficient_quota", Some("insufficient_quota")),
            Self::Server => (500, "server_error", None),
            Self::BadGateway => (502, "server_error", Some("bad_gateway")),
            Self::Overloaded => (503, "server_error", Some("overloaded")),
        }
    }

    /// The status that clients get.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.form().0
    }

    /// The kind that a bare HTTP status speaks of.
    #[must_use]
    pub const fn of_status(status: u16) -> Self {
        match status {
            401 => Self::Authentication,
            402 => Self::PaymentRequired,
            403 => Self::PermissionDenied,
            404 => Self::NotFound,
            408 | 504 | 524 => Self::Timeout,
            409 => Self::Conflict,
            413 => Self::TooLarge,
            422 => Self::Unprocessable,
            429 => Self::RateLimit,
            502 => Self::BadGateway,
            503 | 529 => Self::Overloaded,
            400..=499 => Self::InvalidRequest,
            _ => Self::Server,
        }
    }

    /// A label for stats and logs.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::UnsupportedParameter => "unsupported_parameter",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Authentication => "authentication",
            Self::PaymentRequired => "payment_required",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Unprocessable => "unprocessable",
            Self::Timeout => "timeout",
            Self::Conflict => "conflict",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Server => "server",
            Self::BadGateway => "bad_gateway",
            Self::Overloaded => "overloaded",
        }
    }
}

/// A failure. `message` is written for the client, or for the log when the origin is config or internal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Who caused it.
    pub origin: Origin,
    /// What kind it is.
    pub kind: Kind,
    /// What happened and what to do.
    pub message: String,
    /// The status that the provider gave, where it says more than the kind's own.
    pub status: Option<u16>,
    /// OpenAI's `type`, where the provider gave a better one than the kind's own.
    pub type_: Option<String>,
    /// OpenAI's `code`, likewise.
    pub code: Option<String>,
    /// The parameter at fault.
    pub param: Option<String>,
    /// In how many seconds the same may be asked again, where we know.
    pub retry_after: Option<u64>,
}

/// The longest provider message that is passed on, in bytes.
const MAX_MESSAGE: usize = 4096;

impl Error {
    fn new(origin: Origin, kind: Kind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { origin, kind, message, status: None, type_: None, code: None, param: None, retry_after: None }
    }

    /// The client's mistake, 400.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Origin::Client, Kind::InvalidRequest, message)
    }

    /// The client's mistake, of the given kind.
    #[must_use]
    pub fn client(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(Origin::Client, kind, message)
    }

    /// The provider's failure.
    #[must_use]
    pub fn upstream(kind: Kind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE {
            let end = (0..=MAX_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
            message.truncate(end);
        }
        Self::new(Origin::Upstream, kind, message)
    }

    /// The provider's answer could not be understood.
    #[must_use]
    pub fn garbled(message: impl Into<String>) -> Self {
        Self::upstream(Kind::BadGateway, message)
    }

    /// No provider has answered.
    #[must_use]
    pub fn unreached() -> Self {
        let message = "The provider can't be reached, or broke the connection off before it answered.";
        Self::upstream(Kind::Overloaded, message).code("connection_error")
    }

    /// The configuration's mistake; the message is for the log.
    #[must_use]
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(Origin::Config, Kind::Server, message)
    }

    /// Our own mistake; the message is for the log.
    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Origin::Internal, Kind::Server, message)
    }

    /// Names the parameter at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Gives a `code` of its own.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Gives a `type` of its own.
    #[must_use]
    pub fn typed(mut self, type_: impl Into<String>) -> Self {
        self.type_ = Some(type_.into());
        self
    }

    /// Gives a status of its own.
    #[must_use]
    pub const fn status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The HTTP status that the client gets.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self.status {
            Some(status) => status,
            None => self.kind.form().0,
        }
    }

    /// What the client may read: config and internal details are for the log.
    #[must_use]
    pub const fn shown(&self) -> &str {
        match self.origin {
            Origin::Client | Origin::Upstream => self.message.as_str(),
            Origin::Config => "The gateway's configuration is at fault; its log says how.",
            Origin::Internal => "The gateway failed; its log says how.",
        }
    }

    /// Appends OpenAI's error object: `{"error":{"message","type","param","code"}}`.
    pub fn write_openai(&self, out: &mut Vec<u8>) {
        let (_, type_, code) = self.kind.form();
        out.extend_from_slice(b"{\"error\":{");
        out.field_text("message", self.shown());
        out.field_text("type", self.type_.as_deref().unwrap_or(type_));
        out.key("param");
        match &self.param {
            Some(param) => out.text(param),
            None => out.raw("null"),
        }
        out.key("code");
        match self.code.as_deref().or(code) {
            Some(code) => out.text(code),
            None => out.raw("null"),
        }
        out.extend_from_slice(b"}}");
    }

    /// The error object as a body of its own.
    #[must_use]
    pub fn to_openai(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        self.write_openai(&mut body);
        body
    }
}

/// What a provider's error body says, in whatever shape it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// The message.
    pub message: Option<String>,
    /// The provider's own type or status word.
    pub type_: Option<String>,
    /// The provider's own code.
    pub code: Option<String>,
    /// The parameter it names.
    pub param: Option<String>,
}

impl Said {
    /// Reads an error body of any shape: `{"error":{...}}`, `{"error":"..."}`, `{"message":...}`, `{"detail":...}`,
    /// an array of those, plain text, or a load balancer's HTML.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let mut cursor = Cursor::new(text);
        match Json::from_json(&mut cursor) {
            Ok(value) if matches!(value.kind(), JsonKind::Object | JsonKind::Array | JsonKind::String) => {
                let mut said = Self::default();
                said.gather(value, 0);
                said
            }
            _ => Self { message: plain_text(text), ..Self::default() },
        }
    }

    fn gather(&mut self, value: Json<'_>, depth: u32) {
        if depth > 6 {
            return;
        }
        match value.kind() {
            JsonKind::String => {
                let text = value.as_str().map(|token| token.plain().into_owned()).unwrap_or_default();
                if self.message.is_none() && !text.is_empty() {
                    self.message = Some(text);
                }
            }
            JsonKind::Array => {
                if let Some(first) = value.items().into_iter().next() {
                    self.gather(first, depth + 1);
                }
            }
            JsonKind::Object => {
                let fields = value.fields();
                let scalar = |names: &[&str]| {
                    let (_, found) = fields.iter().find(|(key, found)| {
                        names.iter().any(|name| key.is(name))
                            && matches!(found.kind(), JsonKind::String | JsonKind::Number)
                    })?;
                    Some(
                        found
                            .as_str()
                            .map_or_else(|| found.text().to_owned(), |token| token.plain().into_owned()),
                    )
                };
                self.type_ = self.type_.take().or_else(|| scalar(&["type", "status", "__type"]));
                self.code = self.code.take().or_else(|| scalar(&["code"]));
                self.param = self.param.take().or_else(|| scalar(&["param"]));
                for name in
                    ["error", "message", "Message", "detail", "errors", "msg", "error_message", "raw_message"]
                {
                    if let Some((_, inner)) = fields.iter().find(|(key, _)| key.is(name)) {
                        // An inner object knows better than the envelope around it.
                        if inner.kind() == JsonKind::Object {
                            let mut nested = Self::default();
                            nested.gather(*inner, depth + 1);
                            self.message = self.message.take().or(nested.message);
                            self.type_ = nested.type_.or(self.type_.take());
                            self.code = nested.code.or(self.code.take());
                            self.param = nested.param.or(self.param.take());
                        } else {
                            self.gather(*inner, depth + 1);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    /// What the answer amounts to whose status is no success: who redirects has not answered the request.
    #[must_use]
    pub fn into_refusal(self, status: u16, provider: &str) -> Error {
        if status >= 400 {
            return self.into_error(status, provider);
        }
        Error::garbled(format!("{provider} answered with status {status}."))
    }

    /// The error that this amounts to, classified by status, the words and codes that providers use, or the message.
    #[must_use]
    pub fn into_error(self, status: u16, provider: &str) -> Error {
        // Who fails after a good status (in a stream, or in a reply's clothes) may say the true one as its code.
        let told =
            self.code.as_deref().and_then(|code| code.parse().ok()).filter(|code| (400..600).contains(code));
        let status = if status < 400 { told.unwrap_or(status) } else { status };
        let message = self.message.unwrap_or_else(|| format!("{provider} answered with status {status}."));
        let hint = [self.type_.as_deref(), self.code.as_deref()];
        let exception = self.type_.as_deref().and_then(Kind::of_exception);
        let kind = exception.unwrap_or_else(|| classify(status, &hint, &message));
        let mut error = Error::upstream(kind, message);
        // The provider's own status is kept, where the kind does not speak of a better one.
        if Kind::of_status(status) == kind && status >= 400 && !matches!(status, 529 | 524) {
            error.status = Some(status);
        }
        // A numeric code is only the status again.
        error.code = self.code.filter(|code| !code.is_empty() && code.parse::<u32>().is_err());
        error.param = self.param;
        error
    }
}

/// The text of an HTML page's title or a plain body's beginning.
fn plain_text(text: &str) -> Option<String> {
    if !text.starts_with('<') {
        let short: String = text.chars().take(500).collect();
        return (!short.is_empty()).then_some(short);
    }
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").map(|at| at + 7).or_else(|| lower.find("<h1>").map(|at| at + 4))?;
    let rest = text.get(title..)?;
    let end = rest.find('<').unwrap_or(rest.len()).min(200);
    Some(rest.get(..end)?.trim().to_owned())
}

/// Sentences by which providers say that a prompt is longer than the window.
const CONTEXT_WINDOW: &[&str] = &[
    "context_length_exceeded",
    "maximum context length",
    "context length exceeded",
    "context window",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "input token count",
    "input tokens exceeded",
    "exceeds the maximum number of tokens",
    "exceed context limit",
    "reduce the length of the messages",
    "is longer than the model's context length",
    "maximum prompt length",
    "too large for model with",
    "exceeds the available context size",
    "input length and `max_tokens` exceed",
];

/// Words by which providers say that policy refused the content.
const CONTENT_POLICY: &[&str] = &[
    "content_filter",
    "content_policy",
    "content management policy",
    "content filtering policy",
    "responsibleaipolicyviolation",
    "content_moderation",
    "safety system",
    "output blocked by content filtering",
];

fn classify(status: u16, hints: &[Option<&str>], message: &str) -> Kind {
    let message = message.to_ascii_lowercase();
    let said = |words: &[&str]| {
        words.iter().any(|word| {
            message.contains(word)
                || hints.iter().flatten().any(|hint| hint.to_ascii_lowercase().contains(word))
        })
    };
    if matches!(status, 400 | 413 | 422) || status == 0 {
        if said(CONTEXT_WINDOW) {
            return Kind::ContextWindow;
        }
        // Anthropic says 400 when the account is empty.
        if said(&["credit balance is too low"]) {
            return Kind::PaymentRequired;
        }
        if said(CONTENT_POLICY) {
            return Kind::ContentPolicy;
        }
        // Google says 400 for a bad key.
        if said(&["api key not valid", "api_key_invalid", "invalid_api_key"]) {
            return Kind::Authentication;
        }
    }
    if status == 429 && said(&["insufficient_quota", "exceeded your current quota"]) {
        return Kind::Quota;
    }
    if status == 0 || status == 200 {
        // An error inside a stream has words only.
        return kind_of_words(&said);
    }
    Kind::of_status(status)
}

fn kind_of_words(said: &dyn Fn(&[&str]) -> bool) -> Kind {
    if said(&["overloaded", "unavailable", "503", "529", "capacity"]) {
        Kind::Overloaded
    } else if said(&["rate_limit", "rate limit", "resource_exhausted", "throttl", "too many requests", "429"])
    {
        Kind::RateLimit
    } else if said(&["timeout", "deadline_exceeded", "timed out"]) {
        Kind::Timeout
    } else if said(&["authentication", "unauthenticated", "invalid_api_key"]) {
        Kind::Authentication
    } else if said(&["permission"]) {
        Kind::PermissionDenied
    } else if said(&["not_found"]) {
        Kind::NotFound
    } else if said(&[
        "invalid_request",
        "invalid_argument",
        "validation",
        "tool_use_failed",
        "json_validate_failed",
    ]) {
        Kind::InvalidRequest
    } else {
        Kind::Server
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_form() {
        let error = Error::invalid("no \"model\"").param("model");
        assert_eq!(
            String::from_utf8(error.to_openai()).unwrap(),
            r#"{"error":{"message":"no \"model\"","type":"invalid_request_error","param":"model","code":null}}"#
        );
        let hidden = Error::config("secret path /etc/x").to_openai();
        assert!(!String::from_utf8(hidden).unwrap().contains("/etc"));
    }

    #[test]
    fn bodies_of_any_shape() {
        let cases: &[(&str, &str)] = &[
            (r#"{"error":{"message":"m","type":"t","code":"c"}}"#, "m"),
            (r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, "m"),
            (r#"{"error":"m"}"#, "m"),
            (r#"{"message":"m"}"#, "m"),
            (r#"{"detail":"m"}"#, "m"),
            (r#"{"detail":[{"loc":["body"],"msg":"m","type":"missing"}]}"#, "m"),
            (r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#, "m"),
            ("<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
            ("upstream gone", "upstream gone"),
        ];
        for (body, message) in cases {
            assert_eq!(Said::read(body.as_bytes()).message.as_deref(), Some(*message), "{body}");
        }
        assert_eq!(Said::read(b""), Said::default());
        let nested = Said::read(br#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#);
        assert_eq!(nested.type_.as_deref(), Some("overloaded_error"));
    }

    #[test]
    fn classes() {
        let kind = |status, body: &str| Said::read(body.as_bytes()).into_error(status, "x").kind;
        assert_eq!(kind(400, r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#), Kind::ContextWindow);
        assert_eq!(kind(400, r#"{"error":{"message":"no","code":"content_filter"}}"#), Kind::ContentPolicy);
        assert_eq!(kind(400, r#"{"error":{"message":"API key not valid."}}"#), Kind::Authentication);
        assert_eq!(kind(429, r#"{"error":{"code":"insufficient_quota","message":"x"}}"#), Kind::Quota);
        assert_eq!(kind(529, r#"{"error":{"type":"overloaded_error","message":"x"}}"#), Kind::Overloaded);
        assert_eq!(kind(200, r#"{"error":{"type":"overloaded_error","message":"x"}}"#), Kind::Overloaded);
        assert_eq!(kind(500, r#"{"error":{"type":"invalid_request_error","message":"x"}}"#), Kind::Server);
        assert_eq!(kind(400, r#"{"__type":"ThrottlingException","message":"x"}"#), Kind::RateLimit);
    }
}
