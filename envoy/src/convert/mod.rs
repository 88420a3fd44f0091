//! A LiteLLM config as what Dragoman runs: targets, routes and the settings of the gateway.
//!
//! Owns the meaning of LiteLLM's keys. Knows nothing of Envoy: [`crate::bootstrap`] renders what stands here.

mod aws;
mod clusters;
mod course;
mod google;
mod observe;
mod routes;
pub mod routing;
mod secrets;
mod target;
#[cfg(test)]
mod tests;
mod vendor;

use std::collections::BTreeMap;

use dragoman_core::config::{
    Address, CooldownConfig, CourseConfig, DEFAULT_MAX_BODY_BYTES, HedgeConfig, RoutingConfig, Setting,
    TargetConfig,
};
use dragoman_core::provider::auth::aws::Scope;

use crate::check::{self, Environment, Problems, Read};
pub use clusters::Place;
pub use observe::{Captures, Collector, Observability};
pub use routes::Route;
pub use secrets::Secrets;

/// LiteLLM's variable for the secret by which it seals what it gives to clients to keep.
const SALT: &str = "LITELLM_SALT_KEY";

/// What Dragoman runs.
#[derive(Debug)]
pub struct Plan {
    /// The targets, in the order of the config.
    pub targets: Vec<Deployment>,
    /// The routes, in the order of the config.
    pub routes: Vec<Route>,
    /// The clusters to which they lead.
    pub places: Vec<Place>,
    /// How a target is chosen.
    pub routing: RoutingConfig,
    /// How many of a hundred requests are copied where a target has its requests copied.
    pub mirror_percent: u64,
    /// The key that clients must show.
    pub master_key: Option<Setting>,
    /// What ids of stored responses are sealed with.
    pub id_secret: Option<Setting>,
    /// The largest body of a request.
    pub max_body_bytes: usize,
    /// What is tried when an attempt fails.
    pub course: CourseConfig,
    /// Whether a stream's usage tells its client what it costs.
    pub stream_cost: bool,
    /// The models whose requests pass as they are: all where it is empty.
    pub dry_run: Option<Vec<String>>,
    /// What is told of requests, and where.
    pub observe: Observability,
    /// The variables that the filter reads, and their values where Envoy's process doesn't inherit them.
    pub secrets: Secrets,
}

/// A target and what Envoy must know of it.
#[derive(Debug)]
pub struct Deployment {
    /// What the filter must know.
    pub config: TargetConfig,
    /// The cluster of its address.
    pub cluster: String,
    /// Where it is.
    pub address: Address,
    /// For what Envoy's own filter signs its requests, where ours leaves that to it.
    pub signing: Option<Scope>,
    /// How long one attempt may take until its reply's head goes to the client, in milliseconds.
    pub timeout_ms: u64,
    /// The same for a stream, whose head goes with its first token.
    pub stream_timeout_ms: u64,
    /// The weight, request and token limits by which LiteLLM shares requests out.
    pub share: Share,
    /// The tier; the lowest is tried first.
    pub order: i64,
    /// Who may use it.
    pub tags: Vec<String>,
    /// How often a request that fails at it first is repeated, where its entry says so.
    pub retries: Option<u32>,
    /// The model that gets a copy of its requests.
    pub silent: Option<String>,
    /// When it is left alone, where its entry says so.
    pub cooldown: Option<CooldownConfig>,
    /// Its entry of `model_list`.
    pub index: usize,
    /// The `provider/model` of the config.
    pub litellm_model: String,
}

/// What LiteLLM's `simple-shuffle` weighs targets by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// `weight`
    pub weight: Option<u64>,
    /// `rpm`
    pub rpm: Option<u64>,
    /// `tpm`
    pub tpm: Option<u64>,
}

/// Reads a config file and converts it; `elsewhere` when it is for another machine, whose environment isn't known here.
pub fn load(
    text: &str,
    mut environment: Environment,
    elsewhere: bool,
    problems: &mut Problems,
) -> Option<Plan> {
    let read = check::read(text, &mut environment, problems)?;
    let plan = convert(&read, &environment, problems);
    plan.secrets.report_missing(&environment, elsewhere, problems);
    Some(plan)
}

