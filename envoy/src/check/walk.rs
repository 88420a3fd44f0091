//! A config against its schema: reports everything, gives back what is right.
//!
//! Values that refer to the environment are resolved here, except secrets: those stay references.

use serde_json::{Map, Value};

use super::Problems;
use super::environment::{Environment, reference};
use crate::schema::{follow, schema};
use crate::yaml::{Data, Entry, Node, plain};

/// Walks a file; `None` when it isn't even a map.
pub fn walk(node: &Node, environment: &Environment, problems: &mut Problems) -> Option<Value> {
    let root = schema();
    let mut walk = Walk { root: &root, environment, problems };
    walk.value(node, &root, "", false)
}

struct Walk<'a> {
    root: &'a Value,
    environment: &'a Environment,
    problems: &'a mut Problems,
}

impl Walk<'_> {
    /// The value, as far as it is right; `None` when it is absent, empty or wrong.
    fn value(&mut self, node: &Node, schema: &Value, key: &str, secret: bool) -> Option<Value> {
        let secret = secret || flag(schema, "x-secret");
        let schema = follow(self.root, schema);
        if let Data::Text(text) = &node.data
            && let Some(name) = reference(text)
            && !secret
        {
            return self.referred(node, schema, key, name);
        }
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return self.choice(node, choices, key, secret);
        }
        match (&node.data, kind(schema)) {
            (Data::Null, _) => None,
            (Data::Map(entries), "object" | "") => Some(self.object(node, entries, schema, key, secret)),
            (Data::List(items), "array" | "") => Some(self.array(items, schema, key, secret)),
            (Data::Bool(_) | Data::Text(_) | Data::Number(_), "") => Some(node.to_json()),
            (Data::Bool(_), "boolean") | (Data::Text(_), "string") => Some(node.to_json()),
            (Data::Number(number), "number") => self.bounded(node, number.as_f64(), schema, key),
            (Data::Number(number), "integer") if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                self.bounded(node, number.as_f64(), schema, key)
            }
            (data, kind) => {
                self.problems.error(node.at, key, mismatch(data, kind, schema, secret));
                None
            }
        }
    }

    /// A value that stands in the environment.
    fn referred(&mut self, node: &Node, schema: &Value, key: &str, name: &str) -> Option<Value> {
        let Some(value) = self.environment.value(name) else {
            self.problems.error(node.at, key, format!("needs the environment variable {name}: set it"));
            return None;
        };
        // The variable's text is never shown: it may be more of a secret than the key's name tells.
        let data = if kind(schema) == "string" { Data::Text(value) } else { plain(&value) };
        let found = Node { at: node.at, data };
        let mut problems = Problems::new(false);
        let mut inner = Walk { root: self.root, environment: self.environment, problems: &mut problems };
        let value = inner.value(&found, schema, key, true);
        if problems.fatal() {
            let expected = expected(kind(schema), schema);
            self.problems.error(node.at, key, format!("needs {expected} in the environment variable {name}"));
        }
        value
    }

    /// A value that may have one of several shapes.
    fn choice(&mut self, node: &Node, choices: &[Value], key: &str, secret: bool) -> Option<Value> {
        let choices: Vec<&Value> =
            choices.iter().filter(|choice| kind(follow(self.root, choice)) != "null").collect();
        if let [only] = choices.as_slice() {
            return self.value(node, only, key, secret);
        }
        let constants: Vec<&str> =
            choices.iter().filter_map(|choice| choice.get("const").and_then(Value::as_str)).collect();
        if let Data::Text(text) = &node.data
            && constants.contains(&text.as_str())
        {
            return Some(node.to_json());
        }
        if node.data.is_null() {
            return None;
        }
        if !constants.is_empty() {
            let mut says = "must be one of ".to_owned() + &constants.join(", ");
            if let Data::Text(text) = &node.data
                && let Some(near) = nearest(text, constants.iter().copied())
            {
                says = format!(
                    "'{text}' is unknown: did you mean '{near}'? Must be one of {}",
                    constants.join(", ")
                );
            }
            self.problems.error(node.at, key, says);
            return None;
        }
        for choice in &choices {
            let mut problems = Problems::new(self.problems.lenient);
            let mut inner = Walk { root: self.root, environment: self.environment, problems: &mut problems };
            let value = inner.value(node, choice, key, secret);
            if !problems.fatal() {
                self.problems.found.append(&mut problems.found);
                return value;
            }
        }
        let shapes: Vec<String> = choices
            .iter()
            .map(|choice| follow(self.root, choice))
            .map(|choice| expected(kind(choice), choice))
            .collect();
        self.problems.error(node.at, key, format!("must be {}", shapes.join(" or ")));
        None
    }

    fn object(&mut self, node: &Node, entries: &[Entry], schema: &Value, key: &str, secret: bool) -> Value {
        let mut object = Map::new();
        for entry in entries {
            let path = if key.is_empty() { entry.key.clone() } else { format!("{key}.{}", entry.key) };
            let Some(property) = property(schema, &entry.key) else {
                self.unknown(entry, schema, key);
                continue;
            };
            if !self.honoured(entry, property, &path) {
                continue;
            }
            if flag(schema, "additionalProperties") && schema.get("properties").is_some() {
                self.nearly(entry, schema, &path);
            }
            let name = property.get("x-same-as").and_then(Value::as_str).unwrap_or(&entry.key);
            if let Some(value) = self.value(&entry.value, property, &path, secret) {
                object.entry(name).or_insert(value);
            }
        }
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            if let Some(name) = required.as_str()
                && entries.iter().all(|entry| entry.key != name || entry.value.data.is_null())
            {
                let example = match name {
                    "model_name" => ": write the name that clients ask for",
                    "litellm_params" => ": write litellm_params with a model",
                    "model" => ": write model: provider/model",
                    _ => "",
                };
                self.problems.error(node.at, key, format!("lacks '{name}'{example}"));
            }
        }
        Value::Object(object)
    }

    fn array(&mut self, items: &[Node], schema: &Value, key: &str, secret: bool) -> Value {
        let any = Value::Bool(true);
        let of = schema.get("items").unwrap_or(&any);
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{key}[{index}]");
            if item.data.is_null() {
                self.problems.error(item.at, &path, "is empty: write a value, or remove the dash");
            }
            // A wrong entry keeps its place, so that the models behind it keep their numbers.
            values.push(self.value(item, of, &path, secret).unwrap_or(Value::Null));
        }
        if key != "model_list" {
            values.retain(|value| !value.is_null());
        }
        Value::Array(values)
    }

    /// Whether a known key is to be read; says so when it isn't honoured.
    fn honoured(&mut self, entry: &Entry, property: &Value, path: &str) -> bool {
        let says = property.get("x-says").and_then(Value::as_str).unwrap_or_default();
        match property.get("x-class").and_then(Value::as_str) {
            Some("ignored") => self.problems.warning(entry.at, path, format!("is ignored: {says}")),
            // What a key would change when it is off or absent is nothing.
            Some("changes") if is_off(&entry.value.data) => {}
            Some("changes") => self.problems.strict(entry.at, path, format!("is not honoured: {says}")),
            _ => return true,
        }
        false
    }

    fn unknown(&mut self, entry: &Entry, schema: &Value, key: &str) {
        let path = if key.is_empty() { entry.key.clone() } else { format!("{key}.{}", entry.key) };
        let mut says = "is no key that LiteLLM or Dragoman knows".to_owned();
        match nearest(&entry.key, names(schema)) {
            Some(near) => says.push_str(&format!(": did you mean '{near}'?")),
            None => match self.elsewhere(&entry.key) {
                Some(section) => says.push_str(&format!(" here: it belongs to {section}")),
                None => says.push_str(": remove it"),
            },
        }
        self.problems.strict(entry.at, &path, says);
    }

    /// A key that would be passed to the provider, but looks like a misspelt one.
    fn nearly(&mut self, entry: &Entry, schema: &Value, path: &str) {
        let known = |name: &str| schema.get("properties").and_then(|p| p.get(name)).is_some();
        if !known(&entry.key)
            && let Some(near) = nearest(&entry.key, names(schema))
        {
            let says = format!("goes to the provider as a body parameter: did you mean '{near}'?");
            self.problems.warning(entry.at, path, says);
        }
    }

    /// The section that knows a key.
    fn elsewhere(&self, key: &str) -> Option<&'static str> {
        [
            ("litellm_settings", "LitellmSettings"),
            ("router_settings", "RouterSettings"),
            ("general_settings", "GeneralSettings"),
            ("litellm_params", "LitellmParams"),
            ("model_info", "ModelInfo"),
        ]
        .iter()
        .find(|(_, definition)| {
            self.root
                .pointer(&format!("/$defs/{definition}/properties"))
                .is_some_and(|p| p.get(key).is_some())
        })
        .map(|(section, _)| *section)
    }

    fn bounded(&mut self, node: &Node, number: Option<f64>, schema: &Value, key: &str) -> Option<Value> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let number = number?;
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.problems.error(node.at, key, format!("is {number}: must be at least {least}"));
            return None;
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            self.problems.error(node.at, key, format!("is {number}: must be at most {most}"));
            return None;
        }
        if kind(schema) == "integer" && node.to_json().is_f64() {
            // `10.0` where a whole number is meant.
            return format!("{number:.0}").parse::<i64>().ok().map(Value::from);
        }
        Some(node.to_json())
    }
}

