//! Dragoman's core: translation, routing and metering, with no Envoy, clock, environment or I/O.

pub mod admission;
pub mod attempt;
pub mod config;
pub mod dialect;
pub mod error;
pub mod json;
pub mod meter;
pub mod openai;
pub mod provider;
pub mod route;
pub mod wire;
