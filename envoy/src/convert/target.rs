//! An entry of `model_list` as targets.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::config::{Setting, Target, TargetConfig};
use dragoman_core::meter::ModelInfo as MeteredModel;
use dragoman_core::provider::auth::{aws, google};
use dragoman_core::provider::{self, Auth, Provider};
use serde_json::Value;
use serde_json::value::RawValue;

use super::google::{Credential, credential};
use super::secrets::Secrets;
use super::vendor::{split, unknown};
use super::{Deployment, Share, milliseconds};
use crate::check::{Environment, Problems};
use crate::litellm::{AwsSigner, LitellmParams, Model, keys};
use crate::prices;
use crate::yaml::{Node, Place};

/// What the settings give to every target.
#[derive(Debug)]
pub struct Defaults {
    /// `litellm_settings.drop_params`
    pub drop_params: bool,
    /// How long an attempt may take.
    pub timeout_ms: u64,
    /// How long a stream's first token may take, where that differs.
    pub stream_timeout_ms: Option<u64>,
}

/// Variables that stand in for settings which the config leaves open, as the vendors' own tools read them.
const SETTINGS_ENV: &[(&str, &[&str])] = &[
    ("aws_access_key_id", &["AWS_ACCESS_KEY_ID"]),
    ("aws_secret_access_key", &["AWS_SECRET_ACCESS_KEY"]),
    ("aws_session_token", &["AWS_SESSION_TOKEN"]),
    ("aws_region_name", &["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"]),
    ("api_version", &["AZURE_API_VERSION"]),
    ("azure_ad_token", &["AZURE_AD_TOKEN"]),
    ("vertex_project", &["VERTEXAI_PROJECT", "GOOGLE_CLOUD_PROJECT"]),
    ("vertex_location", &["VERTEXAI_LOCATION", "GOOGLE_CLOUD_LOCATION"]),
];

/// The model behind an opaque id of AWS's, LiteLLM's name for it.
const BASE_MODEL: &str = "base_model";

/// Settings that are secrets.
const SECRET_SETTINGS: &[&str] =
    &["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "azure_ad_token"];

/// An entry being read: what every step needs.
struct Entry<'a> {
    index: usize,
    model: &'a Model,
    node: &'a Node,
    environment: &'a Environment,
    secrets: &'a mut Secrets,
    problems: &'a mut Problems,
}

/// The targets of an entry with the names of their routes: one, save for `model: "*"`, which is one for each provider
/// whose key is there.
pub fn deployments(
    index: usize,
    model: &Model,
    defaults: &Defaults,
    node: &Node,
    environment: &Environment,
    secrets: &mut Secrets,
    problems: &mut Problems,
) -> Vec<(String, Deployment)> {
    let mut entry = Entry { index, model, node, environment, secrets, problems };
    let name = &model.model_name;
    if name.is_empty() {
        entry.error("model_name", "is empty: write the name that clients ask for");
        return Vec::new();
    }
    if name.matches('*').count() > 1 {
        entry.error("model_name", "has more than one '*'");
        return Vec::new();
    }
    if model.litellm_params.model == "*" && model.litellm_params.custom_llm_provider.is_none() {
        return entry.every_provider(defaults);
    }
    let Some((row, upstream)) = entry.provider() else { return Vec::new() };
    if upstream.contains('*') && !name.contains('*') {
        entry.error("litellm_params.model", "has a '*', but model_name has none");
        return Vec::new();
    }
    let deployment = entry.deployment(row, upstream, name.clone(), defaults);
    deployment.map(|deployment| (name.clone(), deployment)).into_iter().collect()
}

