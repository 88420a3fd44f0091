//! The filter's own configuration: what the command renders into Envoy's plugin config and endpoint metadata.
//!
//! Raw types are what JSON says ([`PluginConfig`], [`TargetConfig`]); checked ones ([`Gateway`], [`Target`]) are what the
//! rest of the core works with. Nothing here reads LiteLLM's YAML: that is the command's.

mod address;
mod course;
mod routing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Formatter};
use std::rc::Rc;

use serde::de::{self, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::json::{Cursor, FromJson, Json};
use crate::meter::ModelInfo;
use crate::provider::{self, Auth, Provider, When};
pub use address::Address;
use address::{fill, settings_in_query, whole_base};
pub use course::{CourseConfig, DEFAULT_FALLBACKS, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, Stands};
use routing::is_default;
pub use routing::{
    CooldownConfig, HedgeConfig, MemberConfig, MirrorConfig, RouteConfig, RouteTargetConfig, RoutingConfig,
    StickyKey, Strategy, TagMatch,
};

/// The largest request body that is accepted unless the config says otherwise, in bytes.
pub const DEFAULT_MAX_BODY_BYTES: usize = 32 * 1024 * 1024;

/// The metadata namespace, on endpoints: under the key `target` stands the JSON of a [`TargetConfig`], where the endpoint
/// is one target's alone; under `address` the [`Address::origin`] that several targets share.
pub const METADATA_NAMESPACE: &str = "dragoman";

/// The request header by which the gateway role tells Envoy's router the cluster. Clients can't set it.
pub const CLUSTER_HEADER: &str = "x-dragoman-cluster";

/// How often Envoy lets a request begin anew: far more than the course of one takes.
pub const MAX_TURNS: u32 = 500;

/// The header of a reply that begins its request anew: the secret by which the gateway knows the stream again.
pub const AGAIN_HEADER: &str = "x-dragoman-again";

/// The header by which a trace goes on. <https://www.w3.org/TR/trace-context/#traceparent-header>
pub const TRACEPARENT: &str = "traceparent";

/// The header of a reply after which Envoy tries again: in how many seconds.
pub const WAIT_HEADER: &str = "x-dragoman-wait";

/// The header by which the tail shows itself in its replies, and its key in endpoint metadata.
pub const TAIL_HEADER: &str = "x-dragoman-tail";
/// See [`TAIL_HEADER`].
pub const TAIL_KEY: &str = "tail";

/// The request header by which the gateway role tells Envoy's router the cluster that gets a copy. Clients can't set it.
pub const MIRROR_HEADER: &str = "x-dragoman-mirror";

/// The request header that tells a copy what it asks for. Clients can't set it.
pub const MIRROR_FOR_HEADER: &str = "x-dragoman-mirror-for";

/// A value that stands in the config or in an environment variable of Envoy's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Setting {
    /// The value of this environment variable. Secrets are always given so.
    Env {
        /// The variable's name.
        env: String,
    },
    /// The value itself.
    Plain(String),
}

impl Setting {
    /// The value; `env` looks variables up.
    #[must_use]
    pub fn value(&self, env: &dyn Fn(&str) -> Option<String>) -> Option<String> {
        match self {
            Self::Env { env: name } => env(name).filter(|value| !value.is_empty()),
            Self::Plain(value) => Some(value.clone()),
        }
    }
}

/// By hand, as serde's own readers of untagged shapes keep every value that they look at, at 8 KB of wasm.
impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Setting;

            fn expecting(&self, out: &mut Formatter<'_>) -> fmt::Result {
                out.write_str("a string, or {\"env\": the name of an environment variable}")
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Setting, E> {
                Ok(Setting::Plain(value.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Setting, A::Error> {
                let first = map.next_entry::<Cow<'_, str>, String>()?;
                match (first, map.next_key::<IgnoredAny>()?) {
                    (Some((key, env)), None) if key == "env" => Ok(Setting::Env { env }),
                    _ => Err(de::Error::invalid_type(Unexpected::Map, &self)),
                }
            }
        }
        input.deserialize_any(Either)
    }
}

/// Which part of the work a plugin instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// On the listener: authenticates, names the route, picks the target.
    Gateway,
    /// On clusters: translates each attempt.
    Upstream,
    /// Both, on a listener whose clusters can't be changed.
    Inline,
    /// On clusters that get copies of requests: translates each, and counts it apart.
    Mirror,
    /// Neither: lets everything through.
    Off,
}

