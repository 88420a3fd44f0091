//! What the config says of the choice among targets.

use std::collections::BTreeMap;

use dragoman_core::config::{
    CooldownConfig, MemberConfig, MirrorConfig, RoutingConfig, StickyKey, Strategy as Picked, TagMatch,
};
use dragoman_core::route::health;

use super::target::slug;
use super::{Deployment, Plan, milliseconds};
use crate::check::{Problems, Read, meant};
use crate::litellm::{ModelInfo, Strategy};

/// LiteLLM's optional checks that keep requests on a target.
const AFFINITIES: &[&str] = &["deployment_affinity", "session_affinity"];

/// What holds for the choice on every route.
pub fn routing(read: &Read, problems: &mut Problems) -> RoutingConfig {
    let router = &read.config.router_settings;
    let arguments = &router.routing_strategy_args;
    let allowed_fails = router.allowed_fails.or(read.config.litellm_settings.allowed_fails);
    let mut sticky: Vec<StickyKey> = Vec::new();
    if let Some(header) = &read.config.dragoman.sticky_header {
        sticky.push(StickyKey::Header(header.to_ascii_lowercase()));
    }
    let key = "router_settings.optional_pre_call_checks";
    sticky.extend(affinities(&router.optional_pre_call_checks, key, read, problems));
    RoutingConfig {
        strategy: match router.routing_strategy {
            None | Some(Strategy::SimpleShuffle) => Picked::Shuffle,
            Some(Strategy::LeastBusy) => Picked::LeastBusy,
            Some(Strategy::LatencyBasedRouting) => Picked::Latency,
            Some(Strategy::CostBasedRouting) => Picked::Cost,
            Some(Strategy::UsageBasedRouting | Strategy::UsageBasedRoutingV2) => Picked::Usage,
        },
        latency_ttl_ms: arguments.ttl.map(milliseconds),
        latency_buffer_percent: arguments.lowest_latency_buffer.map_or(0, percent),
        tags: router.enable_tag_filtering.then_some(match router.tag_filtering_match_any {
            Some(false) => TagMatch::All,
            _ => TagMatch::Any,
        }),
        cooldown: CooldownConfig {
            off: router.disable_cooldowns,
            ms: router.cooldown_time.map(milliseconds),
            allowed_fails,
            allowed_fails_policy: policy(
                &router.allowed_fails_policy,
                &["router_settings", "allowed_fails_policy"],
                read,
                problems,
            ),
        },
        sticky,
    }
}

/// What keeps requests of one route on a target, where the config says so of it.
pub fn sticky(name: &str, read: &Read, problems: &mut Problems) -> Option<Vec<StickyKey>> {
    let checks = read.config.router_settings.model_group_affinity_config.get(name)?;
    let key = format!("router_settings.model_group_affinity_config.{name}");
    Some(affinities(checks, &key, read, problems))
}

fn affinities(checks: &[String], key: &str, read: &Read, problems: &mut Problems) -> Vec<StickyKey> {
    let at = || read.node.place_of(&key.splitn(3, '.').collect::<Vec<_>>());
    // LiteLLM looks for a session before it looks for a user.
    let asked = |name: &str| checks.iter().any(|check| check == name);
    for check in checks.iter().filter(|check| !AFFINITIES.contains(&check.as_str())) {
        problems.strict(
            at(),
            key,
            format!("'{check}' is not honoured: Dragoman knows {}", AFFINITIES.join(", ")),
        );
    }
    let mut keys = Vec::new();
    if asked("session_affinity") {
        keys.push(StickyKey::Session);
    }
    if asked("deployment_affinity") {
        keys.push(StickyKey::User);
    }
    keys
}

fn policy(
    given: &BTreeMap<String, u32>,
    path: &[&str],
    read: &Read,
    problems: &mut Problems,
) -> BTreeMap<String, u32> {
    let known = |name: &&String| health::class_names().contains(&name.as_str());
    for name in given.keys().filter(|name| !known(name)) {
        let hint = meant(name, health::class_names().iter().copied());
        problems.error(
            read.node.place_of(path),
            &path.join("."),
            format!("'{name}' is no class of errors{hint}"),
        );
    }
    given.iter().filter(|(name, _)| known(name)).map(|(name, limit)| (name.clone(), *limit)).collect()
}

/// When a target is left alone, where its entry says so: LiteLLM reads `model_info` first.
pub fn cooldown(
    info: &ModelInfo,
    params_time: Option<f64>,
    index: usize,
    read: &Read,
    problems: &mut Problems,
) -> Option<CooldownConfig> {
    let place = index.to_string();
    let path = ["model_list", place.as_str(), "model_info", "allowed_fails_policy"];
    let own = CooldownConfig {
        off: false,
        ms: info
            .cooldown_time
            .or(params_time)
            .map(|seconds| if seconds <= 0.0 { 0 } else { milliseconds(seconds) }),
        allowed_fails: info.allowed_fails,
        allowed_fails_policy: policy(&info.allowed_fails_policy, &path, read, problems),
    };
    (own != CooldownConfig::default()).then_some(own)
}

/// Reports copies that are to go to models that aren't there, or that nobody makes.
pub fn silent_models(targets: &[Deployment], names: &[String], read: &Read, problems: &mut Problems) {
    for target in targets {
        let Some(model) = &target.silent else { continue };
        let index = target.index.to_string();
        let at = read.node.place_of(&["model_list", &index, "litellm_params", "silent_model"]);
        let key = format!("model_list[{index}].litellm_params.silent_model");
        if !names.contains(model) {
            let hint = meant(model, names.iter().map(String::as_str));
            problems.error(at, &key, format!("'{model}' is no model_name{hint}"));
        } else if problems.inline {
            problems.warning(at, &key, "is not honoured: the inline role makes no copies");
        }
    }
}

/// The targets of a model that copies go to, by the names of the clusters in which they get them.
pub fn mirrors<'p>(plan: &'p Plan, model: &str) -> Vec<(String, &'p Deployment)> {
    let route = plan.routes.iter().find(|route| route.name == model);
    let places = route.into_iter().flat_map(|route| &route.choices).map(|choice| choice.target);
    let targets = places.filter_map(|place| Some((place, plan.targets.get(place)?)));
    let name = |place, target: &Deployment| format!("dragoman_mirror_{place}_{}", slug(&target.config.id));
    targets.map(|(place, target)| (name(place, target), target)).collect()
}

/// What the choice must know of a target.
#[must_use]
pub fn member(target: &Deployment, plan: &Plan) -> MemberConfig {
    let routing = &plan.routing;
    let limits = routing.strategy != Picked::Shuffle;
    MemberConfig {
        tags: if routing.tags.is_some() { target.tags.clone() } else { Vec::new() },
        rpm: target.share.rpm.filter(|_| limits),
        tpm: target.share.tpm.filter(|_| limits),
        mirror: target.silent.as_ref().map(|model| MirrorConfig {
            clusters: mirrors(plan, model).into_iter().map(|(cluster, _)| cluster).collect(),
            percent: plan.mirror_percent,
        }),
        cooldown: target.cooldown.clone(),
        retries: target.retries,
    }
}

/// A share as percent.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn percent(share: f64) -> u64 {
    (share * 100.0).round() as u64
}