impl Entry<'_> {
    fn key(&self, key: &str) -> String {
        format!("model_list[{}].{key}", self.index)
    }

    fn place(&self, key: &str) -> Place {
        let index = self.index.to_string();
        let mut path = vec!["model_list", index.as_str()];
        path.extend(key.split('.'));
        self.node.place_of(&path)
    }

    fn error(&mut self, key: &str, says: impl Into<String>) {
        let (at, key) = (self.place(key), self.key(key));
        self.problems.error(at, &key, says);
    }

    fn warning(&mut self, key: &str, says: impl Into<String>) {
        let (at, key) = (self.place(key), self.key(key));
        self.problems.warning(at, &key, says);
    }

    fn strict(&mut self, key: &str, says: impl Into<String>) {
        let (at, key) = (self.place(key), self.key(key));
        self.problems.strict(at, &key, says);
    }

    /// The vendor and its model.
    fn provider(&mut self) -> Option<(&'static Provider, String)> {
        let params = &self.model.litellm_params;
        let full = params.model.as_str();
        if let Some(name) = &params.custom_llm_provider {
            let Some(row) = provider::named(name) else {
                let says = unknown(name);
                self.error("litellm_params.custom_llm_provider", says);
                return None;
            };
            let model = full.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('/'));
            return Some((row, model.unwrap_or(full).to_owned()));
        }
        let found = split(full).or_else(|| provider::of_bare_model(full).map(|row| (row, full)));
        if found.is_none() {
            let says = match full.split_once('/') {
                Some((prefix, _)) => unknown(prefix),
                None => format!("'{full}' doesn't say whose model it is: write provider/{full}"),
            };
            self.error("litellm_params.model", says);
        }
        let (row, model) = found?;
        if model.is_empty() {
            self.error("litellm_params.model", format!("names no model: write {full}<model>"));
            return None;
        }
        Some((row, model.to_owned()))
    }

    /// `model: "*"`: whatever the client names, of every provider whose key is in the environment.
    fn every_provider(&mut self, defaults: &Defaults) -> Vec<(String, Deployment)> {
        let prefixed = provider::all().flat_map(|row| {
            let names = [row.name].into_iter().chain(row.aliases.iter().copied());
            names.map(move |name| (row, format!("{name}/*"), "*".to_owned()))
        });
        let bare = provider::beginnings()
            .map(|(beginning, row)| (row, format!("{beginning}*"), format!("{beginning}*")));
        let mut found = Vec::new();
        for (row, route, upstream) in prefixed.chain(bare) {
            let set = |name: &&str| self.environment.value(name).is_some();
            let signed = matches!(row.auth, Auth::SigV4 { .. }) && set(&aws::ACCESS_KEY_ID.1);
            if row.base.is_empty() || !(signed || row.key_env.iter().any(set)) {
                continue;
            }
            // A vendor that lacks more than its key is not meant.
            let mut problems = Problems::new(true);
            let mut entry = Entry { problems: &mut problems, secrets: &mut *self.secrets, ..*self };
            let deployment = entry.deployment(row, upstream, route.clone(), defaults);
            found.extend(deployment.filter(|_| !problems.fatal()).map(|deployment| (route, deployment)));
        }
        if found.is_empty() {
            self.error("litellm_params.model", "is '*', but no provider's key is in the environment");
        }
        found
    }

    fn deployment(
        &mut self,
        row: &'static Provider,
        upstream: String,
        route: String,
        defaults: &Defaults,
    ) -> Option<Deployment> {
        let (region, upstream) = match row.auth {
            Auth::SigV4 { .. } => aws_region(upstream),
            _ => (None, upstream),
        };
        let params = &self.model.litellm_params;
        let info = &self.model.model_info;
        let base_url = self.base_url(row);
        let setting =
            |name: &str| given(params).find(|(known, _)| *known == name).map(|(_, value)| value.to_owned());
        let serving = row.for_target(&upstream, base_url.as_deref().unwrap_or_default(), &setting);
        let settings = self.settings(serving, region);
        let api_key = self.api_key(serving, &settings);
        for (at, name) in params.additional_drop_params.iter().enumerate() {
            if name.contains(['.', '[']) {
                let path = format!("litellm_params.additional_drop_params.{at}");
                let says = format!("'{name}' is a path: only whole parameters can be left out");
                self.strict(&path, says);
            }
        }
        let config = TargetConfig {
            id: info.id.clone().unwrap_or_default(),
            provider: row.name.to_owned(),
            model: upstream,
            pattern: route.contains('*').then_some(route),
            base_url,
            api_key,
            headers: self.headers(),
            params: self.params(&settings),
            drop_params: params.drop_params.unwrap_or(defaults.drop_params),
            additional_drop_params: params.additional_drop_params.clone(),
            allowed_openai_params: params.allowed_openai_params.clone(),
            settings,
            max_output_tokens: info.max_output_tokens.or(info.max_tokens),
            info: None,
            cluster: String::new(),
            stream_silence_ms: None,
            silence_ms: None,
        };
        let config = TargetConfig { info: self.info(&config), ..config };
        // The filter's own check, so that nothing is rendered that the filter would refuse.
        let checked = serde_json::to_string(&config).map_err(|error| error.to_string());
        let target = match checked.and_then(|json| Target::from_json(&json)) {
            Ok(target) => target,
            Err(says) => {
                self.error("litellm_params", says);
                return None;
            }
        };
        let timeout_ms = params.timeout.map_or(defaults.timeout_ms, milliseconds);
        Some(Deployment {
            config,
            cluster: String::new(),
            signing: self.signing(&target),
            address: target.address,
            index: self.index,
            timeout_ms,
            // The target's own timeout is nearer than the router's for streams.
            stream_timeout_ms: params
                .stream_timeout
                .or(params.timeout)
                .map(milliseconds)
                .or(defaults.stream_timeout_ms)
                .unwrap_or(timeout_ms),
            share: Share { weight: params.weight, rpm: params.rpm, tpm: params.tpm },
            order: params.order.unwrap_or(i64::MAX),
            tags: params.tags.clone(),
            retries: params.num_retries,
            cooldown: None,
            silent: params.silent_model.clone(),
            litellm_model: match &params.custom_llm_provider {
                Some(name) if !params.model.starts_with(&format!("{name}/")) => {
                    format!("{name}/{}", params.model)
                }
                _ => params.model.clone(),
            },
        })
    }

    fn base_url(&self, row: &Provider) -> Option<String> {
        let params = &self.model.litellm_params;
        let given = params.api_base.clone().or_else(|| params.aws_bedrock_runtime_endpoint.clone());
        given.or_else(|| row.base_env.iter().find_map(|name| self.environment.value(name)))
    }

    fn api_key(&mut self, row: &Provider, settings: &BTreeMap<String, Setting>) -> Option<Setting> {
        if let Some(value) = &self.model.litellm_params.api_key {
            let (at, key) = (self.place("litellm_params.api_key"), self.key("litellm_params.api_key"));
            return self.secrets.setting(value, at, &key, self.problems);
        }
        if settings.get(aws::SIGNER).is_some_and(super::aws::is_envoy) {
            // A key of the service's own, meant for others, would stand where the signature goes.
            return None;
        }
        let set = row.key_env.iter().find(|name| self.environment.value(name).is_some());
        let (at, key) = (self.place("litellm_params.model"), self.key("litellm_params.model"));
        if let Some(name) = set {
            return Some(self.secrets.variable(name, at, &key));
        }
        let needed = match row.auth {
            Auth::Bearer | Auth::Header(_) => true,
            Auth::HeaderOrToken(_, token) => !settings.contains_key(token),
            Auth::SigV4 { .. } => {
                self.aws_credential(settings, at, &key);
                false
            }
            // Without a token of the config's own there is a credential, or the machine's metadata server.
            Auth::None | Auth::Google => false,
        };
        // A vendor's API at another address is a server of one's own.
        let own_server = !row.base.is_empty() && self.model.litellm_params.api_base.is_some();
        if !needed || row.quirks.key_optional || own_server {
            return None;
        }
        match row.key_env.first() {
            // Named as if it were there: the missing ones are reported together.
            Some(name) => Some(self.secrets.variable(name, at, &key)),
            None => {
                self.warning("litellm_params", "has no api_key: requests go without one");
                None
            }
        }
    }

    /// The variables that the filter reads where the config gives no AWS key.
    fn aws_credential(&mut self, settings: &BTreeMap<String, Setting>, at: Place, key: &str) {
        let own_key = settings.contains_key(aws::ACCESS_KEY_ID.0);
        for (setting, variable) in aws::CREDENTIAL {
            let optional = setting == aws::SESSION_TOKEN.0;
            let absent = optional && (own_key || self.environment.value(variable).is_none());
            if !absent && !settings.contains_key(setting) {
                self.secrets.variable(variable, at, key);
            }
        }
    }

    /// What Envoy's own filter signs for, if the target leaves that to it.
    fn signing(&mut self, target: &Target) -> Option<aws::Scope> {
        let Ok(signing) = aws::Scope::for_envoy(target) else {
            self.error(
                "litellm_params.aws_signer",
                "is 'envoy', which must know the region: give aws_region_name",
            );
            return None;
        };
        if signing.is_some() {
            for name in super::aws::keys(&self.model.litellm_params) {
                let says = "is never read by Envoy, which signs with its process's own key: remove it, or aws_signer";
                self.error(&format!("litellm_params.{name}"), says);
            }
        }
        signing
    }

    /// The credential for which the filter gets tokens of Google's, unless Envoy gives them.
    fn google_credential(&mut self, settings: &mut BTreeMap<String, Setting>) {
        let params = &self.model.litellm_params;
        let source = params.params.get(google::TOKEN_SOURCE).and_then(Value::as_str);
        if params.api_key.is_some() || source == Some("envoy") {
            return;
        }
        let (at, key) =
            (self.place("litellm_params.vertex_credentials"), self.key("litellm_params.vertex_credentials"));
        let found = match credential(params.vertex_credentials.as_ref(), self.environment) {
            Ok(Some(Credential::Variable(name))) => Some(self.secrets.variable(&name, at, &key)),
            Ok(Some(Credential::Json(json))) => self.secrets.setting(&json, at, &key, self.problems),
            Ok(None) => None,
            Err(says) => {
                self.error("litellm_params.vertex_credentials", says);
                None
            }
        };
        settings.extend(found.map(|setting| (google::CREDENTIALS.to_owned(), setting)));
    }

    fn headers(&mut self) -> BTreeMap<String, Setting> {
        let params = &self.model.litellm_params;
        let mut headers = BTreeMap::new();
        if let Some(organization) = &params.organization {
            headers.insert("openai-organization".to_owned(), Setting::Plain(organization.clone()));
        }
        for (name, value) in &params.extra_headers {
            let path = format!("litellm_params.extra_headers.{name}");
            let name = name.to_ascii_lowercase();
            if name.is_empty()
                || !name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
            {
                self.error(&path, "is no header name");
                continue;
            }
            if value.contains(['\r', '\n', '\0']) {
                self.error(&path, "must not hold line breaks");
                continue;
            }
            if !is_secret_header(&name) && crate::check::environment::reference(value).is_none() {
                headers.insert(name, Setting::Plain(value.clone()));
                continue;
            }
            let (at, key) = (self.place(&path), self.key(&path));
            if let Some(setting) = self.secrets.setting(value, at, &key, self.problems) {
                headers.insert(name, setting);
            }
        }
        headers
    }

    fn params(&self, settings: &BTreeMap<String, Setting>) -> BTreeMap<String, Box<RawValue>> {
        let params = &self.model.litellm_params;
        let mut raw = BTreeMap::new();
        let own = |name: &str| settings.contains_key(name) || names_price(name) || name == BASE_MODEL;
        let defaults = params.params.iter().filter(|(name, _)| !own(name));
        for (name, value) in params.extra_body.iter().chain(defaults) {
            if let Ok(value) = serde_json::value::to_raw_value(value) {
                raw.insert(name.clone(), value);
            }
        }
        raw
    }

    /// What is known about the model: by the public table, and by the config, which is stronger.
    fn info(&mut self, target: &TargetConfig) -> Option<MeteredModel> {
        let (params, info) = (&self.model.litellm_params.params, &self.model.model_info);
        let mut given = BTreeMap::new();
        let mut others = Vec::new();
        for (section, values) in [("model_info", &info.rest), ("litellm_params", params)] {
            for (name, value) in values.iter().filter(|(name, _)| names_price(name)) {
                if prices::is_price(name) {
                    given.insert(name.as_str(), value.clone());
                } else {
                    others.push(format!("{section}.{name}"));
                }
            }
        }
        given.extend(info.max_input_tokens.map(|limit| ("max_input_tokens", Value::from(limit))));
        for key in others {
            self.warning(&key, format!("is ignored: {}", keys::PRICES));
        }
        let base = params.get(BASE_MODEL).and_then(Value::as_str).or(info.base_model.as_deref());
        prices::of_target(target, base, &given)
    }

    fn settings(&mut self, row: &Provider, region: Option<String>) -> BTreeMap<String, Setting> {
        let params = &self.model.litellm_params;
        let mut settings = BTreeMap::new();
        for (name, value) in given(params) {
            if !SECRET_SETTINGS.contains(&name) {
                settings.insert(name.to_owned(), Setting::Plain(value.to_owned()));
                continue;
            }
            let path = format!("litellm_params.{name}");
            let (at, key) = (self.place(&path), self.key(&path));
            if let Some(setting) = self.secrets.setting(value, at, &key, self.problems) {
                settings.insert(name.to_owned(), setting);
            }
        }
        if let Some(region) = region {
            settings.entry(aws::REGION.to_owned()).or_insert(Setting::Plain(region));
        }
        // What stands behind an opaque id decides how the model is asked.
        let base_model = params.params.get(BASE_MODEL).and_then(Value::as_str);
        let base_model = base_model.or(self.model.model_info.base_model.as_deref());
        if let (Auth::SigV4 { .. }, Some(model)) = (row.auth, base_model) {
            settings.insert(BASE_MODEL.to_owned(), Setting::Plain(model.to_owned()));
        }
        if row.auth == Auth::Google {
            self.google_credential(&mut settings);
        }
        let signed = matches!(row.auth, Auth::SigV4 { .. });
        if let (true, Some(signer)) = (signed, params.aws_signer) {
            settings.insert(aws::SIGNER.to_owned(), Setting::Plain(signer.name().to_owned()));
        }
        let envoys = signed && params.aws_signer == Some(AwsSigner::Envoy);
        for (name, _) in row.settings {
            if settings.contains_key(*name) || (envoys && SECRET_SETTINGS.contains(name)) {
                continue;
            }
            // A setting of this vendor's alone (`cloudflare_account_id`).
            if let Some(value) = params.params.get(*name).and_then(Value::as_str) {
                settings.insert((*name).to_owned(), Setting::Plain(value.to_owned()));
                continue;
            }
            let usual = [name.to_ascii_uppercase()];
            // Azure OpenAI's version is nobody else's, though others have a setting of that name.
            let foreign = *name == "api_version" && row.name != "azure";
            let known = SETTINGS_ENV.iter().find(|(known, _)| known == name && !foreign);
            let known = known.map(|(_, variables)| *variables);
            let mut variables = usual.iter().map(String::as_str).chain(known.into_iter().flatten().copied());
            let Some(variable) = variables.find(|variable| self.environment.value(variable).is_some()) else {
                continue;
            };
            let setting = if SECRET_SETTINGS.contains(name) {
                let (at, key) = (self.place("litellm_params.model"), self.key("litellm_params.model"));
                self.secrets.variable(variable, at, &key)
            } else {
                Setting::Plain(self.environment.value(variable).unwrap_or_default())
            };
            settings.insert((*name).to_owned(), setting);
        }
        settings
    }
}

