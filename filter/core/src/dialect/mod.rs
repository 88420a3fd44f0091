//! Body languages, one file each. A dialect knows a language, never who speaks it: no provider's address, key or quirk
//! stands here, and no dialect knows another.
//!
//! To add one: a file, a `pub static`, a row in `provider::table`, eight golden cases in `tests/golden`.

pub mod anthropic;
pub mod cohere;
pub mod converse;
pub mod gemini;
pub mod mistral;
pub mod ollama;
pub mod openai;
pub mod titan;

use crate::client::{Endpoint, Request};
use crate::config::Target;
use crate::error::{Error, Said};
use crate::json::Str;
use crate::openai::{ChatRequest, EmbeddingWriter, EmbeddingsRequest, Param, ParamSet, Sink};
use crate::wire::{Frame, FrameKind};

/// One body language. Pure: no state, no I/O.
pub trait Dialect: Sync {
    /// The parameters of OpenAI's that this language can express. What the client asks for beyond them has been refused
    /// or dropped, by one policy for all dialects ([`screen`]), before [`Dialect::encode`] is called.
    fn supports(&self) -> ParamSet;

    /// Appends the native request body.
    ///
    /// # Errors
    /// A client error when the request can't be said in this language.
    fn encode<'a>(&self, request: &ChatRequest<'a>, to: &'a Target, body: &mut Vec<u8>) -> Result<(), Error>;

    /// Whether the body that the client sent says just what [`Dialect::encode`] would write: then it goes on as it is.
    fn passes(&self, _request: &ChatRequest<'_>, _to: &Target) -> bool {
        false
    }

    /// Adds the headers that this request's features need, names in lower case. One that the target's configuration sets
    /// too becomes a list of both.
    fn headers(&self, _request: &ChatRequest<'_>, _headers: &mut Vec<(&'static str, String)>) {}

    /// Reads a whole native reply into `sink`.
    ///
    /// # Errors
    /// An upstream error when it is malformed, or is an error in a reply's clothes.
    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error>;

    /// Reads a native error, of any shape.
    fn decode_error(&self, status: u16, body: &[u8], provider: &str) -> Error {
        Said::read(body).into_error(status, provider)
    }

    /// A decoder for a new stream.
    fn stream(&self) -> Box<dyn StreamDecoder>;

    /// Appends the native body of an embeddings request. [`screen_embeddings`] has been called.
    ///
    /// # Errors
    /// A client error when the request can't be said in this language; so says a language without embeddings.
    fn encode_embeddings<'a>(
        &self,
        _request: &EmbeddingsRequest<'a>,
        to: &'a Target,
        _body: &mut Vec<u8>,
    ) -> Result<(), Error> {
        Err(no_embeddings(to))
    }

    /// Reads a native embeddings reply into `writer`.
    ///
    /// # Errors
    /// An upstream error when it is malformed, or is an error in a reply's clothes.
    fn decode_embeddings(&self, _body: &[u8], _writer: &mut EmbeddingWriter) -> Result<(), Error> {
        Err(Error::internal("embeddings were asked of a language that has none"))
    }

    /// Whether replies are in OpenAI's own form already and pass byte for byte.
    fn native(&self) -> bool {
        false
    }

    /// How this language serves clients that speak it, where it does so without the hub.
    fn speaks(&self, _endpoint: Endpoint) -> Option<&dyn Native> {
        None
    }

    /// Whether it understands Anthropic's `thinking`, with its budgets, and needs no effort in its place.
    fn knows_budgets(&self, _model: &str) -> bool {
        false
    }

    /// Whether the tokens of a prompt for `model` can be counted beforehand.
    fn counts(&self, _model: &str) -> bool {
        false
    }

    /// Appends the body of a request to count a prompt's tokens, and the headers that it needs. Gives the model's name for
    /// its path, where that is another.
    ///
    /// # Errors
    /// A client error when the prompt can't be said in this language; so says a language that counts none.
    fn encode_count(
        &self,
        _asked: &Asked<'_>,
        to: &Target,
        _body: &mut Vec<u8>,
        _headers: &mut Vec<(&'static str, String)>,
    ) -> Result<Option<String>, Error> {
        Err(no_counting(to))
    }

    /// Reads the answer to it.
    ///
    /// # Errors
    /// An upstream error when it is malformed.
    fn decode_count(&self, _body: &[u8]) -> Result<u64, Error> {
        Err(Error::internal("tokens were to be counted in a language that counts none"))
    }

    /// What a whole native reply, or the data of a native event, must read instead where vendors' words differ from
    /// OpenAI's; `None` where it passes byte for byte.
    fn amend(&self, _text: &str) -> Option<String> {
        None
    }
}

