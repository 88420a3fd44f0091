//! Where a vendor differs from the language that it speaks: data that the dialects read through a target.

use crate::openai::ParamSet;

/// Where a vendor differs from its dialect.
#[allow(clippy::struct_excessive_bools)]
pub struct Quirks {
    /// Parameters of the dialect's that the vendor refuses.
    pub unsupported: ParamSet,
    /// Parameters that are left out silently, as they do nothing there.
    pub ignored: ParamSet,
    /// Parameters by another name: (OpenAI's, the vendor's).
    pub rename: &'static [(&'static str, &'static str)],
    /// The name under which a `tool_choice` that is a word goes, where one that names a function has another; else empty.
    pub tool_choice_word: &'static str,
    /// Fields that every chat request carries with this value, whatever the client says: (name, JSON).
    pub fixed: &'static [(&'static str, &'static str)],
    /// The highest temperature, as JSON; a higher one is lowered to it. Empty when there is no limit of the vendor's own.
    pub max_temperature: &'static str,
    /// Prefixes of models whose temperature can't be set: it is left out.
    pub fixed_temperature: &'static [&'static str],
    /// Prefixes of models that reason: they take `max_completion_tokens` only, and no sampling parameters.
    pub reasoning_models: &'static [&'static str],
    /// Whether `reasoning_effort` also says `thinking: {"type": "enabled" | "disabled"}`.
    pub thinking_switch: bool,
    /// Whether the vendor knows `reasoning_effort` itself beside that switch.
    pub effort_levels: bool,
    /// The key under which messages carry reasoning back to the vendor; empty where it takes none.
    pub reasoning: &'static str,
    /// Whether it knows the role `developer`; else that is `system`.
    pub developer: bool,
    /// Whether it knows Anthropic's `cache_control` marks; else they are taken out.
    pub cache_control: bool,
    /// Whether content must be one string: text parts are joined.
    pub flat_content: bool,
    /// Whether tools may say `strict`; else it is taken out.
    pub strict_tools: bool,
    /// Whether `metadata` is accepted only beside `store: true`.
    pub metadata_with_store: bool,
    /// Whether the key may be missing (a server of one's own).
    pub key_optional: bool,
    /// Where its embeddings differ.
    pub embeddings: EmbeddingQuirks,
}

/// Where a vendor's embeddings differ from its dialect's. Fields are named as in OpenAI's request.
pub struct EmbeddingQuirks {
    /// Fields that the vendor refuses.
    pub unsupported: &'static [&'static str],
    /// Fields that are left out silently, as they do nothing there or have only one value.
    pub ignored: &'static [&'static str],
    /// Fields by another name: (OpenAI's, the vendor's).
    pub rename: &'static [(&'static str, &'static str)],
    /// Whether it answers in base64 when asked. Else it isn't asked, and its numbers are converted here.
    pub base64: bool,
    /// Whether one text must stand in a list too.
    pub listed: bool,
}

impl EmbeddingQuirks {
    /// Embeddings like OpenAI's, in arrays of numbers only.
    pub const NONE: Self = Self { unsupported: &[], ignored: &[], rename: &[], base64: false, listed: false };
    /// Embeddings like OpenAI's in both of its formats.
    pub const BASE64: Self = Self { base64: true, ..Self::NONE };
}

impl Quirks {
    /// A vendor exactly like its dialect.
    pub const NONE: Self = Self {
        unsupported: ParamSet::NONE,
        ignored: ParamSet::NONE,
        rename: &[],
        tool_choice_word: "",
        fixed: &[],
        max_temperature: "",
        fixed_temperature: &[],
        reasoning_models: &[],
        thinking_switch: false,
        effort_levels: true,
        reasoning: "reasoning_content",
        developer: false,
        cache_control: false,
        flat_content: false,
        strict_tools: true,
        metadata_with_store: false,
        key_optional: false,
        embeddings: EmbeddingQuirks::NONE,
    };
}