/// The JSON of a plugin's configuration.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginConfig {
    /// Which part of the work.
    pub role: Role,
    /// Whether a reply's head may be held until its first event is known, and turned then (Envoy 1.37 and later). Of the
    /// gateway role: whether attempts may, as they must where several prompts are asked for one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hold_heads: bool,
    /// Whether attempts take the body from the gateway's memory instead of reading it from Envoy again. Only where no
    /// filter between the two roles changes bodies.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub share_bodies: bool,
    /// Whether attempts take the target that the gateway has left, instead of the one in the metadata of the
    /// endpoint that Envoy has picked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub share_targets: bool,
    /// What access logs and traces are told; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observe: Option<Observe>,
    /// How much they are told of a prompt and of an answer, in bytes; nothing of either when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<usize>,
    /// What they are not told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redact: Vec<String>,
    /// The key that clients must show; none lets everybody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_key: Option<Setting>,
    /// The secret that ids of stored responses are sealed with. Without it, ids tell which target keeps a response, but anyone could make one up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_secret: Option<Setting>,
    /// The largest request body, in bytes.
    #[serde(default = "default_max_body_bytes", skip_serializing_if = "is_default_max_body_bytes")]
    pub max_body_bytes: usize,
    /// The targets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<TargetConfig>,
    /// The routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteConfig>,
    /// What is tried when an attempt fails.
    #[serde(default, skip_serializing_if = "is_default")]
    pub course: CourseConfig,
    /// What is known about models that targets with a `*` can come to serve: by the provider's row and the model's name
    /// as it is sent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub models: BTreeMap<String, BTreeMap<String, ModelInfo>>,
    /// Whether a stream's usage tells its client what it costs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream_cost: bool,
    /// The routes whose requests pass as they are, while what would become of them is only counted and logged; all requests
    /// do where it is empty, none where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<Vec<String>>,
    /// How a target is chosen.
    #[serde(default, skip_serializing_if = "is_default")]
    pub routing: RoutingConfig,
}

/// What access logs and traces are told. Each attribute costs a host call, so a gateway without either sets none.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// Whether there are traces: Envoy ends a span before the filter's last callback, so they must be told earlier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub traces: bool,
    /// Whether what begins anew goes on in the same trace: from Envoy 1.39 on it has a trace of its own, or none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_trace: bool,
}

const fn default_max_body_bytes() -> usize {
    DEFAULT_MAX_BODY_BYTES
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_default_max_body_bytes(bytes: &usize) -> bool {
    *bytes == DEFAULT_MAX_BODY_BYTES
}

/// One deployment: a model of a provider's, at an address, with a credential.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// A stable name, unique in the config.
    pub id: String,
    /// The provider's row.
    pub provider: String,
    /// The upstream model; a `*` takes what the route's `*` stood for.
    pub model: String,
    /// The route's name where it has a `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The base URL; the row's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Setting>,
    /// Headers that requests carry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Setting>,
    /// Parameters for requests that leave them open.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Box<RawValue>>,
    /// Whether parameters that the target can't express are left out instead of refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_params: bool,
    /// Parameters that are always left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub additional_drop_params: Vec<String>,
    /// Parameters that pass although the table says that the target can't express them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_openai_params: Vec<String>,
    /// What the row's templates and credentials need beyond the key, by LiteLLM's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
    /// The model's limit on output tokens, for providers that demand one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// What is known about the model. The gateway's alone: endpoints carry none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<ModelInfo>,
    /// The cluster that holds its address alone, for requests that pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// How long a stream may say nothing, in milliseconds, where that is less than Envoy allows all targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_silence_ms: Option<u64>,
    /// The same for the rest of a whole reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
}

