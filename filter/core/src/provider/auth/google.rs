//! Google's access tokens: where a target's comes from, the request that asks for one, the reply that holds it. Asks
//! nobody itself: the shell carries requests through Envoy's clusters and keeps what comes back.
//!
//! Sources: <https://developers.google.com/identity/protocols/oauth2/service-account#httprest>,
//! <https://docs.cloud.google.com/compute/docs/access/authenticate-workloads#applications>.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha2::{Digest as _, Sha256};

use super::Env;
use crate::config::{Setting, Target};
use crate::error::{Error, Kind, Said};
use crate::json::{Cursor, FromJson, Json, Out, Str};
use crate::json_view;
use crate::provider::Auth;

/// The setting that holds a credential's JSON: a service account's key, or what `gcloud auth application-default login`
/// leaves behind.
pub const CREDENTIALS: &str = "vertex_credentials";

/// The setting that says whose token is used: `filter` (when it is absent) for one that the filter gets, with
/// [`CREDENTIALS`] or, without them, from the machine's metadata server; `envoy` where Envoy's own `credential_injector`
/// stands behind this filter.
pub const TOKEN_SOURCE: &str = "vertex_token_source";

/// The Envoy cluster through which tokens are asked of [`TOKEN_HOST`].
pub const TOKEN_CLUSTER: &str = "dragoman_google_token";
/// Where Google gives tokens for credentials: port 443, TLS.
pub const TOKEN_HOST: &str = "oauth2.googleapis.com";
/// The Envoy cluster through which the metadata server is asked.
pub const METADATA_CLUSTER: &str = "dragoman_google_metadata";
/// The metadata server of Google's machines: port 80, without TLS.
pub const METADATA_HOST: &str = "metadata.google.internal";

const TOKEN_PATH: &str = "/token";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long a signed request for a token holds, in seconds: as long as Google allows.
const CLAIM_SECONDS: u64 = 3600;

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Envoy adds it behind us.
    Envoy,
    /// The machine's metadata server gives it.
    Metadata,
    /// Google gives it for this credential.
    Credential(Setting),
}

/// A request for a token.
#[derive(Debug)]
pub struct Call {
    /// The Envoy cluster that takes it there.
    pub cluster: &'static str,
    /// Its head, pseudo-headers included.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What stands behind `Bearer`.
    pub value: String,
    /// When it ends, in Unix seconds.
    pub expires: u64,
}

impl Source {
    /// Where `target`'s token comes from; `None` for a target that needs none of Google's, or has one for a key.
    ///
    /// # Errors
    /// A config error when the setting is none of its words.
    pub fn of(target: &Target) -> Result<Option<Self>, Error> {
        if target.provider.auth != Auth::Google || target.api_key.is_some() {
            return Ok(None);
        }
        match target.plain_setting(TOKEN_SOURCE) {
            Some("envoy") => return Ok(Some(Self::Envoy)),
            None | Some("filter") => {}
            Some(other) => {
                let id = &target.id;
                return Err(Error::config(format!(
                    "target {id}: {TOKEN_SOURCE} is '{other}': write filter or envoy"
                )));
            }
        }
        let credential = target.settings.get(CREDENTIALS).cloned();
        Ok(Some(credential.map_or(Self::Metadata, Self::Credential)))
    }

    /// A name under which its token is kept: the same in every worker, and no secret.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Envoy => "envoy".to_owned(),
            Self::Metadata => "metadata".to_owned(),
            Self::Credential(Setting::Env { env }) => format!("variable {env}"),
            Self::Credential(Setting::Plain(text)) => {
                let mut name = "digest ".to_owned();
                for byte in Sha256::digest(text.as_bytes()).iter().take(8) {
                    // Writing to a String can't fail.
                    let _ = write!(name, "{byte:02x}");
                }
                name
            }
        }
    }

    /// The request for a token; `None` where nobody needs to be asked. `now` is in Unix seconds.
    ///
    /// # Errors
    /// A config error when the credential is missing or malformed; it never shows the credential.
    pub fn call(&self, env: &Env<'_>, now: u64) -> Result<Option<Call>, Error> {
        match self {
            Self::Envoy => Ok(None),
            Self::Metadata => Ok(Some(Call {
                cluster: METADATA_CLUSTER,
                headers: vec![
                    (":method", "GET".to_owned()),
                    (":path", METADATA_PATH.to_owned()),
                    (":authority", METADATA_HOST.to_owned()),
                    ("metadata-flavor", "Google".to_owned()),
                ],
                body: Vec::new(),
            })),
            Self::Credential(setting) => {
                let text = setting
                    .value(env)
                    .ok_or_else(|| Error::config(format!("{CREDENTIALS}: {} is not set", self.name())))?;
                exchange(&text, now)
                    .map(Some)
                    .map_err(|what| Error::config(format!("{CREDENTIALS} ({}): {what}", self.name())))
            }
        }
    }
}

