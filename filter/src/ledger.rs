//! What passes between a stream's gateway and its attempts: memory that both roles share, as they share one VM.
//!
//! The gateway opens an entry and leaves in it what it has read, so that the attempt reads nothing twice; the attempt
//! reports into it, and the gateway settles. When a client goes away the gateway's last callback runs before the
//! attempt's, so what is reported here is always current.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::client::Request;
use dragoman_core::client::responses::Stored;
use dragoman_core::config::Target;
use dragoman_core::meter::Tried;
use hashbrown::HashMap;

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
    /// The targets that may be tried, in their order.
    pub chain: Vec<Rc<Target>>,
    /// Every attempt so far, in order.
    pub attempts: Vec<Tried>,
}

thread_local! {
    static OPEN: RefCell<HashMap<u32, Entry>> = RefCell::new(HashMap::new());
    static WAITING: Cell<usize> = const { Cell::new(0) };
}

impl Entry {
    /// The target of the next attempt: of the chain's, at the address that Envoy has picked, the one that was tried the least,
    /// and the first of those. `origin` tells that address; it isn't asked where the whole chain is at one.
    pub fn next_target(&self, origin: impl FnOnce() -> Option<String>) -> Option<Rc<Target>> {
        let first = self.chain.first()?;
        let one = self.chain.iter().all(|target| target.address.same_origin(&first.address));
        let origin = if one { None } else { origin() };
        let here =
            |target: &&Rc<Target>| origin.as_ref().is_none_or(|origin| target.address.origin() == *origin);
        let tries = |target: &&Rc<Target>| {
            self.attempts.iter().filter(|tried| Rc::ptr_eq(&tried.target, target)).count()
        };
        self.chain.iter().filter(here).min_by_key(tries).cloned()
    }
}

/// Opens the entry of the gateway context `id`.
pub fn open(id: u32, gateway: Rc<Gateway>, headers: Option<Vec<(String, String)>>) {
    let gateway = Some(gateway);
    OPEN.with_borrow_mut(|open| open.insert(id, Entry { headers, gateway, ..Entry::default() }));
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
    OPEN.with_borrow_mut(|open| open.get_mut(&id).map(change))
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

/// Closes the entry.
pub fn close(id: u32) -> Option<Entry> {
    let entry = OPEN.with_borrow_mut(|open| open.remove(&id))?;
    entry.request.iter().for_each(forget);
    Some(entry)
}
