//! AWS Signature Version 4, as a pure function: the time, the credential and the request are arguments. Knows no
//! service but by name, and neither environment nor configuration.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A credential: the two halves of a key, and the token that makes it a temporary one.
#[derive(Clone, Copy)]
pub struct Credential<'a> {
    /// `AKIA...` or `ASIA...`
    pub access_key_id: &'a str,
    /// The secret half.
    pub secret_access_key: &'a str,
    /// The token of a temporary credential.
    pub session_token: Option<&'a str>,
}

/// Who signs, for what, when.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The credential.
    pub credential: Credential<'a>,
    /// `eu-central-1`...
    pub region: &'a str,
    /// The service's signing name: `bedrock`, `sagemaker`...
    pub service: &'a str,
    /// Seconds since 1970.
    pub now: u64,
}

/// A request as it goes over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `POST`...
    pub method: &'a str,
    /// Path and query, percent-encoded as they are sent.
    pub path: &'a str,
    /// The headers to sign, `host` among them; a name may repeat.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body.
    pub body: &'a [u8],
}

/// The headers that a signature adds to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// `x-amz-date`: the time of signing.
    pub date: String,
    /// `authorization`: the signature and what it covers.
    pub authorization: String,
}

impl Signer<'_> {
    /// Signs `request`. `x-amz-date`, and `x-amz-security-token` for a temporary credential, are covered without being
    /// among its headers; the caller sends them with the values that it finds here and in the credential.
    #[must_use]
    pub fn sign(&self, request: &Request<'_>) -> Signed {
        let date = timestamp(self.now);
        let day = date.get(..8).unwrap_or_default();
        let mut headers: Vec<(String, String)> = request
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), squeezed(value)))
            .collect();
        headers.push(("x-amz-date".to_owned(), date.clone()));
        if let Some(token) = self.credential.session_token {
            headers.push(("x-amz-security-token".to_owned(), token.to_owned()));
        }
        let (canonical, names) = canonical_headers(headers);
        let (path, query) = request.path.split_once('?').unwrap_or((request.path, ""));
        let whole = format!(
            "{}\n{}\n{}\n{canonical}\n{names}\n{}",
            request.method,
            canonical_path(path),
            canonical_query(query),
            hex(&Sha256::digest(request.body))
        );
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign =
            format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex(&Sha256::digest(whole.as_bytes())));
        let signature = hex(&mac(&self.key(day), to_sign.as_bytes()));
        let id = self.credential.access_key_id;
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
        Signed { date, authorization }
    }

    /// The key of one day, region and service.
    fn key(&self, day: &str) -> Vec<u8> {
        let secret = format!("AWS4{}", self.credential.secret_access_key);
        let parts = [day, self.region, self.service, "aws4_request"];
        parts.iter().fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()))
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes keys of every length, so the error can't happen; an empty key would only make a wrong signature.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A header's value without spaces around it and with single ones inside.
fn squeezed(value: &str) -> String {
    value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The headers in canonical form, and their names. The values of a repeated name stay in their order.
fn canonical_headers(mut headers: Vec<(String, String)>) -> (String, String) {
    headers.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (mut canonical, mut names) = (String::new(), String::new());
    let mut last = None;
    for (name, value) in &headers {
        if last == Some(name) {
            canonical.pop();
            let _ = writeln!(canonical, ",{value}");
            continue;
        }
        let _ = writeln!(canonical, "{name}:{value}");
        if last.is_some() {
            names.push(';');
        }
        names.push_str(name);
        last = Some(name);
    }
    (canonical, names)
}

/// The path in canonical form: dots and empty segments resolved, then each segment encoded **once more** than it was
/// sent (every service but S3 wants it so): a `%3A` on the wire is `%253A` here.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut canonical = String::with_capacity(path.len() + 16);
    for segment in &segments {
        canonical.push('/');
        encode(segment.as_bytes(), &mut canonical);
    }
    let open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    if open || segments.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// The query in canonical form: names and values encoded anew, in order.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (recoded(name), recoded(value))
        })
        .collect();
    pairs.sort();
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

