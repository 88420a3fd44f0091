//! The head of a request that goes to a target just as its client has sent it, in a dry run: another host, and the target's
//! credential where the client has shown our own key. Any other key is the client's own business.

use super::send::spoken;
use super::shown_key;
use crate::config::Target;
use crate::error::Error;
use crate::provider::auth::{Env, Outgoing, Tokens, authorize};

/// Changes the head of `client`'s request so that it goes to `target`: `edit` gives a header another value, or none. `ours` says
/// whether a header of this name, or without one a mere value, shows our own key, which stays here even where what takes its
/// place can't be had. `body` is what a signature covers.
///
/// # Errors
/// A config error when the target's credential can't be had; all the rest is changed.
pub fn readdress(
    target: &Target,
    client: &[(String, String)],
    ours: &dyn Fn(&str, &str) -> bool,
    edit: &mut dyn FnMut(&str, Option<&str>),
    body: Vec<u8>,
    (env, tokens, now): (&Env<'_>, &Tokens<'_>, u64),
) -> Result<(), Error> {
    let header = |wanted: &str| client.iter().find(|(name, _)| name == wanted);
    let mut outgoing = Outgoing {
        authority: target.address.authority(),
        path: header(":path").map(|(_, path)| path.clone()).unwrap_or_default(),
        // A signature covers it.
        headers: header("content-type").cloned().into_iter().collect(),
        body: Some(body),
        spliced: false,
    };
    edit(":scheme", Some(if target.address.tls { "https" } else { "http" }));
    edit(":authority", Some(&outgoing.authority));
    let mut shown = false;
    for (name, value) in client {
        if ours(name, value) {
            shown = true;
            edit(name, None);
        }
    }
    if shown_key(&outgoing.path, client).is_some_and(|key| ours("", &key)) {
        shown = true;
        outgoing.path = keyless(&outgoing.path);
        edit(":path", Some(&outgoing.path));
        if let Some((name, protocols)) = header("sec-websocket-protocol") {
            edit(name, spoken(protocols).as_deref());
        }
    }
    if !shown {
        return Ok(());
    }
    let told = authorize(target, &mut outgoing, env, tokens, now);
    for (name, value) in &outgoing.headers {
        edit(name, Some(value));
    }
    told
}

/// A path whose query shows no key.
fn keyless(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut left = path.to_owned();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("key=")) {
        left.push(if left.len() == path.len() { '?' } else { '&' });
        left.push_str(pair);
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    type Edits = Vec<(String, Option<String>)>;

    const TARGET: &str =
        r#"{"id":"t","provider":"openai","model":"m","base_url":"https://h:1/v1","api_key":"sk-own-of-t"}"#;

    fn is(name: &str, value: Option<&str>) -> (String, Option<String>) {
        (name.to_owned(), value.map(str::to_owned))
    }

    /// What changes beside the address.
    fn edits(target: &str, client: &[(&str, &str)]) -> (Edits, Result<(), Error>) {
        let target = Target::from_json(target).unwrap();
        let client: Vec<_> =
            client.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let ours = |name: &str, value: &str| {
            ["", "authorization", "api-key"].contains(&name) && value == "sk-master"
        };
        let mut edits = Vec::new();
        let mut edit = |name: &str, value: Option<&str>| edits.push(is(name, value));
        let told = readdress(&target, &client, &ours, &mut edit, Vec::new(), (&|_| None, &|_| None, 0));
        assert_eq!(edits[..2], [is(":scheme", Some("https")), is(":authority", Some("h:1"))]);
        (edits.split_off(2), told)
    }

    #[test]
    fn a_key_of_the_clients_own_goes_on_and_ours_stays() {
        let made = |client: &[(&str, &str)]| {
            let (edits, told) = edits(TARGET, client);
            told.unwrap();
            edits
        };
        let own =
            [(":path", "/v1/x?a=b&key=sk-other"), ("authorization", "sk-other"), ("x-own", "sk-master")];
        assert!(made(&own).is_empty());
        let credential = is("authorization", Some("Bearer sk-own-of-t"));
        for name in ["authorization", "api-key"] {
            let made = made(&[(":path", "/v1/x"), (name, "sk-master"), ("x-own", "1")]);
            assert_eq!(made, [is(name, None), credential.clone()], "{name}");
        }
        for (asked, left) in [("/x?key=sk%2Dmaster&a=b&c", "/x?a=b&c"), ("/x?key=sk-master", "/x")] {
            let made = made(&[(":path", asked)]);
            assert_eq!(made, [is(":path", Some(left)), credential.clone()]);
        }
        let protocols = "realtime, openai-insecure-api-key.sk-master";
        let made = made(&[(":path", "/x"), ("sec-websocket-protocol", protocols)]);
        assert_eq!(made[1..], [is("sec-websocket-protocol", Some("realtime")), credential]);
    }

    #[test]
    fn ours_stays_even_where_nothing_takes_its_place() {
        let target = TARGET.replace(r#""sk-own-of-t""#, r#"{"env":"NO_SUCH"}"#);
        let (edits, told) = edits(&target, &[("authorization", "sk-master")]);
        assert!(told.unwrap_err().message.contains("NO_SUCH"));
        assert_eq!(edits, [is("authorization", None)]);
    }
}
