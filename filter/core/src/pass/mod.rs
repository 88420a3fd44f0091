//! Requests that pass: what is asked is the provider's own business, so the body goes on as it comes, and so does the reply.
//!
//! Here stands which paths those are ([`Way`]), which target takes them ([`choose`]), how such a request looks on its way
//! ([`send()`]), and what little is read meanwhile: the name of a model where it routes ([`Reads`]), token counts where a
//! reply tells them ([`Meter`]). Knows no body language: whoever asks this way speaks the provider's.

mod form;
mod meter;
mod readdress;
mod send;

pub use form::{Field, model_field};
pub use meter::Meter;
pub use readdress::readdress;
pub use send::{Sent, send, with_model};

use crate::config::{AGAIN_HEADER, CLUSTER_HEADER, WAIT_HEADER};
use crate::provider::path::percent_decoded;
use crate::provider::{self, Provider};
use crate::route::{Route, Routes};
use crate::{client::Endpoint, config::Target};
use std::rc::Rc;

/// The request header by which a client names the model whose target takes a request that names none itself.
pub const MODEL_HEADER: &str = "x-dragoman-model";

/// The request header by which Envoy's route for such requests is found. Clients can't set it.
pub const PASS_HEADER: &str = "x-dragoman-pass";

/// Headers of a provider's reply that are not a client's business.
pub const PRIVATE: &[&str] = &[
    "set-cookie",
    "alt-svc",
    "strict-transport-security",
    "x-envoy-upstream-service-time",
    // Envoy's router acts on these, and listens to us alone.
    AGAIN_HEADER,
    WAIT_HEADER,
    CLUSTER_HEADER,
];

/// What must be read of a request's body before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// Nothing: it streams.
    Nothing,
    /// All of it, which is JSON: the model is a field.
    Json,
    /// A form, up to the field that names the model.
    Form,
}

/// A path whose requests pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// What is asked for, in stats and logs.
    pub operation: &'static str,
    /// What must be read of the body.
    pub reads: Reads,
    /// The provider whose own path it is.
    provider: Option<&'static str>,
    /// The path at that provider, or behind `/v1` of OpenAI's.
    path: String,
    /// The query, without what is ours.
    query: String,
    /// The model, where the path, the query or a header names one.
    pub model: Option<String>,
}

/// OpenAI's paths that pass, behind `/v1/`: (beginning, operation, whether the body names a model).
const OPENAI: &[(&str, &str, bool)] = &[
    ("images", "images", true),
    ("audio", "audio", true),
    ("moderations", "moderations", true),
    ("rerank", "rerank", true),
    ("files", "files", false),
    ("uploads", "files", false),
    ("batches", "batches", false),
    ("fine_tuning", "fine_tuning", false),
    ("realtime", "realtime", false),
];

/// The beginnings of OpenAI's paths that pass, behind `/v1/`.
pub fn beginnings() -> impl Iterator<Item = &'static str> {
    OPENAI.iter().map(|(beginning, ..)| *beginning)
}

/// What clients put into a query for us.
const OURS: &[&str] = &["key", "custom_llm_provider"];

fn header<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn queried(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| percent_decoded(value))
}

impl Way {
    /// The way of a request with this path and query; `None` where no request passes.
    #[must_use]
    pub fn of(method: &str, target: &str, headers: &[(String, String)]) -> Option<Self> {
        let target = target.split('#').next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut way = Self::native(method, path).or_else(|| Self::openai(method, path, headers))?;
        way.model = way
            .model
            .or_else(|| header(headers, MODEL_HEADER).map(str::to_owned))
            .or_else(|| queried(query, "model").filter(|_| way.operation == "realtime"));
        if way.provider.is_none() && way.model.is_none() {
            let named = header(headers, "custom-llm-provider").map(str::to_owned);
            let named = named.or_else(|| queried(query, "custom_llm_provider"));
            way.provider = named.and_then(|name| provider::named(&name)).map(|row| row.name);
            way.path = if way.provider.is_some() { format!("/v1{}", way.path) } else { way.path };
        }
        let ours = |key: &str| OURS.contains(&key) || (way.operation == "realtime" && key == "model");
        let kept = query.split('&').filter(|pair| {
            let key = pair.split('=').next().unwrap_or_default();
            !pair.is_empty() && !ours(key)
        });
        way.query = kept.collect::<Vec<_>>().join("&");
        Some(way)
    }

