//! A reply as a `text_completion`: one object, or chunks of it.
//!
//! Only what is said is text: reasoning and calls have no place in this API.

use crate::client::{Seed, StreamWriter, WholeWriter};
use crate::error::Error;
use crate::json::{Json, Out, Str, escaped};
use crate::meter::Usage;
use crate::openai::{Piece, Sink, Start};

/// Gathers a reply, or writes chunks of it as they are told.
#[derive(Debug)]
pub(super) struct TextWriter {
    /// The chunks written so far and not yet taken.
    out: Vec<u8>,
    stream: bool,
    include_usage: bool,
    /// The id and the model are spellings.
    head: (String, String, u64),
    /// What each text begins with.
    echo: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

/// A choice: spellings, and the items of the arrays that logprobs are.
#[derive(Debug, Default)]
struct Choice {
    text: String,
    begun: bool,
    logprobs: Logprobs,
    finish: Option<String>,
}

/// The chat API's logprobs in this one's shape: an array for each of a token's facts.
#[derive(Debug, Default)]
struct Logprobs {
    tokens: Vec<u8>,
    values: Vec<u8>,
    top: Vec<u8>,
    offsets: Vec<u8>,
    /// Where the next token's text begins, in characters.
    offset: u64,
}

impl Logprobs {
    fn add(&mut self, logprobs: Json<'_>) {
        for token in logprobs.field("content").map(Json::items).unwrap_or_default() {
            let Some(text) = token.field("token").and_then(Json::as_str) else { continue };
            self.tokens.token(text);
            self.values.raw(token.field("logprob").unwrap_or(Json::trusted("null")).text());
            self.top.open(b'{');
            for other in token.field("top_logprobs").map(Json::items).unwrap_or_default() {
                if let (Some(text), Some(value)) =
                    (other.field("token").and_then(Json::as_str), other.field("logprob"))
                {
                    self.top.token(text);
                    self.top.push(b':');
                    self.top.raw(value.text());
                }
            }
            self.top.close(b'}');
            self.offsets.number(self.offset);
            self.offset += text.plain().chars().count() as u64;
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.key("logprobs");
        if self.tokens.is_empty() {
            return out.raw("null");
        }
        out.open(b'{');
        let arrays = [
            ("tokens", &self.tokens),
            ("token_logprobs", &self.values),
            ("top_logprobs", &self.top),
            ("text_offset", &self.offsets),
        ];
        for (name, items) in arrays {
            out.key(name);
            out.push(b'[');
            out.extend_from_slice(items);
            out.push(b']');
        }
        out.close(b'}');
    }

    /// What was added since, as the offsets go on.
    fn taken(&mut self) -> Self {
        let offset = self.offset;
        std::mem::replace(self, Self { offset, ..Self::default() })
    }
}

impl TextWriter {
    pub fn new(seed: Seed<'_>, stream: bool) -> Self {
        Self {
            out: Vec::new(),
            stream,
            include_usage: seed.include_usage,
            head: (escaped(seed.id), escaped(seed.model), seed.now),
            echo: seed.echo.to_owned(),
            choices: Vec::new(),
            usage: None,
        }
    }

    /// Everything up to the inside of the choices.
    fn open(&self, out: &mut Vec<u8>) {
        out.open(b'{');
        self.fields(out);
    }

    fn open_event(&self, out: &mut Vec<u8>) {
        // Behind `data: ` no comma may come.
        out.push(b'{');
        self.fields(out);
    }

    fn fields(&self, out: &mut Vec<u8>) {
        let (id, model, created) = &self.head;
        out.field_token("id", Str::spelled(id));
        out.field_text("object", "text_completion");
        out.field_number("created", *created);
        out.field_token("model", Str::spelled(model));
        out.key("choices");
        out.open(b'[');
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let index = usize::try_from(index).ok()?;
        // No API gives more than 128 choices; a provider that counts wildly must not make us allocate for it.
        while self.choices.len() <= index && index < 128 {
            let text = self.echo.clone();
            self.choices.push(Choice { text, ..Choice::default() });
        }
        self.choices.get_mut(index)
    }

