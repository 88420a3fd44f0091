//! One attempt carried out against the host: used by the upstream role, and by the inline role in the gateway's place.

use std::rc::Rc;

use dragoman_core::attempt::{Attempt, Edit, Step, World};
use dragoman_core::client::responses::{Seal, Stored};
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::{TAIL_HEADER, Target};
use dragoman_core::course::Course;
use dragoman_core::error::{Error, Kind, Origin, Said};
use dragoman_core::meter::{Usage, prompt_estimate};
use dragoman_core::provider::auth::Outgoing;
use proxy_wasm::types::Action;

use crate::hedge;
use crate::host::{self, Half};
use crate::ledger;
use crate::observe;
use crate::silence;
use crate::state;
use crate::token;
use crate::turn::{self, Turn, turn};

/// Whether a header of the client's goes on to the provider: these few, and no credential, no cookie, none of ours.
pub fn forwarded(name: &str) -> bool {
    const CLIENTS: &[&str] = &["user-agent", "traceparent", "tracestate", "baggage", "accept-language"];
    // What Envoy's own route table asks for when a listener filter has changed the head.
    const ENVOYS: &[&str] = &["x-forwarded-proto", "x-request-id"];
    CLIENTS.contains(&name) || ENVOYS.contains(&name)
}

/// Whether a header of the client's is kept for attempts: those that go on, and those that a language of the client's
/// has a meaning for.
pub fn kept(name: &str) -> bool {
    // What a request needs that begins anew, too.
    forwarded(name) || matches!(name, "anthropic-beta" | ":scheme" | ":authority" | ":path")
}

/// What an attempt is made for.
#[derive(Clone, Copy)]
pub enum Wanted<'r> {
    /// A request with a body.
    Posted(&'r Request),
    /// A response that the target keeps.
    Stored(&'r Stored),
}

/// What an attempt is made with.
#[derive(Clone, Copy)]
pub struct Circumstances<'c> {
    /// The client's headers.
    pub headers: &'c [(String, String)],
    /// The gateway's context.
    pub stream: u32,
    /// The attempt's own context.
    pub context: u32,
    /// Whether a reply's head may be held.
    pub hold_heads: bool,
    /// Whether the request has a body, whatever becomes of it.
    pub with_body: bool,
}

/// An attempt under way.
pub struct Exchange {
    attempt: Attempt,
    /// The gateway context whose stream this is.
    stream: u32,
    /// The attempt's own context.
    context: u32,
    /// What the client asked for.
    endpoint: Endpoint,
    /// The attempt's place in the stream's entry.
    place: usize,
    /// Whether a stream's first output is still to come.
    awaiting: bool,
    /// Whether the reply's head waits for its body.
    holding: bool,
    /// Whether it is watched for silence.
    watched: bool,
    /// When the provider says that it can be asked again, in milliseconds from now.
    retry_after_ms: Option<u64>,
    /// Whether the attempt is a span of a trace.
    traced: bool,
    /// Whether a head that has been held may be turned into one on which Envoy acts.
    hold_heads: bool,
    /// The reply doesn't go to the client.
    turned: bool,
    /// Another attempt may run beside it.
    hedged: bool,
    /// The reply goes nowhere, or carries out what follows.
    kept: bool,
    /// It is the answer to one prompt of several.
    several: bool,
}