impl Data {
    const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// Whether a value switches nothing on.
fn is_off(data: &Data) -> bool {
    match data {
        Data::Null | Data::Bool(false) => true,
        Data::List(items) => items.is_empty(),
        Data::Map(entries) => entries.is_empty(),
        _ => false,
    }
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        // `["string", "null"]`: what is absent is null.
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "",
    }
}

fn property<'a>(schema: &'a Value, key: &str) -> Option<&'a Value> {
    if let Some(found) = schema.get("properties").and_then(|properties| properties.get(key)) {
        return Some(found);
    }
    // The patterns of this schema are plain substrings.
    let patterns = schema.get("patternProperties").and_then(Value::as_object);
    if let Some((_, found)) =
        patterns.into_iter().flatten().find(|(pattern, _)| key.contains(pattern.as_str()))
    {
        return Some(found);
    }
    match schema.get("additionalProperties") {
        Some(Value::Bool(false)) => None,
        Some(other) => Some(other),
        None if schema.get("properties").is_some() => None,
        None => Some(&Value::Bool(true)),
    }
}

fn names(schema: &Value) -> impl Iterator<Item = &str> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str())
}

/// The name that somebody meant who wrote `given`.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (given.len() / 4).clamp(1, 3);
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The question whether another name was meant, for the end of a sentence; nothing where none is near.
pub fn meant<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> String {
    nearest(given, names).map_or_else(String::new, |near| format!(": did you mean '{near}'?"))
}

