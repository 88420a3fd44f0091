//! Tables of what a worker knows, by number or by name.
//!
//! Each kind of entry that a `HashMap` holds brings a way to find, to add and to grow of its own, at 2 KB and more of wasm. Where
//! every entry is a pointer, the compiler makes all these one.

use hashbrown::HashMap;

/// Values by number.
pub type Table<V> = HashMap<u64, Box<V>>;

/// Values by name.
pub type Names<V> = HashMap<String, Box<V>>;