    fn openai(method: &str, path: &str, headers: &[(String, String)]) -> Option<Self> {
        let rest = ["/v1/", "/v2/", "/"].iter().find_map(|version| path.strip_prefix(version))?;
        let first = rest.split('/').next().unwrap_or_default();
        let (_, operation, names) = OPENAI.iter().find(|(beginning, ..)| *beginning == first)?;
        let content = header(headers, "content-type").unwrap_or_default();
        let reads = match content.trim_start().get(..19).map(str::to_ascii_lowercase) {
            _ if !names || method != "POST" => Reads::Nothing,
            Some(form) if form == "multipart/form-data" => Reads::Form,
            _ => Reads::Json,
        };
        let (operation, path) = (*operation, format!("/{rest}"));
        Some(Self { operation, reads, provider: None, path, query: String::new(), model: None })
    }

    fn native(method: &str, path: &str) -> Option<Self> {
        let (first, rest) = path.strip_prefix('/')?.split_once('/')?;
        let (row, path): (&Provider, String) = match provider::named(first) {
            Some(row) => (row, format!("/{rest}")),
            // The Gemini API's SDKs, told another address.
            None if (matches!(first, "v1beta" | "v1alpha") || (first == "v1" && method == "POST"))
                && rest.starts_with("models/")
                && rest.contains(':') =>
            {
                (provider::named("gemini")?, path.to_owned())
            }
            None => return None,
        };
        let model = model_in(&path).map(percent_decoded);
        let (operation, reads, provider) = ("pass_through", Reads::Nothing, Some(row.name));
        Some(Self { operation, reads, provider, path, query: String::new(), model })
    }

    /// The path, as a client knows it.
    #[must_use]
    pub fn shown(&self) -> String {
        if self.provider.is_some() { self.path.clone() } else { format!("/v1{}", self.path) }
    }

    /// The provider whose own path it is.
    #[must_use]
    pub const fn provider(&self) -> Option<&'static str> {
        self.provider
    }

    /// The endpoint in whose language the client is told what Dragoman itself has to say.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        if self.provider == Some("anthropic") { Endpoint::Messages } else { Endpoint::Chat }
    }
}

/// The key that a client shows by other means than a header of its own: in the query, or as a browser's WebSocket protocol.
#[must_use]
pub fn shown_key(target: &str, headers: &[(String, String)]) -> Option<String> {
    let (_, query) = target.split_once('?').unwrap_or_default();
    let protocols = header(headers, "sec-websocket-protocol").unwrap_or_default();
    let protocol = protocols.split(',').find_map(|word| word.trim().strip_prefix(send::PROTOCOL_KEY));
    queried(query, "key").or_else(|| protocol.map(str::to_owned))
}

/// The model that a provider's own path names, as it stands there.
fn model_in(path: &str) -> Option<&str> {
    let [models, ends]: [&[&str]; 2] = [&["/models/", "/model/", "/deployments/"], &[":", "/"]];
    let at = models.iter().find_map(|name| path.find(name).map(|at| at + name.len()))?;
    let rest = path.get(at..)?;
    // Bedrock's ids have colons of their own; its SDKs escape them, others do not.
    let bedrock = path.starts_with("/model/");
    let end = rest.find(|c| ends.iter().any(|end| end.starts_with(c)) && !(bedrock && c == ':'));
    rest.get(..end.unwrap_or(rest.len())).filter(|model| !model.is_empty())
}

/// The targets among which one is chosen for a request that passes.
#[derive(Debug)]
pub struct Candidates<'r> {
    /// Their route.
    pub route: &'r Route,
    /// The others on that route, by their places in the gateway's list.
    pub unfit: Vec<usize>,
    /// Whether the request is for what one target keeps: then always the first of them.
    pub first: bool,
}

impl Way {
    /// Whether this target can be asked this at all.
    #[must_use]
    pub fn fits(&self, target: &Target) -> bool {
        match self.provider {
            Some(name) => target.provider.name == name,
            None => send::sibling(self, target.provider).is_some(),
        }
    }

