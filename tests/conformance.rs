//! Recorded provider traffic, decoded. Every case of `../shared/fixtures` of every provider known here must give what
//! the provider's own SDK made of the same bytes (`expected.json`), however a stream is cut.
//!
//! The recordings are read in place and never copied. `DRAGOMAN_SHARED` names another folder than `../shared`.
//! To add a provider: a line in [`KNOWN`].

use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::Engine as _;
use dragoman_core::dialect::{self, Dialect};
use dragoman_core::meter::Usage;
use dragoman_core::wire::{Frame, Framing, eventstream};
use dragoman_tests::{Recording, cuts, golden};
use serde_json::{Value, json};

/// A folder of recordings and how to read it.
struct Known {
    folder: &'static str,
    dialect: &'static dyn Dialect,
    /// Our token counts in the provider's own terms.
    counts: fn(&Usage) -> Counts,
}

/// Token counts as `expected.json` has them.
#[derive(Debug, PartialEq, Eq)]
struct Counts {
    input: u64,
    output: u64,
    cached_read: Option<u64>,
    cache_write: Option<u64>,
    reasoning: Option<u64>,
}

/// The prompt's count includes cached tokens, the output's includes reasoning: ours.
const fn inclusive(usage: &Usage) -> Counts {
    Counts {
        input: usage.input,
        output: usage.output,
        cached_read: usage.cached,
        cache_write: usage.cache_write,
        reasoning: usage.reasoning,
    }
}

/// xAI's output leaves reasoning out.
fn without_reasoning(usage: &Usage) -> Counts {
    Counts { output: usage.output.saturating_sub(usage.reasoning.unwrap_or(0)), ..inclusive(usage) }
}

/// Cohere counts reasoning on the wire; its SDK does not know the field.
const fn reasoning_unread(usage: &Usage) -> Counts {
    Counts { reasoning: None, ..inclusive(usage) }
}

/// Bedrock's and Anthropic's input leaves cached tokens out.
fn without_cached(usage: &Usage) -> Counts {
    let cached = usage.cached.unwrap_or(0) + usage.cache_write.unwrap_or(0);
    Counts { input: usage.input.saturating_sub(cached), ..inclusive(usage) }
}

static KNOWN: &[Known] = &[
    Known { folder: "openai", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "azure", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "groq", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "deepseek", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "xai", dialect: &dialect::openai::OPENAI, counts: without_reasoning },
    Known { folder: "together", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "cerebras", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "openrouter", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "perplexity", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "huggingface", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "bedrock-converse", dialect: &dialect::converse::CONVERSE, counts: without_cached },
    Known {
        folder: "bedrock-converse-stream",
        dialect: &dialect::converse::CONVERSE,
        counts: without_cached,
    },
    Known { folder: "zai", dialect: &dialect::openai::OPENAI, counts: inclusive },
    Known { folder: "cohere", dialect: &dialect::cohere::COHERE, counts: reasoning_unread },
    Known { folder: "mistral", dialect: &dialect::mistral::MISTRAL, counts: inclusive },
    Known { folder: "ollama", dialect: &dialect::ollama::OLLAMA, counts: inclusive },
    Known { folder: "gemini", dialect: &dialect::gemini::GEMINI, counts: without_reasoning },
    Known { folder: "vertex", dialect: &dialect::gemini::VERTEX, counts: without_reasoning },
    Known { folder: "anthropic", dialect: &dialect::anthropic::ANTHROPIC, counts: without_cached },
    Known { folder: "vertex-anthropic", dialect: &dialect::anthropic::IN_VERTEX, counts: without_cached },
    Known {
        folder: "bedrock-invoke-anthropic",
        dialect: &dialect::anthropic::IN_BEDROCK,
        counts: without_cached,
    },
];

/// Cases whose oracle is blind to counts that the provider does send, by the end of the case's name.
const BLIND: &[(&str, &str)] = &[
    ("web-search-tool-stream-0-27af", "the SDK does not read Groq's `x_groq.usage`"),
    ("hide-inputs-0-eb5d", "the SDK does not read Together's `usage.cached_tokens`"),
];

/// Recorded streams that lack their provider's own end: they must be refused, by the end of the case's name.
const CUT: &[&str] = &["vertex/stream-streaming-failure-empty-content-0-f130"];

/// Errors whose status we give better than the provider, by the end of the case's name.
const RECLASSED: &[(&str, u64)] = &[("gemini/error-google-streaming-returns-usage-metrics-0-801e", 401)];

/// The framing of a stream by its name in `meta.json`; `None` for a whole body.
fn framing(name: &str) -> Option<Framing> {
    match name {
        "json" => None,
        "sse" => Some(Framing::Sse),
        "ndjson" => Some(Framing::Ndjson),
        "json-array" => Some(Framing::JsonArray),
        "aws-eventstream" => Some(Framing::EventStream),
        other => panic!("no framing is known by the name '{other}'"),
    }
}

