//! Responses that a target keeps: what is asked of one, or goes on from one, reaches that target and no other.

use super::{Gateway, Plan, RequestHead};
use crate::client::Request;
use crate::client::responses::{Opened, Seal, Stored};
use crate::config::Setting;
use crate::error::{Error, Kind};
use crate::provider::auth::Env;
use crate::route::{Choice, Route};

impl Gateway {
    /// The request for a kept response that this is, if it is one.
    pub(super) fn stored(&self, path: &str, head: &RequestHead<'_>) -> Option<Result<Stored, Error>> {
        let query = head.path.split_once('?').map_or("", |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        Stored::read(head.method, path.strip_prefix("responses/")?, query, &self.seal)
    }

    /// Plans a request for a response that a target keeps.
    ///
    /// # Errors
    /// A client error when no route has the target any more.
    pub fn fetch(&self, stored: &Stored) -> Result<Plan<'_>, Error> {
        let found =
            self.routes.iter().find_map(|route| Some((route, self.choice_of(route, &stored.opened)?.1)));
        let (route, choice) = found.ok_or_else(|| {
            Error::client(Kind::NotFound, "The target that keeps this response is not there any more.")
                .typed("invalid_request_error")
                .param("id")
                .code("response_not_found")
        })?;
        Ok(Plan {
            target: choice.target,
            targets: 1,
            cluster: &choice.terms.cluster,
            route: &route.name,
            choice,
            stream: stored.stream(),
            timeout_ms: choice.terms.timeout_ms,
            retries: None,
            pinned: true,
            hedge_ms: None,
            parts: false,
        })
    }

    /// The route's choice that tries the target of an id first, and its place.
    fn choice_of<'r>(&self, route: &'r Route, opened: &Opened) -> Option<(usize, &'r Choice)> {
        let is = |place: usize| self.targets.get(place).is_some_and(|target| target.id == opened.target);
        route.choices.iter().enumerate().find(|(_, choice)| is(choice.target))
    }

    /// The choice that a request must take because it goes on from a response that only one target keeps.
    pub(super) fn pinned<'r>(
        &self,
        request: &Request,
        route: &'r Route,
    ) -> Result<Option<(usize, &'r Choice)>, Error> {
        let Some(id) = request.previous() else { return Ok(None) };
        let id = id.plain();
        let refused = |what: &str, code: &str| {
            let short: String = id.chars().take(80).collect();
            let message = format!("Previous response with id '{short}' {what}.");
            Error::invalid(message).param("previous_response_id").code(code)
        };
        let opened =
            self.seal.open(&id).ok_or_else(|| refused("not found", "previous_response_not_found"))?;
        if opened.native.is_none() {
            let what =
                "is kept nowhere, as its provider keeps no responses: send the whole conversation as 'input'";
            return Err(refused(what, "response_not_stored"));
        }
        let what = format!("was not made by the model '{}'", route.name);
        self.choice_of(route, &opened).map(Some).ok_or_else(|| refused(&what, "previous_response_not_found"))
    }
}

/// The key that a secret of the config's gives.
///
/// # Errors
/// When its environment variable is not set.
pub(super) fn sealed(secret: &Setting, env: &Env<'_>) -> Result<Seal, String> {
    let secret = secret.value(env).ok_or("id_secret: its environment variable is not set")?;
    Ok(Seal::of(Some(&secret)))
}
