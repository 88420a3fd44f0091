//! What an attempt and a request used, how long they took, and what they cost.
//!
//! The attempt keeps [`Seen`] current while its reply comes; the shell adds times and keeps one [`Tried`] per attempt;
//! when the stream has ended the gateway makes one [`Measurement`] of them, which is all that stats, logs and routing
//! know.

mod measurement;
mod price;
mod seen;
mod usage;

pub use measurement::Measurement;
pub use price::{ModelInfo, Price, Rates, ServiceTier, Sheet};
pub use seen::{Seen, Tried, Witness};
pub use usage::Usage;
