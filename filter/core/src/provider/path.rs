//! Path templates of rows, filled for a target.

use std::fmt::Write as _;

use super::auth::Env;
use crate::config::{Setting, Target};
use crate::error::Error;

/// The value of a target's setting.
///
/// # Errors
/// A config error that names the variable which is not set.
pub fn value(setting: &Setting, target: &Target, env: &Env<'_>) -> Result<String, Error> {
    setting.value(env).ok_or_else(|| match setting {
        Setting::Env { env } => {
            Error::config(format!("target {}: the environment variable {env} is not set", target.id))
        }
        Setting::Plain(_) => Error::internal("a plain setting without a value"),
    })
}

/// Fills a path template: `{model}` as one percent-encoded segment, other names from the target's settings.
///
/// # Errors
/// A config error that names the setting which is missing.
pub fn fill(template: &str, target: &Target, model: &str, env: &Env<'_>) -> Result<String, Error> {
    let mut path = String::with_capacity(template.len() + model.len());
    let mut rest = template;
    while let Some((head, tail)) = rest.split_once('{') {
        path.push_str(head);
        let (name, tail) = tail.split_once('}').unwrap_or((tail, ""));
        if name == "model" {
            segment(model, &mut path);
        } else {
            let setting = target
                .settings
                .get(name)
                .ok_or_else(|| Error::config(format!("target {}: '{name}' is missing", target.id)))?;
            segment(&value(setting, target, env)?, &mut path);
        }
        rest = tail;
    }
    path.push_str(rest);
    Ok(path)
}

/// Appends `text` percent-encoded as one path segment (RFC 3986: unreserved characters stay).
pub fn segment(text: &str, path: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                path.push(char::from(byte))
            }
            _ => {
                // Writing to a String can't fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
}

/// `text` with its percent escapes decoded; one that is malformed stays as it is.
#[must_use]
pub fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
