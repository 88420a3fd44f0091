//! Where requests go, as Envoy must know it: a cluster for each address, and one for each order in which a request may go
//! from one address to the next.
//!
//! A thousand deployments at one vendor's are one cluster with one pool of connections: which of them an attempt is for is
//! the filter's to know. So the number of clusters follows the number of vendors, not of models.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::config::Address;
use dragoman_core::provider::auth::aws::Scope;

use super::Deployment;
use super::target::{fresh, slug};

/// The longest name of a sequence that tells all of its members.
const MAX_NAME: usize = 160;

/// All clusters to which requests go.
#[derive(Debug, Default)]
pub struct Clusters {
    /// Those of one address each.
    pub places: Vec<Place>,
    /// Those that walk through several.
    pub sequences: Vec<Sequence>,
    taken: BTreeSet<String>,
    /// Places by what they hold, and by their names.
    held: BTreeMap<String, usize>,
    named: BTreeMap<String, usize>,
    /// By members: the place of each and how often it came before.
    known: BTreeMap<Vec<(usize, usize)>, String>,
}

/// A cluster of one address.
#[derive(Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Where it is; its path means nothing here.
    pub address: Address,
    /// What Envoy's own filter signs its requests for, where ours leaves that to it.
    pub signing: Option<Scope>,
    /// The names of its twins: Envoy walks through a sequence by cluster, so an address that comes twice needs two.
    twins: Vec<String>,
}

/// A cluster that tries others in their order.
#[derive(Debug)]
pub struct Sequence {
    /// Its name.
    pub name: String,
    /// The names of those others.
    pub members: Vec<String>,
    /// What Envoy signs the requests of all of them for.
    pub signing: Option<Scope>,
}

impl Clusters {
    /// The clusters that hold `targets`, each of which is told its own.
    pub fn of(targets: &mut [Deployment]) -> Self {
        let mut clusters = Self::default();
        for target in targets {
            let held = format!("{} {:?}", target.address.origin(), target.signing);
            let known = clusters.held.get(&held).and_then(|place| clusters.places.get(*place));
            target.cluster = match known {
                Some(place) => place.name.clone(),
                None => clusters.add(target, held),
            };
            target.config.cluster.clone_from(&target.cluster);
        }
        clusters
    }

    fn add(&mut self, target: &Deployment, held: String) -> String {
        self.held.insert(held, self.places.len());
        let name = fresh(&mut self.taken, &slug(&target.address.authority()));
        self.named.insert(name.clone(), self.places.len());
        self.places.push(Place {
            name: name.clone(),
            address: target.address.clone(),
            signing: target.signing.clone(),
            twins: Vec::new(),
        });
        name
    }

    /// The name of the cluster that tries these targets in their order. Where all are at one address that is its own: what
    /// is tried again there goes to the next target.
    pub fn chain<'t>(&mut self, targets: impl Iterator<Item = &'t Deployment>) -> String {
        let mut members: Vec<(usize, usize)> = Vec::new();
        for target in targets {
            if let Some(place) = self.named.get(&target.cluster).copied() {
                members.push((place, members.iter().filter(|(other, _)| *other == place).count()));
            }
        }
        let Some((first, _)) = members.first().copied() else { return String::new() };
        if members.iter().all(|(place, _)| *place == first) {
            return self.places.get(first).map_or_else(String::new, |place| place.name.clone());
        }
        if let Some(known) = self.known.get(&members) {
            return known.clone();
        }
        let names: Vec<String> = members.iter().map(|(place, count)| self.member(*place, *count)).collect();
        let mut stem = names.join("_then_");
        if stem.len() > MAX_NAME {
            stem = format!("{}_then_{}_more", names.first().map_or("", String::as_str), names.len() - 1);
        }
        let name = fresh(&mut self.taken, &stem);
        let signing = self.places.get(first).and_then(|place| place.signing.clone());
        self.sequences.push(Sequence { name: name.clone(), members: names, signing });
        self.known.insert(members, name.clone());
        name
    }

    /// The name of the place's cluster that is `count` more than its first.
    fn member(&mut self, place: usize, count: usize) -> String {
        let Some(place) = self.places.get_mut(place) else { return String::new() };
        while place.twins.len() < count {
            place.twins.push(fresh(&mut self.taken, &format!("{}-{}", place.name, place.twins.len() + 2)));
        }
        count.checked_sub(1).and_then(|twin| place.twins.get(twin)).unwrap_or(&place.name).clone()
    }
}

impl Place {
    /// The names of all clusters of this address.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.twins).map(String::as_str)
    }
}