fn shared() -> PathBuf {
    env::var_os("DRAGOMAN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from)
}

#[test]
fn recordings() {
    let root = shared().join("fixtures");
    if !root.is_dir() {
        println!(
            "NO RECORDINGS at {}: conformance was not tested. DRAGOMAN_SHARED names the folder.",
            root.display()
        );
        return;
    }
    let (mut failures, mut total) = (Vec::new(), 0);
    for known in KNOWN {
        let mut cases: Vec<PathBuf> = fs::read_dir(root.join(known.folder))
            .unwrap_or_else(|error| panic!("{}: {error}", known.folder))
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.join("expected.json").is_file())
            .collect();
        cases.sort();
        let mut readings = 0;
        for case in &cases {
            match check(case, known) {
                Ok(ways) => readings += ways,
                Err(wrong) => {
                    let name = case.file_name().unwrap().to_string_lossy();
                    failures.push(format!("== {}/{name}\n{wrong}", known.folder));
                }
            }
        }
        println!("{:<28}{:>3} cases, {readings} readings", known.folder, cases.len());
        assert!(!cases.is_empty(), "{} has no cases", known.folder);
        total += cases.len();
    }
    println!("{total} recorded cases of {} providers", KNOWN.len());
    assert!(failures.is_empty(), "{} of {total} failed\n{}", failures.len(), failures.join("\n"));
}

/// Messages of the binary event stream as its vendor's own decoder reads them, and those that it refuses.
#[test]
fn event_stream_vectors() {
    let folder = shared().join("fixtures/aws-eventstream");
    if !folder.is_dir() {
        println!("NO RECORDINGS at {}: the vectors were not tested.", folder.display());
        return;
    }
    let cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    for case in &cases {
        let expected = read_json(&case.join("expected.json"));
        let body = fs::read(case.join("response.body")).unwrap();
        let name = case.display();
        let read = eventstream::Message::read(&body);
        assert_eq!(read.is_ok(), expected["valid"].as_bool().unwrap(), "{name}");
        for (how, pieces) in cuts::chunkings(&body) {
            let mut framer = Framing::EventStream.framer();
            let mut payloads = Vec::new();
            let mut each = |frame: Frame<'_>| {
                payloads.push(json!(frame.data));
                Ok(())
            };
            let fed = pieces.iter().try_for_each(|piece| framer.push(piece, &mut each));
            let fed = fed.and_then(|()| framer.end(&mut each));
            assert_eq!(fed.is_ok(), read.is_ok(), "{name}, {how}");
            let wanted: Vec<Value> =
                expected["frames"].as_array().unwrap().iter().map(|frame| frame["payload"].clone()).collect();
            assert_eq!(payloads, wanted, "{name}, {how}");
        }
        let Ok(message) = read else { continue };
        let headers: serde_json::Map<String, Value> =
            message.headers.iter().map(|(name, value)| ((*name).to_owned(), header(*value))).collect();
        assert_eq!(Value::Object(headers), expected["frames"][0]["headers"], "{name}");
    }
    println!("{} vectors of the event stream", cases.len());
    assert!(cases.len() >= 4);
}

fn header(value: eventstream::Value<'_>) -> Value {
    match value {
        eventstream::Value::Bool(value) => json!(value),
        eventstream::Value::Integer(value) | eventstream::Value::Timestamp(value) => json!(value),
        eventstream::Value::Text(value) => json!(value),
        eventstream::Value::Bytes(value) | eventstream::Value::Uuid(value) => {
            json!(base64::engine::general_purpose::STANDARD.encode(value))
        }
    }
}

