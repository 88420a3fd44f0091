//! A request that passes, from its head to the end of its reply: the core says where it goes, here it is sent there.
//!
//! A body of which nothing must be read goes by without being looked at, however large it is, to one target. One that is JSON
//! and is read for its model is still here when an attempt fails: then its course decides what is tried next, as for a chat.
//! An attempt has nothing to translate ([`crate::passing`]).

use std::rc::Rc;

use dragoman_core::admission::{Chosen, Gateway, RequestHead, World};
use dragoman_core::client::Endpoint;
use dragoman_core::config::{CLUSTER_HEADER, Target};
use dragoman_core::course::{Course, Wishes};
use dragoman_core::error::{Error, Kind, Said};
use dragoman_core::json::{Json, Str};
use dragoman_core::openai::Body;
use dragoman_core::pass::{self, Field, Meter, PASS_HEADER, Reads, Sent, Way};
use dragoman_core::route;
use dragoman_core::route::Moment;
use proxy_wasm::types::Action;

use crate::exchange::{refuse, retry_after};
use crate::gateway::anew::tell_counts;
use crate::gateway::{ATTEMPT_TIMEOUT, Handover};
use crate::host::{self, Half};
use crate::ledger::{self, Entry, Legacy};
use crate::settle::{Asked, settle};
use crate::state::{self, Begun};
use crate::token;

/// A request that passes.
pub struct Passage {
    gateway: Rc<Gateway>,
    way: Way,
    id: u32,
    /// Another attempt can be made with what is kept of it.
    repeats: bool,
    method: String,
    headers: Vec<(String, String)>,
    started: u64,
    size: usize,
    /// What it wishes of the choice, once its body has been read.
    wishes: Option<route::Wishes>,
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
    begun: Option<Begun>,
}

thread_local! {
    static LEFT: Legacy<Passage> = const { Legacy::new() };
}

impl Passage {
    /// A passage of the request with this head. `repeats` where Envoy can begin it anew.
    pub fn new(gateway: Rc<Gateway>, way: Way, id: u32, head: &RequestHead<'_>, repeats: bool) -> Self {
        Self {
            gateway,
            repeats: repeats && way.reads == Reads::Json,
            way,
            id,
            method: head.method.to_owned(),
            headers: head.headers.to_vec(),
            started: host::now(),
            size: 0,
            wishes: None,
            refused: false,
            sent: None,
            status: 0,
            meter: None,
        }
    }

    /// Takes over the request with this head, if it is one that begins anew, in the context `id`.
    pub fn inherit(headers: &[(String, String)], id: u32) -> Option<Self> {
        let (passage, entry) = LEFT.with(|left| left.take(headers))?;
        ledger::open(id, entry);
        Some(Self { id, ..passage })
    }

