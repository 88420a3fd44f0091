//! Where requests go, as Envoy must know it: a cluster for each address.
//!
//! A thousand deployments at one vendor's are one cluster with one pool of connections: which of them an attempt is for is
//! the filter's to know. So the number of clusters follows the number of vendors, not of models.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::config::Address;
use dragoman_core::provider::auth::aws::Scope;

use super::Deployment;
use super::target::{fresh, slug};

/// A cluster of one address.
#[derive(Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// The name of the cluster that has the tail behind this one.
    pub tailed: String,
    /// The name of the cluster that has it behind this one for attempts beside each other.
    pub hedged: String,
    /// Where it is; its path means nothing here.
    pub address: Address,
    /// What Envoy's own filter signs its requests for, where ours leaves that to it.
    pub signing: Option<Scope>,
}

impl Place {
    /// Whether a second attempt may be made beside one that is made here. Where Envoy's own filter signs, it would sign both
    /// for this address.
    #[must_use]
    pub const fn can_hedge(&self) -> bool {
        self.signing.is_none()
    }
}

/// The clusters that hold `targets`, each of which is told its own.
pub fn places(targets: &mut [Deployment]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut taken = BTreeSet::new();
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for target in targets {
        let at =
            *held.entry(format!("{} {:?}", target.address.origin(), target.signing)).or_insert_with(|| {
                let name = fresh(&mut taken, &slug(&target.address.authority()));
                places.push(Place {
                    tailed: fresh(&mut taken, &format!("{name}_or_tail")),
                    hedged: fresh(&mut taken, &format!("{name}_or_hedge")),
                    name,
                    address: target.address.clone(),
                    signing: target.signing.clone(),
                });
                places.len() - 1
            });
        if let Some(place) = places.get(at) {
            target.cluster.clone_from(&place.name);
            target.config.cluster.clone_from(&place.name);
        }
    }
    places
}
