//! LiteLLM's `config.yaml`, as far as Dragoman honours it, and the names of its other keys.
//!
//! The doc comments are the config reference: `dragoman schema` and `dragoman reference` are made from them.
//! Knows nothing of Envoy.

mod dragoman;
pub mod keys;
mod model;
mod settings;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

pub use dragoman::{Capture, Dragoman, DryRun, Otlp, Protocol, Told, Traces};
pub use model::{AwsSigner, LitellmParams, Model, ModelInfo};
pub use settings::{Alias, Fallbacks, GeneralSettings, LitellmSettings, RouterSettings, Strategy};

/// A LiteLLM `config.yaml`.
///
/// A value `os.environ/NAME` stands for the environment variable `NAME`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The models. Several entries of one `model_name` are one route with several targets.
    pub model_list: Vec<Model>,
    /// Settings of the translation.
    pub litellm_settings: LitellmSettings,
    /// Settings of the choice among targets, and of what happens when one fails.
    pub router_settings: RouterSettings,
    /// Settings of the gateway.
    pub general_settings: GeneralSettings,
    /// Settings of Dragoman's own, which LiteLLM doesn't read.
    pub dragoman: Dragoman,
    /// Environment variables that are set before anything else is read.
    /// They reach Envoy's process only.
    #[schemars(with = "BTreeMap<String, String>")]
    pub environment_variables: BTreeMap<String, Value>,
}
