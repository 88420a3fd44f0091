//! The head of a request that passes: the provider's address and credential, and of the client's headers those that speak
//! of the body, of the connection or in the provider's own words.

use super::{PRIVATE, Way, model_in};
use crate::config::{Address, Target};
use crate::error::{Error, Kind};
use crate::json::{Out, Str};
use crate::openai::Body;
use crate::openai::params::GATEWAY_ONLY;
use crate::provider::auth::{Env, Outgoing, Tokens, authorize, shown_key};
use crate::provider::path::{fill, segment, value};
use crate::provider::{Auth, Provider};

/// A request's new head.
#[derive(Debug)]
pub struct Sent {
    /// The `host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// All other headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The credential, which must not come back.
    key: Option<String>,
}

/// Headers of the client's that go on, by name and by the beginning of it.
const NAMES: &[&str] = &[
    "accept",
    "accept-language",
    "baggage",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "openai-beta",
    "range",
    "tracestate",
    "traceparent",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-proto",
    "x-goog-api-client",
    "x-request-id",
];
const BEGINNINGS: &[&str] = &["anthropic-", "sec-websocket-", "x-goog-upload-", "x-amzn-bedrock-"];

fn goes_on(name: &str) -> bool {
    NAMES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

/// Makes the head of `way`'s request to `target`. `model` is the provider's name of what is asked for, `body` the whole body
/// where it has been read.
///
/// # Errors
/// A client error when the target has no such endpoint; a config error when its credential can't be had.
pub fn send(
    way: &Way,
    target: &Target,
    model: Option<&str>,
    client: &[(String, String)],
    body: &[u8],
    (env, tokens, now): (&Env<'_>, &Tokens<'_>, u64),
) -> Result<Sent, Error> {
    let mut headers: Vec<(String, String)> =
        client.iter().filter(|(name, _)| goes_on(name)).cloned().collect();
    // What an extension compresses can't be read for its counts.
    headers.retain(|(name, _)| name != "sec-websocket-extensions");
    headers.retain_mut(|(name, value)| {
        if name != "sec-websocket-protocol" {
            return true;
        }
        *value = spoken(value).unwrap_or_default();
        !value.is_empty()
    });
    for (name, value) in target.provider.headers {
        if !headers.iter().any(|(known, _)| known == name) {
            headers.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    for (name, setting) in &target.headers {
        let name = name.to_ascii_lowercase();
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value(setting, target, env)?));
    }
    let mut path = path(way, target, model, env)?;
    if !way.query.is_empty() {
        path.push(if path.contains('?') { '&' } else { '?' });
        path.push_str(&way.query);
    }
    let authority = target.address.authority();
    let mut outgoing = Outgoing { authority, path, headers, body: Some(body.to_vec()), spliced: false };
    authorize(target, &mut outgoing, env, tokens, now)?;
    let key = shown_key(&outgoing, target.provider.auth).map(str::to_owned);
    Ok(Sent { authority: outgoing.authority, path: outgoing.path, headers: outgoing.headers, key })
}

/// By this beginning a browser's WebSocket protocol is a key:
/// <https://platform.openai.com/docs/guides/realtime-websocket>.
pub(super) const PROTOCOL_KEY: &str = "openai-insecure-api-key.";

/// A WebSocket's protocols without the key, which in a browser is one among others.
pub(super) fn spoken(protocols: &str) -> Option<String> {
    let kept = protocols.split(',').map(str::trim).filter(|word| !word.starts_with(PROTOCOL_KEY));
    Some(kept.collect::<Vec<_>>().join(", ")).filter(|kept| !kept.is_empty())
}

impl Way {
    /// Whether the whole body must be there before the request goes to `target`, as its signature covers it.
    #[must_use]
    pub fn signs_body(target: &Target, env: &Env<'_>) -> bool {
        let keyed = target.api_key.as_ref().is_some_and(|key| key.value(env).is_some());
        matches!(target.provider.auth, Auth::SigV4 { .. })
            && !keyed
            && target.plain_setting("aws_signer") != Some("envoy")
    }
}

impl Sent {
    /// The headers of a reply that stay here.
    #[must_use]
    pub fn hides(&self, headers: &[(String, String)]) -> Vec<String> {
        let key = self.key.as_deref().filter(|key| key.len() >= 8);
        let hidden = |(name, value): &&(String, String)| {
            PRIVATE.contains(&name.as_str())
                || key.is_some_and(|key| value.len() >= key.len() && value.contains(key))
        };
        headers.iter().filter(hidden).map(|(name, _)| name.clone()).collect()
    }
}

fn path(way: &Way, target: &Target, model: Option<&str>, env: &Env<'_>) -> Result<String, Error> {
    let base = &target.address.path;
    if way.provider.is_some() {
        let root = root(base, target.provider);
        let mut path = way.path.clone();
        // A name of ours in a provider's path becomes the provider's.
        if let (Some(named), Some(model)) = (model_in(&way.path), model) {
            let mut spelled = String::new();
            segment(model, &mut spelled);
            if crate::provider::path::percent_decoded(named) != model {
                path = way.path.replacen(named, &spelled, 1);
            }
        }
        return Ok(format!("{root}{path}{}", version(way, target, &path)));
    }
    let no_such = || {
        let provider = target.provider.name;
        let message = format!("{provider} has no /v1{}: ask for a model of another provider.", way.path);
        Error::client(Kind::NotFound, message).code("unknown_url")
    };
    let template = sibling(way, target.provider).ok_or_else(no_such)?;
    let mut path = format!("{base}{}", fill(&template, target, model.unwrap_or_default(), env)?);
    if let (Some(model), "realtime") = (model, way.operation) {
        path.push_str(if path.contains('?') { "&model=" } else { "?model=" });
        segment(model, &mut path);
    }
    Ok(path)
}

/// The path behind which a provider's own paths begin: the target's, without what the row's paths are behind.
fn root<'a>(base: &'a str, row: &Provider) -> &'a str {
    let usual = Address::parse(row.base).map(|address| address.path).unwrap_or_default();
    let templated = || row.base.contains('{').then_some("");
    [usual.as_str(), row.base_suffix]
        .into_iter()
        .filter(|usual| !usual.is_empty())
        .find_map(|usual| base.strip_suffix(usual))
        .or_else(templated)
        .unwrap_or(base)
}

