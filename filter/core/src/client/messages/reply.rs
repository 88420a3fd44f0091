//! What whole replies and streams have in common: ids, reasons, token counts, the input of calls.
//!
//! Sources: <https://platform.claude.com/docs/en/api/messages/create>,
//! <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>.

use crate::client::Seed;
use crate::json::{Cursor, Json, Kind, Out, Str, escaped};
use crate::meter::{Usage, dollars};
use crate::openai::{Finish, FinishReason, Start};

/// A reply's head: id and model, as spellings.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub id: String,
    pub model: String,
}

impl Head {
    pub fn new(seed: &Seed<'_>) -> Self {
        Self { id: message_id(&escaped(seed.id)), model: escaped(seed.model) }
    }

    pub fn start(&mut self, start: Start<'_>) {
        if let Some(id) = start.id.filter(|id| !id.is_empty()) {
            self.id = message_id(id.raw());
        }
        if let Some(model) = start.model.filter(|model| !model.is_empty()) {
            model.raw().clone_into(&mut self.model);
        }
    }

    /// The id of a call whose provider gives none.
    pub fn call_id(&self, index: u32) -> String {
        format!("toolu_{}_{index}", self.id.trim_start_matches("msg_"))
    }

    /// Writes the fields of a message up to its content.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.field_token("id", Str::spelled(&self.id));
        out.field_text("type", "message");
        out.field_text("role", "assistant");
        out.field_token("model", Str::spelled(&self.model));
    }
}

/// Anthropic's ids say what they are of; whoever else made one keeps it behind that.
fn message_id(id: &str) -> String {
    if id.starts_with("msg_") { id.to_owned() } else { format!("msg_{}", id.trim_start_matches("chatcmpl-")) }
}

/// How a reply ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Ending {
    /// The stop sequence that the client gave, where it gave one only: a spelling.
    stop: String,
    /// Whether the model called tools.
    pub calls: bool,
    /// Whether it refused in words.
    pub refused: bool,
    finish: Option<(FinishReason, String)>,
}

impl Ending {
    pub fn new(seed: &Seed<'_>) -> Self {
        Self { stop: seed.echo.to_owned(), ..Self::default() }
    }

    pub fn finish(&mut self, finish: Finish<'_>) {
        self.finish = Some((finish.reason, finish.native.to_owned()));
    }

    /// Writes `stop_reason` and `stop_sequence`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (reason, native) = match &self.finish {
            Some((reason, native)) => (*reason, native.as_str()),
            None => (FinishReason::Stop, ""),
        };
        let met = reason == FinishReason::Stop && native.eq_ignore_ascii_case("stop_sequence");
        let word = match reason {
            FinishReason::Stop if self.refused => "refusal",
            // Some say "stop" beside calls; who waits for results must know it.
            FinishReason::Stop if self.calls => "tool_use",
            FinishReason::Stop if met => "stop_sequence",
            FinishReason::Stop => "end_turn",
            // Anthropic's own words for what was cut short say more.
            FinishReason::Length if ["model_context_window_exceeded", "pause_turn"].contains(&native) => {
                native
            }
            FinishReason::Length => "max_tokens",
            FinishReason::ToolCalls => "tool_use",
            FinishReason::ContentFilter => "refusal",
            FinishReason::Unknown => native,
        };
        out.field_text("stop_reason", word);
        out.key("stop_sequence");
        if met && !self.stop.is_empty() {
            out.token(Str::spelled(&self.stop));
        } else {
            out.raw("null");
        }
    }
}

/// Writes the counts as Anthropic counts: what was read from a cache or written to one stands beside the input.
pub(super) fn write_usage(usage: Option<Usage>, out: &mut Vec<u8>) {
    let usage = usage.unwrap_or_default();
    let (read, written) = (usage.cached.unwrap_or(0), usage.cache_write.unwrap_or(0));
    out.key("usage");
    out.open(b'{');
    out.field_number("input_tokens", usage.input.saturating_sub(read).saturating_sub(written));
    out.field_number("cache_creation_input_tokens", written);
    out.field_number("cache_read_input_tokens", read);
    if let Some(hour) = usage.cache_write_1h {
        out.key("cache_creation");
        out.open(b'{');
        out.field_number("ephemeral_5m_input_tokens", written.saturating_sub(hour));
        out.field_number("ephemeral_1h_input_tokens", hour);
        out.close(b'}');
    }
    out.field_number("output_tokens", usage.output);
    if let Some(thinking) = usage.reasoning {
        out.key("output_tokens_details");
        out.open(b'{');
        out.field_number("thinking_tokens", thinking);
        out.close(b'}');
    }
    if let Some(cost) = usage.cost {
        out.key("cost");
        out.raw(&dollars(cost));
    }
    out.close(b'}');
}

/// What a text cites, as Anthropic says it of its web search: one object for each of OpenAI's annotations with an address.
pub(super) fn citations(annotations: Json<'_>) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for annotation in annotations.items() {
        let Some(cited) = annotation.field("url_citation") else { continue };
        let text = |name: &str| cited.field(name).and_then(Json::as_str);
        let Some(url) = text("url") else { continue };
        let mut out = Vec::with_capacity(128);
        out.open(b'{');
        out.field_text("type", "web_search_result_location");
        out.field_token("url", url);
        out.field_token("title", text("title").unwrap_or(Str::literal("")));
        // Only Anthropic's own search has these, and its SDK expects them.
        out.field_text("cited_text", "");
        out.field_text("encrypted_index", "");
        out.close(b'}');
        found.push(out);
    }
    found
}

/// The JSON of a call's arguments, told as a string's spelling; `None` while it is no whole object.
pub(super) fn object(spelling: &str) -> Option<String> {
    let text = Str::spelled(spelling).plain();
    let mut cursor = Cursor::new(&text);
    let whole = cursor.kind() == Kind::Object && cursor.skip().is_ok() && cursor.finish().is_ok();
    whole.then(|| text.into_owned())
}
