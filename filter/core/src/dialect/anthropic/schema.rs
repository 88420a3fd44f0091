//! A JSON Schema as Claude's constrained decoding takes it.
//!
//! It takes a subset: every object closed, no bounds on numbers, strings or arrays. A keyword beyond it is a 400, so it
//! moves into the description, where the model reads it at least.
//! Source: <https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations>.

use crate::json::{Json, Kind, Out, escape};

/// Keywords whose value is one schema.
const NESTED: &[&str] = &["items"];

/// Keywords whose value is a list of schemas.
const LISTS: &[&str] = &["anyOf", "allOf"];

/// Keywords whose value is a map of schemas.
const MAPS: &[&str] = &["properties", "$defs", "definitions"];

/// Keywords that pass as they are.
const KEPT: &[&str] = &["type", "title", "enum", "const", "$ref", "required", "default"];

/// String formats that are understood.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Appends `schema`, conformed. The reader bounds its depth.
pub(super) fn conform(schema: Json<'_>, out: &mut Vec<u8>) {
    if schema.kind() != Kind::Object {
        // `true` and `false` are schemas too, though not of this subset: the provider says so.
        return out.raw(schema.text());
    }
    let (mut description, mut notes) = (None, Vec::new());
    let mut object = false;
    out.open(b'{');
    for (key, value) in schema.fields() {
        let name = key.plain();
        match &*name {
            "description" => description = value.as_str(),
            "additionalProperties" => {}
            // Of the two only `anyOf` is known; alternatives that exclude each other satisfy both.
            "oneOf" => list("anyOf", value, out),
            name if LISTS.contains(&name) => list(name, value, out),
            name if NESTED.contains(&name) => {
                out.key(name);
                conform(value, out);
            }
            name if MAPS.contains(&name) => map(name, value, out),
            "format" if value.as_str().is_some_and(|word| FORMATS.contains(&&*word.plain())) => {
                out.field("format", value);
            }
            "minItems" if matches!(value.text(), "0" | "1") => out.field("minItems", value),
            name if KEPT.contains(&name) => out.field(name, value),
            _ => notes.push((key, value)),
        }
        object |= &*name == "properties" || (&*name == "type" && names_object(value));
    }
    if object {
        out.field("additionalProperties", Json::trusted("false"));
    }
    if description.is_some() || !notes.is_empty() {
        out.key("description");
        out.push(b'"');
        out.extend_from_slice(description.map(crate::json::Str::raw).unwrap_or_default().as_bytes());
        for (index, (key, value)) in notes.iter().enumerate() {
            out.extend_from_slice(match (index, description.is_some()) {
                (0, true) => b" (".as_slice(),
                (0, false) => b"(",
                _ => b", ",
            });
            out.extend_from_slice(key.raw().as_bytes());
            out.extend_from_slice(b": ");
            escape(value.text(), out);
        }
        if !notes.is_empty() {
            out.push(b')');
        }
        out.push(b'"');
    }
    out.close(b'}');
}

fn names_object(kind: Json<'_>) -> bool {
    kind.as_str().is_some_and(|word| word.is("object"))
        || kind.items().into_iter().any(|item| item.as_str().is_some_and(|word| word.is("object")))
}

fn list(name: &str, value: Json<'_>, out: &mut Vec<u8>) {
    out.key(name);
    out.open(b'[');
    value.items().into_iter().for_each(|item| conform(item, out));
    out.close(b']');
}

fn map(name: &str, value: Json<'_>, out: &mut Vec<u8>) {
    out.key(name);
    out.open(b'{');
    for (key, item) in value.fields() {
        out.token(key);
        out.push(b':');
        conform(item, out);
    }
    out.close(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_becomes_words() {
        let schema = r##"{"type":"object","properties":{"n":{"type":"integer","minimum":1,"maximum":5,"description":"how \"many\""},
            "s":{"type":"string","pattern":"^a\"$"},"when":{"type":"string","format":"date"},"o":{"oneOf":[{"type":"null"},{"$ref":"#/$defs/x"}]},
            "l":{"type":"array","items":{"type":"object","properties":{}},"minItems":3}},
            "$defs":{"x":{"type":["object","null"],"properties":{"minimum":{"type":"number"}}}},"additionalProperties":true,"required":["n"]}"##;
        let mut out = Vec::new();
        conform(Json::trusted(schema), &mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["properties"]["n"]["description"], "how \"many\" (minimum: 1, maximum: 5)");
        assert_eq!(value["properties"]["s"]["description"], "(pattern: \"^a\\\"$\")");
        assert_eq!(value["properties"]["when"]["format"], "date");
        assert_eq!(value["properties"]["o"]["anyOf"][1]["$ref"], "#/$defs/x");
        assert_eq!(value["properties"]["l"]["items"]["additionalProperties"], false);
        assert_eq!(value["properties"]["l"]["description"], "(minItems: 3)");
        assert_eq!(value["$defs"]["x"]["properties"]["minimum"]["type"], "number");
        assert_eq!(value["additionalProperties"], false);
        assert!(value["properties"]["n"].get("additionalProperties").is_none());
    }
}
