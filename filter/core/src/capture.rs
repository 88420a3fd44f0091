//! Prompts and answers for access logs and traces, where the config asks for them: within a bound, and without the words
//! that must not be told. Nothing of this runs unless it does. Knows no sink.
//!
//! Words are looked for in what texts mean, not in how JSON spells them, and before anything is cut: so much is gathered
//! beyond the bound that a cut can't leave the half of a word. OpenTelemetry's forms:
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>

mod words;

use std::borrow::Cow;
use std::ops::Range;
use std::rc::Rc;

use crate::json::{Out, Str, escape};
use crate::meter::Usage;
use crate::openai::{Body, Piece, Sink, Start};
use words::{Word, ends_run, find, within};

/// What stands in a redacted word's place.
const REDACTED: &str = "[REDACTED]";
/// What stands where the rest has been cut.
const CUT: &str = "...[truncated]";
/// How many words may be redacted: each is looked for at each place of a text.
const MAX_WORDS: usize = 100;
/// The bounds of the bound.
const BOUNDS: Range<usize> = 64..65_537;
/// What a part of an answer counts beside its text, so that the number of parts is bounded too.
const PART: usize = 32;

/// What is captured.
#[derive(Debug)]
pub struct Capture {
    /// The most that is told of a prompt or of an answer, in bytes as JSON spells them.
    max_bytes: usize,
    words: Vec<Word>,
    /// What is gathered beyond the bound.
    spare: usize,
}

impl Capture {
    /// Checks what is configured. In a word to `redact`, `*` stands for any characters but white space and quotes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(max_bytes: usize, redact: &[String]) -> Result<Self, &'static str> {
        if !BOUNDS.contains(&max_bytes) {
            return Err("max_bytes must be from 64 to 65536");
        }
        if redact.len() > MAX_WORDS {
            return Err("redact has more than 100 words");
        }
        let mut words = Vec::new();
        let mut longest = 0;
        for word in redact {
            words.push(Word::check(word)?);
            longest = longest.max(word.len());
        }
        // A character of a call's arguments may be spelled in six.
        Ok(Self { max_bytes, words, spare: 6 * longest })
    }

    /// A request's messages, or what it asks with in their place, as the client's JSON: without white space between its
    /// marks, each string in its shortest spelling.
    #[must_use]
    pub fn input(&self, body: &Body) -> Option<String> {
        let asked = ["messages", "input", "prompt"].into_iter().find_map(|name| body.field(name))?;
        let mut out = Vec::new();
        if !self.value(asked.text(), &mut out) {
            out.extend_from_slice(CUT.as_bytes());
        }
        String::from_utf8(out).ok()
    }

    /// Appends a value, as far as there is room; true when that is all.
    fn value(&self, mut rest: &str, out: &mut Vec<u8>) -> bool {
        let room = |out: &Vec<u8>| self.max_bytes.saturating_sub(out.len());
        while let Some(first) = rest.bytes().next() {
            let token = match first {
                b'"' => {
                    let token = string(rest);
                    let (text, whole) = beginning(Str::spelled(token), room(out) + self.spare);
                    out.push(b'"');
                    if !self.tell(&text, whole, room(out).saturating_sub(1), true, out) {
                        return false;
                    }
                    out.push(b'"');
                    rest.get(token.len() + 2..)
                }
                b' ' | b'\n' | b'\r' | b'\t' => rest.get(1..),
                b'{' | b'}' | b'[' | b']' | b',' | b':' => {
                    out.push(first);
                    rest.get(1..)
                }
                _ => {
                    let ends = |byte| ends_run(byte) || matches!(byte, b'}' | b']' | b',');
                    let end = rest.bytes().position(ends).unwrap_or(rest.len());
                    let number = rest.get(..end).unwrap_or_default();
                    if !self.tell(number, true, room(out), false, out) {
                        return false;
                    }
                    rest.get(end..)
                }
            };
            rest = token.unwrap_or_default();
            if room(out) == 0 && !rest.is_empty() {
                return false;
            }
        }
        true
    }

    /// Appends `text` without what is redacted, in at most `room` bytes, `spelled` as within a JSON string; `whole` says
    /// that it has no more than this. True when it has been told to its end.
    #[inline(never)]
    fn tell(&self, text: &str, whole: bool, room: usize, spelled: bool, out: &mut Vec<u8>) -> bool {
        let end = if whole { text.len() } else { self.sure(text) };
        let most = out.len() + room;
        let hidden = self.hidden(text);
        let mut hides = false;
        let mut bytes = [0; 4];
        for (at, character) in text.char_indices().take_while(|(at, _)| *at < end) {
            let hidden = hidden.get(at).is_some_and(|hidden| *hidden);
            if hidden && hides {
                continue;
            }
            hides = hidden;
            let shown = if hidden { REDACTED } else { character.encode_utf8(&mut bytes) };
            let before = out.len();
            if spelled {
                escape(shown, out);
            } else {
                out.extend_from_slice(shown.as_bytes());
            }
            if out.len() > most {
                out.truncate(before);
                return false;
            }
        }
        whole
    }

    /// How far it is sure what must be redacted in a text that goes on.
    fn sure(&self, text: &str) -> usize {
        let end = text.len().saturating_sub(self.spare);
        if self.words.iter().all(|Word(parts)| parts.len() == 1) {
            return end;
        }
        // What a star stands for may go on.
        end.min(text.bytes().rposition(ends_run).map_or(0, |at| at + 1))
    }

    /// Which bytes are of words to redact.
    fn hidden(&self, text: &str) -> Vec<bool> {
        let mut hidden = vec![false; if self.words.is_empty() { 0 } else { text.len() }];
        for Word(parts) in &self.words {
            let mut at = 0;
            while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
                let place = match parts.as_slice() {
                    [literal] => find(text, at, literal),
                    _ => {
                        let end = rest.bytes().position(ends_run).map_or(text.len(), |run| at + run);
                        let place = within(text.get(..end).unwrap_or_default(), at, parts);
                        at = end + 1;
                        Some(place.unwrap_or(end..end))
                    }
                };
                let Some(place) = place else { break };
                at = at.max(place.end);
                if let Some(found) = hidden.get_mut(place) {
                    found.fill(true);
                }
            }
        }
        hidden
    }
}