/// A checked target.
#[derive(Debug)]
pub struct Target {
    /// A stable name.
    pub id: String,
    /// The provider's row.
    pub provider: &'static Provider,
    /// The upstream model; may hold a `*`.
    pub model: String,
    /// The route's name where it has a `*`.
    pub pattern: Option<String>,
    /// Where it is.
    pub address: Address,
    /// The credential.
    pub api_key: Option<Setting>,
    /// Headers that requests carry.
    pub headers: Vec<(String, Setting)>,
    /// Parameters for requests that leave them open: name, JSON text.
    pub params: Vec<(String, String)>,
    /// Whether parameters that the target can't express are left out.
    pub drop_params: bool,
    /// Parameters that are always left out.
    pub additional_drop_params: Vec<String>,
    /// Parameters that pass although the table says otherwise.
    pub allowed_openai_params: Vec<String>,
    /// Settings by LiteLLM's names, the row's defaults included.
    pub settings: BTreeMap<String, Setting>,
    /// The model's limit on output tokens.
    pub max_output_tokens: Option<u64>,
    /// What is known about the model, where the gateway asks.
    pub info: Option<Rc<ModelInfo>>,
    /// The cluster that holds its address alone, for requests that pass.
    pub cluster: String,
    /// How long a stream may say nothing, in milliseconds, where that is less than Envoy allows all targets.
    pub stream_silence_ms: Option<u64>,
    /// The same for the rest of a whole reply.
    pub silence_ms: Option<u64>,
    /// Where the target takes any model: the beginnings of those that its vendor serves by another row, as that row's
    /// target.
    pub by_model: Vec<(&'static [&'static str], Rc<Self>)>,
}

impl Target {
    /// Checks a raw target.
    ///
    /// # Errors
    /// What is wrong with it, for the config's author.
    pub fn check(raw: TargetConfig) -> Result<Self, String> {
        let named = provider::named(&raw.provider)
            .ok_or_else(|| format!("'{}' is no provider that Dragoman knows", raw.provider))?;
        let given = |name: &str| match raw.settings.get(name) {
            Some(Setting::Plain(value)) => Some(value.clone()),
            _ => None,
        };
        // An id that tells nothing may have the model behind it told beside it.
        let base_model = given("base_model");
        let model = base_model.as_deref().map_or(&*raw.model, |model| model.trim_start_matches("bedrock/"));
        let row = named.for_target(model, raw.base_url.as_deref().unwrap_or_default(), &given);
        let mut by_model = Vec::new();
        if raw.model.contains('*') {
            for (when, other) in named.instead {
                if let When::Model(beginnings) = when {
                    by_model.push((*beginnings, Rc::new(Self::of_row(raw.clone(), other)?)));
                }
            }
        }
        Ok(Self { by_model, ..Self::of_row(raw, row)? })
    }

    fn of_row(raw: TargetConfig, provider: &'static Provider) -> Result<Self, String> {
        let mut settings: BTreeMap<String, Setting> = provider
            .settings
            .iter()
            .filter(|(_, default)| !default.is_empty())
            .map(|(name, default)| ((*name).to_owned(), Setting::Plain((*default).to_owned())))
            .collect();
        let queried = raw.base_url.as_deref().map(|url| settings_in_query(url, provider.chat));
        settings.extend(queried.into_iter().flatten());
        settings.extend(raw.settings);
        let mut base = match raw.base_url {
            Some(url) => whole_base(&url, provider),
            None if provider.base.is_empty() => {
                return Err(format!("{} needs an api_base", provider.label));
            }
            None => {
                let fits = |(name, value, _): &&(&str, &str, &str)| match settings.get(*name) {
                    Some(Setting::Plain(given)) => given == value,
                    _ => false,
                };
                provider.bases.iter().find(fits).map_or(provider.base, |(.., base)| base).to_owned()
            }
        };
        base = fill(&base, &settings)?;
        let mut params = Vec::new();
        for (name, value) in raw.params {
            let text = value.get().to_owned();
            Json::from_json(&mut Cursor::new(&text))
                .map_err(|invalid| format!("params.{name}: {invalid}"))?;
            params.push((name, text));
        }
        if raw.api_key.is_none()
            && provider.auth != Auth::None
            && !provider.quirks.key_optional
            && !provider.key_env.is_empty()
        {
            log::debug!("target {}: no api_key, requests go without", raw.id);
        }
        Ok(Self {
            id: raw.id,
            provider,
            model: raw.model,
            pattern: raw.pattern,
            address: Address::parse(&base)?,
            api_key: raw.api_key,
            headers: raw.headers.into_iter().collect(),
            params,
            drop_params: raw.drop_params,
            additional_drop_params: raw.additional_drop_params,
            allowed_openai_params: raw.allowed_openai_params,
            settings,
            max_output_tokens: raw.max_output_tokens,
            info: raw.info.map(Rc::new),
            cluster: raw.cluster,
            stream_silence_ms: raw.stream_silence_ms,
            silence_ms: raw.silence_ms,
            by_model: Vec::new(),
        })
    }

