//! The gateway role, and the inline role that is gateway and attempt in one: one context per client request.

pub mod anew;
mod kept;
mod router;

use std::rc::Rc;

use dragoman_core::admission::{Gateway, HeadWishes, Named, Reply, RequestHead, Verdict};
use dragoman_core::client::completions::several::Several;
use dragoman_core::client::responses::Stored;
use dragoman_core::client::{Endpoint, Language, Request};
use dragoman_core::config::Target;
use dragoman_core::course::{Course, Wishes};
use dragoman_core::error::{Error, Kind, Said};
use dragoman_core::meter::dollars;
use dragoman_core::observe::Who;
use dragoman_core::openai::Body;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

pub use self::anew::next;
use self::anew::{plan, tell_counts};
pub use self::router::ATTEMPT_TIMEOUT;
use crate::exchange::{Exchange, Wanted, kept, refuse};
use crate::hedge::{self, Hedge};
use crate::host::{self, Half};
use crate::ledger::{self, Entry};
use crate::observe;
use crate::passage::Passage;
use crate::settle::{Asked, billed, measure, settle};
use crate::state;

/// The filter state by which the gateway hands a stream over to its attempts.
const HANDOVER: &str = "dragoman.stream";
const HANDOVER_STATE: &str = "wasm.dragoman.stream";

/// The longest name of a model that is remembered: one that nobody has given a model may be of any length.
const MAX_MODEL: usize = 256;

/// What an attempt must know that is not in the request: headers can't carry it, as they outlive the attempt that
/// rewrites them.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    /// What the client asked for; nothing of that where the request passes.
    pub endpoint: Option<Endpoint>,
    /// The gateway's context.
    pub stream: u32,
}

/// What stands for the endpoint of a request that passes.
const PASSES: &str = "passes";

impl Handover {
    /// Hands over.
    pub fn write(self) {
        let endpoint = self.endpoint.map_or(PASSES, Endpoint::name);
        host::set_state(HANDOVER, &format!("{endpoint} {}", self.stream));
    }

    /// What the gateway of this stream has handed over.
    pub fn read() -> Option<Self> {
        let state = host::state(HANDOVER_STATE)?;
        let (name, stream) = std::str::from_utf8(&state).ok()?.split_once(' ')?;
        let endpoint = Endpoint::named(name);
        (endpoint.is_some() || name == PASSES).then_some(Self { endpoint, stream: stream.parse().ok()? })
    }
}

/// One client request.
pub struct Stream {
    id: u32,
    gateway: Rc<Gateway>,
    inline: bool,
    endpoint: Option<Endpoint>,
    /// The client's id of the request, or Envoy's.
    request_id: String,
    headers: Vec<(String, String)>,
    wishes: HeadWishes,
    /// The request, where it is for a response that a target keeps.
    stored: Option<Stored>,
    /// What the head says of the request's course.
    course: Wishes,
    /// What an earlier stream of this request has left.
    before: Option<Before>,
    admitted: Option<Admitted>,
    exchange: Option<Exchange>,
    passage: Option<Passage>,
    /// The body is over the limit, and has been told so.
    refused: bool,
    /// How much of the request's body stands in Envoy's buffer.
    size: usize,
    status: u16,
    /// When the request came.
    started: u64,
    /// Who asked, where logs or traces are told.
    who: Option<Who>,
    /// Whether they have been told all.
    told: bool,
    /// An error of Envoy's or of an upstream's that is not in OpenAI's form yet.
    foreign: Option<Vec<u8>>,
}

/// What an earlier stream of the same request has left.
struct Before {
    asked: String,
    entry: Entry,
}

/// What the gateway knows of an admitted request when it has ended.
struct Admitted {
    route: String,
    asked: Option<String>,
    begun: Option<state::Begun>,
    stream: bool,
    target: Rc<Target>,
}

/// The status of a reply that begins its request anew.
const TURNED: u16 = 307;

/// Why a prompt's answer comes here that should have begun the request anew for the next.
const UNTURNED: &str =
    "the route's internal_redirect_policy is missing, or has let the request begin anew too often";

/// The longest foreign error body that is read, in bytes.
const MAX_FOREIGN: usize = 64 * 1024;

impl Stream {
    /// A context for a request that is about to come.
    pub fn new(id: u32, gateway: Rc<Gateway>, inline: bool) -> Self {
        Self {
            id,
            gateway,
            inline,
            endpoint: None,
            request_id: String::new(),
            headers: Vec::new(),
            wishes: HeadWishes::default(),
            stored: None,
            course: Wishes::default(),
            before: None,
            admitted: None,
            exchange: None,
            passage: None,
            refused: false,
            size: 0,
            status: 0,
            started: 0,
            who: None,
            told: false,
            foreign: None,
        }
    }

