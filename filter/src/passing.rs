//! One attempt of a request that passes and can be tried again, in the upstream role: what goes to the provider stands there
//! already, so only its failure has to be told. A provider's own words of it pass as they are where nothing follows.

use std::rc::Rc;

use dragoman_core::config::{AGAIN_HEADER, CLUSTER_HEADER, TAIL_HEADER, Target, WAIT_HEADER};
use dragoman_core::course::Course;
use dragoman_core::error::Said;
use proxy_wasm::types::Action;

use crate::exchange::{apply, end_at_tail, gone, retry_after};
use crate::host::{self, Half};
use crate::turn::{self, Turn, turn};
use crate::{ledger, state};

/// How much of an error's body is read for what it says, in bytes.
const MAX_SAID: usize = 16 * 1024;

/// What Envoy's router acts on, and listens to us alone.
const OURS: &[&str] = &[AGAIN_HEADER, WAIT_HEADER, CLUSTER_HEADER];

/// An attempt under way.
pub struct Passing {
    stream: u32,
    /// The attempt's place in the stream's entry.
    place: usize,
    target: Rc<Target>,
    /// Whether an error's head may be held until its body says more.
    hold_heads: bool,
    status: u16,
    retry_after_ms: Option<u64>,
    /// The head of an error waits for its body.
    held: bool,
    /// The reply doesn't go to the client.
    turned: bool,
}

impl Passing {
    /// An attempt at `target` for the gateway context `stream`; `again` where Envoy repeats one.
    pub fn begin(stream: u32, target: Rc<Target>, again: bool, hold_heads: bool) -> Self {
        let place = ledger::begin(stream, Rc::clone(&target), host::now());
        let native = ledger::with(stream, |entry| {
            if let Some(tried) = entry.attempts.get_mut(place) {
                tried.model = Rc::clone(&entry.asking);
                let gateway = entry.gateway.as_ref();
                tried.info = gateway.and_then(|gateway| gateway.model_info(&target, &entry.asking));
            }
            entry.course.as_mut().filter(|_| again).map(Course::goes_again);
            entry.native.clone()
        });
        let native = native.unwrap_or_default();
        let mut native = native.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        if again {
            // In between the head was the tail's.
            host::set_headers(Half::Request, native.collect());
        } else if let Some((name, value)) = native.find(|(name, _)| *name == "x-forwarded-proto") {
            // The route has taken it away, and Envoy asks for it when the request begins anew.
            host::set_header(Half::Request, name, Some(value));
        }
        let (status, retry_after_ms, held, turned) = (0, None, false, false);
        Self { stream, place, target, hold_heads, status, retry_after_ms, held, turned }
    }

    /// The reply's head has come.
    pub fn response_headers(&mut self, end: bool) -> Action {
        let headers = host::headers(Half::Response);
        let header = |wanted: &str| host::named(&headers, wanted);
        if header(TAIL_HEADER).is_some() {
            self.turned = true;
            return end_at_tail(self.stream, turn::tail(self.stream, None), false);
        }
        for name in OURS.iter().filter(|name| header(name).is_some()) {
            host::set_header(Half::Response, name, None);
        }
        self.status = header(":status").and_then(|status| status.parse().ok()).unwrap_or(502);
        ledger::attempt(self.stream, self.place, |tried| tried.status = self.status);
        if (200..300).contains(&self.status) {
            return Action::Continue;
        }
        self.retry_after_ms = retry_after(&headers);
        self.held = self.hold_heads && self.status >= 400 && !end;
        if self.held {
            return Action::Pause;
        }
        self.failed(&[]);
        Action::Continue
    }

    /// A piece of the reply's body has come, or, without any, its trailers.
    pub fn response_body(&mut self, size: usize, end: bool) -> Action {
        if self.held && (end || size >= MAX_SAID) {
            self.held = false;
            self.failed(&host::body(Half::Response, size));
        }
        if self.turned && size > 0 {
            host::set_body(Half::Response, &[]);
        }
        if self.held { Action::Pause } else { Action::Continue }
    }

    /// The provider has refused; `said` is its body, as far as that is known.
    fn failed(&mut self, said: &[u8]) {
        let (status, label) = (self.status, self.target.provider.label);
        let error = Said::read(said).into_refusal(status, label);
        let now = host::now();
        ledger::attempt(self.stream, self.place, |tried| {
            (tried.failure, tried.ended) = (Some(error.kind), Some(now));
        });
        state::failed(&self.target, error.kind, status, self.retry_after_ms);
        match turn(self.stream, self.place, &error, self.retry_after_ms) {
            Some(Turn::Away(edits)) => {
                apply(&edits);
                self.turned = true;
            }
            // Envoy would follow it.
            _ if status < 400 => apply(&[(":status", Some("502".to_owned())), ("location", None)]),
            _ => {}
        }
    }

    /// The attempt has ended.
    pub fn gone(&self) {
        gone(self.stream, self.place, &self.target, false);
    }
}
