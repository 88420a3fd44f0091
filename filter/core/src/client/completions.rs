//! OpenAI's older completions, not translated yet: refused in OpenAI's form.

use super::chat::CHAT;
use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::{Error, Kind};
use crate::openai::Body;

/// The language.
pub(super) static COMPLETIONS: Completions = Completions;

/// OpenAI's older completions.
#[derive(Debug)]
pub(super) struct Completions;

impl Language for Completions {
    fn hub(&self, _body: &Body) -> Result<Body, Error> {
        Err(Error::client(Kind::NotFound, "/v1/completions is not served yet: use /v1/chat/completions."))
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
