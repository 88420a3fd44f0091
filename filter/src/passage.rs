//! A request that passes, from its head to the end of its reply: the core says where it goes, here it is sent there.
//!
//! The gateway does it all: one target is asked once, so no attempt has anything to add. A body of which nothing must be read
//! goes by without being looked at, however large it is.

use std::rc::Rc;

use dragoman_core::admission::{Gateway, RequestHead};
use dragoman_core::client::Endpoint;
use dragoman_core::config::{CLUSTER_HEADER, Target};
use dragoman_core::error::Error;
use dragoman_core::json::{Json, Str};
use dragoman_core::openai::Body;
use dragoman_core::pass::{self, Field, Meter, PASS_HEADER, Reads, Sent, Way};
use proxy_wasm::types::Action;

use crate::exchange::refuse;
use crate::gateway::ATTEMPT_TIMEOUT;
use crate::host::{self, Half};
use crate::ledger;
use crate::settle::{Asked, settle};
use crate::token;

/// A request that passes.
pub struct Passage {
    gateway: Rc<Gateway>,
    way: Way,
    id: u32,
    method: String,
    headers: Vec<(String, String)>,
    started: u64,
    size: usize,
    /// A refusal has been sent.
    refused: bool,
    sent: Option<Gone>,
    status: u16,
    meter: Option<Meter>,
}

/// What is kept of a request that is on its way.
struct Gone {
    sent: Sent,
    target: Rc<Target>,
    route: String,
    place: usize,
}

impl Passage {
    /// A passage of the request with this head.
    pub fn new(gateway: Rc<Gateway>, way: Way, id: u32, head: &RequestHead<'_>) -> Self {
        Self {
            gateway,
            way,
            id,
            method: head.method.to_owned(),
            headers: head.headers.to_vec(),
            started: host::now(),
            size: 0,
            refused: false,
            sent: None,
            status: 0,
            meter: None,
        }
    }

    fn endpoint(&self) -> Endpoint {
        self.way.endpoint()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
    }

    /// The head has come; `end` says that no body follows.
    pub fn request_headers(&mut self, end: bool) -> Action {
        if !self.header("upgrade").is_empty() && self.way.operation != "realtime" {
            return self.told(Err(Error::invalid("There is no WebSocket at this path.")));
        }
        if self.way.reads == Reads::Nothing || end {
            let told = self.unread(end);
            return self.told(told);
        }
        Action::Pause
    }

    /// Sends a request of whose body nothing is read, unless all of it must be signed.
    fn unread(&mut self, end: bool) -> Result<bool, Error> {
        let chosen = self.gateway.carry(&self.way, None, host::random())?;
        let target = self.gateway.targets.get(chosen.target);
        let signed = target.is_some_and(|target| Way::signs_body(target, &host::env));
        if signed && self.method != "POST" {
            return Err(Error::invalid("Only POST can be signed for this provider."));
        }
        if signed && !end {
            return Ok(false);
        }
        self.send(None, &[], false)?;
        Ok(true)
    }

    /// A piece of the body has come.
    pub fn request_body(&mut self, size: usize, end: bool) -> Action {
        if self.refused {
            return Action::Pause;
        }
        if self.sent.is_some() {
            return Action::Continue;
        }
        self.size = size;
        if size > self.gateway.max_body_bytes {
            let too_large = self.gateway.too_large();
            return self.told(Err(too_large));
        }
        let told = match self.way.reads {
            Reads::Form => self.form(size, end),
            _ if !end => Ok(false),
            Reads::Json => self.json(size),
            Reads::Nothing => {
                let body = host::body(Half::Request, size);
                self.send(None, &body, false).map(|_| true)
            }
        };
        self.told(told)
    }

    /// The trailers have come.
    pub fn request_trailers(&mut self) -> Action {
        self.request_body(self.size, true)
    }

    fn told(&mut self, told: Result<bool, Error>) -> Action {
        match told {
            Ok(true) => Action::Continue,
            Ok(false) => Action::Pause,
            Err(error) => {
                self.refused = true;
                refuse(&error, self.endpoint(), self.header("x-request-id"));
                Action::Pause
            }
        }
    }

    fn json(&mut self, size: usize) -> Result<bool, Error> {
        let body = Body::read(host::body(Half::Request, size))?;
        let said = body.field("model").and_then(Json::as_str).map(Str::plain);
        let model = self.send(said.as_deref(), &[], true)?;
        if let Some(model) = model.filter(|model| said.as_ref().is_some_and(|said| said != model)) {
            host::set_body(Half::Request, &pass::with_model(&body, &model));
        }
        Ok(true)
    }

