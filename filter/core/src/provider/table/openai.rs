//! OpenAI itself.

use super::COMPATIBLE;
use crate::for_people;
use crate::provider::{EmbeddingQuirks, Provider, Quirks, When};

const OPENAI: Provider = Provider {
    name: "openai",
    aliases: &["aiohttp_openai"],
    label: "OpenAI",
    base: "https://api.openai.com/v1",
    responses: "/responses",
    key_env: &["OPENAI_API_KEY"],
    base_env: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    quirks: &Quirks {
        reasoning_models: &["o1", "o3", "o4", "gpt-5"],
        metadata_with_store: true,
        developer: true,
        // Its models take no reasoning back.
        reasoning: "",
        embeddings: EmbeddingQuirks::BASE64,
        ..Quirks::NONE
    },
    docs: for_people("https://platform.openai.com/docs/api-reference/chat"),
    ..COMPATIBLE
};

/// The models that go on with a prompt; all others only chat.
/// Source: <https://platform.openai.com/docs/models>.
static COMPLETING: Provider = Provider { completions: "/completions", ..OPENAI };

pub(super) static ROWS: &[Provider] = &[Provider {
    instead: &[(When::Model(&["gpt-3.5-turbo-instruct", "davinci-002", "babbage-002"]), &COMPLETING)],
    ..OPENAI
}];
