//! Anthropic's error envelope.
//!
//! Source: <https://platform.claude.com/docs/en/api/errors>.

use std::borrow::Cow;

use crate::error::{Error, Kind};
use crate::json::Out;

/// Anthropic's type for a kind of failure.
const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::InvalidRequest
        | Kind::UnsupportedParameter
        | Kind::ContextWindow
        | Kind::ContentPolicy
        | Kind::Unprocessable => "invalid_request_error",
        Kind::Authentication => "authentication_error",
        Kind::PaymentRequired => "billing_error",
        Kind::PermissionDenied => "permission_error",
        Kind::NotFound => "not_found_error",
        Kind::TooLarge => "request_too_large",
        Kind::Timeout => "timeout_error",
        Kind::Conflict => "conflict_error",
        Kind::RateLimit | Kind::Quota => "rate_limit_error",
        Kind::Server | Kind::BadGateway => "api_error",
        Kind::Overloaded => "overloaded_error",
    }
}

/// The status of a failure: Anthropic has one of its own for who has too much to do.
pub(super) fn status(error: &Error) -> u16 {
    match (error.kind, error.status) {
        (Kind::Overloaded, None | Some(503)) => 529,
        _ => error.http_status(),
    }
}

/// Appends the envelope. `request_id` is left out where it is empty.
pub(super) fn write(error: &Error, request_id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"type\":\"error\",\"error\":{");
    out.field_text("type", type_of(error.kind));
    out.field_text("message", &named(error));
    out.push(b'}');
    if !request_id.is_empty() {
        out.field_text("request_id", request_id);
    }
    out.push(b'}');
}

/// The hub's parameters, by the names that clients of this language know them by.
const NAMES: &[(&str, &str)] = &[
    ("reasoning_effort", "thinking"),
    ("stop", "stop_sequences"),
    ("user", "metadata.user_id"),
    ("response_format", "output_config.format"),
    ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use"),
    ("web_search_options", "tools: web_search"),
    ("input_audio", "audio"),
];

/// What the client may read, with the parameter at fault by the client's own name.
fn named(error: &Error) -> Cow<'_, str> {
    let shown = error.shown();
    let found = NAMES.iter().find(|(hub, _)| error.param.as_deref() == Some(*hub));
    match found {
        Some((hub, own)) => Cow::Owned(shown.replace(&format!("'{hub}'"), &format!("'{own}'"))),
        None => Cow::Borrowed(shown),
    }
}

/// Appends the event that ends a stream.
pub(super) fn write_event(error: &Error, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: error\ndata: ");
    // As the first value of its line, it needs no comma before it.
    let mut envelope = Vec::with_capacity(256);
    write(error, "", &mut envelope);
    out.append(&mut envelope);
    out.extend_from_slice(b"\n\n");
}