    /// Looks for the model in what has come of a form. As soon as it is there the rest may stream.
    fn form(&mut self, size: usize, end: bool) -> Result<bool, Error> {
        let bytes = host::body(Half::Request, size);
        match pass::model_field(self.header("content-type"), &bytes) {
            Field::Later if !end => Ok(false),
            Field::Later | Field::Absent => {
                self.send(None, &[], false)?;
                Ok(true)
            }
            Field::At(place) => {
                let said = String::from_utf8_lossy(bytes.get(place.clone()).unwrap_or_default()).into_owned();
                // Its length changes with the model's name.
                let model = self.send(Some(&said), &[], true)?;
                if let Some(model) = model.filter(|model| *model != said) {
                    let (head, tail) = (bytes.get(..place.start), bytes.get(place.end..));
                    let parts = [head.unwrap_or_default(), model.as_bytes(), tail.unwrap_or_default()];
                    host::set_body(Half::Request, &parts.concat());
                }
                Ok(true)
            }
        }
    }

    /// Puts the provider's head in the place of the client's, and gives the model's name there. `changes` says that the body may
    /// get another length.
    fn send(&mut self, said: Option<&str>, body: &[u8], changes: bool) -> Result<Option<String>, Error> {
        let gateway = Rc::clone(&self.gateway);
        let chosen = gateway.carry(&self.way, said, host::random())?;
        let target = gateway.targets.get(chosen.target).cloned();
        let target = target.ok_or_else(|| Error::internal("a choice without its target"))?;
        let world = (
            &host::env as &dyn Fn(&str) -> Option<String>,
            &token::current as &dyn Fn(&str) -> Option<String>,
        );
        let now = (world.0, world.1, self.started / 1_000_000_000);
        let sent = pass::send(&self.way, &target, chosen.model.as_deref(), &self.headers, body, now)?;
        let scheme = if target.address.tls { "https" } else { "http" };
        let mut head = vec![
            (":method", self.method.as_str()),
            (":scheme", scheme),
            (":authority", &sent.authority),
            (":path", &sent.path),
        ];
        let kept = |name: &str| !(changes && name == "content-length");
        let own = sent.headers.iter().filter(|(name, _)| kept(name));
        head.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        let timeout = chosen.timeout_ms.map(|timeout| timeout.to_string());
        head.extend(timeout.as_deref().map(|timeout| (ATTEMPT_TIMEOUT, timeout)));
        head.push((PASS_HEADER, "1"));
        host::set_headers(Half::Request, head);
        if !target.cluster.is_empty() {
            // Last, as it clears the route that Envoy has found so far.
            host::set_header(Half::Request, CLUSTER_HEADER, Some(&target.cluster));
        }
        ledger::open(self.id, ledger::Entry::of(&gateway));
        let place = ledger::begin(self.id, Rc::clone(&target), self.started);
        self.sent = Some(Gone { sent, target, route: chosen.route.to_owned(), place });
        Ok(chosen.model)
    }

    /// The reply's head has come.
    pub fn response_headers(&mut self, end: bool) -> Action {
        let Some(gone) = &self.sent else { return Action::Continue };
        let headers = host::headers(Half::Response);
        let header = |wanted: &str| {
            headers.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str())
        };
        let status = header(":status").parse().unwrap_or(502);
        self.status = status;
        ledger::attempt(self.id, gone.place, |tried| tried.status = status);
        for name in gone.sent.hides(&headers) {
            host::set_header(Half::Response, &name, None);
        }
        self.meter = Meter::of(header("content-type")).filter(|_| !end && status < 300);
        Action::Continue
    }

    /// A piece of the reply's body has come.
    pub fn response_body(&mut self, size: usize, end: bool) -> Action {
        if let (Some(meter), Some(gone)) = (&mut self.meter, &self.sent) {
            meter.push(&host::body(Half::Response, size), end);
            let usage = meter.usage();
            let ended = end.then(host::now);
            ledger::attempt(self.id, gone.place, |tried| {
                tried.seen.usage = usage;
                tried.ended = ended;
            });
        }
        Action::Continue
    }

    /// Tells everybody who counts what the request was and used.
    pub fn settle(&self) {
        let mut entry = ledger::close(self.id).unwrap_or_default();
        // Whoever tells no counts (pictures, files) has not answered for nothing: the price is not known.
        for tried in entry.attempts.iter_mut().filter(|tried| tried.seen.usage.is_none()) {
            tried.info = None;
        }
        let Some(gone) = &self.sent else { return };
        settle(
            &Asked {
                route: &gone.route,
                model: &gone.route,
                operation: self.way.operation,
                stream: false,
                target: &gone.target,
                status: self.status,
                started: self.started,
                begun: None,
            },
            &self.gateway,
            &entry,
            self.gateway.observe.is_some(),
        );
    }
}