    /// Writes what has been told of a choice since the last chunk.
    fn chunk(&mut self, index: u32) {
        let at = index as usize;
        let Some(choice) = self.choices.get_mut(at) else { return };
        let told = Choice {
            text: std::mem::take(&mut choice.text),
            begun: true,
            logprobs: choice.logprobs.taken(),
            finish: choice.finish.clone(),
        };
        choice.begun = true;
        let mut chunk = b"data: ".to_vec();
        self.open_event(&mut chunk);
        told.write(at, &mut chunk);
        chunk.extend_from_slice(b"]}\n\n");
        self.out.append(&mut chunk);
    }
}

impl Choice {
    fn write(&self, index: usize, out: &mut Vec<u8>) {
        out.open(b'{');
        out.field_token("text", Str::spelled(&self.text));
        out.field_number("index", index as u64);
        self.logprobs.write(out);
        out.key("finish_reason");
        match &self.finish {
            Some(word) => out.text(word),
            None => out.raw("null"),
        }
        out.close(b'}');
    }
}

impl WholeWriter for TextWriter {
    fn write(mut self: Box<Self>, out: &mut Vec<u8>) {
        self.choice(0);
        self.open(out);
        for (index, choice) in self.choices.iter().enumerate() {
            choice.write(index, out);
        }
        out.close(b']');
        if let Some(usage) = &self.usage {
            out.key("usage");
            usage.write_openai(out);
        }
        out.close(b'}');
    }
}

impl StreamWriter for TextWriter {
    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn end(&mut self) {
        if let Some(usage) = self.usage.filter(|_| self.include_usage) {
            let mut chunk = b"data: ".to_vec();
            self.open_event(&mut chunk);
            chunk.extend_from_slice(b"],\"usage\":");
            usage.write_openai(&mut chunk);
            chunk.extend_from_slice(b"}\n\n");
            self.out.append(&mut chunk);
        }
        self.out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, error: &Error) {
        self.out.extend_from_slice(b"data: ");
        error.write_openai(&mut self.out);
        self.out.extend_from_slice(b"\n\n");
    }
}

impl Sink for TextWriter {
    fn start(&mut self, start: Start<'_>) {
        if let Some(id) = start.id.filter(|id| !id.is_empty()) {
            self.head.0 = id.raw().to_owned();
        }
        if let Some(model) = start.model.filter(|model| !model.is_empty()) {
            self.head.1 = model.raw().to_owned();
        }
        self.head.2 = start.created.unwrap_or(self.head.2);
    }

    fn piece(&mut self, index: u32, piece: Piece<'_>) {
        let stream = self.stream;
        let Some(choice) = self.choice(index) else { return };
        let tell = match piece {
            // A refusal is what the model says.
            Piece::Text(text) | Piece::Refusal(text) => {
                choice.text.push_str(text.raw());
                !choice.text.is_empty()
            }
            // They come behind their text, and go with the next one's chunk or the last.
            Piece::Logprobs(value) => {
                choice.logprobs.add(value);
                false
            }
            Piece::Finish(finish) => {
                choice.finish = Some(finish.word().to_owned());
                true
            }
            _ => false,
        };
        if tell && stream {
            self.chunk(index);
        }
    }

    fn usage(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::{Finish, FinishReason};

    fn told(stream: bool) -> Box<TextWriter> {
        let seed = Seed { id: "cmpl-1", model: "m", now: 7, include_usage: true, echo: "P: " };
        let mut writer = Box::new(TextWriter::new(seed, stream));
        writer.start(Start { id: Some(Str::literal("x-1")), ..Start::default() });
        writer.piece(0, Piece::Reasoning(Str::literal("hm")));
        writer.piece(0, Piece::Text(Str::literal("Hel")));
        let logprobs =
            r#"{"content":[{"token":"Hel","logprob":-0.5,"top_logprobs":[{"token":"Ho","logprob":-1}]}]}"#;
        writer.piece(0, Piece::Logprobs(Json::trusted(logprobs)));
        writer.piece(0, Piece::Text(Str::spelled(r"lo\n")));
        writer.piece(0, Piece::Finish(Finish { reason: FinishReason::Length, native: "max_tokens" }));
        writer.usage(Usage { input: 1, output: 2, ..Usage::default() });
        writer
    }

    #[test]
    fn one_object() {
        let mut out = Vec::new();
        told(false).write(&mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let wanted = serde_json::json!({
            "id": "x-1", "object": "text_completion", "created": 7, "model": "m",
            "choices": [{"text": "P: Hello\n", "index": 0, "finish_reason": "length", "logprobs": {
                "tokens": ["Hel"], "token_logprobs": [-0.5], "top_logprobs": [{"Ho": -1}], "text_offset": [0]}}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        });
        assert_eq!(value, wanted);
    }

    #[test]
    fn chunks() {
        let mut writer = told(true);
        writer.end();
        let text = String::from_utf8(writer.out).unwrap();
        let mut events: Vec<&str> = text.split_terminator("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"));
        let chunks: Vec<serde_json::Value> = events
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        let texts: Vec<&str> =
            chunks.iter().filter_map(|chunk| chunk["choices"][0]["text"].as_str()).collect();
        assert_eq!(texts, ["P: Hel", "lo\n", ""]);
        assert_eq!(chunks[1]["choices"][0]["logprobs"]["tokens"][0], "Hel");
        assert_eq!(chunks[2]["choices"][0]["finish_reason"], "length");
        assert_eq!(chunks[3]["usage"]["total_tokens"], 3);
        assert!(chunks.iter().all(|chunk| chunk["object"] == "text_completion" && chunk["id"] == "x-1"));
    }
}
