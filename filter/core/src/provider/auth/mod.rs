//! How a request proves to a provider who asks.

pub mod aws;
pub mod sigv4;

use super::Auth;
use crate::config::{Setting, Target};
use crate::error::Error;

/// Looks an environment variable up.
pub type Env<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// A request on its way to a provider: what a signature covers.
#[derive(Debug)]
pub struct Outgoing {
    /// The `host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Adds `target`'s credential to a request. `now` is in Unix seconds.
///
/// # Errors
/// A config error when the credential can't be had; it names the variable, never a value.
pub fn authorize(target: &Target, request: &mut Outgoing, env: &Env<'_>, now: u64) -> Result<(), Error> {
    match target.provider.auth {
        Auth::None => {}
        Auth::Bearer => {
            if let Some(key) = key(target, env)? {
                request.headers.push(("authorization".to_owned(), format!("Bearer {key}")));
            }
        }
        Auth::Header(name) => {
            if let Some(key) = key(target, env)? {
                request.headers.push((name.to_owned(), key));
            }
        }
        Auth::HeaderOrToken(name, token) => {
            if let Some(key) = key(target, env)? {
                request.headers.push((name.to_owned(), key));
            } else if let Some(setting) = target.settings.get(token) {
                let token = setting
                    .value(env)
                    .ok_or_else(|| Error::config(format!("target {}: '{token}' is not set", target.id)))?;
                request.headers.push(("authorization".to_owned(), format!("Bearer {}", token.trim())));
            }
        }
        Auth::SigV4 { service } => match key(target, env)? {
            // An API key of the service's own takes the signature's place.
            Some(key) => request.headers.push(("authorization".to_owned(), format!("Bearer {key}"))),
            None => aws::sign(target, service, request, env, now)?,
        },
    }
    Ok(())
}

/// The target's key, or none where the row says that it may be missing.
fn key(target: &Target, env: &Env<'_>) -> Result<Option<String>, Error> {
    let Some(setting) = &target.api_key else { return Ok(None) };
    match setting.value(env) {
        // A key that ends in a line break (a mounted secret) would break the header.
        Some(key) => Ok(Some(key.trim().to_owned())),
        None => match setting {
            Setting::Env { env } => {
                Err(Error::config(format!("target {}: the environment variable {env} is not set", target.id)))
            }
            Setting::Plain(_) => Ok(None),
        },
    }
}
