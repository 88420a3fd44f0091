//! Counting a prompt's tokens.
//!
//! Sources: <https://ai.google.dev/api/tokens>,
//! <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/count-tokens>.

use super::Gemini;
use crate::config::Target;
use crate::dialect::{Asked, Dialect as _};
use crate::error::Error;
use crate::json::{Cursor, FromJson};
use crate::json_view;
use crate::openai::{ChatRequest, Param};

/// Writes the prompt: messages and tools, and nothing that is about the answer.
pub(super) fn encode(form: &Gemini, asked: &Asked<'_>, to: &Target, body: &mut Vec<u8>) -> Result<(), Error> {
    let mut request = ChatRequest::of(asked.request.hub()?)?;
    request.set_model(asked.model);
    request.remove("thinking");
    for param in Param::ALL.iter().filter(|param| !matches!(param, Param::Tools)) {
        request.remove(param.name());
    }
    if !form.counts_requests {
        return form.encode(&request, to, body);
    }
    let mut inner = Vec::with_capacity(asked.request.body.len());
    form.encode(&request, to, &mut inner)?;
    body.extend_from_slice(b"{\"generateContentRequest\":{\"model\":\"models/");
    body.extend_from_slice(asked.model.raw().as_bytes());
    body.extend_from_slice(b"\",");
    body.extend_from_slice(inner.strip_prefix(b"{").unwrap_or(&inner));
    body.push(b'}');
    Ok(())
}

json_view! {
    struct CountView<'a> { "totalTokens" => tokens: u64 }
}

pub(super) fn decode(body: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let view = CountView::from_json(&mut Cursor::new(text)).ok();
    let tokens = view.and_then(|view| view.tokens);
    tokens.ok_or_else(|| Error::garbled("The provider's answer is no count of tokens."))
}
