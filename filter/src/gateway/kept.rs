//! Requests for responses that a target keeps. They have no body to be judged by: the id says where they go.

use std::rc::Rc;

use dragoman_core::admission::Plan;
use dragoman_core::client::Endpoint;
use dragoman_core::client::responses::Stored;
use dragoman_core::error::Error;
use proxy_wasm::types::Action;

use super::{Admitted, Handover, Stream, router};
use crate::exchange::{Circumstances, Exchange, Wanted, refuse};
use crate::ledger::{self, Entry};
use crate::{observe, state};

impl Stream {
    /// Lets the request go to the target that keeps the response. A body that comes with it is nobody's business.
    pub(super) fn admit_stored(&mut self, stored: Stored, size: usize) -> Result<Action, Error> {
        let gateway = Rc::clone(&self.gateway);
        let plan = gateway.fetch(&stored)?;
        let target = gateway.targets.get(plan.target);
        let target = Rc::clone(target.ok_or_else(|| Error::internal("a plan without its target"))?);
        if let Some(who) = &self.who {
            observe::asked(Endpoint::Stored.name(), plan.route, plan.route, plan.stream, who);
        }
        self.admitted = Some(Admitted {
            route: plan.route.to_owned(),
            asked: None,
            begun: state::begin(&gateway, plan.choice, self.started / 1_000_000),
            stream: plan.stream,
            target: Rc::clone(&target),
        });
        let headers = std::mem::take(&mut self.headers);
        if self.inline {
            self.leave(&plan, Vec::new());
            let with = self.circumstances(&headers, size);
            self.exchange = Some(Exchange::begin(target, Wanted::Stored(&stored), with)?);
        } else {
            self.leave(&plan, headers);
            ledger::with(self.id, |entry| entry.stored = Some(stored));
            Handover { endpoint: Some(Endpoint::Stored), stream: self.id }.write();
        }
        router::send(&plan, self.inline);
        Ok(Action::Continue)
    }

    /// Opens the ledger's entry, with the only target that can be asked.
    fn leave(&self, plan: &Plan<'_>, headers: Vec<(String, String)>) {
        let mut entry = Entry::of(&self.gateway);
        entry.headers = Some(headers);
        entry.target = self.gateway.targets.get(plan.target).map(Rc::clone);
        ledger::open(self.id, entry);
    }

    /// What an attempt of the inline role is made with.
    pub(super) const fn circumstances<'c>(
        &self,
        headers: &'c [(String, String)],
        size: usize,
    ) -> Circumstances<'c> {
        let (stream, context) = (self.id, self.id);
        Circumstances { headers, stream, context, hold_heads: false, with_body: size > 0 }
    }

    /// What comes of an admission.
    pub(super) fn go(&self, endpoint: Endpoint, admitted: Result<Action, Error>) -> Action {
        admitted.unwrap_or_else(|error| {
            if self.who.is_some() {
                observe::refused(endpoint.name(), error.kind);
            }
            refuse(&error, endpoint, &self.request_id);
            Action::Pause
        })
    }
}
