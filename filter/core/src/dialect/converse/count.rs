//! Counting a prompt's tokens.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CountTokens.html>.

use super::CONVERSE;
use crate::config::Target;
use crate::dialect::{Asked, Dialect as _};
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Out};
use crate::json_view;
use crate::openai::{ChatRequest, Param};

/// What of a Converse request is counted.
const COUNTED: &[&str] = &["messages", "system", "toolConfig"];

/// Writes the prompt, and gives the model's own id: tokens are not counted by inference profiles.
pub(super) fn encode(asked: &Asked<'_>, to: &Target, body: &mut Vec<u8>) -> Result<Option<String>, Error> {
    let mut request = ChatRequest::of(asked.request.hub()?)?;
    request.set_model(asked.model);
    request.remove("thinking");
    for param in Param::ALL.iter().filter(|param| !matches!(param, Param::Tools | Param::ToolChoice)) {
        request.remove(param.name());
    }
    let mut whole = Vec::with_capacity(asked.request.body.len());
    CONVERSE.encode(&request, to, &mut whole)?;
    let whole = String::from_utf8(whole).unwrap_or_default();
    body.extend_from_slice(b"{\"input\":{\"converse\":{");
    for (key, value) in Json::trusted(&whole).fields() {
        if COUNTED.iter().any(|name| key.is(name)) {
            body.field(key.raw(), value);
        }
    }
    body.extend_from_slice(b"}}}");
    let model = asked.model.plain();
    let bare = model.split_once('.').filter(|(_, rest)| rest.starts_with("anthropic."));
    Ok(bare.map(|(_, rest)| rest.to_owned()))
}

json_view! {
    struct CountView<'a> { "inputTokens" => tokens: u64 }
}

pub(super) fn decode(body: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let view = CountView::from_json(&mut Cursor::new(text)).ok();
    let tokens = view.and_then(|view| view.tokens);
    tokens.ok_or_else(|| Error::garbled("The provider's answer is no count of tokens."))
}
