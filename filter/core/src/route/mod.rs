//! From the name that a client asks for to a route, and from a route to the target that is tried first.

use hashbrown::HashMap;

use crate::config::{RouteConfig, Target};

/// A model name and its targets.
#[derive(Debug)]
pub struct Route {
    /// The name; may hold a `*`.
    pub name: String,
    /// Whether `/v1/models` leaves it out.
    pub hidden: bool,
    /// What can be tried first.
    pub choices: Vec<Choice>,
}

/// A target as the first choice of a route.
#[derive(Debug)]
pub struct Choice {
    /// The target's place in the gateway's list.
    pub target: usize,
    /// The cluster that tries it first.
    pub cluster: String,
    /// Its share of the requests, among its tier's.
    pub weight: u64,
    /// Its tier: the lowest is tried first.
    pub order: i64,
    /// How long an attempt may take until its reply's head is there, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// The same for a stream, where it differs.
    pub stream_timeout_ms: Option<u64>,
}

/// All routes, found by name.
#[derive(Debug, Default)]
pub struct Routes {
    all: Vec<Route>,
    exact: HashMap<String, usize>,
    /// What stands before and behind the `*`, longest first: the most specific one wins.
    wild: Vec<(String, String, usize)>,
}

impl Routes {
    /// Checks raw routes against the targets that they name.
    ///
    /// # Errors
    /// What is wrong, for the config's author.
    pub fn check(raw: Vec<RouteConfig>, targets: &[std::rc::Rc<Target>]) -> Result<Self, String> {
        let places: HashMap<&str, usize> =
            targets.iter().enumerate().map(|(place, target)| (target.id.as_str(), place)).collect();
        let mut routes = Self::default();
        for route in raw {
            let mut choices = Vec::with_capacity(route.targets.len());
            for choice in route.targets {
                let target = *places.get(choice.target.as_str()).ok_or_else(|| {
                    format!("route '{}' names the target '{}', which is not there", route.name, choice.target)
                })?;
                choices.push(Choice {
                    target,
                    cluster: choice.cluster,
                    weight: choice.weight,
                    order: choice.order,
                    timeout_ms: choice.timeout_ms,
                    stream_timeout_ms: choice.stream_timeout_ms,
                });
            }
            if choices.iter().all(|choice| choice.weight == 0) {
                return Err(format!("route '{}' has no target with a weight", route.name));
            }
            let place = routes.all.len();
            match route.name.split_once('*') {
                Some((head, tail)) => routes.wild.push((head.to_owned(), tail.to_owned(), place)),
                None => {
                    if routes.exact.insert(route.name.clone(), place).is_some() {
                        return Err(format!("two routes are named '{}'", route.name));
                    }
                }
            }
            routes.all.push(Route { name: route.name, hidden: route.hidden, choices });
        }
        routes.wild.sort_by_key(|(head, tail, _)| std::cmp::Reverse(head.len() + tail.len()));
        Ok(routes)
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

    /// The route at `place`.
    #[must_use]
    pub fn at(&self, place: usize) -> Option<&Route> {
        self.all.get(place)
    }

    /// Every route, in the config's order.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.all.iter()
    }
}

impl Route {
    /// The place of the choice that `random`, evenly drawn from all of `u64`, falls on: each of the first tier in
    /// proportion to its weight.
    #[must_use]
    pub fn pick(&self, random: u64) -> Option<usize> {
        let weighty = || self.choices.iter().filter(|choice| choice.weight > 0);
        let first = weighty().map(|choice| choice.order).min()?;
        let total: u64 = weighty().filter(|choice| choice.order == first).map(|choice| choice.weight).sum();
        let mut point = random.checked_rem(total)?;
        self.choices.iter().position(|choice| {
            let weight = if choice.order == first { choice.weight } else { 0 };
            let here = point < weight;
            point = point.saturating_sub(weight);
            here
        })
    }

    /// The choices' places in the order in which they are tried when the one at `first` is tried first.
    #[must_use]
    pub fn chain(&self, first: usize) -> Vec<usize> {
        turn(&self.choices.iter().map(|choice| choice.order).collect::<Vec<_>>(), first)
    }
}

/// The places of targets of these tiers, in the order in which they are tried when the one at `first` is tried first: its
/// own tier, turned so that failures spread instead of all going to one; then the tiers behind it, then those before it.
#[must_use]
pub fn turn(orders: &[i64], first: usize) -> Vec<usize> {
    let own = orders.get(first).copied().unwrap_or_default();
    let count = orders.len();
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by_key(|place| {
        let order = orders.get(*place).copied().unwrap_or_default();
        let turned = if order == own { (place + count).saturating_sub(first) % count } else { *place };
        (order < own, order, turned)
    });
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RouteTargetConfig;

    fn routes(names: &[&str]) -> Routes {
        let json = r#"{"id":"t","provider":"openai","model":"*"}"#;
        let targets = [std::rc::Rc::new(Target::from_json(json).unwrap())];
        let choice = || serde_json::from_str::<RouteTargetConfig>(r#"{"target":"t","cluster":"c"}"#).unwrap();
        let raw = names.iter().map(|name| RouteConfig {
            name: (*name).into(),
            hidden: false,
            targets: vec![choice()],
        });
        Routes::check(raw.collect(), &targets).unwrap()
    }

    #[test]
    fn the_most_specific_name_wins() {
        let routes = routes(&["*", "anthropic/*", "anthropic/claude-*-latest", "anthropic/claude-x"]);
        let found = |name: &str| routes.find(name).unwrap().1.name.clone();
        assert_eq!(found("anthropic/claude-x"), "anthropic/claude-x");
        assert_eq!(found("anthropic/claude-9-latest"), "anthropic/claude-*-latest");
        assert_eq!(found("anthropic/claude--latest"), "anthropic/claude-*-latest");
        assert_eq!(found("anthropic/claude-latest"), "anthropic/*");
        assert_eq!(found("gpt"), "*");
    }

    #[test]
    fn picks_follow_the_weights() {
        let choice = |weight| Choice {
            target: 0,
            cluster: String::new(),
            weight,
            order: 0,
            timeout_ms: None,
            stream_timeout_ms: None,
        };
        let route =
            Route { name: String::new(), hidden: false, choices: vec![choice(1), choice(0), choice(3)] };
        let counts = (0..400).fold([0; 4], |mut counts, random| {
            counts[route.choices[route.pick(random).unwrap()].weight as usize] += 1;
            counts
        });
        assert_eq!(counts, [0, 100, 0, 300]);
    }

    #[test]
    fn a_chain_turns_its_tier_and_takes_the_others_behind() {
        assert_eq!(turn(&[0, 0, 0], 1), [1, 2, 0]);
        assert_eq!(turn(&[1, 0, 2, 1, 0], 4), [4, 1, 0, 3, 2]);
        assert_eq!(turn(&[1, 0, 2, 1, 0], 3), [3, 0, 2, 1, 4]);
        assert_eq!(turn(&[], 0), [0; 0]);
    }
}
