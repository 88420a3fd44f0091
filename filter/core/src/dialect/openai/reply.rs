//! Replies that are OpenAI's but for a word: the word is changed where it stands, every other byte passes.

use memchr::memmem;

use crate::json::{Cursor, Invalid, Kind, Str};
use crate::openai::FinishReason;

/// The key by which OpenAI's clients know reasoning: DeepSeek's word for it, which became LiteLLM's.
const REASONING: &str = "reasoning_content";

/// The other key that vendors have for it (OpenRouter, Groq, Cerebras, Together, vLLM).
const OTHER: &str = "reasoning";

/// `text`, a whole reply or an event's data, with reasoning under the key that clients know and finish reasons in OpenAI's
/// words; `None` when nothing has to change.
pub(super) fn amend(text: &str) -> Option<String> {
    let renamed = memmem::find(text.as_bytes(), b"\"reasoning\"").is_some();
    if !renamed && !odd_finish(text) {
        return None;
    }
    let mut changes: Vec<(Str<'_>, &'static str)> = Vec::new();
    let read = Cursor::new(text).object(|key, value| {
        if !key.is("choices") || value.kind() != Kind::Array {
            return Ok(());
        }
        value.array(|choice| {
            if choice.kind() != Kind::Object {
                return Ok(());
            }
            choice.object(|key, value| {
                if key.is("finish_reason") && value.kind() == Kind::String {
                    let word = value.str()?;
                    changes.extend(in_openai_words(word).map(|openai| (word, openai)));
                } else if renamed && (key.is("delta") || key.is("message")) && value.kind() == Kind::Object {
                    changes.extend(reasoning_key(value)?.map(|key| (key, REASONING)));
                }
                Ok(())
            })
        })
    });
    if read.is_err() || changes.is_empty() {
        return None;
    }
    let mut amended = String::with_capacity(text.len() + 8 * changes.len());
    let mut from = 0;
    for (token, word) in changes {
        let at = token.offset_in(text)?;
        amended.push_str(text.get(from..at)?);
        amended.push_str(word);
        from = at + token.raw().len();
    }
    amended.push_str(text.get(from..)?);
    Some(amended)
}

/// The key of a message's reasoning, unless the message has it by the known key too.
fn reasoning_key<'a>(message: &mut Cursor<'a>) -> Result<Option<Str<'a>>, Invalid> {
    let (mut found, mut known) = (None, false);
    message.object(|key, value| {
        if key.is(OTHER) && value.kind() == Kind::String {
            found = Some(key);
        }
        known |= key.is(REASONING);
        Ok(())
    })?;
    Ok(found.filter(|_| !known))
}

/// Whether some finish reason may be in a vendor's own words.
fn odd_finish(text: &str) -> bool {
    const KEY: &str = "\"finish_reason\":";
    memmem::find_iter(text.as_bytes(), KEY).any(|at| {
        let value = text.get(at + KEY.len()..).unwrap_or_default().trim_ascii_start();
        !["null", "\"stop\"", "\"length\"", "\"tool_calls\""].iter().any(|word| value.starts_with(word))
    })
}

/// OpenAI's word for a finish reason, where the vendor's is another that is known to mean the same.
fn in_openai_words(word: Str<'_>) -> Option<&'static str> {
    let native = word.plain();
    let openai = match super::finish_reason(&native) {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        // OpenAI's own older word, for its older `functions`.
        FinishReason::ToolCalls if native == "function_call" => return None,
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Unknown => return None,
    };
    (openai != native).then_some(openai)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasoning_gets_the_key_that_clients_know() {
        let event = r#"{ "id":"reasoning", "choices":[{"delta":{"reasoning":"so \"reasoning\": x","content":null}},{"message":{"reasoning":"b"}}],"reasoning":1 }"#;
        let wanted = r#"{ "id":"reasoning", "choices":[{"delta":{"reasoning_content":"so \"reasoning\": x","content":null}},{"message":{"reasoning_content":"b"}}],"reasoning":1 }"#;
        assert_eq!(amend(event).as_deref(), Some(wanted));
        for same in [
            r#"{"choices":[{"delta":{"reasoning":null}}]}"#,
            r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"a"}}]}"#,
            r#"{"choices":[{"delta":{"content":"\"reasoning\":\"x\""}}]}"#,
            r#"{"choices":null,"usage":{"reasoning":"x"}}"#,
            r#"{"choices":[{"delta":{"reasoning":"a"}"#,
            "[DONE]",
        ] {
            assert_eq!(amend(same), None, "{same}");
        }
    }

    #[test]
    fn finish_reasons_are_openais() {
        let event = r#"{"choices":[{"finish_reason": "eos","delta":{}},{"finish_reason":"model_length"},{"finish_reason":"function_call"}]}"#;
        let wanted = r#"{"choices":[{"finish_reason": "stop","delta":{}},{"finish_reason":"length"},{"finish_reason":"function_call"}]}"#;
        assert_eq!(amend(event).as_deref(), Some(wanted));
        // A word that nobody here knows is the client's to read.
        assert_eq!(amend(r#"{"choices":[{"finish_reason":"abort"}]}"#), None);
        assert_eq!(amend(r#"{"choices":[{"finish_reason":null}]}"#), None);
    }
}
