//! A dry run: requests and replies pass as they are, and what Dragoman would have done with them is counted and logged
//! beside them. Nothing that it finds wrong stops a request.
//!
//! In the inline role Envoy's own routes know where requests go, and where all of them pass none is held. In the gateway role
//! they go from here to the address of the target that would have been asked, so that the body waits until that one is known;
//! and so it does where only some routes have dry runs: the rest goes to the gateway's own context as if nothing had been read.

use std::rc::Rc;

use dragoman_core::admission::{Gateway, RequestHead, Verdict};
use dragoman_core::attempt::{Attempt, World};
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::{AGAIN_HEADER, CLUSTER_HEADER};
use dragoman_core::course::Wishes;
use dragoman_core::error::{Error, Kind};
use dragoman_core::meter::Tried;
use dragoman_core::observe::Who;
use dragoman_core::openai::Body;
use dragoman_core::pass::{Field, Meter, PASS_HEADER, Reads, Way, model_field};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::exchange::kept;
use crate::gateway::anew::plan;
use crate::gateway::course;
use crate::host::{self, Half};
use crate::ledger::Entry;
use crate::settle::{Asked, measure};
use crate::{observe, stats, token};

/// One request of a dry run.
pub struct Rehearsal {
    gateway: Rc<Gateway>,
    /// Requests go from here to their targets' addresses.
    sends: bool,
    /// What takes the requests for other models, where only some have dry runs.
    others: Option<Box<dyn HttpContext>>,
    /// It has taken this one.
    taken: bool,
    /// What is asked for, where it is anything of ours.
    endpoint: Option<Endpoint>,
    way: Option<Way>,
    headers: Vec<(String, String)>,
    /// What must still be read of a body that waits in Envoy's buffer.
    reads: Option<Reads>,
    /// How much of it stands there.
    size: usize,
    /// A body that passes, as far as it has come; nothing once it has been judged.
    body: Option<Vec<u8>>,
    /// The model that is asked for.
    model: Option<String>,
    started: u64,
    /// Why it would have been refused.
    refusal: Option<Kind>,
    part: Option<Part>,
    status: u16,
    meter: Option<Meter>,
    ended: Option<u64>,
}

/// Who would have answered.
struct Part {
    route: String,
    stream: bool,
    tried: Tried,
}

impl Rehearsal {
    /// A context for a request that is about to come. `sends` where no route of Envoy's own does; `others` takes what has no
    /// dry run.
    pub const fn new(gateway: Rc<Gateway>, sends: bool, others: Option<Box<dyn HttpContext>>) -> Self {
        Self {
            gateway,
            sends,
            others,
            taken: false,
            endpoint: None,
            way: None,
            headers: Vec::new(),
            reads: None,
            size: 0,
            body: None,
            model: None,
            started: 0,
            refusal: None,
            part: None,
            status: 0,
            meter: None,
            ended: None,
        }
    }

    fn header(&self, wanted: &str) -> &str {
        host::named(&self.headers, wanted).unwrap_or_default()
    }

    /// What takes this request, if it has no dry run.
    fn taker(&mut self) -> Option<&mut Box<dyn HttpContext>> {
        self.others.as_mut().filter(|_| self.taken)
    }

    /// The request is here as a whole.
    fn judge(&mut self, body: Vec<u8>) {
        if let Err(error) = self.rehearse(body) {
            self.refusal = Some(error.kind);
        }
    }

    /// Lets a request go on that has waited.
    fn release(&mut self, size: usize, end: bool) -> Action {
        self.reads = None;
        if !self.gateway.rehearses(self.model.as_deref()) {
            return self.hand_over(size, end);
        }
        if self.sends {
            self.send(size);
        }
        Action::Continue
    }

    /// Leaves the request to what takes those that have no dry run, from its head on; `size` bytes of its body have come.
    fn hand_over(&mut self, size: usize, end: bool) -> Action {
        self.taken = true;
        let Some(stream) = self.taker() else { return Action::Continue };
        let headless = end && size == 0;
        let action = stream.on_http_request_headers(0, headless);
        if action == Action::Pause && (size > 0 || end) && !headless {
            return stream.on_http_request_body(size, end);
        }
        action
    }

