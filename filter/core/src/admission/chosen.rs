//! Which of a route's targets is tried first.

use super::{Gateway, World};
use crate::client::Request;
use crate::config::Strategy;
use crate::error::{Error, Kind};
use crate::meter::prompt_estimate;
use crate::route::{Choice, Nobody, Route, Standing, Wishes, choose};

impl Gateway {
    /// What a token of input and one of output cost together at a target, in picodollars.
    fn cost(&self, choice: &Choice, asked: &str) -> Option<u64> {
        let target = self.targets.get(choice.target)?;
        let rates = self.model_info(target, &target.model_for(asked))?.price.as_ref()?.rates;
        Some(rates.input.saturating_add(rates.output))
    }

    /// Notes at each choice what it costs, where it asks for the same model whatever the client asks for: a decision by cost
    /// that looked up the prices of 100 targets would take 10 µs.
    pub(super) fn note_costs(&mut self) {
        let mut routes = std::mem::take(&mut self.routes);
        routes.price(|choice| {
            let fixed = self.targets.get(choice.target).is_some_and(|target| !target.any_model());
            fixed.then(|| self.cost(choice, "").unwrap_or(u64::MAX))
        });
        self.routes = routes;
    }

    /// The targets of `route` that come last: those that have been tried, and those whose window is too small for the prompt,
    /// where that is checked.
    ///
    /// # Errors
    /// A client error when the prompt is too long for all of them.
    pub(super) fn passed_over(
        &self,
        route: &Route,
        model: &str,
        request: &Request,
        tried: &[usize],
    ) -> Result<Vec<usize>, Error> {
        if !self.policy.check_windows {
            return Ok(tried.to_vec());
        }
        // Of several prompts each has the window for itself.
        let prompt = prompt_estimate(&request.body) / request.prompts().max(1) as u64;
        let window = |choice: &Choice| {
            let target = self.targets.get(choice.target)?;
            self.model_info(target, &target.model_for(model))?.max_input_tokens
        };
        let small = |choice: &&Choice| window(choice).is_some_and(|window| window < prompt);
        let mut last: Vec<usize> = route.choices.iter().filter(small).map(|choice| choice.target).collect();
        if last.len() == route.choices.len() {
            let widest = route.choices.iter().filter_map(window).max().unwrap_or_default();
            let message = format!("The prompt has about {prompt} tokens, and `{model}` takes {widest}.");
            return Err(Error::client(Kind::ContextWindow, message).param("messages"));
        }
        // Where all that are wide enough have been tried, they begin again before the others.
        if route
            .choices
            .iter()
            .any(|choice| !last.contains(&choice.target) && !tried.contains(&choice.target))
        {
            last.extend_from_slice(tried);
        }
        Ok(last)
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
        let open = |choice: &Choice| choice.cost.is_none();
        if self.rule.strategy == Strategy::Cost && route.choices.iter().any(open) {
            standings.resize(route.choices.len(), Standing::default());
            for (standing, choice) in
                standings.iter_mut().zip(&route.choices).filter(|(_, choice)| open(choice))
            {
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
                    let mut error = Error::client(Kind::RateLimit, message);
                    error.retry_after = Some(left);
                    error
                }
                Nobody::Nothing => Error::internal("a route without targets"),
            }
        })
    }
}
