//! What a failed attempt's reply is turned into: one after which Envoy begins the request anew, tries again in a while, or
//! passes on. The course decides; Envoy's router carries it out.

use dragoman_core::attempt::{Edit, Step};
use dragoman_core::config::{AGAIN_HEADER, TRACEPARENT, WAIT_HEADER};
use dragoman_core::course::Next;
use dragoman_core::error::Error;
use dragoman_core::meter::Seen;

use crate::host;
use crate::ledger::{self, Entry};

/// What becomes of a failed attempt's reply.
pub enum Turn {
    /// Its head is changed so, and its body goes.
    Away(Vec<Edit>),
    /// It goes to the client, with this failure.
    Stays(Error),
    /// It is kept until Envoy ends its attempt, or until it carries out what follows. Where attempts run beside each other,
    /// Envoy must not see a reply that it would try again: what it does then is not safe.
    Kept,
}

/// Tells the course of `stream` that its attempt at `place` has failed. Nothing where there is no course: Envoy's retries
/// rule.
pub fn turn(stream: u32, place: usize, error: &Error, retry_after_ms: Option<u64>) -> Option<Turn> {
    ledger::with(stream, |entry| {
        if entry.hedge.as_mut().is_some_and(|hedge| hedge.gives_way(place)) {
            entry.course.as_mut()?.lost(error);
            return Some(Turn::Kept);
        }
        let retry_after = retry_after_ms.map(|ms| ms.div_ceil(1000));
        let next = entry.course.as_mut()?.failed(error, retry_after, host::now() / 1_000_000);
        Some(match next {
            Next::Now => Turn::Away(anew(entry)),
            Next::After(seconds) => {
                // The next that Envoy tries is the tail.
                decide_later(entry, seconds);
                if entry.hedge.is_some() { Turn::Kept } else { Turn::Away(wait(seconds)) }
            }
            Next::Nothing => Turn::Stays(last(entry, error)),
        })
    })
    .flatten()
}

/// A failure that can't be turned any more, with how many attempts there were.
pub fn last_words(stream: u32, error: &Error) -> Option<Error> {
    ledger::with(stream, |entry| entry.course.as_ref().map(|course| course.told(error.clone()))).flatten()
}

/// Nobody is left who may answer: decides what follows from that, unless it is decided already.
pub fn judge(entry: &mut Entry, now: u64) {
    if entry.decided || entry.verdict.is_some() {
        return;
    }
    let overdue = entry.hedge.as_ref().is_some_and(|hedge| hedge.overdue);
    match silence(entry, now, overdue) {
        None => {}
        Some((Next::Now, _)) => entry.decided = true,
        Some((Next::After(seconds), _)) => decide_later(entry, seconds),
        Some((Next::Nothing, error)) => entry.verdict = Some(last(entry, &error)),
    }
}

/// What follows from the last attempt's silence, and the failure that it is: of one that was `overdue` it is known, of others
/// it is told by their time. Nothing where there is no course.
fn silence(entry: &mut Entry, now: u64, overdue: bool) -> Option<(Next, Error)> {
    let began = entry.attempts.last().map_or(now, |tried| tried.started);
    let course = entry.course.as_mut()?;
    let error = course.silence(if overdue { u64::MAX } else { now.saturating_sub(began) / 1_000_000 });
    Some((course.failed(&error, None, now / 1_000_000), error))
}

/// What follows is an attempt at the same target, in so many seconds.
fn decide_later(entry: &mut Entry, seconds: u64) {
    entry.decided = true;
    if let Some(hedge) = &mut entry.hedge {
        hedge.due = host::now().saturating_add(seconds.saturating_mul(1_000_000_000));
    }
}