fn expected(kind: &str, schema: &Value) -> String {
    match kind {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "a whole number".to_owned(),
        "number" => "a number".to_owned(),
        "array" => match schema.get("items").map(self::kind) {
            Some("string") => "a list of texts, each behind a dash".to_owned(),
            _ => "a list, each item behind a dash".to_owned(),
        },
        _ => "a map (key: value)".to_owned(),
    }
}

fn mismatch(data: &Data, kind: &str, schema: &Value, secret: bool) -> String {
    let expected = expected(kind, schema);
    let (is, hint) = match (data, kind) {
        (Data::Number(_) | Data::Bool(_), "string") => ("no text", Some("write it in quotes".to_owned())),
        (Data::Text(text), "boolean") => {
            let yes = ["yes", "on", "true", "y", "1"].contains(&text.to_ascii_lowercase().as_str());
            let no = ["no", "off", "false", "n", "0"].contains(&text.to_ascii_lowercase().as_str());
            let hint = (yes || no).then(|| format!("write {yes} without quotes"));
            ("text", hint)
        }
        (Data::Text(text), "number" | "integer") => {
            let hint = (!secret && matches!(plain(text), Data::Number(_)))
                .then(|| format!("write {text} without quotes"));
            ("text", hint)
        }
        (Data::Text(_), _) => ("text", None),
        (Data::Number(_), _) => ("a number", None),
        (Data::Bool(value), _) => (if *value { "true" } else { "false" }, None),
        (Data::List(_), _) => ("a list", None),
        (Data::Map(_), _) => ("a map", None),
        (Data::Null, _) => ("empty", None),
    };
    let is = if matches!((data, kind), (Data::Number(_), "integer")) { "no whole number" } else { is };
    match hint {
        Some(hint) => format!("is {is}: {hint}"),
        None => format!("is {is}: write {expected}"),
    }
}
