//! Whose a model is: the rows behind the names of the config, and what is said of names without a row.

use dragoman_core::provider::{self, Provider};

use crate::check::nearest;

/// LiteLLM's providers that have no row for a reason: what `check` says of each.
const REFUSED: &[(&str, &str)] = &[(
    "replicate",
    "Replicate documents predictions, whose input each model defines for itself, and no chat in OpenAI's form \
     (https://replicate.com/docs/reference/openapi): take another provider of the model, or put a server that speaks \
     OpenAI's API before it and write openai/<model> with its api_base",
)];

/// The row and the model of a `provider/model`; rows may be named by two segments (`bedrock/converse`).
pub fn split(full: &str) -> Option<(&'static Provider, &str)> {
    let (first, rest) = full.split_once('/')?;
    if let Some((second, model)) = rest.split_once('/')
        && let Some(row) = provider::named(&format!("{first}/{second}"))
    {
        return Some((row, model));
    }
    provider::named(first).map(|row| (row, rest))
}

/// What to say of a provider's name without a row.
pub fn unknown(name: &str) -> String {
    if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return format!("'{name}' is not spoken to: {why}");
    }
    let names = provider::all().flat_map(|row| [row.name].into_iter().chain(row.aliases.iter().copied()));
    match nearest(name, names) {
        Some(near) => format!("'{name}' is no provider that Dragoman knows: did you mean '{near}'?"),
        None => format!(
            "'{name}' is no provider that Dragoman knows: write provider/model; for a server that speaks OpenAI's API, \
             openai/{name} with its api_base"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_has_no_row() {
        for (name, _) in REFUSED {
            assert!(provider::named(name).is_none(), "{name} is spoken to by now");
        }
    }
}