/// The failure of a request for which no token has come yet. Why is in the log, where the token was asked for.
pub(super) fn no_token() -> Error {
    Error::upstream(Kind::Overloaded, "There is no access token for this model yet: try again in a moment.")
}

json_view! {
    struct CredentialView<'a> {
        "type" => kind: Str<'a>,
        "client_email" => email: Str<'a>,
        "private_key" => key: Str<'a>,
        "private_key_id" => key_id: Str<'a>,
        "token_uri" => uri: Str<'a>,
        "client_id" => client: Str<'a>,
        "client_secret" => secret: Str<'a>,
        "refresh_token" => refresh: Str<'a>,
    }
}

/// The request that exchanges a credential for a token.
fn exchange(credential: &str, now: u64) -> Result<Call, String> {
    let view = CredentialView::from_json(&mut Cursor::new(credential))
        .map_err(|_| "is no JSON object: give the key file's content, not its path".to_owned())?;
    let kind = view.kind.map(Str::plain).unwrap_or_default();
    let need = |field: Option<Str<'_>>, name: &str| {
        field.map(|token| token.plain().into_owned()).ok_or_else(|| format!("has no {name}"))
    };
    let form = match &*kind {
        "service_account" => {
            let uri = view
                .uri
                .map_or_else(|| format!("https://{TOKEN_HOST}{TOKEN_PATH}"), |uri| uri.plain().into_owned());
            let key = private_key(&need(view.key, "private_key")?)?;
            let email = need(view.email, "client_email")?;
            let id = view.key_id.map(Str::plain).unwrap_or_default();
            let assertion = signed(&key, &id, &email, &uri, now)?;
            vec![
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()),
                ("assertion", assertion),
            ]
        }
        "authorized_user" => vec![
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", need(view.client, "client_id")?),
            ("client_secret", need(view.secret, "client_secret")?),
            ("refresh_token", need(view.refresh, "refresh_token")?),
        ],
        other => {
            return Err(format!(
                "is of type '{other}': service_account and authorized_user are known; for others, let Envoy's \
                 credential_injector give the token ({TOKEN_SOURCE}: envoy)"
            ));
        }
    };
    Ok(Call {
        cluster: TOKEN_CLUSTER,
        headers: vec![
            (":method", "POST".to_owned()),
            (":path", TOKEN_PATH.to_owned()),
            (":authority", TOKEN_HOST.to_owned()),
            ("content-type", "application/x-www-form-urlencoded".to_owned()),
        ],
        body: urlencoded(&form),
    })
}

fn urlencoded(form: &[(&str, String)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in form {
        if !body.is_empty() {
            body.push('&');
        }
        body.push_str(name);
        body.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    body.push(char::from(byte));
                }
                _ => {
                    // Writing to a String can't fail.
                    let _ = write!(body, "%{byte:02X}");
                }
            }
        }
    }
    body.into_bytes()
}

/// An RSA key in PEM, in either of its wrappings.
fn private_key(pem: &str) -> Result<RsaPrivateKey, String> {
    let wrong = || "has a private_key that is no RSA key in PEM".to_owned();
    // A variable set by hand often has its line breaks as the two characters that JSON spells them with.
    let pem = pem.replace("\\n", "\n");
    let text: String = pem.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).map_err(|_| wrong())?;
    RsaPrivateKey::from_pkcs8_der(&der).or_else(|_| RsaPrivateKey::from_pkcs1_der(&der).map_err(|_| wrong()))
}

/// A signed claim (JWT, RS256) that `email` asks for a token at `audience`.
fn signed(
    key: &RsaPrivateKey,
    key_id: &str,
    email: &str,
    audience: &str,
    now: u64,
) -> Result<String, String> {
    // DER of "this is a SHA-256 digest", RFC 8017, 9.2.
    const SHA256_DIGEST: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let (mut head, mut claims) = (Vec::new(), Vec::new());
    head.open(b'{');
    head.field_text("alg", "RS256");
    head.field_text("typ", "JWT");
    if !key_id.is_empty() {
        head.field_text("kid", key_id);
    }
    head.close(b'}');
    claims.open(b'{');
    claims.field_text("iss", email);
    claims.field_text("scope", SCOPE);
    claims.field_text("aud", audience);
    claims.field_number("iat", now);
    claims.field_number("exp", now.saturating_add(CLAIM_SECONDS));
    claims.close(b'}');
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
    let digest = Sha256::digest(token.as_bytes());
    let scheme = Pkcs1v15Sign { hash_len: Some(digest.len()), prefix: Box::new(SHA256_DIGEST) };
    let signature = key.sign(scheme, &digest).map_err(|_| "has a private_key that can't sign".to_owned())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(token)
}

