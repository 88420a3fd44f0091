//! What passes between a stream's gateway and its attempts: memory that both roles share, as they share one VM.
//!
//! The gateway opens an entry and leaves in it what it has read, so that the attempt reads nothing twice; the attempt
//! reports into it, and the gateway settles. When a client goes away the gateway's last callback runs before the
//! attempt's, so what is reported here is always current.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::client::Request;
use dragoman_core::client::completions::several::Several;
use dragoman_core::client::responses::Stored;
use dragoman_core::config::{AGAIN_HEADER, Target};
use dragoman_core::course::Course;
use dragoman_core::error::Error;
use dragoman_core::meter::Tried;

use crate::hedge::Hedge;
use crate::host;
use crate::table::Table;

/// How many bytes of request bodies may wait here for their attempts; a body beyond that is read from Envoy again.
/// A wasm memory never shrinks, so this bounds what a provider that is slow to connect to can cost.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// How many attempts of one stream are remembered; more than any chain that is worth waiting for.
const MAX_ATTEMPTS: usize = 32;

/// The entry of one stream.
#[derive(Debug, Default)]
pub struct Entry {
    /// The request's headers that a provider may see.
    pub headers: Option<Vec<(String, String)>>,
    /// The request as the gateway has read it, for the first attempt.
    request: Option<Request>,
    /// The request, where it is for a response that a target keeps.
    pub stored: Option<Stored>,
    /// Who has admitted it.
    pub gateway: Option<Rc<Gateway>>,
    /// The target that the gateway has picked.
    pub target: Option<Rc<Target>>,
    /// What has been answered, where one prompt is asked for after the other.
    pub several: Option<Box<Several>>,
    /// What is tried when an attempt fails; nothing where that is left to Envoy.
    pub course: Option<Course>,
    /// How often Envoy has tried since the gateway picked the target.
    pub tries: u32,
    /// What is next has been decided; the tail only carries it out.
    pub decided: bool,
    /// The failure that is final, where no reply has told it.
    pub verdict: Option<Error>,
    /// The attempts that run beside each other, where a second may be begun beside the first.
    pub hedge: Option<Box<Hedge>>,
    /// The secret under which the request begins anew.
    pub secret: Option<String>,
    /// The trace that the request has come in.
    pub trace: Option<Trace>,
    /// The head that goes to the provider, of a request that passes.
    pub native: Vec<(String, String)>,
    /// The provider's name of the model that it asks for.
    pub asking: Rc<str>,
    /// Every attempt so far, in order.
    pub attempts: Vec<Tried>,
}

/// What a request's next stream takes over from the last: its entry, and what else its gateway knows. At most one: Envoy
/// begins a request anew within the callback in which the last stream ends.
#[derive(Debug)]
pub struct Legacy<T>(RefCell<Option<(T, Entry)>>);

impl<T> Legacy<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Leaves what the next stream takes over, under the secret that the entry has.
    pub fn leave(&self, known: T, entry: Entry) {
        self.0.replace(Some((known, entry)));
    }

    /// What was left for the request with this head. Its secret is good for once.
    pub fn take(&self, headers: &[(String, String)]) -> Option<(T, Entry)> {
        let secret = host::named(headers, AGAIN_HEADER)?;
        let (known, mut entry) =
            self.0.borrow_mut().take_if(|(_, entry)| entry.secret.as_deref() == Some(secret))?;
        entry.secret = None;
        Some((known, entry))
    }
}

/// The trace that a request has come in.
#[derive(Debug)]
pub struct Trace {
    /// Its `traceparent`: the client's, or else that of the first attempt.
    pub parent: String,
    /// Whether Envoy has told of the first attempt.
    pub sampled: bool,
}

thread_local! {
    static OPEN: RefCell<Table<Entry>> = RefCell::new(Table::new());
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

impl Entry {
    /// An entry of a request that `gateway` has admitted.
    pub fn of(gateway: &Rc<Gateway>) -> Self {
        Self { gateway: Some(Rc::clone(gateway)), ..Self::default() }
    }

    /// The place of the attempt that answered, else of the last.
    pub fn answered(&self) -> usize {
        let won = self.hedge.as_ref().and_then(|hedge| hedge.won);
        won.unwrap_or_else(|| self.attempts.len().saturating_sub(1))
    }

    /// Repetitions, and models that have stood in, for earlier prompts too.
    pub fn counts(&self) -> Option<(u32, u32)> {
        let (retries, fallbacks) = self.course.as_ref()?.counts();
        let before = self.several.as_ref().and_then(|several| several.before);
        let (earlier, others) = before.map_or((0, 0), |before| before.counts);
        Some((retries + earlier, fallbacks + others))
    }
}

/// Opens the entry of the gateway context `id`.
pub fn open(id: u32, entry: Entry) {
    let entry = Box::new(entry);
    OPEN.with_borrow_mut(|open| open.insert(u64::from(id), entry));
}

/// Leaves the request for the first attempt, where there is room.
pub fn leave(id: u32, request: Request) {
    let waiting = WAITING.get() + request.size();
    if waiting <= MAX_WAITING {
        WAITING.set(waiting);
        with(id, |entry| entry.request = Some(request));
    }
}

/// Takes the request, if its body is as long as the one that Envoy now has.
pub fn take(id: u32, size: usize) -> Option<Request> {
    let request = with(id, |entry| entry.request.take()).flatten()?;
    forget(&request);
    (request.body.len() == size).then_some(request)
}

fn forget(request: &Request) {
    WAITING.set(WAITING.get().saturating_sub(request.size()));
}

/// Reads or changes the entry, while it is open.
pub fn with<T>(id: u32, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
    OPEN.with_borrow_mut(|open| find(open, id).map(change))
}

/// Not inlined: there are many who ask.
#[inline(never)]
fn find(open: &mut Table<Entry>, id: u32) -> Option<&mut Entry> {
    open.get_mut(&u64::from(id)).map(AsMut::as_mut)
}

/// Begins an attempt at `target` at the time `now`, and gives its place for [`attempt`].
pub fn begin(id: u32, target: Rc<Target>, now: u64) -> usize {
    with(id, |entry| {
        if entry.attempts.len() == MAX_ATTEMPTS {
            entry.attempts.pop();
        }
        entry.attempts.push(Tried::begin(target, now));
        entry.attempts.len() - 1
    })
    .unwrap_or_default()
}

/// Reads or changes the attempt at `place`, while its stream's entry is open.
pub fn attempt<T>(id: u32, place: usize, change: impl FnOnce(&mut Tried) -> T) -> Option<T> {
    with(id, |entry| entry.attempts.get_mut(place).map(change)).flatten()
}

/// Reads or changes the last attempt.
pub fn last_attempt<T>(id: u32, change: impl FnOnce(&mut Tried) -> T) -> Option<T> {
    with(id, |entry| entry.attempts.last_mut().map(change)).flatten()
}

/// Closes the entry.
pub fn close(id: u32) -> Option<Entry> {
    let entry = OPEN.with_borrow_mut(|open| open.remove(&u64::from(id)))?;
    entry.request.iter().for_each(forget);
    Some(*entry)
}
