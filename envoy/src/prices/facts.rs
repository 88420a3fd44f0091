//! The prices of one model as LiteLLM's price map has them, and the full list of rates that they mean.
//!
//! Source of the meaning: `_get_token_base_cost` of
//! <https://github.com/BerriAI/litellm/blob/main/litellm/litellm_core_utils/llm_cost_calc/utils.py>.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::meter::{Price, Rates, ServiceTier, Sheet};
use serde_json::Value;

/// LiteLLM's names of prices per token, and what they are called in the table.
const CODES: &[(&str, &str)] = &[
    ("input_cost_per_token", "i"),
    ("output_cost_per_token", "o"),
    ("cache_read_input_token_cost", "r"),
    ("cache_creation_input_token_cost_above_1hr", "h"),
    ("cache_creation_input_token_cost", "w"),
    ("output_cost_per_reasoning_token", "t"),
    ("input_cost_per_audio_token", "ai"),
    ("output_cost_per_audio_token", "ao"),
    ("input_cost_per_image_token", "ii"),
    ("output_cost_per_image_token", "io"),
];

/// A price's place: what is priced, above how many tokens, in which service tier.
type Place = (&'static str, u64, Option<ServiceTier>);

/// The prices of a model, in picodollars per token.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    prices: BTreeMap<Place, u64>,
    /// Whether a threshold's own number of tokens is above it already.
    inclusive: bool,
}

/// Whether a key of LiteLLM's is a price per token.
#[must_use]
pub fn is_price(key: &str) -> bool {
    key == TIERED || place(key).is_some()
}

const TIERED: &str = "tiered_pricing";

/// `input_cost_per_token_above_200k_tokens_priority`, taken apart.
fn place(key: &str) -> Option<Place> {
    let (rest, code) = CODES.iter().find_map(|(name, code)| Some((key.strip_prefix(name)?, *code)))?;
    let suffix = |tier: ServiceTier| match tier {
        ServiceTier::Batch => "_batches".to_owned(),
        other => format!("_{}", other.name()),
    };
    let named = ServiceTier::ALL.into_iter().find_map(|tier| Some((rest.strip_suffix(&suffix(tier))?, tier)));
    let (rest, tier) = named.map_or((rest, None), |(rest, tier)| (rest, Some(tier)));
    if rest.is_empty() {
        return Some((code, 0, tier));
    }
    let tokens = rest.strip_prefix("_above_")?.strip_suffix("_tokens")?;
    let tokens = match tokens.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000)?,
        None => tokens.parse().ok()?,
    };
    Some((code, tokens, tier))
}

/// Dollars as picodollars; LiteLLM's users write them as text too.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn picodollars(value: &Value) -> Option<u64> {
    let dollars = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    // A float's cast saturates, and no price is below zero.
    (dollars.is_finite() && dollars >= 0.0).then(|| (dollars * 1e12).round() as u64)
}

impl Facts {
    /// A row's prices: `i=2500000 i@200000=5000000 o/priority=...`.
    pub fn read(rates: &'static str, provider: &str) -> Self {
        let mut facts = Self { inclusive: provider == "xai", ..Self::default() };
        for (key, price) in rates.split(' ').filter_map(|pair| pair.split_once('=')) {
            let (key, tier) = key.split_once('/').map_or((key, None), |(key, tier)| (key, Some(tier)));
            let (code, above) = key.split_once('@').unwrap_or((key, "0"));
            if let (Ok(above), Ok(price)) = (above.parse(), price.parse()) {
                facts.prices.insert((code, above, tier.and_then(ServiceTier::named)), price);
            }
        }
        // Fireworks' rule for models whose price of cached tokens it doesn't name.
        if provider.starts_with("fireworks_ai")
            && let Some(input) = facts.at("i", 0, None)
        {
            facts.prices.entry(("r", 0, None)).or_insert(input / 2);
        }
        facts
    }

    /// Takes LiteLLM's `key` over; what is no price per token is left alone.
    pub fn overlay(&mut self, key: &str, value: &Value) {
        if let (Some(place), Some(price)) = (place(key), picodollars(value)) {
            self.prices.insert(place, price);
        }
        if key == TIERED {
            self.ranges(value);
        }
    }