impl Exchange {
    /// Makes the native request and puts it in the client's place.
    pub fn begin(target: Rc<Target>, wanted: Wanted<'_>, with: Circumstances<'_>) -> Result<Self, Error> {
        let Circumstances { headers, stream, context, hold_heads, with_body } = with;
        let id = format!("chatcmpl-{:016x}", host::random());
        let now = host::now();
        let (env, tokens, now_s) = (&host::env, &token::current, now / 1_000_000_000);
        let seal = ledger::with(stream, |entry| Some(Rc::clone(&entry.gateway.as_ref()?.seal))).flatten();
        let seal = seal.unwrap_or_else(|| Rc::new(Seal::of(None)));
        let meant = ledger::with(stream, |entry| entry.course.as_ref().and_then(Course::stand_in)).flatten();
        let model = meant.as_deref();
        let world = World { env, tokens, now: now_s, id: &id, model, headers, seal: &seal, hold_heads };
        let scheme = if target.address.tls { "https" } else { "http" };
        let place = ledger::begin(stream, Rc::clone(&target), now);
        let (begun, method, endpoint, prompt) = match wanted {
            Wanted::Posted(asked) => {
                let prompt = prompt_estimate(&asked.body);
                (Attempt::begin(target, asked, &world), "POST", asked.endpoint, prompt)
            }
            Wanted::Stored(asked) => {
                (Attempt::stored(target, asked, &world), asked.method, Endpoint::Stored, 0)
            }
        };
        let (mut attempt, outgoing) = begun.inspect_err(|error| {
            ledger::attempt(stream, place, |tried| tried.failure = Some(error.kind));
        })?;
        let beside = ledger::with(stream, |entry| {
            let (hedged, several) = (hedge::begins(entry, stream, place), entry.several.is_some());
            let Some(tried) = entry.attempts.get_mut(place) else { return (hedged, several) };
            let gateway = entry.gateway.as_ref();
            tried.info = gateway.and_then(|gateway| gateway.model_info(attempt.target(), attempt.model()));
            (tried.model, tried.prompt) = (Rc::from(attempt.model()), prompt);
            tried.free = matches!(endpoint, Endpoint::CountTokens | Endpoint::Stored);
            if let Some(info) = tried.info.clone().filter(|_| gateway.is_some_and(|known| known.stream_cost))
            {
                attempt.tell_cost(info);
            }
            if let (Some(capture), Wanted::Posted(_)) =
                (gateway.and_then(|known| known.capture.as_ref()), wanted)
            {
                tried.captured = Some(attempt.capture(capture));
            }
            (hedged, several)
        });
        let (hedged, several) = beside.unwrap_or_default();
        let client = match wanted {
            Wanted::Posted(asked) => asked.body.text(),
            Wanted::Stored(_) => "",
        };
        let pieces = outgoing.pieces(client);
        put(&outgoing, method, scheme, pieces.iter().map(|piece| piece.len()).sum(), headers);
        if with_body && outgoing.body.is_some() {
            host::set_body_of(Half::Request, &pieces);
        }
        let awaiting = attempt.streams();
        Ok(Self {
            attempt,
            stream,
            context,
            endpoint,
            place,
            awaiting,
            holding: false,
            watched: false,
            retry_after_ms: None,
            traced: false,
            hold_heads,
            turned: false,
            hedged,
            kept: false,
            several,
        })
    }

    /// Says whether traces are to be told of the attempt before its span ends.
    pub const fn trace(&mut self, traced: bool) {
        self.traced = traced;
    }

    /// The reply's head has come.
    pub fn response_headers(&mut self, end: bool) -> Action {
        let mut headers = host::headers(Half::Response);
        let length = headers.iter_mut().find(|(name, _)| self.several && name == "content-length");
        if let Some((_, length)) = length {
            // A reply that is turned away before its end takes its connection with it, which the next prompt can use.
            length.clear();
        }
        let status = host::named(&headers, ":status").and_then(|status| status.parse().ok()).unwrap_or(502);
        ledger::attempt(self.stream, self.place, |tried| tried.status = status);
        if host::named(&headers, TAIL_HEADER).is_some() {
            // Nobody is at the target's address: Envoy has gone on to the tail.
            return self.tail();
        }
        if status >= 400 {
            self.retry_after_ms = retry_after(&headers);
        }
        if !self.hold_heads && !(200..300).contains(&status) && !end && self.turns_unread(status) {
            return Action::Continue;
        }
        let plan = self.attempt.head(status, &headers, end);
        self.holding = plan.hold;
        if end {
            self.report(end);
        } else if !(self.hedged && plan.hold) {
            self.watch();
        }
        let place = self.place;
        match self.attempt.failure().and_then(|error| turn(self.stream, place, error, self.retry_after_ms)) {
            Some(Turn::Away(edits)) => self.away(&edits),
            Some(Turn::Kept) => return self.keep(),
            _ => {
                apply(&plan.edits);
                for name in &plan.secret {
                    host::set_header(Half::Response, name, None);
                }
                if self.hedged && !plan.hold {
                    hedge::won(self.stream, self.place);
                }
            }
        }
        if plan.hold { Action::Pause } else { Action::Continue }
    }

    /// An error's head can't be held here until its body says more: it is judged by its status alone, where that tells
    /// enough. True when the reply has been turned away.
    fn turns_unread(&mut self, status: u16) -> bool {
        let label = self.attempt.target().provider.label;
        let error = Said::default().into_refusal(status, label);
        if !matches!(error.http_status(), 401..=404 | 408 | 409 | 429 | 500..) {
            return false;
        }
        let Some(Turn::Away(edits)) = turn(self.stream, self.place, &error, self.retry_after_ms) else {
            return false;
        };
        self.turned = true;
        ledger::attempt(self.stream, self.place, |tried| {
            tried.failure = Some(error.kind);
            if self.traced {
                observe::attempted(tried, self.place > 0);
            }
        });
        self.away(&edits);
        state::failed(self.attempt.target(), error.kind, error.http_status(), self.retry_after_ms);
        true
    }

