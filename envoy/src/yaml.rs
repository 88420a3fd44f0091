//! YAML as a tree that remembers where everything stands.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved here, as LiteLLM's configs use them; a key given twice is a fault.
//! Knows nothing of any config.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde_json::{Map, Number, Value};

/// How deep a config may nest.
const MAX_DEPTH: usize = 64;
/// How many nodes a config may have with its aliases written out: aliases of aliases grow without bound.
const MAX_NODES: usize = 2_000_000;

/// Where something stands, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub at: Place,
    /// What, for the config's author.
    pub what: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where the value begins.
    pub at: Place,
    /// The value.
    pub data: Data,
}

/// A value.
#[derive(Clone, Debug)]
pub enum Data {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with their values, in the order of the file.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Where the key stands.
    pub at: Place,
    /// The key.
    pub key: String,
    /// The value.
    pub value: Node,
}

impl Node {
    /// Reads a file's first document; an empty file is an empty map. Keys that are given twice are told beside it (the
    /// last one counts, as LiteLLM has it).
    ///
    /// # Errors
    /// The first fault of the syntax: YAML can't be read on behind one.
    pub fn parse(text: &str) -> Result<(Self, Vec<Fault>), Fault> {
        let parser = Parser::new_from_str(text);
        let mut reader = Reader { parser, anchors: Vec::new(), nodes: 0, twice: Vec::new() };
        loop {
            match reader.next()? {
                (Event::StreamStart | Event::DocumentStart(_) | Event::Nothing, _) => {}
                (Event::StreamEnd | Event::DocumentEnd, span) => {
                    return Ok((Self { at: place(span), data: Data::Map(Vec::new()) }, reader.twice));
                }
                (event, span) => return Ok((reader.node(event, span, 0)?, reader.twice)),
            }
        }
    }

