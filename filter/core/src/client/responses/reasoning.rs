//! A model's reasoning inside a reasoning item: signed blocks travel in `encrypted_content`, so that a client which gives
//! its items back lets the model go on from its own thoughts, though nobody keeps them here.
//!
//! The blocks are in the hub's form (`thinking_blocks`). They are not secret, as the client may read their text anyway;
//! whoever changes them is refused by the provider that signed them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::json::{Cursor, FromJson, Json, Kind};

/// What `encrypted_content` of ours begins with: a provider's own never does, as the dot is no base64.
pub const MARK: &str = "dragoman.";

/// Blocks, the items of an array, as `encrypted_content`.
pub(super) fn wrapped(blocks: &str) -> String {
    format!("{MARK}{}", STANDARD.encode(format!("[{blocks}]")))
}

/// The blocks in `encrypted_content`, the items of an array; `None` when it is not ours, or damaged.
pub(super) fn unwrapped(content: &str) -> Option<String> {
    let bytes = STANDARD.decode(content.strip_prefix(MARK)?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let mut cursor = Cursor::new(&text);
    let blocks = Json::from_json(&mut cursor).ok()?;
    cursor.finish().ok()?;
    let whole =
        blocks.kind() == Kind::Array && blocks.items().iter().all(|block| block.kind() == Kind::Object);
    if !whole {
        return None;
    }
    let inside = blocks.text().strip_prefix('[')?.strip_suffix(']')?.trim();
    (!inside.is_empty()).then(|| inside.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_back_as_they_were() {
        let blocks = r#"{"type":"thinking","thinking":"caf\u00e9 \"x\"","signature":"s+/="},{"type":"redacted_thinking","data":"d"}"#;
        assert_eq!(unwrapped(&wrapped(blocks)).as_deref(), Some(blocks));
    }

    #[test]
    fn what_is_not_ours_is_nothing() {
        let forged = |text: &str| format!("{MARK}{}", STANDARD.encode(text));
        for wrong in ["", "gAAAAABo", MARK, "dragoman.%%%"] {
            assert_eq!(unwrapped(wrong), None, "{wrong}");
        }
        for wrong in ["[]", "[1]", "{}", "[{]", "[{}] x", "[{}", "\u{1}"] {
            assert_eq!(unwrapped(&forged(wrong)), None, "{wrong}");
        }
    }
}
