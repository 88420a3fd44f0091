//! From the name that a client asks for to a route.

use hashbrown::HashMap;

use super::health::Rules;
use super::{Choice, Group, Route, Seat, Terms, part_of, sticky};
use crate::config::{CooldownConfig, RouteConfig, Target};

/// The most names that a request may list.
const MAX_LISTED: usize = 16;

/// All routes, found by name.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
    exact: HashMap<String, usize>,
    /// What stands before and behind the `*`, longest first: the most specific one wins.
    wild: Vec<(String, String, usize)>,
    groups: Vec<Group>,
}

impl Routes {
    /// Checks raw routes against the targets that they name.
    ///
    /// # Errors
    /// What is wrong, for the config's author.
    pub fn check(
        raw: Vec<RouteConfig>,
        targets: &[std::rc::Rc<Target>],
        cooldown: &CooldownConfig,
    ) -> Result<Self, String> {
        // With keys of its own it is one more of the tables that the wasm has already.
        let places: HashMap<String, usize> =
            targets.iter().enumerate().map(|(place, target)| (target.id.clone(), place)).collect();
        let mut routes = Self::default();
        let mut seats: Vec<Option<Seat>> = vec![None; targets.len()];
        for route in raw {
            let mut choices = Vec::with_capacity(route.targets.len());
            for raw in route.targets {
                let place = *places.get(raw.target.as_str()).ok_or_else(|| {
                    format!("route '{}' names the target '{}', which is not there", route.name, raw.target)
                })?;
                let any_model = targets.get(place).is_some_and(|target| target.any_model());
                let rules = Rules::check(cooldown, raw.member.cooldown.as_ref(), any_model)
                    .map_err(|why| format!("target '{}': {why}", raw.target))?;
                let terms = Terms {
                    cluster: raw.cluster,
                    hedged: raw.hedged,
                    timeout_ms: raw.timeout_ms,
                    stream_timeout_ms: raw.stream_timeout_ms,
                    retries: raw.member.retries,
                    mirror: raw.member.mirror,
                    rules,
                };
                choices.push(Choice {
                    target: place,
                    hash: sticky::hash(raw.target.as_bytes()),
                    weight: raw.weight,
                    order: raw.order,
                    tags: raw.member.tags,
                    rpm: raw.member.rpm,
                    tpm: raw.member.tpm,
                    request_part: part_of(raw.member.rpm),
                    token_part: part_of(raw.member.tpm),
                    cost: None,
                    seat: Seat::default(),
                    terms: Box::new(terms),
                });
            }
            if choices.iter().all(|choice| choice.weight == 0) {
                return Err(format!("route '{}' has no target with a weight", route.name));
            }
            routes.seat(&mut choices, &mut seats);
            let place = routes.all.len();
            match route.name.split_once('*') {
                Some((head, tail)) => routes.wild.push((head.to_owned(), tail.to_owned(), place)),
                None => {
                    if routes.exact.insert(route.name.clone(), place).is_some() {
                        return Err(format!("two routes are named '{}'", route.name));
                    }
                }
            }
            let RouteConfig { name, hidden, sticky, hedge, .. } = route;
            routes.all.push(Route { name, hidden, choices, sticky, hedge });
        }
        routes.wild.sort_by_key(|(head, tail, _)| std::cmp::Reverse(head.len() + tail.len()));
        Ok(routes)
    }

    /// Gives targets that no earlier route has a seat in a group of their own: an alias shares the seats of its model.
    fn seat(&mut self, choices: &mut [Choice], seats: &mut [Option<Seat>]) {
        let group = self.groups.len();
        let mut fresh = Vec::new();
        for choice in choices {
            let Some(seat) = seats.get_mut(choice.target) else { continue };
            choice.seat = *seat.get_or_insert_with(|| {
                fresh.push(choice.hash);
                Seat { group, slot: fresh.len() - 1 }
            });
        }
        if !fresh.is_empty() {
            let key = sticky::hash(&fresh.iter().flat_map(|hash| hash.to_le_bytes()).collect::<Vec<u8>>());
            self.groups.push(Group { key, size: fresh.len() });
        }
    }

