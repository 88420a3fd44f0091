//! An entry of `model_list`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// One deployment of a model.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name that clients ask for.
    /// One `*` stands for any characters: `anthropic/*`, `*`.
    pub model_name: String,
    /// Where requests for it go, and how.
    pub litellm_params: LitellmParams,
    /// What is known about it.
    #[serde(default)]
    pub model_info: ModelInfo,
}

/// Where requests go, and how.
///
/// A key that is in no list of LiteLLM's is a default parameter: it is in the body of every request that leaves it open
/// (`temperature: 0.2`, `max_tokens: 4096`, a vendor's own).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct LitellmParams {
    /// `provider/model`; a bare model name where `custom_llm_provider` is given or the name itself tells the provider.
    /// A `*` takes what the `*` of `model_name` stood for.
    pub model: String,
    /// The provider, where `model` doesn't begin with it.
    #[serde(default)]
    pub custom_llm_provider: Option<String>,
    /// The provider's key: `os.environ/NAME`, or the key itself.
    /// When absent, the provider's usual variable is taken (`ANTHROPIC_API_KEY`...).
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub api_key: Option<String>,
    /// The base URL, where it isn't the provider's own.
    #[serde(default, alias = "base_url")]
    pub api_base: Option<String>,
    /// The version of the provider's API, where it has several (Azure).
    #[serde(default)]
    pub api_version: Option<String>,
    /// OpenAI's organization: the header `openai-organization`.
    #[serde(default)]
    pub organization: Option<String>,
    /// How long an attempt may take until its reply begins to flow to the client, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0.001))]
    pub timeout: Option<f64>,
    /// How long the first token of a stream may take, and how long it may fall silent after that, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0.001))]
    pub stream_timeout: Option<f64>,
    /// How often a request is tried again, on any target of its model, when this is the first that fails it; 20 at most.
    /// Stronger than `router_settings.num_retries`, weaker than the request's own and than a `retry_policy`.
    #[serde(default)]
    pub num_retries: Option<u32>,
    /// The share of the route's requests, relative to the `weight` of its other targets.
    #[serde(default)]
    pub weight: Option<u64>,
    /// Requests per minute: the share, when no target of the route has a `weight`.
    #[serde(default)]
    pub rpm: Option<u64>,
    /// Tokens per minute: the share, when no target of the route has a `weight` or an `rpm`.
    #[serde(default)]
    pub tpm: Option<u64>,
    /// The tier: targets with the lowest `order` take all requests, the others stand in when those fail or are left alone.
    #[serde(default)]
    pub order: Option<i64>,
    /// A `model_name` that gets a copy of this target's requests, once each however often they are tried. Its answers are
    /// dropped, its tokens are counted apart (`dragoman_mirrored_tokens`). `dragoman.mirror_percent` says how many of a
    /// hundred are copied. Not in the inline role.
    #[serde(default)]
    pub silent_model: Option<String>,
    /// How long the target is left alone when it fails, in seconds; 0 is never. `model_info.cooldown_time` is stronger.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub cooldown_time: Option<f64>,
    /// Leave parameters out that the provider can't express, instead of refusing the request.
    /// Stronger than `litellm_settings.drop_params`.
    #[serde(default)]
    pub drop_params: Option<bool>,
    /// Parameters that are always left out, by their names.
    #[serde(default)]
    pub additional_drop_params: Vec<String>,
    /// Parameters of OpenAI's that pass although the provider's table says it can't express them.
    #[serde(default)]
    pub allowed_openai_params: Vec<String>,
    /// Headers that every request carries.
    #[serde(default, alias = "headers")]
    #[schemars(extend("x-secret" = true))]
    pub extra_headers: BTreeMap<String, String>,
    /// Parameters for the body of every request that leaves them open.
    #[serde(default)]
    pub extra_body: BTreeMap<String, Value>,
    /// Tags of this target, where `router_settings.enable_tag_filtering` is on: only requests with one of them may use it.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Azure: a token of Entra ID, instead of a key.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub azure_ad_token: Option<String>,
    /// AWS: the access key's id.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub aws_access_key_id: Option<String>,
    /// AWS: the access key.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub aws_secret_access_key: Option<String>,
    /// AWS: the session's token.
    #[serde(default)]
    #[schemars(extend("x-secret" = true))]
    pub aws_session_token: Option<String>,
    /// AWS: the region.
    #[serde(default)]
    pub aws_region_name: Option<String>,
    /// AWS: the base URL of Bedrock's runtime, where it isn't the region's own.
    #[serde(default)]
    pub aws_bedrock_runtime_endpoint: Option<String>,
    /// AWS: who signs requests, `filter` unless said otherwise. With `envoy` they are signed with the key that Envoy's process
    /// finds where AWS's own tools look (its environment, profiles, web identities, instance metadata), by Envoy's filter
    /// `aws_request_signing`. All targets that stand in for each other must then be signed so, for one region.
    #[serde(default)]
    pub aws_signer: Option<AwsSigner>,
    /// Google Cloud: the project.
    #[serde(default, alias = "vertex_ai_project")]
    pub vertex_project: Option<String>,
    /// Google Cloud: the location.
    #[serde(default, alias = "vertex_ai_location")]
    pub vertex_location: Option<String>,
    /// Google Cloud: a service account's key, or what `gcloud auth application-default login` leaves behind: its JSON, or
    /// the path of its file. Without it, `GOOGLE_APPLICATION_CREDENTIALS` and then the machine's metadata server are asked.
    #[serde(default, alias = "vertex_ai_credentials")]
    #[schemars(extend("x-secret" = true))]
    pub vertex_credentials: Option<Value>,
    /// Everything else: default parameters.
    #[serde(flatten)]
    pub params: BTreeMap<String, Value>,
}

/// Who signs requests to AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AwsSigner {
    /// Dragoman's filter, with the target's key.
    Filter,
    /// Envoy's own filter, with its process's key.
    Envoy,
}

impl AwsSigner {
    /// As the filter's config says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Envoy => "envoy",
        }
    }
}

/// What is known about a model.
///
/// Prices of its tokens in dollars stand here too where they aren't the public ones, or in `litellm_params`, by LiteLLM's
/// names: `input_cost_per_token`, `cache_read_input_token_cost`, `output_cost_per_token_above_200k_tokens`,
/// `input_cost_per_token_flex` and their siblings. What they leave open is as in the public table.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ModelInfo {
    /// A name of the deployment, unique in the config; made from the entry when absent.
    pub id: Option<String>,
    /// How long the target is left alone when it fails, in seconds; 0 is never.
    #[schemars(range(min = 0))]
    pub cooldown_time: Option<f64>,
    /// Failures in a minute that are borne before the target is left alone; stronger than the router's.
    pub allowed_fails: Option<u32>,
    /// The same, by class of error.
    pub allowed_fails_policy: BTreeMap<String, u32>,
    /// The model's limit on output tokens: the default of `max_tokens` for providers that demand one.
    pub max_output_tokens: Option<u64>,
    /// The same, by its older name.
    #[schemars(extend("x-class" = "quiet"))]
    pub max_tokens: Option<u64>,
    /// The longest prompt that the model takes, in tokens; known for public models.
    pub max_input_tokens: Option<u64>,
    /// What the model is for (`chat`, `embedding`...).
    #[schemars(extend("x-class" = "quiet"))]
    pub mode: Option<String>,
    /// The model by which it is priced, where its own name isn't a public one: `azure/gpt-4o`.
    pub base_model: Option<String>,
    /// Prices, and notes of the config's author.
    #[serde(flatten)]
    pub rest: BTreeMap<String, Value>,
}
