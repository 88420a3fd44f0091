//! What usages cost: a line of JSON in, a line of JSON out.

use std::collections::BTreeMap;

use dragoman_core::config::TargetConfig;
use dragoman_core::dialect::openai::usage;
use dragoman_core::json::{Cursor, FromJson, Json};
use dragoman_core::meter::ServiceTier;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// `provider/model`
    model: String,
    /// OpenAI's usage object; only the rates are told when absent.
    usage: Option<Box<RawValue>>,
    /// The service tier that was asked for.
    service_tier: Option<String>,
    /// Prices that are stronger than the public ones, as in `model_info`.
    #[serde(default)]
    prices: BTreeMap<String, Value>,
}

/// Answers a line.
///
/// # Errors
/// What is wrong with it.
pub fn answer(line: &str) -> Result<String, String> {
    let asked: Question = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let (provider, model) =
        asked.model.split_once('/').ok_or_else(|| format!("'{}' names no provider", asked.model))?;
    let target = json!({"id": "asked", "provider": provider, "model": model});
    let target: TargetConfig = serde_json::from_value(target).map_err(|error| error.to_string())?;
    let given = asked.prices.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    let price = super::of_target(&target, None, &given).and_then(|info| info.price);
    let mut nanodollars = None;
    if let (Some(price), Some(text)) = (&price, &asked.usage) {
        let value = Json::from_json(&mut Cursor::new(text.get())).map_err(|invalid| invalid.to_string())?;
        let tier = asked.service_tier.as_deref().and_then(ServiceTier::named);
        nanodollars = Some(price.cost(&usage(value), tier));
    }
    let answer =
        json!({"model": asked.model, "data": super::version(), "price": price, "nanodollars": nanodollars});
    Ok(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usage_has_a_cost() {
        let line = r#"{"model":"openai/gpt-4o","usage":{"prompt_tokens":1000,"completion_tokens":100,
            "prompt_tokens_details":{"cached_tokens":500}}}"#;
        let answer: Value = serde_json::from_str(&answer(line).unwrap()).unwrap();
        assert_eq!(answer["nanodollars"], 500 * 2500 + 500 * 1250 + 100 * 10_000);
        assert_eq!(answer["price"]["rates"][0], 2_500_000);
    }

    #[test]
    fn what_has_no_price_has_no_cost() {
        let line = r#"{"model":"openai/ours","usage":{"prompt_tokens":1000,"completion_tokens":100}}"#;
        let answer: Value = serde_json::from_str(&answer(line).unwrap()).unwrap();
        assert!(answer["price"].is_null() && answer["nanodollars"].is_null());
    }
}
