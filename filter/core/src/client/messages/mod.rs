//! Anthropic's Messages.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages>.

mod error;

use super::chat::CHAT;
use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::{Error, Kind};
use crate::json::{Json, Out};
use crate::openai::Body;

/// The language.
pub(super) static MESSAGES: Messages = Messages;

/// Anthropic's Messages.
#[derive(Debug)]
pub(super) struct Messages;

impl Language for Messages {
    fn hub(&self, _body: &Body) -> Result<Body, Error> {
        Err(Error::client(Kind::NotFound, "/v1/messages is not served yet for this model."))
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        CHAT.whole(seed)
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        CHAT.stream(seed)
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
