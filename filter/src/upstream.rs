//! The upstream role: one context per attempt. Callbacks in, the core asked, effects out.

use std::cell::RefCell;
use std::rc::Rc;

use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::{CLUSTER_HEADER, METADATA_NAMESPACE, TAIL_KEY, Target};
use dragoman_core::error::Error;
use dragoman_core::openai::Body;
use hashbrown::HashMap;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, Bytes};

use crate::exchange::{Circumstances, Exchange, Wanted, end_at_tail, refuse};
use crate::gateway::Handover;
use crate::hedge::{self, Purpose};
use crate::host::{self, Half};
use crate::ledger;
use crate::observe;
use crate::passing::Passing;
use crate::turn;

/// Targets that are remembered at once; beyond, the memory starts anew. More than any config that Envoy itself bears.
const MAX_TARGETS: usize = 20_000;

thread_local! {
    /// Targets by their JSON, as endpoints carry it: parsing it for every attempt would cost more than the request.
    static TARGETS: RefCell<HashMap<String, Rc<Target>>> = RefCell::new(HashMap::new());
}

/// What attempts may do, by the plugin's configuration.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Hold a reply's head until its first event is known.
    pub hold_heads: bool,
    /// Take the body that the gateway has left.
    pub share_bodies: bool,
    /// Take the target that the gateway has left.
    pub share_targets: bool,
    /// Tell traces of the attempt, which is a span of its own.
    pub traces: bool,
}

/// One attempt.
pub struct Upstream {
    id: u32,
    habits: Habits,
    exchange: Option<Exchange>,
    passing: Option<Passing>,
    start: Option<Start>,
    /// The stream whose last attempt has failed without a word: this one is at the tail.
    tail: Option<u32>,
    /// Why it is there, where others may run beside it.
    purpose: Purpose,
    /// The stream of which it is the second attempt, while its body comes.
    second: Option<u32>,
    /// What the client asks for.
    endpoint: Endpoint,
    /// How much of the request's body stands in Envoy's buffer.
    size: usize,
}

/// What an attempt starts from.
struct Start {
    target: Rc<Target>,
    stream: u32,
}

impl Upstream {
    /// A context for an attempt that is about to begin.
    pub const fn new(id: u32, habits: Habits) -> Self {
        Self {
            id,
            habits,
            exchange: None,
            passing: None,
            start: None,
            tail: None,
            purpose: Purpose::Follows,
            second: None,
            endpoint: Endpoint::Chat,
            size: 0,
        }
    }

    fn begin(&mut self, size: usize) -> Result<(), Error> {
        let Start { target, stream } =
            self.start.take().ok_or_else(|| Error::internal("a body without its head"))?;
        let endpoint = self.endpoint;
        let headers = ledger::with(stream, |entry| {
            if entry.tries > 1
                && self.purpose != Purpose::Second
                && let Some(course) = &mut entry.course
            {
                course.goes_again();
            }
            entry.headers.clone()
        })
        .flatten();
        let mut headers = headers.unwrap_or_else(|| host::headers(Half::Request));
        if self.habits.traces {
            observe::trying(&target);
            let trace = observe::continue_trace(&mut headers);
            ledger::with(stream, |entry| entry.trace = entry.trace.take().or(trace));
        }
        let (hold_heads, with_body) = (self.habits.hold_heads, size > 0);
        let with = Circumstances { headers: &headers, stream, context: self.id, hold_heads, with_body };
        let mut exchange = if endpoint == Endpoint::Stored {
            let stored = ledger::with(stream, |entry| entry.stored.clone()).flatten();
            let stored = stored.ok_or_else(|| Error::internal("a stored response that nobody asked for"))?;
            Exchange::begin(target, Wanted::Stored(&stored), with)?
        } else {
            let left = if self.habits.share_bodies { ledger::take(stream, size) } else { None };
            let request = match left {
                Some(request) => request,
                None => {
                    let whole = Request::new(endpoint, Body::read(host::body(Half::Request, size))?);
                    let turn = ledger::with(stream, |entry| Some(entry.several.as_ref()?.at())).flatten();
                    if let Some(at) = turn { whole.part(at)? } else { whole }
                }
            };
            Exchange::begin(target, Wanted::Posted(&request), with)?
        };
        exchange.trace(self.habits.traces);
        self.exchange = Some(exchange);
        Ok(())
    }
}

impl Upstream {
    /// The attempt is made beside another one, by way of the tail: its request is here.
    fn second(&mut self, stream: u32, size: usize) -> Result<(), Error> {
        let request = Request::new(self.endpoint, Body::read(host::body(Half::Request, size))?);
        let target = hedge::choose(stream, &request)?;
        if self.habits.share_bodies {
            ledger::leave(stream, request);
        }
        let cluster = Rc::clone(&target);
        self.start = Some(Start { target, stream });
        self.begin(size)?;
        host::set_header(Half::Request, CLUSTER_HEADER, Some(&cluster.cluster));
        Ok(())
    }

    /// The attempt waits at the tail until those that run have failed.
    fn wait(&mut self, stream: u32) -> Action {
        self.purpose = Purpose::Waits;
        self.tail(stream, false);
        hedge::waits(stream, self.id);
        Action::Pause
    }