/// A client's language as a provider speaks it: the client's own request passes, but for what must change, and replies
/// pass byte for byte while they are read for what they tell.
pub trait Native: Sync + std::fmt::Debug {
    /// Appends the native request body, and the headers that it needs, names in lower case.
    ///
    /// # Errors
    /// A client error when the request is not even the object that it must be.
    fn encode(
        &self,
        asked: &Asked<'_>,
        to: &Target,
        body: &mut Vec<u8>,
        headers: &mut Vec<(&'static str, String)>,
    ) -> Result<(), Error>;

    /// Reads a whole reply into `sink`.
    ///
    /// # Errors
    /// As [`Dialect::decode`].
    fn decode(&self, body: &[u8], sink: &mut dyn Sink) -> Result<(), Error>;

    /// A decoder for a new stream.
    fn stream(&self) -> Box<dyn StreamDecoder>;

    /// The event in the client's framing, for a frame that comes in another; `None` for what is not for clients.
    fn event(&self, _frame: Frame<'_>) -> Option<String> {
        None
    }

    /// Whether an event's data commits to nothing yet: a stream that fails behind it may still be tried elsewhere.
    fn prelude(&self, _data: &str) -> bool {
        false
    }

    /// What the data of an event must read instead where ids must carry their target: `sealed` makes the client's id of
    /// the provider's. `None` where it passes byte for byte.
    fn amend_event(&self, _data: &str, _sealed: &dyn Fn(&str) -> String) -> Option<String> {
        None
    }

    /// What the data of an event must read instead where its usage tells the client what it costs, in nanodollars. `None`
    /// where that is not told in it.
    fn with_cost(&self, _data: &str, _cost: u64) -> Option<String> {
        None
    }

    /// The same as [`Self::amend_event`] for a whole reply.
    fn amend_whole(&self, _text: &str, _sealed: &dyn Fn(&str) -> String) -> Option<String> {
        None
    }
}

/// A client's request on its way to a target.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client's request.
    pub request: &'a Request,
    /// The upstream model.
    pub model: Str<'a>,
    /// The client's headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// The provider's own id of the response that the client goes on from.
    pub previous: Option<&'a str>,
}

