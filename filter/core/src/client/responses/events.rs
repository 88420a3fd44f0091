//! Typed events, and what stands in several of them.
//!
//! Source: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use super::items::Part;
use crate::error::{Error, Kind as ErrorKind};
use crate::json::{Json, Out, Str};
use crate::meter::Usage;

/// The events told so far and not yet taken.
#[derive(Debug)]
pub(super) struct Events {
    pub out: Vec<u8>,
    /// Whether there are any: one object is written without.
    pub told: bool,
    /// The number of the next one.
    pub next: u64,
}

impl Events {
    /// Tells an event.
    pub fn tell(&mut self, name: &str, fields: impl FnOnce(&mut Vec<u8>)) {
        if !self.told {
            return;
        }
        let out = &mut self.out;
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\ndata: {\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        out.field_number("sequence_number", self.next);
        fields(out);
        out.extend_from_slice(b"}\n\n");
        self.next += 1;
    }
}

/// Where something stands: an item, its place, and the place within it under the name that its kind has for it.
pub(super) fn place(out: &mut Vec<u8>, id: &str, output: usize, inner: Option<(&str, usize)>) {
    out.field_text("item_id", id);
    out.field_number("output_index", output as u64);
    if let Some((name, index)) = inner {
        out.field_number(name, index as u64);
    }
}

/// A part of a message is complete.
pub(super) fn part_done(events: &mut Events, part: &Part, id: &str, at: usize, index: usize) {
    let place = |out: &mut Vec<u8>| place(out, id, at, Some(("content_index", index)));
    match part {
        Part::Text(text) => events.tell("response.output_text.done", |out| {
            place(out);
            out.field_token("text", Str::spelled(&text.text));
            out.key("logprobs");
            text.write_logprobs(out);
        }),
        Part::Refusal(text) => events.tell("response.refusal.done", |out| {
            place(out);
            out.field_token("refusal", Str::spelled(text));
        }),
    }
    events.tell("response.content_part.done", |out| {
        place(out);
        out.key("part");
        part.write(out);
    });
}

/// Ends a stream that has passed with an error. Nobody has counted its events: their numbers may be behind this one's.
pub(super) fn fail(error: &Error, out: &mut Vec<u8>) {
    let mut events = Events { out: std::mem::take(out), told: true, next: u64::from(u32::MAX) };
    events.tell("error", |out| error_fields(error, out));
    *out = events.out;
}

/// The fields of an error event: as documented, and once more in the envelope that OpenAI's SDKs raise.
pub(super) fn error_fields(error: &Error, out: &mut Vec<u8>) {
    let text = String::from_utf8(error.to_openai()).unwrap_or_default();
    let Some(inner) = Json::trusted(&text).field("error") else { return };
    for name in ["code", "message", "param"] {
        out.field(name, inner.field(name).unwrap_or(Json::trusted("null")));
    }
    out.field("error", inner);
}

/// A response's error has few codes.
pub(super) fn failure(error: &Error, out: &mut Vec<u8>) {
    let code = match error.kind {
        ErrorKind::RateLimit | ErrorKind::Quota => "rate_limit_exceeded",
        ErrorKind::InvalidRequest | ErrorKind::ContextWindow | ErrorKind::ContentPolicy => "invalid_prompt",
        _ => "server_error",
    };
    out.open(b'{');
    out.field_text("code", code);
    out.field_text("message", error.shown());
    out.close(b'}');
}

/// Token counts by this API's names.
pub(super) fn write_usage(usage: &Usage, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_number("input_tokens", usage.input);
    out.key("input_tokens_details");
    out.open(b'{');
    out.field_number("cached_tokens", usage.cached.unwrap_or(0));
    out.field_number("cache_write_tokens", usage.cache_write.unwrap_or(0));
    out.close(b'}');
    out.field_number("output_tokens", usage.output);
    out.key("output_tokens_details");
    out.open(b'{');
    out.field_number("reasoning_tokens", usage.reasoning.unwrap_or(0));
    out.close(b'}');
    out.field_number("total_tokens", usage.input.saturating_add(usage.output));
    out.close(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::reasoning;
    use super::super::writer::ResponseWriter;
    use super::*;
    use crate::client::{Seed, StreamWriter, WholeWriter};
    use crate::openai::{Finish, FinishReason, Piece, Sink, Start};

    const ECHO: &str = r#""tools":[],"store":false"#;

    fn tell(writer: &mut ResponseWriter, pieces: &[Piece<'_>]) {
        writer.start(Start { model: Some(Str::literal("claude")), ..Start::default() });
        pieces.iter().for_each(|piece| writer.piece(0, *piece));
        writer.piece(1, Piece::Text(Str::literal("another choice")));
        writer.usage(Usage { input: 3, output: 4, cached: Some(1), reasoning: Some(2), ..Usage::default() });
    }

    fn writer(told: bool) -> ResponseWriter {
        ResponseWriter::new(Seed { id: "resp_1", model: "m", now: 7, include_usage: false, echo: ECHO }, told)
    }

    fn whole(pieces: &[Piece<'_>]) -> Value {
        let mut writer = writer(false);
        tell(&mut writer, pieces);
        let mut out = Vec::new();
        Box::new(writer).write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    /// The events' data, judged by what every stream keeps to.
    fn events(text: &[u8]) -> Vec<Value> {
        let text = std::str::from_utf8(text).unwrap();
        let mut events = Vec::new();
        for (number, event) in text.split_terminator("\n\n").enumerate() {
            let (name, data) = event.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            assert_eq!(data["sequence_number"], number);
            events.push(data);
        }
        events
    }

    fn stream(pieces: &[Piece<'_>]) -> Vec<Value> {
        let mut writer = writer(true);
        tell(&mut writer, pieces);
        writer.end();
        events(writer.out())
    }

    const THOUGHT: &[Piece<'static>] = &[
        Piece::Reasoning(Str::literal("Let ")),
        Piece::Reasoning(Str::literal("me see.")),
        Piece::Signature(Str::literal("sig")),
        Piece::RedactedThinking(Str::literal("data")),
        Piece::Text(Str::literal("I will ")),
        Piece::Text(Str::spelled(r"look\n")),
        Piece::ToolCall { index: 0, id: Str::literal("c0"), name: Str::literal("f") },
        Piece::ToolArgs { index: 0, fragment: Str::spelled(r#"{\"a\""#) },
        Piece::ToolCall { index: 1, id: Str::literal("c1"), name: Str::literal("g") },
        Piece::ToolInput { index: 1, input: Json::trusted(r#"{"b":"x"}"#) },
        Piece::ToolArgs { index: 0, fragment: Str::literal(":1}") },
        Piece::ToolCall { index: 2, id: Str::literal("c2"), name: Str::literal("h") },
        Piece::Extra("provider_specific_fields", Json::trusted(r#"{"thought_signatures":["s"]}"#)),
        Piece::Finish(Finish { reason: FinishReason::ToolCalls, native: "tool_use" }),
    ];

    #[test]
    fn items_stand_in_the_order_in_which_they_were_told() {
        let response = whole(THOUGHT);
        let output = response["output"].as_array().unwrap();
        let types: Vec<_> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        let calls = ["function_call"; 3];
        assert_eq!(types, [&["reasoning", "reasoning", "message"][..], &calls].concat());
        assert_eq!(
            output[0]["summary"],
            serde_json::json!([{"type": "summary_text", "text": "Let me see."}])
        );
        assert_eq!(output[2]["content"][0]["text"], "I will look\n");
        assert_eq!(output[2]["provider_specific_fields"]["thought_signatures"][0], "s");
        assert_eq!(output[3]["arguments"], r#"{"a":1}"#);
        assert_eq!(output[4]["arguments"], r#"{"b":"x"}"#);
        assert_eq!(output[5]["arguments"], "{}");
        assert!(output.iter().all(|item| item["status"] == "completed"));
        assert_eq!((&response["status"], &response["model"]), (&"completed".into(), &"claude".into()));
        assert_eq!(response["usage"]["input_tokens_details"]["cached_tokens"], 1);
        assert_eq!(response["usage"]["total_tokens"], 7);
        assert_eq!(response["store"], false);
    }

    #[test]
    fn sealed_thoughts_come_back_as_blocks() {
        let output = whole(THOUGHT)["output"].clone();
        let sealed = |at: usize| output[at]["encrypted_content"].as_str().unwrap().to_owned();
        let first = r#"{"type":"thinking","thinking":"Let me see.","signature":"sig"}"#;
        assert_eq!(reasoning::unwrapped(&sealed(0)).as_deref(), Some(first));
        let second = r#"{"type":"redacted_thinking","data":"data"}"#;
        assert_eq!(reasoning::unwrapped(&sealed(1)).as_deref(), Some(second));
    }

    #[test]
    fn a_streams_last_event_holds_what_a_whole_reply_says() {
        let events = stream(THOUGHT);
        let last = events.last().unwrap();
        assert_eq!(last["type"], "response.completed");
        assert_eq!(last["response"], whole(THOUGHT));
        // Every item opens and closes once, and closes as the last event shows it.
        for (at, item) in last["response"]["output"].as_array().unwrap().iter().enumerate() {
            let of = |kind: &str| {
                let mine = events.iter().filter(|e| e["type"] == kind && e["output_index"] == at);
                mine.cloned().collect::<Vec<_>>()
            };
            let (added, done) = (of("response.output_item.added"), of("response.output_item.done"));
            assert_eq!((added.len(), done.len()), (1, 1), "{item}");
            assert_eq!(added[0]["item"]["id"], item["id"]);
            if item.get("provider_specific_fields").is_none() {
                assert_eq!(&done[0]["item"], item);
            }
        }
        let deltas = |kind: &str, at: usize| -> String {
            let mine = events.iter().filter(|e| e["type"] == kind && e["output_index"] == at);
            mine.map(|e| e["delta"].as_str().unwrap()).collect()
        };
        assert_eq!(deltas("response.reasoning_summary_text.delta", 0), "Let me see.");
        assert_eq!(deltas("response.output_text.delta", 2), "I will look\n");
        assert_eq!(deltas("response.function_call_arguments.delta", 3), r#"{"a":1}"#);
    }

    #[test]
    fn parts_open_and_close_in_order() {
        let events = stream(&[
            Piece::Text(Str::literal("")),
            Piece::Text(Str::literal("No.")),
            Piece::Annotations(Json::trusted(
                r#"[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]"#,
            )),
            Piece::Refusal(Str::literal("I won't.")),
        ]);
        let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
        let wanted = [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.annotation.added",
            "response.output_text.done",
            "response.content_part.done",
            "response.content_part.added",
            "response.refusal.delta",
            "response.refusal.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ];
        assert_eq!(kinds, wanted);
        let refusal = &events[9];
        assert_eq!((&refusal["content_index"], &refusal["delta"]), (&1.into(), &"I won't.".into()));
        let note = serde_json::json!({"type": "url_citation", "start_index": 0, "end_index": 0, "title": "t", "url": "u"});
        assert_eq!(events[5]["annotation"], note);
    }

    #[test]
    fn what_was_cut_is_incomplete() {
        for (reason, word) in
            [(FinishReason::Length, "max_output_tokens"), (FinishReason::ContentFilter, "content_filter")]
        {
            let pieces = [Piece::Text(Str::literal("Hel")), Piece::Finish(Finish { reason, native: "" })];
            let response = whole(&pieces);
            assert_eq!(response["status"], "incomplete");
            assert_eq!(response["incomplete_details"]["reason"], word);
            assert_eq!(response["output"][0]["status"], "incomplete");
            let events = stream(&pieces);
            assert_eq!(events.last().unwrap()["type"], "response.incomplete");
            assert_eq!(events.last().unwrap()["response"], response);
        }
    }

    #[test]
    fn a_reply_without_words_has_a_message_all_the_same() {
        let response = whole(&[]);
        assert_eq!(response["output"][0]["content"][0]["text"], "");
        assert_eq!(stream(&[]).last().unwrap()["response"], response);
    }

    #[test]
    fn a_failure_is_told_twice() {
        let mut writer = writer(true);
        writer.piece(0, Piece::Text(Str::literal("Hel")));
        writer.fail(&Error::garbled("cut").code("stream_truncated"));
        let events = events(writer.out());
        let [.., error, failed] = events.as_slice() else { panic!() };
        assert_eq!((&error["type"], &error["error"]["code"]), (&"error".into(), &"stream_truncated".into()));
        assert_eq!(failed["response"]["status"], "failed");
        assert_eq!(failed["response"]["error"]["message"], "cut");
        assert_eq!(failed["response"]["output"][0]["status"], "incomplete");
    }

    #[test]
    fn logprobs_stand_with_their_text() {
        let token = r#"{"content":[{"token":"a","logprob":-1,"bytes":null}]}"#;
        let response = whole(&[Piece::Text(Str::literal("a")), Piece::Logprobs(Json::trusted(token))]);
        let wanted = serde_json::json!([{"token": "a", "logprob": -1, "bytes": [], "top_logprobs": []}]);
        assert_eq!(response["output"][0]["content"][0]["logprobs"], wanted);
    }
}
