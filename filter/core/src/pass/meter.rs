//! Token counts in replies that pass: whoever's they are, they stand in one of a few places under one of a few names.

use crate::dialect::openai;
use crate::json::{Cursor, FromJson, Json, Kind};
use crate::meter::Usage;
use crate::wire::websocket::WebSocket;
use crate::wire::{Framer, Framing};

/// The longest whole reply that is read, in bytes: what is longer holds pictures or sound, not counts alone.
const MAX_READ: usize = 8 * 1024 * 1024;

/// Reads a reply beside its way to the client.
pub struct Meter {
    reading: Reading,
    usage: Option<Usage>,
}

enum Reading {
    Whole(Vec<u8>),
    Framed(Box<dyn Framer>),
    Spoken(WebSocket),
    Over,
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("usage", &self.usage).finish_non_exhaustive()
    }
}

impl Meter {
    /// A meter for a reply of this content type; `None` where it can tell nothing.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let framed = |framing: Framing| Reading::Framed(framing.framer());
        let reading = match kind.as_str() {
            "application/json" => Reading::Whole(Vec::new()),
            "text/event-stream" => framed(Framing::Sse),
            "application/x-ndjson" | "application/stream+json" => framed(Framing::Ndjson),
            "application/vnd.amazon.eventstream" => framed(Framing::EventStream),
            _ => return None,
        };
        Some(Self { reading, usage: None })
    }

    /// A meter for what a provider says in a WebSocket.
    #[must_use]
    pub fn of_websocket() -> Self {
        Self { reading: Reading::Spoken(WebSocket::default()), usage: None }
    }

    /// The next bytes; `end` says that they are the last.
    pub fn push(&mut self, bytes: &[u8], end: bool) {
        let usage = &mut self.usage;
        match &mut self.reading {
            Reading::Whole(gathered) if gathered.len() + bytes.len() > MAX_READ => {
                self.reading = Reading::Over;
            }
            Reading::Whole(gathered) => {
                gathered.extend_from_slice(bytes);
                if end {
                    read(std::str::from_utf8(gathered).unwrap_or_default(), usage);
                    self.reading = Reading::Over;
                }
            }
            Reading::Framed(framer) => {
                let mut each = |frame: crate::wire::Frame<'_>| {
                    if ["sage", "\"meta\"", "eval_count"].iter().any(|word| frame.data.contains(word)) {
                        read(frame.data, usage);
                    }
                    Ok(())
                };
                let told = framer.push(bytes, &mut each);
                if told.is_err() || (end && framer.end(&mut each).is_err()) {
                    self.reading = Reading::Over;
                }
            }
            Reading::Spoken(socket) => socket.push(bytes, &mut |event| spoken(event, usage)),
            Reading::Over => {}
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// Adds the counts of a response that has been spoken, which is one of many in its session:
/// <https://platform.openai.com/docs/api-reference/realtime-server-events/response/done>.
fn spoken(event: &str, usage: &mut Option<Usage>) {
    if memchr::memmem::find(event.as_bytes(), b"\"response.done\"").is_none() {
        return;
    }
    let Ok(value) = Json::from_json(&mut Cursor::new(event)) else { return };
    if value.field("type").and_then(Json::as_str).is_none_or(|kind| !kind.is("response.done")) {
        return;
    }
    let found = value.field("response").and_then(|response| response.field("usage"));
    if let Some(counts) = found.and_then(counts) {
        usage.get_or_insert_default().add(&counts);
    }
}

/// Reads the counts in a reply or an event. A later one adds to what an earlier one told, as in Anthropic's streams.
fn read(text: &str, usage: &mut Option<Usage>) {
    let Ok(value) = Json::from_json(&mut Cursor::new(text)) else { return };
    if value.kind() == Kind::Array {
        // Gemini's stream where no events are asked for.
        value.items().into_iter().for_each(|item| told(item, usage));
    } else {
        told(value, usage);
    }
}

fn told(value: Json<'_>, usage: &mut Option<Usage>) {
    let object = |value: &Json<'_>| value.kind() == Kind::Object;
    let inside = |name: &str| value.field(name).and_then(|inner| inner.field("usage")).filter(object);
    let found = value
        .field("usage")
        .filter(object)
        .or_else(|| inside("message"))
        .or_else(|| inside("response"))
        .or_else(|| inside("delta"))
        .or_else(|| value.field("usageMetadata").filter(object))
        .or_else(|| value.field("meta"))
        .or_else(|| value.field("response").and_then(|response| response.field("meta")))
        .or_else(|| inside("metadata"));
    let Some(counts) = found.map_or_else(|| evaluated(&value), counts) else { return };
    let known = usage.get_or_insert_with(Usage::default);
    *known = Usage {
        input: counts.input.max(known.input),
        output: counts.output.max(known.output),
        cached: counts.cached.or(known.cached),
        cache_write: counts.cache_write.or(known.cache_write),
        ..counts
    };
}

/// Ollama's counts stand in no object of their own: <https://docs.ollama.com/api/usage>.
fn evaluated(value: &Json<'_>) -> Option<Usage> {
    let number = |name: &str| value.field(name).and_then(Json::as_u64);
    let (input, output) = (number("prompt_eval_count"), number("eval_count"));
    input.or(output)?;
    Some(Usage { input: input.unwrap_or(0), output: output.unwrap_or(0), ..Usage::default() })
}

fn counts(found: Json<'_>) -> Option<Usage> {
    let number = |value: Json<'_>, names: &[&str]| {
        names.iter().find_map(|name| value.field(name).and_then(Json::as_u64))
    };
    if number(found, &["prompt_tokens", "completion_tokens"]).is_some() {
        return Some(openai::usage(found));
    }
    // Cohere's counts stand one deeper.
    let found = found.field("tokens").or_else(|| found.field("billed_units")).unwrap_or(found);
    let input = number(found, &["input_tokens", "inputTokens", "promptTokenCount"]);
    let output = number(found, &["output_tokens", "outputTokens", "candidatesTokenCount"]);
    let total = number(found, &["total_tokens", "totalTokens", "totalTokenCount"]);
    input.or(output).or(total)?;
    let thoughts = number(found, &["thoughtsTokenCount"]);
    let (read, written) = (
        &["cache_read_input_tokens", "cacheReadInputTokens"],
        &["cache_creation_input_tokens", "cacheWriteInputTokens"],
    );
    // Anthropic and Bedrock count what a cache gave or got beside the input, not in it.
    let (apart, cache_write) = (number(found, read), number(found, written));
    // OpenAI tells of kinds in objects of their own, for which it has two names.
    let of_kind = |names: [&str; 2], kind: &str| {
        names.iter().find_map(|name| found.field(name)?.field(kind)).and_then(Json::as_u64)
    };
    let inputs = |kind: &str| of_kind(["input_token_details", "input_tokens_details"], kind);
    let outputs = |kind: &str| of_kind(["output_token_details", "output_tokens_details"], kind);
    let cached = apart.or_else(|| number(found, &["cachedContentTokenCount"]));
    let cached = cached.or_else(|| inputs("cached_tokens"));
    let beside = apart.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    Some(Usage {
        input: input.or(total.filter(|_| output.is_none())).unwrap_or(0).saturating_add(beside),
        output: output.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)),
        cached,
        cache_write,
        reasoning: thoughts.or_else(|| outputs("reasoning_tokens")),
        audio_input: inputs("audio_tokens"),
        audio_output: outputs("audio_tokens"),
        image_input: inputs("image_tokens"),
        image_output: outputs("image_tokens"),
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Option<(u64, u64)> {
        let mut meter = Meter::of("application/json; charset=utf-8").unwrap();
        for byte in text.as_bytes() {
            meter.push(std::slice::from_ref(byte), false);
        }
        meter.push(b"", true);
        meter.usage().map(|usage| (usage.input, usage.output))
    }

    #[test]
    fn every_vendors_counts_are_found() {
        for (reply, counts) in [
            (r#"{"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#, Some((3, 2))),
            (r#"{"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}"#, Some((3, 2))),
            (r#"{"usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":2}}"#, Some((7, 2))),
            (r#"{"usage":{"total_tokens":9}}"#, Some((9, 0))),
            (r#"{"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":5}}"#, Some((3, 2))),
            (
                r#"{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"thoughtsTokenCount":4}}"#,
                Some((3, 6)),
            ),
            (
                r#"{"usage":{"billed_units":{"input_tokens":1},"tokens":{"input_tokens":3,"output_tokens":2}}}"#,
                Some((3, 2)),
            ),
            (r#"{"meta":{"tokens":{"input_tokens":3}}}"#, Some((3, 0))),
            (r#"{"meta":{"billed_units":{"search_units":1}}}"#, None),
            (r#"{"data":[]}"#, None),
            (
                r#"[{"usageMetadata":{"promptTokenCount":3}},{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2}}]"#,
                Some((3, 2)),
            ),
            ("no JSON", None),
        ] {
            assert_eq!(whole(reply), counts, "{reply}");
        }
        assert!(Meter::of("audio/mpeg").is_none());
    }

    fn all(text: &str) -> Usage {
        let mut usage = None;
        read(text, &mut usage);
        usage.unwrap()
    }

    #[test]
    fn kinds_of_tokens_are_told_apart() {
        let usage =
            all(r#"{"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},
                "output_tokens":300,"output_tokens_details":{"image_tokens":300}}}"#);
        assert_eq!((usage.image_input, usage.image_output, usage.audio_input), (Some(40), Some(300), None));
        let usage = all(
            r#"{"usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},
                "output_tokens":45}}"#,
        );
        assert_eq!((usage.input, usage.output, usage.audio_input, usage.cached), (14, 45, Some(14), None));
    }

    /// An event as a frame of a server's.
    fn frame(event: &str) -> Vec<u8> {
        let length = u16::try_from(event.len()).unwrap().to_be_bytes();
        [&[0x81, 126], &length[..], event.as_bytes()].concat()
    }

    #[test]
    fn every_response_of_a_session_counts() {
        let done = |usage: &str| {
            frame(&format!(r#"{{"type":"response.done","response":{{"id":"r","usage":{usage}}}}}"#))
        };
        let first = r#"{"total_tokens":253,"input_tokens":132,"output_tokens":121,"input_token_details":{"text_tokens":119,
            "audio_tokens":13,"image_tokens":0,"cached_tokens":64,"cached_tokens_details":{"text_tokens":64,
            "audio_tokens":0}},"output_token_details":{"text_tokens":30,"audio_tokens":91}}"#;
        let second = r#"{"input_tokens":10,"output_tokens":5,"output_token_details":{"audio_tokens":4}}"#;
        let session = [
            frame(r#"{"type":"session.created","session":{"usage":{"input_tokens":1000}}}"#),
            done(first),
            frame(r#"{"type":"response.output_text.delta","delta":"\"response.done\"","usage":{"input_tokens":7}}"#),
            frame("no JSON with \"response.done\""),
            done("null"),
            done(second),
        ]
        .concat();
        for size in [1, 2, 3, 7, 100, session.len()] {
            let mut meter = Meter::of_websocket();
            session.chunks(size).for_each(|piece| meter.push(piece, false));
            meter.push(b"", true);
            let usage = meter.usage().unwrap();
            assert_eq!((usage.input, usage.output, usage.cached), (142, 126, Some(64)), "{size}");
            assert_eq!((usage.audio_input, usage.audio_output), (Some(13), Some(95)), "{size}");
        }
    }

    /// A message of Amazon's event stream.
    fn message(name: &str, payload: &str) -> Vec<u8> {
        let header = |name: &str, value: &str| {
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), &[7], &length[..], value.as_bytes()]
                .concat()
        };
        let headers = [header(":message-type", "event"), header(":event-type", name)].concat();
        let total = u32::try_from(16 + headers.len() + payload.len()).unwrap();
        let mut out = total.to_be_bytes().to_vec();
        out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out.extend([headers.as_slice(), payload.as_bytes()].concat());
        out.extend(crc32fast::hash(&out).to_be_bytes());
        out
    }

    #[test]
    fn streams_in_any_framing_are_read_however_they_are_cut() {
        let converse = [
            message("messageStart", r#"{"role":"assistant"}"#),
            message("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"usage"}}"#),
            message("messageStop", r#"{"stopReason":"end_turn"}"#),
            message(
                "metadata",
                r#"{"metrics":{"latencyMs":9},"usage":{"inputTokens":3,"outputTokens":2,"totalTokens":9,"cacheReadInputTokens":4}}"#,
            ),
        ]
        .concat();
        let lines = concat!(
            "{\"event_type\":\"text-generation\",\"text\":\"usage\"}\n",
            "{\"event_type\":\"stream-end\",\"response\":{\"meta\":{\"tokens\":{\"input_tokens\":7,\"output_tokens\":2}}}}\n"
        );
        let ollama = concat!(
            "{\"model\":\"m\",\"response\":\"Hi\",\"done\":false}\n",
            "{\"model\":\"m\",\"done\":true,\"prompt_eval_count\":7,\"eval_count\":2}"
        );
        for (content_type, stream) in [
            ("application/vnd.amazon.eventstream", converse.as_slice()),
            ("application/x-ndjson", ollama.as_bytes()),
            ("application/stream+json", lines.as_bytes()),
        ] {
            for size in 1..=stream.len() {
                let mut meter = Meter::of(content_type).unwrap();
                stream.chunks(size).for_each(|piece| meter.push(piece, false));
                meter.push(b"", true);
                let counts = meter.usage().map(|usage| (usage.input, usage.output));
                assert_eq!(counts, Some((7, 2)), "{content_type} in pieces of {size}");
            }
        }
        // What breaks the framing is not counted, and doesn't stop what passes.
        let mut broken = converse;
        broken.iter_mut().skip(8).step_by(5).for_each(|byte| *byte ^= 0x55);
        let mut meter = Meter::of("application/vnd.amazon.eventstream").unwrap();
        meter.push(&broken, true);
        assert_eq!(meter.usage(), None);
    }

    #[test]
    fn a_streams_counts_add_up() {
        let stream = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n\
                      data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":7}}\n\n";
        let mut meter = Meter::of("text/event-stream").unwrap();
        let (head, tail) = stream.split_at(70);
        meter.push(head.as_bytes(), false);
        meter.push(tail.as_bytes(), true);
        let usage = meter.usage().unwrap();
        assert_eq!((usage.input, usage.output), (3, 7));
    }
}