    /// Lets the request go its way, or answers it.
    fn admit(&mut self, endpoint: Endpoint, size: usize) -> Result<Action, Error> {
        let mut request = Request::new(endpoint, Body::read(host::body(Half::Request, size))?);
        let gateway = Rc::clone(&self.gateway);
        let now_ms = self.started / 1_000_000;
        let first = self.before.is_none();
        let (asked, mut entry, mut course) = match self.before.take() {
            Some(Before { asked, mut entry }) => {
                let course = entry.course.take();
                (asked, entry, course.ok_or_else(|| Error::internal("a request anew without its course"))?)
            }
            None => {
                let named = gateway.named(&request)?;
                let wishes = std::mem::take(&mut self.course);
                let differs = named.differs;
                let (asked, course) = course(&gateway, named, &mut request, wishes, now_ms)?;
                if differs {
                    host::set_body(Half::Request, request.body.text().as_bytes());
                }
                (asked, Entry::default(), course)
            }
        };
        request.in_parts = entry.several.is_some();
        let plan = plan(&gateway, &request, &mut course, &self.wishes)?;
        if plan.parts && entry.several.is_none() {
            entry.several = Some(Box::new(Several::begin(&request)));
        }
        let target =
            gateway.targets.get(plan.target).ok_or_else(|| Error::internal("a plan without its target"))?;
        if let Some(reply) = gateway.estimate(&request, &plan)? {
            answer(&reply);
            return Ok(Action::Pause);
        }
        // Where the route's name is what was asked for, there is nothing to remember.
        let asked: Option<String> = (plan.route != asked).then(|| asked.chars().take(MAX_MODEL).collect());
        if let Some(who) = &mut self.who {
            who.add_body(&request.body);
            observe::asked(
                endpoint.name(),
                plan.route,
                asked.as_deref().unwrap_or(plan.route),
                entry.several.as_ref().map_or(plan.stream, |several| several.streams()),
                who,
            );
            if let Some(capture) = &gateway.capture {
                observe::sent(capture, &request.body);
            }
        }
        self.admitted = Some(Admitted {
            route: plan.route.to_owned(),
            asked,
            begun: state::begin(&gateway, plan.choice, now_ms),
            stream: plan.stream,
            target: Rc::clone(target),
        });
        let headers = std::mem::take(&mut self.headers);
        if self.inline {
            entry.gateway = Some(Rc::clone(&gateway));
            ledger::open(self.id, entry);
            let with = self.circumstances(&headers, size);
            self.exchange = Some(Exchange::begin(Rc::clone(target), Wanted::Posted(&request), with)?);
        } else {
            entry.headers.get_or_insert(headers);
            (entry.target, entry.course) = (Some(Rc::clone(target)), Some(course));
            entry.gateway = Some(Rc::clone(&gateway));
            (entry.tries, entry.decided, entry.secret, entry.verdict) = (0, false, None, None);
            entry.hedge = plan.hedge_ms.map(|_| Box::new(Hedge::new(endpoint, self.wishes.clone())));
            // Of several prompts, each attempt takes its own.
            let shared = gateway.share_bodies && entry.several.is_none();
            ledger::open(self.id, entry);
            if shared {
                ledger::leave(self.id, request);
            }
            Handover { endpoint: Some(endpoint), stream: self.id }.write();
        }
        if !self.inline {
            router::copy(&plan, endpoint, first);
        }
        router::send(&plan, self.inline);
        Ok(Action::Continue)
    }

    /// The endpoint is known: what the rest of the request's way needs of its head is kept.
    fn begin(&mut self, endpoint: Endpoint) {
        self.endpoint = Some(endpoint);
        self.started = host::now();
        self.who = self.gateway.observe.map(|_| Who::of_headers(&self.headers));
        self.wishes = self.gateway.wishes(&self.headers);
        self.request_id = host::named(&self.headers, "x-request-id").unwrap_or_default().to_owned();
        self.course = Wishes::of_head(&self.headers);
        self.headers.retain(|(name, _)| kept(name));
    }

    /// The failure of which the last attempt told.
    fn last_failure(&self) -> Option<Error> {
        ledger::with(self.id, |entry| entry.course.as_ref().and_then(|course| course.last().cloned()))
            .flatten()
    }