    /// The reply doesn't go to the client: its head becomes what Envoy acts on.
    fn away(&self, edits: &[Edit]) {
        if self.traced {
            let status = ledger::attempt(self.stream, self.place, |tried| tried.status);
            observe::turned(status.unwrap_or_default());
        }
        apply(edits);
    }

    /// The reply is the tail's.
    fn tail(&mut self) -> Action {
        self.turned = true;
        if self.hedged {
            ledger::attempt(self.stream, self.place, |tried| {
                (tried.failure, tried.ended) = (Some(Kind::Overloaded), Some(host::now()));
            });
            state::failed(self.attempt.target(), Kind::Overloaded, Kind::Overloaded.status(), None);
        }
        match turn::tail(self.stream, Some(self.place)) {
            Turn::Kept => self.keep(),
            // A reply with a body of Envoy's own.
            Turn::Stays(error) if self.hedged => {
                refuse(&error, self.endpoint, "");
                Action::Pause
            }
            turned => end_at_tail(self.stream, turned, self.traced),
        }
    }

    /// Keeps the reply, whose head has not left yet.
    fn keep(&mut self) -> Action {
        (self.turned, self.holding, self.kept) = (true, false, true);
        hedge::keeps(self.stream, self.context);
        Action::Pause
    }

    /// A piece of the reply's body has come.
    pub fn response_body(&mut self, size: usize, end: bool) -> Action {
        if self.turned {
            host::set_body(Half::Response, &[]);
            return if self.kept { Action::Pause } else { Action::Continue };
        }
        let bytes = host::body(Half::Response, size);
        let mut step = self.attempt.body(&bytes, end);
        if self.several && step.release.is_some() && self.attempt.failure().is_none() {
            let reply = step.bytes.as_deref().unwrap_or(&bytes);
            match turn::answered(self.stream, self.place, reply, self.attempt.seen()) {
                Ok((said, turned)) => (step, self.turned) = (said, turned),
                Err(error) => step = self.attempt.fail(error),
            }
        } else if step.release.is_some()
            && let Some(error) = self.attempt.failure()
        {
            let turned = if self.hold_heads {
                turn(self.stream, self.place, error, self.retry_after_ms)
            } else {
                turn::last_words(self.stream, error).map(Turn::Stays)
            };
            match turned {
                Some(Turn::Away(edits)) => {
                    step = Step { bytes: Some(Vec::new()), release: Some(edits) };
                    self.turned = true;
                }
                Some(Turn::Stays(error)) => step = self.attempt.fail(error),
                Some(Turn::Kept) => {
                    host::set_body(Half::Response, &[]);
                    self.report(end);
                    return self.keep();
                }
                None => {}
            }
        }
        if let Some(bytes) = &step.bytes {
            host::set_body(Half::Response, bytes);
        }
        if let Some(edits) = &step.release {
            self.holding = false;
            if self.turned {
                self.away(edits);
            } else {
                apply(edits);
                if self.hedged {
                    hedge::won(self.stream, self.place);
                    if !end {
                        self.watch();
                    }
                }
            }
        }
        // What is turned away has no other end.
        self.report(end || self.turned);
        if self.watched {
            silence::moved(self.context, self.holding && self.context == self.stream);
        }
        if self.holding { Action::Pause } else { Action::Continue }
    }

    /// Has the reply watched for silence. Where the roles are apart, Envoy's limit on an attempt counts until the head goes
    /// on: the router does not see a head that the upstream role holds, but does one that the inline role does.
    fn watch(&mut self) {
        let inline = self.context == self.stream;
        if let Some(limit) = self.attempt.silence_ms().filter(|_| inline || self.attempt.streams()) {
            silence::watch(self.context, (self.stream, self.place), self.endpoint, limit);
            silence::moved(self.context, self.holding && inline);
            self.watched = true;
        }
    }

    /// Whether the reply's head waits for its body.
    pub const fn holds_head(&self) -> bool {
        self.holding
    }

    /// Why the attempt failed, once it has.
    pub const fn failure(&self) -> Option<&Error> {
        self.attempt.failure()
    }

    /// What the provider has told of tokens so far.
    pub fn usage(&self) -> Option<Usage> {
        self.attempt.seen().usage
    }

