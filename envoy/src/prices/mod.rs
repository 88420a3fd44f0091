//! What the tokens of a model cost: LiteLLM's public price map, made small by `generate.rs`, and who may read it how.
//!
//! The filter carries none of this: what a config can need is rendered into the gateway's configuration.

pub mod ask;
mod facts;
#[cfg(test)]
mod generate;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use dragoman_core::config::TargetConfig;
use dragoman_core::meter::ModelInfo;
use dragoman_core::provider::{self, Provider};
use serde_json::Value;

use facts::Facts;
pub use facts::is_price;

/// Made by `make prices`: a line per model.
static TABLE: &str = include_str!("table.tsv");

/// A model of the table.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    /// LiteLLM's name of the provider.
    provider: &'static str,
    max_input_tokens: Option<u64>,
    rates: &'static str,
}

/// The table, by its models' names in lower case.
fn rows() -> &'static HashMap<String, Row> {
    static ROWS: OnceLock<HashMap<String, Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        let row = |line: &'static str| {
            let mut fields = line.split('\t');
            let (name, provider) = (fields.next()?, fields.next()?);
            let max_input_tokens = fields.next()?.parse().ok();
            Some(Row { name, provider, max_input_tokens, rates: fields.next()? })
        };
        lines.filter_map(row).map(|row| (row.name.to_ascii_lowercase(), row)).collect()
    })
}

/// The data that the table was made from.
#[must_use]
pub fn version() -> &'static str {
    TABLE.lines().next().and_then(|line| line.strip_prefix("# From ")).unwrap_or_default()
}

/// The row of a vendor's model.
fn find(vendor: &Provider, model: &str, region: Option<&str>) -> Option<&'static Row> {
    let found = |name: String| rows().get(&name.to_ascii_lowercase()).filter(|row| serves(vendor, row));
    names::candidates(vendor, model, region).into_iter().find_map(found)
}

/// Whether a row's model is one of the vendor's.
fn serves(vendor: &Provider, row: &Row) -> bool {
    names::of(vendor).any(|name| {
        row.provider == name
            || row.provider.strip_prefix("text-completion-") == Some(name)
            || match name {
                // The table tells these vendors' models by their makers or APIs.
                "vertex_ai" | "fireworks_ai" | "bedrock" => row.provider.starts_with(name),
                // The same models at the same prices.
                "azure_ai" => matches!(row.provider, "azure" | "openai"),
                "github" | "litellm_proxy" => true,
                _ => false,
            }
    })
}

/// What is known about a target's model. `given` are the prices and limits of the config, which are stronger; `base` is the
/// model by which the config wants it priced.
#[must_use]
pub fn of_target(
    target: &TargetConfig,
    base: Option<&str>,
    given: &BTreeMap<&str, Value>,
) -> Option<ModelInfo> {
    let vendor = provider::named(&target.provider)?;
    let region = names::region(target);
    let row = match base {
        Some(base) => of_base(vendor, base, region),
        None => find(vendor, &target.model, region),
    };
    let mut facts = row.map(|row| Facts::read(row.rates, row.provider)).unwrap_or_default();
    for (key, value) in given {
        facts.overlay(key, value);
    }
    let limit = given.get("max_input_tokens").and_then(|limit| limit.as_u64());
    let max_input_tokens = limit.or_else(|| row.and_then(|row| row.max_input_tokens));
    let info = ModelInfo { price: facts.price(), max_input_tokens };
    (info != ModelInfo::default()).then_some(info)
}

/// The row of `provider/model`, or of a model of the same vendor.
fn of_base(vendor: &Provider, base: &str, region: Option<&str>) -> Option<&'static Row> {
    let own = || find(vendor, base, region);
    let others = || {
        let (name, model) = base.split_once('/')?;
        find(provider::named(name)?, model, region)
    };
    own().or_else(others).or_else(|| rows().get(&base.to_ascii_lowercase()))
}

