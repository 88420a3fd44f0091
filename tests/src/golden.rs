//! Golden cases: a folder `golden/<dialect>/<case>/` whose files say what goes in and what must come out.
//!
//! | file | what |
//! |---|---|
//! | `target.json` | the target, a `TargetConfig`; needed by every case |
//! | `request.json` | the client's OpenAI request |
//! | `native.json` | the body that the provider must get, compared as JSON |
//! | `error.json` | instead of it: how the request is refused |
//! | `reply.json` | the provider's whole answer; `status` holds its HTTP status unless 200 |
//! | `reply.sse`, `reply.ndjson`, `reply.b64` | the provider's stream; `b64` is binary, in the provider's framing |
//! | `endpoint` | `embeddings` where the case is not about chat; its `reply.json` is in the format that `request.json` asks for. `messages`, `count_tokens`, `responses`, `completions`: `request.json` is in that language, and the whole exchange is made |
//! | `request-headers.json` | the client's headers in such an exchange |
//! | `env.json` | the environment: the whole exchange is made, not only a body is translated; needs `request.json` |
//! | `head.json` | where that request goes and with which headers |
//! | `reply-headers.json` | headers of the reply to that request, beside its `content-type` |
//! | `openai.json` | what the client of a whole answer gets, compared as JSON; `client.json` in another language than OpenAI's chat |
//! | `openai.sse` | what the client of a stream gets, byte for byte, however the stream is cut; `client.sse` likewise |
//!
//! Errors, the client's and the provider's, stand as `{"status": <HTTP status for the client>, "error": {...}}`, in the
//! client's envelope.

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use dragoman_core::attempt::Attempt;
use dragoman_core::client::responses::Seal;
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::Target;
use dragoman_core::dialect::{StreamDecoder, no_embeddings, screen, screen_embeddings};
use dragoman_core::error::Error;
use dragoman_core::json::{Json, Str, escaped, splice};
use dragoman_core::openai::{
    Body, ChatRequest, ChunkWriter, CompletionWriter, EmbeddingWriter, EmbeddingsRequest,
};
use dragoman_core::provider::auth::Outgoing;
use dragoman_core::wire::{Framer, Framing};
use serde_json::Value;

use crate::{cuts, still};

/// The time at which golden replies are written, in Unix seconds.
pub const NOW: u64 = 1_700_000_000;

/// The id of golden replies whose provider gives none.
pub const ID: &str = "chatcmpl-golden";

/// A case: its name and its files.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<dialect>/<case>`.
    pub name: String,
    /// The files by name.
    pub files: BTreeMap<String, Vec<u8>>,
}

/// What a case really gives: the expected files, by name, as they should be.
pub type Outcome = BTreeMap<&'static str, Vec<u8>>;

/// The files that are input; any other must be an expected one.
const INPUTS: &[&str] = &[
    "target.json",
    "request.json",
    "reply.json",
    "reply.sse",
    "reply.ndjson",
    "reply.b64",
    "status",
    "endpoint",
    "env.json",
    "request-headers.json",
    "reply-headers.json",
];

/// The files that are expected output.
pub const OUTPUTS: &[&str] =
    &["head.json", "native.json", "error.json", "openai.json", "openai.sse", "client.json", "client.sse"];

