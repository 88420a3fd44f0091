//! Anthropic's Messages.
//!
//! [`request`] puts a request into the hub's language, with [`turns`] for what was said and [`tools`] for what may be
//! called. [`whole`] and [`stream`] write replies, with what they have in common in [`reply`]; [`error`] is the envelope.
//! Source: <https://platform.claude.com/docs/en/api/messages>.

mod error;
mod estimate;
mod reply;
mod request;
mod stream;
mod tools;
mod turns;
mod whole;

use super::{Language, Request, Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::json::{Json, Out, Str};
use crate::openai::Body;

/// The language.
pub(super) static MESSAGES: Messages = Messages;

/// Anthropic's Messages.
#[derive(Debug)]
pub(super) struct Messages;

impl Language for Messages {
    fn hub(&self, body: &Body) -> Result<Body, Error> {
        request::hub(body)
    }

    /// The stop sequence, where there is one only: a provider that says no more than that one was met means this.
    fn echo(&self, body: &Body) -> String {
        let stops = body.field("stop_sequences").map(Json::items).unwrap_or_default();
        match stops.as_slice() {
            [only] => only.as_str().map(Str::raw).unwrap_or_default().to_owned(),
            _ => String::new(),
        }
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        Box::new(whole::MessageWriter::new(seed))
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        Box::new(stream::EventWriter::new(seed))
    }

    fn request_id(&self) -> &'static str {
        "request-id"
    }

    fn status(&self, error: &Error) -> u16 {
        error::status(error)
    }

    fn error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        let mut body = Vec::with_capacity(256);
        error::write(error, request_id, &mut body);
        body
    }

    fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        error::write_event(error, out);
    }
}

/// The answer to a question for a prompt's tokens where nobody counts them.
///
/// # Errors
/// A client error when the request is malformed.
pub fn estimate(request: &Request) -> Result<Vec<u8>, Error> {
    request.hub()?;
    Ok(count(estimate::tokens(&request.body), true))
}

/// The answer to a question for a prompt's tokens. An estimate says that it is one.
#[must_use]
pub fn count(tokens: u64, estimated: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.open(b'{');
    out.field_number("input_tokens", tokens);
    if estimated {
        out.field("estimated", Json::trusted("true"));
    }
    out.close(b'}');
    out
}
