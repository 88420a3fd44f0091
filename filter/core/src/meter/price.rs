//! What tokens cost. Integers throughout: picodollars per token, nanodollars per request.
//!
//! Which price a model has, the command knows and renders; here every rate is given, so that a cost is a sum.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Usage;

/// What is known about a model that a target serves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// What its tokens cost; not known when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// The longest prompt that it takes, in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_input_tokens: Option<u64>,
}

/// A price list: what is usual, and what holds where a request asks for a service tier.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The usual rates, up to the first threshold.
    pub rates: Rates,
    /// The usual rates for the whole request when its prompt has more tokens than this; ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<(u64, Rates)>,
    /// The rates of service tiers that have their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<ServiceTier, Sheet>,
}

/// Rates of a service tier, and those for long prompts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// Rates up to the first threshold.
    pub rates: Rates,
    /// Rates for the whole request when its prompt has more tokens than this; ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<(u64, Rates)>,
}

/// A service tier with prices of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// Sooner, for more.
    Priority,
    /// Later, for less.
    Flex,
    /// Within a day, for less.
    Batch,
    /// Between two of them.
    Balanced,
    /// Soonest.
    Ultrafast,
}

impl ServiceTier {
    /// Every tier.
    pub const ALL: [Self; 5] = [Self::Priority, Self::Flex, Self::Batch, Self::Balanced, Self::Ultrafast];

    /// The tier that a request or a reply names; `None` for the usual one.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            // Anthropic's and some gateways' word.
            "fast" => Some(Self::Priority),
            _ => Self::ALL.into_iter().find(|tier| tier.name() == name),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Priority => "priority",
            Self::Flex => "flex",
            Self::Batch => "batch",
            Self::Balanced => "balanced",
            Self::Ultrafast => "ultrafast",
        }
    }
}

/// Picodollars per token. In JSON a list in this order; what is as it is usually derived may be missing at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct Rates {
    /// A token of the prompt.
    pub input: u64,
    /// A token that is generated.
    pub output: u64,
    /// A token of the prompt that comes from a cache; usually like `input`.
    pub cached: u64,
    /// A token of the prompt that is written to a cache; usually like `input`.
    pub cache_write: u64,
    /// The same for an hour; usually like `cache_write`.
    pub cache_write_1h: u64,
    /// A token of reasoning; usually like `output`.
    pub reasoning: u64,
    /// A token of sound in the prompt; usually like `input`.
    pub audio_input: u64,
    /// A token of sound that is generated; usually like `output`.
    pub audio_output: u64,
    /// A token of an image in the prompt; usually like `input`.
    pub image_input: u64,
    /// A token of an image that is generated; usually like `output`.
    pub image_output: u64,
}

impl From<Vec<u64>> for Rates {
    fn from(list: Vec<u64>) -> Self {
        let at = |place: usize, usual: u64| list.get(place).copied().unwrap_or(usual);
        let (input, output) = (at(0, 0), at(1, 0));
        let cache_write = at(3, input);
        Self {
            input,
            output,
            cached: at(2, input),
            cache_write,
            cache_write_1h: at(4, cache_write),
            reasoning: at(5, output),
            audio_input: at(6, input),
            audio_output: at(7, output),
            image_input: at(8, input),
            image_output: at(9, output),
        }
    }
}

impl From<Rates> for Vec<u64> {
    fn from(rates: Rates) -> Self {
        let mut list = vec![
            rates.input,
            rates.output,
            rates.cached,
            rates.cache_write,
            rates.cache_write_1h,
            rates.reasoning,
            rates.audio_input,
            rates.audio_output,
            rates.image_input,
            rates.image_output,
        ];
        while list.len() > 2 {
            let last = list.pop();
            if Rates::from(list.clone()) != rates {
                list.extend(last);
                break;
            }
        }
        list
    }
}

impl Price {
    /// What `usage` costs, in nanodollars.
    #[must_use]
    pub fn cost(&self, usage: &Usage, tier: Option<ServiceTier>) -> u64 {
        let (rates, above) = match tier.and_then(|tier| self.tiers.get(&tier)) {
            Some(sheet) => (&sheet.rates, &sheet.above),
            None => (&self.rates, &self.above),
        };
        let long = above.iter().rev().find(|(tokens, _)| usage.input > *tokens);
        let rates = long.map_or(rates, |(_, rates)| rates);
        (rates.input_cost(usage).saturating_add(rates.output_cost(usage)).saturating_add(500)) / 1000
    }
}