/// What is known about the models that a target with a `*` can come to serve, by their names as they are sent.
#[must_use]
pub fn of_pattern(target: &TargetConfig) -> BTreeMap<String, ModelInfo> {
    let Some(vendor) = provider::named(&target.provider) else { return BTreeMap::new() };
    let region = names::region(target);
    let (head, tail) = target.model.split_once('*').unwrap_or((&target.model, ""));
    let mut known = BTreeMap::new();
    for row in rows().values().filter(|row| serves(vendor, row)) {
        let Some(model) = names::sent(vendor, row.name, region) else { continue };
        if model.len() < head.len() + tail.len() || !model.starts_with(head) || !model.ends_with(tail) {
            continue;
        }
        // By its own row where several names mean it.
        let best = find(vendor, model, region).unwrap_or(row);
        let price = Facts::read(best.rates, best.provider).price();
        let info = ModelInfo { price, max_input_tokens: best.max_input_tokens };
        if info != ModelInfo::default() {
            known.insert(vendor.naming.apply(model).into_owned(), info);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(provider: &str, model: &str) -> TargetConfig {
        serde_json::from_value(serde_json::json!({"id": "t", "provider": provider, "model": model})).unwrap()
    }

    fn rates(provider: &str, model: &str) -> Option<Vec<u64>> {
        let info = of_target(&target(provider, model), None, &BTreeMap::new())?;
        Some(info.price?.rates.into())
    }

    #[test]
    fn names_fall_through_as_litellms_do() {
        for (provider, model, expected) in [
            ("openai", "gpt-4o", &[2_500_000, 10_000_000, 1_250_000][..]),
            ("openai", "gpt-4o-2999-01-01", &[2_500_000, 10_000_000, 1_250_000]),
            ("anthropic", "claude-sonnet-4-5", &[3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000]),
            ("openai", "GPT-4o-mini", &[150_000, 600_000, 75_000]),
        ] {
            assert_eq!(rates(provider, model).as_deref(), Some(expected), "{provider}/{model}");
        }
        let bedrock = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        for model in [bedrock, &format!("ca.{bedrock}"), &format!("us.{bedrock}")] {
            assert!(rates("bedrock", model).is_some(), "{model}");
        }
        assert_eq!(rates("openai", "llama-of-our-own"), None);
        // Nobody else's price for a name that others use too.
        assert_eq!(rates("groq", "gpt-4o"), None);
    }

    #[test]
    fn a_config_is_stronger_than_the_table() {
        let (input, limit) = (Value::from(1e-6), Value::from(1000));
        let given = BTreeMap::from([("input_cost_per_token", input), ("max_input_tokens", limit)]);
        let info = of_target(&target("openai", "gpt-4o"), None, &given).unwrap();
        assert_eq!(Vec::from(info.price.unwrap().rates), [1_000_000, 10_000_000, 1_250_000]);
        assert_eq!(info.max_input_tokens, Some(1000));
        let own = of_target(&target("azure", "ours"), Some("azure/gpt-4o"), &BTreeMap::new()).unwrap();
        assert!(own.price.is_some());
        let text = Value::from("2e-7");
        let given = BTreeMap::from([("input_cost_per_token", text)]);
        let info = of_target(&target("openai", "ours"), None, &given).unwrap();
        assert_eq!(Vec::from(info.price.unwrap().rates), [200_000, 0]);
    }

    #[test]
    fn a_pattern_lists_what_it_can_mean() {
        let listed = of_pattern(&target("anthropic", "claude-*"));
        assert!(listed.len() > 10 && listed.keys().all(|name| name.starts_with("claude-")));
        let everything = of_pattern(&target("bedrock", "*"));
        assert!(everything.len() > 100 && everything.keys().all(|name| !name.starts_with("bedrock/")));
        let size = serde_json::to_string(&everything).unwrap().len();
        assert!(size < 100_000, "{size} bytes for one vendor");
    }

    #[test]
    fn the_table_says_what_it_was_made_from() {
        assert!(version().starts_with("LiteLLM "));
        assert!(rows().len() > 3000);
    }
}
