//! Vendors, as rows of data: a dialect at an address with a way to prove who asks.

pub mod auth;
mod listing;
mod naming;
pub mod path;
mod quirks;
pub mod table;

pub use listing::markdown_table;
pub use naming::{Naming, beginnings, of_bare_model};
pub use quirks::{EmbeddingQuirks, Quirks};
pub use table::all;

use crate::client::Endpoint;
use crate::dialect::{Dialect, Native};
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
    /// What an `api_base` must end with: appended when it doesn't. Empty when any base is right.
    pub base_suffix: &'static str,
    /// The path of a chat request, behind the base; empty where there is none.
    pub chat: &'static str,
    /// The path of a streaming chat request, where it differs; else empty.
    pub stream: &'static str,
    /// The path of an embeddings request; empty where there is none.
    pub embeddings: &'static str,
    /// The path of a request to count a prompt's tokens; empty where there is none.
    pub count_tokens: &'static str,
    /// The path of OpenAI's responses; empty where there is none.
    pub responses: &'static str,
    /// The path of OpenAI's older completions; empty where there is none.
    pub completions: &'static str,
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
    /// What becomes of a model's name.
    pub naming: Naming,
    /// The vendor's own names of reply headers that OpenAI's clients read, its rate limits and the request's id:
    /// (its name, OpenAI's).
    pub rate_limits: &'static [(&'static str, &'static str)],
    /// The rows that serve some of the vendor's targets instead: the first that fits counts. For vendors with several
    /// languages or addresses; such a row has this one's name, or a line of its own in the table.
    pub instead: &'static [(When, &'static Self)],
    /// The header that names a failure where the body doesn't; empty where there is none.
    pub error_name: &'static str,
    /// The header that counts an embeddings request's tokens where the body doesn't; empty where there is none.
    pub input_tokens: &'static str,
    /// Where the vendor differs from its dialect; most rows share theirs.
    pub quirks: &'static Quirks,
    /// The vendor's page that this row was made from.
    pub docs: &'static str,
}

/// When another row serves a target.
#[derive(Debug)]
pub enum When {
    /// The model's name begins with one of these.
    Model(&'static [&'static str]),
    /// There is an `api_base`.
    Addressed,
    /// The `api_base` ends with this, a path behind it not counted.
    Base(&'static str),
    /// The host of the `api_base` ends with this.
    Host(&'static str),
    /// The setting has one of these values.
    Setting(&'static str, &'static [&'static str]),
}

impl When {
    fn fits(&self, model: &str, base: &str, setting: &dyn Fn(&str) -> Option<String>) -> bool {
        match self {
            Self::Model(beginnings) => begins(model, beginnings),
            Self::Addressed => !base.is_empty(),
            Self::Base(ending) => base.ends_with(ending) || base.contains(&format!("{ending}/")),
            Self::Host(ending) => {
                let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
                let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
                host.to_ascii_lowercase().ends_with(ending)
            }
            Self::Setting(name, values) => {
                setting(name).is_some_and(|value| values.contains(&value.as_str()))
            }
        }
    }
}

impl Provider {
    /// Whether this vendor counts the tokens of a prompt for `model` beforehand.
    #[must_use]
    pub fn counts(&self, model: &str) -> bool {
        !self.count_tokens.is_empty() && self.dialect.counts(model)
    }

    /// How this vendor serves an endpoint in the endpoint's own language, and at which path (for a stream, the second):
    /// `None` where requests go through the hub.
    #[must_use]
    pub fn native(&self, endpoint: Endpoint) -> Option<(&'static dyn Native, &'static str, &'static str)> {
        let (path, stream) = match endpoint {
            Endpoint::Messages => (self.chat, self.stream),
            Endpoint::Responses | Endpoint::Stored => (self.responses, ""),
            Endpoint::Completions => (self.completions, ""),
            Endpoint::Chat | Endpoint::Embeddings | Endpoint::CountTokens => return None,
        };
        let native = self.dialect.speaks(endpoint).filter(|_| !path.is_empty())?;
        Some((native, path, if stream.is_empty() { path } else { stream }))
    }

    /// The row that serves a target of this vendor's: this one, or one that stands in for it. `base` is the target's
    /// `api_base`, empty when it has none; `setting` looks its settings up.
    #[must_use]
    pub fn for_target(
        &'static self,
        model: &str,
        base: &str,
        setting: &dyn Fn(&str) -> Option<String>,
    ) -> &'static Self {
        let base = base.trim_end_matches('/');
        let found = self.instead.iter().find(|(when, _)| when.fits(model, base, setting));
        found.map_or(self, |(_, row)| row)
    }
}

/// Whether the model's name, or the one at the end of its ARN, begins with one of these.
#[must_use]
pub fn begins(model: &str, beginnings: &[&str]) -> bool {
    let name = if model.starts_with("arn:") { model.rsplit('/').next().unwrap_or(model) } else { model };
    beginnings.iter().any(|beginning| name.starts_with(beginning))
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
    /// The same; without a key, the setting of the second name as a bearer token.
    HeaderOrToken(&'static str, &'static str),
    /// A bearer key where the target has one, else an access token of Google's, from where [`auth::google::Source`] says.
    Google,
    /// A bearer key where the target has one, else AWS's signature, made for the service of this signing name from the
    /// settings and variables that [`auth::aws`] names.
    SigV4 {
        /// `bedrock`, `sagemaker`...
        service: &'static str,
    },
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The vendor whose prefix is `name`.
#[must_use]
pub fn named(name: &str) -> Option<&'static Provider> {
    all().find(|row| row.name == name || row.aliases.contains(&name))
}
