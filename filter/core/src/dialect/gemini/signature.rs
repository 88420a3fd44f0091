//! Thought signatures: opaque words that a client must give back for Gemini to go on from its own thoughts.
//!
//! Source: <https://ai.google.dev/gemini-api/docs/thought-signatures>.
//! OpenAI's API has no place for them, so one on a function call travels in the call's id, `<id>__thought__<signature>`,
//! and one on a text in the message's `provider_specific_fields.thought_signatures`: LiteLLM's forms. What clients of
//! Google's own OpenAI endpoint keep (`extra_content.google.thought_signature`) is understood too.

use crate::json::{Json, Str};
use crate::openai::{Message, ToolCall};

/// What stands between a call's id and its signature.
pub(super) const SEPARATOR: &str = "__thought__";

/// An id without its signature.
pub(super) fn bare_id(id: Str<'_>) -> Str<'_> {
    id.raw().split_once(SEPARATOR).map_or(id, |(bare, _)| Str::spelled(bare))
}

/// Whether two ids are of one call: a client may have lost the signature of one.
pub(super) fn same_call(one: Str<'_>, other: Str<'_>) -> bool {
    bare_id(one).is(&bare_id(other).plain())
}

/// A call's own id, and its signature.
pub(super) fn split<'a>(call: &ToolCall<'a>) -> (Str<'a>, Option<Str<'a>>) {
    if let Some((bare, signature)) = call.id.raw().split_once(SEPARATOR)
        && !signature.is_empty()
    {
        return (Str::spelled(bare), Some(Str::spelled(signature)));
    }
    let litellm = call.raw.field("provider_specific_fields").and_then(|own| own.field("thought_signature"));
    let google = || {
        call.raw
            .field("extra_content")
            .and_then(|extra| extra.field("google"))
            .and_then(|own| own.field("thought_signature"))
    };
    let signature = litellm.or_else(google).and_then(Json::as_str).filter(|signature| !signature.is_empty());
    (bare_id(call.id), signature)
}

/// The signatures on a message's texts.
pub(super) fn of_message<'a>(message: &Message<'a>) -> Vec<Str<'a>> {
    let own = message.raw.field("provider_specific_fields");
    let list = own.and_then(|own| own.field("thought_signatures")).map(Json::items).unwrap_or_default();
    list.into_iter().filter_map(Json::as_str).filter(|signature| !signature.is_empty()).collect()
}
