//! Where a target's AWS credential and region come from. Makes no signature itself: that is [`super::sigv4`]'s.

use super::sigv4::{Credential, Request, Signer};
use super::{Env, Outgoing};
use crate::config::Target;
use crate::error::Error;
use crate::provider::Auth;

/// A setting by LiteLLM's name, and the variable that it is read from when the config doesn't set it.
pub type Source = (&'static str, &'static str);

/// The key's public half.
pub const ACCESS_KEY_ID: Source = ("aws_access_key_id", "AWS_ACCESS_KEY_ID");
/// The key's secret half.
pub const SECRET_ACCESS_KEY: Source = ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY");
/// What makes it a temporary key.
pub const SESSION_TOKEN: Source = ("aws_session_token", "AWS_SESSION_TOKEN");

/// What makes up a credential. The variables are AWS's own, so that what works for its SDKs works here; a renderer that
/// lists the environment variables of Envoy's process must list these too.
pub const CREDENTIAL: [Source; 3] = [ACCESS_KEY_ID, SECRET_ACCESS_KEY, SESSION_TOKEN];

/// The setting that says who signs: `filter` (when it is absent), or `envoy` where Envoy's own `aws_request_signing`
/// filter stands behind this one. Envoy can also assume roles and read instance metadata, which the filter can't.
pub const SIGNER: &str = "aws_signer";

/// The setting that holds the region.
pub const REGION: &str = "aws_region_name";

/// What a signature is good for, which whoever makes it must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The service by its name in signatures (`bedrock`).
    pub service: &'static str,
    /// The region (`eu-central-1`).
    pub region: String,
}

impl Scope {
    /// What Envoy's own filter must be told where `target` leaves the signing to it.
    ///
    /// # Errors
    /// A config error when nothing tells the region.
    pub fn for_envoy(target: &Target) -> Result<Option<Self>, Error> {
        match target.provider.auth {
            Auth::SigV4 { service } if target.plain_setting(SIGNER) == Some("envoy") => {
                let region = region(target, &|_| None)?;
                Ok(Some(Self { service, region }))
            }
            _ => Ok(None),
        }
    }
}

/// Signs `request` for `service`, unless Envoy does so after us.
///
/// # Errors
/// A config error that names what is missing.
pub(super) fn sign(
    target: &Target,
    service: &str,
    request: &mut Outgoing,
    env: &Env<'_>,
    now: u64,
) -> Result<(), Error> {
    match target.plain_setting(SIGNER) {
        Some("envoy") => return Ok(()),
        None | Some("filter") => {}
        Some(other) => {
            return Err(Error::config(format!(
                "target {}: {SIGNER} is '{other}': write filter or envoy",
                target.id
            )));
        }
    }
    let need = |source: Source| {
        value(target, source, env).ok_or_else(|| {
            let (setting, variable) = source;
            Error::config(format!(
                "target {}: neither {setting} nor the variable {variable} is set",
                target.id
            ))
        })
    };
    let (id, secret) = (need(ACCESS_KEY_ID)?, need(SECRET_ACCESS_KEY)?);
    // A token belongs to the key beside it: one from the environment and a key of the config's own are a wrong pair.
    let own_key = target.settings.contains_key(ACCESS_KEY_ID.0);
    let (setting, _) = SESSION_TOKEN;
    let token = match own_key && !target.settings.contains_key(setting) {
        true => None,
        false => value(target, SESSION_TOKEN, env),
    };
    let region = region(target, env)?;
    let credential =
        Credential { access_key_id: &id, secret_access_key: &secret, session_token: token.as_deref() };
    let signer = Signer { credential, region: &region, service, now };
    // Only what no proxy on the way rewrites is signed.
    let content_type = request.headers.iter().find(|(name, _)| name == "content-type");
    let mut headers = vec![("host", request.authority.as_str())];
    headers.extend(content_type.map(|(name, value)| (name.as_str(), value.as_str())));
    let signed = signer.sign(&Request {
        method: "POST",
        path: &request.path,
        headers: &headers,
        body: request.body.as_deref().unwrap_or_default(),
    });
    request.headers.push(("x-amz-date".to_owned(), signed.date));
    request.headers.extend(token.map(|token| ("x-amz-security-token".to_owned(), token)));
    request.headers.push(("authorization".to_owned(), signed.authorization));
    Ok(())
}

fn value(target: &Target, (setting, variable): Source, env: &Env<'_>) -> Option<String> {
    let found = match target.settings.get(setting) {
        Some(setting) => setting.value(env),
        None => env(variable),
    };
    found.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// The region: the setting, else what the host says (`bedrock-runtime.eu-central-1.amazonaws.com`).
fn region(target: &Target, env: &Env<'_>) -> Result<String, Error> {
    if let Some(region) =
        target.settings.get(REGION).and_then(|setting| setting.value(env)).filter(|region| !region.is_empty())
    {
        return Ok(region);
    }
    let mut labels = target.address.host.split('.').skip(1);
    let label = labels.find(|label| label.matches('-').count() >= 2 && !label.starts_with("vpce"));
    label
        .map(str::to_owned)
        .ok_or_else(|| Error::config(format!("target {}: {REGION} is not set", target.id)))
}
