//! Attempts that run beside each other: Envoy begins a second one when the first has said nothing for a while, without
//! giving the first up, and whose head comes first wins.
//!
//! Envoy would have the second go to the tail. It does, and the tail passes it on to the address of the target that is chosen
//! here. What fails while another may still answer is kept back; what Envoy begins meanwhile waits at the tail. When nobody is
//! left, one of these carries out what follows. As Envoy's limit on an attempt is what begins the second, how long each may take is
//! watched here, on the root's ticks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dragoman_core::admission::HeadWishes;
use dragoman_core::attempt::Edit;
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::Target;
use dragoman_core::error::{Error, Kind};

use crate::exchange::{apply, refuse};
use crate::gateway::next;
use crate::host::{self, Half};
use crate::ledger::{self, Entry};
use crate::state::{self, Begun};
use crate::turn;

/// How often is looked: an attempt ends at its limit or so much later.
const TICK: Duration = Duration::from_millis(250);
/// Envoy's timers and our clock are not one: what is due so soon is due, in nanoseconds.
const SOON: u64 = 50_000_000;
/// How often Envoy may try beside the first attempt: the second, and one that waits at the tail.
pub const MORE_ATTEMPTS: &str = "2";

/// The attempts of one stream.
#[derive(Debug)]
pub struct Hedge {
    /// What the request's head wishes of the choice.
    wishes: HeadWishes,
    /// There was a second one.
    spent: bool,
    /// Those that may still answer in time.
    running: Vec<Run>,
    /// Those by which what follows can be carried out.
    waiting: Vec<Waiting>,
    /// What the client asked for.
    endpoint: Endpoint,
    /// The place of the one that answers.
    pub won: Option<usize>,
    /// One of them has said nothing for too long.
    pub overdue: bool,
    /// What has been decided is not carried out before this.
    pub due: u64,
    /// What the choice of the second must get back.
    begun: Option<Begun>,
}

/// An attempt that may still answer.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Its place among the stream's attempts.
    place: usize,
    /// When its time is over.
    until: u64,
}

/// An attempt that can carry out what follows; by its context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Its request waits at the tail.
    Request(u32),
    /// Its reply has failed, and is kept.
    Reply(u32),
}

/// How what follows is carried out.
enum Step {
    /// The request at the tail goes on, whose reply is turned.
    GoOn(u32),
    /// The reply that was kept is turned so.
    Turn(u32, Vec<Edit>),
    /// The client is told of the failure.
    Tell(u32, Endpoint, Error),
}

/// What an attempt that Envoy begins at the tail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is a second one.
    Second,
    /// It waits until nobody may answer any more.
    Waits,
    /// It carries out what follows.
    Follows,
}

