//! Which vendor a model's name means when it comes without `provider/`.

use super::{Provider, named};

/// How names begin, and whose they are: the first that fits counts. As LiteLLM's price list has them, so a bare
/// `gemini-*` is Vertex AI's while the `-latest` names are the Gemini API's own.
const BEGINNINGS: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("codex-", "openai"),
    ("computer-use-", "openai"),
    ("ft:", "openai"),
    ("text-embedding-3-", "openai"),
    ("text-embedding-ada-", "openai"),
    ("claude-", "anthropic"),
    ("gemini-exp-", "gemini"),
    ("gemini-", "vertex_ai"),
    ("text-embedding-00", "vertex_ai"),
    ("text-multilingual-embedding-", "vertex_ai"),
    ("mistral-", "mistral"),
    ("magistral-", "mistral"),
    ("ministral-", "mistral"),
    ("pixtral-", "mistral"),
    ("devstral-", "mistral"),
    ("codestral-", "mistral"),
    ("open-mistral-", "mistral"),
    ("open-mixtral-", "mistral"),
    ("command", "cohere_chat"),
    ("c4ai-", "cohere_chat"),
    ("embed-english-", "cohere"),
    ("embed-multilingual-", "cohere"),
    ("embed-v4", "cohere"),
    ("deepseek-", "deepseek"),
    ("grok-", "xai"),
    ("jamba-", "ai21"),
    ("sonar", "perplexity"),
    ("kimi-", "moonshot"),
    ("moonshot-", "moonshot"),
    ("glm-", "zai"),
    ("doubao-", "volcengine"),
    ("voyage-", "voyage"),
    ("jina-", "jina_ai"),
    ("arn:aws:bedrock:", "bedrock"),
    ("arn:aws-us-gov:bedrock:", "bedrock"),
];

/// The beginnings of bare names with the rows that they mean, the more specific ones first.
pub fn beginnings() -> impl Iterator<Item = (&'static str, &'static Provider)> {
    BEGINNINGS.iter().filter_map(|(beginning, name)| Some((*beginning, named(name)?)))
}

/// The regions that a Bedrock inference profile's id begins with.
const PROFILES: &[&str] = &["us.", "eu.", "apac.", "jp.", "au.", "ca.", "us-gov.", "global."];

/// The owners that a Bedrock model's id begins with.
/// Source: <https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html>.
const OWNERS: &[&str] = &[
    "ai21.",
    "amazon.",
    "anthropic.",
    "cohere.",
    "deepseek.",
    "google.",
    "meta.",
    "minimax.",
    "mistral.",
    "moonshot.",
    "nvidia.",
    "openai.",
    "qwen.",
    "stability.",
    "twelvelabs.",
    "writer.",
    "zai.",
];

/// The vendor of a model whose name comes without `provider/`; `None` when nobody's names look like this.
#[must_use]
pub fn of_bare_model(name: &str) -> Option<&'static Provider> {
    let id = PROFILES.iter().find_map(|region| name.strip_prefix(region)).unwrap_or(name);
    if OWNERS.iter().any(|owner| id.starts_with(owner)) {
        return named("bedrock");
    }
    if name.starts_with("gemini-") && name.ends_with("-latest") {
        return named("gemini");
    }
    BEGINNINGS.iter().find(|(beginning, _)| name.starts_with(beginning)).and_then(|(_, owner)| named(owner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_are_their_owners() {
        let owner = |name: &str| of_bare_model(name).map(|row| row.name);
        assert_eq!(owner("gpt-4o"), Some("openai"));
        assert_eq!(owner("o3-mini"), Some("openai"));
        assert_eq!(owner("ft:gpt-4o-2024-08-06:org::id"), Some("openai"));
        assert_eq!(owner("text-embedding-3-small"), Some("openai"));
        assert_eq!(owner("deepseek-chat"), Some("deepseek"));
        assert_eq!(owner("grok-4"), Some("xai"));
        assert_eq!(owner("voyage-3.5"), Some("voyage"));
        assert_eq!(owner("my-own-model"), None);
    }
}
