//! Vendors, as rows of data: a dialect at an address with a way to prove who asks.

pub mod auth;
mod listing;
mod naming;
mod quirks;
pub mod table;

pub use listing::markdown_table;
pub use naming::of_bare_model;
pub use quirks::{EmbeddingQuirks, Quirks};
pub use table::all;

use crate::dialect::Dialect;
use crate::wire::Framing;

/// A vendor. Data, never code.
///
/// Addresses are templates: `{model}` is the upstream model, percent-encoded as one path segment; any other `{name}` is
/// the target's setting of that name (LiteLLM's key: `api_version`, `aws_region_name`, `vertex_project`...).
pub struct Provider {
    /// The prefix of `provider/model`.
    pub name: &'static str,
    /// Other prefixes for the same row.
    pub aliases: &'static [&'static str],
    /// The vendor's name, for people.
    pub label: &'static str,
    /// The body language.
    pub dialect: &'static dyn Dialect,
    /// The base URL when the config gives no `api_base`; empty when it must.
    pub base: &'static str,
    /// Base URLs for particular values of a setting: (setting, value, base URL). The first that fits takes `base`'s place.
    pub bases: &'static [(&'static str, &'static str, &'static str)],
    /// Models that the vendor serves by another row, by the beginnings of their names. The first that fits counts.
    pub variants: &'static [(&'static [&'static str], &'static Self)],
    /// What an `api_base` must end with: appended when it doesn't. Empty when any base is right.
    pub base_suffix: &'static str,
    /// Endings of an `api_base` that mean another row: (ending, that row's name). For vendors that speak two languages
    /// at two addresses.
    pub instead: &'static [(&'static str, &'static str)],
    /// The path of a chat request, behind the base; empty where there is none.
    pub chat: &'static str,
    /// The path of a streaming chat request, where it differs; else empty.
    pub stream: &'static str,
    /// The path of an embeddings request; empty where there is none.
    pub embeddings: &'static str,
    /// How a stream is framed.
    pub framing: Framing,
    /// How a request proves who asks.
    pub auth: Auth,
    /// The environment variables that may hold the key, in the order in which they are looked up.
    pub key_env: &'static [&'static str],
    /// The environment variables that may hold the base URL.
    pub base_env: &'static [&'static str],
    /// Settings with their defaults; one without a default is required where a template names it.
    pub settings: &'static [(&'static str, &'static str)],
    /// Headers that every request carries.
    pub headers: &'static [(&'static str, &'static str)],
    /// The vendor's own rate-limit headers: (its name, OpenAI's).
    pub rate_limits: &'static [(&'static str, &'static str)],
    /// Where the vendor differs from its dialect.
    pub quirks: Quirks,
    /// The vendor's page that this row was made from.
    pub docs: &'static str,
}

impl Provider {
    /// The row that serves `model`: this one, or one of its variants.
    #[must_use]
    pub fn for_model(&'static self, model: &str) -> &'static Self {
        let fits =
            |(prefixes, _): &&(&[&str], &Self)| prefixes.iter().any(|prefix| model.starts_with(prefix));
        self.variants.iter().find(fits).map_or(self, |(_, row)| row)
    }
}

/// How a request proves who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// It doesn't.
    None,
    /// `authorization: Bearer <key>`; without a key, nothing.
    Bearer,
    /// The key in a header of this name.
    Header(&'static str),
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Provider {
    /// The row that `base`, an `api_base` as a user gives it, is of: this one, unless it ends like another's.
    #[must_use]
    pub fn at(&'static self, base: &str) -> &'static Self {
        let mut others = self.instead.iter().filter_map(|(ending, name)| Some((ending, named(name)?)));
        let found = others.find(|(ending, row)| {
            let base = base.trim_end_matches('/');
            [row.chat, row.embeddings, ""]
                .iter()
                .any(|path| base.strip_suffix(path).is_some_and(|base| base.ends_with(*ending)))
        });
        found.map_or(self, |(_, row)| row)
    }
}

/// The vendor whose prefix is `name`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Provider> {
    all().find(|row| row.name == name || row.aliases.contains(&name))
}
