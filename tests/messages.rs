//! Recorded traffic of every vendor, to a client that speaks Anthropic's Messages: its stream keeps Anthropic's grammar, and
//! says what the vendor said, however the reply is cut.
//!
//! The recordings are read in place, as in `conformance.rs`.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::{env, fs};

use dragoman_core::attempt::Attempt;
use dragoman_core::client::responses::Seal;
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::Target;
use dragoman_core::dialect::Dialect;
use dragoman_core::dialect::anthropic::ANTHROPIC;
use dragoman_core::openai::{Body, FinishReason};
use dragoman_core::wire::Framing;
use dragoman_tests::{Recording, cuts, golden, still};
use serde_json::{Value, json};

/// Folders of recordings, the provider each is of, and a model of its.
const VENDORS: &[(&str, &str, &str)] = &[
    ("openai", "openai", "gpt-4o"),
    ("groq", "groq", "m"),
    ("deepseek", "deepseek", "m"),
    ("xai", "xai", "m"),
    ("together", "together_ai", "m"),
    ("cerebras", "cerebras", "m"),
    ("openrouter", "openrouter", "m"),
    ("perplexity", "perplexity", "m"),
    ("huggingface", "huggingface", "m"),
    ("zai", "zai", "m"),
    ("anthropic", "anthropic", "claude-sonnet-4-5"),
    ("vertex-anthropic", "vertex_ai", "claude-sonnet-4-5"),
    ("bedrock-invoke-anthropic", "bedrock_invoke", "anthropic.claude-sonnet-4-5"),
    ("bedrock-converse", "bedrock", "anthropic.claude-sonnet-4-5"),
    ("bedrock-converse-stream", "bedrock", "anthropic.claude-sonnet-4-5"),
    ("gemini", "gemini", "gemini-2.5-flash"),
    ("vertex", "vertex_ai", "gemini-2.5-flash"),
    ("cohere", "cohere", "command-a"),
    ("mistral", "mistral", "m"),
    ("ollama", "ollama", "m"),
];

fn target(provider: &str, model: &str) -> Rc<Target> {
    let settings = json!({"vertex_project": "p", "vertex_location": "us", "aws_region_name": "eu-west-1"});
    let target =
        json!({"id": "t", "provider": provider, "model": model, "api_key": "k", "settings": settings});
    Rc::new(Target::from_json(&target.to_string()).unwrap())
}

struct Reply {
    bytes: Vec<u8>,
    failed: bool,
}

