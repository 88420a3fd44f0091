//! The config's JSON Schema: the types of [`crate::litellm`], with LiteLLM's other keys beside them.
//!
//! Annotations of our own: `x-class` (`ignored`; `changes`; `quiet`: nothing to say), `x-secret` (a value that must never
//! be written out), `x-same-as` (another spelling), `x-says` (why, and what to write instead).

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::litellm::{Config, keys};

/// The definitions by the section whose keys they hold.
const SECTIONS: &[(&str, &str)] = &[
    ("", ""),
    ("litellm_params", "LitellmParams"),
    ("model_info", "ModelInfo"),
    ("litellm_settings", "LitellmSettings"),
    ("router_settings", "RouterSettings"),
    ("general_settings", "GeneralSettings"),
];

/// The schema of a config file.
#[must_use]
pub fn schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value();
    for (section, definition) in SECTIONS {
        let Some(object) = object_of(&mut schema, definition) else { continue };
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        let Some(properties) = properties.as_object_mut() else { continue };
        for known in keys::KNOWN.iter().filter(|known| known.section == *section) {
            let (class, verb) = match known.class {
                keys::Class::Ignored => ("ignored", "Ignored"),
                keys::Class::Changes => ("changes", "Not honoured"),
            };
            for key in known.keys {
                let note = json!({
                    "description": format!("{verb}: {}.", known.says),
                    "deprecated": true,
                    "x-class": class,
                    "x-says": known.says,
                });
                properties.insert((*key).to_owned(), note);
            }
        }
        add_aliases(properties);
        if matches!(*section, "litellm_params" | "model_info") {
            // LiteLLM knows 147 prices, and all of them have "cost" in their names.
            // Those of tokens are read.
            let price = json!({"x-class": "quiet"});
            object.insert("patternProperties".to_owned(), json!({"cost": price, "tiered_pricing": price}));
        }
        if *section == "model_info" {
            // LiteLLM's users keep notes of their own here.
            object.insert("additionalProperties".to_owned(), json!({"x-class": "quiet"}));
        }
    }
    schema
}

/// Spellings that the types take beside the ones they are named by: schemars doesn't tell them.
const ALIASES: &[(&str, &str)] = &[
    ("base_url", "api_base"),
    ("headers", "extra_headers"),
    ("vertex_ai_project", "vertex_project"),
    ("vertex_ai_location", "vertex_location"),
    ("vertex_ai_credentials", "vertex_credentials"),
];

fn add_aliases(properties: &mut Map<String, Value>) {
    for (alias, of) in ALIASES {
        let Some(mut same) = properties.get(*of).cloned() else { continue };
        if let Some(same) = same.as_object_mut() {
            same.insert("description".to_owned(), json!(format!("The same as `{of}`.")));
            same.insert("x-same-as".to_owned(), json!(of));
        }
        properties.insert((*alias).to_owned(), same);
    }
}

fn object_of<'a>(schema: &'a mut Value, definition: &str) -> Option<&'a mut Map<String, Value>> {
    if definition.is_empty() {
        return schema.as_object_mut();
    }
    schema.get_mut("$defs")?.get_mut(definition)?.as_object_mut()
}

/// The definition that a schema points to, or the schema itself.
#[must_use]
pub fn follow<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str).and_then(|pointer| pointer.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).unwrap_or(schema),
        None => schema,
    }
}
