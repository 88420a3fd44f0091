//! The upstream role, without I/O: a target and a request become a native request; reply bytes become client bytes.
//!
//! One [`Attempt`] lives from a native request's making to its reply's end. The shell feeds it the reply's head and
//! bytes, and carries out what it answers: [`HeadPlan`], [`Step`].

mod marks;
mod native;
mod reply;
mod request;

use std::cell::RefCell;
use std::rc::Rc;

use crate::capture::{Capture, Captured};
use crate::client::responses::{Seal, Stored};
use crate::client::{Endpoint, Request, Seed};
use crate::config::Target;
use crate::dialect::Native;
use crate::error::Error;
use crate::json::{Json, Str};
use crate::meter::{ModelInfo, Seen, ServiceTier};
use crate::openai::Customs;
use crate::provider::auth::{Env, Outgoing, Tokens, shown_key};

/// What an attempt needs to know of the world.
pub struct World<'w> {
    /// Looks environment variables up.
    pub env: &'w Env<'w>,
    /// Looks access tokens up.
    pub tokens: &'w Tokens<'w>,
    /// The time, in Unix seconds.
    pub now: u64,
    /// An id for replies whose provider gives none.
    pub id: &'w str,
    /// The model that is meant, where it isn't the one that the request names: another stands in for it.
    pub model: Option<&'w str>,
    /// The client's headers, names in lower case.
    pub headers: &'w [(String, String)],
    /// The key under which ids of responses are made.
    pub seal: &'w Seal,
    /// Whether a reply's head may be held until the first event is known (Envoy 1.37 and later).
    pub hold_heads: bool,
}

