//! OpenAI's legacy completions, spoken by a client.
//!
//! A target that has them too gets the request as it is; any other is asked by chat: the prompt is the user's message,
//! and what the model says is the text. Source: <https://platform.openai.com/docs/api-reference/completions>.

mod request;
pub mod several;
mod writer;

use super::chat::CHAT;
use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::openai::Body;

/// The language.
pub(super) static COMPLETIONS: Completions = Completions;

/// OpenAI's older completions.
#[derive(Debug)]
pub(super) struct Completions;

impl Language for Completions {
    fn hub(&self, body: &Body) -> Result<Body, Error> {
        Body::read(request::to_chat(body)?)
    }

    fn echo(&self, body: &Body) -> String {
        request::echo(body)
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        Box::new(writer::TextWriter::new(seed, false))
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        Box::new(writer::TextWriter::new(seed, true))
    }

    fn error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        CHAT.error(error, request_id)
    }

    fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        CHAT.fail(error, out);
    }
}
