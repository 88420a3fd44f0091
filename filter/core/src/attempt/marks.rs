//! What one walk over an event's quotes tells of it: streams that pass are never parsed, but for the events that matter.

use std::rc::Rc;

use crate::json::{Cursor, Json, Str, quotes};
use crate::meter::Seen;

/// Which keys an event's data has, as far as they matter to a stream that passes: one walk over its quotes tells whether
/// it must be read at all. Most events have none of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks<'d> {
    pub error: bool,
    /// Token counts. OpenAI's streams have `"usage": null` in every event but the one that has them.
    pub usage: bool,
    pub reasoning: bool,
    /// A finish reason that isn't `null`.
    pub finish: Option<&'d [u8]>,
    /// The bytes of text: answer, reasoning, arguments of calls.
    text: usize,
}

impl<'d> Marks<'d> {
    pub fn of(data: &'d [u8]) -> Self {
        let mut marks = Self::default();
        // Where the text begins that the walk is in.
        let mut within = None;
        for quote in quotes(data) {
            if let Some(begin) = within {
                if quote >= begin && !escaped(data, begin, quote) {
                    marks.text += quote - begin;
                    within = None;
                }
                continue;
            }
            let key = data.get(quote + 1..).unwrap_or_default();
            let value = match key {
                [b'e', b'r', b'r', b'o', b'r', b'"', ..] => {
                    marks.error = true;
                    continue;
                }
                [b'u', b's', b'a', b'g', b'e', rest @ ..] => {
                    marks.usage |= value(rest).is_some_and(|value| !value.starts_with(b"null"));
                    continue;
                }
                [b'r', b'e', b'a', b's', b'o', b'n', b'i', b'n', b'g', rest @ ..] => {
                    marks.reasoning |= rest.starts_with(b"\"");
                    rest.strip_prefix(b"_content").unwrap_or(rest)
                }
                [b'c', rest @ ..] => rest.strip_prefix(b"ontent").unwrap_or_default(),
                [b't', rest @ ..] => rest.strip_prefix(b"ext").unwrap_or_default(),
                [b'a', rest @ ..] => rest.strip_prefix(b"rguments").unwrap_or_default(),
                [b'f', rest @ ..] => {
                    if let Some(value) = string(rest.strip_prefix(b"inish_reason").unwrap_or_default()) {
                        marks.finish = Some(value.split(|byte| *byte == b'"').next().unwrap_or_default());
                    }
                    continue;
                }
                _ => continue,
            };
            within = string(value).map(|value| data.len() - value.len());
        }
        marks
    }

    /// Notes what the event says of the reply; its first event is read for the reply's id and model.
    pub fn tell(&self, data: &[u8], seen: &mut Seen) {
        seen.output_bytes += self.text as u64;
        if let Some(finish) = self.finish.and_then(|word| std::str::from_utf8(word).ok()) {
            seen.finish = Some(Rc::from(finish));
        }
        if seen.id.is_none() {
            let chunk: Option<Json<'_>> =
                std::str::from_utf8(data).ok().and_then(|text| Cursor::new(text).json().ok());
            let field = |name: &str| {
                let text = chunk.as_ref().and_then(|chunk| chunk.field(name)).and_then(Json::as_str);
                Rc::from(&*text.map(Str::plain).unwrap_or_default())
            };
            // An empty one stands for "not given", so that only the first event is read.
            (seen.id, seen.model) = (Some(field("id")), Some(field("model")));
            seen.served(&field("service_tier"));
        }
    }
}

/// What stands behind a key's colon, where `rest` begins with the quote that ends the key.
#[inline]
fn value(rest: &[u8]) -> Option<&[u8]> {
    let value = rest.strip_prefix(b"\"")?.trim_ascii_start().strip_prefix(b":")?;
    Some(value.trim_ascii_start())
}

/// What stands behind the opening quote of a string value.
#[inline]
fn string(rest: &[u8]) -> Option<&[u8]> {
    value(rest)?.strip_prefix(b"\"")
}

/// Whether the quote at `at` is escaped, in a string that begins at `begin`.
fn escaped(data: &[u8], begin: usize, at: usize) -> bool {
    let before = data.get(begin..at).unwrap_or_default();
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_walk_tells_what_matters() {
        let text =
            r#"{"choices":[{"delta":{"role":"assistant","content":"a \"q\" \\"},"finish_reason": "stop"}]}"#;
        let marks = Marks::of(text.as_bytes());
        assert_eq!((marks.text, marks.finish, marks.usage), (10, Some(&b"stop"[..]), false));
        let null =
            r#"{"choices":[{"delta":{"content":null,"reasoning":"hm"},"finish_reason":null}],"usage":null}"#;
        let marks = Marks::of(null.as_bytes());
        assert_eq!((marks.text, marks.finish, marks.usage, marks.reasoning), (2, None, false, true));
        assert!(Marks::of(br#"{"choices":[],"usage": {"prompt_tokens":1}}"#).usage);
        let call = r#"{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{\"usage\":1}"}}]}}"#;
        let marks = Marks::of(call.as_bytes());
        assert_eq!((marks.text, marks.usage, marks.error), (13, false, false));
    }

    #[test]
    fn the_first_event_is_read_for_id_and_model() {
        let mut seen = Seen::default();
        for (id, model) in [("c-1", "gpt"), ("c-2", "other")] {
            let event = format!(r#"{{"id":"{id}","model":"{model}","choices":[]}}"#);
            Marks::of(event.as_bytes()).tell(event.as_bytes(), &mut seen);
        }
        assert_eq!((seen.id.as_deref(), seen.model.as_deref()), (Some("c-1"), Some("gpt")));
    }
}