/// The spelling of the string that `text` begins with.
fn string(text: &str) -> &str {
    let mut escaped = false;
    let inside = text.get(1..).unwrap_or_default();
    let end = inside.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    inside.get(..end.unwrap_or(inside.len())).unwrap_or_default()
}

/// What a string means, up to `limit` bytes, and whether that is all. However long it is, no more is decoded.
#[inline(never)]
fn beginning(token: Str<'_>, limit: usize) -> (Cow<'_, str>, bool) {
    let raw = token.raw();
    // The longest spelling of one byte, and one more that may be cut.
    let begun = head(raw, 6 * limit + 12);
    let mut text = Str::spelled(begun).plain();
    let whole = begun.len() == raw.len() && text.len() <= limit;
    if !whole {
        let end = head(&text, limit).len();
        match &mut text {
            Cow::Borrowed(text) => *text = text.get(..end).unwrap_or_default(),
            Cow::Owned(text) => text.truncate(end),
        }
    }
    (text, whole)
}

/// The beginning of a text, of at most `limit` bytes.
fn head(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// What has been gathered of an answer: the texts and calls of its first choice.
#[derive(Debug)]
pub struct Captured {
    capture: Rc<Capture>,
    parts: Vec<Part>,
    /// How much more is gathered.
    left: usize,
    /// Whether nothing had to be left out.
    whole: bool,
}

#[derive(Debug)]
struct Part {
    /// The function that is called.
    call: Option<String>,
    /// The text, or the call's arguments.
    text: String,
}

impl Captured {
    /// Nothing yet.
    #[must_use]
    pub fn new(capture: Rc<Capture>) -> Self {
        let left = capture.max_bytes + capture.spare;
        Self { capture, parts: Vec::new(), left, whole: true }
    }

    /// The client gets none of it.
    pub fn forget(&mut self) {
        self.parts.clear();
    }

    /// OpenTelemetry's list of output messages, as JSON. `finish` is why the answer ended, in OpenAI's word.
    #[must_use]
    pub fn told(&self, finish: Option<&str>) -> Option<String> {
        let last = self.parts.len().checked_sub(1)?;
        let mut out = Vec::new();
        out.open(b'[');
        out.open(b'{');
        out.field_text("role", "assistant");
        out.key("parts");
        out.open(b'[');
        let mut room = self.capture.max_bytes;
        let mut fits = true;
        for (place, part) in self.parts.iter().enumerate() {
            if !fits {
                break;
            }
            out.open(b'{');
            out.field_text("type", if part.call.is_some() { "tool_call" } else { "text" });
            let text = (if part.call.is_some() { "arguments" } else { "content" }, Some(&part.text));
            for (key, text) in [("name", part.call.as_ref()), text] {
                let Some(text) = text else { continue };
                out.key(key);
                out.push(b'"');
                let before = out.len();
                // What came last may not be whole.
                let whole = self.whole || place < last || (key == "name" && !part.text.is_empty());
                fits = self.capture.tell(text, whole, room, true, &mut out) && fits;
                room = room.saturating_sub(out.len() - before);
                if !fits {
                    room = 0;
                    out.extend_from_slice(CUT.as_bytes());
                }
                out.push(b'"');
            }
            out.close(b'}');
        }
        out.close(b']');
        if let Some(finish) = finish {
            out.field_text("finish_reason", if finish == "tool_calls" { "tool_call" } else { finish });
        }
        out.close(b'}');
        out.close(b']');
        String::from_utf8(out).ok()
    }

    /// Begins a part, where there is room for one.
    fn begin(&mut self, call: Option<String>) {
        match self.left.checked_sub(PART) {
            Some(left) => {
                self.left = left;
                self.parts.push(Part { call, text: String::new() });
            }
            None => self.whole = false,
        }
    }

    fn add(&mut self, text: &str, whole: bool) {
        if let Some(part) = self.parts.last_mut() {
            part.text.push_str(text);
            self.left -= text.len();
            self.whole &= whole;
        }
    }
}

impl Sink for Captured {
    fn start(&mut self, _start: Start<'_>) {}

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        if choice != 0 || !self.whole {
            return;
        }
        match piece {
            Piece::Text(text) | Piece::Refusal(text) if !text.is_empty() => {
                if self.parts.last().is_none_or(|part| part.call.is_some()) {
                    self.begin(None);
                }
                if self.whole {
                    let (text, whole) = beginning(text, self.left);
                    self.add(&text, whole);
                }
            }
            Piece::ToolCall { name, .. } => {
                let (name, whole) = beginning(name, self.left.saturating_sub(PART));
                self.left -= name.len();
                self.begin(Some(name.into_owned()));
                self.whole &= whole;
            }
            Piece::ToolArgs { fragment: text, .. } => {
                let (text, whole) = beginning(text, self.left);
                self.add(&text, whole);
            }
            // A call's arguments as one value: the text of which is what pieces of it would be.
            Piece::ToolInput { input, .. } => {
                let text = input.text();
                let begun = head(text, self.left);
                self.add(begun, begun.len() == text.len());
            }
            _ => {}
        }
    }

    fn usage(&mut self, _usage: Usage) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Json;
    use crate::openai::{Finish, FinishReason};

    fn capture(max_bytes: usize, redact: &[&str]) -> Capture {
        let redact: Vec<String> = redact.iter().map(|&word| word.to_owned()).collect();
        Capture::check(max_bytes, &redact).unwrap()
    }

    fn input(capture: &Capture, messages: &str) -> String {
        let body = Body::read(format!("{{\"model\":\"m\",\"messages\":{messages}}}").into_bytes()).unwrap();
        capture.input(&body).unwrap()
    }

    /// What is told of an answer that comes in these pieces.
    fn output(capture: Capture, pieces: &[&str]) -> String {
        let mut captured = Captured::new(Rc::new(capture));
        for piece in pieces {
            captured.piece(0, Piece::Text(Str::spelled(piece)));
        }
        captured.told(None).unwrap()
    }

    /// The text in it.
    fn content(capture: Capture, pieces: &[&str]) -> String {
        let told: serde_json::Value = serde_json::from_str(&output(capture, pieces)).unwrap();
        told[0]["parts"][0]["content"].as_str().unwrap().to_owned()
    }

    #[test]
    fn a_prompt_is_the_clients_own_json() {
        let messages = r#" [ {"role" : "user", "content":"say \"\u00fc\"\n\u0000 \ud83d\ude00", "n": 1.50, "x":[null, true ]} ] "#;
        let told = input(&capture(4096, &[]), messages);
        let wanted = r#"[{"role":"user","content":"say \"ü\"\n\u0000 😀","n":1.50,"x":[null,true]}]"#;
        assert_eq!(told, wanted);
        let meant = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(meant(&told), meant(messages));
        for (body, told) in [
            (r#"{"input":["a","b"]}"#, Some(r#"["a","b"]"#)),
            (r#"{"prompt":"p"}"#, Some(r#""p""#)),
            (r#"{"model":"p"}"#, None),
        ] {
            let body = Body::read(body.as_bytes().to_vec()).unwrap();
            assert_eq!(capture(64, &[]).input(&body).as_deref(), told);
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        for length in 0..200 {
            for character in ["a", "ü", "😀", "\\n", "\\u0000", "\\u00fc"] {
                let messages = format!("[\"{}\"]", character.repeat(length));
                let told = input(&capture(64, &[]), &messages);
                let all = serde_json::from_str::<serde_json::Value>(&messages).unwrap().to_string();
                match told.strip_suffix(CUT) {
                    None => assert_eq!(told, all),
                    Some(kept) => {
                        assert!(all.starts_with(kept) && all.len() > 64, "{told} {all}");
                        assert!((57..=64).contains(&kept.len()), "{told}");
                    }
                }
                let text = content(capture(64, &[]), &vec![character; length + 1]);
                let all: String =
                    serde_json::from_str(&format!("\"{}\"", character.repeat(length + 1))).unwrap();
                let kept = text.strip_suffix(CUT).unwrap_or(&text);
                assert!(all.starts_with(kept) && crate::json::escaped(kept).len() <= 64, "{text}");
                assert_eq!(kept == all, text == all, "{text}");
            }
        }
        // Nothing is said of the rest, however it comes.
        let whole = output(capture(64, &[]), &["x".repeat(10_000).as_str()]);
        assert_eq!(whole, output(capture(64, &[]), &vec!["x"; 10_000]));
    }

    #[test]
    fn words_are_redacted_whole() {
        for (word, text, told) in [
            ("secret", "a Secret, secrets", "a [REDACTED], [REDACTED]s"),
            ("Ada Lovelace", "ada lovelace.", "[REDACTED]."),
            ("Müller", "Herr Müller", "Herr [REDACTED]"),
            (
                "sk-*",
                "use sk-abc-1, \"sk-\" and sk-2\nask",
                "use [REDACTED] \"[REDACTED]\" and [REDACTED]\nask",
            ),
            ("*@example.com", "to <ada@EXAMPLE.com>, bob@example.org", "to [REDACTED]>, bob@example.org"),
            ("a*b*c", "xaxbxcxcx abc ac", "x[REDACTED]x [REDACTED] ac"),
            ("**x**", "axb c", "[REDACTED] c"),
            ("aa", "aaaaa", "[REDACTED]a"),
        ] {
            assert_eq!(content(capture(4096, &[word]), &[&crate::json::escaped(text)]), told, "{word}");
            let messages = format!("[\"{}\"]", crate::json::escaped(text));
            let wanted = format!("[\"{}\"]", crate::json::escaped(told));
            assert_eq!(input(&capture(4096, &[word]), &messages), wanted);
        }
        assert_eq!(content(capture(64, &["abc", "bcd*"]), &["xabcdef y"]), "x[REDACTED] y");
        assert_eq!(
            input(&capture(64, &["M\u{fc}ller", "4111*"]), r#"[{"M\u00fcLLER":41112}]"#),
            r#"[{"[REDACTED]":[REDACTED]}]"#
        );
        // Within the JSON of a call's arguments, which is a string itself.
        assert_eq!(
            input(&capture(64, &["Müller"]), r#"["{\"n\":\"M\\u00fcller\"}"]"#),
            r#"["{\"n\":\"[REDACTED]\"}"]"#
        );
    }

    #[test]
    fn no_cut_reveals_a_part_of_a_word() {
        for word in ["topsecret", "top*", "*secret", "t*t"] {
            for before in 0..150 {
                for pieces in [1, 3, 150] {
                    let text = format!(
                        "{} topsecret {}",
                        ". ".repeat(before / 2) + &".".repeat(before % 2),
                        "z ".repeat(100)
                    );
                    let pieces: Vec<String> = text
                        .chars()
                        .collect::<Vec<_>>()
                        .chunks(text.len().div_ceil(pieces))
                        .map(|piece| piece.iter().collect())
                        .collect();
                    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
                    let told = content(capture(64, &[word]), &pieces);
                    let kept = told.strip_suffix(CUT).unwrap();
                    assert!(!kept.contains('t'), "{word} {before}: {told}");
                    assert!(kept.len() <= 64 && !kept.is_empty());
                    let told = input(&capture(64, &[word]), &format!("[\"{text}\"]"));
                    assert!(!told.strip_suffix(CUT).unwrap().contains('t'), "{word} {before}: {told}");
                }
            }
        }
        // Short ones in long words' places bring nothing nearer that isn't known whole.
        let text = format!("{}{}", "topsecret".repeat(20), "x".repeat(100));
        let told = content(capture(64, &["topsecret"]), &[&text]);
        assert!(
            told.strip_suffix(CUT).unwrap().replace(REDACTED, "").bytes().all(|b| b"[REDACTED]".contains(&b)),
            "{told}"
        );
    }

    #[test]
    fn an_answer_has_its_calls_and_its_end() {
        let mut captured = Captured::new(Rc::new(capture(4096, &["Paris"])));
        let text = |text| Str::spelled(text);
        captured.piece(1, Piece::Text(text("another choice")));
        captured.piece(0, Piece::Reasoning(text("reasons")));
        captured.piece(0, Piece::Text(text("Look")));
        captured.piece(0, Piece::Text(text("ing \\\"up\\\"")));
        captured.piece(0, Piece::ToolCall { index: 0, id: text("c"), name: text("weather") });
        captured.piece(0, Piece::ToolArgs { index: 0, fragment: text("{\\\"city\\\":\\\"Pa") });
        captured.piece(0, Piece::ToolArgs { index: 0, fragment: text("ris\\\"}") });
        captured.piece(0, Piece::ToolCall { index: 1, id: text("d"), name: text("time") });
        captured.piece(0, Piece::ToolInput { index: 1, input: Json::trusted("{\"zone\":1}") });
        captured.piece(0, Piece::Finish(Finish { reason: FinishReason::ToolCalls, native: "tool_use" }));
        let told: serde_json::Value =
            serde_json::from_str(&captured.told(Some("tool_calls")).unwrap()).unwrap();
        let parts = serde_json::json!([
            {"type": "text", "content": "Looking \"up\""},
            {"type": "tool_call", "name": "weather", "arguments": "{\"city\":\"[REDACTED]\"}"},
            {"type": "tool_call", "name": "time", "arguments": "{\"zone\":1}"},
        ]);
        assert_eq!(
            told,
            serde_json::json!([{"role": "assistant", "parts": parts, "finish_reason": "tool_call"}])
        );
        captured.forget();
        assert_eq!(captured.told(None), None);
    }

    #[test]
    fn what_is_gathered_is_bounded() {
        let mut captured = Captured::new(Rc::new(capture(100, &["word"])));
        for index in 0..10_000 {
            captured.piece(0, Piece::ToolCall { index, id: Str::literal("c"), name: Str::literal("f") });
            captured.piece(0, Piece::ToolArgs { index, fragment: Str::literal("0123456789") });
            captured.piece(0, Piece::Text(Str::literal("some text")));
        }
        assert!(captured.parts.len() < 5);
        let told = captured.told(None).unwrap();
        assert!(
            serde_json::from_str::<serde_json::Value>(&told).is_ok()
                && told.contains(CUT)
                && told.len() < 400
        );
    }

    #[test]
    fn words_that_cover_everything_are_refused() {
        for word in ["", "*", " ", "* *", "a *", "\"*\"", &"x".repeat(257)] {
            assert!(Capture::check(64, &[word.to_owned()]).is_err(), "{word}");
        }
        for max_bytes in [0, 63, 65_537] {
            assert!(Capture::check(max_bytes, &[]).is_err());
        }
        assert!(Capture::check(64, &vec!["x".to_owned(); 101]).is_err());
    }
}
