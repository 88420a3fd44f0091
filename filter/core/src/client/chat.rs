//! OpenAI's chat completions: the hub's own language, so nothing is to be done.

use super::{Language, Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::json::escaped;
use crate::openai::{Body, ChunkWriter, CompletionWriter};

/// The language.
pub(super) static CHAT: Chat = Chat;

/// OpenAI's chat completions.
#[derive(Debug)]
pub(super) struct Chat;

impl Language for Chat {
    fn hub(&self, _body: &Body) -> Result<Body, Error> {
        Err(Error::internal("the hub's own language was to be put into the hub's"))
    }

    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter> {
        Box::new(CompletionWriter::new(escaped(seed.id), escaped(seed.model), seed.now))
    }

    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter> {
        Box::new(ChunkWriter::new(escaped(seed.id), escaped(seed.model), seed.now, seed.include_usage))
    }

    fn error(&self, error: &Error, _request_id: &str) -> Vec<u8> {
        error.to_openai()
    }

    fn fail(&self, error: &Error, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        error.write_openai(out);
        out.extend_from_slice(b"\n\n");
    }
}

impl WholeWriter for CompletionWriter {
    fn write(self: Box<Self>, out: &mut Vec<u8>) {
        Self::write(*self, out);
    }
}

impl StreamWriter for ChunkWriter {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn fail(&mut self, error: &Error) {
        Self::fail(self, error);
    }
}
