//! Which of a route's targets is tried first.

use super::{Gateway, World};
use crate::config::Strategy;
use crate::error::{Error, Kind};
use crate::route::{Choice, Nobody, Route, Standing, Wishes, choose};

impl Gateway {
    /// What a token of input and one of output cost together at a target, in picodollars.
    fn cost(&self, choice: &Choice, asked: &str) -> Option<u64> {
        let target = self.targets.get(choice.target)?;
        let rates = self.model_info(target, &target.model_for(asked))?.price.as_ref()?.rates;
        Some(rates.input.saturating_add(rates.output))
    }

    /// The target of `route` that is tried first when `asked` is asked for, and its place in the route's choices.
    ///
    /// # Errors
    /// A client error when there is none for this request.
    pub fn choose<'g>(
        &self,
        route: &'g Route,
        asked: &str,
        wishes: &Wishes,
        world: &World<'_>,
    ) -> Result<(usize, &'g Choice), Error> {
        let mut standings = (world.look)(route);
        if self.rule.strategy == Strategy::Cost {
            standings.resize(route.choices.len(), Standing::default());
            for (standing, choice) in standings.iter_mut().zip(&route.choices) {
                standing.cost = self.cost(choice, asked);
            }
        }
        choose(route, self.rule, wishes, world.moment, &standings).map_err(|nobody| {
            let name = &route.name;
            match nobody {
                // As LiteLLM says it, status and all.
                Nobody::Tags => Error::client(
                    Kind::PermissionDenied,
                    format!(
                        "Not allowed to access model due to tags configuration: `{name}`, tags {:?}.",
                        wishes.tags
                    ),
                )
                .status(401)
                .code("tags_not_allowed"),
                Nobody::Limits => {
                    let left = 60 - world.moment.now_ms / 1000 % 60;
                    let message = format!(
                        "All targets of `{name}` have reached their limits: try again in {left} seconds."
                    );
                    Error::client(Kind::RateLimit, message)
                }
                Nobody::Nothing => Error::internal("a route without targets"),
            }
        })
    }
}