json_view! {
    struct TokenView<'a> {
        "access_token" => value: Str<'a>,
        "expires_in" => seconds: u64,
        "error" => error: Json<'a>,
        "error_description" => description: Str<'a>,
    }
}

impl Token {
    /// Reads a reply to a [`Call`]. `now` is in Unix seconds.
    ///
    /// # Errors
    /// A config error with what Google says, when it gives no token.
    pub fn read(status: u16, body: &[u8], now: u64) -> Result<Self, Error> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let view = TokenView::from_json(&mut Cursor::new(text)).unwrap_or_default();
        let legal =
            |token: &Str<'_>| !token.is_empty() && token.raw().bytes().all(|byte| byte.is_ascii_graphic());
        match (view.value.filter(legal), status) {
            (Some(value), 200) => Ok(Self {
                value: value.plain().into_owned(),
                expires: now.saturating_add(view.seconds.unwrap_or(0)),
            }),
            _ => {
                let said = view.description.map(|said| said.plain().into_owned());
                let said = said.or_else(|| Said::read(body).message).unwrap_or_default();
                Err(Error::config(format!("Google gives no token (status {status}): {said}")))
            }
        }
    }

    /// The token as workers share it.
    #[must_use]
    pub fn write(&self) -> String {
        format!("{} {}", self.expires, self.value)
    }

    /// What [`write`](Self::write) has written.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (expires, value) = text.split_once(' ')?;
        Some(Self { expires: expires.parse().ok()?, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made for this test by `openssl genrsa 1024`; it opens nothing.
    const KEY: &str = "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAKZyLYhb37bdEyoFe+bnZm12YOQ0i6PYQ4KhqOYR/PU/tMI7+J2JTjq9abjfw4ppsifwFmTPd3X73dzXyKh2D1SJKnUJOxkvgWLcj5+VOSNpkSYWXr7KeFX1KGolY994vobBfksDyWf4bvHZh3IphOIBdLI7AyYIOBN9yDwCb/o7AgMBAAECgYBfbC32ctV6vJt0B9jUs+zg7HD347f6os1xYsS1wbJH19IFWORbTJBw1I570q0D+TyN8PKlsNtH5LF5HqyHB8gZPiDetkleviaQOCt1MzSiILQRN5IVMwp/0Rtq+SWcAFizCSMfT+zQuZl3Dt2NAPqQJvWeucBKJUuO2p2NC8UuQQJBANIm5y3W5kRPocNJHmYFdVkZYfxF/hX8He3g5M8bfjex2XnVnruJyROw9Jd0didgxpgowE0i0tbtSmR+lIh3jMkCQQDKwkY2Cezuz26G1w1jyk46nYcHBf8cG7gSbn53ENPmV6FpaYyCmWRcrG7aGD7RmqDkh1kXVjpaYUvumsrs4wTjAkAOXz68MdA5p8CGXH/JtmHaIBRFbnv8AOwDErhTOaweHvmijWt3o+qugBGaMgrKkqHCUjckj1cf/8ZwrP93fcWRAkB1xmtqMFHEVhFpmblZYcYXHjG0zrLk7OT7L9ud5dRwVC6aQIkxw1Ac1Lx/St4SerNCi6wgdiHnJeUpcBi3iRbpAkEAwJpsSSdpstV2bzrMaLfU05K1W0SSJB6/pxKwkPPT2NHixfjp8wTuEhiuYBbiyK4OcffWJqn6wGoPqQ0rUWO+nw==";
    /// What `openssl dgst -sha256 -sign` makes of the claims below.
    const SIGNATURE: &str = "iXbnhu-c3QVpXFhrQ7IQj0C3wB_jReo7Ts-0px3CR0zmJDIhNFvgyUcNC9i8_Jn0WGNY4bVAtbDwOLlghjcnVboKqvDsUrj8E2AAJMvrhyH3Qym0kV1DsqiW3VHhSISizYJIcSI0GI63W1Wxt4P-cJRiWfIsEYuE2UfmK3gp8s0";

    fn pem() -> String {
        let mut pem = format!("-----BEGIN {} KEY-----\n", "PRIVATE");
        for line in KEY.as_bytes().chunks(64) {
            pem += std::str::from_utf8(line).unwrap();
            pem += "\n";
        }
        pem + "-----END PRIVATE KEY-----\n"
    }

    fn target(settings: &str) -> Target {
        let json = format!(
            r#"{{"id":"t","provider":"vertex_ai","model":"gemini-2.5-pro","settings":{{"vertex_project":"p"{settings}}}}}"#
        );
        Target::from_json(&json).unwrap()
    }

    fn call(credential: &serde_json::Value) -> Result<Option<Call>, Error> {
        let source = Source::of(&target(r#","vertex_credentials":{"env":"KEY"}"#)).unwrap().unwrap();
        assert_eq!(source.name(), "variable KEY");
        source.call(&|name| (name == "KEY").then(|| credential.to_string()), 1_700_000_000)
    }

    #[test]
    fn a_service_accounts_claim_is_signed_as_openssl_signs_it() {
        for key in [pem(), pem().replace('\n', "\\n")] {
            let credential = serde_json::json!({
                "type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": key,
                "client_email": "bot@p.iam.gserviceaccount.com", "token_uri": "https://oauth2.googleapis.com/token",
            });
            let call = call(&credential).unwrap().unwrap();
            assert_eq!(call.cluster, TOKEN_CLUSTER);
            let body = String::from_utf8(call.body).unwrap();
            let assertion = body
                .strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=")
                .unwrap();
            let parts: Vec<&str> = assertion.split('.').collect();
            let json = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
            assert_eq!(json(parts[0]), r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
            assert_eq!(
                json(parts[1]),
                r#"{"iss":"bot@p.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/cloud-platform","aud":"https://oauth2.googleapis.com/token","iat":1700000000,"exp":1700003600}"#
            );
            assert_eq!(parts[2], SIGNATURE);
        }
    }

    #[test]
    fn a_users_credential_is_exchanged_too() {
        let credential = serde_json::json!({
            "type": "authorized_user", "client_id": "c", "client_secret": "s/1", "refresh_token": "1//r",
        });
        let body = call(&credential).unwrap().unwrap().body;
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "grant_type=refresh_token&client_id=c&client_secret=s%2F1&refresh_token=1%2F%2Fr"
        );
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        for (credential, what) in [
            (serde_json::json!("/etc/key.json"), "not its path"),
            (serde_json::json!({"type": "external_account"}), "external_account"),
            (serde_json::json!({"type": "service_account", "client_email": "e"}), "private_key"),
            (
                serde_json::json!({"type": "service_account", "client_email": "e", "private_key": "c2VjcmV0"}),
                "RSA",
            ),
        ] {
            let error = call(&credential).unwrap_err();
            assert!(error.message.contains(what) && !error.message.contains("c2VjcmV0"), "{}", error.message);
            assert_eq!(error.origin, crate::error::Origin::Config);
        }
    }

    #[test]
    fn a_target_says_where_its_token_comes_from() {
        let source =
            |settings: &str| Source::of(&target(settings)).map(|source| source.map(|source| source.name()));
        assert_eq!(source("").unwrap().as_deref(), Some("metadata"));
        assert_eq!(source(r#","vertex_token_source":"envoy""#).unwrap().as_deref(), Some("envoy"));
        assert!(source(r#","vertex_credentials":"{}""#).unwrap().unwrap().starts_with("digest "));
        assert!(source(r#","vertex_token_source":"mine""#).is_err());
        let keyed = r#"{"id":"t","provider":"vertex_ai","model":"m","api_key":"ya29","settings":{"vertex_project":"p"}}"#;
        assert_eq!(Source::of(&Target::from_json(keyed).unwrap()).unwrap(), None);
        let metadata = Source::Metadata.call(&|_| None, 0).unwrap().unwrap();
        assert_eq!((metadata.cluster, metadata.body.len()), (METADATA_CLUSTER, 0));
        assert!(Source::Envoy.call(&|_| None, 0).unwrap().is_none());
    }

    #[test]
    fn tokens_are_read_and_shared() {
        let body = br#"{"access_token":"ya29.c.x-_","expires_in":3599,"token_type":"Bearer"}"#;
        let token = Token::read(200, body, 1000).unwrap();
        assert_eq!((&*token.value, token.expires), ("ya29.c.x-_", 4599));
        assert_eq!(Token::parse(&token.write()), Some(token));
        assert_eq!(Token::parse("x"), None);
        let refused = br#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#;
        assert!(Token::read(400, refused, 0).unwrap_err().message.contains("Invalid JWT Signature."));
        assert!(Token::read(200, b"{\"access_token\":\"a b\"}", 0).is_err());
        assert!(Token::read(503, b"", 0).is_err());
    }
}