fn reply(target: &Rc<Target>, content_type: &str, stream: bool, pieces: &[&[u8]]) -> Reply {
    let request = json!({"model": "m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]});
    let request = Request::new(Endpoint::Messages, Body::read(request.to_string().into_bytes()).unwrap());
    let env = |_: &str| None;
    let seal = Seal::of(None);
    let world = still::world(&env, &[], &seal);
    let (mut attempt, _) = Attempt::begin(Rc::clone(target), &request, &world).unwrap();
    let headers = [("content-type".to_owned(), content_type.to_owned())];
    let bytes = still::replied(&mut attempt, 200, &headers, pieces);
    Reply { bytes, failed: attempt.failure().is_some() }
}

/// What is wrong with a stream by Anthropic's grammar.
fn grammar(stream: &str) -> Result<(), String> {
    let mut open: Option<String> = None;
    let (mut next, mut started, mut delta, mut stopped) = (0, false, false, false);
    for event in stream.split("\n\n").filter(|event| !event.is_empty()) {
        let (name, data) = event.split_once('\n').ok_or(event)?;
        let name = name.strip_prefix("event: ").ok_or(event)?;
        let data: Value =
            serde_json::from_str(data.strip_prefix("data: ").ok_or(event)?).map_err(|e| e.to_string())?;
        let here = data["index"].as_u64() == Some(next);
        let right = !stopped
            && data["type"] == name
            && match name {
                "message_start" => {
                    !std::mem::replace(&mut started, true) && data["message"]["content"] == json!([])
                }
                "ping" => started,
                "content_block_start" => {
                    let fits = started && open.is_none() && here && !delta;
                    open = data["content_block"]["type"].as_str().map(str::to_owned);
                    fits
                }
                "content_block_delta" => {
                    let kind = data["delta"]["type"].as_str().unwrap_or_default();
                    here && matches!(
                        (open.as_deref(), kind),
                        (Some("text"), "text_delta" | "citations_delta")
                            | (Some("thinking"), "thinking_delta" | "signature_delta")
                            | (Some("tool_use"), "input_json_delta")
                    )
                }
                "content_block_stop" => {
                    next += 1;
                    here && open.take().is_some()
                }
                "message_delta" => {
                    open.is_none()
                        && !std::mem::replace(&mut delta, true)
                        && data["delta"]["stop_reason"].is_string()
                        && data["usage"]["output_tokens"].is_u64()
                }
                "message_stop" => {
                    stopped = true;
                    delta
                }
                "error" => {
                    stopped = true;
                    data["error"]["message"].is_string()
                }
                _ => false,
            };
        if !right {
            return Err(format!("not here: {event}"));
        }
    }
    if stopped { Ok(()) } else { Err("no end".to_owned()) }
}

/// What both readings must agree on: who reads Messages sees one block of text for many, and ids of its own.
fn essence(recording: Recording) -> (String, String, Vec<(String, Value)>, Option<FinishReason>) {
    // Arguments that were cut short are shown in an object, as an input must be one.
    let arguments = |text: &str| match serde_json::from_str(text) {
        Ok(value) => value,
        Err(_) if text.is_empty() => json!({}),
        Err(_) => json!({"arguments": text}),
    };
    let calls: Vec<_> =
        recording.calls.iter().map(|call| (call.name.clone(), arguments(&call.arguments))).collect();
    let finish = recording.finish.map(|(reason, _)| reason);
    let finish = finish.map(|reason| {
        if calls.is_empty() || reason != FinishReason::Stop { reason } else { FinishReason::ToolCalls }
    });
    let finish = if recording.refusal.is_empty() { finish } else { Some(FinishReason::ContentFilter) };
    (recording.text + &recording.refusal, recording.reasoning, calls, finish)
}

fn read(body: &[u8], framing: Option<Framing>, dialect: &dyn Dialect) -> Recording {
    let mut recording = Recording::default();
    let read = match framing {
        Some(framing) => {
            golden::read(&[body], &mut *framing.framer(), &mut *dialect.stream(), &mut recording)
        }
        None => dialect.decode(body, &mut recording),
    };
    recording.error = read.err();
    recording
}

/// Checks one recording; how many readings that took.
fn check(case: &Path, target: &Rc<Target>) -> Result<usize, String> {
    let meta: Value = serde_json::from_slice(&fs::read(case.join("meta.json")).unwrap()).unwrap();
    if meta["status"] != 200 {
        return Ok(0);
    }
    let body = fs::read(case.join("response.body")).unwrap();
    let stream = meta["framing"] != "json";
    let provider = target.provider;
    let content_type = match provider.framing {
        _ if !stream => "application/json",
        Framing::Sse => "text/event-stream",
        Framing::Ndjson => "application/x-ndjson",
        _ => "application/vnd.amazon.eventstream",
    };
    let native = provider.dialect.speaks(Endpoint::Messages).is_some();
    let said = read(&body, stream.then_some(provider.framing), provider.dialect);
    let whole = reply(target, content_type, stream, &[&body]);
    if whole.failed != said.error.is_some() {
        return Err(format!("it fails otherwise than its vendor's: {:?}", said.error));
    }
    if native && provider.framing == Framing::Sse && !whole.failed && whole.bytes != body {
        return Err("it does not pass byte for byte".to_owned());
    }
    if stream && !native {
        let text = String::from_utf8(whole.bytes.clone()).unwrap();
        grammar(&text).map_err(|wrong| format!("{wrong}\n{text}"))?;
    }
    if !whole.failed {
        let heard = read(&whole.bytes, stream.then_some(Framing::Sse), &ANTHROPIC);
        let (heard, said) = (essence(heard), essence(said));
        if heard != said {
            return Err(format!("heard {heard:?}\n said {said:?}"));
        }
    }
    let ways = if stream { cuts::chunkings(&body) } else { Vec::new() };
    for (how, pieces) in ways.iter().step_by(ways.len() / 24 + 1) {
        if reply(target, content_type, stream, pieces).bytes != whole.bytes {
            return Err(format!("the client gets something else when {how}"));
        }
    }
    Ok(1 + ways.len().min(24))
}

#[test]
fn every_vendors_answer_is_a_message() {
    let shared = env::var_os("DRAGOMAN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let root = shared.join("fixtures");
    if !root.is_dir() {
        println!("NO RECORDINGS at {}: not tested. DRAGOMAN_SHARED names the folder.", root.display());
        return;
    }
    let mut wrong = Vec::new();
    for (folder, provider, model) in VENDORS {
        let target = target(provider, model);
        let mut cases: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.retain(|case| case.join("meta.json").is_file());
        cases.sort();
        assert!(!cases.is_empty(), "{folder} has no cases");
        let mut readings = 0;
        for case in &cases {
            match check(case, &target) {
                Ok(count) => readings += count,
                Err(why) => wrong.push(format!("== {}\n{why}", case.display())),
            }
        }
        println!("{folder:<28}{:>3} cases, {readings} readings", cases.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
