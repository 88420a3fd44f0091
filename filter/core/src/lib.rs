//! Dragoman's core.
pub mod json;