fn read_json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Checks a case; gives the number of ways in which its bytes were fed.
fn check(case: &Path, known: &Known) -> Result<usize, String> {
    let meta = read_json(&case.join("meta.json"));
    let mut expected = read_json(&case.join("expected.json"));
    let body = fs::read(case.join("response.body")).map_err(|error| error.to_string())?;
    let status = meta["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
    let (mut recording, ways) = match framing(meta["framing"].as_str().unwrap_or_default()) {
        Some(framing) if status == 200 => stream(&body, framing, known.dialect)?,
        _ => (whole(status, &body, known.dialect), 1),
    };
    let mut wrong = Vec::new();
    let name = case.to_string_lossy();
    let cut = CUT.iter().any(|end| name.ends_with(end));
    if cut {
        let code = recording.error.take().and_then(|error| error.code);
        if code.as_deref() != Some("stream_truncated") {
            wrong.push(format!("a stream without its end gave {code:?}"));
        }
    }
    if let Some((_, status)) = RECLASSED.iter().find(|(end, _)| name.ends_with(end)) {
        expected["error"]["status"] = json!(status);
    }
    compare(&recording, &expected, &mut wrong);
    if expected.get("text").is_some() && !BLIND.iter().any(|(end, _)| name.ends_with(end)) {
        compare_usage(&recording, &expected["usage"], known, &mut wrong);
    }
    if wrong.is_empty() { Ok(ways) } else { Err(wrong.join("\n")) }
}

fn whole(status: u16, body: &[u8], dialect: &dyn Dialect) -> Recording {
    let mut recording = Recording::default();
    recording.error = match status {
        200 => dialect.decode(body, &mut recording).err(),
        _ => Some(dialect.decode_error(status, body, "The provider")),
    };
    recording
}

fn stream(body: &[u8], framing: Framing, dialect: &dyn Dialect) -> Result<(Recording, usize), String> {
    let mut first: Option<Recording> = None;
    let ways = cuts::chunkings(body);
    for (how, pieces) in &ways {
        let mut recording = Recording::default();
        recording.error =
            golden::read(pieces, &mut *framing.framer(), &mut *dialect.stream(), &mut recording).err();
        match &first {
            None => first = Some(recording),
            Some(whole) if *whole == recording => {}
            Some(whole) => return Err(format!("{how} reads otherwise:\n{recording:#?}\nwhole:\n{whole:#?}")),
        }
    }
    Ok((first.unwrap_or_default(), ways.len()))
}

fn compare(recording: &Recording, expected: &Value, wrong: &mut Vec<String>) {
    let mut differs = |what: &str, expected: &Value, came: Value| {
        if *expected != came {
            wrong.push(format!("{what}:\n  expected {expected}\n  came     {came}"));
        }
    };
    differs("broken rules", &json!([]), json!(recording.faults));
    let error = &expected["error"];
    if !error.is_null() {
        compare_error(recording, error, &mut differs);
        if expected.get("text").is_none() {
            return;
        }
    } else if let Some(error) = &recording.error {
        differs("error", &Value::Null, json!(format!("{error:?}")));
    }
    differs("text", &expected["text"], json!(recording.text));
    // A plan made before calling tools is told as reasoning.
    let thoughts = ["reasoning_text", "tool_plan"].map(|name| expected[name].as_str().unwrap_or_default());
    differs("reasoning_text", &json!(thoughts.concat()), json!(recording.reasoning));
    differs("finish", &expected["finish"], json!(recording.finish.as_ref().map(|(_, native)| native)));
    for (name, count) in
        [("signatures", recording.signatures), ("redacted_thinking_blocks", recording.redacted)]
    {
        if let Some(expected) = expected.get(name) {
            differs(name, expected, json!(count));
        }
    }
    if let Some(refusal) = expected.get("refusal") {
        differs("refusal", refusal, json!(recording.refusal));
    }
    if let Some(choices) = expected.get("choices") {
        differs("choices", choices, json!(recording.choices.len()));
    }
    compare_calls(recording, expected, &mut differs);
}

fn compare_usage(recording: &Recording, usage: &Value, known: &Known, wrong: &mut Vec<String>) {
    let count = |name: &str| usage[name].as_u64();
    let expected = (!usage.is_null()).then(|| Counts {
        input: count("input").unwrap_or(0),
        output: count("output").unwrap_or(0),
        cached_read: count("cached_read"),
        cache_write: count("cache_write"),
        reasoning: count("reasoning"),
    });
    let came = recording.usage.as_ref().map(known.counts);
    if came != expected {
        wrong.push(format!("usage:\n  expected {expected:?}\n  came     {came:?}"));
    }
}

fn compare_calls(recording: &Recording, expected: &Value, differs: &mut impl FnMut(&str, &Value, Value)) {
    let calls = expected["tool_calls"].as_array().cloned().unwrap_or_default();
    differs("number of tool calls", &json!(calls.len()), json!(recording.calls.len()));
    for (expected, call) in calls.iter().zip(&recording.calls) {
        if expected["id"].is_string() {
            differs("tool call id", &expected["id"], json!(call.id));
        }
        differs("tool call name", &expected["name"], json!(call.name));
        let text = if call.arguments.is_empty() { "{}" } else { &call.arguments };
        match expected.get("arguments_raw") {
            Some(raw) => differs("tool call arguments", raw, json!(text)),
            None if expected["arguments"].is_null() => {
                differs(
                    "tool call arguments",
                    &json!("null or {}"),
                    match text {
                        "null" | "{}" => json!("null or {}"),
                        other => json!(other),
                    },
                );
            }
            None => {
                let parsed = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
                differs("tool call arguments", &expected["arguments"], parsed);
            }
        }
    }
}

/// Status and message to the letter; a code where the provider gave a word for one.
fn compare_error(recording: &Recording, error: &Value, differs: &mut impl FnMut(&str, &Value, Value)) {
    let Some(came) = &recording.error else {
        return differs("error", error, Value::Null);
    };
    if error["status"].is_number() {
        differs("error status", &error["status"], json!(came.http_status()));
    }
    differs("error message", &error["message"], json!(came.message));
    if let Some(code) = error["code"].as_str().filter(|code| code.parse::<u32>().is_err()) {
        differs("error code", &json!(code), json!(came.code));
    }
    // The provider's own type is in our error, or ours says the same; a word of its own is kept.
    if let (Some(expected), Some(type_)) = (error["type"].as_str(), &came.type_) {
        differs("error type", &json!(expected), json!(type_));
    }
}
