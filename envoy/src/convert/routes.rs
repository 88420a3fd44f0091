//! The names that clients ask for, and the targets behind them.

use std::collections::{BTreeMap, BTreeSet};

use super::target::{fresh, slug};
use super::{Deployment, Share};
use crate::check::{Problems, Read};
use crate::litellm::{Alias, Strategy};

/// A name that clients ask for.
#[derive(Debug)]
pub struct Route {
    /// The name; may hold a `*`.
    pub name: String,
    /// Whether the list of models leaves it out.
    pub hidden: bool,
    /// Its chains, one per target that may be the first.
    pub chains: Vec<Chain>,
}

/// An order in which targets are tried.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The cluster that stands for it.
    pub cluster: String,
    /// The targets, by their index in the plan; never empty.
    pub targets: Vec<usize>,
    /// Its share of the requests.
    pub weight: u64,
}

/// The routes of a config whose `targets` belong to the routes called `names`.
///
/// `attempts` is how many targets a request may try: no chain is longer.
pub fn routes(
    read: &Read,
    names: &[String],
    targets: &[Deployment],
    attempts: usize,
    problems: &mut Problems,
) -> Vec<Route> {
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
    if let Some(strategy) = read.config.router_settings.routing_strategy
        && strategy != Strategy::SimpleShuffle
    {
        let at = read.node.place_of(&["router_settings", "routing_strategy"]);
        problems.warning(
            at,
            "router_settings.routing_strategy",
            "is read, but not honoured yet: simple-shuffle is used",
        );
    }
    let mut clusters = Clusters::new(targets);
    let mut routes: Vec<Route> = groups
        .into_iter()
        .map(|(name, hidden, members)| Route {
            chains: chains(name, &members, targets, attempts, &mut clusters),
            name: name.to_owned(),
            hidden,
        })
        .collect();
    let deployments = deployments(&routes, targets);
    routes.extend(deployments);
    routes
}

/// LiteLLM lets clients name a deployment by its `provider/model`, too. Such a route has no chains of its own, as many
/// deployments may share that name: each is tried as its `model_name`'s route tries it.
fn deployments(routes: &[Route], targets: &[Deployment]) -> Vec<Route> {
    let mut by_first: BTreeMap<usize, &Chain> = BTreeMap::new();
    for chain in routes.iter().flat_map(|route| &route.chains) {
        if let Some(first) = chain.targets.first() {
            by_first.entry(*first).or_insert(chain);
        }
    }
    let taken: BTreeSet<&str> = routes.iter().map(|route| route.name.as_str()).collect();
    let mut found: Vec<Route> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (target, deployment) in targets.iter().enumerate() {
        let name = deployment.litellm_model.as_str();
        if name.contains('*') || taken.contains(name) {
            continue;
        }
        let alone = Chain { cluster: deployment.cluster.clone(), targets: vec![target], weight: 1 };
        let chain = by_first.get(&target).map_or(alone, |chain| Chain { weight: 1, ..(*chain).clone() });
        let place = *places.entry(name).or_insert_with(|| {
            found.push(Route { name: name.to_owned(), hidden: true, chains: Vec::new() });
            found.len() - 1
        });
        if let Some(route) = found.get_mut(place) {
            route.chains.push(chain);
        }
    }
    found
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
                let near = crate::check::nearest(of, index.keys().copied());
                let hint = near.map_or_else(String::new, |near| format!(": did you mean '{near}'?"));
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

/// A chain for each target of the lowest tier, which takes the others behind it: those of its own tier, then the rest.
fn chains(
    name: &str,
    members: &[usize],
    targets: &[Deployment],
    attempts: usize,
    clusters: &mut Clusters<'_>,
) -> Vec<Chain> {
    let order = |target: &usize| targets.get(*target).map_or(i64::MAX, |deployment| deployment.order);
    let mut ordered = members.to_vec();
    ordered.sort_by_key(order);
    let lowest = ordered.first().map_or(i64::MAX, order);
    let tier: Vec<usize> = ordered.iter().copied().filter(|target| order(target) == lowest).collect();
    let shares: Vec<Share> =
        tier.iter().filter_map(|target| targets.get(*target)).map(|target| target.share).collect();
    let weights = weights(&shares);
    let mut chains = Vec::new();
    for (at, (first, weight)) in tier.iter().zip(weights).enumerate() {
        if weight == 0 {
            continue;
        }
        // The tier, turned so that this target is its first: failures spread instead of all going to one.
        let mut chain: Vec<usize> = tier.iter().cycle().skip(at).take(tier.len()).copied().collect();
        chain.extend(ordered.iter().skip(tier.len()));
        chain.truncate(attempts);
        chains.push(Chain { cluster: clusters.of(name, *first, &chain), targets: chain, weight });
    }
    chains
}

/// LiteLLM's `simple-shuffle`: by `weight` where any target has one, else by `rpm`, else by `tpm`, else evenly.
fn weights(shares: &[Share]) -> Vec<u64> {
    let by: [fn(&Share) -> Option<u64>; 3] = [|s| s.weight, |s| s.rpm, |s| s.tpm];
    for of in by {
        let weights: Vec<u64> = shares.iter().map(|share| of(share).unwrap_or_default()).collect();
        if weights.iter().any(|weight| *weight > 0) {
            return weights;
        }
    }
    vec![1; shares.len()]
}

/// The names of clusters: one for each target, and one for each chain of several.
struct Clusters<'a> {
    targets: &'a [Deployment],
    taken: BTreeSet<String>,
    chains: BTreeMap<Vec<usize>, String>,
}

impl<'a> Clusters<'a> {
    fn new(targets: &'a [Deployment]) -> Self {
        Self { targets, taken: BTreeSet::new(), chains: BTreeMap::new() }
    }

    fn of(&mut self, route: &str, first: usize, chain: &[usize]) -> String {
        let Some(target) = self.targets.get(first) else { return String::new() };
        if chain.len() == 1 {
            return target.cluster.clone();
        }
        if let Some(known) = self.chains.get(chain) {
            return known.clone();
        }
        let name = fresh(&mut self.taken, &format!("chain_{}_{}", slug(route), slug(&target.config.id)));
        self.chains.insert(chain.to_vec(), name.clone());
        name
    }
}
