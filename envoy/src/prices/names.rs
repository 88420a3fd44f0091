//! By which names a model is looked for, as LiteLLM does: with its vendor, alone, without its region, without its date.
//!
//! Source: `_get_potential_model_names` of <https://github.com/BerriAI/litellm/blob/main/litellm/utils.py>.

use dragoman_core::config::{Setting, TargetConfig};
use dragoman_core::provider::Provider;

/// LiteLLM's names of a vendor.
pub fn of(vendor: &Provider) -> impl Iterator<Item = &'static str> {
    let family = if vendor.name.starts_with("bedrock") { Some("bedrock") } else { None };
    let google = if vendor.name == "vertex_ai" { Some("vertex_ai") } else { None };
    // Two of LiteLLM's names for one of our rows.
    let text = if vendor.name == "ollama" { Some("ollama") } else { None };
    [vendor.name].into_iter().chain(vendor.aliases.iter().copied()).chain(family).chain(google).chain(text)
}

/// The region of a target, where it stands in the config.
pub fn region(target: &TargetConfig) -> Option<&str> {
    match target.settings.get("aws_region_name") {
        Some(Setting::Plain(region)) => Some(region),
        _ => None,
    }
}

/// The names under which a row may stand, the most exact first.
pub fn candidates(vendor: &Provider, model: &str, region: Option<&str>) -> Vec<String> {
    let vendors: Vec<&str> = of(vendor).collect();
    let mut names = Vec::new();
    let stripped = stripped(vendor, model);
    for name in &vendors {
        for model in [model, stripped] {
            names.extend(region.map(|region| format!("{name}/{region}/{model}")));
        }
        names.push(format!("{name}/{model}"));
    }
    names.push(model.to_owned());
    names.extend(vendors.iter().map(|name| format!("{name}/{stripped}")));
    names.push(stripped.to_owned());
    names.extend(model.split_once('/').map(|(_, rest)| rest.to_owned()));
    names
}

/// A row's name as the model is sent to the vendor; `None` for another region's price of a model.
pub fn sent<'r>(vendor: &Provider, row: &'r str, region: Option<&str>) -> Option<&'r str> {
    let vendors = of(vendor).find_map(|name| row.strip_prefix(name)?.strip_prefix('/'));
    let Some(model) = vendors else {
        // `vertex_ai/x` of a maker's, `azure/x` for Azure's other API.
        return Some(
            row.split_once('/').filter(|(first, _)| first.starts_with("azure")).map_or(row, |(_, m)| m),
        );
    };
    let regional = vendor.name.starts_with("bedrock") || vendor.name.starts_with("azure");
    match model.split_once('/') {
        Some((first, rest)) if regional && is_region(first) => (Some(first) == region).then_some(rest),
        _ => Some(model),
    }
}

fn is_region(word: &str) -> bool {
    matches!(word, "eu" | "us" | "global" | "global-standard")
        || (word.matches('-').count() >= 2 && word.ends_with(|last: char| last.is_ascii_digit()))
}

/// A model without what doesn't change its price: a region, a date, a version.
pub fn stripped<'m>(vendor: &Provider, model: &'m str) -> &'m str {
    if vendor.name.starts_with("bedrock") {
        return without_region(model);
    }
    if matches!(vendor.name, "vertex_ai" | "gemini" | "databricks") {
        let digits = model.trim_end_matches(|c: char| c.is_ascii_digit());
        return digits.strip_suffix('-').filter(|_| digits.len() < model.len()).unwrap_or(model);
    }
    if let Some(tuned) = model.strip_prefix("ft:") {
        // `ft:gpt-4o-2024-08-06:org:name:id` costs what `ft:gpt-4o-2024-08-06` does.
        let base = tuned.split(':').next().unwrap_or(tuned);
        return model.get(.."ft:".len() + base.len()).unwrap_or(model);
    }
    without_date(model)
}

/// `us.meta.llama3-2-11b-instruct-v1:0` is `meta.llama3-2-11b-instruct-v1:0`.
fn without_region(model: &str) -> &str {
    let model = model.rsplit('/').next().unwrap_or(model);
    match model.split_once('.') {
        Some(("us" | "us-gov" | "eu" | "apac" | "au" | "jp" | "ca" | "sa" | "global", rest)) => rest,
        _ => model,
    }
}

fn without_date(model: &str) -> &str {
    let Some((base, date)) = model.len().checked_sub(11).and_then(|at| model.split_at_checked(at)) else {
        return model;
    };
    let is_date = date.bytes().enumerate().all(|(at, byte)| match at {
        0 | 5 | 8 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    if is_date { base } else { model }
}