/// Azure's version, where the client gives none.
fn version(way: &Way, target: &Target, path: &str) -> String {
    match target.plain_setting("api_version") {
        Some(version)
            if path.starts_with("/openai/")
                && !path.starts_with("/openai/v1/")
                && !way.query.contains("api-version=") =>
        {
            format!("?api-version={version}")
        }
        _ => String::new(),
    }
}

/// A template for `way` beside those of the row: where a vendor of OpenAI's language has its chats, it has the rest.
pub(super) fn sibling(way: &Way, row: &Provider) -> Option<String> {
    const KNOWN: &[&str] = &["/chat/completions", "/embeddings"];
    let beside = |template: &str, known: &str| template.replacen(known, &way.path, 1);
    let compatible = KNOWN.iter().find_map(|known| {
        let template = [row.chat, row.embeddings].into_iter().find(|template| template.contains(known))?;
        Some(beside(template, known))
    });
    // Cohere's own language has this one endpoint in common with others.
    let reranks = || (way.operation == "rerank" && row.chat == "/chat").then(|| way.path.clone());
    let template = compatible.or_else(reranks)?;
    // What belongs to no model stands beside Azure's deployments.
    let named = matches!(way.operation, "files" | "batches" | "fine_tuning" | "realtime");
    Some(if named { template.replacen("/deployments/{model}", "", 1) } else { template })
}

/// A JSON body whose `model` is this one, without what it says to the gateway. `None` where nothing is to change.
#[must_use]
pub fn with_model(body: &Body, model: Option<&str>) -> Option<Vec<u8>> {
    let fields = body.fields();
    let ours = |key: Str<'_>| GATEWAY_ONLY.contains(&&*key.plain());
    let said = fields.iter().find(|(key, _)| key.is("model")).and_then(|(_, value)| value.as_str());
    let model = model.filter(|model| said.is_some_and(|said| !said.is(model)));
    if model.is_none() && !fields.iter().any(|(key, _)| ours(*key)) {
        return None;
    }
    let mut out = Vec::with_capacity(body.len() + model.map_or(0, str::len));
    out.open(b'{');
    for (key, value) in fields.into_iter().filter(|(key, _)| !ours(*key)) {
        if let Some(model) = model.filter(|_| key.is("model")) {
            out.field_text("model", model);
        } else {
            out.token(key);
            out.push(b':');
            out.raw(value.text());
        }
    }
    out.close(b'}');
    Some(out)
}