    /// Sends the request to the target that would have been asked, else to the first that it may have meant.
    fn send(&mut self, size: usize) {
        let gateway = Rc::clone(&self.gateway);
        let target = self.part.as_ref().map(|part| &part.tried.target);
        let Some(target) = target.or_else(|| gateway.stand_in(self.way.as_ref(), self.model.as_deref()))
        else {
            return;
        };
        let signed = if Way::signs_body(target, &host::env) { size } else { 0 };
        let with = (
            &host::env as &dyn Fn(&str) -> _,
            &token::current as &dyn Fn(&str) -> _,
            self.started / 1_000_000_000,
        );
        let body = host::body(Half::Request, signed);
        let mut edit = |name: &str, value: Option<&str>| host::set_header(Half::Request, name, value);
        let told = gateway.readdress(target, &self.headers, &mut edit, body, with);
        host::set_header(Half::Request, PASS_HEADER, Some("1"));
        // Last, as it clears the route that Envoy has found so far.
        host::set_header(Half::Request, CLUSTER_HEADER, Some(&target.cluster));
        if let Err(error) = told {
            self.refusal = Some(error.kind);
        }
    }

    /// Does all that would have been done up to the sending.
    fn rehearse(&mut self, body: Vec<u8>) -> Result<(), Error> {
        let gateway = Rc::clone(&self.gateway);
        let mut request = Request::new(self.endpoint.unwrap_or(Endpoint::Chat), Body::read(body)?);
        let named = gateway.named(&request)?;
        let ours = gateway.rehearses(Some(&named.model));
        self.model = Some(named.model.clone());
        let Some(endpoint) = self.endpoint.filter(|_| ours) else { return Ok(()) };
        let wishes = Wishes::of_head(&self.headers);
        let (asked, mut course) = course(&gateway, named, &mut request, wishes, self.started / 1_000_000)?;
        let plan = plan(&gateway, &request, &mut course, &gateway.wishes(&self.headers))?;
        let target = gateway.targets.get(plan.target);
        let target = Rc::clone(target.ok_or_else(|| Error::internal("a plan without its target"))?);
        if gateway.observe.is_some() {
            let mut who = Who::of_headers(&self.headers);
            who.add_body(&request.body);
            observe::asked(endpoint.name(), plan.route, &asked, plan.stream, &who);
        }
        let (route, stream) = (plan.route.to_owned(), plan.stream);
        let part = Part { route, stream, tried: Tried::begin(Rc::clone(&target), self.started) };
        let part = self.part.insert(part);
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| kept(name));
        let meant = course.stand_in();
        let world = World {
            env: &host::env,
            tokens: &token::current,
            now: self.started / 1_000_000_000,
            id: "chatcmpl-0",
            model: meant.as_deref(),
            headers: &headers,
            seal: &gateway.seal,
            hold_heads: false,
        };
        let (attempt, _) = Attempt::begin(target, &request, &world)?;
        part.tried.info = gateway.model_info(attempt.target(), attempt.model());
        part.tried.model = Rc::from(attempt.model());
        Ok(())
    }

    /// What would have come of it: `ok`, or the class of the error.
    fn class(&self) -> &'static str {
        self.refusal.map_or("ok", Kind::label)
    }
}

impl Context for Rehearsal {}