/// A change to a reply's head: the header's new value, or `None` to remove it.
pub type Edit = (&'static str, Option<String>);

/// What becomes of a reply's head.
#[derive(Debug, Default)]
pub struct HeadPlan {
    /// Hold it until a [`Step`] releases it.
    pub hold: bool,
    /// Changes, where it goes on at once.
    pub edits: Vec<Edit>,
    /// Headers that hold the target's key: they stay here.
    pub secret: Vec<String>,
}

/// What becomes of a piece of a reply's body.
#[derive(Debug, Default)]
pub struct Step {
    /// The bytes that take the piece's place; `None` leaves it as it is.
    pub bytes: Option<Vec<u8>>,
    /// Releases a held head with these changes.
    pub release: Option<Vec<Edit>>,
}

/// One try at one target.
#[derive(Debug)]
pub struct Attempt {
    target: Rc<Target>,
    endpoint: Endpoint,
    native: Option<&'static dyn Native>,
    stream: bool,
    include_usage: bool,
    base64: bool,
    hold_heads: bool,
    now: u64,
    id: String,
    /// The key that ids of the provider's must be sealed with, where they must.
    seal: Option<Seal>,
    /// The client's id of the request.
    request_id: String,
    model: String,
    /// What the reply's writer must know of the request.
    echo: String,
    /// The client's custom tools, where the target knows functions only.
    customs: Customs,
    reply: reply::Reply,
    seen: Seen,
    /// What is known about the model, where a stream's client is told the cost.
    told: Option<Rc<ModelInfo>>,
    /// The answer's text, where it is captured: apart from what is seen, which is copied for every piece.
    captured: Option<Rc<RefCell<Captured>>>,
    failure: Option<Error>,
    key: Option<String>,
}

impl Attempt {
    /// Makes the native request for a client's.
    ///
    /// # Errors
    /// A client error when the request is wrong or can't be said to this target; a config error when the target's
    /// credential can't be had.
    pub fn begin(target: Rc<Target>, asked: &Request, world: &World<'_>) -> Result<(Self, Outgoing), Error> {
        let target = if target.by_model.is_empty() {
            target
        } else {
            let named = asked.body.field("model").and_then(Json::as_str).map(Str::plain).unwrap_or_default();
            Target::serving(&target, world.model.unwrap_or(&named))
        };
        let made = request::make(&target, asked, world)?;
        let key = shown_key(&made.outgoing, target.provider.auth).map(str::to_owned);
        let id = match asked.endpoint {
            Endpoint::Responses => world.seal.forgotten(&target.id, world.id),
            Endpoint::Completions => format!("cmpl-{}", world.id.trim_start_matches("chatcmpl-")),
            _ => world.id.to_owned(),
        };
        let attempt = Self {
            target,
            endpoint: asked.endpoint,
            seal: (asked.endpoint == Endpoint::Responses).then(|| world.seal.clone()),
            native: made.native,
            stream: made.stream,
            include_usage: made.include_usage,
            base64: made.base64,
            hold_heads: world.hold_heads,
            now: world.now,
            id,
            request_id: header(world.headers, "x-request-id").unwrap_or_default().to_owned(),
            model: made.model,
            echo: if made.native.is_none() {
                asked.endpoint.language().echo(&asked.body)
            } else {
                String::new()
            },
            customs: made.customs,
            reply: reply::Reply::Awaited,
            seen: Seen { tier: requested_tier(asked), ..Seen::default() },
            told: None,
            captured: None,
            failure: None,
            key,
        };
        Ok((attempt, made.outgoing))
    }

    /// Makes the native request for a response that `target` keeps.
    ///
    /// # Errors
    /// As [`Attempt::begin`].
    pub fn stored(target: Rc<Target>, asked: &Stored, world: &World<'_>) -> Result<(Self, Outgoing), Error> {
        let made = request::fetch(&target, asked, world)?;
        let key = shown_key(&made.outgoing, target.provider.auth).map(str::to_owned);
        let attempt = Self {
            target,
            endpoint: Endpoint::Stored,
            seal: Some(world.seal.clone()),
            native: made.native,
            stream: made.stream,
            include_usage: false,
            base64: false,
            hold_heads: world.hold_heads,
            now: world.now,
            id: world.id.to_owned(),
            request_id: header(world.headers, "x-request-id").unwrap_or_default().to_owned(),
            model: made.model,
            echo: String::new(),
            told: None,
            captured: None,
            customs: Customs::default(),
            reply: reply::Reply::Awaited,
            seen: Seen::default(),
            failure: None,
            key,
        };
        Ok((attempt, made.outgoing))
    }

    /// What the reply's writer begins from.
    fn seed(&self) -> Seed<'_> {
        Seed {
            id: &self.id,
            model: &self.model,
            now: self.now,
            include_usage: self.include_usage,
            echo: &self.echo,
        }
    }

    /// The error without the target's key: some providers repeat a wrong one in full.
    fn discreet(&self, mut error: Error) -> Error {
        if let Some(key) = self.key.as_deref().filter(|key| !key.is_empty() && error.message.contains(*key)) {
            error.message = error.message.replace(key, "***");
        }
        error
    }

    /// Has a stream's usage tell what it costs.
    pub fn tell_cost(&mut self, info: Rc<ModelInfo>) {
        if self.stream {
            self.told = Some(info);
        }
    }

    /// Has the answer captured, and gives the place where it is gathered.
    pub fn capture(&mut self, capture: &Rc<Capture>) -> Rc<RefCell<Captured>> {
        let captured = Rc::new(RefCell::new(Captured::new(Rc::clone(capture))));
        Rc::clone(self.captured.insert(captured))
    }

    /// The headers that repeat the target's key. A key so short that a word could be it is none that can be looked for.
    fn secret(&self, headers: &[(String, String)]) -> Vec<String> {
        let Some(key) = self.key.as_deref().filter(|key| key.len() >= 8) else { return Vec::new() };
        let holds = |(_, value): &&(String, String)| value.len() >= key.len() && value.contains(key);
        headers.iter().filter(holds).map(|(name, _)| name.clone()).collect()
    }

    /// The reply, all of which is still held, is `error`.
    pub fn fail(&mut self, error: Error) -> Step {
        self.failed(error)
    }

    /// The target that is tried.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The upstream model that was asked.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Whether the client asked for a stream.
    #[must_use]
    pub const fn streams(&self) -> bool {
        self.stream
    }

    /// How long the reply, once its head is there, may say nothing, in milliseconds; `None` leaves that to Envoy.
    #[must_use]
    pub fn silence_ms(&self) -> Option<u64> {
        if self.stream { self.target.stream_silence_ms } else { self.target.silence_ms }
    }

    /// What has been seen of the reply so far.
    #[must_use]
    pub const fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Why the attempt failed, once it has.
    #[must_use]
    pub const fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }
}

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The service tier that a client asks for.
fn requested_tier(asked: &Request) -> Option<ServiceTier> {
    let name = asked.body.field("service_tier").and_then(Json::as_str).map(Str::plain)?;
    ServiceTier::named(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::Body;

    /// A world in which nothing is to be had.
    fn world(seal: &Seal) -> World<'_> {
        let (env, tokens) = (&|_: &str| None, &|_: &str| None);
        World { env, tokens, now: 1, id: "id", model: None, headers: &[], seal, hold_heads: false }
    }

    /// The changes to the head of a reply by `provider` with one header.
    fn edits(provider: &str, name: &str, value: &str) -> Vec<Edit> {
        let target = format!(
            r#"{{"id":"t","provider":"{provider}","model":"m","settings":{{"aws_region_name":"eu-west-1"}},
                "api_key":"k"}}"#
        );
        let seal = Seal::of(None);
        let world = world(&seal);
        let body = br#"{"model":"m","messages":[{"role":"user","content":"Hi"}],"max_tokens":1}"#;
        let target = Rc::new(Target::from_json(&target).unwrap());
        let asked = Request::new(Endpoint::Chat, Body::read(body.to_vec()).unwrap());
        let (mut attempt, _) = Attempt::begin(target, &asked, &world).unwrap();
        let headers = [("content-type", "application/json"), (name, value)];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        attempt.head(400, &headers, false).edits
    }

    #[test]
    fn a_requests_id_and_its_limits_stand_where_openais_clients_look() {
        for (provider, own, openai) in [
            ("anthropic", "request-id", "x-request-id"),
            ("bedrock", "x-amzn-requestid", "x-request-id"),
            ("mistral", "mistral-correlation-id", "x-request-id"),
            ("mistral", "x-ratelimit-remaining-req-minute", "x-ratelimit-remaining-requests"),
            ("cohere", "x-trial-endpoint-call-remaining", "x-ratelimit-remaining-requests"),
        ] {
            let edits = edits(provider, own, "v1");
            assert!(edits.contains(&(openai, Some("v1".to_owned()))), "{provider}: {edits:?}");
        }
    }

    #[test]
    fn what_needs_no_rewriting_passes() {
        let seal = Seal::of(None);
        let world = world(&seal);
        let passes = |provider: &str, model: &str, body: &str| {
            let target = format!(
                r#"{{"id":"t","provider":"{provider}","model":"{model}","api_key":"k","base_url":"http://l/v1"}}"#
            );
            let body = crate::openai::Body::read(body.as_bytes().to_vec()).unwrap();
            let asked = Request::new(Endpoint::Chat, body);
            let (_, outgoing) =
                Attempt::begin(Rc::new(Target::from_json(&target).unwrap()), &asked, &world).unwrap();
            outgoing.body.is_none()
        };
        let plain = r#"{ "model":"gpt-4o","messages":[{"role":"user","content":"Hi"}], "max_tokens": 5,"temperature":0.7}"#;
        assert!(passes("openai", "gpt-4o", plain));
        assert!(!passes("openai", "gpt-4o-mini", plain));
        assert!(!passes("anthropic", "gpt-4o", plain));
        let ours =
            r#"{"model":"gpt-4o","messages":[{"role":"assistant","content":"Hi","thinking_blocks":[]}]}"#;
        assert!(!passes("openai", "gpt-4o", ours));
        let stream = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"stream":true}"#;
        assert!(!passes("openai", "gpt-4o", stream));
        let private = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hi"}],"fallbacks":["x"]}"#;
        assert!(!passes("openai", "gpt-4o", private));
    }
}