    /// The value under a key of a map.
    #[must_use]
    pub fn at_key(&self, key: &str) -> Option<&Entry> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Where the thing at this path stands: the nearest part of the path that exists.
    #[must_use]
    pub fn place_of(&self, path: &[&str]) -> Place {
        let Some((first, rest)) = path.split_first() else { return self.at };
        match &self.data {
            Data::Map(entries) => match entries.iter().find(|entry| entry.key == *first) {
                Some(entry) if rest.is_empty() => entry.at,
                Some(entry) => entry.value.place_of(rest),
                None => self.at,
            },
            Data::List(items) => first
                .parse::<usize>()
                .ok()
                .and_then(|index| items.get(index))
                .map_or(self.at, |item| item.place_of(rest)),
            _ => self.at,
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(value) => Value::Number(value.clone()),
            Data::Text(value) => Value::String(value.clone()),
            Data::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Data::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    fn size(&self) -> usize {
        match &self.data {
            Data::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Data::Map(entries) => 1 + entries.iter().map(|e| e.value.size()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// A plain (unquoted) scalar as YAML 1.2's core schema reads it.
#[must_use]
pub fn plain(text: &str) -> Data {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Data::Null,
        "true" | "True" | "TRUE" => return Data::Bool(true),
        "false" | "False" | "FALSE" => return Data::Bool(false),
        _ => {}
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if let Ok(value) = digits.parse::<u64>() {
            return Data::Number(value.into());
        }
        if let Ok(value) = digits.parse::<i64>() {
            return Data::Number(value.into());
        }
        if let Some(number) = digits.parse::<f64>().ok().and_then(Number::from_f64) {
            return Data::Number(number);
        }
    }
    Data::Text(text.to_owned())
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
    twice: Vec<Fault>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let at = Place { line: error.marker().line(), column: error.marker().col() + 1 };
                Err(Fault { at, what: format!("this is no YAML: {}", error.info()) })
            }
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Fault> {
        let at = place(span);
        self.count(1, at)?;
        if depth > MAX_DEPTH {
            return Err(Fault { at, what: format!("nested deeper than {MAX_DEPTH}") });
        }
        let (anchor, data) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plainly = style == ScalarStyle::Plain && tag.is_none_or(|tag| tag.suffix != "str");
                (anchor, if plainly { plain(&text) } else { Data::Text(text.into_owned()) })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.map(depth)?),
            Event::Alias(anchor) => {
                let found = self.anchors.iter().rev().find(|(id, _)| *id == anchor);
                let Some((_, node)) = found else {
                    return Err(Fault { at, what: "an alias inside what it stands for".to_owned() });
                };
                let node = node.clone();
                self.count(node.size(), at)?;
                return Ok(node);
            }
            _ => return Err(Fault { at, what: "the file ends in the middle of a value".to_owned() }),
        };
        let node = Node { at, data };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn count(&mut self, more: usize, at: Place) -> Result<(), Fault> {
        self.nodes = self.nodes.saturating_add(more);
        if self.nodes > MAX_NODES {
            return Err(Fault { at, what: format!("more than {MAX_NODES} values, aliases written out") });
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut merged: Vec<Entry> = Vec::new();
        loop {
            let (at, key) = match self.next()? {
                (Event::MappingEnd, _) => break,
                (Event::Scalar(key, ..), span) => (place(span), key.into_owned()),
                (_, span) => return Err(Fault { at: place(span), what: "a key must be text".to_owned() }),
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            if key == "<<" {
                merge(&mut merged, value)?;
                continue;
            }
            if let Some(first) = entries.iter().position(|entry| entry.key == key) {
                let earlier = entries.remove(first).at.line;
                let what = format!("is given twice, in line {earlier} already: remove one '{key}'");
                self.twice.push(Fault { at, what });
            }
            entries.push(Entry { at, key, value });
        }
        // What the map says itself is stronger than what it merges.
        merged.retain(|entry| entries.iter().all(|own| own.key != entry.key));
        entries.append(&mut merged);
        Ok(Data::Map(entries))
    }
}

fn merge(into: &mut Vec<Entry>, from: Node) -> Result<(), Fault> {
    match from.data {
        Data::Map(entries) => {
            for entry in entries {
                if into.iter().all(|earlier| earlier.key != entry.key) {
                    into.push(entry);
                }
            }
            Ok(())
        }
        Data::List(items) => items.into_iter().try_for_each(|item| merge(into, item)),
        _ => Err(Fault { at: from.at, what: "'<<' merges maps only".to_owned() }),
    }
}

fn place(span: Span) -> Place {
    Place { line: span.start.line(), column: span.start.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Node::parse(text).unwrap().0.to_json()
    }

    #[test]
    fn scalars_by_the_core_schema() {
        let text = "a: 1\nb: -2\nc: 1.5\nd: true\ne: null\nf:\ng: yes\nh: '1'\ni: sk-1\nj: 1e3\nk: 1.2.3\nl: !!str 5";
        let expected = serde_json::json!({"a": 1, "b": -2, "c": 1.5, "d": true, "e": null, "f": null, "g": "yes",
            "h": "1", "i": "sk-1", "j": 1000.0, "k": "1.2.3", "l": "5"});
        assert_eq!(json(text), expected);
    }

    #[test]
    fn places_count_from_one_and_belong_to_keys() {
        let (node, _) = Node::parse("a:\n  - b: 1\n    c: 2\n").unwrap();
        assert_eq!(node.place_of(&["a", "0", "c"]), Place { line: 3, column: 5 });
        assert_eq!(node.place_of(&["a", "0", "missing"]), Place { line: 2, column: 5 });
        assert_eq!(node.place_of(&["a"]), Place { line: 1, column: 1 });
    }

    #[test]
    fn merge_keys_are_weaker_than_what_stands_there() {
        let text = "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nuse:\n  <<: [*b, *o]\n  x: 9\n";
        assert_eq!(json(text)["use"], serde_json::json!({"x": 9, "y": 2, "z": 4}));
    }

    #[test]
    fn a_key_given_twice_is_a_fault_with_both_lines() {
        let (node, twice) = Node::parse("a: 1\nb: 2\na: 3\n").unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"a": 3, "b": 2}));
        assert_eq!(twice[0].at.line, 3);
        assert!(twice[0].what.contains("line 1"));
    }

    #[test]
    fn broken_and_hostile_files_end_in_a_fault() {
        for text in ["a: [1", "a: 'x", "a: *x", "&a [*a]", "? [x]\n: 1", "<<: 3", "a: b: c"] {
            assert!(Node::parse(text).is_err(), "{text}");
        }
        assert!(Node::parse(&"[".repeat(5_000)).is_err());
        let mut laughs = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(",");
            laughs += &format!("a{i}: &a{i} [{refs}]\n");
        }
        assert!(Node::parse(&laughs).is_err());
        assert_eq!(json(""), serde_json::json!({}));
        assert_eq!(json("# nothing\n"), serde_json::json!({}));
    }
}
