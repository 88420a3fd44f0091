//! Streams that fall silent in the middle. Envoy's own limits on silence are one for all targets, so where a target has a
//! shorter one its attempts are watched here, on the root's ticks: a stream that says nothing for too long is ended, as
//! Envoy ends one.
//!
//! What a piece of a stream costs is a mark in memory; the clock is asked once in a tick.

use std::cell::RefCell;
use std::time::Duration;

use dragoman_core::client::Endpoint;
use dragoman_core::error::{Error, Kind};

use crate::exchange::refuse;
use crate::table::Table;
use crate::{host, ledger};

/// How often is looked. An ended stream was silent for its limit and up to two of these.
const TICK: Duration = Duration::from_millis(250);

/// An attempt whose reply streams.
struct Watched {
    /// The attempt's own context.
    context: u32,
    /// The gateway context whose stream this is, and the attempt's place in its entry.
    stream: u32,
    place: usize,
    /// What the client asked for.
    endpoint: Endpoint,
    /// How long it may say nothing, in nanoseconds.
    limit: u64,
    /// Whether it has said anything since the last look.
    moved: bool,
    /// Whether its head has not left yet: then the client can still be told.
    held: bool,
    /// When it was seen to have said something.
    since: u64,
}

thread_local! {
    /// By the attempt's own context.
    static WATCHED: RefCell<Table<Watched>> = RefCell::new(Table::new());
}

/// Watches the attempt of `context`, which stands at `place` in its stream's entry, and may say nothing for `limit_ms`.
pub fn watch(context: u32, (stream, place): (u32, usize), endpoint: Endpoint, limit_ms: u64) {
    let limit = limit_ms.saturating_mul(1_000_000);
    let watched = Watched { context, stream, place, endpoint, limit, moved: true, held: false, since: 0 };
    WATCHED.with_borrow_mut(|all| all.insert(u64::from(context), Box::new(watched)));
    host::tick_every(TICK);
}

/// The attempt has said something; `held` says that the client has seen nothing of it.
pub fn moved(context: u32, held: bool) {
    WATCHED.with_borrow_mut(|all| {
        if let Some(watched) = all.get_mut(&u64::from(context)) {
            watched.moved = true;
            watched.held = held;
        }
    });
}

/// The attempt is over.
pub fn forget(context: u32) {
    WATCHED.with_borrow_mut(|all| all.remove(&u64::from(context)));
}

/// Ends the attempts that have been silent for too long.
pub fn tick() {
    if WATCHED.with_borrow(Table::is_empty) {
        return;
    }
    host::tick_every(TICK);
    let now = host::now();
    let mut silent = Vec::new();
    WATCHED.with_borrow_mut(|all| {
        all.retain(|_, watched| {
            if std::mem::take(&mut watched.moved) {
                watched.since = now;
            }
            let over = now.saturating_sub(watched.since) > watched.limit;
            if over {
                silent.push((
                    watched.context,
                    watched.stream,
                    watched.place,
                    watched.held.then_some(watched.endpoint),
                ));
            }
            !over
        });
    });
    for (context, stream, place, held) in silent {
        ledger::attempt(stream, place, |tried| {
            tried.failure = Some(Kind::Timeout);
            tried.ended = Some(now);
        });
        if !host::speak_for(context) {
            continue;
        }
        match held {
            Some(endpoint) => {
                let words = "The provider fell silent in the middle of its answer.";
                refuse(&Error::upstream(Kind::Timeout, words), endpoint, "");
            }
            None => host::end_stream(),
        }
    }
}
