//! Client languages: what a client may ask in, and be answered in. The hub stays OpenAI's chat completions.
//!
//! A language is one parser (a client's body becomes the hub's request) and two writers (a reply told through the hub's
//! [`Sink`] becomes one object or events), beside the form that it gives to errors. It never knows which provider
//! answers, so a new language is one room here and works with every dialect. Where a provider speaks the client's
//! language itself, the request's own body passes instead ([`crate::dialect::Native`]).

mod chat;
pub mod completions;
pub mod messages;
pub mod responses;

use std::cell::OnceCell;

use self::completions::several;
use crate::error::Error;
use crate::json::{Json, Kind, Str};
use crate::openai::request::{required_model, wrong};
use crate::openai::{Body, Sink};

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/embeddings`
    Embeddings,
    /// `/v1/messages`, Anthropic's
    Messages,
    /// `/v1/messages/count_tokens`, Anthropic's
    CountTokens,
    /// `/v1/responses`, OpenAI's newer one
    Responses,
    /// `/v1/responses/{id}`: a response that its provider keeps
    Stored,
    /// `/v1/completions`, OpenAI's older one
    Completions,
}

impl Endpoint {
    /// Every endpoint.
    pub const ALL: &'static [Self] = &[
        Self::Chat,
        Self::Embeddings,
        Self::Messages,
        Self::CountTokens,
        Self::Responses,
        Self::Stored,
        Self::Completions,
    ];

    /// The paths that are posted to, behind `/v1/`.
    pub const PATHS: &'static [&'static str] =
        &["chat/completions", "messages", "messages/count_tokens", "responses", "completions", "embeddings"];

    /// The name in a handover, in stats and in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Embeddings => "embeddings",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Responses => "responses",
            Self::Stored => "stored_response",
            Self::Completions => "completions",
        }
    }

    /// The endpoint called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|endpoint| endpoint.name() == name)
    }

    /// The endpoint that is posted to at `path`, a leading `/v1/` or `/` and any query taken off.
    #[must_use]
    pub fn at(path: &str) -> Option<Self> {
        Some(match path {
            "chat/completions" => Self::Chat,
            "embeddings" => Self::Embeddings,
            // Clients that are told an address by Anthropic's name put `/v1` behind it.
            "messages" | "anthropic/v1/messages" => Self::Messages,
            "messages/count_tokens" | "anthropic/v1/messages/count_tokens" => Self::CountTokens,
            "responses" => Self::Responses,
            "completions" => Self::Completions,
            _ => return None,
        })
    }

    /// The language that is spoken there.
    #[must_use]
    pub fn language(self) -> &'static dyn Language {
        match self {
            Self::Chat | Self::Embeddings => &chat::CHAT,
            Self::Messages | Self::CountTokens => &messages::MESSAGES,
            Self::Responses | Self::Stored => &responses::RESPONSES,
            Self::Completions => &completions::COMPLETIONS,
        }
    }
}

/// The language in which a client that asks at `path` is told that nothing is there.
#[must_use]
pub fn language_at(path: &str) -> &'static dyn Language {
    match Endpoint::at(path) {
        Some(endpoint) => endpoint.language(),
        None if path.starts_with("messages/") || path.starts_with("anthropic/") => &messages::MESSAGES,
        None => &chat::CHAT,
    }
}

/// A client's language. Pure: no state, no I/O.
pub trait Language: Sync {
    /// The body in the hub's language.
    ///
    /// # Errors
    /// A client error when it is malformed, or asks for what only a provider that speaks this language itself can do.
    fn hub(&self, body: &Body) -> Result<Body, Error>;

    /// What of a request its reply's writer must know.
    fn echo(&self, _body: &Body) -> String {
        String::new()
    }

    /// A writer of one object.
    fn whole(&self, seed: Seed<'_>) -> Box<dyn WholeWriter>;

    /// A writer of a stream's events.
    fn stream(&self, seed: Seed<'_>) -> Box<dyn StreamWriter>;

    /// The header in which clients of this language look for the request's id; empty where `x-request-id` is theirs.
    fn request_id(&self) -> &'static str {
        ""
    }

    /// The status by which a client of this language knows `error`.
    fn status(&self, error: &Error) -> u16 {
        error.http_status()
    }

    /// `error` as a body. `request_id` is empty where the request has none.
    fn error(&self, error: &Error, request_id: &str) -> Vec<u8>;

    /// Ends a stream that has begun with `error`.
    fn fail(&self, error: &Error, out: &mut Vec<u8>);
}

/// What a writer begins from.
#[derive(Clone, Copy, Debug)]
pub struct Seed<'s> {
    /// The id of a reply whose provider gives none; text.
    pub id: &'s str,
    /// The model of a reply whose provider names none; text.
    pub model: &'s str,
    /// The time, in Unix seconds.
    pub now: u64,
    /// Whether a chat's client wants the token counts of a stream.
    pub include_usage: bool,
    /// What [`Language::echo`] has kept of the request.
    pub echo: &'s str,
}

/// Gathers a reply and writes it as one object.
pub trait WholeWriter: Sink {
    /// Appends the object.
    fn write(self: Box<Self>, out: &mut Vec<u8>);
}

/// Writes a reply's events as they are told. An error that comes while [`StreamWriter::out`] is still empty becomes a
/// reply of its own, so nothing is written before the first piece.
pub trait StreamWriter: Sink {
    /// The events written so far and not yet taken.
    fn out(&mut self) -> &mut Vec<u8>;

    /// Ends the stream well.
    fn end(&mut self);

    /// Ends the stream badly.
    fn fail(&mut self, error: &Error);
}

/// A client's request: its body, and the same in the hub's language, made when it is first needed.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub endpoint: Endpoint,
    /// The body as the client sent it.
    pub body: Body,
    /// Whether its prompts are asked for one after the other, so that none is answered by a stream.
    pub in_parts: bool,
    hub: OnceCell<Body>,
}

impl Request {
    /// A request whose body has been read.
    #[must_use]
    pub const fn new(endpoint: Endpoint, body: Body) -> Self {
        Self { endpoint, body, in_parts: false, hub: OnceCell::new() }
    }

    /// The body in the hub's language; embeddings have a form of their own there.
    ///
    /// # Errors
    /// A client error when the body can't be said in it.
    pub fn hub(&self) -> Result<&Body, Error> {
        if matches!(self.endpoint, Endpoint::Chat | Endpoint::Embeddings) {
            return Ok(&self.body);
        }
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let made = self.endpoint.language().hub(&self.body)?;
        Ok(self.hub.get_or_init(|| made))
    }

    /// The model that is asked for.
    ///
    /// # Errors
    /// A client error when none is named.
    pub fn model(&self) -> Result<Str<'_>, Error> {
        required_model(self.body.field("model"))
    }

    /// The models that are asked for, best first, where they are given as a list; `None` where one name is given.
    ///
    /// # Errors
    /// A client error when the list is empty, or holds anything but names.
    pub fn models(&self) -> Result<Option<Vec<String>>, Error> {
        let Some(list) = self.body.field("model").filter(|model| model.kind() == Kind::Array) else {
            return Ok(None);
        };
        let name = |item: Json<'_>| {
            let name = item.as_str().filter(|name| !name.is_empty());
            name.map(|name| name.plain().into_owned())
                .ok_or_else(|| wrong("model", "a list of models' names"))
        };
        let names = list.items().into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
        if names.is_empty() { Err(wrong("model", "a list of models' names")) } else { Ok(Some(names)) }
    }

    /// How many prompts a completions request has.
    #[must_use]
    pub fn prompts(&self) -> usize {
        if self.endpoint == Endpoint::Completions { several::prompts(&self.body) } else { 1 }
    }

    /// What of a completions request asks for one of its prompts only, without a stream.
    ///
    /// # Errors
    /// An internal error when it has no such prompt.
    pub fn part(&self, at: usize) -> Result<Self, Error> {
        Ok(Self::new(self.endpoint, several::part(&self.body, at)?))
    }

    /// Whether a stream is asked for: every language says it by the same field.
    #[must_use]
    pub fn stream(&self) -> bool {
        let asked = self.body.field("stream").and_then(Json::as_bool).unwrap_or(false);
        asked && !self.in_parts && !matches!(self.endpoint, Endpoint::Embeddings | Endpoint::CountTokens)
    }

    /// Whether a stream's client wants its token counts in a last chunk.
    #[must_use]
    pub fn include_usage(&self) -> bool {
        let options = self.body.field("stream_options");
        options.and_then(|options| options.field("include_usage")).and_then(Json::as_bool).unwrap_or(false)
    }

    /// The client's id of the response that this request goes on from.
    #[must_use]
    pub fn previous(&self) -> Option<Str<'_>> {
        let asked = (self.endpoint == Endpoint::Responses).then(|| self.body.field("previous_response_id"));
        asked.flatten().and_then(Json::as_str)
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn size(&self) -> usize {
        self.body.len() + self.hub.get().map_or(0, Body::len)
    }
}
