//! Custom tools, whose input is any text, as functions: for targets that know nothing else.
//!
//! A custom tool becomes a function of one string, `input`, and the model's calls of it become custom calls again. The
//! arguments come in any pieces, cut anywhere: what stands inside of the string goes on as it comes.
//! Source: <https://platform.openai.com/docs/guides/function-calling#custom-tools>.

use super::body::Body;
use super::sink::{Piece, Sink, Start};
use crate::json::{Json, Str, escaped};
use crate::meter::Usage;

/// The JSON Schema of a custom tool's arguments.
pub const PARAMETERS: &str =
    r#"{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}"#;

/// The arguments of a custom tool's call, as JSON.
#[must_use]
pub fn arguments(input: Str<'_>) -> String {
    ["{\"input\":\"", input.raw(), "\"}"].concat()
}

fn is(of: Json<'_>, kind: &str) -> bool {
    of.field("type").and_then(Json::as_str).is_some_and(|known| known.is(kind))
}

/// Which of the tools are custom, and how far the calls of them have been told.
#[derive(Debug, Default)]
pub struct Customs {
    names: Vec<String>,
    /// By choice and index.
    calls: Vec<(u32, u32, Input)>,
}

impl Customs {
    /// The custom tools of a request, be it a chat's, which nests them, or a response's; and the place of the first grammar
    /// that one's input must keep to.
    #[must_use]
    pub fn of(body: &Body) -> (Self, Option<String>) {
        let (mut customs, mut grammar) = (Self::default(), None);
        let tools = body.field("tools").map(Json::items).unwrap_or_default();
        for (index, tool) in tools.into_iter().enumerate() {
            if !is(tool, "custom") {
                continue;
            }
            let nested = tool.field("custom");
            let inner = nested.unwrap_or(tool);
            if let Some(name) = inner.field("name").and_then(Json::as_str) {
                customs.names.push(name.plain().into_owned());
            }
            let form = inner.field("format");
            if grammar.is_none() && form.is_some_and(|form| !form.is_null() && !is(form, "text")) {
                let within = if nested.is_some() { "custom." } else { "" };
                grammar = Some(format!("tools[{index}].{within}format"));
            }
        }
        (customs, grammar)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A sink whose calls of custom tools reach `sink` as what they are.
    pub fn telling<'s>(&'s mut self, sink: &'s mut dyn Sink) -> Telling<'s> {
        Telling { customs: self, sink }
    }
}

/// Tells calls of custom tools as what they are.
pub struct Telling<'s> {
    customs: &'s mut Customs,
    sink: &'s mut dyn Sink,
}

impl Sink for Telling<'_> {
    fn start(&mut self, start: Start<'_>) {
        self.sink.start(start);
    }

    fn piece(&mut self, choice: u32, piece: Piece<'_>) {
        let (index, text) = match piece {
            Piece::ToolCall { index, id, name } if self.customs.names.iter().any(|known| name.is(known)) => {
                self.customs.calls.push((choice, index, Input::default()));
                return self.sink.piece(choice, Piece::CustomCall { index, id, name });
            }
            _ if self.customs.calls.is_empty() => return self.sink.piece(choice, piece),
            Piece::ToolArgs { index, fragment } => (index, fragment.plain()),
            Piece::ToolInput { index, input } => (index, input.text().into()),
            _ => return self.sink.piece(choice, piece),
        };
        let mut calls = self.customs.calls.iter_mut();
        let told =
            calls.find(|(of, at, _)| (*of, *at) == (choice, index)).map(|(.., input)| input.read(&text));
        let custom = told.as_ref().map(|told| Piece::CustomInput { index, fragment: Str::spelled(told) });
        self.sink.piece(choice, custom.unwrap_or(piece));
    }

    fn usage(&mut self, usage: Usage) {
        self.sink.usage(usage);
    }

    fn tier(&mut self, name: &str) {
        self.sink.tier(name);
    }
}