impl Case {
    fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }

    /// Runs the case and compares.
    ///
    /// # Errors
    /// Everything that differs, readably.
    pub fn check(&self) -> Result<(), String> {
        let outcome = self.run()?;
        let mut wrong = String::new();
        for name in OUTPUTS {
            match (self.file(name), outcome.get(name)) {
                (None, None) => {}
                (Some(_), None) => wrong += &format!("{name}: expected, but nothing of the kind came\n"),
                (None, Some(real)) => {
                    wrong += &format!("{name}: missing; this came\n{}\n", String::from_utf8_lossy(real));
                }
                (Some(expected), Some(real)) => wrong += &difference(name, expected, real),
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// Runs the case.
    ///
    /// # Errors
    /// When the case itself is wrong, or its result depends on where the stream was cut.
    pub fn run(&self) -> Result<Outcome, String> {
        for name in self.files.keys() {
            if !INPUTS.contains(&name.as_str()) && !OUTPUTS.contains(&name.as_str()) {
                return Err(format!("'{name}' is no file of a golden case"));
            }
        }
        let text = self.file("target.json").ok_or("target.json is missing")?;
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        let target = Target::from_json(text).map_err(|error| format!("target.json: {error}"))?;
        let mut outcome = Outcome::new();
        let endpoint = match self.file("endpoint") {
            None => Endpoint::Chat,
            Some(word) => Endpoint::named(String::from_utf8_lossy(word).trim())
                .ok_or_else(|| "endpoint: no such endpoint".to_owned())?,
        };
        let status = match self.file("status") {
            Some(text) => String::from_utf8_lossy(text).trim().parse().map_err(|_| "status is no number")?,
            None => 200,
        };
        let hub = matches!(endpoint, Endpoint::Chat | Endpoint::Embeddings);
        if let Some(variables) = self.file("env.json").or(if hub { None } else { Some(b"{}") }) {
            let (whole, streamed) =
                if hub { ("openai.json", "openai.sse") } else { ("client.json", "client.sse") };
            let mut exchange = Exchange::new(self.file("request.json"), endpoint, text, variables)?;
            if let Some(headers) = self.file("request-headers.json") {
                let headers: BTreeMap<String, String> = serde_json::from_slice(headers)
                    .map_err(|error| format!("request-headers.json: {error}"))?;
                exchange.request_headers = headers.into_iter().collect();
            }
            if let Some(headers) = self.file("reply-headers.json") {
                exchange.reply_headers = serde_json::from_slice(headers)
                    .map_err(|error| format!("reply-headers.json: {error}"))?;
            }
            match exchange.begin() {
                Ok((_, outgoing)) => {
                    // A case in a client's language is about bodies, unless it says otherwise.
                    if hub || self.file("env.json").is_some() {
                        outcome.insert("head.json", head(&outgoing)?);
                    }
                    outcome.insert("native.json", exchange.sent(&outgoing));
                    // With every string in a piece of its own the same is sent.
                    splice::mark_from(1);
                    let again = exchange.begin();
                    splice::mark_from(splice::LONG);
                    let (_, again) = again.map_err(|error| error.message)?;
                    if exchange.sent(&again) != exchange.sent(&outgoing) {
                        return Err("what is sent in pieces is something else".to_owned());
                    }
                }
                Err(error) => {
                    outcome.insert("error.json", failure_for(&error, endpoint));
                }
            }
            if let Some(body) = self.file("reply.json") {
                outcome.insert(whole, exchange.reply(status, "application/json", &[body])?);
            }
            for (name, content_type) in [
                ("reply.sse", "text/event-stream"),
                ("reply.ndjson", "application/x-ndjson"),
                ("reply.b64", "application/vnd.amazon.eventstream"),
            ] {
                let Some(body) = self.file(name) else { continue };
                let body = if name == "reply.b64" { unbase64(body)? } else { body.to_vec() };
                let client = |pieces: &[&[u8]]| exchange.reply(status, content_type, pieces);
                let most = if hub { usize::MAX } else { SOME_CUTS };
                outcome.insert(streamed, under_cuts(&body, most, client)?);
            }
            return Ok(outcome);
        }
        if let Some(body) = self.file("request.json") {
            let encoded = match endpoint {
                Endpoint::Embeddings => encode_embeddings(body, &target),
                _ => encode(body, &target),
            };
            match encoded {
                Ok(native) => outcome.insert("native.json", native),
                Err(error) => outcome.insert("error.json", failure(&error)),
            };
        }
        if let Some(body) = self.file("reply.json") {
            let reply = match endpoint {
                Endpoint::Embeddings => decode_embeddings(status, body, self.file("request.json"), &target),
                _ => decode(status, body, &target),
            };
            outcome.insert("openai.json", reply);
        }
        for (name, framing) in [
            ("reply.sse", Framing::Sse),
            ("reply.ndjson", Framing::Ndjson),
            ("reply.b64", target.provider.framing),
        ] {
            let Some(body) = self.file(name) else { continue };
            let body = if name == "reply.b64" { unbase64(body)? } else { body.to_vec() };
            let client = |pieces: &[&[u8]]| Ok(stream(pieces, framing, &target));
            outcome.insert("openai.sse", under_all_cuts(&body, client)?);
        }
        if outcome.is_empty() { Err("neither request.json nor a reply".to_owned()) } else { Ok(outcome) }
    }
}

fn unbase64(body: &[u8]) -> Result<Vec<u8>, String> {
    let text: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(text).map_err(|error| format!("reply.b64: {error}"))
}

/// The native body of a client's request: what an attempt does before and in [`dragoman_core::dialect::Dialect::encode`].
fn encode(body: &[u8], target: &Target) -> Result<Vec<u8>, Error> {
    let body = Body::read(body.to_vec())?;
    let mut request = ChatRequest::of(&body)?;
    for (name, value) in &target.params {
        request.default_param(name, Json::trusted(value));
    }
    let model = escaped(&target.model_for(&request.model.plain()));
    request.set_model(Str::spelled(&model));
    let quirks = &target.provider.quirks;
    let dialect = target.provider.dialect;
    screen(&mut request, dialect.supports().without(quirks.unsupported).without(quirks.ignored), target)?;
    let mut native = Vec::new();
    dialect.encode(&request, target, &mut native)?;
    Ok(native)
}

fn encode_embeddings(body: &[u8], target: &Target) -> Result<Vec<u8>, Error> {
    let mut request = EmbeddingsRequest::parse(body)?;
    if target.provider.embeddings.is_empty() {
        return Err(no_embeddings(target));
    }
    for (name, value) in &target.params {
        request.default_param(name, Json::trusted(value));
    }
    let model = escaped(&target.model_for(&request.model.plain()));
    request.set_model(Str::spelled(&model));
    screen_embeddings(&mut request, target)?;
    let mut native = Vec::new();
    target.provider.dialect.encode_embeddings(&request, target, &mut native)?;
    Ok(native)
}

/// A whole exchange: what an attempt makes of the request and of its reply.
struct Exchange<'c> {
    request: &'c [u8],
    endpoint: Endpoint,
    target: Rc<Target>,
    variables: BTreeMap<String, String>,
    request_headers: Vec<(String, String)>,
    reply_headers: BTreeMap<String, String>,
}

impl<'c> Exchange<'c> {
    fn new(
        request: Option<&'c [u8]>,
        endpoint: Endpoint,
        target: &str,
        variables: &[u8],
    ) -> Result<Self, String> {
        let request = request.ok_or("env.json needs request.json")?;
        let variables = serde_json::from_slice(variables).map_err(|error| format!("env.json: {error}"))?;
        let target = Rc::new(Target::from_json(target)?);
        Ok(Self {
            request,
            endpoint,
            target,
            variables,
            request_headers: Vec::new(),
            reply_headers: BTreeMap::new(),
        })
    }

    fn begin(&self) -> Result<(Attempt, Outgoing), Error> {
        let env = |name: &str| self.variables.get(name).cloned();
        let seal = Seal::of(None);
        let world = still::world(&env, &self.request_headers, &seal);
        let body = Body::read(self.request.to_vec())?;
        Attempt::begin(Rc::clone(&self.target), &Request::new(self.endpoint, body), &world)
    }

    /// The body that the provider gets.
    fn sent(&self, outgoing: &Outgoing) -> Vec<u8> {
        outgoing.pieces(&String::from_utf8_lossy(self.request)).concat()
    }

    /// What the client gets for a reply that comes in these pieces.
    fn reply(&self, status: u16, content_type: &str, pieces: &[&[u8]]) -> Result<Vec<u8>, String> {
        let (mut attempt, _) = self.begin().map_err(|error| error.message)?;
        let mut headers: Vec<(String, String)> = self.reply_headers.clone().into_iter().collect();
        headers.push(("content-type".to_owned(), content_type.to_owned()));
        let out = still::replied(&mut attempt, status, &headers, pieces);
        match attempt.failure() {
            Some(error) if content_type == "application/json" => Ok(failure_for(error, self.endpoint)),
            _ => Ok(out),
        }
    }
}

/// Where a request goes and with which headers.
fn head(outgoing: &Outgoing) -> Result<Vec<u8>, String> {
    let headers: BTreeMap<&str, &str> =
        outgoing.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let head =
        serde_json::json!({"authority": outgoing.authority, "path": outgoing.path, "headers": headers});
    serde_json::to_vec(&head).map_err(|error| error.to_string())
}

fn decode_embeddings(status: u16, body: &[u8], request: Option<&[u8]>, target: &Target) -> Vec<u8> {
    let dialect = target.provider.dialect;
    if status != 200 {
        return failure(&dialect.decode_error(status, body, target.provider.label));
    }
    let base64 =
        request.is_some_and(|body| EmbeddingsRequest::parse(body).is_ok_and(|request| request.base64));
    let mut writer = EmbeddingWriter::new(escaped(&target.model), base64);
    match dialect.decode_embeddings(body, &mut writer) {
        Ok(()) if writer.passes() => body.to_vec(),
        Ok(()) => {
            let mut out = Vec::new();
            writer.write(&mut out);
            out
        }
        Err(error) => failure(&error),
    }
}

fn decode(status: u16, body: &[u8], target: &Target) -> Vec<u8> {
    let dialect = target.provider.dialect;
    if status != 200 {
        return failure(&dialect.decode_error(status, body, target.provider.label));
    }
    let mut writer = CompletionWriter::new(ID, escaped(&target.model), NOW);
    match dialect.decode(body, &mut writer) {
        Ok(()) => {
            let mut out = Vec::new();
            writer.write(&mut out);
            out
        }
        Err(error) => failure(&error),
    }
}

/// How many ways of cutting are tried where a whole exchange is made for each: its decoder has seen them all elsewhere.
const SOME_CUTS: usize = 48;

/// What the client of a stream gets, which must not depend on where the stream is cut.
fn under_all_cuts(
    body: &[u8],
    client: impl Fn(&[&[u8]]) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    under_cuts(body, usize::MAX, client)
}

/// The same, tried in `most` ways at most.
fn under_cuts(
    body: &[u8],
    most: usize,
    client: impl Fn(&[&[u8]]) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let mut first: Option<Vec<u8>> = None;
    let ways = cuts::chunkings(body);
    let step = ways.len() / most + 1;
    for (how, pieces) in ways.into_iter().step_by(step) {
        let out = client(&pieces)?;
        match &first {
            None => first = Some(out),
            Some(whole) if *whole == out => {}
            Some(_) => return Err(format!("the stream reads otherwise when {how}")),
        }
    }
    first.ok_or_else(|| "no way to cut the stream".to_owned())
}

fn stream(pieces: &[&[u8]], framing: Framing, target: &Target) -> Vec<u8> {
    let mut decoder = target.provider.dialect.stream();
    let mut framer = framing.framer();
    let mut writer = ChunkWriter::new(ID, escaped(&target.model), NOW, true);
    match read(pieces, &mut *framer, &mut *decoder, &mut writer) {
        Ok(()) => writer.end(),
        Err(error) => writer.fail(&error),
    }
    writer.out
}

/// Feeds a stream's pieces to its decoder until it ends or fails.
///
/// # Errors
/// The stream's failure.
pub fn read(
    pieces: &[&[u8]],
    framer: &mut dyn Framer,
    decoder: &mut dyn StreamDecoder,
    sink: &mut dyn dragoman_core::openai::Sink,
) -> Result<(), Error> {
    for piece in pieces {
        framer.push(piece, &mut |frame| decoder.frame(frame, sink))?;
    }
    framer.end(&mut |frame| decoder.frame(frame, sink))?;
    decoder.end(sink)
}

fn failure(error: &Error) -> Vec<u8> {
    failure_for(error, Endpoint::Chat)
}

fn failure_for(error: &Error, endpoint: Endpoint) -> Vec<u8> {
    let language = endpoint.language();
    let mut value: Value = serde_json::from_slice(&language.error(error, "")).unwrap_or_default();
    value["status"] = language.status(error).into();
    serde_json::to_vec(&value).unwrap_or_default()
}

/// A JSON text in the form in which expected files are kept; other text as it is.
#[must_use]
pub fn kept(name: &str, real: &[u8]) -> Vec<u8> {
    if name.ends_with(".json")
        && let Ok(value) = serde_json::from_slice::<Value>(real)
        && let Ok(mut text) = serde_json::to_vec_pretty(&value)
    {
        text.push(b'\n');
        return text;
    }
    real.to_vec()
}

fn difference(name: &str, expected: &[u8], real: &[u8]) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if !name.ends_with(".json") {
        if expected == real {
            return String::new();
        }
        let (expected, real) = (text(expected), text(real));
        let line = expected.lines().zip(real.lines()).position(|(a, b)| a != b);
        let at = line.unwrap_or_else(|| expected.lines().count().min(real.lines().count()));
        let of = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
        return format!("{name}, line {}:\n  expected {}\n  came     {}\n", at + 1, of(&expected), of(&real));
    }
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).map_err(|error| error.to_string());
    match (parsed(expected), parsed(real)) {
        (Ok(expected), Ok(real)) => {
            let mut found = Vec::new();
            compare("", &expected, &real, &mut found);
            found.into_iter().map(|line| format!("{name}{line}\n")).collect()
        }
        (Err(error), _) => format!("{name} is not JSON: {error}\n"),
        (_, Err(error)) => format!("{name}: what came is not JSON: {error}\n{}\n", text(real)),
    }
}

/// Lists every place where two JSON values differ, by its path.
fn compare(path: &str, expected: &Value, real: &Value, found: &mut Vec<String>) {
    match (expected, real) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = format!("{path}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => compare(&path, a, b, found),
                    (Some(a), None) => found.push(format!("{path}: expected {a}, absent")),
                    (None, Some(b)) => found.push(format!("{path}: not expected, came {b}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}:\n  expected {a}\n  came     {b}")),
    }
}