    /// The attempt has ended.
    pub fn gone(&self) {
        // Where others run beside it, what a broken head has to tell nobody else tells.
        let broken = self.hedged && self.holding && !self.turned;
        gone(self.stream, self.place, self.attempt.target(), broken);
        if self.hedged {
            hedge::ended(self.stream, self.place, self.context);
        }
    }

    /// Keeps the ledger current. The clock is a host call: it is asked when the first output comes and at the end.
    fn report(&mut self, end: bool) {
        let seen = self.attempt.seen();
        let first = self.awaiting && (seen.output_bytes > 0 || seen.finish.is_some());
        self.awaiting &= !first;
        let now = if first || end { host::now() } else { 0 };
        let failure = self.attempt.failure().map(|error| error.kind);
        let known = ledger::attempt(self.stream, self.place, |tried| {
            let known = tried.failure;
            tried.seen.clone_from(seen);
            tried.failure = failure;
            if first {
                tried.first_token = Some(now);
            }
            if end {
                tried.ended = Some(now);
                if self.traced {
                    observe::attempted(tried, self.place > 0);
                }
            }
            known
        });
        if let (Some(error), Some(None)) = (self.attempt.failure(), known) {
            state::failed(self.attempt.target(), error.kind, error.http_status(), self.retry_after_ms);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.watched {
            silence::forget(self.context);
        }
    }
}

/// An attempt has ended. Without a reply's head, or `broken`, it has failed; unless another one has answered, or the client
/// went first, whose stream is settled then.
pub fn gone(stream: u32, place: usize, target: &Target, broken: bool) {
    let unanswered = ledger::with(stream, |entry| {
        let abandoned = hedge::abandoned(entry, place);
        let tried = entry.attempts.get_mut(place)?;
        if abandoned {
            tried.abandoned = tried.failure.is_none();
            tried.ended.get_or_insert_with(host::now);
            return None;
        }
        let unanswered = (broken || tried.status == 0) && tried.failure.is_none();
        if unanswered {
            tried.failure = Some(state::unanswered(tried, host::now() / 1_000_000));
        }
        tried.failure.filter(|_| unanswered)
    });
    if let Some(kind) = unanswered.flatten() {
        state::failed(target, kind, kind.status(), None);
    }
}

/// A provider's `retry-after` in milliseconds, where it is a number of seconds.
pub fn retry_after(headers: &[(String, String)]) -> Option<u64> {
    host::named(headers, "retry-after")?.trim().parse::<u64>().ok()?.checked_mul(1000)
}

/// Puts the native head in the client's place, with those of its headers that go on.
fn put(outgoing: &Outgoing, method: &str, scheme: &str, length: usize, headers: &[(String, String)]) {
    let length = length.to_string();
    let mut native: Vec<(&str, &str)> = vec![
        (":method", method),
        (":scheme", scheme),
        (":authority", &outgoing.authority),
        (":path", &outgoing.path),
    ];
    if method == "POST" {
        native.push(("content-length", &length));
    }
    native.extend(outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    for (name, value) in headers.iter().filter(|(name, _)| forwarded(name)) {
        if !outgoing.headers.iter().any(|(own, _)| own == name) {
            native.push((name, value));
        }
    }
    host::set_headers(Half::Request, native);
}

/// The tail's reply becomes what follows from the failure before it.
pub fn end_at_tail(stream: u32, turned: Turn, traced: bool) -> Action {
    if traced {
        ledger::with(stream, |entry| {
            entry.attempts.last().inspect(|tried| observe::attempted(tried, false));
        });
    }
    match turned {
        Turn::Away(edits) => apply(&edits),
        // The gateway gives it a body.
        Turn::Stays(error) => {
            host::set_header(Half::Response, ":status", Some(&error.http_status().to_string()))
        }
        Turn::Kept => return Action::Pause,
    }
    Action::Continue
}

/// Changes the reply's head.
pub fn apply(edits: &[Edit]) {
    for (name, value) in edits {
        host::set_header(Half::Response, name, value.as_deref());
    }
}

/// Answers the client with an error in its language, and logs what it must not be told.
pub fn refuse(error: &Error, endpoint: Endpoint, request_id: &str) {
    match error.origin {
        Origin::Config | Origin::Internal => log::error!("{}", error.message),
        Origin::Client | Origin::Upstream => log::debug!("{}", error.message),
    }
    let language = endpoint.language();
    let retry_after = error.retry_after.map(|seconds| seconds.to_string());
    let headers: Vec<_> = retry_after.iter().map(|seconds| ("retry-after", seconds.as_str())).collect();
    host::respond(language.status(error), &headers, &language.error(error, request_id));
}
