//! The names that clients ask for, and the targets behind them.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::config::{HedgeConfig, StickyKey};

use super::{Deployment, Share, milliseconds, routing};
use crate::check::{Problems, Read, meant};
use crate::litellm::{Alias, DryRun};

/// A name that clients ask for.
#[derive(Debug)]
pub struct Route {
    /// The name; may hold a `*`.
    pub name: String,
    /// Whether the list of models leaves it out.
    pub hidden: bool,
    /// What keeps requests on one target, where that isn't as on other routes.
    pub sticky: Option<Vec<StickyKey>>,
    /// When a second target is asked beside the first.
    pub hedge: HedgeConfig,
    /// What can be tried.
    pub choices: Vec<Choice>,
}

/// A target of a route.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The target, by its index in the plan.
    pub target: usize,
    /// Its share of the requests, among its tier's.
    pub weight: u64,
    /// Its tier, from 0.
    pub order: i64,
}

/// The routes of a config whose `targets` belong to the routes called `names`.
pub fn routes(read: &Read, names: &[String], targets: &[Deployment], problems: &mut Problems) -> Vec<Route> {
    let mut groups: Vec<(&str, bool, Vec<usize>)> = Vec::new();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, name) in names.iter().enumerate() {
        let at = *index.entry(name).or_insert_with(|| {
            groups.push((name, false, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, _, members)) = groups.get_mut(at) {
            members.push(target);
        }
    }
    aliases(read, &mut groups, &mut index, problems);
    unknown_groups(read, &index, targets, problems);
    deployments(targets, &mut groups);
    let none = BTreeMap::new();
    groups
        .into_iter()
        .map(|(name, hidden, members)| {
            let weights = read.config.router_settings.weights.get(name).unwrap_or(&none);
            let deployments = members.iter().filter_map(|target| targets.get(*target)).collect();
            let group = Members { members: &members, deployments, weights };
            Route {
                choices: group.choices(),
                name: name.to_owned(),
                hidden,
                sticky: routing::sticky(name, read, problems),
                hedge: hedge(name, read),
            }
        })
        .collect()
}

/// The routes whose requests pass as they are: all where none is named.
pub fn dry_run(
    read: &Read,
    routes: &[Route],
    targets: &[Deployment],
    problems: &mut Problems,
) -> Option<Vec<String>> {
    let path = ["dragoman", "dry_run"];
    let at = read.node.place_of(&path);
    let named = match read.config.dragoman.dry_run.as_ref()? {
        DryRun::All(false) => return None,
        DryRun::All(true) => Vec::new(),
        DryRun::Of(named) => named.clone(),
    };
    if matches!(read.config.dragoman.dry_run, Some(DryRun::Of(_))) && named.is_empty() {
        problems.error(at, &path.join("."), "names no model: write `true` for all, or remove it");
    }
    for name in named.iter().filter(|name| !routes.iter().any(|route| route.name == **name)) {
        let hint = meant(name, routes.iter().map(|route| route.name.as_str()));
        problems.error(at, &path.join("."), format!("names '{name}', which is no model_name{hint}"));
    }
    if targets.iter().any(|target| target.signing.is_some()) {
        let says =
            "can't be with 'aws_signer: envoy', which signs whatever key a client shows: remove either";
        problems.error(at, &path.join("."), says);
    }
    Some(named)
}

/// When a second target is asked beside the first on the route `name`.
fn hedge(name: &str, read: &Read) -> HedgeConfig {
    let said = read.config.dragoman.hedging.as_ref();
    let said = said.filter(|said| said.models.as_ref().is_none_or(|models| models.iter().any(|m| m == name)));
    said.map_or_else(HedgeConfig::default, |said| HedgeConfig {
        first_token_ms: said.first_token_after.map(milliseconds),
        reply_ms: said.reply_after.map(milliseconds),
    })
}

/// LiteLLM lets clients name a deployment by its `provider/model`, too: such a name stands for all of those.
fn deployments<'a>(targets: &'a [Deployment], groups: &mut Vec<(&'a str, bool, Vec<usize>)>) {
    let taken: BTreeSet<&str> = groups.iter().map(|(name, ..)| *name).collect();
    let mut found: Vec<(&str, bool, Vec<usize>)> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, deployment) in targets.iter().enumerate() {
        let name = deployment.litellm_model.as_str();
        if name.contains('*') || taken.contains(name) {
            continue;
        }
        let place = *places.entry(name).or_insert_with(|| {
            found.push((name, true, Vec::new()));
            found.len() - 1
        });
        if let Some((_, _, members)) = found.get_mut(place) {
            members.push(target);
        }
    }
    groups.append(&mut found);
}

