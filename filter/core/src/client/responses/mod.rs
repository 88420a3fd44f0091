//! OpenAI's Responses, spoken by a client.
//!
//! A target that speaks them too gets the request as it is; any other gets the hub's chat request, and its
//! reply is told in items and typed events. Nothing is kept here: what would need a store is passed to the provider that
//! has one, by an id that carries the target ([`Seal`], [`Stored`]), or refused.

mod echo;
mod events;
mod input;
mod items;
mod reasoning;
mod request;
mod seal;
mod stored;
mod tools;
mod writer;

pub use reasoning::MARK;
pub use seal::{Opened, Seal};
pub use stored::Stored;

use super::chat::CHAT;
use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::openai::Body;

/// The language.
pub(super) static RESPONSES: Responses = Responses;

/// OpenAI's responses.
#[derive(Debug)]
pub(super) struct Responses;

impl Language for Responses {
    fn hub(&self, body: &Body) -> Result<Body, Error> {
        Body::read(request::to_chat(body)?)
    }

    fn echo(&self, body: &Body) -> String {
        echo::echo(body)
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        Box::new(writer::ResponseWriter::new(seed, false))
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        Box::new(writer::ResponseWriter::new(seed, true))
    }

    fn error(&self, error: &Error, request_id: &str) -> Vec<u8> {
        CHAT.error(error, request_id)
    }

    fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        events::fail(error, out);
    }
}
