//! Versions of Envoy, and what each can do.

use std::fmt;
use std::str::FromStr;

/// The oldest that Dragoman runs on.
pub const OLDEST: Version = Version::one(36);
/// The one that Dragoman is tested with first, and that is rendered for unless another is asked for.
pub const CURRENT: Version = Version::one(40);

/// A version of Envoy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u16,
    minor: u16,
}

impl Version {
    /// Version 1 of Envoy, of which there is no other.
    const fn one(minor: u16) -> Self {
        Self { major: 1, minor }
    }

    /// Whether a reply's head may be held and then be tried again: 1.36 hangs then.
    #[must_use]
    pub fn holds_heads(self) -> bool {
        self >= Self::one(37)
    }

    /// Whether the filter's statistics stand under no cluster, whichever cluster has a filter of its own: up to 1.38 they stand
    /// under the cluster whose filter is loaded first.
    #[must_use]
    pub fn scopes_statistics_alike(self) -> bool {
        self >= Self::one(39)
    }

    /// Whether attempts can run beside each other: the head of a stream's first one must be held until its first token.
    #[must_use]
    pub fn hedges(self) -> bool {
        self.holds_heads()
    }

    /// Whether a request can begin anew whatever its body's size is: up to 1.37 it hangs where the body fills more than half
    /// of the buffer that it is allowed.
    #[must_use]
    pub fn begins_anew_with_all(self) -> bool {
        self >= Self::one(38)
    }

    /// Whether a route's limit on bodies holds for filters in front of the router: 1.36 has the connection's limit there.
    #[must_use]
    pub fn limits_bodies_by_route(self) -> bool {
        self >= Self::one(37)
    }

    /// Whether spans can be tagged with filter state, and log records be sent over HTTP.
    #[must_use]
    pub fn formats_tags(self) -> bool {
        self >= Self::one(37)
    }

    /// Whether a request that begins anew can go on in the trace that it came in: from 1.39 on Envoy's tracer drops what has a
    /// parent and no decision of Envoy's, which a redirect loses.
    #[must_use]
    pub fn continues_traces(self) -> bool {
        self < Self::one(39)
    }

    /// This version, if Dragoman runs on it.
    ///
    /// # Errors
    /// Which one is needed.
    pub fn supported(self) -> Result<Self, String> {
        if self < OLDEST {
            return Err(format!("Envoy {self} is too old: {OLDEST} or later is needed"));
        }
        Ok(self)
    }

    /// Finds the version in what `envoy --version` says.
    #[must_use]
    pub fn in_output(text: &str) -> Option<Self> {
        // `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`
        text.split(['/', ' ', '\n']).find_map(|part| part.parse().ok())
    }
}

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no version of Envoy: write {CURRENT}");
        let mut parts = text.split('.');
        let mut next = || parts.next().and_then(|part| part.split('-').next()?.parse().ok());
        let (Some(major), Some(minor)) = (next(), next()) else { return Err(wrong()) };
        Ok(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let says = "\n/usr/bin/envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(Version::in_output(says), Some(CURRENT));
        assert_eq!(Version::in_output("x/1.38.0-dev/y").map(|v| v.to_string()).as_deref(), Some("1.38"));
        assert!(!OLDEST.holds_heads() && CURRENT.holds_heads());
        assert!("1.35.1".parse::<Version>().unwrap().supported().unwrap_err().contains("too old"));
        assert!("x".parse::<Version>().is_err());
    }
}