    /// Leaves everything to the request's next stream, if an attempt has made it begin anew; else what ends here.
    pub fn bequeath(mut self) -> Option<Self> {
        if ledger::with(self.id, |entry| entry.secret.is_none()).unwrap_or(true) {
            return Some(self);
        }
        let entry = ledger::close(self.id)?;
        if let Some(begun) = self.sent.take().and_then(|gone| gone.begun) {
            state::leave(begun, host::now() / 1_000_000);
        }
        (self.status, self.meter, self.size) = (0, None, 0);
        LEFT.with(|left| left.leave(self, entry));
        None
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
        let gateway = Rc::clone(&self.gateway);
        let chosen = self.choose(&gateway, None)?;
        let target = gateway.targets.get(chosen.target);
        let signed = target.is_some_and(|target| Way::signs_body(target, &host::env));
        if signed && self.method != "POST" {
            return Err(Error::invalid("Only POST can be signed for this provider."));
        }
        if signed && !end {
            return Ok(false);
        }
        self.send(chosen, &[], false)?;
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
                self.choose_and_send(None, &body, false).map(|_| true)
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
                self.refuse(&error);
                Action::Pause
            }
        }
    }

    /// Answers the client itself.
    fn refuse(&mut self, error: &Error) {
        self.refused = true;
        self.status = self.endpoint().language().status(error);
        refuse(error, self.endpoint(), self.header("x-request-id"));
    }

    fn json(&mut self, size: usize) -> Result<bool, Error> {
        let body = Body::read(host::body(Half::Request, size))?;
        let said = body.field("model").and_then(Json::as_str).map(Str::plain);
        let asked = said.as_deref().or(self.way.model.as_deref()).map(str::to_owned);
        if self.wishes.is_none() {
            self.wishes = Some(self.gateway.passing_wishes(&self.headers, asked.as_deref(), Some(&body)));
            let course = Wishes::of_head(&self.headers).with_body(&body)?;
            let mut entry = Entry::of(&self.gateway);
            entry.course = asked.clone().filter(|_| self.repeats).map(|asked| {
                Course::begin(Rc::clone(&self.gateway.policy), course, asked, self.started / 1_000_000)
            });
            ledger::open(self.id, entry);
        }
        let model = self.choose_and_send(asked.as_deref(), &[], true)?;
        if let Some(changed) = pass::with_model(&body, model.as_deref()) {
            host::set_body(Half::Request, &changed);
        }
        Ok(true)
    }

    /// Looks for the model in what has come of a form. As soon as it is there the rest may stream.
    fn form(&mut self, size: usize, end: bool) -> Result<bool, Error> {
        let bytes = host::body(Half::Request, size);
        match pass::model_field(self.header("content-type"), &bytes) {
            Field::Later if !end => Ok(false),
            Field::Later | Field::Absent => {
                self.choose_and_send(None, &[], false)?;
                Ok(true)
            }
            Field::At(place) => {
                let said = String::from_utf8_lossy(bytes.get(place.clone()).unwrap_or_default()).into_owned();
                // Its length changes with the model's name.
                let model = self.choose_and_send(Some(&said), &[], true)?;
                if let Some(model) = model.filter(|model| *model != said) {
                    let (head, tail) = (bytes.get(..place.start), bytes.get(place.end..));
                    let parts = [head.unwrap_or_default(), model.as_bytes(), tail.unwrap_or_default()];
                    host::set_body(Half::Request, &parts.concat());
                }
                Ok(true)
            }
        }
    }

    /// The target that is asked next: by the course of the request, where it has one.
    fn choose<'g>(&self, gateway: &'g Gateway, asked: Option<&str>) -> Result<Chosen<'g>, Error> {
        let asked = asked.or(self.way.model.as_deref());
        let now_ms = host::now() / 1_000_000;
        let world = World {
            moment: Moment { now_ms, random: host::random() },
            look: &|route| state::look(gateway, route, false, now_ms),
        };
        let wishes = self.wishes.clone();
        let mut wishes = wishes.unwrap_or_else(|| gateway.passing_wishes(&self.headers, asked, None));
        let with_course = |entry: &mut Entry| {
            Some(entry.course.as_mut()?.find(|course| {
                wishes.tried = course.tried().to_vec();
                let chosen = gateway.carry(&self.way, Some(course.model()), &wishes, &world)?;
                let timeout_ms = course.wishes().timeout_ms.or(chosen.choice.terms.timeout_ms);
                let timeout_ms = timeout_ms.unwrap_or_else(|| gateway.policy.timeout_ms());
                let retries = course.wishes().retries.or(chosen.choice.terms.retries);
                course.goes(chosen.target, chosen.targets, timeout_ms, retries);
                Ok(chosen)
            }))
        };
        let chosen = ledger::with(self.id, with_course).flatten();
        chosen.unwrap_or_else(|| gateway.carry(&self.way, asked, &wishes, &world))
    }

    fn choose_and_send(
        &mut self,
        asked: Option<&str>,
        body: &[u8],
        changes: bool,
    ) -> Result<Option<String>, Error> {
        let gateway = Rc::clone(&self.gateway);
        let chosen = self.choose(&gateway, asked)?;
        self.send(chosen, body, changes)
    }

    /// Puts the provider's head in the place of the client's, and gives the model's name there. `changes` says that the body may
    /// get another length.
    fn send(&mut self, chosen: Chosen<'_>, body: &[u8], changes: bool) -> Result<Option<String>, Error> {
        let target = self.gateway.targets.get(chosen.target).cloned();
        let target = target.ok_or_else(|| Error::internal("a choice without its target"))?;
        let env = &host::env as &dyn Fn(&str) -> Option<String>;
        let tokens = &token::current as &dyn Fn(&str) -> Option<String>;
        let now = host::now();
        let with = (env, tokens, now / 1_000_000_000);
        let sent = pass::send(&self.way, &target, chosen.model.as_deref(), &self.headers, body, with)?;
        let scheme = if target.address.tls { "https" } else { "http" };
        let course =
            ledger::with(self.id, |entry| Some(entry.course.as_ref()?.wishes().timeout_ms)).flatten();
        let timeout = course.flatten().or(chosen.choice.terms.timeout_ms).map(|timeout| timeout.to_string());
        let mut head = vec![
            (":method", self.method.as_str()),
            (":scheme", scheme),
            (":authority", &sent.authority),
            (":path", &sent.path),
        ];
        let kept = |name: &str| !(changes && name == "content-length");
        let own = sent.headers.iter().filter(|(name, _)| kept(name));
        head.extend(own.map(|(name, value)| (name.as_str(), value.as_str())));
        head.extend(timeout.as_deref().map(|timeout| (ATTEMPT_TIMEOUT, timeout)));
        if course.is_none() {
            head.push((PASS_HEADER, "1"));
        } else {
            self.hand_over(&target, chosen.model.as_deref(), &head);
        }
        host::set_headers(Half::Request, head);
        let first = &chosen.choice.terms.cluster;
        if !first.is_empty() || !target.cluster.is_empty() {
            // Last, as it clears the route that Envoy has found so far. The choice's cluster goes on to the tail.
            let whole = course.is_some() && !first.is_empty();
            let cluster = if whole { first } else { &target.cluster };
            host::set_header(Half::Request, CLUSTER_HEADER, Some(cluster));
        }
        if course.is_none() {
            if ledger::with(self.id, |_| ()).is_none() {
                ledger::open(self.id, Entry::of(&self.gateway));
            }
            ledger::begin(self.id, Rc::clone(&target), now);
            let model = chosen.model.as_deref().unwrap_or(&target.model);
            let info = self.gateway.model_info(&target, model);
            ledger::last_attempt(self.id, |tried| (tried.model, tried.info) = (Rc::from(model), info));
        }
        let begun = state::begin(&self.gateway, chosen.choice, now / 1_000_000);
        let (route, model) = (chosen.route.to_owned(), chosen.model);
        self.sent = Some(Gone { sent, target, route, begun });
        Ok(model)
    }

    /// Leaves what attempts and the request's next stream need.
    fn hand_over(&self, target: &Rc<Target>, model: Option<&str>, head: &[(&str, &str)]) {
        ledger::with(self.id, |entry| {
            let own = [":scheme", ":authority", ":path"];
            let own = self.headers.iter().filter(|(name, _)| own.contains(&name.as_str()));
            entry.headers.get_or_insert_with(|| own.cloned().collect());
            entry.native =
                head.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            entry.target = Some(Rc::clone(target));
            entry.asking = Rc::from(model.unwrap_or_default());
            (entry.tries, entry.decided, entry.secret) = (0, false, None);
        });
        Handover { endpoint: None, stream: self.id }.write();
    }

    /// The reply's head has come.
    pub fn response_headers(&mut self, end: bool) -> Action {
        let Some(gone) = self.sent.as_ref().filter(|_| !self.refused) else { return Action::Continue };
        let headers = host::headers(Half::Response);
        let header = |wanted: &str| host::named(&headers, wanted).unwrap_or_default();
        let status: u16 = header(":status").parse().unwrap_or(502);
        self.status = status;
        let (secret, course, answered) = ledger::with(self.id, |entry| {
            let answered = entry.attempts.last().is_some_and(|tried| tried.status > 0);
            (entry.secret.take(), entry.course.is_some(), answered)
        })
        .unwrap_or_default();
        // A provider's own words pass; what nobody has answered is told here.
        let unanswered = || match course {
            true => !answered,
            false => host::property(&["response", "code_details"]).is_none_or(|from| from != b"via_upstream"),
        };
        if secret.is_some() || (status >= 400 && unanswered()) {
            // Where there is a secret, Envoy would not begin the request anew.
            let error = self.last_failure(status);
            self.refuse(&error);
            return Action::Pause;
        }
        if !course {
            let label = gone.target.provider.label;
            ledger::last_attempt(self.id, |tried| tried.status = status);
            if status >= 400 && (status != 404 || self.way.names_model()) {
                let kind = Said::default().into_error(status, label).kind;
                ledger::last_attempt(self.id, |tried| tried.failure = Some(kind));
                state::failed(&gone.target, kind, status, retry_after(&headers));
            }
        }
        for name in gone.sent.hides(&headers) {
            host::set_header(Half::Response, &name, None);
        }
        if course {
            tell_counts(self.id);
            host::set_header(Half::Response, "x-litellm-model-id", Some(&gone.target.id));
        }
        self.meter = match status {
            101 => Some(Meter::of_websocket()),
            _ => Meter::of(header("content-type")).filter(|_| !end && status < 300),
        };
        Action::Continue
    }

    /// What the client is told of a failure that no provider has told.
    fn last_failure(&self, status: u16) -> Error {
        let last = ledger::with(self.id, |entry| entry.course.as_ref()?.last().cloned()).flatten();
        last.unwrap_or_else(|| {
            let now_ms = host::now() / 1_000_000;
            let kind = ledger::last_attempt(self.id, |tried| state::unanswered(tried, now_ms));
            let message = match kind {
                Some(Kind::Timeout) => "The provider didn't answer in time.".to_owned(),
                _ => Error::unreached().message,
            };
            Error::upstream(Kind::of_status(status), message).status(status).code("connection_error")
        })
    }

    /// A piece of the reply's body has come.
    pub fn response_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(meter) = &mut self.meter {
            meter.push(&host::body(Half::Response, size), end);
            let usage = meter.usage();
            let ended = end.then(host::now);
            ledger::last_attempt(self.id, |tried| {
                tried.seen.usage = usage;
                tried.ended = ended;
            });
        }
        Action::Continue
    }

    /// Tells everybody who counts what the request was and used.
    pub fn settle(self) {
        let Some(this) = self.bequeath() else { return };
        this.count();
    }

    fn count(&self) {
        let mut entry = ledger::close(self.id).unwrap_or_default();
        // Whoever tells no counts (pictures, files) has not answered for nothing: the price is not known.
        for tried in &mut entry.attempts {
            match tried.seen.usage {
                None => tried.info = None,
                // What has been spoken is counted in full, however the connection ends.
                Some(_) if self.status == 101 => tried.ended = tried.ended.or_else(|| Some(host::now())),
                Some(_) => {}
            }
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
                begun: gone.begun,
            },
            &self.gateway,
            &entry,
            self.gateway.observe.is_some(),
        );
    }
}
