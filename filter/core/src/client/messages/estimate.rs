//! How many tokens a prompt may have, where nobody counts them: told by words, as no vendor's own vocabulary is here.

use crate::json::{Cursor, Json, Kind, Str};
use crate::openai::Body;

/// What an image costs at most models of today.
const IMAGE: u64 = 1_600;

/// What a document costs: a few pages of text.
const DOCUMENT: u64 = 3_000;

/// What every message and every tool costs beside its words.
const ENVELOPE: u64 = 4;

/// Estimates the tokens of a prompt.
pub(super) fn tokens(body: &Body) -> u64 {
    let parts = ["system", "messages", "tools"].into_iter().filter_map(|name| body.field(name));
    parts.map(|part| value(part, 0)).sum::<u64>().max(1)
}

fn value(json: Json<'_>, depth: u32) -> u64 {
    if depth > 32 {
        return words(json.text());
    }
    match json.kind() {
        Kind::String => json.as_str().map_or(0, |text| words(&text.plain())),
        Kind::Array => json.items().into_iter().map(|item| ENVELOPE + value(item, depth + 1)).sum(),
        Kind::Object => object(json, depth),
        _ => 1,
    }
}

fn object(json: Json<'_>, depth: u32) -> u64 {
    let kind = json.field("type").and_then(Json::as_str).map(Str::plain);
    match kind.as_deref() {
        Some("image") => return IMAGE,
        Some("document") => return DOCUMENT,
        _ => {}
    }
    let told = |key: Str<'_>| !["type", "role", "cache_control", "signature"].iter().any(|name| key.is(name));
    let mut sum = 0;
    let read = Cursor::new(json.text()).object(|key, cursor| {
        let inner = cursor.json()?;
        if told(key) {
            // A schema's or an input's keys are part of the prompt.
            sum += words(&key.plain()) + value(inner, depth + 1);
        }
        Ok(())
    });
    if read.is_ok() { sum } else { words(json.text()) }
}

/// A word is a token, a long one several; so is every other character but white space.
fn words(text: &str) -> u64 {
    let (mut sum, mut run) = (0_u64, 0_u64);
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            run += 1;
            continue;
        }
        sum += run.div_ceil(6);
        run = 0;
        sum += u64::from(!c.is_whitespace());
    }
    sum + run.div_ceil(6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_of_the_right_size() {
        let of = |text: &str| tokens(&Body::read(text.as_bytes().to_vec()).unwrap());
        // Anthropic's own example counts 14: <https://platform.claude.com/docs/en/build-with-claude/token-counting>.
        let hello =
            of(r#"{"system":"You are a scientist","messages":[{"role":"user","content":"Hello, Claude"}]}"#);
        assert!((10..=18).contains(&hello), "{hello}");
        assert!(of(r#"{"messages":[{"role":"user","content":[{"type":"image","source":{}}]}]}"#) > 1_000);
        assert!(of(r#"{"messages":[]}"#) > 0);
    }
}
