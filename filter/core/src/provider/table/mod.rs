//! The rows, a file per family.
//!
//! Replicate has none: its own list of paths has predictions, whose input each model defines for itself, and no chat in
//! OpenAI's form (<https://replicate.com/docs/reference/openapi>). `dragoman check` says so of `replicate/`.

mod anthropic;
mod aws;
mod azure;
mod clouds;
mod cohere;
mod compatible_a_to_f;
mod compatible_g_to_n;
mod compatible_o_to_z;
mod embedders;
mod google;
mod mistral;
mod ollama;
mod openai;

use super::{Auth, Naming, Provider, Quirks};
use crate::dialect;
use crate::openai::{Param, ParamSet};
use crate::wire::Framing;

/// What most rows are: OpenAI's language, its paths, a bearer key.
const COMPATIBLE: Provider = Provider {
    name: "",
    aliases: &[],
    label: "",
    dialect: &dialect::openai::OPENAI,
    base: "",
    bases: &[],
    base_suffix: "",
    chat: "/chat/completions",
    stream: "",
    embeddings: "/embeddings",
    count_tokens: "",
    responses: "",
    completions: "",
    framing: Framing::Sse,
    auth: Auth::Bearer,
    key_env: &[],
    base_env: &[],
    settings: &[],
    headers: &[],
    naming: Naming::Same,
    rate_limits: &[],
    instead: &[],
    error_name: "",
    input_tokens: "",
    quirks: &PLAIN,
    docs: "",
};

/// Hints for OpenAI's own service: they change no answer, so a vendor that doesn't know them does without.
const HINTS: ParamSet = HINTS_BUT_USER.and(ParamSet::of(&[Param::User]));

/// The same for vendors that document `user`.
const HINTS_BUT_USER: ParamSet = ParamSet::of(&[
    Param::Metadata,
    Param::SafetyIdentifier,
    Param::PromptCacheKey,
    Param::PromptCacheRetention,
]);

/// Left out by vendors that tell what a stream used without being asked.
const UNASKED: ParamSet = ParamSet::of(&[Param::StreamOptions]);

const LOGPROBS: ParamSet = ParamSet::of(&[Param::LogitBias, Param::Logprobs, Param::TopLogprobs]);
const PENALTIES: ParamSet = ParamSet::of(&[Param::PresencePenalty, Param::FrequencyPenalty]);
const STORED: ParamSet = ParamSet::of(&[Param::Store, Param::ServiceTier]);
const TOOLS: ParamSet = ParamSet::of(&[
    Param::Tools,
    Param::ToolChoice,
    Param::ParallelToolCalls,
    Param::Functions,
    Param::FunctionCall,
]);

/// What Zhipu's API does not know, under both of its names (Z.ai, BigModel).
const ZHIPU: ParamSet =
    LOGPROBS.and(PENALTIES).and(STORED).and(ParamSet::of(&[Param::Seed, Param::N, Param::ParallelToolCalls]));

/// A vendor that knows what OpenAI's API knew when everybody began to copy it.
const PLAIN: Quirks = Quirks { ignored: HINTS, ..Quirks::NONE };

/// The same, with the limit on output tokens by its older name only.
const OLDER: Quirks = Quirks { rename: &[("max_completion_tokens", "max_tokens")], ..PLAIN };

static FAMILIES: &[&[Provider]] = &[
    openai::ROWS,
    azure::ROWS,
    aws::ROWS,
    anthropic::ROWS,
    compatible_a_to_f::ROWS,
    compatible_g_to_n::ROWS,
    compatible_o_to_z::ROWS,
    google::ROWS,
    embedders::ROWS,
    clouds::ROWS,
    cohere::ROWS,
    mistral::ROWS,
    ollama::ROWS,
];