    /// Reads a target from its JSON, as endpoint metadata carries it.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let raw: TargetConfig = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Self::check(raw)
    }

    /// The upstream model for a request that asked for `asked`: this target's own, its `*` filled with what the route's
    /// `*` stood for, as the vendor knows it.
    #[must_use]
    pub fn model_for(&self, asked: &str) -> String {
        self.provider.naming.apply(&self.filled(asked)).into_owned()
    }

    /// The target for a request that asked for `asked`: this one, or the one that serves such models in its place.
    #[must_use]
    pub fn serving(target: &Rc<Self>, asked: &str) -> Rc<Self> {
        if target.by_model.is_empty() {
            return Rc::clone(target);
        }
        let model = target.filled(asked);
        let other = target.by_model.iter().find(|(beginnings, _)| provider::begins(&model, beginnings));
        Rc::clone(other.map_or(target, |(_, other)| other))
    }

    /// Whether it is asked for whichever model the client names.
    #[must_use]
    pub fn any_model(&self) -> bool {
        self.model.contains('*')
    }

    fn filled(&self, asked: &str) -> Cow<'_, str> {
        if !self.any_model() {
            return Cow::Borrowed(&self.model);
        }
        let pattern = self.pattern.as_deref().unwrap_or("*");
        let captured = match pattern.split_once('*') {
            Some((head, tail)) => {
                asked.strip_prefix(head).and_then(|rest| rest.strip_suffix(tail)).unwrap_or(asked)
            }
            None => asked,
        };
        Cow::Owned(self.model.replacen('*', captured, 1))
    }

    /// A setting's value in the config itself; `None` when it is absent or in the environment.
    #[must_use]
    pub fn plain_setting(&self, name: &str) -> Option<&str> {
        match self.settings.get(name) {
            Some(Setting::Plain(value)) => Some(value),
            _ => None,
        }
    }
}