    /// The client's language.
    fn language(&self) -> &'static dyn Language {
        self.endpoint.unwrap_or(Endpoint::Chat).language()
    }

    /// Tells the client in headers, as LiteLLM does, who has answered and what it cost.
    fn tell(&self) {
        let Some(admitted) = self.admitted.as_ref().filter(|_| self.status < 400) else { return };
        let now = host::now();
        let told = ledger::with(self.id, |entry| {
            let last = entry.attempts.get(entry.answered())?;
            let bill = if admitted.stream { None } else { billed(entry, &self.gateway) };
            // What ran beside another one took no time of its own.
            let alone = entry.attempts.iter().filter(|tried| !tried.beside);
            let busy: u64 = alone.map(|tried| tried.busy(now)).sum();
            let overhead = now.saturating_sub(self.started).saturating_sub(busy);
            Some((Rc::clone(&last.target), bill.and_then(|bill| bill.cost), overhead))
        });
        let Some((target, cost, overhead)) = told.flatten() else { return };
        host::set_header(Half::Response, "x-litellm-model-id", Some(&target.id));
        // A name that no header can hold is not told.
        if admitted.route.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
            host::set_header(Half::Response, "x-litellm-model-group", Some(&admitted.route));
        }
        let overhead = format!("{}.{:03}", overhead / 1_000_000, overhead / 1000 % 1000);
        host::set_header(Half::Response, "x-litellm-overhead-duration-ms", Some(&overhead));
        if let Some(cost) = cost {
            host::set_header(Half::Response, "x-litellm-response-cost", Some(&dollars(cost)));
        }
    }

    /// What the request was, once it has been admitted.
    fn asked(&self) -> Option<Asked<'_>> {
        let admitted = self.admitted.as_ref()?;
        Some(Asked {
            route: &admitted.route,
            model: admitted.asked.as_deref().unwrap_or(&admitted.route),
            operation: self.endpoint?.name(),
            stream: admitted.stream,
            target: &admitted.target,
            status: self.status,
            started: self.started,
            begun: admitted.begun,
        })
    }

    /// Tells everybody who counts what the stream was and used.
    fn settle(&self) {
        let mut entry = ledger::close(self.id).unwrap_or_default();
        hedge::leave(&mut entry);
        if let Some(asked) = self.asked() {
            settle(&asked, &self.gateway, &entry, self.who.is_some() && !self.told);
        }
    }

    /// Tells traces what the stream was and used: their spans end before [`Self::settle`].
    fn trace(&mut self) {
        if self.told || !self.gateway.observe.is_some_and(|observe| observe.traces) {
            return;
        }
        if let Some(asked) = self.asked() {
            // The attempt of the inline role is no filter of its own, and tells nothing.
            let ended = |entry: &Entry| {
                let answered = entry.attempts.get(entry.answered());
                answered.is_some_and(|tried| tried.ended.is_some())
            };
            ledger::with(self.id, |entry| {
                let known = !self.inline && ended(entry);
                measure(&asked, &self.gateway, entry, &mut |measured| observe::settled(measured, known));
            });
            self.told = true;
        }
    }

    fn reply_head(&mut self, end: bool) -> Action {
        let Some(endpoint) = self.endpoint else { return Action::Continue };
        if let Some(exchange) = &mut self.exchange
            && self.status == 0
        {
            let action = exchange.response_headers(end);
            let held = exchange.holds_head();
            self.status = status();
            if !held {
                self.tell();
            }
            let Some(exchange) = &self.exchange else { return action };
            if end && let Some(error) = exchange.failure() {
                refuse(error, endpoint, &self.request_id);
                return Action::Pause;
            }
            return action;
        }
        self.status = status();
        if self.status == TURNED {
            // Envoy would not begin the request anew.
            ledger::with(self.id, |entry| entry.secret = None);
            let error = self.last_failure().unwrap_or_else(|| Error::config(UNTURNED));
            refuse(&error, endpoint, &self.request_id);
            return Action::Pause;
        }
        tell_counts(self.id);
        if self.status < 400 {
            self.tell();
            return Action::Continue;
        }
        if end {
            // Without a body, where one must be: OpenAI's SDKs read the error from it.
            let said = || Said::default().into_error(self.status, "The provider").status(self.status);
            refuse(&self.last_failure().unwrap_or_else(said), endpoint, &self.request_id);
            return Action::Pause;
        }
        let headers = host::headers(Half::Response);
        let json = headers
            .iter()
            .any(|(name, value)| name == "content-type" && value.starts_with("application/json"));
        if json {
            return Action::Continue;
        }
        self.foreign = Some(Vec::new());
        Action::Pause
    }

    fn reply_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(mut gathered) = self.foreign.take() {
            let bytes = host::body(Half::Response, size);
            let room = MAX_FOREIGN.saturating_sub(gathered.len()).min(bytes.len());
            gathered.extend_from_slice(bytes.get(..room).unwrap_or_default());
            if !end {
                host::set_body(Half::Response, &[]);
                self.foreign = Some(gathered);
                return Action::Pause;
            }
            let error = Said::read(&gathered).into_error(self.status, "Envoy").status(self.status);
            let (body, status) =
                (self.language().error(&error, &self.request_id), self.language().status(&error));
            if status != self.status {
                self.status = status;
                host::set_header(Half::Response, ":status", Some(&status.to_string()));
            }
            host::set_header(Half::Response, "content-type", Some("application/json"));
            host::set_header(Half::Response, "content-length", Some(&body.len().to_string()));
            host::set_body(Half::Response, &body);
            return Action::Continue;
        }
        match &mut self.exchange {
            Some(exchange) => {
                let held = exchange.holds_head();
                let action = exchange.response_body(size, end);
                // Once the head is on its way it can't be read any more: Envoy refuses, and the SDK panics at that.
                if held && !exchange.holds_head() {
                    self.status = status();
                    self.tell();
                }
                action
            }
            None => Action::Continue,
        }
    }
}

