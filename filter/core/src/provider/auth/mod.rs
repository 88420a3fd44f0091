//! How a request proves to a provider who asks.

pub mod aws;
pub mod google;
pub mod sigv4;

use super::Auth;
use crate::config::{Setting, Target};
use crate::error::Error;
use crate::json::splice;

/// Looks an environment variable up.
pub type Env<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Looks up the access token that the shell keeps under a source's name.
pub type Tokens<'t> = dyn Fn(&str) -> Option<String> + 't;

/// A request on its way to a provider: what a signature covers.
#[derive(Debug)]
pub struct Outgoing {
    /// The `host`.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; `None` where the client's own goes on as it is.
    pub body: Option<Vec<u8>>,
    /// Whether the body is in pieces: long strings of the client's own are only marked in it.
    pub spliced: bool,
}

impl Outgoing {
    /// The body in pieces, of which some are of the client's own body.
    #[must_use]
    pub fn pieces<'a>(&'a self, client: &'a str) -> Vec<&'a [u8]> {
        match &self.body {
            None => vec![client.as_bytes()],
            Some(body) if self.spliced => splice::pieces(body, client),
            Some(body) => vec![body],
        }
    }
}

/// Adds `target`'s credential to a request. `now` is in Unix seconds.
///
/// # Errors
/// A config error when the credential can't be had; it names the variable, never a value. An upstream error that a later
/// try may not meet when a token has not come yet.
pub fn authorize(
    target: &Target,
    request: &mut Outgoing,
    env: &Env<'_>,
    tokens: &Tokens<'_>,
    now: u64,
) -> Result<(), Error> {
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
        Auth::Google => {
            let token = match (key(target, env)?, google::Source::of(target)?) {
                (Some(key), _) => Some(key),
                (None, None | Some(google::Source::Envoy)) => None,
                (None, Some(source)) => Some(tokens(&source.name()).ok_or_else(google::no_token)?),
            };
            request
                .headers
                .extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
        }
        Auth::SigV4 { service } => match key(target, env)? {
            // An API key of the service's own takes the signature's place.
            Some(key) => request.headers.push(("authorization".to_owned(), format!("Bearer {key}"))),
            None => aws::sign(target, service, request, env, now)?,
        },
    }
    Ok(())
}

/// The key that [`authorize`] has added: what no client may see, should the provider repeat it.
#[must_use]
pub fn shown_key(request: &Outgoing, auth: Auth) -> Option<&str> {
    let own = match auth {
        Auth::Header(name) | Auth::HeaderOrToken(name, _) => name,
        Auth::None | Auth::Bearer | Auth::Google | Auth::SigV4 { .. } => "authorization",
    };
    let carries = |name: &str| name == own || name == "authorization";
    let (_, value) = request.headers.iter().rev().find(|(name, _)| carries(name))?;
    Some(value.strip_prefix("Bearer ").unwrap_or(value))
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

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/\
                       eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn headers(target: &str, variables: &[(&str, &str)]) -> Result<Vec<(String, String)>, Error> {
        let target = Target::from_json(target).unwrap();
        let mut request = Outgoing {
            authority: target.address.authority(),
            path: format!("/model/{}/converse-stream", ARN.replace(':', "%3A").replace('/', "%2F")),
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Some(br#"{"messages":[]}"#.to_vec()),
            spliced: false,
        };
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        authorize(&target, &mut request, &env, &|_| None, 1_772_323_199)?;
        Ok(request.headers.split_off(1))
    }

    fn bedrock(more: &str) -> String {
        format!(
            r#"{{"id":"t","provider":"bedrock","model":"{ARN}","settings":{{"aws_region_name":"eu-central-1"{more}}}}}"#
        )
    }

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const KEYS: [(&str, &str); 2] = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n"),
    ];

    fn value<'h>(headers: &'h [(String, String)], name: &str) -> &'h str {
        &headers.iter().find(|(known, _)| known == name).unwrap().1
    }

    /// The signatures are those that AWS's Python SDK makes of the same requests.
    #[test]
    fn aws_signs_with_what_the_environment_or_the_config_gives() {
        let signed = headers(&bedrock(""), &KEYS).unwrap();
        assert_eq!(
            value(&signed, "authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260228/eu-central-1/bedrock/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=070515aeeee5b245d97c5173eda8281d13462e4a3e1df2a0a27000625e6d7405"
        );
        assert_eq!((signed.len(), value(&signed, "x-amz-date")), (2, "20260228T235959Z"));
        let temporary = [KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "TOKEN/x==")];
        let signed = headers(&bedrock(""), &temporary).unwrap();
        assert_eq!(value(&signed, "x-amz-security-token"), "TOKEN/x==");
        let signature = "b958fedf5dcfbdaf830a96b55b0f9c85270d738320e32fbe26a2def70d740378";
        assert!(value(&signed, "authorization").ends_with(signature));
        // A key of the config's own takes no token from the environment.
        let own = format!(r#","aws_access_key_id":"AKIDEXAMPLE","aws_secret_access_key":"{SECRET}""#);
        let signed = headers(&bedrock(&own), &temporary).unwrap();
        let signature = "070515aeeee5b245d97c5173eda8281d13462e4a3e1df2a0a27000625e6d7405";
        assert!(value(&signed, "authorization").ends_with(signature));
    }

    #[test]
    fn aws_takes_an_api_key_or_leaves_the_signature_to_envoy() {
        let keyed = bedrock("").replace(r#""settings""#, r#""api_key":{"env":"KEY"},"settings""#);
        let signed = headers(&keyed, &[("KEY", "ABSK-1")]).unwrap();
        assert_eq!(signed, [("authorization".to_owned(), "Bearer ABSK-1".to_owned())]);
        assert!(headers(&bedrock(r#","aws_signer":"envoy""#), &[]).unwrap().is_empty());
        let scope = |target: &str| aws::Scope::for_envoy(&Target::from_json(target).unwrap());
        let envoys = aws::Scope { service: "bedrock", region: "eu-central-1".to_owned() };
        assert_eq!(scope(&bedrock(r#","aws_signer":"envoy""#)).unwrap(), Some(envoys));
        assert_eq!(scope(&bedrock("")).unwrap(), None);
        let nowhere = r#"{"id":"t","provider":"bedrock","model":"m","base_url":"http://localhost:1","settings":{"aws_signer":"envoy"}}"#;
        assert!(scope(nowhere).unwrap_err().message.contains("aws_region_name"));
        let wrong = headers(&bedrock(r#","aws_signer":"me""#), &KEYS).unwrap_err();
        assert!(wrong.message.contains("aws_signer"), "{wrong:?}");
        let missing = headers(&bedrock(""), &KEYS[..1]).unwrap_err();
        assert!(missing.message.contains("AWS_SECRET_ACCESS_KEY"), "{missing:?}");
        // Without the setting the host tells the region.
        let elsewhere = r#"{"id":"t","provider":"bedrock","model":"m",
            "base_url":"https://vpce-1a-2b.bedrock-runtime.us-gov-west-1.vpce.amazonaws.com"}"#;
        let signed = headers(elsewhere, &KEYS).unwrap();
        assert!(value(&signed, "authorization").contains("/20260228/us-gov-west-1/bedrock/aws4_request"));
        let nowhere = elsewhere.replace("us-gov-west-1", "here");
        assert!(headers(&nowhere, &KEYS).unwrap_err().message.contains("aws_region_name"));
    }
}