impl PluginConfig {
    /// A config of the given role and nothing else.
    #[must_use]
    pub fn of(role: Role) -> Self {
        Self {
            role,
            hold_heads: false,
            share_bodies: false,
            share_targets: false,
            observe: None,
            capture: None,
            redact: Vec::new(),
            master_key: None,
            id_secret: None,
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            targets: Vec::new(),
            routes: Vec::new(),
            course: CourseConfig::default(),
            models: BTreeMap::new(),
            stream_cost: false,
            dry_run: None,
            routing: RoutingConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_a_string_or_names_a_variable() {
        let read = |json: &str| serde_json::from_str::<Setting>(json).map_err(|error| error.to_string());
        assert_eq!(read(r#""a\n""#), Ok(Setting::Plain("a\n".to_owned())));
        assert_eq!(read(r#"{"\u0065nv":"A_KEY"}"#), Ok(Setting::Env { env: "A_KEY".to_owned() }));
        for wrong in ["5", "null", "[]", "{}", r#"{"key":"A"}"#, r#"{"env":"A","b":"c"}"#] {
            let why = read(wrong).unwrap_err();
            assert!(why.contains("expected a string, or {\"env\": the name of"), "{wrong}: {why}");
        }
    }

    #[test]
    fn a_base_in_any_of_its_spellings_means_the_same() {
        for base in ["http://h:1/v1", "http://h:1/v1/", "http://h:1/v1/chat/completions"] {
            let json = format!(r#"{{"id":"t","provider":"openai","model":"m","base_url":"{base}"}}"#);
            assert_eq!(Target::from_json(&json).unwrap().address.path, "/v1");
        }
    }

    #[test]
    fn a_base_may_say_which_language_its_vendor_speaks() {
        let row = |provider: &str, base: &str| {
            let json = format!(r#"{{"id":"t","provider":"{provider}","model":"m","base_url":"{base}"}}"#);
            let target = Target::from_json(&json).unwrap();
            (target.provider.name, target.address.path)
        };
        assert_eq!(row("ollama_chat", "http://h:11434/"), ("ollama", String::new()));
        assert_eq!(row("ollama", "http://h:11434/api/chat"), ("ollama", String::new()));
        for base in ["http://h:11434/v1", "http://h:11434/v1/", "http://h:11434/v1/chat/completions"] {
            assert_eq!(row("ollama_chat", base), ("ollama_openai", "/v1".to_owned()), "{base}");
        }
        let compatible = "https://api.cohere.ai/compatibility/v1";
        assert_eq!(row("cohere", compatible), ("cohere_openai", "/compatibility/v1".to_owned()));
        assert_eq!(row("cohere_chat", "https://api.cohere.com"), ("cohere", "/v2".to_owned()));
        assert_eq!(row("cohere", "https://api.cohere.com/v2/chat"), ("cohere", "/v2".to_owned()));
        assert_eq!(row("mistral", "https://api.mistral.ai"), ("mistral", "/v1".to_owned()));
    }

    #[test]
    fn one_vendor_may_have_several_languages_and_addresses() {
        let target = |provider: &str, base: &str, version: &str| {
            let settings =
                if version.is_empty() { String::new() } else { format!(r#""api_version":"{version}""#) };
            Target::from_json(&format!(
                r#"{{"id":"t","provider":"{provider}","model":"m","base_url":"{base}","settings":{{{settings}}}}}"#
            ))
            .unwrap()
        };
        let azure = |base: &str, version: &str| {
            let target = target("azure", base, version);
            let path = target.provider.chat.split('?').next().unwrap_or_default();
            format!("{}{path}", target.address.path)
        };
        let deployment = "/openai/deployments/{model}/chat/completions";
        let host = "https://x.openai.azure.com";
        for base in
            ["", "/", "/openai/deployments", "/openai/deployments/m/chat/completions?api-version=2024-10-21"]
        {
            assert_eq!(azure(&format!("{host}{base}"), ""), deployment, "{base}");
            assert_eq!(azure(&format!("{host}{base}"), "2024-10-21"), deployment, "{base}");
        }
        let whole = format!("{host}/openai/deployments/m/chat/completions?api-version=2024-10-21");
        assert_eq!(target("azure", &whole, "").plain_setting("api_version"), Some("2024-10-21"));
        assert_eq!(target("azure", &whole, "2025-01-01").plain_setting("api_version"), Some("2025-01-01"));
        assert_eq!(target("azure", host, "").plain_setting("api_version"), Some("2025-02-01-preview"));
        for base in ["", "/openai", "/openai/v1", "/openai/v1/chat/completions"] {
            let target = target("azure", &format!("{host}{base}"), "v1");
            assert_eq!(target.address.path, "/openai/v1", "{base}");
        }
        for (base, version) in [
            ("", "v1"),
            ("", "preview"),
            ("/openai/v1", ""),
            ("/openai/v1/", "latest"),
            ("/openai/v1/chat/completions", ""),
        ] {
            assert_eq!(
                azure(&format!("{host}{base}"), version),
                "/openai/v1/chat/completions",
                "{base} {version}"
            );
        }
    }

    #[test]
    fn a_star_may_stand_for_models_of_another_language() {
        let target = Target::from_json(
            r#"{"id":"t","provider":"azure_ai","model":"*","pattern":"f/*","base_url":"https://r.services.ai.azure.com"}"#,
        );
        let target = Rc::new(target.unwrap());
        assert_eq!(Target::serving(&target, "f/grok-4").address.path, "/models");
        let claude = Target::serving(&target, "f/claude-sonnet-4-5");
        assert_eq!((claude.address.path.as_str(), claude.id.as_str()), ("/anthropic/v1", "t"));
        assert_eq!(claude.model_for("f/claude-sonnet-4-5"), "claude-sonnet-4-5");
    }

    #[test]
    fn a_star_is_filled_with_what_the_route_left_open() {
        let json = r#"{"id":"t","provider":"openai","model":"*-latest","pattern":"x/*"}"#;
        let target = Target::from_json(json).unwrap();
        assert_eq!(target.model_for("x/gpt-4o"), "gpt-4o-latest");
        assert_eq!(target.model_for("gpt-4o"), "gpt-4o-latest");
    }
}
