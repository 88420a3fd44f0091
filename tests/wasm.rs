//! The golden corpus in wasm: 32-bit pointers, another vector unit, no files.
//!
//! `cargo test -p dragoman-tests --test wasm --target wasm32-unknown-unknown`, with wasm-bindgen-test-runner as runner.
#![cfg(target_arch = "wasm32")]

use dragoman_tests::Case;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// A case's name and its files.
type Embedded = (&'static str, &'static [(&'static str, &'static [u8])]);

static CORPUS: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/corpus.rs"));

#[wasm_bindgen_test]
fn golden_in_wasm() {
    let mut failures = Vec::new();
    for (name, files) in CORPUS {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let case = Case { name: (*name).to_owned(), files };
        if let Err(wrong) = case.check() {
            failures.push(format!("== {name}\n{wrong}"));
        }
    }
    console_log!("{} golden cases in wasm", CORPUS.len());
    assert!(!CORPUS.is_empty(), "the corpus is embedded at compile time");
    assert!(failures.is_empty(), "{} failed\n{}", failures.len(), failures.join("\n"));
}