    /// `tiered_pricing`: whole price lists by ranges of the prompt's length.
    fn ranges(&mut self, tiers: &Value) {
        let tiers = tiers.as_array().map(Vec::as_slice).unwrap_or_default();
        let range = |tier: &Value| tier.pointer("/range/0").and_then(Value::as_f64);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let mut ranged: Vec<(u64, &Value)> =
            tiers.iter().filter_map(|tier| Some((range(tier)? as u64, tier))).collect();
        ranged.sort_by_key(|(from, _)| *from);
        for (from, tier) in ranged {
            let price = |name: &str| tier.get(name).and_then(picodollars);
            let Some(input) = price("input_cost_per_token") else { continue };
            let output = price("output_cost_per_token").or_else(|| self.at("o", 0, None)).unwrap_or_default();
            let cached = price("cache_read_input_token_cost").unwrap_or(input);
            let written = price("cache_creation_input_token_cost").unwrap_or(input);
            let reasoning = price("output_cost_per_reasoning_token").unwrap_or(output);
            for (code, price) in
                [("i", input), ("o", output), ("r", cached), ("w", written), ("t", reasoning)]
            {
                self.prices.insert((code, from, None), price);
            }
        }
    }

    /// As the table has it.
    #[cfg(test)]
    pub fn write(&self) -> String {
        let pairs = self.prices.iter().map(|((code, above, tier), price)| {
            let above = if *above == 0 { String::new() } else { format!("@{above}") };
            let tier = tier.map(|tier| format!("/{}", tier.name())).unwrap_or_default();
            format!("{code}{above}{tier}={price}")
        });
        pairs.collect::<Vec<_>>().join(" ")
    }

    /// Every rate that these prices mean; `None` where they name none.
    pub fn price(&self) -> Option<Price> {
        self.at("i", 0, None).or(self.at("o", 0, None))?;
        let mut tiers = BTreeMap::new();
        let (rates, above) = self.sheet(None);
        for tier in ServiceTier::ALL {
            if self.prices.keys().any(|(_, _, of)| *of == Some(tier)) {
                let (rates, above) = self.sheet(Some(tier));
                tiers.insert(tier, Sheet { rates, above });
            }
        }
        Some(Price { rates, above, tiers })
    }

    fn at(&self, code: &'static str, above: u64, tier: Option<ServiceTier>) -> Option<u64> {
        self.prices.get(&(code, above, tier)).copied()
    }

    fn sheet(&self, tier: Option<ServiceTier>) -> (Rates, Vec<(u64, Rates)>) {
        let counts =
            |of: &Option<ServiceTier>| *of == tier || (of.is_none() && tier != Some(ServiceTier::Batch));
        let thresholds: BTreeSet<u64> = self
            .prices
            .keys()
            .filter(|(_, above, of)| *above > 0 && counts(of))
            .map(|(_, above, _)| *above)
            .collect();
        let thresholds: Vec<u64> = thresholds.into_iter().collect();
        let above = thresholds.iter().enumerate().map(|(last, tokens)| {
            let crossed = thresholds.get(..=last).unwrap_or_default();
            (tokens - u64::from(self.inclusive), self.rates(tier, crossed))
        });
        (self.rates(tier, &[]), above.collect())
    }

    /// The rates of a request whose prompt has crossed these thresholds.
    fn rates(&self, tier: Option<ServiceTier>, crossed: &[u64]) -> Rates {
        let base = |code| self.at(code, 0, tier).or_else(|| self.at(code, 0, None));
        // What a batch's prices don't say of long prompts, they say by their usual ones.
        let usual = tier != Some(ServiceTier::Batch);
        let above = |code, tokens| {
            self.at(code, tokens, tier).or_else(|| self.at(code, tokens, None).filter(|_| usual))
        };
        let last = |code| crossed.iter().rev().find_map(|tokens| above(code, *tokens)).or_else(|| base(code));
        let input = last("i").unwrap_or_default();
        let images = base("io");
        let output = last("o").filter(|output| *output > 0).or(images).unwrap_or_default();
        let cache_write = last("w").unwrap_or(input);
        let own_reasoning = last("t")
            .filter(|_| self.at("t", 0, tier).is_some() || tier.is_none() || self.at("o", 0, tier).is_none());
        let plain = |code| self.at(code, 0, None);
        Rates {
            input,
            output,
            cached: last("r").unwrap_or(input),
            cache_write,
            cache_write_1h: last("h").unwrap_or(cache_write),
            reasoning: own_reasoning.unwrap_or(output),
            audio_input: base("ai").unwrap_or(input),
            audio_output: plain("ao").unwrap_or(output),
            image_input: base("ii").unwrap_or(input),
            image_output: plain("io").unwrap_or(output),
        }
    }
}
