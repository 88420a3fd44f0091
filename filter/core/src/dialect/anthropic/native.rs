//! Clients of Anthropic's own language: the request passes as it is, unknown fields included, but for what the target's
//! cloud has elsewhere and for what other vendors' answers have left in the conversation.
//!
//! Source: <https://platform.claude.com/docs/en/api/messages/create>.

use base64::Engine as _;
use memchr::memmem;

use super::blocks::call_id;
use super::{Anthropic, betas, reply, stream};
use crate::config::Target;
use crate::dialect::{Asked, Native, StreamDecoder};
use crate::error::Error;
use crate::json::{Cursor, FromJson, Json, Kind, Out, Str};
use crate::json_view;
use crate::meter::dollars;
use crate::openai::params::GATEWAY_ONLY;
use crate::openai::{Param, Sink};
use crate::wire::{Frame, FrameKind};

/// Parameters that are called the same in both languages: config may give defaults for them.
const COMMON: &[&str] = &["max_tokens", "temperature", "top_p", "metadata"];

/// Fields of a message's request that a question for its tokens must not have.
const NOT_COUNTED: &[&str] =
    &["max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier"];

impl Native for Anthropic {
    fn encode(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Result<(), Error> {
        body.open(b'{');
        if self.model_in_body {
            body.field_token("model", asked.model);
        }
        if let Some(version) = self.version_in_body {
            body.field_text("anthropic_version", version);
        }
        self.write_betas(asked, body, headers);
        let fields = asked.request.body.fields();
        for (key, value) in &fields {
            let name = &*key.plain();
            if (self.stream_in_body || name != "stream") && passes(name, to) {
                self.field(*key, *value, body);
            }
        }
        for (name, value) in &to.params {
            let own = Param::named(name).is_none() || COMMON.contains(&name.as_str());
            if own && !fields.iter().any(|(key, _)| key.is(name)) {
                body.field(name, Json::trusted(value));
            }
        }
        body.close(b'}');
        Ok(())
    }

    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error> {
        reply::decode(body, sink)
    }

    fn stream(&self) -> Box<dyn StreamDecoder> {
        Box::<stream::Events>::default()
    }

    /// Where LiteLLM tells it (`include_cost_in_streaming_usage`): in the last counts only.
    fn with_cost(&self, data: &str, cost: u64) -> Option<String> {
        let event = Json::trusted(data);
        event.field("type").and_then(Json::as_str).filter(|kind| kind.is("message_delta"))?;
        let usage = event.field("usage")?.text();
        let (before, after) = data.split_once(usage)?;
        let inside = usage.strip_suffix('}')?;
        let comma = if inside.trim_end().ends_with('{') { "" } else { "," };
        Some(format!("{before}{inside}{comma}\"cost\":{}}}{after}", dollars(cost)))
    }

    /// Nothing is said yet when a message and its first block begin.
    fn prelude(&self, data: &str) -> bool {
        let kind = Json::trusted(data).field("type").and_then(Json::as_str);
        let quiet = ["message_start", "ping", "content_block_start"];
        kind.is_some_and(|kind| quiet.iter().any(|known| kind.is(known)))
    }

    /// Bedrock packs each event into another, without the name that clients look for.
    fn event(&self, frame: Frame<'_>) -> Option<String> {
        let text = match Json::trusted(frame.data).field("bytes").and_then(Json::as_str) {
            Some(bytes) => {
                let bytes = base64::engine::general_purpose::STANDARD.decode(&*bytes.plain()).ok()?;
                String::from_utf8(bytes).ok()?
            }
            None => frame.data.to_owned(),
        };
        if frame.kind != FrameKind::Event {
            return None;
        }
        let kind = Json::trusted(&text).field("type").and_then(Json::as_str)?;
        Some(format!("event: {}\ndata: {text}\n\n", kind.raw()))
    }
}

/// Whether a field of the client's goes on. The rest is the gateway's, or stands elsewhere.
fn passes(name: &str, to: &Target) -> bool {
    !["model", "anthropic_version", "anthropic_beta"].contains(&name)
        && !GATEWAY_ONLY.contains(&name)
        && !to.additional_drop_params.iter().any(|dropped| dropped == name)
}

impl Anthropic {
    fn write_betas(&self, asked: &Asked<'_>, body: &mut Vec<u8>, headers: &mut Vec<(&'static str, String)>) {
        let field = asked.request.body.field("anthropic_beta");
        let flags = betas::asked(asked.headers, field, self.betas);
        if !self.betas_in_body {
            headers.extend(flags.into_iter().map(|flag| ("anthropic-beta", flag)));
        } else if !flags.is_empty() {
            body.key("anthropic_beta");
            body.open(b'[');
            flags.iter().for_each(|flag| body.text(flag));
            body.close(b']');
        }
    }

    fn field(&self, key: Str<'_>, value: Json<'_>, body: &mut Vec<u8>) {
        body.token(key);
        body.push(b':');
        // Only Anthropic's own cloud and Foundry know whom a cache may serve.
        let scoped = self.no_scopes && memmem::find(value.text().as_bytes(), b"\"scope\"").is_some();
        let edits = match &*key.plain() {
            "messages" => scoped || has_foreign_traces(value.text()),
            "system" | "tools" => scoped,
            _ => false,
        };
        if edits { Editor { scopes: !self.no_scopes }.items(value, body) } else { body.raw(value.text()) }
    }