/// Decodes one stream, frame by frame.
pub trait StreamDecoder {
    /// Reads a frame.
    ///
    /// # Errors
    /// An upstream error when the frame is malformed or is the provider's own error event.
    fn frame(&mut self, frame: Frame<'_>, sink: &mut dyn Sink) -> Result<(), Error>;

    /// Whether the provider has said that the stream is complete: what follows is of no interest.
    fn done(&self) -> bool;

    /// The bytes have ended. Tells the sink what had to wait for the end.
    ///
    /// # Errors
    /// An upstream error when the provider's own end event was missing: a truncation is never a success.
    fn end(&mut self, sink: &mut dyn Sink) -> Result<(), Error>;
}

/// The one policy for parameters that a target can't express: `additional_drop_params` are always left out, the rest
/// beyond `supported` (and `allowed_openai_params`) is left out under `drop_params`, else refused by name.
///
/// # Errors
/// A client error that names the parameter and the provider.
pub fn screen(request: &mut ChatRequest<'_>, supported: ParamSet, to: &Target) -> Result<(), Error> {
    for name in &to.additional_drop_params {
        request.remove(name);
    }
    let asked = request.asked();
    for param in Param::ALL {
        let known = supported.has(*param) || to.allowed_openai_params.iter().any(|name| name == param.name());
        if known || !request.has(*param) {
            continue;
        }
        if asked.has(*param) && !to.drop_params && !to.provider.quirks.ignored.has(*param) {
            return Err(unsupported(*param, to));
        }
        request.remove(param.name());
    }
    Ok(())
}

/// The same policy for an embeddings request: `additional_drop_params` are always left out, what the vendor refuses
/// (`quirks.embeddings.unsupported`) is left out under `drop_params`, else refused by name.
///
/// # Errors
/// A client error that names the field and the provider.
pub fn screen_embeddings(request: &mut EmbeddingsRequest<'_>, to: &Target) -> Result<(), Error> {
    for name in &to.additional_drop_params {
        request.remove(name);
    }
    for name in to.provider.quirks.embeddings.unsupported {
        let allowed = to.allowed_openai_params.iter().any(|allowed| allowed == name);
        if !allowed && request.field(name).is_some() {
            if !to.drop_params {
                return Err(unsupported_field(name, to));
            }
            request.remove(name);
        }
    }
    Ok(())
}

/// The texts of an embeddings request, for a language that knows no other input.
///
/// # Errors
/// A client error when they are given as tokens or in a vendor's own form.
pub fn texts<'a>(request: &EmbeddingsRequest<'a>, to: &Target) -> Result<Vec<Str<'a>>, Error> {
    request.input.texts().ok_or_else(|| {
        let provider = to.provider.name;
        Error::invalid(format!(
            "{provider} embeds texts only: give 'input' as a string or an array of strings."
        ))
        .param("input")
    })
}

/// The refusal of a chat request by a target that only embeds.
#[must_use]
pub fn no_chat(to: &Target) -> Error {
    let provider = to.provider.name;
    Error::client(crate::error::Kind::NotFound, format!("{provider} has no chat endpoint.")).param("model")
}

/// The refusal of an embeddings request by a target that has no such endpoint.
#[must_use]
pub fn no_embeddings(to: &Target) -> Error {
    let provider = to.provider.name;
    Error::client(crate::error::Kind::NotFound, format!("{provider} has no embeddings endpoint."))
        .param("model")
}

/// The refusal of a count by a target that counts no tokens.
#[must_use]
pub fn no_counting(to: &Target) -> Error {
    let provider = to.provider.name;
    Error::client(crate::error::Kind::NotFound, format!("{provider} counts no tokens beforehand."))
        .param("model")
}

/// The refusal of a parameter, or of a value of it, that `to` can't express.
#[must_use]
pub fn unsupported(param: Param, to: &Target) -> Error {
    unsupported_field(param.name(), to)
}

/// The refusal of a field of the request that `to` can't express.
#[must_use]
pub fn unsupported_field(name: &str, to: &Target) -> Error {
    let provider = to.provider.name;
    Error::client(
        crate::error::Kind::UnsupportedParameter,
        format!(
            "{provider} does not support '{name}': leave it out, or set drop_params: true for the model."
        ),
    )
    .param(name)
}

/// The error of a stream that ended before its provider said that it was complete.
#[must_use]
pub fn truncated() -> Error {
    Error::garbled("The provider's stream ended before it was complete.").code("stream_truncated")
}

/// The error in a frame that is no event: a whole error body where a stream was promised, or a failure that the framing
/// itself marks, whose name is the frame's.
#[must_use]
pub fn bare_error(frame: Frame<'_>, provider: &str) -> Option<Error> {
    match frame.kind {
        FrameKind::Event => None,
        FrameKind::Bare => Some(Said::read(frame.data.as_bytes()).into_error(200, provider)),
        FrameKind::Exception => {
            let mut said = Said::read(frame.data.as_bytes());
            said.message = said.message.or_else(|| Some(format!("{provider} failed: {}", frame.event)));
            said.type_ = Some(frame.event.to_owned());
            Some(said.into_error(200, provider))
        }
    }
}
