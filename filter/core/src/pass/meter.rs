//! Token counts in replies that pass: whoever's they are, they stand in one of a few places under one of a few names.

use crate::dialect::openai;
use crate::json::{Cursor, FromJson, Json, Kind};
use crate::meter::Usage;
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
            "application/x-ndjson" => framed(Framing::Ndjson),
            "application/vnd.amazon.eventstream" => framed(Framing::EventStream),
            _ => return None,
        };
        Some(Self { reading, usage: None })
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
                    if frame.data.contains("sage") || frame.data.contains("\"meta\"") {
                        read(frame.data, usage);
                    }
                    Ok(())
                };
                let told = framer.push(bytes, &mut each);
                if told.is_err() || (end && framer.end(&mut each).is_err()) {
                    self.reading = Reading::Over;
                }
            }
            Reading::Over => {}
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn usage(&self) -> Option<Usage> {
        self.usage
    }
}

/// Reads the counts in a reply or an event. A later one adds to what an earlier one told, as in Anthropic's streams.
fn read(text: &str, usage: &mut Option<Usage>) {
    let Ok(value) = Json::from_json(&mut Cursor::new(text)) else { return };
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
        .or_else(|| inside("metadata"));
    let Some(counts) = found.and_then(counts) else { return };
    let known = usage.get_or_insert_with(Usage::default);
    *known = Usage {
        input: counts.input.max(known.input),
        output: counts.output.max(known.output),
        cached: counts.cached.or(known.cached),
        cache_write: counts.cache_write.or(known.cache_write),
        ..counts
    };
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
    let cached = apart.or_else(|| number(found, &["cachedContentTokenCount"]));
    let beside = apart.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
    Some(Usage {
        input: input.or(total.filter(|_| output.is_none())).unwrap_or(0).saturating_add(beside),
        output: output.unwrap_or(0).saturating_add(thoughts.unwrap_or(0)),
        cached,
        cache_write,
        reasoning: thoughts,
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
            ("no JSON", None),
        ] {
            assert_eq!(whole(reply), counts, "{reply}");
        }
        assert!(Meter::of("audio/mpeg").is_none());
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
