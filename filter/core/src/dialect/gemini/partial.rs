//! A function call whose arguments come in pieces: each names a place in them and gives it, or its next characters.
//!
//! Source: <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc>. OpenAI's
//! stream can't say places, so the pieces are put together here and told once they are complete.

use crate::json::{Json, Kind, Out, Str, escaped};
use crate::json_view;

/// How deep the arguments may nest.
const MAX_DEPTH: usize = 64;
/// How many items an array of theirs may have.
const MAX_ITEMS: usize = 10_000;

/// A call that is not yet complete.
#[derive(Debug)]
pub(super) struct OpenCall {
    /// Which call.
    pub(super) index: u32,
    input: Node,
}

#[derive(Debug)]
enum Node {
    /// A value, as its own text.
    Value(String),
    /// A string so far, as a spelling.
    Text(String),
    /// Keys are spellings.
    Object(Vec<(String, Self)>),
    Array(Vec<Self>),
}

json_view! {
    struct PieceView<'a> {
        "jsonPath" => path: Str<'a>,
        "stringValue" => text: Str<'a>,
        "numberValue" => number: Json<'a>,
        "boolValue" => flag: Json<'a>,
        "nullValue" => null: Str<'a>,
    }
}

enum Step {
    Key(String),
    Index(usize),
}

impl OpenCall {
    /// The call numbered `index`, without arguments.
    pub(super) const fn new(index: u32) -> Self {
        Self { index, input: Node::Object(Vec::new()) }
    }

    /// Adds a piece; one that names no place is left out.
    pub(super) fn add(&mut self, piece: Json<'_>) {
        let piece: PieceView<'_> = piece.read().unwrap_or_default();
        let Some(steps) = piece.path.and_then(|path| steps(&path.plain())) else { return };
        let mut node = &mut self.input;
        for step in steps {
            let Some(inner) = node.step(step) else { return };
            node = inner;
        }
        match (piece.text, node) {
            (Some(text), Node::Text(known)) => known.push_str(text.raw()),
            (Some(text), node) => *node = Node::Text(text.raw().to_owned()),
            (None, node) => {
                let value = piece.number.or(piece.flag).or(piece.null.map(|_| Json::trusted("null")));
                if let Some(value) = value.filter(|value| value.kind() != Kind::String) {
                    *node = Node::Value(value.text().to_owned());
                }
            }
        }
    }

    /// The arguments so far: a JSON object.
    pub(super) fn input(&self) -> String {
        let mut out = Vec::new();
        self.input.write(&mut out);
        String::from_utf8(out).unwrap_or_default()
    }
}

/// The steps of a path such as `$.places[0].name` or `$['a b']`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path.strip_prefix('$')?;
    while !rest.is_empty() {
        if steps.len() >= MAX_DEPTH {
            return None;
        }
        if let Some(tail) = rest.strip_prefix('.') {
            let end = tail.find(['.', '[']).unwrap_or(tail.len());
            let (name, tail) = tail.split_at_checked(end)?;
            steps.push(Step::Key(name.to_owned()));
            rest = tail;
            continue;
        }
        let inner = rest.strip_prefix('[')?;
        let quote = inner.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
        if let Some(quote) = quote {
            let (name, tail) = inner.get(1..)?.split_once(&format!("{quote}]"))?;
            steps.push(Step::Key(name.to_owned()));
            rest = tail;
        } else {
            let (number, tail) = inner.split_once(']')?;
            steps.push(Step::Index(number.trim().parse().ok()?));
            rest = tail;
        }
    }
    (!steps.is_empty()).then_some(steps)
}

impl Node {
    fn step(&mut self, step: Step) -> Option<&mut Self> {
        match step {
            Step::Key(key) => {
                if !matches!(self, Self::Object(_)) {
                    *self = Self::Object(Vec::new());
                }
                let Self::Object(fields) = self else { return None };
                let key = escaped(&key);
                if !fields.iter().any(|(known, _)| *known == key) {
                    fields.push((key.clone(), Self::Value("null".to_owned())));
                }
                fields.iter_mut().find(|(known, _)| *known == key).map(|(_, node)| node)
            }
            Step::Index(index) => {
                if !matches!(self, Self::Array(_)) {
                    *self = Self::Array(Vec::new());
                }
                let Self::Array(items) = self else { return None };
                while items.len() <= index && index < MAX_ITEMS {
                    items.push(Self::Value("null".to_owned()));
                }
                items.get_mut(index)
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Value(text) => out.raw(text),
            Self::Text(text) => out.token(Str::spelled(text)),
            Self::Object(fields) => {
                out.open(b'{');
                for (key, node) in fields {
                    out.token(Str::spelled(key));
                    out.push(b':');
                    node.write(out);
                }
                out.close(b'}');
            }
            Self::Array(items) => {
                out.open(b'[');
                items.iter().for_each(|item| item.write(out));
                out.close(b']');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_together_at_their_places() {
        let mut call = OpenCall::new(0);
        for piece in [
            r#"{"jsonPath":"$.city","stringValue":"S\u00e3o ","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":"Paulo","willContinue":true}"#,
            r#"{"jsonPath":"$.city","stringValue":""}"#,
            r#"{"jsonPath":"$.days[1].min","numberValue":-1.5}"#,
            r#"{"jsonPath":"$['a b'][\"c\"]","boolValue":true}"#,
            r#"{"jsonPath":"$.none","nullValue":"NULL_VALUE"}"#,
            r#"{"jsonPath":"city","stringValue":"x"}"#,
            r#"{"jsonPath":"$.far[99999]","stringValue":"x"}"#,
            r#"{"jsonPath":"$[","stringValue":"x"}"#,
            "7",
        ] {
            call.add(Json::trusted(piece));
        }
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&call.input()).unwrap(),
            serde_json::json!({
                "city": "S\u{e3}o Paulo",
                "days": [null, {"min": -1.5}],
                "a b": {"c": true},
                "none": null,
                "far": [],
            })
        );
    }
}