/// Every vendor.
pub fn all() -> impl Iterator<Item = &'static Provider> {
    FAMILIES.iter().copied().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::config::Target;
    use crate::provider::named;

    /// A row and those that stand in for it.
    fn with_stand_ins(row: &'static Provider) -> impl Iterator<Item = &'static Provider> {
        row.instead.iter().map(|(_, other)| *other).chain([row])
    }

    #[test]
    fn stand_ins_have_their_rows_name_or_a_line_of_their_own() {
        for row in all() {
            for (_, other) in row.instead {
                let listed = all().any(|listed| listed.name == other.name && listed.base == other.base);
                assert!((other.name == row.name || listed) && other.instead.is_empty(), "{other:?}");
            }
        }
    }

    #[test]
    fn every_row_is_whole_and_found_by_its_names() {
        for row in all() {
            assert!(!row.label.is_empty() && row.docs.starts_with("https://"), "{row:?}");
            assert!(row.base.is_empty() || row.base.starts_with("http"), "{row:?}");
            assert!(!row.base.ends_with('/'), "{row:?}");
            assert!(!(row.chat.is_empty() && row.embeddings.is_empty()), "{row:?} serves nothing");
            // A row may be named by two segments (`bedrock/converse`).
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-/".contains(c);
            for name in row.aliases.iter().chain([&row.name]) {
                assert!(!name.is_empty() && name.chars().all(legal), "{name}");
                assert_eq!(
                    all().filter(|r| r.name == *name || r.aliases.contains(name)).count(),
                    1,
                    "{name}"
                );
            }
            let variable = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            for name in row.key_env.iter().chain(row.base_env) {
                assert!(name.chars().all(variable), "{row:?}: {name}");
            }
        }
    }

    #[test]
    fn every_key_has_a_variable_and_every_header_its_lower_case() {
        for row in all() {
            let keyed = matches!(row.auth, Auth::Bearer | Auth::Header(_));
            assert!(!keyed || !row.key_env.is_empty(), "{row:?} has a key and no variable for it");
            for (name, _) in row.headers {
                assert_eq!(*name, name.to_ascii_lowercase(), "{row:?}");
            }
        }
    }

    #[test]
    fn templates_name_only_settings_that_the_row_declares() {
        for row in all().flat_map(with_stand_ins) {
            for template in [
                row.base,
                row.chat,
                row.stream,
                row.embeddings,
                row.count_tokens,
                row.responses,
                row.completions,
            ] {
                for part in template.split('{').skip(1) {
                    let (name, _) = part.split_once('}').unwrap();
                    let declared = row.settings.iter().any(|(setting, _)| *setting == name);
                    assert!(name == "model" || declared, "{row:?}: {{{name}}} in {template}");
                }
            }
        }
    }

    #[test]
    fn fixed_values_are_json_and_renames_are_no_chains() {
        for row in all().flat_map(with_stand_ins) {
            for (name, value) in row.quirks.fixed {
                serde_json::from_str::<serde_json::Value>(value)
                    .unwrap_or_else(|_| panic!("{row:?}: {name}"));
            }
            for (from, to) in row.quirks.rename {
                assert!(!row.quirks.rename.iter().any(|(other, _)| other == to), "{row:?}: {from} -> {to}");
            }
            if !row.quirks.max_temperature.is_empty() {
                row.quirks.max_temperature.parse::<f64>().unwrap();
            }
        }
    }

    #[test]
    fn every_row_makes_a_target() {
        for row in all() {
            let settings: BTreeMap<&str, &str> = row.settings.iter().map(|(name, _)| (*name, "x")).collect();
            let mut target =
                serde_json::json!({"id": "t", "provider": row.name, "model": "m", "settings": settings});
            if row.base.is_empty() {
                target["base_url"] = "http://localhost:8000/v1".into();
            }
            let target =
                Target::from_json(&target.to_string()).unwrap_or_else(|wrong| panic!("{row:?}: {wrong}"));
            assert!(!target.address.host.is_empty());
        }
    }

    #[test]
    fn a_hundred_vendors_speak_openais_language() {
        let compatible = all().filter(|row| row.dialect.native() && !row.chat.is_empty()).count();
        assert!(compatible >= 90, "{compatible}");
    }

    /// Vendors of that list whose own page names another address by now.
    const MOVED: &[(&str, &str)] =
        &[("crusoe", "https://docs.crusoecloud.com/quickstart/getting-started-with-serverless-inference")];

    /// The list that LiteLLM keeps of such vendors, read in place where it is there.
    #[test]
    fn vendors_of_litellms_own_list_are_where_it_says() {
        let shared = std::env::var_os("DRAGOMAN_SHARED")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
        let path = shared.join("data/openai_like_providers.json");
        let Ok(text) = std::fs::read(&path) else {
            println!("NO LIST at {}: not compared. DRAGOMAN_SHARED names the folder.", path.display());
            return;
        };
        let list: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
        assert!(list.len() > 30, "{}", list.len());
        for (name, vendor) in list {
            let row = named(&name).unwrap_or_else(|| panic!("{name} has no row"));
            let listed = vendor["base_url"].as_str().unwrap().trim_end_matches('/');
            match MOVED.iter().find(|(moved, _)| *moved == name) {
                Some((_, page)) => assert!(row.base != listed && row.docs == *page, "{name}"),
                None => assert_eq!(row.base, listed, "{name}"),
            }
            assert!(row.key_env.contains(&vendor["api_key_env"].as_str().unwrap()), "{name}");
            if let Some(variable) = vendor["api_base_env"].as_str() {
                assert!(row.base_env.contains(&variable), "{name}");
            }
            if let Some(renames) = vendor["param_mappings"].as_object() {
                for (from, to) in renames {
                    assert!(row.quirks.rename.contains(&(from, to.as_str().unwrap())), "{name}: {from}");
                }
            }
        }
    }
}