    /// The route for `name`: its own, else the most specific wildcard's.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, &Route)> {
        let place = self.exact.get(name).copied().or_else(|| {
            let fits = |(head, tail, _): &&(String, String, usize)| {
                name.len() >= head.len() + tail.len()
                    && name.starts_with(head)
                    && name.ends_with(tail.as_str())
            };
            self.wild.iter().find(fits).map(|(_, _, place)| *place)
        })?;
        Some((place, self.all.get(place)?))
    }

    /// The names of a request that asks for `name`, best first: itself where there is such a route, else those of its
    /// comma-separated list that there are.
    #[must_use]
    pub fn listed<'n>(&self, name: &'n str) -> Vec<&'n str> {
        // A wildcard may stand for anything, but for a list only where nothing in it is known by itself.
        if self.exact.contains_key(name) || !name.contains(',') {
            return self.known([name].into_iter());
        }
        self.known(name.split(',').map(str::trim).filter(|name| !name.is_empty()))
    }

    /// Those of these names that there are, each once.
    #[must_use]
    pub fn known<'n>(&self, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
        let mut known = Vec::new();
        for name in names.filter(|name| self.find(name).is_some()) {
            if !known.contains(&name) && known.len() < MAX_LISTED {
                known.push(name);
            }
        }
        known
    }

    /// The route at `place`.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Route> {
        self.all.get(place)
    }

    /// Every route, in the config's order.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.all.iter()
    }

    /// Notes what each choice costs, where that is the same for all requests.
    pub fn price(&mut self, cost: impl Fn(&Choice) -> Option<u64>) {
        for choice in self.all.iter_mut().flat_map(|route| &mut route.choices) {
            choice.cost = cost(choice);
        }
    }

    /// The groups of targets that share what is known of them.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HedgeConfig, RouteTargetConfig};

    fn targets() -> Vec<std::rc::Rc<Target>> {
        let target = |id: &str| {
            let json = format!(r#"{{"id":"{id}","provider":"openai","model":"*"}}"#);
            std::rc::Rc::new(Target::from_json(&json).unwrap())
        };
        ["t", "u", "v"].map(target).into()
    }

    fn routes(names: &[(&str, &[&str])]) -> Routes {
        let choice = |id: &&str| {
            let json = format!(r#"{{"target":"{id}","cluster":"c"}}"#);
            serde_json::from_str::<RouteTargetConfig>(&json).unwrap()
        };
        let raw = names.iter().map(|(name, members)| RouteConfig {
            name: (*name).into(),
            hidden: false,
            sticky: None,
            hedge: HedgeConfig::default(),
            targets: members.iter().map(choice).collect(),
        });
        Routes::check(raw.collect(), &targets(), &CooldownConfig::default()).unwrap()
    }

    #[test]
    fn the_most_specific_name_wins() {
        let names = ["*", "anthropic/*", "anthropic/claude-*-latest", "anthropic/claude-x"];
        let routes = routes(&names.map(|name| (name, &["t"][..])));
        let found = |name: &str| routes.find(name).unwrap().1.name.clone();
        assert_eq!(found("anthropic/claude-x"), "anthropic/claude-x");
        assert_eq!(found("anthropic/claude-9-latest"), "anthropic/claude-*-latest");
        assert_eq!(found("anthropic/claude--latest"), "anthropic/claude-*-latest");
        assert_eq!(found("anthropic/claude-latest"), "anthropic/*");
        assert_eq!(found("gpt"), "*");
    }

    #[test]
    fn a_list_of_names_is_those_that_there_are() {
        let routes = routes(&[("a", &["t"]), ("b,c", &["t"]), ("p/*", &["u"])]);
        assert_eq!(routes.listed("a"), ["a"]);
        assert_eq!(routes.listed("b,c"), ["b,c"]);
        assert_eq!(routes.listed("x, p/1 ,,a,p/1"), ["p/1", "a"]);
        assert_eq!(routes.known(["b,c", "x", "a"].into_iter()), ["b,c", "a"]);
        assert!(routes.listed("x").is_empty() && routes.listed("x,y").is_empty());
    }

    #[test]
    fn a_target_has_one_seat_however_many_names_it_has() {
        let routes = routes(&[("a", &["t", "u"]), ("alias", &["t", "u"]), ("one", &["u", "v"])]);
        let seats = |at: usize| -> Vec<(usize, usize)> {
            let choices = &routes.at(at).unwrap().choices;
            choices.iter().map(|choice| (choice.seat.group, choice.seat.slot)).collect()
        };
        assert_eq!(seats(0), [(0, 0), (0, 1)]);
        assert_eq!(seats(1), seats(0));
        assert_eq!(seats(2), [(0, 1), (1, 0)]);
        assert_eq!(routes.groups().iter().map(|group| group.size).collect::<Vec<_>>(), [2, 1]);
    }
}
