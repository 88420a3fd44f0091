//! Recorded traffic of vendors that speak OpenAI's language, through a whole attempt: what passes to the client must say
//! what the vendor said, in OpenAI's words, however the reply is cut.
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
use dragoman_core::dialect::openai::OPENAI;
use dragoman_core::openai::Body;
use dragoman_core::wire::Framing;
use dragoman_tests::{Recording, cuts, golden, still};
use serde_json::Value;

/// Folders of recordings, the provider each is of, and the address where that row needs one.
const VENDORS: &[(&str, &str, &str)] = &[
    ("openai", "openai", ""),
    ("azure", "azure", "https://res.openai.azure.com"),
    ("groq", "groq", ""),
    ("deepseek", "deepseek", ""),
    ("xai", "xai", ""),
    ("together", "together_ai", ""),
    ("cerebras", "cerebras", ""),
    ("openrouter", "openrouter", ""),
    ("perplexity", "perplexity", ""),
    ("huggingface", "huggingface", ""),
    ("zai", "zai", ""),
];

struct Reply {
    bytes: Vec<u8>,
    stream: bool,
    failed: bool,
}

fn reply(target: &Rc<Target>, stream: bool, content_type: &str, status: u16, pieces: &[&[u8]]) -> Reply {
    let request = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"Hi"}}],"stream":{stream},"stream_options":{{"include_usage":true}}}}"#
    );
    let request = Request::new(Endpoint::Chat, Body::read(request.into_bytes()).unwrap());
    let env = |_: &str| None;
    let seal = Seal::of(None);
    let world = still::world(&env, &[], &seal);
    let (mut attempt, _) = Attempt::begin(Rc::clone(target), &request, &world).unwrap();
    let headers = [("content-type".to_owned(), content_type.to_owned())];
    let bytes = still::replied(&mut attempt, status, &headers, pieces);
    Reply { bytes, stream, failed: attempt.failure().is_some() }
}

/// What an answer says, its failure's wording left out.
fn said(body: &[u8], stream: bool) -> Recording {
    let mut recording = Recording::default();
    let read = if stream {
        golden::read(&[body], &mut *Framing::Sse.framer(), &mut *OPENAI.stream(), &mut recording)
    } else {
        OPENAI.decode(body, &mut recording)
    };
    recording.error = read.err();
    recording
}

/// The keys of messages and deltas, and the finish reasons, in an answer for a client.
fn words(reply: &Reply) -> Vec<String> {
    let text = String::from_utf8(reply.bytes.clone()).unwrap();
    let objects: Vec<Value> = if reply.stream {
        let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    } else {
        vec![serde_json::from_str(&text).unwrap()]
    };
    let mut found = Vec::new();
    for choice in objects.iter().filter_map(|object| object["choices"].as_array()).flatten() {
        found.extend(choice["finish_reason"].as_str().map(|word| format!("finish:{word}")));
        for message in [&choice["delta"], &choice["message"]] {
            let keys = message.as_object().into_iter().flatten();
            found.extend(keys.filter(|(_, value)| value.is_string()).map(|(key, _)| key.clone()));
        }
    }
    found
}

fn check(case: &Path, target: &Rc<Target>) -> usize {
    let meta: Value = serde_json::from_slice(&fs::read(case.join("meta.json")).unwrap()).unwrap();
    let body = fs::read(case.join("response.body")).unwrap();
    let status = u16::try_from(meta["status"].as_u64().unwrap()).unwrap();
    let stream = meta["framing"] == "sse" && status == 200;
    let content_type = if stream { "text/event-stream" } else { "application/json" };
    let ways = if stream { cuts::chunkings(&body) } else { vec![("whole".to_owned(), vec![&*body])] };
    let mut first: Option<Vec<u8>> = None;
    for (how, pieces) in &ways {
        let reply = reply(target, stream, content_type, status, pieces);
        if let Some(first) = &first {
            assert!(*first == reply.bytes, "{}: the client gets something else when {how}", case.display());
            continue;
        }
        if status >= 400 {
            let error: Value = serde_json::from_slice(&reply.bytes).unwrap();
            assert!(error["error"]["message"].is_string() && reply.failed, "{}: {error}", case.display());
        } else {
            let (mut vendors, mut clients) = (said(&body, stream), said(&reply.bytes, stream));
            assert_eq!(reply.failed, vendors.error.is_some(), "{}", case.display());
            assert_eq!(clients.error.take().is_some(), vendors.error.take().is_some(), "{}", case.display());
            // The client reads OpenAI's word where the vendor had one of its own.
            for recording in [&mut vendors, &mut clients] {
                recording.finish = recording.finish.take().map(|(reason, _)| (reason, String::new()));
            }
            assert_eq!(vendors, clients, "{}", case.display());
            let words = words(&reply);
            assert!(!words.iter().any(|word| word == "reasoning"), "{}: {words:?}", case.display());
            assert!(!words.iter().any(|word| word == "finish:eos"), "{}: {words:?}", case.display());
        }
        first = Some(reply.bytes);
    }
    ways.len()
}

#[test]
fn what_passes_says_what_was_said() {
    let shared = env::var_os("DRAGOMAN_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let root = shared.join("fixtures");
    if !root.is_dir() {
        println!("NO RECORDINGS at {}: not tested. DRAGOMAN_SHARED names the folder.", root.display());
        return;
    }
    for (folder, provider, base) in VENDORS {
        let mut target = serde_json::json!({"id": "t", "provider": provider, "model": "m"});
        if !base.is_empty() {
            target["base_url"] = (*base).into();
        }
        let target = Rc::new(Target::from_json(&target.to_string()).unwrap());
        let mut cases: Vec<PathBuf> =
            fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        cases.retain(|case| case.join("meta.json").is_file());
        cases.sort();
        assert!(!cases.is_empty(), "{folder} has no cases");
        let readings: usize = cases.iter().map(|case| check(case, &target)).sum();
        println!("{folder:<28}{:>3} cases, {readings} readings", cases.len());
    }
}
