//! Requests that pass: what is asked is the provider's own business, so the body goes on as it comes, and so does the reply.
//!
//! Here stands which paths those are ([`Way`]), which target takes them ([`choose`]), how such a request looks on its way
//! ([`send()`]), and what little is read meanwhile: the name of a model where it routes ([`Reads`]), token counts where a
//! reply tells them ([`Meter`]). Knows no body language: whoever asks this way speaks the provider's.

mod form;
mod meter;
mod send;

pub use form::{Field, model_field};
pub use meter::Meter;
pub use send::{Sent, send, with_model};

use crate::config::{AGAIN_HEADER, CLUSTER_HEADER, WAIT_HEADER};
use crate::provider::path::percent_decoded;
use crate::provider::{self, Provider};
use crate::route::{Choice, Routes};
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

/// Which target takes a request that passes.
#[derive(Clone, Debug)]
pub struct Chosen<'r> {
    /// The target's place in the gateway's list.
    pub target: usize,
    /// The name of the route that it is taken from.
    pub route: &'r str,
    /// The model as the provider knows it; `None` where none is named.
    pub model: Option<String>,
    /// How long the request may take until its reply's head is there, in milliseconds.
    pub timeout_ms: Option<u64>,
}

/// Chooses the target: the route of the model that is named; at a provider's own path only among its own targets, whose
/// models may be named as the provider does. Without a name the first target of the provider counts, OpenAI's where none
/// is named. `None` where there is none.
#[must_use]
pub fn choose<'r>(
    way: &Way,
    asked: Option<&str>,
    routes: &'r Routes,
    targets: &[Rc<Target>],
    random: u64,
) -> Option<Chosen<'r>> {
    let fits = |place: usize| {
        targets.get(place).is_some_and(|target| way.provider.is_none_or(|name| target.provider.name == name))
    };
    if let Some(asked) = asked
        && let Some((_, route)) = routes.find(asked)
        && let Some(choice) = pick(&route.choices, fits, random)
    {
        let model = targets.get(choice.target).map(|target| target.model_for(asked));
        let (target, timeout_ms) = (choice.target, choice.timeout_ms);
        return Some(Chosen { target, route: &route.name, model, timeout_ms });
    }
    if way.provider.is_none() && asked.is_some() {
        return None;
    }
    let name = way.provider.unwrap_or("openai");
    let own = |place: usize| targets.get(place).filter(|target| target.provider.name == name);
    let choices = || routes.iter().flat_map(|route| route.choices.iter().map(move |choice| (route, choice)));
    // A deployment of that very model, else any: its credential is what is wanted.
    let exact =
        choices().find(|(_, choice)| own(choice.target).is_some_and(|t| Some(t.model.as_str()) == asked));
    let (route, choice) = exact.or_else(|| choices().find(|(_, choice)| own(choice.target).is_some()))?;
    let model = asked.map(str::to_owned);
    Some(Chosen { target: choice.target, route: &route.name, model, timeout_ms: choice.timeout_ms })
}

/// One of the choices that fit, of the lowest tier, each in proportion to its weight.
fn pick(choices: &[Choice], fits: impl Fn(usize) -> bool, random: u64) -> Option<&Choice> {
    let fitting = || choices.iter().filter(|choice| fits(choice.target));
    let lowest = fitting().map(|choice| choice.order).min()?;
    let tier = || fitting().filter(|choice| choice.order == lowest);
    let total: u64 = tier().map(|choice| choice.weight).sum();
    let mut point = random.checked_rem(total).unwrap_or_default();
    let weighed = tier().find(|choice| {
        let here = point < choice.weight;
        point = point.saturating_sub(choice.weight);
        here
    });
    weighed.or_else(|| tier().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_follow_tiers_and_weights() {
        let choice = |target, weight, order| Choice { target, weight, order, ..Choice::default() };
        let choices = [choice(0, 1, 1), choice(1, 1, 0), choice(2, 3, 0), choice(3, 9, 0)];
        let picked = |random| pick(&choices, |target| target != 3, random).map(|choice| choice.target);
        assert_eq!([picked(0), picked(1), picked(3), picked(4)], [Some(1), Some(2), Some(2), Some(1)]);
        assert!(pick(&choices, |_| false, 0).is_none());
    }

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
