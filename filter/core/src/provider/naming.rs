//! Names of models: whose a name without `provider/` is, and what becomes of the name behind the prefix.

use std::borrow::Cow;

use super::{Provider, named};

/// How the name that LiteLLM's users write behind `provider/` becomes the one that the vendor knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// It is the same.
    Same,
    /// One of these beginnings, which only say how the model is to be spoken to, is cut off.
    Without(&'static [&'static str]),
    /// A name that does not begin with the first stands below the second.
    Below(&'static str, &'static str),
    /// `vendor/owner/model` is `owner/model:vendor`, for routers that take the vendor as a suffix.
    VendorLast,
    /// `user.app.model` is Clarifai's address of the model.
    UserAppModel,
}

impl Naming {
    /// The vendor's name for `model`.
    #[must_use]
    pub fn apply<'m>(self, model: &'m str) -> Cow<'m, str> {
        match self {
            Self::Same => Cow::Borrowed(model),
            Self::Without(words) => {
                Cow::Borrowed(words.iter().find_map(|word| model.strip_prefix(word)).unwrap_or(model))
            }
            Self::Below(root, home) if !model.starts_with(root) => Cow::Owned(format!("{home}{model}")),
            Self::Below(..) => Cow::Borrowed(model),
            Self::VendorLast => match model.split_once('/') {
                Some((vendor, rest)) if rest.contains('/') => Cow::Owned(format!("{rest}:{vendor}")),
                _ => Cow::Borrowed(model),
            },
            Self::UserAppModel => {
                let mut parts = model.splitn(3, '.');
                match (parts.next(), parts.next(), parts.next()) {
                    (Some(user), Some(app), Some(name)) if !model.contains('/') => {
                        Cow::Owned(format!("https://clarifai.com/{user}/{app}/models/{name}"))
                    }
                    _ => Cow::Borrowed(model),
                }
            }
        }
    }
}

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
    fn names_become_the_vendors() {
        let is = |naming: Naming, model: &str, vendors: &str| assert_eq!(naming.apply(model), vendors);
        is(Naming::Without(&["o_series/", "gpt5_series/"]), "o_series/my-o3", "my-o3");
        is(Naming::Without(&["o_series/"]), "my-o3", "my-o3");
        let fireworks = Naming::Below("accounts/", "accounts/fireworks/models/");
        is(fireworks, "kimi-k2", "accounts/fireworks/models/kimi-k2");
        is(fireworks, "accounts/me/deployments/x", "accounts/me/deployments/x");
        is(Naming::VendorLast, "together/deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1:together");
        is(Naming::VendorLast, "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1");
        is(Naming::VendorLast, "tgi", "tgi");
        let clarifai = "https://clarifai.com/openai/chat-completion/models/gpt-4.1";
        is(Naming::UserAppModel, "openai.chat-completion.gpt-4.1", clarifai);
        is(Naming::UserAppModel, clarifai, clarifai);
    }

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