impl Rates {
    /// What the prompt costs, in picodollars. Every token is billed once: a provider's counts of sound and images may
    /// overlap with those of its cache.
    fn input_cost(&self, usage: &Usage) -> u64 {
        let cached = usage.cached.unwrap_or_default();
        let written = usage.cache_write.unwrap_or_default();
        let long = usage.cache_write_1h.unwrap_or_default().min(written);
        let mut left = usage.input.saturating_sub(cached).saturating_sub(written);
        let mut take = |tokens: Option<u64>| {
            let taken = tokens.unwrap_or_default().min(left);
            left -= taken;
            taken
        };
        let (audio, image) = (take(usage.audio_input), take(usage.image_input));
        sum(&[
            (left, self.input),
            (cached, self.cached),
            (written - long, self.cache_write),
            (long, self.cache_write_1h),
            (audio, self.audio_input),
            (image, self.image_input),
        ])
    }

    /// What was generated costs, in picodollars.
    fn output_cost(&self, usage: &Usage) -> u64 {
        let mut left = usage.output;
        let mut take = |tokens: Option<u64>| {
            let taken = tokens.unwrap_or_default().min(left);
            left -= taken;
            taken
        };
        let reasoning = take(usage.reasoning);
        let (audio, image) = (take(usage.audio_output), take(usage.image_output));
        sum(&[
            (left, self.output),
            (reasoning, self.reasoning),
            (audio, self.audio_output),
            (image, self.image_output),
        ])
    }
}

fn sum(parts: &[(u64, u64)]) -> u64 {
    parts.iter().fold(0_u64, |sum, (tokens, rate)| sum.saturating_add(tokens.saturating_mul(*rate)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(json: &str) -> Price {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_kind_of_token_has_its_rate() {
        let price = price(r#"{"rates":[1000,2000,100,1250,2000,3000,4000,5000,6000,7000]}"#);
        let usage = Usage {
            input: 100,
            output: 50,
            cached: Some(10),
            cache_write: Some(20),
            cache_write_1h: Some(5),
            reasoning: Some(8),
            audio_input: Some(3),
            audio_output: Some(4),
            image_input: Some(2),
            image_output: Some(1),
            cost: None,
        };
        // 65 + 1 + 18.75 + 10 + 12 + 12, and 37 × 2 + 24 + 20 + 7.
        assert_eq!(price.cost(&usage, None), 119 + 125);
    }

    #[test]
    fn long_prompts_and_service_tiers_have_their_own_rates() {
        let price = price(
            r#"{"rates":[1000,0],"above":[[128000,[2000,0]],[200000,[3000,0]]],
                "tiers":{"priority":{"rates":[9000,0]}}}"#,
        );
        let cost = |input: u64, tier| price.cost(&Usage { input, ..Usage::default() }, tier);
        assert_eq!(cost(128_000, None), 128_000);
        assert_eq!(cost(128_001, None), 256_002);
        assert_eq!(cost(200_001, Some(ServiceTier::Flex)), 600_003);
        assert_eq!(cost(200_001, Some(ServiceTier::Priority)), 1_800_009);
    }

    #[test]
    fn counts_that_overlap_or_lie_are_billed_once() {
        let price = price(r#"{"rates":[1000,1000,0]}"#);
        let usage = Usage { input: 10, output: 5, cached: Some(8), audio_input: Some(9), ..Usage::default() };
        assert_eq!(price.cost(&usage, None), 2 + 5);
        let wild = Usage { input: u64::MAX, output: 1, reasoning: Some(u64::MAX), ..Usage::default() };
        assert!(price.cost(&wild, None) > 0);
    }

    #[test]
    fn a_list_is_as_short_as_it_can_be() {
        for json in ["[1,2]", "[1,2,3]", "[1,2,1,3]", "[1,2,1,1,5]", "[1,2,1,1,1,2,1,2,1,9]"] {
            let rates: Rates = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&rates).unwrap(), json);
        }
    }
}
