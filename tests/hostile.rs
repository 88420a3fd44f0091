//! Bytes that nobody meant to send. Whatever comes, a decoder answers; it never panics, since a panic takes a worker's
//! VM and everybody's streams with it.

use std::collections::BTreeMap;
use std::path::Path;
use std::{env, fs};

use dragoman_core::attempt::Attempt;
use dragoman_core::client::responses::Seal;
use dragoman_core::client::{Endpoint, Request};
use dragoman_core::config::Target;
use dragoman_core::openai::body::Body;
use dragoman_core::openai::{ChunkWriter, CompletionWriter};
use dragoman_core::provider;
use dragoman_tests::cuts::Seeded;
use dragoman_tests::{golden, still};

/// How many variations of each seed are tried.
const ROUNDS: usize = 12;

/// What a body is spoilt with.
const SPOILERS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\n\n",
    b"\r",
    b"data: ",
    b"event: error\n",
    b"\xff",
    b"\xf0\x9f",
    b"\\ud800",
    b"\0",
    b"{}",
    b"[]",
    b"true",
];

/// The files of a kind in the golden corpus.
fn seeds(names: &[&str]) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut found = BTreeMap::new();
    for dialect in fs::read_dir(root).unwrap().flatten() {
        for case in fs::read_dir(dialect.path()).unwrap().flatten() {
            for name in names {
                if let Ok(body) = fs::read(case.path().join(name)) {
                    found.insert(case.path().join(name), body);
                }
            }
        }
    }
    assert!(found.len() > 10, "the corpus has {names:?}");
    found.into_values().collect()
}

fn spoilt(body: &[u8], seeded: &mut Seeded) -> Vec<u8> {
    let mut body = body.to_vec();
    for _ in 0..=seeded.below(3) {
        let at = seeded.below(body.len().max(1)).min(body.len());
        match seeded.below(4) {
            0 => body.truncate(at),
            1 => drop(body.drain(at..(at + 1 + seeded.below(20)).min(body.len()))),
            2 => {
                let spoiler = SPOILERS[seeded.below(SPOILERS.len())];
                body.splice(at..at, spoiler.iter().copied());
            }
            _ => {
                let copied: Vec<u8> = body.iter().skip(at).take(seeded.below(60)).copied().collect();
                let to = seeded.below(body.len().max(1)).min(body.len());
                body.splice(to..to, copied);
            }
        }
    }
    body
}

/// Vendors of every language: one for each path that a chat request can take.
fn rows() -> Vec<&'static provider::Provider> {
    let mut rows: Vec<&'static provider::Provider> = Vec::new();
    for row in provider::all() {
        if !row.chat.is_empty() && !rows.iter().any(|known| known.chat == row.chat) {
            rows.push(row);
        }
    }
    assert!(rows.len() >= 3, "the vendors' table has languages");
    rows
}

/// Whether a text is JSON; numbers may be larger than a machine's.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(text).is_ok()
}

#[test]
fn replies() {
    let mut seeded = Seeded::new(7);
    let bodies = seeds(&["reply.json"]);
    for row in rows() {
        for body in &bodies {
            for _ in 0..ROUNDS {
                let body = spoilt(body, &mut seeded);
                let mut writer = CompletionWriter::new("id", "m", 1);
                if row.dialect.decode(&body, &mut writer).is_ok() {
                    let mut out = Vec::new();
                    writer.write(&mut out);
                    assert!(is_json(&out), "{}: {}", row.name, String::from_utf8_lossy(&out));
                }
                let error = row.dialect.decode_error(429, &body, row.label);
                assert!(is_json(&error.to_openai()));
            }
        }
    }
}

#[test]
fn streams() {
    let mut seeded = Seeded::new(11);
    let bodies = seeds(&["reply.sse", "reply.ndjson"]);
    for row in rows() {
        for body in &bodies {
            for _ in 0..ROUNDS {
                let body = spoilt(body, &mut seeded);
                let mut writer = ChunkWriter::new("id", "m", 1, true);
                let pieces: Vec<&[u8]> = body.chunks(1 + seeded.below(400)).collect();
                let (mut framer, mut decoder) = (row.framing.framer(), row.dialect.stream());
                match golden::read(&pieces, &mut *framer, &mut *decoder, &mut writer) {
                    Ok(()) => writer.end(),
                    Err(error) => writer.fail(&error),
                }
                let text = String::from_utf8(writer.out).expect("a client gets UTF-8");
                for event in text.split("\n\n").filter(|event| !event.is_empty() && *event != "data: [DONE]")
                {
                    let data = event.strip_prefix("data: ").expect("each event is data");
                    assert!(is_json(data.as_bytes()), "{}: {data}", row.name);
                }
            }
        }
    }
}

#[test]
fn requests() {
    let mut seeded = Seeded::new(13);
    let bodies = seeds(&["request.json"]);
    let env = |_: &str| Some("key".to_owned());
    let seal = Seal::of(None);
    let world = still::world(&env, &[], &seal);
    let mut rounds = Endpoint::ALL.iter().filter(|endpoint| **endpoint != Endpoint::Embeddings).cycle();
    for row in rows() {
        let settings: BTreeMap<&str, &str> = row.settings.iter().map(|(name, _)| (*name, "x")).collect();
        let target = serde_json::json!({
            "id": "t", "provider": row.name, "model": "claude-sonnet-4-5", "base_url": "http://localhost:1",
            "drop_params": true, "settings": settings,
        });
        let Ok(target) = Target::from_json(&target.to_string()) else { continue };
        let target = std::rc::Rc::new(target);
        for body in &bodies {
            for _ in 0..ROUNDS {
                let Ok(body) = Body::read(spoilt(body, &mut seeded)) else { continue };
                // Every language meets every body: one that is of another is hostile enough.
                let endpoint = *rounds.next().unwrap();
                let asked = Request::new(endpoint, body);
                if let Ok((_, outgoing)) = Attempt::begin(target.clone(), &asked, &world) {
                    let sent = outgoing.pieces(asked.body.text()).concat();
                    assert!(is_json(&sent), "{}: {}", row.name, String::from_utf8_lossy(&sent));
                }
            }
        }
    }
}
