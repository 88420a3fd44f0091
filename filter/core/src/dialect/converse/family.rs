//! What depends on a model's family: told from the model's id, in which AWS puts the vendor's name.
//!
//! Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html>.

use crate::config::Target;

/// The setting that names the model behind an opaque id: an application inference profile's ARN, a provisioned model's.
const BASE_MODEL: &str = "base_model";

/// A model's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's, with the version: 3.7, 4.0, 4.5...
    Claude(u32, u32),
    /// Amazon's, with the generation.
    Nova(u32),
    /// Mistral's.
    Mistral,
    /// OpenAI's open-weight models.
    GptOss,
    /// Meta's, Cohere's, AI21's: tools, but none can be forced.
    Unforced,
    /// Any other.
    Other,
}

/// A model, as far as the request depends on it.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// Its family.
    pub family: Family,
    id: String,
}

impl Model {
    /// The model of this id: a model's, an inference profile's, an ARN.
    pub(super) fn of(id: &str, to: &Target) -> Self {
        let id = to.plain_setting(BASE_MODEL).unwrap_or(id).to_ascii_lowercase();
        let has = |word: &str| id.contains(word);
        let family = if has("anthropic.") || has("claude") {
            let (major, minor) = version(&id);
            Family::Claude(major, minor)
        } else if has("amazon.nova") {
            Family::Nova(if has("nova-2") { 2 } else { 1 })
        } else if has("mistral.") {
            Family::Mistral
        } else if has("openai.") {
            Family::GptOss
        } else if has("meta.") || has("cohere.") || has("ai21.") {
            Family::Unforced
        } else {
            Family::Other
        };
        Self { family, id }
    }

    /// Whether cache points are understood.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>
    pub(super) const fn caches(&self) -> bool {
        matches!(self.family, Family::Claude(..) | Family::Nova(_))
    }

    /// Whether a cache point may say how long it lives.
    pub(super) const fn caches_for_long(&self) -> bool {
        matches!(self.family, Family::Claude(..))
    }

    /// Whether a tool's result may say that it is an error.
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultBlock.html>
    pub(super) const fn marks_errors(&self) -> bool {
        matches!(self.family, Family::Claude(..) | Family::Nova(_))
    }

    /// Whether the model calls tools.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html>
    pub(super) fn has_tools(&self) -> bool {
        !self.id.contains("titan") && !self.id.contains("deepseek.r1")
    }

    /// Whether the model can be made to call a tool.
    /// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolChoice.html>
    pub(super) fn can_be_forced(&self) -> bool {
        match self.family {
            Family::Unforced => false,
            // Those that think as they see fit take no force.
            Family::Claude(major, minor) => (major, minor) < (5, 5) || self.id.contains("haiku"),
            _ => true,
        }
    }

    /// Whether a Claude's thinking can be given a budget of tokens.
    pub(super) fn takes_budget(&self) -> bool {
        matches!(self.family, Family::Claude(major, minor) if (major, minor) < (4, 7))
    }

    /// Whether tools can have cache points of their own.
    pub(super) const fn caches_tools(&self) -> bool {
        matches!(self.family, Family::Claude(..))
    }

    /// Whether an answer can be held to a JSON Schema.
    /// <https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>
    pub(super) fn keeps_schemas(&self) -> bool {
        let has = |words: &[&str]| words.iter().any(|word| self.id.contains(word));
        match self.family {
            Family::Claude(major, minor) => (major, minor) >= (4, 5),
            Family::GptOss => true,
            Family::Mistral => has(&["magistral", "ministral", "mistral-large-3", "voxtral"]),
            Family::Nova(_) | Family::Unforced => false,
            Family::Other => {
                has(&["qwen.", "deepseek.v3", "google.gemma-3", "minimax.", "moonshot", "nvidia."])
            }
        }
    }
}

/// The version in a Claude's id: `claude-3-7-sonnet-20250219` is 3.7, `claude-sonnet-4-20250514` is 4.0.
fn version(id: &str) -> (u32, u32) {
    let name = id.rsplit("claude").next().unwrap_or_default();
    let mut numbers = name
        .split(['-', ':', '.'])
        .map(|word| word.trim_start_matches('v'))
        .skip_while(|word| !short(word))
        .take_while(|word| short(word))
        .filter_map(|word| word.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A number of one or two digits: a version's part, not a date.
fn short(word: &str) -> bool {
    matches!(word.len(), 1 | 2) && word.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(id: &str) -> Family {
        let json = r#"{"id":"t","provider":"openai","model":"m"}"#;
        Model::of(id, &Target::from_json(json).unwrap()).family
    }

    #[test]
    fn families_of_real_ids() {
        for (id, expected) in [
            ("anthropic.claude-3-haiku-20240307-v1:0", Family::Claude(3, 0)),
            ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", Family::Claude(3, 7)),
            ("anthropic.claude-sonnet-4-20250514-v1:0", Family::Claude(4, 0)),
            ("global.anthropic.claude-opus-4-1-20250805-v1:0", Family::Claude(4, 1)),
            ("us.anthropic.claude-opus-4-6-v1", Family::Claude(4, 6)),
            ("anthropic.claude-sonnet-5", Family::Claude(5, 0)),
            ("anthropic.claude-v2:1", Family::Claude(2, 1)),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
                Family::Claude(4, 5),
            ),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova(2)),
            ("amazon.nova-pro-v1:0", Family::Nova(1)),
            ("mistral.mistral-large-2407-v1:0", Family::Mistral),
            ("openai.gpt-oss-120b-1:0", Family::GptOss),
            ("us.meta.llama4-scout-17b-instruct-v1:0", Family::Unforced),
            ("deepseek.r1-v1:0", Family::Other),
        ] {
            assert_eq!(family(id), expected, "{id}");
        }
    }
}