/// Percent-decoded, then encoded by the signature's own rule.
fn recoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    let mut encoded = String::with_capacity(bytes.len());
    encode(&bytes, &mut encoded);
    encoded
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encode(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(*byte))
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// `20150830T123600Z`: seconds since 1970 as ISO 8601's basic form in UTC.
fn timestamp(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant's civil-from-days: years begin in March, so that the leap day is the last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: Credential<'_> = Credential {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
    };
    const SUITE: Signer<'_> =
        Signer { credential: EXAMPLE, region: "us-east-1", service: "service", now: 1_440_938_160 };
    const HOST: (&str, &str) = ("Host", "example.amazonaws.com");

    /// A case of AWS's Signature Version 4 test suite: what is sent, and the signature that AWS gives for it.
    struct Case {
        name: &'static str,
        method: &'static str,
        path: &'static str,
        headers: &'static [(&'static str, &'static str)],
        body: &'static [u8],
        signature: &'static str,
    }

    const fn get(name: &'static str, path: &'static str, signature: &'static str) -> Case {
        Case { name, method: "GET", path, headers: &[HOST], body: b"", signature }
    }

    const fn headed(
        name: &'static str,
        method: &'static str,
        headers: &'static [(&'static str, &'static str)],
        body: &'static [u8],
        signature: &'static str,
    ) -> Case {
        Case { name, method, path: "/", headers, body, signature }
    }

    const VANILLA: &str = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";

    /// <https://docs.aws.amazon.com/general/latest/gr/signature-v4-test-suite.html>.
    const CASES: &[Case] = &[
        get("get-vanilla", "/", VANILLA),
        get(
            "get-vanilla-empty-query-key",
            "/?Param1=value1",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        get(
            "get-vanilla-query-order-key",
            "/?Param1=value2&Param1=Value1",
            "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1",
        ),
        get(
            "get-vanilla-query-order-key-case",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        get(
            "get-vanilla-query-order-value",
            "/?Param1=value2&Param1=value1",
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        get(
            "get-vanilla-query-unreserved",
            "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        get(
            "get-vanilla-utf8-query",
            "/?\u{1234}=bar",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
        get(
            "get-unreserved",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        get("get-utf8", "/\u{1234}", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        get(
            "get-space",
            "/example space/",
            "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
        ),
        get("get-relative", "/example/..", VANILLA),
        get("get-relative-relative", "/example1/example2/../..", VANILLA),
        get("get-slash", "//", VANILLA),
        get("get-slash-dot-slash", "/./", VANILLA),
        get(
            "get-slash-pointless-dot",
            "/./example",
            "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
        ),
        get("get-slashes", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        headed(
            "get-header-key-duplicate",
            "GET",
            &[HOST, ("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")],
            b"",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        headed(
            "get-header-value-order",
            "GET",
            &[
                HOST,
                ("My-Header1", "value4"),
                ("My-Header1", "value1"),
                ("My-Header1", "value3"),
                ("My-Header1", "value2"),
            ],
            b"",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        // In the suite these are one folded header; HTTP has since forbidden folding, the canonical form is the same.
        headed(
            "get-header-value-multiline",
            "GET",
            &[HOST, ("My-Header1", "value1"), ("My-Header1", "value2"), ("My-Header1", "value3")],
            b"",
            "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
        ),
        headed(
            "get-header-value-trim",
            "GET",
            &[HOST, ("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            b"",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        headed(
            "post-vanilla",
            "POST",
            &[HOST],
            b"",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        Case {
            name: "post-vanilla-query",
            method: "POST",
            path: "/?Param1=value1",
            headers: &[HOST],
            body: b"",
            signature: "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        },
        headed(
            "post-header-key-sort",
            "POST",
            &[("My-Header1", "value1"), HOST],
            b"",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
        headed(
            "post-header-value-case",
            "POST",
            &[HOST, ("My-Header1", "VALUE1")],
            b"",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
        ),
        headed(
            "post-x-www-form-urlencoded",
            "POST",
            &[("Content-Type", "application/x-www-form-urlencoded"), HOST],
            b"Param1=value1",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        headed(
            "post-x-www-form-urlencoded-parameters",
            "POST",
            &[("Content-Type", "application/x-www-form-urlencoded; charset=utf8"), HOST],
            b"Param1=value1",
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        ),
    ];

    fn signature(signed: &Signed) -> &str {
        signed.authorization.rsplit('=').next().unwrap()
    }

    #[test]
    fn the_published_suite_passes() {
        for case in CASES {
            let request =
                Request { method: case.method, path: case.path, headers: case.headers, body: case.body };
            let signed = SUITE.sign(&request);
            assert_eq!(signed.date, "20150830T123600Z");
            assert_eq!(signature(&signed), case.signature, "{}", case.name);
        }
    }

    /// The suite's `post-sts-header-before`: the token of a temporary credential is covered.
    #[test]
    fn a_temporary_credential_signs_its_token() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let signer = Signer { credential: Credential { session_token: Some(token), ..EXAMPLE }, ..SUITE };
        let signed = signer.sign(&Request { method: "POST", path: "/", headers: &[HOST], body: b"" });
        assert_eq!(signature(&signed), "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead");
        assert!(signed.authorization.contains("SignedHeaders=host;x-amz-date;x-amz-security-token,"));
    }

    /// The worked example of AWS's documentation: IAM's ListUsers.
    #[test]
    fn the_documented_example_passes() {
        let request = Request {
            method: "GET",
            path: "/?Action=ListUsers&Version=2010-05-08",
            headers: &[
                ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
                ("host", "iam.amazonaws.com"),
            ],
            body: b"",
        };
        assert_eq!(
            Signer { service: "iam", ..SUITE }.sign(&request).authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    /// The signatures that AWS's Python SDK gives for a path whose one segment is an encoded ARN.
    #[test]
    fn an_encoded_path_is_encoded_once_more() {
        let request = Request {
            method: "POST",
            path: "/model/arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Ainference-profile%2F\
                   eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
            headers: &[
                ("host", "bedrock-runtime.eu-central-1.amazonaws.com"),
                ("content-type", "application/json"),
            ],
            body: b"{\"messages\":[]}",
        };
        let signer = Signer { region: "eu-central-1", service: "bedrock", now: 1_772_323_199, ..SUITE };
        let signed = signer.sign(&request);
        assert_eq!(
            (signature(&signed), &*signed.date),
            ("070515aeeee5b245d97c5173eda8281d13462e4a3e1df2a0a27000625e6d7405", "20260228T235959Z")
        );
        let credential = Credential { session_token: Some("TOKEN/x=="), ..EXAMPLE };
        assert_eq!(
            signature(&Signer { credential, ..signer }.sign(&request)),
            "b958fedf5dcfbdaf830a96b55b0f9c85270d738320e32fbe26a2def70d740378"
        );
    }

    #[test]
    fn dates() {
        for (seconds, date) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
        ] {
            assert_eq!(timestamp(seconds), date);
        }
    }
}
