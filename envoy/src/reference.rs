//! The reference of the config, in Markdown, from the same schema that configs are checked against.

/// The reference.
#[must_use]
pub fn reference() -> String {
    String::new()
}
