//! Requests that begin anew: what one stream of a request leaves for the next, and where that one goes.

use dragoman_core::admission::{Gateway, HeadWishes, Plan, World};
use dragoman_core::client::Request;
use dragoman_core::config::AGAIN_HEADER;
use dragoman_core::course::Course;
use dragoman_core::error::Error;
use dragoman_core::route::Moment;

use super::{Before, Stream};
use crate::ledger::{self, Legacy};
use crate::{host, state};

impl Stream {
    /// Takes over from an earlier stream of the same request, if this is one that begins anew.
    pub(super) fn inherits(&mut self) -> bool {
        let secret = self.headers.iter().find(|(name, _)| name == AGAIN_HEADER);
        let Some(legacy) = secret.and_then(|(_, secret)| ledger::inherit(secret)) else { return false };
        let Legacy { endpoint, request_id, asked, wishes, who, started, entry } = legacy;
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
        let Some(entry) = ledger::close(self.id) else { return false };
        if let Some(begun) = admitted.begun {
            state::leave(begun, host::now() / 1_000_000);
        }
        let asked = admitted.asked.clone().unwrap_or_else(|| admitted.route.clone());
        let request_id = std::mem::take(&mut self.request_id);
        let wishes = std::mem::take(&mut self.wishes);
        let (who, started) = (self.who.take(), self.started);
        ledger::bequeath(Legacy { endpoint, request_id, asked, wishes, who, started, entry });
        true
    }
}

/// Where the request goes next: to the model whose turn it is, or to the next one that can be asked.
pub(super) fn plan<'g>(
    gateway: &'g Gateway,
    request: &Request,
    course: &mut Course,
    wishes: &HeadWishes,
) -> Result<Plan<'g>, Error> {
    let (now_ms, stream) = (host::now() / 1_000_000, request.stream());
    loop {
        let world = World {
            moment: Moment { now_ms, random: host::random() },
            look: &|route| state::look(gateway, route, stream, now_ms),
        };
        let before = (course.wishes(), course.tried());
        let error = match gateway.body(request, course.model(), before, wishes, &world) {
            Ok(plan) => {
                if plan.pinned {
                    course.stays();
                }
                let timeout_ms = plan.timeout_ms.unwrap_or_else(|| gateway.policy.timeout_ms());
                course.goes(plan.target, plan.targets, timeout_ms, plan.retries);
                return Ok(plan);
            }
            Err(error) => error,
        };
        if !course.passes_over(&error) {
            return Err(course.last().cloned().unwrap_or(error));
        }
    }
}