impl HttpContext for Rehearsal {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.started = host::now();
        self.headers = host::headers(Half::Request);
        let held = self.sends || self.others.is_some();
        if self.others.is_some() && !self.header(AGAIN_HEADER).is_empty() {
            return self.hand_over(0, end);
        }
        let path = self.header(":path");
        let head =
            RequestHead { method: self.header(":method"), path, headers: &self.headers, end, keyless: true };
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        let bare = bare.strip_prefix("/v1/").or_else(|| bare.strip_prefix('/')).unwrap_or_default();
        let endpoint = Endpoint::at(bare);
        let verdict = if endpoint.is_some() || held { self.gateway.head(&head) } else { Verdict::Pass };
        if self.gateway.observe.is_some() && (endpoint.is_some() || held) {
            observe::came(path);
        }
        // What looks after the gateway asks for its own health.
        let own = self.sends && bare.starts_with("health/");
        self.endpoint = endpoint;
        let reads = match verdict {
            Verdict::Read(_) => Reads::Json,
            Verdict::Carry(way) => {
                self.model.clone_from(&way.model);
                self.way.insert(way).reads
            }
            Verdict::Reply(reply) if reply.status < 400 && own => {
                host::respond(reply.status, &reply.headers, &reply.body);
                return Action::Pause;
            }
            Verdict::Reply(reply) if endpoint.is_some() && reply.status >= 400 => {
                self.refusal = Some(Kind::of_status(reply.status));
                Reads::Nothing
            }
            _ => Reads::Nothing,
        };
        if !held {
            self.body = (reads == Reads::Json).then(Vec::new);
            return Action::Continue;
        }
        if reads == Reads::Nothing || end {
            return self.release(0, end);
        }
        self.reads = Some(reads);
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(stream) = self.taker() {
            return stream.on_http_request_body(size, end);
        }
        self.size = size;
        let known = self.body.as_ref().map_or(0, Vec::len);
        if known.saturating_add(size) > self.gateway.max_body_bytes
            && (self.reads.is_some() || self.body.is_some())
        {
            (self.body, self.refusal) = (None, Some(Kind::TooLarge));
            return if self.reads.is_some() { self.release(size, end) } else { Action::Continue };
        }
        if let Some(body) = &mut self.body {
            body.extend_from_slice(&host::body(Half::Request, size));
            if end && let Some(body) = self.body.take() {
                self.judge(body);
            }
            return Action::Continue;
        }
        let Some(reads) = self.reads else { return Action::Continue };
        if !end && reads != Reads::Form {
            return Action::Pause;
        }
        let body = host::body(Half::Request, size);
        if reads == Reads::Form {
            match model_field(self.header("content-type"), &body) {
                Field::Later if !end => return Action::Pause,
                Field::At(place) => {
                    let said = body.get(place).unwrap_or_default();
                    self.model = Some(String::from_utf8_lossy(said).into_owned());
                }
                Field::Later | Field::Absent => {}
            }
        } else {
            self.judge(body);
        }
        self.release(size, end)
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        match self.taker() {
            Some(stream) => stream.on_http_request_trailers(0),
            // A body that passes has come before them.
            None => self.on_http_request_body(if self.reads.is_some() { self.size } else { 0 }, true),
        }
    }

    fn on_http_response_headers(&mut self, count: usize, end: bool) -> Action {
        if let Some(stream) = self.taker() {
            return stream.on_http_response_headers(count, end);
        }
        if self.endpoint.is_some() {
            let header = |name: &str| host::header(Half::Response, name).unwrap_or_default();
            self.status = header(":status").parse().unwrap_or(0);
            let told = !end && (200..300).contains(&self.status);
            self.meter = if told { Meter::of(&header("content-type")) } else { None };
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(stream) = self.taker() {
            return stream.on_http_response_body(size, end);
        }
        if let Some(meter) = &mut self.meter {
            meter.push(&host::body(Half::Response, size), end);
            self.ended = end.then(host::now);
        }
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.on_http_response_body(0, true)
    }

    fn on_log(&mut self) {
        if let Some(stream) = self.taker() {
            return stream.on_log();
        }
        // What has not come as a whole is not known.
        let Some(endpoint) = self.endpoint.filter(|_| self.reads.is_none()) else { return };
        let (class, told) = (self.class(), self.gateway.observe.is_some());
        if told {
            observe::rehearsed(class);
        }
        let Some(Part { route, stream, mut tried }) = self.part.take() else {
            return stats::count_unplanned(class);
        };
        let usage = self.meter.as_ref().and_then(Meter::usage);
        (tried.seen.usage, tried.status, tried.ended) = (usage, self.status, self.ended);
        if usage.is_none() {
            // Who tells no counts has not answered for nothing: the price is not known.
            tried.info = None;
        }
        let target = Rc::clone(&tried.target);
        let asked = Asked {
            route: &route,
            model: &route,
            operation: endpoint.name(),
            stream,
            target: &target,
            status: self.status,
            started: self.started,
            begun: None,
        };
        let mut entry = Entry::of(&self.gateway);
        entry.attempts.push(tried);
        measure(&asked, &self.gateway, &entry, &mut |measured| {
            stats::count_rehearsal(&route, &target, class, usage, measured.cost);
            if told {
                observe::settled(measured, false);
            }
        });
    }
}