/// The input of a call, read from its arguments as they come.
#[derive(Debug, Default)]
struct Input {
    at: Place,
    /// What can't be told before more has come.
    held: String,
}

#[derive(Debug, Default)]
enum Place {
    /// Before the string.
    #[default]
    Before,
    Inside,
    /// Behind it: nothing more is told.
    Behind,
    /// In arguments of another form, which are the input themselves: the model has said no other.
    Other,
}

/// What stands before the string, with or without white space between.
const BEGINNING: &[&str] = &["{", "\"input\"", ":", "\""];

/// The longest beginning, in bytes: who says so much has said something else.
const LONGEST: usize = 256;

impl Input {
    /// Reads the next piece of the arguments. What it adds to the input, as a spelling.
    fn read(&mut self, piece: &str) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(piece);
        match self.at {
            Place::Before => self.before(text),
            Place::Inside => self.inside(&text),
            Place::Behind => String::new(),
            Place::Other => escaped(&text),
        }
    }

    fn before(&mut self, text: String) -> String {
        let mut rest = text.as_str();
        for token in BEGINNING {
            rest = rest.trim_ascii_start();
            if let Some(behind) = rest.strip_prefix(*token) {
                rest = behind;
            } else if token.starts_with(rest) && text.len() < LONGEST {
                self.held = text;
                return String::new();
            } else if rest.starts_with('}') {
                self.at = Place::Behind;
                return String::new();
            } else {
                self.at = Place::Other;
                return escaped(&text);
            }
        }
        self.at = Place::Inside;
        self.inside(rest)
    }

    /// Tells all up to the string's end, or to an escape that has not come whole. What the model has spelled wrongly is
    /// spelled well.
    fn inside(&mut self, text: &str) -> String {
        let mut end = 0;
        while let Some(rest @ [_, ..]) = text.as_bytes().get(end..) {
            let width = match rest {
                [b'"', ..] => {
                    self.at = Place::Behind;
                    break;
                }
                // Two of them may spell one character.
                [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', ..]
                    if rest.len() < 8 || rest.get(6..8) == Some(b"\\u") =>
                {
                    12
                }
                [b'\\', b'u', ..] => 6,
                [b'\\', ..] => 2,
                _ => 1,
            };
            if rest.len() < width {
                self.held.push_str(text.get(end..).unwrap_or_default());
                break;
            }
            end += width;
        }
        escaped(&Str::spelled(text.get(..end).unwrap_or_default()).plain())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::{ChatRequest, Tool, ToolChoice};

    /// What is told of arguments that come in these pieces: each must be a string by itself.
    fn told<'p>(pieces: impl IntoIterator<Item = &'p str>) -> String {
        let mut input = Input::default();
        let read = |piece: &str| {
            let spelled = input.read(piece);
            serde_json::from_str::<String>(&format!("\"{spelled}\"")).expect("a string")
        };
        pieces.into_iter().map(read).collect()
    }

    /// The places where `text` can be cut.
    fn cuts(text: &str) -> Vec<usize> {
        (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect()
    }

    #[test]
    fn the_input_is_the_same_however_its_arguments_are_cut() {
        for (arguments, input) in [
            (r#"{"input":"print(\"h\u00e9 \ud83d\ude00\")\n\\"}"#, "print(\"hé 😀\")\n\\"),
            (" { \"input\" :\n\"ü\\/{}\" , \"more\": \"no\"} ", "ü/{}"),
            (r#"{"input":"\\\"\\u0041"}"#, r#"\"\u0041"#),
            (r#"{"input":""}"#, ""),
            (r#"{"input":"\ud7a3\ud83d\ude00\uD83D\uDE00"}"#, "\u{d7a3}😀😀"),
            ("{}", ""),
            ("", ""),
            // What has another form is the input itself.
            (r#"{"code":"a\nb"}"#, r#"{"code":"a\nb"}"#),
            (r#"{"input":7}"#, r#"{"input":7}"#),
            ("ls -l \"x\"", "ls -l \"x\""),
            // What is no JSON reaches the client as a text all the same.
            ("{\"input\":\"a\nb\\'c\\ud83dx\\u12-- \"}", "a\nb'cx\u{fffd} "),
            ("{\"input\":\"x\\ud83d\"}", "x"),
            // What was cut is told as far as it came.
            (r#"{"input":"ab\"#, "ab"),
        ] {
            assert_eq!(told([arguments]), input, "{arguments}");
            let places = cuts(arguments);
            let part = |from: usize, to: usize| arguments.get(from..to).unwrap();
            let singly = places.windows(2).map(|pair| part(pair[0], pair[1]));
            assert_eq!(told(singly), input, "{arguments}");
            for first in &places {
                for second in places.iter().filter(|second| *second >= first) {
                    let pieces = [part(0, *first), part(*first, *second), part(*second, arguments.len())];
                    assert_eq!(told(pieces), input, "{pieces:?}");
                }
            }
        }
    }

    #[test]
    fn white_space_is_not_waited_for_forever() {
        let mut input = Input::default();
        assert_eq!(input.read(&" ".repeat(LONGEST - 1)), "");
        assert_eq!(input.read(" ").len(), LONGEST);
        assert!(input.held.is_empty());
    }

    #[test]
    fn a_custom_tool_reads_as_a_function() {
        let body = r#"{"model":"m",
            "tools":[{"type":"custom","custom":{"name":"run","description":"d","format":{"type":"text"}}}],
            "tool_choice":{"type":"custom","custom":{"name":"run"}},
            "messages":[{"role":"assistant","content":null,"tool_calls":[
                {"id":"c1","type":"custom","custom":{"name":"run","input":"a \"b\"\n"}},
                {"id":"c2","type":"custom","custom":{"name":"run","input":""}},
                {"id":"c3","type":"function","function":{"name":"f","arguments":""}}]}]}"#;
        let body = Body::read(body.as_bytes().to_vec()).unwrap();
        let request = ChatRequest::of(&body).unwrap();
        let tools = request.tools().unwrap();
        let [Tool::Function(tool)] = tools.as_slice() else { panic!("{tools:?}") };
        assert_eq!((tool.name.raw(), tool.description.unwrap().raw()), ("run", "d"));
        assert_eq!(tool.parameters.unwrap().text(), PARAMETERS);
        assert!(matches!(request.tool_choice(), Ok(Some(ToolChoice::Named(name))) if name.is("run")));
        let messages = request.messages().unwrap();
        let inputs: Vec<_> = messages[0].tool_calls.iter().map(|call| call.input().unwrap()).collect();
        assert_eq!(inputs, [r#"{"input":"a \"b\"\n"}"#, r#"{"input":""}"#, "{}"]);
        for call in &messages[0].tool_calls {
            assert_eq!(Str::spelled(&call.arguments()).plain(), call.input().unwrap());
        }
    }

    #[test]
    fn grammars_are_named_by_their_place() {
        let grammar = r#"{"type":"grammar","definition":"x","syntax":"lark"}"#;
        for (first, place) in [
            (
                format!(r#"{{"type":"custom","custom":{{"name":"a","format":{grammar}}}}}"#),
                "tools[0].custom.format",
            ),
            (format!(r#"{{"type":"custom","name":"a","format":{grammar}}}"#), "tools[0].format"),
            (r#"{"type":"custom","name":"a"}"#.to_owned(), "tools[3].format"),
        ] {
            let body = format!(
                r#"{{"tools":[{first},{{"type":"custom","name":"b","format":{{"type":"text"}}}},{{"type":"function","name":"e"}},
                    {{"type":"custom","name":"c","format":{grammar}}},{{"type":"custom","name":"d","format":null}}]}}"#
            );
            let body = Body::read(body.into_bytes()).unwrap();
            let (customs, found) = Customs::of(&body);
            assert_eq!(customs.names, ["a", "b", "c", "d"]);
            assert_eq!(found.as_deref(), Some(place));
        }
    }
}
