//! From a client's request to a native one: model, defaults, policy, body, path, headers, credential.

use std::borrow::Cow;

use super::World;
use crate::client::responses::Stored;
use crate::client::{Endpoint, Request};
use crate::config::Target;
use crate::dialect::{
    Asked, Native, no_chat, no_counting, no_embeddings, screen, screen_embeddings, unsupported_field,
};
use crate::error::Error;
use crate::json::{Json, Str, escaped, splice};
use crate::openai::{ChatRequest, Customs, EmbeddingsRequest, Param, Word};
use crate::provider::Auth;
use crate::provider::auth::{Outgoing, authorize};
use crate::provider::path::{fill, segment, value};

pub(super) struct Made {
    pub outgoing: Outgoing,
    /// How the client's own language passes, where it does.
    pub native: Option<&'static dyn Native>,
    pub stream: bool,
    pub include_usage: bool,
    /// Whether vectors are wanted in base64.
    pub base64: bool,
    pub model: String,
    /// The client's custom tools, where the target knows functions only.
    pub customs: Customs,
}

/// What a request becomes in the target's language.
#[derive(Default)]
struct Said {
    /// The client's own body says it.
    passes: bool,
    /// Some of the client's strings are only marked in what says it.
    spliced: bool,
    template: &'static str,
    native: Option<&'static dyn Native>,
    features: Vec<(&'static str, String)>,
    /// The model's name for the path, where that is another.
    model: Option<String>,
    stream: bool,
    include_usage: bool,
    base64: bool,
    customs: Customs,
}

pub(super) fn make(target: &Target, asked: &Request, world: &World<'_>) -> Result<Made, Error> {
    let model = target.model_for(world.model.unwrap_or(&asked.model()?.plain()));
    let mut outgoing = Outgoing {
        authority: target.address.authority(),
        path: String::new(),
        headers: Vec::with_capacity(8),
        body: None,
        spliced: false,
    };
    let mut body = Vec::new();
    let said = say(target, asked, &model, world, &mut body)?;
    outgoing.spliced = said.spliced;
    outgoing.body = (!said.passes).then_some(body);
    let in_path = said.model.as_ref().unwrap_or(&model);
    outgoing.path = format!("{}{}", target.address.path, fill(said.template, target, in_path, world.env)?);
    headers(target, &mut outgoing.headers, world)?;
    for (name, value) in said.features {
        add(name, &value, &mut outgoing.headers);
    }
    authorize(target, &mut outgoing, world.env, world.tokens, world.now)?;
    let Said { native, stream, include_usage, base64, customs, .. } = said;
    Ok(Made { outgoing, native, stream, include_usage, base64, model, customs })
}

fn say(
    target: &Target,
    asked: &Request,
    model: &str,
    world: &World<'_>,
    body: &mut Vec<u8>,
) -> Result<Said, Error> {
    let spelled = spelled(model);
    let model = Str::spelled(&spelled);
    if asked.endpoint != Endpoint::Chat {
        body.reserve(asked.body.len() + 256);
    }
    match asked.endpoint {
        Endpoint::Embeddings => embed(target, asked, model, body),
        Endpoint::CountTokens => {
            count(target, &Asked { request: asked, model, headers: world.headers, previous: None }, body)
        }
        endpoint => match target.provider.native(endpoint) {
            Some((native, path, streamed)) => {
                let stream = asked.stream();
                let mut features = Vec::new();
                let previous = previous(target, asked, world)?;
                let previous = previous.as_deref();
                let passing = Asked { request: asked, model, headers: world.headers, previous };
                native.encode(&passing, target, body, &mut features)?;
                let template = if stream { streamed } else { path };
                let include_usage = stream && asked.include_usage();
                Ok(Said {
                    template,
                    native: Some(native),
                    features,
                    stream,
                    include_usage,
                    ..Said::default()
                })
            }
            None => chat(target, asked, model, body),
        },
    }
}

/// The provider's own id of the response that a request goes on from.
fn previous(target: &Target, asked: &Request, world: &World<'_>) -> Result<Option<String>, Error> {
    let Some(id) = asked.previous() else { return Ok(None) };
    let opened = world.seal.open(&id.plain());
    match opened.filter(|opened| opened.target == target.id).and_then(|opened| opened.native) {
        Some(native) => Ok(Some(native)),
        None => Err(Error::invalid("The response that this one goes on from is kept by another target.")
            .param("previous_response_id")
            .code("previous_response_not_found")),
    }
}

/// A request for a response that the target keeps.
pub(super) fn fetch(target: &Target, asked: &Stored, world: &World<'_>) -> Result<Made, Error> {
    let native = target.provider.native(Endpoint::Stored);
    let id = asked.opened.native.as_deref().unwrap_or_default();
    let (native, template, _) =
        native.filter(|_| !id.is_empty()).ok_or_else(|| Error::internal("a stored response of nobody's"))?;
    let path = fill(template, target, "", world.env)?;
    let (path, fixed) = path.split_once('?').unwrap_or((&path, ""));
    let mut whole = format!("{}{path}/", target.address.path);
    segment(id, &mut whole);
    whole.push_str(asked.rest);
    for query in [fixed, &asked.query] {
        if !query.is_empty() {
            whole.push(if whole.contains('?') { '&' } else { '?' });
            whole.push_str(query);
        }
    }
    let mut outgoing = Outgoing {
        authority: target.address.authority(),
        path: whole,
        headers: Vec::with_capacity(8),
        body: Some(Vec::new()),
        spliced: false,
    };
    headers(target, &mut outgoing.headers, world)?;
    authorize(target, &mut outgoing, world.env, world.tokens, world.now)?;
    let (stream, model) = (asked.stream(), String::new());
    let (include_usage, base64, customs) = (false, false, Customs::default());
    Ok(Made { outgoing, native: Some(native), stream, include_usage, base64, model, customs })
}

fn chat(target: &Target, asked: &Request, model: Str<'_>, body: &mut Vec<u8>) -> Result<Said, Error> {
    let provider = target.provider;
    let mut request = ChatRequest::of(asked.hub()?)?;
    if provider.chat.is_empty() {
        return Err(no_chat(target));
    }
    request.set_model(model);
    for (name, value) in &target.params {
        request.default_param(name, Json::trusted(value));
    }
    if asked.endpoint != Endpoint::Chat {
        one_thinking(&mut request, target);
    }
    let supported =
        provider.dialect.supports().without(provider.quirks.unsupported).without(provider.quirks.ignored);
    screen(&mut request, supported, target)?;
    // The client's own bytes can go on, all or in part, where nothing covers a body that is at hand, as a signature does.
    let own = asked.endpoint == Endpoint::Chat && !matches!(provider.auth, Auth::SigV4 { .. });
    let passes = own && provider.dialect.passes(&request, target);
    let mut spliced = false;
    if !passes {
        // A text is mostly written as a block of its own, and growing would cost a copy of all.
        let whole = asked.body.len() + 256 + 32 * asked.body.long_strings().count();
        if own {
            let marked: usize = asked.body.long_strings().map(|text| splice::saved(text.len())).sum();
            body.reserve(whole.saturating_sub(marked));
            let written;
            (written, spliced) =
                splice::splicing(asked.body.text(), || provider.dialect.encode(&request, target, body));
            written?;
        } else {
            body.reserve(whole);
            provider.dialect.encode(&request, target, body)?;
        }
    }
    let mut features = Vec::new();
    provider.dialect.headers(&request, &mut features);
    let (stream, include_usage) = (request.stream, request.include_usage);
    let template = if stream && !provider.stream.is_empty() { provider.stream } else { provider.chat };
    let customs = customs(target, asked)?;
    Ok(Said { passes, spliced, template, features, stream, include_usage, customs, ..Said::default() })
}

/// The client's custom tools, where the target knows functions only. A function's arguments keep to no grammar: one is
/// refused, or dropped as parameters are.
fn customs(target: &Target, asked: &Request) -> Result<Customs, Error> {
    let functions_only = match asked.endpoint {
        Endpoint::Chat => !target.provider.dialect.native(),
        endpoint => endpoint == Endpoint::Responses,
    };
    if !functions_only || !asked.body.says(Word::Custom) {
        return Ok(Customs::default());
    }
    match Customs::of(&asked.body) {
        (_, Some(place)) if !target.drop_params => Err(unsupported_field(&place, target)),
        (customs, _) => Ok(customs),
    }
}

/// A request that comes from another language asks for thinking in both ways that the hub has: one of them goes on. A
/// model that is known not to reason isn't asked to, as clients ask every model.
fn one_thinking(request: &mut ChatRequest<'_>, target: &Target) {
    let model = request.model.plain();
    if target.provider.dialect.knows_budgets(&model) && request.field("thinking").is_some() {
        return request.remove(Param::ReasoningEffort.name());
    }
    request.remove("thinking");
    let reasoning = target.provider.quirks.reasoning_models;
    let name = model.rsplit('/').next().unwrap_or(&model);
    if !reasoning.is_empty() && !reasoning.iter().any(|beginning| name.starts_with(beginning)) {
        request.remove(Param::ReasoningEffort.name());
    }
}

fn embed(target: &Target, asked: &Request, model: Str<'_>, body: &mut Vec<u8>) -> Result<Said, Error> {
    let provider = target.provider;
    let mut request = EmbeddingsRequest::of(&asked.body)?;
    if provider.embeddings.is_empty() {
        return Err(no_embeddings(target));
    }
    request.set_model(model);
    for (name, value) in &target.params {
        request.default_param(name, Json::trusted(value));
    }
    screen_embeddings(&mut request, target)?;
    provider.dialect.encode_embeddings(&request, target, body)?;
    Ok(Said { template: provider.embeddings, base64: request.base64, ..Said::default() })
}

fn count(target: &Target, asked: &Asked<'_>, body: &mut Vec<u8>) -> Result<Said, Error> {
    let provider = target.provider;
    if provider.count_tokens.is_empty() {
        return Err(no_counting(target));
    }
    let mut features = Vec::new();
    let model = provider.dialect.encode_count(asked, target, body, &mut features)?;
    Ok(Said { template: provider.count_tokens, features, model, ..Said::default() })
}

/// A model's name as it stands between a JSON string's quotes.
fn spelled(model: &str) -> Cow<'_, str> {
    if model.contains(['"', '\\']) { Cow::Owned(escaped(model)) } else { Cow::Borrowed(model) }
}

fn headers(target: &Target, headers: &mut Vec<(String, String)>, world: &World<'_>) -> Result<(), Error> {
    headers.push(("content-type".to_owned(), "application/json".to_owned()));
    for (name, value) in target.provider.headers {
        headers.push(((*name).to_owned(), (*value).to_owned()));
    }
    for (name, setting) in &target.headers {
        let name = name.to_ascii_lowercase();
        headers.retain(|(known, _)| *known != name);
        headers.push((name, value(setting, target, world.env)?));
    }
    Ok(())
}

/// Adds a header, or its value to the list that one of this name is already.
fn add(name: &str, value: &str, headers: &mut Vec<(String, String)>) {
    match headers.iter_mut().find(|(known, _)| known == name) {
        Some((_, list)) if list.split(',').any(|item| item.trim() == value) => {}
        Some((_, list)) => {
            list.push(',');
            list.push_str(value);
        }
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}
