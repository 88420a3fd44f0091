//! The JSON of the configuration, as Envoy hands it to the filter.
//!
//! A crate of its own because it is what serde's readers are compiled in: they run once a configuration, so here they are
//! as small as they can be (`Cargo.toml`, `profile.release.package`), and there is one of each.

use dragoman_core::config::{PluginConfig, TargetConfig};
use serde_json::Error;

/// A plugin's configuration.
///
/// # Errors
/// What is wrong with it, and where.
pub fn plugin(json: &[u8]) -> Result<PluginConfig, Error> {
    serde_json::from_slice(json)
}

/// A target, from the metadata of an endpoint.
///
/// # Errors
/// What is wrong with it, and where.
pub fn target(json: &[u8]) -> Result<TargetConfig, Error> {
    serde_json::from_slice(json)
}
