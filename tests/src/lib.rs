//! What the tests share: golden cases and how one is checked, a sink that records, the ways to cut a stream, and an attempt
//! without Envoy.
//!
//! Everything here runs natively and in wasm alike, so nothing reads a file: cases come as bytes.

pub mod cuts;
pub mod golden;
pub mod recording;
pub mod still;

pub use golden::Case;
pub use recording::Recording;
