//! What access logs and traces are told, as filter state: Envoy's log formats and span tags read it.
//!
//! Nothing here runs unless a log or a trace is configured, as each attribute is a host call. Which attributes there are and
//! what they say is the core's.

use dragoman_core::capture::Capture;
use dragoman_core::config::{TRACEPARENT, Target};
use dragoman_core::error::Kind;
use dragoman_core::meter::{Measurement, Tried};
use dragoman_core::observe::{self, ATTRIBUTES, Who};
use dragoman_core::openai::Body;

use crate::host::{self, Half};
use crate::ledger::Trace;

/// What vendors say of a trace, beside its place. <https://www.w3.org/TR/trace-context/#tracestate-header>
const TRACESTATE: &str = "tracestate";

/// Has Envoy keep every attribute as text.
pub fn declare() {
    for attribute in ATTRIBUTES {
        host::declare_text(attribute.name);
    }
}

/// Tells what is known before any attempt.
pub fn asked(operation: &str, route: &str, model: &str, stream: bool, who: &Who) {
    observe::asked(operation, route, model, stream, who, &mut host::set_state);
}

/// Tells what the client has sent, without what must not be told.
pub fn sent(capture: &Capture, body: &Body) {
    if let Some(text) = capture.input(body) {
        host::set_state(observe::INPUT_MESSAGES, &text);
    }
}

/// Tells who is tried: the attempt's own span is tagged with it.
pub fn trying(target: &Target) {
    observe::trying(target.provider.name, &target.id, &mut host::set_state);
}

/// Tells what an attempt has come to; `again` when it isn't the stream's first.
pub fn attempted(tried: &Tried, again: bool) {
    observe::attempted(tried, again, &mut host::set_state);
}

/// Tells what a request has come to; `known` when its last attempt has told of itself already.
pub fn settled(measured: &Measurement<'_>, known: bool) {
    observe::settled(measured, known, &mut host::set_state);
}

/// Tells where a request goes: Envoy sees the native path only, once the attempt has put that in its place.
pub fn came(path: &str) {
    host::set_state(observe::PATH, path.split(['?', '#']).next().unwrap_or_default());
}

/// Tells why a request was refused before any attempt. The operation is empty where it isn't known.
pub fn refused(operation: &str, kind: Kind) {
    if !operation.is_empty() {
        host::set_state(observe::OPERATION, operation);
    }
    host::set_state(observe::ERROR, kind.label());
}

/// Tells what would have come of a request of a dry run.
pub fn rehearsed(class: &str) {
    host::set_state(observe::DRY_RUN, class);
}

/// Puts the attempt's own place in the trace where the client's was, and gives the trace that the client's request came in.
pub fn continue_trace(headers: &mut Vec<(String, String)>) -> Option<Trace> {
    let own = host::header(Half::Request, TRACEPARENT).filter(|value| !value.is_empty())?;
    let place = headers.iter().position(|(known, _)| known == TRACEPARENT);
    let clients = place.map(|place| headers.remove(place).1);
    let state = host::header(Half::Request, TRACESTATE).filter(|value| !value.is_empty());
    let same = clients.as_ref().is_none_or(|clients| trace_id(clients) == trace_id(&own));
    if state.is_some() || !same {
        headers.retain(|(known, _)| known != TRACESTATE);
    }
    if let Some(state) = state.filter(|_| same) {
        headers.push((TRACESTATE.to_owned(), state));
    }
    let sampled = own.ends_with('1');
    headers.push((TRACEPARENT.to_owned(), own.clone()));
    Some(Trace { parent: clients.unwrap_or(own), sampled })
}

/// Tells which trace a request has come in that begins anew in one of its own.
pub fn came_in(trace: &Trace, headers: &[(String, String)]) {
    if trace.sampled && !headers.iter().any(|(name, _)| name == TRACEPARENT) {
        host::set_state(observe::CAME_IN, &trace.parent);
    }
}

/// Tells what a provider answered with whose reply becomes a redirect: that is what Envoy sees of it.
pub fn turned(status: u16) {
    if status > 0 {
        host::set_state(observe::STATUS, &status.to_string());
    }
}

/// The trace's id in a `traceparent`.
fn trace_id(parent: &str) -> Option<&str> {
    parent.split('-').nth(1)
}
