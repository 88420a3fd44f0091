//! Requests that begin anew: what one stream of a request leaves for the next, and where that one goes.

use dragoman_core::admission::{Gateway, HeadWishes, Plan, World};
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::course::Course;
use dragoman_core::error::Error;
use dragoman_core::observe::Who;
use dragoman_core::route::Moment;

use super::{Before, Stream};
use crate::host::Half;
use crate::ledger::{self, Entry, Legacy};
use crate::settle::{Asked, settle};
use crate::{hedge, host, state};

/// How often was tried, in LiteLLM's words.
const RETRIES_HEADER: &str = "x-litellm-attempted-retries";
const FALLBACKS_HEADER: &str = "x-litellm-attempted-fallbacks";

/// What one stream of a request leaves for the next, beside its entry.
struct Left {
    /// What the client asked for.
    endpoint: Endpoint,
    /// The client's id of the request.
    request_id: String,
    /// The model that the client asked for.
    asked: String,
    /// What its head wishes of the choice.
    wishes: HeadWishes,
    /// Whose it is.
    who: Option<Who>,
    /// When the request came.
    started: u64,
}

thread_local! {
    static LEFT: Legacy<Left> = const { Legacy::new() };
}

impl Stream {
    /// Takes over from an earlier stream of the same request, if this is one that begins anew.
    pub(super) fn inherits(&mut self) -> bool {
        let Some((left, entry)) = LEFT.with(|left| left.take(&self.headers)) else { return false };
        let Left { endpoint, request_id, asked, wishes, who, started } = left;
        (self.wishes, self.who) = (wishes, who);
        self.endpoint = Some(endpoint);
        (self.request_id, self.started) = (request_id, started);
        self.before = Some(Before { asked, entry });
        true
    }

    /// Leaves everything to the request's next stream, if an attempt has made it begin anew.
    pub(super) fn bequeaths(&mut self) -> bool {
        let anew = ledger::with(self.id, |entry| entry.secret.is_some()).unwrap_or(false);
        let (true, Some(endpoint), Some(admitted)) = (anew, self.endpoint, &self.admitted) else {
            return false;
        };
        let Some(mut entry) = ledger::close(self.id) else { return false };
        hedge::leave(&mut entry);
        let mut started = self.started;
        if entry.several.as_mut().is_some_and(|several| several.passed()) {
            started = host::now();
            self.passes(&mut entry, started / 1_000_000);
        } else if let Some(begun) = admitted.begun {
            state::leave(begun, host::now() / 1_000_000);
        }
        let asked = admitted.asked.clone().unwrap_or_else(|| admitted.route.clone());
        let request_id = std::mem::take(&mut self.request_id);
        let wishes = std::mem::take(&mut self.wishes);
        let who = self.who.take();
        let known = Left { endpoint, request_id, asked, wishes, who, started };
        LEFT.with(|left| left.leave(known, entry));
        true
    }

    /// A prompt has been answered: it is counted as a request of its own, and the next begins a course of its own.
    fn passes(&self, entry: &mut Entry, now_ms: u64) {
        let Some(asked) = self.asked() else { return };
        let asked = Asked { status: 200, ..asked };
        let before = settle(&asked, &self.gateway, entry, false);
        if let Some(several) = &mut entry.several {
            several.before = before;
        }
        entry.attempts.clear();
        if let Some(course) = &mut entry.course {
            course.begin_again(now_ms);
        }
    }
}

/// Where the request goes next: to the model whose turn it is, or to the next one that can be asked.
pub fn plan<'g>(
    gateway: &'g Gateway,
    request: &Request,
    course: &mut Course,
    wishes: &HeadWishes,
) -> Result<Plan<'g>, Error> {
    course.find(|course| next(gateway, request, course, wishes))
}

/// Where an attempt of the model whose turn it is goes next.
pub fn next<'g>(
    gateway: &'g Gateway,
    request: &Request,
    course: &mut Course,
    wishes: &HeadWishes,
) -> Result<Plan<'g>, Error> {
    let (now_ms, stream) = (host::now() / 1_000_000, request.stream());
    let world = World {
        moment: Moment { now_ms, random: host::random() },
        look: &|route| state::look(gateway, route, stream, now_ms),
    };
    let before = (course.wishes(), course.tried());
    let plan = gateway.body(request, course.model(), before, wishes, &world)?;
    if plan.pinned {
        course.stays();
    }
    let timeout_ms = plan.timeout_ms.unwrap_or_else(|| gateway.policy.timeout_ms());
    course.goes(plan.target, plan.targets, timeout_ms, plan.retries);
    Ok(plan)
}

/// Tells the client of the gateway context `id` how often was tried.
pub fn tell_counts(id: u32) {
    if let Some((retries, fallbacks)) = ledger::with(id, |entry| entry.counts()).flatten() {
        host::set_header(Half::Response, RETRIES_HEADER, Some(&retries.to_string()));
        host::set_header(Half::Response, FALLBACKS_HEADER, Some(&fallbacks.to_string()));
    }
}
