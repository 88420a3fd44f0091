//! The rows, a file per family.

mod embedders;
mod openai;

use super::{Auth, Provider, Quirks};
use crate::dialect;
use crate::wire::Framing;

/// What most rows are: OpenAI's language, its paths, a bearer key.
const COMPATIBLE: Provider = Provider {
    name: "",
    aliases: &[],
    label: "",
    dialect: &dialect::openai::OPENAI,
    base: "",
    base_suffix: "",
    chat: "/chat/completions",
    stream: "",
    embeddings: "/embeddings",
    framing: Framing::Sse,
    auth: Auth::Bearer,
    key_env: &[],
    base_env: &[],
    settings: &[],
    headers: &[],
    rate_limits: &[],
    quirks: Quirks::NONE,
    docs: "",
};

static FAMILIES: &[&[Provider]] = &[openai::ROWS, embedders::ROWS];

/// Every vendor.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    FAMILIES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_whole_and_found_by_its_names() {
        for row in all() {
            assert!(!row.label.is_empty() && row.docs.starts_with("https://"), "{row:?}");
            assert!(row.base.is_empty() || row.base.starts_with("http"), "{row:?}");
            assert!(!row.base.ends_with('/'), "{row:?}");
            for name in row.aliases.iter().chain([&row.name]) {
                assert_eq!(
                    all().filter(|r| r.name == *name || r.aliases.contains(name)).count(),
                    1,
                    "{name}"
                );
            }
        }
    }
}
