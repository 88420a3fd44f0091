//! The id of a response, as clients get it: it carries the target that keeps the response, so that a later request
//! reaches the same one without a store. An id that was changed, or made under another key, opens to nothing.
//!
//! `resp_dgm` and the base64 of: a tag over the rest, the rest being what kind of response it is, the length of the
//! target's id, that id, and the provider's own id of the response.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every id of a response begins with.
const PREFIX: &str = "resp_dgm";

/// Half of the code: as hard to guess as a key of 128 bits, and ids stay short.
const TAG: usize = 16;

/// What the key is derived for. Another purpose of the same secret has another key.
const PURPOSE: &[u8] = b"dragoman response ids 1";

const KEPT: u8 = b'k';
const FORGOTTEN: u8 = b'f';

/// The key under which ids are made.
#[derive(Clone)]
pub struct Seal {
    key: Vec<u8>,
}

/// What an id says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The id of the target that made the response.
    pub target: String,
    /// The provider's own id; `None` when the target keeps no responses.
    pub native: Option<String>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

fn code(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

impl Seal {
    /// The key that `secret` gives. Without a secret the gateway lets everybody in, and ids are no better guarded: they
    /// only tell an id of another's from one of its own.
    #[must_use]
    pub fn of(secret: Option<&str>) -> Self {
        Self { key: code(secret.unwrap_or_default().as_bytes(), &[PURPOSE]) }
    }

    /// The client's id of a response that `target` keeps under its own id `native`.
    #[must_use]
    pub fn kept(&self, target: &str, native: &str) -> String {
        self.seal(KEPT, target, native)
    }

    /// The client's id of a response that nobody keeps; `unique` tells it from others.
    #[must_use]
    pub fn forgotten(&self, target: &str, unique: &str) -> String {
        self.seal(FORGOTTEN, target, unique)
    }

    fn seal(&self, kind: u8, target: &str, native: &str) -> String {
        let length = u16::try_from(target.len()).unwrap_or(u16::MAX).to_be_bytes();
        let said = [&[kind][..], &length, target.as_bytes(), native.as_bytes()];
        let mut sealed = code(&self.key, &said);
        sealed.truncate(TAG);
        said.iter().for_each(|part| sealed.extend_from_slice(part));
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What an id says, if it was made under this key.
    #[must_use]
    pub fn open(&self, id: &str) -> Option<Opened> {
        let sealed = URL_SAFE_NO_PAD.decode(id.strip_prefix(PREFIX)?).ok()?;
        let (tag, said) = sealed.split_at_checked(TAG)?;
        let right = code(&self.key, &[said]);
        if !bool::from(subtle::ConstantTimeEq::ct_eq(tag, right.get(..TAG)?)) {
            return None;
        }
        let (kind, rest) = said.split_first()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (target, native) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let target = std::str::from_utf8(target).ok()?.to_owned();
        let native = std::str::from_utf8(native).ok()?.to_owned();
        Some(Opened { target, native: (*kind == KEPT).then_some(native) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_opens_under_its_own_key_only() {
        let seal = Seal::of(Some("sk-1"));
        let id = seal.kept("gpt-4o", "resp_68af");
        let opened = Opened { target: "gpt-4o".into(), native: Some("resp_68af".into()) };
        assert_eq!(seal.open(&id), Some(opened));
        assert_eq!(seal.open(&seal.forgotten("claude", "1")).unwrap().native, None);
        assert_eq!(Seal::of(Some("sk-2")).open(&id), None);
        assert_eq!(Seal::of(None).open(&id), None);
        assert_eq!(seal.kept("gpt-4o", "resp_68af"), id, "the same response has the same id");
    }

    #[test]
    fn no_changed_id_opens() {
        let seal = Seal::of(Some("sk-1"));
        let id = seal.kept("a", "resp_1");
        for at in PREFIX.len()..id.len() {
            for other in ["A", "B", "_", "."] {
                let mut changed = id.clone();
                changed.replace_range(at..=at, other);
                // The last character's spare bits must be none: the decoder refuses others.
                assert!(changed == id || seal.open(&changed).is_none(), "{changed}");
            }
        }
        for wrong in [
            "",
            "resp_1",
            "resp_dgm",
            "resp_dgm____",
            id.strip_suffix(|_: char| true).unwrap(),
            &format!("{id}AAAA"),
        ] {
            assert_eq!(seal.open(wrong), None, "{wrong}");
        }
    }
}
