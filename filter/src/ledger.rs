//! What the attempts of a stream report and its gateway settles: memory that both roles share, as they share one VM.
//!
//! When a client goes away the gateway's last callback runs before the attempt's, so what is reported here is always
//! current.

use std::cell::RefCell;
use std::rc::Rc;

use dragoman_core::config::Target;
use dragoman_core::error::Kind;
use dragoman_core::meter::Usage;
use hashbrown::HashMap;

/// The report on one stream.
#[derive(Debug, Default)]
pub struct Entry {
    /// The target of the last attempt.
    pub target: Option<Rc<Target>>,
    /// What the last attempt used so far.
    pub usage: Option<Usage>,
    /// Why the last attempt failed, if it did.
    pub failure: Option<Kind>,
}

thread_local! {
    static OPEN: RefCell<HashMap<u32, Entry>> = RefCell::new(HashMap::new());
}

/// Opens the report on the stream of the gateway context `id`.
pub fn open(id: u32) {
    OPEN.with_borrow_mut(|open| open.insert(id, Entry::default()));
}

/// Changes the report, while it is open.
pub fn report(id: u32, change: impl FnOnce(&mut Entry)) {
    OPEN.with_borrow_mut(|open| {
        if let Some(entry) = open.get_mut(&id) {
            change(entry);
        }
    });
}

/// Closes the report.
pub fn close(id: u32) -> Option<Entry> {
    OPEN.with_borrow_mut(|open| open.remove(&id))
}