/// Begins the course of a request that names models: what was asked for, and what is tried in which order. Where the first model
/// is another than its body says, that says it now.
pub fn course(
    gateway: &Gateway,
    named: Named,
    request: &mut Request,
    wishes: Wishes,
    now_ms: u64,
) -> Result<(String, Course), Error> {
    let Named { asked, model, others, differs } = named;
    let mut wishes = wishes.with_body(&request.body)?;
    // Of a list of names, the others stand in for the first.
    wishes.fallbacks = wishes.fallbacks.or((!others.is_empty()).then_some(others));
    if differs {
        *request = Request::new(request.endpoint, request.body.asking_for(&model)?);
    }
    Ok((asked, Course::begin(Rc::clone(&gateway.policy), wishes, model, now_ms)))
}

fn answer(reply: &Reply) {
    host::respond(reply.status, &reply.headers, &reply.body);
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, end: bool) -> Action {
        self.headers = host::headers(Half::Request);
        if self.inherits() {
            if self.gateway.observe.is_some() {
                observe::came(host::named(&self.headers, ":path").unwrap_or_default());
                if let Some(trace) = self.before.as_ref().and_then(|before| before.entry.trace.as_ref()) {
                    observe::came_in(trace, &self.headers);
                }
            }
            return Action::Pause;
        }
        self.passage = Passage::inherit(&self.headers, self.id);
        if self.passage.is_some() {
            return Action::Pause;
        }
        let header = |wanted: &str| host::named(&self.headers, wanted).unwrap_or_default();
        let head = RequestHead {
            method: header(":method"),
            path: header(":path"),
            headers: &self.headers,
            end,
            keyless: false,
        };
        if self.gateway.observe.is_some() {
            observe::came(head.path);
        }
        match self.gateway.head(&head) {
            Verdict::Pass => Action::Continue,
            Verdict::Reply(reply) => {
                if self.gateway.observe.is_some() && reply.status >= 400 {
                    observe::refused("", Kind::of_status(reply.status));
                }
                answer(&reply);
                Action::Pause
            }
            Verdict::Carry(way) => {
                let passage = Passage::new(Rc::clone(&self.gateway), way, self.id, &head, !self.inline);
                self.passage.insert(passage).request_headers(end)
            }
            Verdict::Read(endpoint) => {
                self.begin(endpoint);
                Action::Pause
            }
            Verdict::Stored(stored) => {
                self.begin(Endpoint::Stored);
                if !end {
                    self.stored = Some(stored);
                    return Action::Pause;
                }
                let admitted = self.admit_stored(stored, 0);
                self.go(Endpoint::Stored, admitted)
            }
        }
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        // Trailers end a request whose last piece of body did not say so.
        match &mut self.passage {
            Some(passage) => passage.request_trailers(),
            None => self.on_http_request_body(self.size, true),
        }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(passage) = &mut self.passage {
            return passage.request_body(size, end);
        }
        let Some(endpoint) = self.endpoint else { return Action::Continue };
        if self.refused {
            return Action::Pause;
        }
        self.size = size;
        if size > self.gateway.max_body_bytes {
            // The endpoint stays: Envoy may answer first, with words of its own, which then get OpenAI's form.
            self.refused = true;
            refuse(&self.gateway.too_large(), endpoint, &self.request_id);
            return Action::Pause;
        }
        if !end {
            return Action::Pause;
        }
        let admitted = match self.stored.take() {
            Some(stored) => self.admit_stored(stored, size),
            None => self.admit(endpoint, size),
        };
        self.go(endpoint, admitted)
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if let Some(passage) = &mut self.passage {
            return passage.response_headers(end);
        }
        let action = self.reply_head(end);
        if end && action == Action::Continue {
            self.trace();
        }
        action
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if let Some(passage) = &mut self.passage {
            return passage.response_body(size, end);
        }
        let action = self.reply_body(size, end);
        if end && action == Action::Continue {
            self.trace();
        }
        action
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.on_http_response_body(0, true)
    }

    fn on_log(&mut self) {
        if let Some(passage) = self.passage.take() {
            passage.settle();
        } else if !self.bequeaths() {
            self.settle();
        }
    }
}

/// The reply's status.
fn status() -> u16 {
    host::header(Half::Response, ":status").and_then(|status| status.parse().ok()).unwrap_or(502)
}