/// The tail has answered: its reply is turned into what follows from the failure of the attempt before it, which nothing
/// else has told; `place` is that attempt's where the reply is its own.
pub fn tail(stream: u32, place: Option<usize>) -> Turn {
    let now = host::now();
    ledger::with(stream, |entry| {
        if let Some((hedge, place)) = entry.hedge.as_mut().zip(place)
            && hedge.gives_way(place)
        {
            return Some(Turn::Kept);
        }
        if std::mem::take(&mut entry.decided) {
            return Some(Turn::Away(anew(entry)));
        }
        let (next, error) = silence(entry, now, false)?;
        if let Some(tried) = entry.attempts.last_mut() {
            (tried.failure, tried.ended) = (Some(error.kind), Some(now));
        }
        Some(match next {
            Next::Now => Turn::Away(anew(entry)),
            // All that Envoy could try has been tried, so it begins with the target again.
            Next::After(seconds) if entry.hedge.is_none() => Turn::Away(wait(seconds)),
            Next::After(seconds) => {
                decide_later(entry, seconds);
                Turn::Kept
            }
            Next::Nothing => Turn::Stays(last(entry, &error)),
        })
    })
    .flatten()
    // Nobody else can be asked: what one target keeps.
    .unwrap_or_else(|| Turn::Stays(Error::unreached()))
}

/// A prompt of several has been answered by `reply`, of which the attempt at `place` has `seen` this: what becomes of the reply,
/// and whether it is turned away, as another prompt has its turn.
pub fn answered(stream: u32, place: usize, reply: &[u8], seen: &Seen) -> Result<(Step, bool), Error> {
    let step = ledger::with(stream, |entry| {
        let several = entry.several.as_mut()?;
        let told = several.streams() && entry.gateway.as_ref().is_some_and(|known| known.stream_cost);
        let price = || entry.attempts.get(place)?.info.as_ref()?.price.as_ref();
        let cost = seen.usage.filter(|_| told).and_then(|usage| Some(price()?.cost(&usage, seen.tier)));
        let bytes = match several.answered(reply, seen.usage, cost) {
            Ok(bytes) => bytes,
            Err(error) => return Some(Err(error)),
        };
        let Some(bytes) = bytes else {
            return Some(Ok((Step { bytes: Some(Vec::new()), release: Some(anew(entry)) }, true)));
        };
        let kind = if several.streams() { "text/event-stream; charset=utf-8" } else { "application/json" };
        let length = Some(bytes.len().to_string());
        let edits = vec![("content-type", Some(kind.to_owned())), ("content-length", length)];
        Some(Ok((Step { bytes: Some(bytes), release: Some(edits) }, false)))
    });
    step.flatten().unwrap_or_else(|| Err(Error::internal("a prompt that nobody has asked for")))
}

/// Where the request leads that begins anew: to its own place, with the secret in a header that Envoy takes over.
pub fn anew(entry: &mut Entry) -> Vec<Edit> {
    let headers = entry.headers.as_deref().unwrap_or_default();
    let header = |wanted: &str| host::named(headers, wanted).unwrap_or_default();
    let scheme = if header(":scheme") == "https" { "https" } else { "http" };
    let location = format!("{scheme}://{}{}", header(":authority"), header(":path"));
    let secret = host::secret();
    entry.secret = Some(secret.clone());
    vec![
        (":status", Some("307".to_owned())),
        ("location", Some(location)),
        (AGAIN_HEADER, Some(secret)),
        // Envoy takes this over too, and nothing where it isn't told.
        (TRACEPARENT, parent(entry)),
        ("content-length", None),
    ]
}

/// The trace in which the request goes on: Envoy forgets its own decision, and from 1.39 on tells nothing of a request that
/// begins anew under a parent. Without one it decides again, by the request's id, as it has the first time.
fn parent(entry: &Entry) -> Option<String> {
    let trace = entry.trace.as_ref()?;
    let observe = entry.gateway.as_ref().and_then(|gateway| gateway.observe);
    let fresh = trace.sampled && !observe.is_some_and(|observe| observe.one_trace);
    (!fresh).then(|| trace.parent.clone())
}

fn wait(seconds: u64) -> Vec<Edit> {
    vec![
        (":status", Some("503".to_owned())),
        (WAIT_HEADER, Some(seconds.to_string())),
        ("content-length", None),
    ]
}

fn last(entry: &Entry, error: &Error) -> Error {
    entry.course.as_ref().and_then(|course| course.last()).unwrap_or(error).clone()
}