    /// The attempt is at the tail: nothing of what was made for a provider goes there.
    fn tail(&mut self, stream: u32, end: bool) -> Action {
        self.tail = Some(stream);
        // By its id Envoy knows that the request is traced, whenever it looks for a route.
        let id = host::header(Half::Request, "x-request-id").unwrap_or_default();
        let head = [(":method", "POST"), (":scheme", "http"), (":authority", TAIL_KEY), (":path", "/")];
        // Envoy's own route table asks for the last when the request begins anew.
        let head = head.into_iter().chain([("content-length", "0"), ("x-forwarded-proto", "http")]);
        let head = head.chain(Some(("x-request-id", id.as_str())).filter(|(_, id)| !id.is_empty()));
        host::set_headers(Half::Request, head.collect());
        if end { Action::Continue } else { Action::Pause }
    }
}

/// What the host that Envoy picked for this attempt says of itself.
pub fn host_says(key: &str) -> Option<Bytes> {
    host::property(&["xds", "upstream_host_metadata", "filter_metadata", METADATA_NAMESPACE, key])
}

/// The target that the gateway has left.
fn left_target(stream: u32) -> Result<Rc<Target>, Error> {
    ledger::with(stream, |entry| entry.target.clone())
        .flatten()
        .ok_or_else(|| Error::internal("an attempt whose gateway has left no target"))
}

/// The target of the host that Envoy picked for this attempt.
pub fn target_of_host() -> Result<Rc<Target>, Error> {
    let json = host_says("target")
        .ok_or_else(|| Error::config("the endpoint has no target in its metadata (dragoman.target)"))?;
    TARGETS.with_borrow_mut(|targets| {
        let text =
            String::from_utf8(json).map_err(|_| Error::config("the endpoint's target is not UTF-8"))?;
        if let Some(target) = targets.get(&text) {
            return Ok(Rc::clone(target));
        }
        let target = dragoman_config::target(text.as_bytes())
            .map_err(|invalid| invalid.to_string())
            .and_then(Target::check)
            .map_err(|why| Error::config(format!("the endpoint's target: {why}")))?;
        let target = Rc::new(target);
        if targets.len() >= MAX_TARGETS {
            targets.clear();
        }
        targets.insert(text, Rc::clone(&target));
        Ok(target)
    })
}

impl Context for Upstream {
    fn on_done(&mut self) -> bool {
        match (&self.exchange, self.tail) {
            (Some(exchange), _) => exchange.gone(),
            (None, Some(stream)) if self.purpose == Purpose::Waits => hedge::forget(stream, self.id),
            (None, _) => {}
        }
        if let Some(passing) = &self.passing {
            passing.gone();
        }
        true
    }
}

impl HttpContext for Upstream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        let Some(handover) = Handover::read() else {
            // A request that no gateway has admitted, to a path that isn't ours: let Envoy do what it was told.
            return Action::Continue;
        };
        let stream = handover.stream;
        self.endpoint = handover.endpoint.unwrap_or(Endpoint::Chat);
        let tries = ledger::with(stream, |entry| {
            entry.tries += 1;
            entry.tries
        });
        if tries.is_some_and(|tries| tries > 1) && host_says(TAIL_KEY).is_some() {
            self.purpose = hedge::purpose(stream);
            return match self.purpose {
                Purpose::Second if !end => {
                    self.second = Some(stream);
                    Action::Pause
                }
                Purpose::Follows => self.tail(stream, end),
                Purpose::Second | Purpose::Waits => self.wait(stream),
            };
        }
        let target = if self.habits.share_targets { left_target(stream) } else { target_of_host() };
        match target {
            Ok(target) if handover.endpoint.is_none() => {
                let again = tries.is_some_and(|tries| tries > 1);
                self.passing = Some(Passing::begin(stream, target, again, self.habits.hold_heads));
                Action::Continue
            }
            Ok(target) if !end => {
                self.start = Some(Start { target, stream });
                Action::Pause
            }
            Ok(target) if self.endpoint == Endpoint::Stored => {
                self.start = Some(Start { target, stream });
                self.begin(0).map_or_else(
                    |error| {
                        refuse(&error, self.endpoint, "");
                        Action::Pause
                    },
                    |()| Action::Continue,
                )
            }
            Ok(_) => Action::Continue,
            Err(error) => {
                refuse(&error, self.endpoint, "");
                Action::Pause
            }
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.on_http_request_body(self.size, true)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.tail.is_some() {
            host::set_body(Half::Request, &[]);
            return if end && self.purpose != Purpose::Waits { Action::Continue } else { Action::Pause };
        }
        if let Some(stream) = self.second {
            self.size = size;
            if !end {
                return Action::Pause;
            }
            self.second = None;
            return match self.second(stream, size) {
                Ok(()) => Action::Continue,
                Err(error) => {
                    // The first goes on alone.
                    log::debug!("dragoman: no second attempt: {}", error.message);
                    let action = self.wait(stream);
                    host::set_body(Half::Request, &[]);
                    action
                }
            };
        }
        if self.start.is_none() {
            return Action::Continue;
        }
        self.size = size;
        if !end {
            return Action::Pause;
        }
        match self.begin(size) {
            Ok(()) => Action::Continue,
            Err(error) => {
                refuse(&error, self.endpoint, "");
                Action::Pause
            }
        }
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if let Some(passing) = &mut self.passing {
            return passing.response_headers(end);
        }
        match (&mut self.exchange, self.tail) {
            (Some(exchange), _) => exchange.response_headers(end),
            (None, Some(stream)) => end_at_tail(stream, turn::tail(stream, None), self.habits.traces),
            (None, None) => Action::Continue,
        }
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.on_http_response_body(0, true)
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        match (&mut self.exchange, &mut self.passing) {
            (Some(exchange), _) => exchange.response_body(size, end),
            (None, Some(passing)) => passing.response_body(size, end),
            (None, None) => Action::Continue,
        }
    }
}
