//! Who may send a request that passes, and which target takes it.

use super::{Gateway, KEY_HEADERS, RequestHead, unknown_model};
use crate::error::{Error, Kind};
use crate::pass::{self, Chosen, Way};

impl Gateway {
    /// The way of a request that passes. A provider that isn't configured has no paths of its own.
    pub(super) fn way(&self, head: &RequestHead<'_>) -> Option<Way> {
        let way = Way::of(head.method, head.path, head.headers)?;
        let known = |name: &str| self.targets.iter().any(|target| target.provider.name == name);
        way.provider().is_none_or(known).then_some(way)
    }

    pub(super) fn authenticate_way(&self, head: &RequestHead<'_>) -> Result<(), Error> {
        let shown = head.headers.iter().any(|(name, _)| KEY_HEADERS.contains(&name.as_str()));
        match pass::shown_key(head.path, head.headers).filter(|_| !shown) {
            Some(key) => self.authenticate(&[("authorization".to_owned(), key)]),
            None => self.authenticate(head.headers),
        }
    }

    /// Where a request that passes goes; `said` is the model that its body names.
    ///
    /// # Errors
    /// A client error when no target takes it.
    pub fn carry(&self, way: &Way, said: Option<&str>, random: u64) -> Result<Chosen<'_>, Error> {
        let asked = said.or(way.model.as_deref());
        pass::choose(way, asked, &self.routes, &self.targets, random).ok_or_else(|| match asked {
            Some(asked) => unknown_model(asked),
            None => {
                let message = format!(
                    "No target takes this request: name a model by the header {}, or a provider by the query's custom_llm_provider.",
                    pass::MODEL_HEADER
                );
                Error::client(Kind::NotFound, message).typed("invalid_request_error").code("model_not_found")
            }
        })
    }
}
