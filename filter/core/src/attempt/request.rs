//! From a client's request to a native one: model, defaults, policy, body, path, headers, credential.

use std::borrow::Cow;

use super::{Endpoint, World};
use crate::config::{Setting, Target};
use crate::dialect::{no_chat, no_embeddings, screen, screen_embeddings};
use crate::error::Error;
use crate::json::{Json, Str, escaped};
use crate::openai::{Body, ChatRequest, EmbeddingsRequest};
use crate::provider::auth::{Outgoing, authorize};

pub(super) struct Made {
    pub outgoing: Outgoing,
    pub stream: bool,
    pub include_usage: bool,
    /// Whether vectors are wanted in base64.
    pub base64: bool,
    pub model: String,
}

pub(super) fn make(
    target: &Target,
    endpoint: Endpoint,
    body: &Body,
    world: &World<'_>,
) -> Result<Made, Error> {
    let provider = target.provider;
    let mut outgoing = Outgoing {
        authority: target.address.authority(),
        path: String::new(),
        headers: Vec::with_capacity(8),
        body: Vec::with_capacity(body.len() + 256),
    };
    let mut features = Vec::new();
    let (template, model, stream, include_usage, base64);
    match endpoint {
        Endpoint::Chat => {
            let mut request = ChatRequest::of(body)?;
            if provider.chat.is_empty() {
                return Err(no_chat(target));
            }
            model = target.model_for(&request.model.plain());
            let spelled = spelled(&model);
            request.set_model(Str::spelled(&spelled));
            for (name, value) in &target.params {
                request.default_param(name, Json::trusted(value));
            }
            let supported = provider
                .dialect
                .supports()
                .without(provider.quirks.unsupported)
                .without(provider.quirks.ignored);
            screen(&mut request, supported, target)?;
            provider.dialect.encode(&request, target, &mut outgoing.body)?;
            provider.dialect.headers(&request, &mut features);
            (stream, include_usage, base64) = (request.stream, request.include_usage, false);
            template = if stream && !provider.stream.is_empty() { provider.stream } else { provider.chat };
        }
        Endpoint::Embeddings => {
            let mut request = EmbeddingsRequest::of(body)?;
            if provider.embeddings.is_empty() {
                return Err(no_embeddings(target));
            }
            model = target.model_for(&request.model.plain());
            let spelled = spelled(&model);
            request.set_model(Str::spelled(&spelled));
            for (name, value) in &target.params {
                request.default_param(name, Json::trusted(value));
            }
            screen_embeddings(&mut request, target)?;
            provider.dialect.encode_embeddings(&request, target, &mut outgoing.body)?;
            (stream, include_usage, base64) = (false, false, request.base64);
            template = provider.embeddings;
        }
    }
    outgoing.path = format!("{}{}", target.address.path, fill(template, target, &model, world)?);
    headers(target, &mut outgoing.headers, world)?;
    for (name, value) in features {
        add(name, &value, &mut outgoing.headers);
    }
    authorize(target, &mut outgoing, world.env, world.tokens, world.now)?;
    Ok(Made { outgoing, stream, include_usage, base64, model })
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
        headers.push((name, value(setting, target, world)?));
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

fn value(setting: &Setting, target: &Target, world: &World<'_>) -> Result<String, Error> {
    setting.value(world.env).ok_or_else(|| match setting {
        Setting::Env { env } => {
            Error::config(format!("target {}: the environment variable {env} is not set", target.id))
        }
        Setting::Plain(_) => Error::internal("a plain setting without a value"),
    })
}

/// Fills a path template: `{model}` as one percent-encoded segment, other names from the target's settings.
fn fill(template: &str, target: &Target, model: &str, world: &World<'_>) -> Result<String, Error> {
    let mut path = String::with_capacity(template.len() + model.len());
    let mut rest = template;
    while let Some((head, tail)) = rest.split_once('{') {
        path.push_str(head);
        let (name, tail) = tail.split_once('}').unwrap_or((tail, ""));
        if name == "model" {
            segment(model, &mut path);
        } else {
            let setting = target
                .settings
                .get(name)
                .ok_or_else(|| Error::config(format!("target {}: '{name}' is missing", target.id)))?;
            segment(&value(setting, target, world)?, &mut path);
        }
        rest = tail;
    }
    path.push_str(rest);
    Ok(path)
}

/// Appends `text` percent-encoded as one path segment (RFC 3986: unreserved characters stay).
fn segment(text: &str, path: &mut String) {
    use std::fmt::Write as _;
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            _ => {
                // Writing to a String can't fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
}