/// Converts a config; what is wrong with its meaning goes to `problems`. Incomplete when those are fatal.
fn convert(read: &Read, environment: &Environment, problems: &mut Problems) -> Plan {
    let config = &read.config;
    let mut secrets = Secrets::new(environment);
    let router = &config.router_settings;
    let course = course::course(read);
    let master_key = config.general_settings.master_key.as_deref().and_then(|value| {
        let path = ["general_settings", "master_key"];
        secrets.setting(value, read.node.place_of(&path), &path.join("."), problems)
    });
    // As LiteLLM has it: the salt where the config sets one, else the master key.
    let id_secret = match environment.own().get(SALT) {
        Some(_) => Some(secrets.variable(SALT, read.node.place_of(&["environment_variables"]), SALT)),
        None => master_key.clone(),
    };
    let defaults = target::Defaults {
        drop_params: config.litellm_settings.drop_params,
        timeout_ms: course.timeout_ms,
        stream_timeout_ms: router.stream_timeout.map(milliseconds),
    };
    let mut targets = Vec::new();
    let mut names = Vec::new();
    for (index, model) in &read.models {
        for (name, deployment) in
            target::deployments(*index, model, &defaults, &read.node, environment, &mut secrets, problems)
        {
            names.push(name);
            targets.push(deployment);
        }
    }
    target::name_them(&mut targets, &names);
    let longest = longest(&targets, course.timeout_ms);
    for target in &mut targets {
        let shorter = |own: u64| (own < longest).then_some(own);
        target.config.stream_silence_ms = shorter(target.stream_timeout_ms);
        target.config.silence_ms = shorter(target.timeout_ms);
    }
    target::distinct(&targets, &read.node, problems);
    for target in &mut targets {
        let entry = read.models.iter().find(|(index, _)| *index == target.index);
        target.cooldown = entry.and_then(|(index, model)| {
            let params_time = model.litellm_params.cooldown_time;
            routing::cooldown(&model.model_info, params_time, *index, read, problems)
        });
    }
    routing::silent_models(&targets, &names, read, problems);
    let places = clusters::places(&mut targets);
    let routes = routes::routes(read, &names, &targets, problems);
    course::check(read, &routes, problems);
    let dry_run = routes::dry_run(read, &routes, &targets, problems);
    let observe = observe::observability(read, environment, &mut secrets, problems);
    Plan {
        routes,
        places,
        targets,
        routing: routing::routing(read, problems),
        mirror_percent: config.dragoman.mirror_percent.unwrap_or(100),
        master_key,
        id_secret,
        max_body_bytes: config.general_settings.max_request_size_mb.map_or(DEFAULT_MAX_BODY_BYTES, bytes),
        course,
        dry_run,
        stream_cost: config.litellm_settings.include_cost_in_streaming_usage,
        observe,
        secrets,
    }
}

/// The longest time that any target may take, in milliseconds; `usual` is what they may unless they say otherwise.
fn longest(targets: &[Deployment], usual: u64) -> u64 {
    let timeouts = targets.iter().flat_map(|target| [target.timeout_ms, target.stream_timeout_ms]);
    timeouts.chain([usual]).max().unwrap_or_default()
}

impl Plan {
    /// Whether any route has a second target asked beside the first.
    #[must_use]
    pub fn hedges(&self) -> bool {
        self.routes.iter().any(|route| route.hedge != HedgeConfig::default())
    }

    /// The longest time that any target may take, in milliseconds.
    #[must_use]
    pub fn longest_ms(&self) -> u64 {
        longest(&self.targets, self.course.timeout_ms)
    }
}

/// Seconds as milliseconds, at least one.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn milliseconds(seconds: f64) -> u64 {
    // A float's cast saturates; Envoy's durations end at 315,576,000,000 s anyway.
    ((seconds * 1000.0).ceil() as u64).clamp(1, 315_576_000_000)
}

/// MiB as bytes.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bytes(mebibytes: f64) -> usize {
    (mebibytes * 1024.0 * 1024.0) as usize
}

/// Counts what a plan holds, for people.
#[must_use]
pub fn summary(plan: &Plan) -> String {
    let mut providers: BTreeMap<&str, usize> = BTreeMap::new();
    for target in &plan.targets {
        *providers.entry(target.config.provider.as_str()).or_default() += 1;
    }
    let models = plan.routes.iter().filter(|route| !route.hidden).count();
    let plural = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let names: Vec<&str> = providers.keys().copied().collect();
    format!("{}, {} ({})", plural(models, "model"), plural(plan.targets.len(), "target"), names.join(", "))
}
