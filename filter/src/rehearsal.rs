//! A dry run: requests and replies pass as they are, neither held nor changed, and what Dragoman would have done with them
//! is counted and logged beside them. Nothing here answers a client, and nothing that it finds wrong stops a request.

use std::rc::Rc;

use dragoman_core::admission::{Gateway, RequestHead, Verdict};
use dragoman_core::attempt::{Attempt, World};
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::Target;
use dragoman_core::course::{Course, Wishes};
use dragoman_core::error::{Error, Kind};
use dragoman_core::meter::Tried;
use dragoman_core::observe::Who;
use dragoman_core::openai::Body;
use dragoman_core::pass::Meter;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

use crate::exchange::kept;
use crate::gateway::anew::plan;
use crate::host::{self, Half};
use crate::ledger::Entry;
use crate::settle::{Asked, measure};
use crate::{observe, stats, token};

/// One request of a dry run.
pub struct Rehearsal {
    gateway: Rc<Gateway>,
    /// What is asked for, where it is anything of ours.
    endpoint: Option<Endpoint>,
    headers: Vec<(String, String)>,
    /// The request's body as far as it has come; nothing once it has been judged.
    body: Option<Vec<u8>>,
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
    /// A context for a request that is about to come.
    pub const fn new(gateway: Rc<Gateway>) -> Self {
        Self {
            gateway,
            endpoint: None,
            headers: Vec::new(),
            body: None,
            started: 0,
            refusal: None,
            part: None,
            status: 0,
            meter: None,
            ended: None,
        }
    }

    /// The request is here as a whole.
    fn judge(&mut self) {
        let (Some(endpoint), Some(body)) = (self.endpoint, self.body.take()) else { return };
        if let Err(error) = self.rehearse(endpoint, body) {
            self.refusal = Some(error.kind);
        }
    }

    /// Does all that would have been done up to the sending.
    fn rehearse(&mut self, endpoint: Endpoint, body: Vec<u8>) -> Result<(), Error> {
        let gateway = Rc::clone(&self.gateway);
        let request = Request::new(endpoint, Body::read(body)?);
        let wishes = Wishes::of_head(&self.headers).with_body(&request.body)?;
        let named = gateway.named(&request)?;
        let request = if named.differs {
            Request::new(endpoint, request.body.asking_for(&named.model)?)
        } else {
            request
        };
        let policy = Rc::clone(&gateway.policy);
        let mut course = Course::begin(policy, wishes, named.model, self.started / 1_000_000);
        let plan = plan(&gateway, &request, &mut course, &gateway.wishes(&self.headers))?;
        let target = gateway.targets.get(plan.target);
        let target = Rc::clone(target.ok_or_else(|| Error::internal("a plan without its target"))?);
        if gateway.observe.is_some() {
            let mut who = Who::of_headers(&self.headers);
            who.add_body(&request.body);
            observe::asked(endpoint.name(), plan.route, &named.asked, plan.stream, &who);
        }
        let (route, stream) = (plan.route.to_owned(), plan.stream);
        let tried = Tried::begin(Rc::clone(&target), self.started);
        self.part = Some(Part { route, stream, tried });
        self.headers.retain(|(name, _)| kept(name));
        let meant = course.stand_in();
        let world = World {
            env: &host::env,
            tokens: &token::current,
            now: self.started / 1_000_000_000,
            id: "chatcmpl-0",
            model: meant.as_deref(),
            headers: &self.headers,
            seal: &gateway.seal,
            hold_heads: false,
        };
        let (attempt, _) = Attempt::begin(target, &request, &world)?;
        let info = gateway.model_info(attempt.target(), attempt.model());
        if let Some(part) = &mut self.part {
            (part.tried.model, part.tried.info) = (Rc::from(attempt.model()), info);
        }
        Ok(())
    }

    /// What would have come of it: `ok`, or the class of the error.
    fn class(&self) -> &'static str {
        self.refusal.map_or("ok", Kind::label)
    }

    fn target(&self) -> Option<(&str, &Target)> {
        self.part.as_ref().map(|part| (part.route.as_str(), &*part.tried.target))
    }
}

impl Context for Rehearsal {}

impl HttpContext for Rehearsal {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.started = host::now();
        self.headers = host::headers(Half::Request);
        let header = |wanted: &str| {
            self.headers.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value.as_str())
        };
        let path = header(":path");
        let head = RequestHead { method: header(":method"), path, headers: &self.headers, end };
        let bare = path.split(['?', '#']).next().unwrap_or_default();
        let bare = bare.strip_prefix("/v1/").or_else(|| bare.strip_prefix('/'));
        self.endpoint = bare.and_then(Endpoint::at);
        if self.endpoint.is_none() {
            return Action::Continue;
        }
        if self.gateway.observe.is_some() {
            observe::came(path);
        }
        match self.gateway.head(&head) {
            Verdict::Read(_) => self.body = Some(Vec::new()),
            Verdict::Reply(reply) if reply.status >= 400 => {
                self.refusal = Some(Kind::of_status(reply.status));
            }
            _ => self.endpoint = None,
        }
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        let Some(body) = &mut self.body else { return Action::Continue };
        if body.len().saturating_add(size) > self.gateway.max_body_bytes {
            (self.body, self.refusal) = (None, Some(Kind::TooLarge));
            return Action::Continue;
        }
        body.extend_from_slice(&host::body(Half::Request, size));
        if end {
            self.judge();
        }
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.judge();
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if self.endpoint.is_some() {
            let header = |name: &str| host::header(Half::Response, name).unwrap_or_default();
            self.status = header(":status").parse().unwrap_or(0);
            let told = !end && (200..300).contains(&self.status);
            self.meter = if told { Meter::of(&header("content-type")) } else { None };
        }
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
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
        let Some(endpoint) = self.endpoint else { return };
        let usage = self.meter.as_ref().and_then(Meter::usage);
        let (status, ended) = (self.status, self.ended);
        if let Some(part) = &mut self.part {
            (part.tried.seen.usage, part.tried.status, part.tried.ended) = (usage, status, ended);
            if usage.is_none() {
                // Who tells no counts has not answered for nothing: the price is not known.
                part.tried.info = None;
            }
        }
        let bill =
            self.part.as_ref().filter(|_| usage.is_some()).and_then(|part| self.gateway.bill(&part.tried));
        stats::count_rehearsal(self.target(), self.class(), usage, bill.and_then(|bill| bill.cost));
        if self.gateway.observe.is_none() {
            return;
        }
        observe::rehearsed(self.class());
        let Some(part) = self.part.take() else { return };
        let target = Rc::clone(&part.tried.target);
        let asked = Asked {
            route: &part.route,
            model: &part.route,
            operation: endpoint.name(),
            stream: part.stream,
            target: &target,
            status,
            started: self.started,
            begun: None,
        };
        let mut entry = Entry::of(&self.gateway);
        entry.attempts.push(part.tried);
        measure(&asked, &self.gateway, &entry, |measured| observe::settled(measured, false));
    }
}
