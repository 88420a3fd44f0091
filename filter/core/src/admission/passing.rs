//! Who may send a request that passes, and which target takes it.

use std::rc::Rc;

use super::{Gateway, KEY_HEADERS, RequestHead, World, bare, same, unknown_model};
use crate::config::Target;
use crate::error::{Error, Kind};
use crate::openai::Body;
use crate::pass::{self, Candidates, Way};
use crate::provider::auth::{Env, Tokens};
use crate::route::{Choice, Wishes};

impl Gateway {
    /// The way of a request that passes. A provider that isn't configured has no paths of its own.
    #[must_use]
    pub fn way(&self, head: &RequestHead<'_>) -> Option<Way> {
        let way = Way::of(head.method, head.path, head.headers)?;
        let known = |name: &str| self.targets.iter().any(|target| target.provider.name == name);
        way.provider().is_none_or(known).then_some(way)
    }

    pub(super) fn authenticate_way(&self, head: &RequestHead<'_>) -> Result<(), Error> {
        let shown = head.headers.iter().any(|(name, _)| KEY_HEADERS.contains(&name.as_str()));
        match pass::shown_key(head.path, head.headers).filter(|_| !shown) {
            Some(key) => {
                self.authenticate(&RequestHead { headers: &[("authorization".to_owned(), key)], ..*head })
            }
            None => self.authenticate(head),
        }
    }

    /// What a request that passes wishes of the choice, by its head and, where it is read, its body.
    #[must_use]
    pub fn passing_wishes(
        &self,
        headers: &[(String, String)],
        asked: Option<&str>,
        body: Option<&Body>,
    ) -> Wishes {
        let route = asked.and_then(|asked| self.routes.find(asked));
        let own = route.and_then(|(_, route)| route.sticky.as_deref());
        self.honoured.with_body(&self.wishes(headers), body, own)
    }

    /// Whether requests for this route's model pass as they are.
    #[must_use]
    pub fn rehearses(&self, model: Option<&str>) -> bool {
        let listed = |routes: &Vec<String>| {
            let route = model.and_then(|model| self.routes.find(model)).map(|(_, route)| &route.name);
            routes.is_empty() || route.is_some_and(|route| routes.contains(route))
        };
        self.dry_run.as_ref().is_some_and(listed)
    }

    /// The target that gets a dry run's request where none has been chosen: the first that can take it, by the model that it
    /// names, else the first of all.
    #[must_use]
    pub fn stand_in(&self, way: Option<&Way>, model: Option<&str>) -> Option<&Rc<Target>> {
        let passes = |way| {
            let found = pass::candidates(way, model, &self.routes, &self.targets);
            let Candidates { route, unfit, .. } = found.first()?;
            let mut places = route.choices.iter().map(|choice| choice.target);
            places.find(|place| !unfit.contains(place))
        };
        let named = || Some(self.routes.find(model?)?.1.choices.first()?.target);
        self.targets.get(way.and_then(passes).or_else(named).unwrap_or(0))
    }

    /// Changes the head of a dry run's request, by `edit`, so that it goes to `target`: with its credential where the client has
    /// shown our own key. `body` is what a signature covers.
    ///
    /// # Errors
    /// A config error when that credential can't be had; all the rest is changed.
    pub fn readdress(
        &self,
        target: &Target,
        headers: &[(String, String)],
        edit: &mut dyn FnMut(&str, Option<&str>),
        body: Vec<u8>,
        with: (&Env<'_>, &Tokens<'_>, u64),
    ) -> Result<(), Error> {
        let ours = |name: &str, value: &str| {
            (name.is_empty() || KEY_HEADERS.contains(&name))
                && self.master_key.as_ref().is_some_and(|master| same(bare(value), master))
        };
        pass::readdress(target, headers, &ours, edit, body, with)
    }

    /// Where a request that passes goes; `asked` is the model that it names.
    ///
    /// # Errors
    /// A client error when no target takes it.
    pub fn carry(
        &self,
        way: &Way,
        asked: Option<&str>,
        wishes: &Wishes,
        world: &World<'_>,
    ) -> Result<Chosen<'_>, Error> {
        let mut refused = None;
        for Candidates { route, unfit, first } in pass::candidates(way, asked, &self.routes, &self.targets) {
            let targets = route.choices.len() - unfit.len();
            let wishes = Wishes { unfit, first, ..wishes.clone() };
            let choice = match self.choose(route, asked.unwrap_or(&route.name), &wishes, world) {
                Ok((_, choice)) => choice,
                Err(error) => {
                    refused.get_or_insert(error);
                    continue;
                }
            };
            let target = self.targets.get(choice.target);
            let target = target.ok_or_else(|| Error::internal("a choice without its target"))?;
            // What is no route's name is the provider's own.
            let ours = asked.filter(|asked| self.routes.find(asked).is_some());
            let model = ours.map(|asked| target.model_for(asked)).or_else(|| asked.map(str::to_owned));
            return Ok(Chosen { target: choice.target, targets, route: &route.name, choice, model });
        }
        Err(refused.unwrap_or_else(|| match asked {
            Some(asked) if self.routes.find(asked).is_some() => no_such(way),
            Some(asked) => unknown_model(asked),
            None => {
                let message = format!(
                    "No target takes this request: name a model by the header {}, or a provider by the query's custom_llm_provider.",
                    pass::MODEL_HEADER
                );
                Error::client(Kind::NotFound, message).typed("invalid_request_error").code("model_not_found")
            }
        }))
    }
}

/// Which target takes a request that passes.
#[derive(Clone, Debug)]
pub struct Chosen<'g> {
    /// The target's place in the gateway's list.
    pub target: usize,
    /// How many targets of the route can be asked.
    pub targets: usize,
    /// The name of the route that it is taken from.
    pub route: &'g str,
    /// The choice that was made.
    pub choice: &'g Choice,
    /// The model as the provider knows it; `None` where none is named.
    pub model: Option<String>,
}

fn no_such(way: &Way) -> Error {
    let message = format!("No target of this model has {}: ask for another model.", way.shown());
    Error::client(Kind::NotFound, message).code("unknown_url")
}
