//! Microsoft's two doors to models: Azure OpenAI and Azure AI Foundry.

use super::anthropic::MESSAGES;
use super::{COMPATIBLE, HINTS_BUT_USER, OLDER};
use crate::dialect;
use crate::for_people;
use crate::openai::{Param, ParamSet};
use crate::provider::{Auth, EmbeddingQuirks, Naming, Provider, Quirks, When};

/// A resource's key, or a token of Entra's that the config gives as LiteLLM's does.
const KEY_OR_ENTRA: Auth = Auth::HeaderOrToken("api-key", "azure_ad_token");

const OPENAIS_MODELS: Quirks = Quirks {
    ignored: ParamSet::of(&[Param::SafetyIdentifier, Param::PromptCacheRetention]),
    reasoning_models: &["o1", "o3", "o4", "gpt-5"],
    metadata_with_store: true,
    // Older deployments know `system` only, newer ones take it for `developer`.
    developer: false,
    reasoning: "",
    embeddings: EmbeddingQuirks::BASE64,
    ..Quirks::NONE
};

/// A deployment is part of the path, and every request names a dated version.
const DEPLOYMENTS: Provider = Provider {
    name: "azure",
    label: "Azure OpenAI",
    chat: "/openai/deployments/{model}/chat/completions?api-version={api_version}",
    embeddings: "/openai/deployments/{model}/embeddings?api-version={api_version}",
    // Of the undated API: most dated versions that chats are configured with are older than it.
    responses: "/openai/v1/responses",
    auth: KEY_OR_ENTRA,
    key_env: &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"],
    base_env: &["AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"],
    settings: &[("api_version", "2025-02-01-preview")],
    quirks: &OPENAIS_MODELS,
    docs: for_people("https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference"),
    ..COMPATIBLE
};

/// The undated API: the deployment is the model, as at OpenAI.
/// Source: <https://learn.microsoft.com/en-us/azure/ai-foundry/openai/api-version-lifecycle>.
static UNDATED: Provider = Provider {
    base_suffix: "/openai/v1",
    chat: "/chat/completions",
    embeddings: "/embeddings",
    responses: "/responses",
    settings: &[],
    ..DEPLOYMENTS
};

/// The same with what is not final yet.
static PREVIEW: Provider = Provider {
    base_suffix: "/openai/v1",
    chat: "/chat/completions?api-version=preview",
    embeddings: "/embeddings?api-version=preview",
    responses: "/responses?api-version=preview",
    settings: &[],
    ..DEPLOYMENTS
};

/// Serverless endpoints: one model each, OpenAI's paths, a bearer key.
const FOUNDRY: Provider = Provider {
    name: "azure_ai",
    label: "Azure AI Foundry",
    key_env: &["AZURE_AI_API_KEY"],
    base_env: &["AZURE_AI_API_BASE"],
    quirks: &OLDER,
    docs: for_people("https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/concepts/endpoints"),
    ..COMPATIBLE
};

/// A resource with many models, by the model inference API. Without the header it refuses fields that it doesn't know.
/// Source: <https://learn.microsoft.com/en-us/rest/api/aifoundry/modelinference/>.
static RESOURCE: Provider = Provider {
    base_suffix: "/models",
    chat: "/chat/completions?api-version={api_version}",
    embeddings: "/embeddings?api-version={api_version}",
    auth: KEY_OR_ENTRA,
    settings: &[("api_version", "2024-05-01-preview")],
    headers: &[("extra-parameters", "pass-through")],
    ..FOUNDRY
};

/// A resource by OpenAI's undated API.
static RESOURCE_UNDATED: Provider = Provider {
    responses: "/responses",
    auth: KEY_OR_ENTRA,
    quirks: &Quirks { ignored: HINTS_BUT_USER, ..OPENAIS_MODELS },
    ..FOUNDRY
};

/// LiteLLM's words for a deployment whose name doesn't say that its model reasons.
const REASONS: &[&str] = &["o_series/", "gpt5_series/"];

/// A deployment that was marked so: every one of them reasons.
static MARKED: Provider = Provider {
    naming: Naming::Without(REASONS),
    quirks: &Quirks { reasoning_models: &[""], ..OPENAIS_MODELS },
    ..DEPLOYMENTS
};

/// Claude, in Anthropic's language.
/// Source: <https://learn.microsoft.com/en-us/azure/ai-foundry/foundry-models/how-to/use-foundry-models-claude>.
static CLAUDE: Provider = Provider {
    name: "azure_ai",
    label: "Azure AI Foundry",
    base: "",
    dialect: &dialect::anthropic::IN_FOUNDRY,
    base_suffix: "/anthropic/v1",
    auth: Auth::HeaderOrToken("x-api-key", "azure_ad_token"),
    key_env: &["AZURE_AI_API_KEY"],
    base_env: &["AZURE_AI_API_BASE"],
    ..MESSAGES
};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        instead: &[
            (When::Model(REASONS), &MARKED),
            (When::Setting("api_version", &["preview", "latest"]), &PREVIEW),
            (When::Setting("api_version", &["v1"]), &UNDATED),
            (When::Base("/openai/v1"), &UNDATED),
        ],
        ..DEPLOYMENTS
    },
    Provider {
        instead: &[
            (When::Model(&["claude"]), &CLAUDE),
            (When::Base("/openai/v1"), &RESOURCE_UNDATED),
            (When::Host(".services.ai.azure.com"), &RESOURCE),
        ],
        ..FOUNDRY
    },
];
