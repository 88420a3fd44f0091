//! The reference of the config, in Markdown, from the same schema that configs are checked against.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::litellm::keys::{self, Class};
use crate::schema::{follow, schema};

/// The sections in the order of the file: heading, definition (empty for the file itself).
const SECTIONS: &[(&str, &str)] = &[
    ("The file", ""),
    ("model_list[]", "Model"),
    ("litellm_params", "LitellmParams"),
    ("model_info", "ModelInfo"),
    ("litellm_settings", "LitellmSettings"),
    ("router_settings", "RouterSettings"),
    ("router_settings.routing_strategy_args", "StrategyArguments"),
    ("general_settings", "GeneralSettings"),
    ("dragoman", "Dragoman"),
    ("dragoman.hedging", "Hedging"),
    ("dragoman.access_log", "AccessLog"),
    ("dragoman.access_log.otlp", "Otlp"),
    ("dragoman.traces", "Traces"),
    ("dragoman.capture", "Capture"),
];

const HEAD: &str = "# The config

Dragoman reads LiteLLM's `config.yaml`.
This page is made from the types that read it: `dragoman reference` prints it, `dragoman schema` prints the same as JSON Schema.
`dragoman check config.yaml` tells every problem with its line, its key and what to write instead.

A value `os.environ/NAME` stands for the environment variable `NAME`.
Keys, tokens and other secrets stay references: the filter reads them from the environment of Envoy's process, and they are in no rendered file.
A secret that stands in the config itself gets a variable of its own, `DRAGOMAN_SECRET_<n>`, for the same reason.
All other references are resolved when the config is rendered.

What is bounded: a request's body by `max_request_size_mb`, which the filter holds once for the client and once for the provider; \
open connections by 50,000; Envoy's buffers together by 4 GiB, beyond which new requests are refused.
";

/// The reference.
#[must_use]
pub fn reference() -> String {
    let schema = schema();
    let mut text = HEAD.to_owned();
    for (heading, definition) in SECTIONS {
        let object = if definition.is_empty() {
            Some(&schema)
        } else {
            schema.pointer(&format!("/$defs/{definition}"))
        };
        let Some(object) = object else { continue };
        let title = if definition.is_empty() { (*heading).to_owned() } else { format!("`{heading}`") };
        let _ = write!(text, "\n## {title}\n\n");
        if let Some(description) = object.get("description").and_then(Value::as_str) {
            let _ = writeln!(text, "{}\n", sentences(description));
        }
        text.push_str("| key | value | meaning |\n|---|---|---|\n");
        for (key, property) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            row(key, property, &schema, &mut text);
        }
    }
    others(&mut text);
    text
}

fn row(key: &str, property: &Value, schema: &Value, text: &mut String) {
    if property.get("x-says").is_some() {
        return;
    }
    let meaning = property.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    let mut value = shape(property, schema);
    match property.get("default") {
        Some(Value::Bool(default)) => {
            let _ = write!(value, ", default {default}");
        }
        Some(Value::Number(default)) => {
            let _ = write!(value, ", default {default}");
        }
        _ => {}
    }
    let _ = writeln!(text, "| `{key}` | {value} | {} |", meaning.replace('|', "\\|"));
}

/// A value's shape, in words.
fn shape(property: &Value, schema: &Value) -> String {
    let target = follow(schema, property);
    if let Some(choices) = target.get("oneOf").or_else(|| target.get("anyOf")).and_then(Value::as_array) {
        let mut shapes: Vec<String> = choices
            .iter()
            .map(|choice| match choice.get("const").and_then(Value::as_str) {
                Some(constant) => format!("`{constant}`"),
                None => shape(choice, schema),
            })
            .filter(|shape| shape != "null")
            .collect();
        shapes.dedup();
        return shapes.join(" or ");
    }
    let kind = match target.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    };
    match kind {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "whole number".to_owned(),
        "number" => "number".to_owned(),
        "array" => match target.get("items") {
            Some(items) => format!("list of {}", shape(items, schema)),
            None => "list".to_owned(),
        },
        "object" => match target.get("additionalProperties") {
            Some(Value::Object(inner)) if target.get("properties").is_none_or(is_empty) => {
                format!("map to {}", shape(&Value::Object(inner.clone()), schema))
            }
            _ => "map".to_owned(),
        },
        "null" => "null".to_owned(),
        _ => "anything".to_owned(),
    }
}

fn is_empty(properties: &Value) -> bool {
    properties.as_object().is_none_or(Map::is_empty)
}

/// LiteLLM's other keys.
fn others(text: &mut String) {
    for (class, heading, what) in [
        (
            Class::Changes,
            "Keys of LiteLLM's that are errors",
            "They would change how requests are treated, and Dragoman doesn't honour them: `check` and `run` refuse them, unless \
             they switch something off or `--lenient` is given.",
        ),
        (
            Class::Ignored,
            "Keys of LiteLLM's that are ignored",
            "They have no meaning here: `check` warns of them.\nSo do prices in `litellm_params` and `model_info` of anything but tokens.",
        ),
    ] {
        let _ = write!(text, "\n## {heading}\n\n{what}\n\n| section | keys | instead |\n|---|---|---|\n");
        for known in keys::KNOWN.iter().filter(|known| known.class == class) {
            let section =
                if known.section.is_empty() { "the file".to_owned() } else { format!("`{}`", known.section) };
            let keys: Vec<String> = known.keys.iter().map(|key| format!("`{key}`")).collect();
            let _ = writeln!(text, "| {section} | {} | {} |", keys.join(", "), known.says);
        }
    }
}

/// A doc comment with a sentence on each line.
fn sentences(description: &str) -> String {
    let paragraphs =
        description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ").replace(". ", ".\n"));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    #[test]
    fn the_committed_reference_is_what_the_types_say() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/CONFIG.md");
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(path, reference()).unwrap();
        }
        let committed = fs::read_to_string(path).unwrap_or_default();
        assert!(committed == reference(), "envoy/CONFIG.md is stale: `dragoman reference > envoy/CONFIG.md`");
    }
}