thread_local! {
    /// The streams whose attempts are watched.
    static WATCHED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

impl Hedge {
    /// Nothing has begun yet of a request to `endpoint`; `wishes` is what its head wishes of a choice.
    pub const fn new(endpoint: Endpoint, wishes: HeadWishes) -> Self {
        Self {
            wishes,
            spent: false,
            running: Vec::new(),
            waiting: Vec::new(),
            endpoint,
            won: None,
            overdue: false,
            due: 0,
            begun: None,
        }
    }

    /// The attempt at `place` has failed: whether that is dropped, as another may still answer, or as its time was over anyway.
    pub fn gives_way(&mut self, place: usize) -> bool {
        let before = self.running.len();
        self.running.retain(|run| run.place != place);
        self.running.len() == before || !self.running.is_empty()
    }

    fn forget(&mut self, context: u32) {
        self.waiting.retain(
            |waiting| !matches!(waiting, Waiting::Request(of) | Waiting::Reply(of) if *of == context),
        );
    }
}

/// An attempt has begun at `place`; false where none runs beside another.
pub fn begins(entry: &mut Entry, stream: u32, place: usize) -> bool {
    let limit_ms = entry.course.as_ref().map_or(u64::MAX, dragoman_core::course::Course::timeout_ms);
    let (Some(hedge), Some(tried)) = (&mut entry.hedge, entry.attempts.get_mut(place)) else { return false };
    tried.beside = !hedge.running.is_empty();
    let until = tried.started.saturating_add(limit_ms.saturating_mul(1_000_000));
    hedge.running.push(Run { place, until });
    if !tried.beside {
        WATCHED.with_borrow_mut(|all| all.push(stream));
        host::tick_every(TICK);
    }
    true
}

/// What an attempt that Envoy begins at the tail is for.
pub fn purpose(stream: u32) -> Purpose {
    ledger::with(stream, |entry| {
        if entry.hedge.as_ref()?.running.is_empty() {
            let now = host::now();
            turn::judge(entry, now);
            let follows = entry.verdict.is_none() && entry.hedge.as_ref()?.due <= now.saturating_add(SOON);
            return Some(if follows { Purpose::Follows } else { Purpose::Waits });
        }
        let hedge = entry.hedge.as_mut()?;
        Some(if std::mem::replace(&mut hedge.spent, true) { Purpose::Waits } else { Purpose::Second })
    })
    .flatten()
    .unwrap_or(Purpose::Follows)
}

/// The target of the second: another one of the model's, where there is one that can be asked.
pub fn choose(stream: u32, request: &Request) -> Result<Rc<Target>, Error> {
    let nobody = || Error::internal("a second attempt without a first");
    ledger::with(stream, |entry| {
        let (Some(hedge), Some(course), Some(gateway)) =
            (&mut entry.hedge, &mut entry.course, &entry.gateway)
        else {
            return Err(nobody());
        };
        let plan = next(gateway, request, course, &hedge.wishes)?;
        let target = gateway.targets.get(plan.target).map(Rc::clone).ok_or_else(nobody)?;
        hedge.begun = state::begin(gateway, plan.choice, host::now() / 1_000_000);
        Ok(target)
    })
    .unwrap_or_else(|| Err(nobody()))
}

/// The attempt of `context` waits at the tail. Where nobody is left, and nothing follows, the client is told at once.
pub fn waits(stream: u32, context: u32) {
    wait(stream, Waiting::Request(context));
    carry_out(ledger::with(stream, |entry| follow(entry, host::now())).flatten());
}

/// The attempt of `context` has failed, and its reply is kept.
pub fn keeps(stream: u32, context: u32) {
    wait(stream, Waiting::Reply(context));
}

fn wait(stream: u32, waiting: Waiting) {
    ledger::with(stream, |entry| {
        if let Some(hedge) = &mut entry.hedge {
            hedge.waiting.push(waiting);
        }
    });
}

/// The attempt of `context` waits no more, as it is over.
pub fn forget(stream: u32, context: u32) {
    ledger::with(stream, |entry| entry.hedge.as_mut().map(|hedge| hedge.forget(context)));
}

/// The attempt at `place` answers: Envoy breaks the others off.
pub fn won(stream: u32, place: usize) {
    ledger::with(stream, |entry| {
        if let Some(hedge) = &mut entry.hedge {
            hedge.won = Some(place);
            hedge.running.clear();
        }
    });
}

/// Whether the attempt at `place` is over because another one answers.
pub fn abandoned(entry: &Entry, place: usize) -> bool {
    entry.hedge.as_ref().and_then(|hedge| hedge.won).is_some_and(|won| won != place)
}

/// The attempt at `place` is over, whose context is `context`. If it was the last that could answer, one that waits carries
/// out what follows: at the next tick, as nothing may be done to the others while Envoy ends this one.
pub fn ended(stream: u32, place: usize, context: u32) {
    ledger::with(stream, |entry| {
        if let Some(hedge) = &mut entry.hedge {
            hedge.running.retain(|run| run.place != place);
            hedge.forget(context);
        }
    });
}

/// Gives back what the choice of the second took, when the stream has ended.
pub fn leave(entry: &mut Entry) {
    if let Some(begun) = entry.hedge.as_mut().and_then(|hedge| hedge.begun.take()) {
        state::leave(begun, host::now() / 1_000_000);
    }
}

/// Ends the time of attempts that have said nothing for too long, and has those go on whose time to wait is over.
pub fn tick() {
    if WATCHED.with_borrow(Vec::is_empty) {
        return;
    }
    host::tick_every(TICK);
    let now = host::now();
    let (mut late, mut next) = (Vec::new(), Vec::new());
    WATCHED.with_borrow_mut(|all| {
        all.retain(|stream| {
            let watched = ledger::with(*stream, |entry| {
                expire(entry, now, &mut late);
                next.push(follow(entry, now));
                entry.hedge.as_ref().is_some_and(|hedge| hedge.won.is_none())
            });
            watched.unwrap_or(false)
        });
    });
    for target in late {
        state::failed(&target, Kind::Timeout, Kind::Timeout.status(), None);
    }
    next.into_iter().for_each(carry_out);
}

fn expire(entry: &mut Entry, now: u64, late: &mut Vec<Rc<Target>>) {
    let Some(hedge) = &mut entry.hedge else { return };
    let over = |run: &Run| run.until <= now;
    for run in hedge.running.iter().filter(|run| over(run)) {
        if let Some(tried) = entry.attempts.get_mut(run.place) {
            (tried.failure, tried.ended) = (Some(Kind::Timeout), Some(now));
            late.push(Rc::clone(&tried.target));
        }
        hedge.overdue = true;
    }
    hedge.running.retain(|run| !over(run));
}

/// What is to be done now, if nobody may answer any more and there is one that can do it.
fn follow(entry: &mut Entry, now: u64) -> Option<Step> {
    let hedge = entry.hedge.as_ref()?;
    if hedge.won.is_some() || !hedge.running.is_empty() || hedge.waiting.is_empty() {
        return None;
    }
    turn::judge(entry, now);
    let hedge = entry.hedge.as_mut()?;
    if hedge.due > now {
        return None;
    }
    let (waiting, endpoint) = (hedge.waiting.pop()?, hedge.endpoint);
    // It is done once.
    hedge.waiting.clear();
    let (Waiting::Request(context) | Waiting::Reply(context)) = waiting;
    if let Some(error) = entry.verdict.take() {
        return Some(Step::Tell(context, endpoint, error));
    }
    Some(match waiting {
        Waiting::Request(_) => Step::GoOn(context),
        Waiting::Reply(_) => Step::Turn(context, turn::anew(entry)),
    })
}

fn carry_out(step: Option<Step>) {
    let Some(step) = step else { return };
    let (Step::GoOn(context) | Step::Turn(context, _) | Step::Tell(context, ..)) = &step;
    if !host::speak_for(*context) {
        return;
    }
    match step {
        Step::GoOn(_) => host::go_on(Half::Request),
        Step::Turn(_, edits) => {
            apply(&edits);
            host::go_on(Half::Response);
        }
        Step::Tell(_, endpoint, error) => refuse(&error, endpoint, ""),
    }
}
