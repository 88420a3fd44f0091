//! What access logs and traces are told, as filter state: Envoy's log formats and span tags read it.
//!
//! Nothing here runs unless a log or a trace is configured, as each attribute is a host call. Which attributes there are and
//! what they say is the core's.

use dragoman_core::config::Target;
use dragoman_core::error::Kind;
use dragoman_core::meter::{Measurement, Tried};
use dragoman_core::observe::{self, ATTRIBUTES, Who};

use crate::host::{self, Half};

/// Where Envoy's tracer puts what the provider must be told of the trace.
const TRACE_HEADERS: &[&str] = &["traceparent", "tracestate"];

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

/// Puts the attempt's own place in the trace where the client's was.
pub fn continue_trace(headers: &mut Vec<(String, String)>) {
    for name in TRACE_HEADERS {
        let Some(value) = host::header(Half::Request, name).filter(|value| !value.is_empty()) else {
            continue;
        };
        headers.retain(|(known, _)| known != name);
        headers.push(((*name).to_owned(), value));
    }
}
