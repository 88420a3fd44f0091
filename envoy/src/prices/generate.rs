//! Makes the table from LiteLLM's price map: `make prices PRICES=<model_prices.json> FROM="LiteLLM <version>"`.

use serde_json::{Map, Value};

use super::Facts;

/// What kinds of models have tokens that clients of ours can ask for.
const MODES: &[&str] = &["chat", "embedding", "completion", "responses"];

/// The table's text.
///
/// # Errors
/// When `json` is no price map.
pub fn table(json: &str, from: &str) -> Result<String, serde_json::Error> {
    let map: Map<String, Value> = serde_json::from_str(json)?;
    let mut lines = vec![
        format!("# From {from}"),
        "# Model, its provider in LiteLLM's words, the longest prompt, picodollars per token.".to_owned(),
        "# i input, o output, r read from a cache, w written to it, h for an hour, t reasoning, ai ao ii io sound and images;"
            .to_owned(),
        "# i@200000 for prompts above 200,000 tokens, i/flex in that service tier.".to_owned(),
    ];
    let mut models: Vec<(&String, &Value)> = map.iter().collect();
    models.sort_by_key(|(name, _)| name.as_str());
    for (name, model) in models {
        let text = |key: &str| model.get(key).and_then(Value::as_str).unwrap_or_default();
        let provider = text("litellm_provider");
        if !MODES.contains(&text("mode")) || provider.is_empty() || name.contains(['\t', '\n']) {
            continue;
        }
        let mut facts = Facts::default();
        for (key, value) in model.as_object().into_iter().flatten() {
            facts.overlay(key, value);
        }
        let limit = model.get("max_input_tokens").and_then(Value::as_f64);
        let limit = limit.map(|limit| format!("{limit:.0}")).unwrap_or_default();
        lines.push(format!("{name}\t{provider}\t{limit}\t{}", facts.write()));
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_becomes_a_line() {
        let map = r#"{
            "m": {"mode": "chat", "litellm_provider": "p", "max_input_tokens": 1000.0, "input_cost_per_token": 1.25e-06,
                  "output_cost_per_token": 1e-05, "input_cost_per_token_above_200k_tokens_priority": 2.5e-06},
            "picture": {"mode": "image_generation", "litellm_provider": "p"}
        }"#;
        let table = table(map, "LiteLLM 1").unwrap();
        assert!(table.starts_with("# From LiteLLM 1\n"));
        assert!(table.ends_with("m\tp\t1000\ti=1250000 i@200000/priority=2500000 o=10000000\n"), "{table}");
        assert!(!table.contains("picture"));
    }

    /// Makes the table anew where `PRICES` names LiteLLM's price map; see the Makefile.
    #[test]
    fn the_table_is_made_anew() {
        let (Ok(prices), Ok(from)) = (std::env::var("PRICES"), std::env::var("FROM")) else { return };
        let json = std::fs::read_to_string(prices).unwrap();
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/prices/table.tsv");
        std::fs::write(path, table(&json, &from).unwrap()).unwrap();
    }
}
