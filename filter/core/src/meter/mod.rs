//! What an attempt and a request used, how long they took, and what they cost.
//!
//! The attempt keeps [`Seen`] current while its reply comes; the shell adds times and keeps one [`Tried`] per attempt;
//! when the stream has ended the gateway makes one [`Measurement`] of them, which is all that stats, logs and routing
//! know.

mod bill;
mod measurement;
mod metrics;
mod price;
mod seen;
mod usage;

pub use bill::{Bill, dollars, prompt_estimate};
pub use measurement::Measurement;
pub use metrics::{Form, METRICS, Metric};
pub use price::{ModelInfo, Price, Rates, ServiceTier, Sheet};
pub use seen::{Seen, Tried, Witness};
pub use usage::Usage;