fn aliases<'a>(
    read: &'a Read,
    groups: &mut Vec<(&'a str, bool, Vec<usize>)>,
    index: &mut BTreeMap<&'a str, usize>,
    problems: &mut Problems,
) {
    for (alias, of) in &read.config.router_settings.model_group_alias {
        let (of, hidden) = match of {
            Alias::Name(of) => (of, false),
            Alias::Full { model, hidden } => (model, *hidden),
        };
        let key = format!("router_settings.model_group_alias.{alias}");
        let at = read.node.place_of(&["router_settings", "model_group_alias", alias]);
        let members =
            index.get(of.as_str()).and_then(|at| groups.get(*at)).map(|(_, _, members)| members.clone());
        match members {
            None => {
                let hint = meant(of, index.keys().copied());
                problems.error(at, &key, format!("stands for '{of}', which is no model_name{hint}"));
            }
            // An alias stands before a model of the same name, as in LiteLLM.
            Some(members) => match index.get(alias.as_str()).and_then(|at| groups.get_mut(*at)) {
                Some(group) => group.2 = members,
                None => {
                    index.insert(alias, groups.len());
                    groups.push((alias, hidden, members));
                }
            },
        }
    }
}

/// The targets of a route.
struct Members<'a> {
    members: &'a [usize],
    deployments: Vec<&'a Deployment>,
    /// The shares by the targets' ids, where the config gives them for the whole route.
    weights: &'a BTreeMap<String, u64>,
}

impl Members<'_> {
    /// A choice for each target, in the members' order.
    fn choices(&self) -> Vec<Choice> {
        let tiers: BTreeSet<i64> = self.deployments.iter().map(|deployment| deployment.order).collect();
        let tier = |deployment: &&Deployment| tiers.iter().position(|order| *order == deployment.order);
        let orders: Vec<i64> = self
            .deployments
            .iter()
            .map(|deployment| tier(deployment).and_then(|tier| i64::try_from(tier).ok()).unwrap_or_default())
            .collect();
        let weights = self.shares(&orders);
        let choice = |(target, (order, weight)): (&usize, (&i64, u64))| Choice {
            target: *target,
            weight,
            order: *order,
        };
        self.members.iter().zip(orders.iter().zip(weights)).map(choice).collect()
    }

    /// The weights within each tier.
    fn shares(&self, orders: &[i64]) -> Vec<u64> {
        let mut weights = vec![0; self.deployments.len()];
        for tier in orders.iter().collect::<BTreeSet<_>>() {
            let places: Vec<usize> = orders
                .iter()
                .enumerate()
                .filter(|(_, order)| *order == tier)
                .map(|(place, _)| place)
                .collect();
            let shares: Vec<Share> = places
                .iter()
                .filter_map(|place| self.deployments.get(*place))
                .map(|member| self.share(member))
                .collect();
            for (place, weight) in places.iter().zip(shared(&shares)) {
                if let Some(slot) = weights.get_mut(*place) {
                    *slot = weight;
                }
            }
        }
        weights
    }

    fn share(&self, deployment: &Deployment) -> Share {
        match self.weights.get(&deployment.config.id) {
            Some(weight) => Share { weight: Some(*weight), ..Share::default() },
            None if self.weights.is_empty() => deployment.share,
            None => Share::default(),
        }
    }
}

/// Reports settings for models, or for targets, that aren't there.
fn unknown_groups(
    read: &Read,
    index: &BTreeMap<&str, usize>,
    targets: &[Deployment],
    problems: &mut Problems,
) {
    let router = &read.config.router_settings;
    let weights = router.weights.keys().map(|name| ("weights", name));
    let affinities =
        router.model_group_affinity_config.keys().map(|name| ("model_group_affinity_config", name));
    for (key, name) in weights.chain(affinities).filter(|(_, name)| !index.contains_key(name.as_str())) {
        let at = read.node.place_of(&["router_settings", key, name]);
        problems.error(at, &format!("router_settings.{key}.{name}"), format!("'{name}' is no model_name"));
    }
    for (name, ids) in &router.weights {
        for id in ids.keys().filter(|id| targets.iter().all(|target| target.config.id != **id)) {
            let at = read.node.place_of(&["router_settings", "weights", name, id]);
            let key = format!("router_settings.weights.{name}.{id}");
            problems.error(at, &key, format!("'{id}' is no target's model_info.id"));
        }
    }
}

/// LiteLLM's `simple-shuffle`: by `weight` where any target has one, else by `rpm`, else by `tpm`, else evenly.
fn shared(shares: &[Share]) -> Vec<u64> {
    let by: [fn(&Share) -> Option<u64>; 3] = [|s| s.weight, |s| s.rpm, |s| s.tpm];
    for of in by {
        let weights: Vec<u64> = shares.iter().map(|share| of(share).unwrap_or_default()).collect();
        if weights.iter().any(|weight| *weight > 0) {
            return weights;
        }
    }
    vec![1; shares.len()]
}
