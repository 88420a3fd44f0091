//! Copies of requests for a silent model: one context per copy, on the cluster that gets it. Whatever comes of a copy, its
//! original knows nothing of it: nothing is tried again, nobody is left alone for it, and it is in no count but its own.

use std::rc::Rc;

use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::{MIRROR_FOR_HEADER, Target};
use dragoman_core::error::Error;
use dragoman_core::openai::Body;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::exchange::{Circumstances, Exchange, Wanted, kept, refuse};
use crate::host::{self, Half};
use crate::stats;
use crate::upstream::{host_says, target_of_host};

/// One copy.
pub struct Copy {
    id: u32,
    endpoint: Option<Endpoint>,
    /// Who gets it; nobody once it has been counted.
    target: Option<Rc<Target>>,
    /// The name of the silent model.
    route: Option<String>,
    exchange: Option<Exchange>,
    /// How much of the request's body stands in Envoy's buffer.
    size: usize,
    /// It was not sent.
    refused: bool,
}

impl Copy {
    /// A context for a copy that is about to begin.
    pub const fn new(id: u32) -> Self {
        Self { id, endpoint: None, target: None, route: None, exchange: None, size: 0, refused: false }
    }

    fn begin(&mut self, endpoint: Endpoint, size: usize) -> Result<(), Error> {
        let target = self.target.clone().ok_or_else(|| Error::internal("a copy without its target"))?;
        let mut headers = host::headers(Half::Request);
        headers.retain(|(name, _)| kept(name));
        let request = Request::new(endpoint, Body::read(host::body(Half::Request, size))?);
        // There is no entry of this number in the ledger: what is reported there is kept nowhere.
        let (stream, context) = (self.id, self.id);
        let with = Circumstances { headers: &headers, stream, context, hold_heads: false, with_body: true };
        self.exchange = Some(Exchange::begin(target, Wanted::Posted(&request), with)?);
        Ok(())
    }

    /// Counts the copy, once: `class` is what it has come to where nothing has failed.
    fn count(&mut self, class: &'static str) {
        let Some(target) = self.target.take() else { return };
        let route = self.route.as_deref().unwrap_or_default();
        let exchange = self.exchange.as_ref();
        let failure = exchange.and_then(Exchange::failure).map_or(class, |error| error.kind.label());
        stats::count_copy(route, &target, failure, exchange.and_then(Exchange::usage));
    }

    /// Ends the copy here.
    fn refuse(&mut self, error: &Error) -> Action {
        self.count(error.kind.label());
        self.refused = true;
        refuse(error, self.endpoint.unwrap_or(Endpoint::Chat), "");
        Action::Pause
    }
}

impl Context for Copy {
    fn on_done(&mut self) -> bool {
        self.count("no_reply");
        true
    }
}

impl HttpContext for Copy {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.endpoint = host::header(Half::Request, MIRROR_FOR_HEADER).as_deref().and_then(Endpoint::named);
        match target_of_host() {
            Ok(target) => {
                self.route = host_says("route").and_then(|route| String::from_utf8(route).ok());
                self.target = Some(target);
            }
            Err(error) => return self.refuse(&error),
        }
        if self.endpoint.is_none() || end {
            return self.refuse(&Error::internal("a copy of nothing that can be copied"));
        }
        Action::Pause
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.on_http_request_body(self.size, true)
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.refused {
            return Action::Pause;
        }
        let Some(endpoint) = self.endpoint.filter(|_| self.exchange.is_none()) else {
            return Action::Continue;
        };
        self.size = size;
        if !end {
            return Action::Pause;
        }
        match self.begin(endpoint, size) {
            Ok(()) => Action::Continue,
            Err(error) => self.refuse(&error),
        }
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let action = exchange.response_headers(end);
        if end {
            self.count("ok");
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        let Some(exchange) = &mut self.exchange else { return Action::Continue };
        let action = exchange.response_body(size, end);
        if end {
            self.count("ok");
        }
        action
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.on_http_response_body(0, true)
    }
}