    /// The body of a request to count a prompt's tokens, and the model's name for its path.
    pub(super) fn write_count(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Option<String> {
        let mut inner = Vec::with_capacity(asked.request.body.len() + 128);
        inner.open(b'{');
        if self.stream_in_body {
            // Vertex too has the model in this body.
            inner.field_token("model", asked.model);
        } else {
            inner.field_text("anthropic_version", self.version_in_body.unwrap_or_default());
            // Counts nothing, but must be there.
            inner.field_number("max_tokens", 1024);
        }
        self.write_betas(asked, &mut inner, headers);
        for (key, value) in asked.request.body.fields() {
            let name = &*key.plain();
            if passes(name, to) && !NOT_COUNTED.contains(&name) {
                self.field(key, value, &mut inner);
            }
        }
        inner.close(b'}');
        if self.stream_in_body {
            body.append(&mut inner);
            return None;
        }
        body.open(b'{');
        body.key("input");
        body.open(b'{');
        body.key("invokeModel");
        body.open(b'{');
        body.field_text("body", &base64::engine::general_purpose::STANDARD.encode(&inner));
        body.extend_from_slice(b"}}}");
        // Tokens are counted by models, not by the profiles through which they are asked.
        let model = asked.model.plain();
        let bare =
            model.split_once('.').filter(|(_, rest)| rest.starts_with("anthropic.")).map(|(_, rest)| rest);
        bare.map(str::to_owned)
    }
}

json_view! {
    struct CountView<'a> { "input_tokens" => tokens: u64, "inputTokens" => bedrock: u64 }
}

/// Reads the answer to a question for a prompt's tokens.
pub(super) fn decode_count(body: &[u8]) -> Result<u64, Error> {
    let text = std::str::from_utf8(body).unwrap_or_default();
    let view = CountView::from_json(&mut Cursor::new(text)).ok();
    let tokens = view.and_then(|view| view.tokens.or(view.bedrock));
    tokens.ok_or_else(|| Error::garbled("The provider's answer is no count of tokens."))
}

/// Whether a conversation holds what another vendor's answer has left and Anthropic refuses: reasoning that nobody signed,
/// ids beyond its alphabet.
fn has_foreign_traces(text: &str) -> bool {
    let value = |name: &'static str| {
        memchr::memmem::find_iter(text.as_bytes(), name).filter_map(move |at| {
            let rest = text.get(at + name.len()..)?.trim_ascii_start().strip_prefix(':')?;
            rest.trim_ascii_start().strip_prefix('"')
        })
    };
    let odd = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-');
    value("\"signature\"").any(|rest| rest.starts_with('"'))
        || value("\"tool_use_id\"")
            .any(|rest| rest.find(odd).is_none_or(|at| !rest.get(at..).unwrap_or_default().starts_with('"')))
}

/// Writes messages and blocks with what can't stay taken out.
struct Editor {
    scopes: bool,
}

impl Editor {
    fn items(&self, list: Json<'_>, out: &mut Vec<u8>) {
        if list.kind() != Kind::Array {
            return out.raw(list.text());
        }
        out.open(b'[');
        for item in list.items() {
            if item.kind() != Kind::Object {
                out.raw(item.text());
            } else if !unsigned(item) {
                self.item(item, out);
            }
        }
        out.close(b']');
    }

    /// A message, block or tool.
    fn item(&self, item: Json<'_>, out: &mut Vec<u8>) {
        let fields = item.fields();
        let calls = fields.iter().any(|(key, value)| key.is("type") && value.text() == "\"tool_use\"");
        out.open(b'{');
        for (key, value) in fields {
            out.token(key);
            out.push(b':');
            let text = value.as_str();
            match (&*key.plain(), text) {
                ("id", Some(id)) if calls => out.token(Str::spelled(&call_id(id))),
                ("tool_use_id", Some(id)) => out.token(Str::spelled(&call_id(id))),
                ("content", None) => self.items(value, out),
                ("cache_control", None) if !self.scopes && value.kind() == Kind::Object => {
                    out.open(b'{');
                    for (key, value) in value.fields().into_iter().filter(|(key, _)| !key.is("scope")) {
                        out.token(key);
                        out.push(b':');
                        out.raw(value.text());
                    }
                    out.close(b'}');
                }
                _ => out.raw(value.text()),
            }
        }
        out.close(b'}');
    }
}

/// Whether a block is reasoning that nobody signed.
fn unsigned(block: Json<'_>) -> bool {
    let text = |name: &str| block.field(name).and_then(Json::as_str);
    text("type").is_some_and(|kind| kind.is("thinking")) && text("signature").is_none_or(Str::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_vendors_left_is_found_and_taken_out() {
        let ours = r#"[{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"EqQ="},{"type":"tool_use","id":"toolu_1","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"x"}]}]"#;
        assert!(!has_foreign_traces(ours));
        let theirs = ours.replace("EqQ=", "").replace("toolu_1", "call_1__thought__a+b=");
        assert!(has_foreign_traces(&theirs) && has_foreign_traces(&ours.replace("toolu_1", "f.g:0")));
        let mut out = Vec::new();
        Editor { scopes: true }.items(Json::trusted(&theirs), &mut out);
        let wanted = ours.replace(r#"{"type":"thinking","thinking":"a","signature":"EqQ="},"#, "");
        assert_eq!(String::from_utf8(out).unwrap(), wanted.replace("toolu_1", "call_1__thought__a_b_"));
    }

    #[test]
    fn bedrocks_frames_become_events() {
        let inner = r#"{"type":"message_stop"}"#;
        let data = format!(r#"{{"bytes":"{}"}}"#, base64::engine::general_purpose::STANDARD.encode(inner));
        let frame = Frame { kind: FrameKind::Event, event: "chunk", data: &data };
        let event = crate::dialect::anthropic::IN_BEDROCK.event(frame);
        assert_eq!(event.as_deref(), Some("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    }
}