/// Whether a key is a price: all of LiteLLM's have "cost" in their names but one.
fn names_price(key: &str) -> bool {
    key.contains("cost") || key == "tiered_pricing"
}

/// The settings that an entry gives, by LiteLLM's names.
fn given(params: &LitellmParams) -> impl Iterator<Item = (&'static str, &str)> {
    [
        ("api_version", &params.api_version),
        ("azure_ad_token", &params.azure_ad_token),
        ("aws_access_key_id", &params.aws_access_key_id),
        ("aws_secret_access_key", &params.aws_secret_access_key),
        ("aws_session_token", &params.aws_session_token),
        ("aws_region_name", &params.aws_region_name),
        ("vertex_project", &params.vertex_project),
        ("vertex_location", &params.vertex_location),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.as_deref().map(|value| (name, value)))
}

/// The region that a model's name tells, as LiteLLM reads it (`us-west-2/anthropic.claude-v2`, an ARN's), and the model.
fn aws_region(model: String) -> (Option<String>, String) {
    let is_region = |word: &str| {
        word.matches('-').count() >= 2
            && word.ends_with(|last: char| last.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    if let Some((first, rest)) = model.split_once('/')
        && is_region(first)
    {
        return (Some(first.to_owned()), rest.to_owned());
    }
    let of_arn = model.starts_with("arn:").then(|| model.split(':').nth(3)).flatten();
    (of_arn.filter(|region| is_region(region)).map(str::to_owned), model)
}

fn is_secret_header(name: &str) -> bool {
    const PARTS: [&str; 7] = ["auth", "key", "token", "secret", "cookie", "password", "credential"];
    PARTS.iter().any(|part| name.contains(part))
}

/// Gives targets without an `id` one that stays the same as long as their entry does.
pub fn name_them(targets: &mut [Deployment], names: &[String]) {
    let mut taken: BTreeSet<String> = targets.iter().map(|target| target.config.id.clone()).collect();
    for (target, name) in targets.iter_mut().zip(names) {
        if !target.config.id.is_empty() {
            continue;
        }
        let config = &target.config;
        let base = config.base_url.as_deref().unwrap_or_default();
        // No secret goes into the hash: it is shown to clients.
        let hash = fnv1a(&[name, &config.provider, &config.model, base]);
        let stem = if config.model.contains('*') { &config.provider } else { &config.model };
        target.config.id = fresh(&mut taken, &format!("{}-{:08x}", slug(stem), hash >> 32));
    }
}

/// `stem`, with a number behind it where it is taken.
pub fn fresh(taken: &mut BTreeSet<String>, stem: &str) -> String {
    let mut name = stem.to_owned();
    let mut count = 1;
    while !taken.insert(name.clone()) {
        count += 1;
        name = format!("{stem}-{count}");
    }
    name
}

/// Reports names that stand for several targets.
pub fn distinct(targets: &[Deployment], node: &Node, problems: &mut Problems) {
    let mut taken = BTreeSet::new();
    for target in targets {
        if !taken.insert(&target.config.id) {
            let at = node.place_of(&["model_list", &target.index.to_string(), "model_info", "id"]);
            let key = format!("model_list[{}].model_info.id", target.index);
            problems.error(at, &key, format!("'{}' is another target's already", target.config.id));
        }
    }
}

/// A name in letters, digits, dashes and underscores.
pub fn slug(name: &str) -> String {
    let slug: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    slug.trim_matches('-').to_owned()
}

/// FNV-1a, which stays the same from one build to the next.
fn fnv1a(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes().chain([0]))
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}
