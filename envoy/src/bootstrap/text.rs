//! A JSON value as YAML that people can read: `name` and `@type` first, then the other keys by the alphabet.
//!
//! Text is quoted wherever it could be read as something else; lines are never folded. What is written is YAML 1.1 and 1.2.

use std::fmt::Write as _;

use serde_json::Value;

use super::Site;
use crate::convert::Plan;

/// The value as YAML.
#[must_use]
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(object) if !object.is_empty() => map(value, 0, &mut out),
        Value::Array(items) if !items.is_empty() => list(items, 0, &mut out),
        _ => {
            scalar(value, &mut out);
            out.push('\n');
        }
    }
    out
}

/// The parts for an Envoy configuration of one's own, as files.
#[must_use]
pub fn includes(plan: &Plan, site: &Site) -> Vec<(&'static str, String)> {
    super::includes(plan, site)
        .into_iter()
        .map(|(name, what, value)| {
            let comment: String = what.lines().map(|line| format!("# {line}\n")).collect();
            (name, comment + &yaml(&value))
        })
        .collect()
}

fn indent(depth: usize, out: &mut String) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn map(value: &Value, depth: usize, out: &mut String) {
    let Some(object) = value.as_object() else { return };
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort_by_key(|key| {
        let rank = match key.as_str() {
            "name" | "tag_name" => 0,
            "@type" => 1,
            _ => 2,
        };
        (rank, *key)
    });
    for (at, key) in keys.iter().enumerate() {
        // The first key stands behind its list's dash, or where the parent has indented.
        if at > 0 {
            indent(depth, out);
        }
        text(key, out);
        out.push(':');
        if let Some(value) = object.get(*key) {
            inner(value, depth, out);
        }
    }
}

fn inner(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            out.push('\n');
            indent(depth + 1, out);
            map(value, depth + 1, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            indent(depth, out);
            list(items, depth, out);
        }
        _ => {
            out.push(' ');
            scalar(value, out);
            out.push('\n');
        }
    }
}

fn list(items: &[Value], depth: usize, out: &mut String) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            indent(depth, out);
        }
        out.push_str("- ");
        match item {
            Value::Object(object) if !object.is_empty() => map(item, depth + 1, out),
            Value::Array(inner) if !inner.is_empty() => list(inner, depth + 1, out),
            _ => {
                scalar(item, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(value) => text(value, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Plain where nothing but text can be meant, else as a JSON string, which YAML reads the same.
fn text(value: &str, out: &mut String) {
    let plain = value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "_./-".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
            .contains(&value.to_ascii_lowercase().as_str());
    if plain {
        out.push_str(value);
    } else if value.contains('"') && !value.contains(|c: char| c.is_control() || c == '\'' || c == '\u{feff}')
    {
        // JSON in JSON would be all backslashes.
        let _ = write!(out, "'{value}'");
    } else {
        out.push_str(&Value::String(value.to_owned()).to_string());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::yaml::Node;

    #[test]
    fn what_is_written_reads_the_same() {
        let value = json!({
            "z": [1, [2, [3]], {"a": {}, "b": [], "c": {"d": [{"e": null}]}}], "name": "n1", "@type": "t/x.Y",
            "texts": ["", "true", "no", "12", "1s", "0x1", "a b", "a: b", "it's", "\"q\"", "'\"", "line\nbreak", "#c", "-",
                "{\"k\":\"v\"}", "*", "\u{feff}x", "ü", "50s", "~", "a/b-c_d.e", "\u{1}\"", "[::1]"],
        });
        let text = yaml(&value);
        assert!(text.starts_with("name: n1\n\"@type\": t/x.Y\n"), "{text}");
        assert_eq!(Node::parse(&text).unwrap().0.to_json(), value, "{text}");
    }
}
