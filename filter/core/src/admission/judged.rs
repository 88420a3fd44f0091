//! What a target can be asked: the rest is refused while nothing has been sent yet.

use crate::client::completions::several;
use crate::client::{Endpoint, Request};
use crate::config::Target;
use crate::dialect::unsupported;
use crate::error::Error;
use crate::openai::{ChatRequest, Param};

/// Whether `target` is asked for one prompt of several after the other. Whoever has completions himself gets all at once.
///
/// # Errors
/// A client error when there are too many, or when it can't be asked for one.
#[inline(never)]
pub(super) fn in_parts(request: &Request, target: &Target) -> Result<bool, Error> {
    let prompts = request.prompts();
    if prompts <= 1 || target.provider.native(request.endpoint).is_some() {
        return Ok(false);
    }
    several::bounded(prompts)?;
    judge(&request.part(0)?, None, target)?;
    Ok(true)
}

/// Refuses what `target` can't be asked. `chat` is a chat's reading of the request.
pub(super) fn judge(request: &Request, chat: Option<&ChatRequest<'_>>, target: &Target) -> Result<(), Error> {
    match (chat, request.endpoint) {
        (Some(chat), _) => expressible(chat, target),
        (None, Endpoint::Embeddings | Endpoint::CountTokens) => Ok(()),
        // Whoever speaks the client's language judges for himself.
        (None, endpoint) if target.provider.native(endpoint).is_some() => Ok(()),
        (None, _) => expressible(&ChatRequest::of(request.hub()?)?, target),
    }
}

/// Refuses what `target` can't express while nothing has been sent yet.
fn expressible(request: &ChatRequest<'_>, target: &Target) -> Result<(), Error> {
    if target.drop_params {
        return Ok(());
    }
    let supported = target.provider.dialect.supports().without(target.provider.quirks.unsupported);
    let asked = request.asked().without(supported).without(target.provider.quirks.ignored);
    let listed = |names: &[String], param: Param| names.iter().any(|name| name == param.name());
    let refused = Param::ALL.iter().find(|param| {
        asked.has(**param)
            && !listed(&target.allowed_openai_params, **param)
            && !listed(&target.additional_drop_params, **param)
    });
    refused.map_or(Ok(()), |param| Err(unsupported(*param, target)))
}
