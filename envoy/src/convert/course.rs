//! What is tried when an attempt fails: LiteLLM's keys for it, from both sections that have them.

use std::collections::BTreeMap;

use dragoman_core::config::{CourseConfig, DEFAULT_FALLBACKS, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS, Stands};
use dragoman_core::course::class_names;

use super::Route;
use crate::check::{Problems, Read, meant};
use crate::litellm::Fallbacks;

/// The course of every request.
pub fn course(read: &Read) -> CourseConfig {
    let (own, router) = (&read.config.litellm_settings, &read.config.router_settings);
    let list = |router: &Fallbacks, own: &Fallbacks| stands(if router.is_empty() { own } else { router });
    let mut fallbacks = list(&router.fallbacks, &own.fallbacks);
    let default =
        if router.default_fallbacks.is_empty() { &own.default_fallbacks } else { &router.default_fallbacks };
    if !default.is_empty() {
        fallbacks.entry("*".to_owned()).or_default().extend(default.iter().cloned());
    }
    CourseConfig {
        retries: router.num_retries.or(own.num_retries).unwrap_or(DEFAULT_RETRIES),
        retry_policy: router.retry_policy.clone(),
        model_retry_policy: router.model_group_retry_policy.clone(),
        retry_after_ms: router.retry_after.map_or(0, super::milliseconds),
        timeout_ms: own.request_timeout.or(router.timeout).map_or(DEFAULT_TIMEOUT_MS, super::milliseconds),
        max_fallbacks: router.max_fallbacks.unwrap_or(DEFAULT_FALLBACKS),
        fallbacks,
        context_window_fallbacks: list(&router.context_window_fallbacks, &own.context_window_fallbacks),
        content_policy_fallbacks: list(&router.content_policy_fallbacks, &own.content_policy_fallbacks),
        check_windows: router.enable_pre_call_checks,
    }
}

fn stands(lists: &Fallbacks) -> Stands {
    let mut stands = BTreeMap::new();
    for (model, instead) in lists.iter().flatten() {
        // The first list of a model is the one that LiteLLM takes.
        stands.entry(model.clone()).or_insert_with(|| instead.clone());
    }
    stands
}

/// Reports classes that no policy has, and models that are nowhere.
pub fn check(read: &Read, routes: &[Route], problems: &mut Problems) {
    let router = &read.config.router_settings;
    let policies = [("retry_policy", &router.retry_policy)];
    let by_model = router.model_group_retry_policy.iter();
    for (key, policy) in
        policies.into_iter().chain(by_model.map(|(_, policy)| ("model_group_retry_policy", policy)))
    {
        for class in policy.keys().filter(|class| !class_names().contains(&class.as_str())) {
            let hint = meant(class, class_names().iter().copied());
            let at = read.node.place_of(&["router_settings", key]);
            problems.error(at, &format!("router_settings.{key}"), format!("has no class '{class}'{hint}"));
        }
    }
    check_hedging(read, routes, problems);
    let (own, router) = (&read.config.litellm_settings, &read.config.router_settings);
    for (section, key, lists) in [
        ("litellm_settings", "fallbacks", &own.fallbacks),
        ("litellm_settings", "context_window_fallbacks", &own.context_window_fallbacks),
        ("litellm_settings", "content_policy_fallbacks", &own.content_policy_fallbacks),
        ("router_settings", "fallbacks", &router.fallbacks),
        ("router_settings", "context_window_fallbacks", &router.context_window_fallbacks),
        ("router_settings", "content_policy_fallbacks", &router.content_policy_fallbacks),
    ] {
        let named = lists
            .iter()
            .flatten()
            .flat_map(|(model, instead)| std::iter::once(model).filter(|model| *model != "*").chain(instead));
        missing(read, section, key, named, routes, problems);
    }
    missing(read, "litellm_settings", "default_fallbacks", own.default_fallbacks.iter(), routes, problems);
    missing(read, "router_settings", "default_fallbacks", router.default_fallbacks.iter(), routes, problems);
}

/// Reports a hedging that hedges nothing, and models in it that are nowhere.
fn check_hedging(read: &Read, routes: &[Route], problems: &mut Problems) {
    let Some(hedging) = &read.config.dragoman.hedging else { return };
    if hedging.first_token_after.is_none() && hedging.reply_after.is_none() {
        let at = read.node.place_of(&["dragoman", "hedging"]);
        problems.error(at, "dragoman.hedging", "says no time: write first_token_after, reply_after, or both");
    }
    missing(read, "dragoman", "hedging", hedging.models.iter().flatten(), routes, problems);
}

fn missing<'a>(
    read: &Read,
    section: &str,
    key: &str,
    named: impl Iterator<Item = &'a String>,
    routes: &[Route],
    problems: &mut Problems,
) {
    for name in named.filter(|name| !routes.iter().any(|route| serves(&route.name, name))) {
        let hint = meant(name, routes.iter().map(|route| route.name.as_str()));
        let at = read.node.place_of(&[section, key]);
        problems.warning(
            at,
            &format!("{section}.{key}"),
            format!("names '{name}', which is no model_name{hint}"),
        );
    }
}

fn serves(route: &str, name: &str) -> bool {
    match route.split_once('*') {
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        }
        None => route == name,
    }
}
