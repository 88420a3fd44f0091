//! Requests that begin anew: what one stream of a request leaves for the next, and where that one goes.

use dragoman_core::admission::{Gateway, HeadWishes, Plan, World};
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::course::Course;
use dragoman_core::error::Error;
use dragoman_core::observe::Who;
use dragoman_core::route::Moment;

use super::{Before, Stream};
use crate::ledger::{self, Legacy};
use crate::{hedge, host, state};

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
        if let Some(begun) = admitted.begun {
            state::leave(begun, host::now() / 1_000_000);
        }
        let asked = admitted.asked.clone().unwrap_or_else(|| admitted.route.clone());
        let request_id = std::mem::take(&mut self.request_id);
        let wishes = std::mem::take(&mut self.wishes);
        let (who, started) = (self.who.take(), self.started);
        let known = Left { endpoint, request_id, asked, wishes, who, started };
        LEFT.with(|left| left.leave(known, entry));
        true
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