    /// Whether what is asked for stands at one target: uploads, jobs, whatever else a path of a provider's own names.
    fn is_kept(&self) -> bool {
        let modelled =
            || self.operation == "realtime" || (self.provider.is_some() && model_in(&self.path).is_some());
        self.reads == Reads::Nothing && !modelled()
    }

    /// Whether a "not found" is about a target's model, not about something that the path names.
    #[must_use]
    pub const fn names_model(&self) -> bool {
        !matches!(self.reads, Reads::Nothing)
    }
}

/// Where a target is looked for, best first: on the route of the model that is named; at a provider's own path also by the
/// provider's name of the model. Without a name the first target of the provider counts, OpenAI's where none is named.
#[must_use]
pub fn candidates<'r>(
    way: &Way,
    asked: Option<&str>,
    routes: &'r Routes,
    targets: &[Rc<Target>],
) -> Vec<Candidates<'r>> {
    let among = |route: &'r Route, fits: &dyn Fn(&Target) -> bool| {
        let all = route.choices.iter().map(|choice| choice.target);
        let unfit: Vec<usize> =
            all.filter(|place| !targets.get(*place).is_some_and(|target| fits(target))).collect();
        let some = unfit.len() < route.choices.len();
        some.then_some(Candidates { route, unfit, first: way.is_kept() })
    };
    let named = asked.and_then(|asked| routes.find(asked)).map(|(_, route)| route);
    if let Some(found) = named.and_then(|route| among(route, &|target| way.fits(target))) {
        return vec![found];
    }
    if way.provider.is_none() && asked.is_some() {
        return Vec::new();
    }
    let name = way.provider.unwrap_or("openai");
    let own = |target: &Target| target.provider.name == name;
    // Deployments of that very model, else any: its credential is what is wanted.
    let exact = |target: &Target| own(target) && Some(target.model.as_str()) == asked;
    let exactly = routes.iter().filter_map(|route| among(route, &exact));
    exactly.chain(routes.iter().filter_map(|route| among(route, &own))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(target: &str) -> Option<(&'static str, Option<&'static str>, String, Option<String>)> {
        Way::of("POST", target, &[]).map(|way| (way.operation, way.provider, way.path, way.model))
    }

    #[test]
    fn paths_tell_what_is_asked_of_whom() {
        let openai = |operation, path: &str| Some((operation, None, path.to_owned(), None));
        assert_eq!(way("/v1/images/generations"), openai("images", "/images/generations"));
        assert_eq!(way("/audio/speech?x=1"), openai("audio", "/audio/speech"));
        assert_eq!(way("/v2/rerank"), openai("rerank", "/rerank"));
        assert_eq!(way("/v1/files/file-1/content"), openai("files", "/files/file-1/content"));
        assert_eq!(way("/v1/chat/completions"), None);
        assert_eq!(way("/v1/filesystem"), None);
        let native = |provider, path: &str, model: &str| {
            let model = (!model.is_empty()).then(|| model.to_owned());
            Some(("pass_through", Some(provider), path.to_owned(), model))
        };
        assert_eq!(way("/cohere/v2/chat"), native("cohere", "/v2/chat", ""));
        assert_eq!(
            way("/v1beta/models/gemini-2.5-flash:generateContent?key=k"),
            native("gemini", "/v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash")
        );
        assert_eq!(
            way("/bedrock/model/amazon.nova-lite-v1:0/converse"),
            native("bedrock", "/model/amazon.nova-lite-v1:0/converse", "amazon.nova-lite-v1:0")
        );
        assert_eq!(
            way("/azure/openai/deployments/gpt/images/generations?api-version=1"),
            native("azure", "/openai/deployments/gpt/images/generations", "gpt")
        );
    }

    #[test]
    fn what_is_ours_in_a_query_stays_here() {
        let way = Way::of("GET", "/v1/realtime?model=rt&intent=transcription&key=sk", &[]).unwrap();
        assert_eq!((way.model.as_deref(), way.query.as_str()), (Some("rt"), "intent=transcription"));
        let way = Way::of("GET", "/v1/files?custom_llm_provider=azure&limit=2", &[]).unwrap();
        assert_eq!((way.provider, way.query.as_str()), (Some("azure"), "limit=2"));
    }
}
