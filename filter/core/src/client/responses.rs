//! OpenAI's responses, not translated yet: refused in OpenAI's form.

use super::chat::CHAT;
use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::{Error, Kind};
use crate::openai::Body;

/// The language.
pub(super) static RESPONSES: Responses = Responses;

/// OpenAI's responses.
#[derive(Debug)]
pub(super) struct Responses;

impl Language for Responses {
    fn hub(&self, _body: &Body) -> Result<Body, Error> {
        Err(Error::client(Kind::NotFound, "/v1/responses is not served yet: use /v1/chat/completions."))
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        CHAT.whole(seed)
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        CHAT.stream(seed)
    }

    fn error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        CHAT.error(error, request_id)
    }

    fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        CHAT.fail(error, out);
    }
}
