//! Where targets are: base URLs as users give them, taken apart and made whole.

use std::collections::BTreeMap;

use super::Setting;
use crate::provider::Provider;

/// Where a target is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether to speak TLS.
    pub tls: bool,
    /// The host, without a port.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path that every request's path begins with; no slash at its end.
    pub path: String,
}

impl Address {
    /// Takes a base URL apart.
    ///
    /// # Errors
    /// What is wrong with it, for the config's author.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = || format!("'{url}' is no base URL: write http(s)://host[:port][/path]");
        let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong()),
        };
        let (authority, path) = match rest.find(['/', '?', '#']) {
            Some(at) => rest.split_at_checked(at).ok_or_else(wrong)?,
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err("a base URL must not hold a password: use api_key".to_owned());
        }
        // An IPv6 host stands in brackets, and has colons of its own.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (authority, if tls { 443 } else { 80 }),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        if host.is_empty() || !host.chars().all(legal) || path.contains(['#', ' ']) {
            return Err(wrong());
        }
        Ok(Self { tls, host: host.to_ascii_lowercase(), port, path: path.trim_end_matches('/').to_owned() })
    }

    /// Where connections go, without the path: `https://api.example.com:443`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }

    /// Whether this is where `other` is, whatever their paths.
    #[must_use]
    pub fn same_origin(&self, other: &Self) -> bool {
        (self.tls, self.port, &self.host) == (other.tls, other.port, &other.host)
    }

    /// The `host` header: the port only where it isn't the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

/// A base URL as a user gives it (the base, the base with its version, or a whole endpoint; all mean the same) as the row
/// means it.
pub(super) fn whole_base(url: &str, provider: &Provider) -> String {
    let mut url = url.trim_end_matches('/');
    for path in [provider.chat, provider.embeddings] {
        let fixed = path.split(['{', '?']).next().unwrap_or_default().trim_end_matches('/');
        url = url.strip_suffix(path).or_else(|| url.strip_suffix(fixed)).unwrap_or(url);
        // A whole endpoint of a path that names the model: `.../openai/deployments/gpt-4o/chat/completions`.
        if path.contains('{') && !fixed.is_empty() {
            url = url.split_once(&format!("{fixed}/")).map_or(url, |(base, _)| base);
        }
    }
    // A base may have the suffix, or its first segments, already.
    let suffix = provider.base_suffix;
    let ends = suffix.match_indices('/').skip(1).map(|(at, _)| at).chain([suffix.len()]);
    let parts = ends.filter_map(|at| suffix.split_at_checked(at));
    let missing = parts.filter(|(had, _)| url.ends_with(had)).map(|(_, missing)| missing).last();
    format!("{url}{}", missing.unwrap_or(suffix))
}

/// The settings that a whole endpoint's query gives (`?api-version=2024-10-21`), where the row's template has them there.
pub(super) fn settings_in_query(url: &str, template: &str) -> Vec<(String, Setting)> {
    let pairs = |text: &str| -> Vec<(String, String)> {
        let query = text.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    };
    let mut found = Vec::new();
    for (key, slot) in pairs(template) {
        let name = slot.strip_prefix('{').and_then(|slot| slot.strip_suffix('}'));
        let given = pairs(url).into_iter().find(|(given, _)| *given == key);
        if let (Some(name), Some((_, value))) = (name, given) {
            found.push((name.to_owned(), Setting::Plain(value)));
        }
    }
    found
}

/// Fills a template's `{name}`s with settings that stand in the config itself. `{model}` stays.
pub(super) fn fill(template: &str, settings: &BTreeMap<String, Setting>) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((head, tail)) = rest.split_once('{') {
        filled.push_str(head);
        let (name, tail) = tail.split_once('}').ok_or_else(|| format!("'{template}' has an open brace"))?;
        match settings.get(name) {
            _ if name == "model" => filled.push_str("{model}"),
            Some(Setting::Plain(value)) => filled.push_str(value),
            // An address must be known when Envoy starts, so it can't wait for the filter's environment.
            Some(Setting::Env { .. }) => {
                return Err(format!("'{name}' must stand in the config: an address needs it"));
            }
            None => return Err(format!("'{name}' is missing: set it in litellm_params")),
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let address = |url: &str| Address::parse(url);
        let full = address("https://Api.x.com:8443/v1/").unwrap();
        assert_eq!((full.tls, &*full.host, full.port, &*full.path), (true, "api.x.com", 8443, "/v1"));
        assert_eq!(address("http://localhost").unwrap().port, 80);
        assert_eq!(address("http://[::1]:9/x").unwrap().host, "[::1]");
        assert_eq!(address("https://[::1]").unwrap().port, 443);
        for wrong in ["api.x.com", "ftp://x", "https://", "https://a b", "https://u:p@x", "https://x:port"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
