//! The rules of the house that the compiler can't hold. Each failure names the rule and says why it is one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A source file without its tests: the path from the repository's root, and its lines with their numbers.
struct Source {
    path: String,
    lines: Vec<(usize, String)>,
    length: usize,
}

impl Source {
    /// The lines that are code: neither comment nor documentation.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines
            .iter()
            .map(|(number, line)| (*number, line.split(" // ").next().unwrap_or_default().trim()))
            .filter(|(_, line)| !line.starts_with("//"))
    }

    fn under(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn gather(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                gather(&path, found);
            }
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = root();
    let mut paths = Vec::new();
    gather(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 20, "the sources are not where this test looks for them");
    paths
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .enumerate()
                .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
                .map(|(index, line)| (index + 1, line.to_owned()))
                .collect();
            let path = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            Source { path, lines, length: text.lines().count() }
        })
        .collect()
}

/// Fails with every place where a rule is broken.
fn hold(rule: &str, why: &str, broken: Vec<String>) {
    if !broken.is_empty() {
        panic!("{rule}\nWhy: {why}\n{}", broken.join("\n"));
    }
}

/// The places in `files` whose code contains one of `words`.
fn places<'s>(files: impl Iterator<Item = &'s Source>, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("  {}:{number}: {word}", file.path));
            }
        }
    }
    found
}

const CORE: &str = "filter/core/src/";

#[test]
fn the_two_machines_are_imported_by_nobody() {
    let all = sources();
    let files = all.iter().filter(|file| {
        file.under(CORE)
            && !file.path.ends_with("src/lib.rs")
            && !file.path.contains("src/admission")
            && !file.path.contains("src/attempt")
    });
    hold(
        "Nothing in the core imports `admission` or `attempt`.",
        "they are the two machines that put everything together; what they need must not need them.",
        places(files, &["crate::admission", "crate::attempt"]),
    );
}

#[test]
fn a_language_does_not_know_who_speaks_it() {
    let all = sources();
    let files = all.iter().filter(|file| file.under("filter/core/src/dialect/"));
    hold(
        "`dialect` never imports `provider`.",
        "a vendor that speaks a known language must be one row of data; a language that asks who speaks it makes \
         every new vendor a change of code. Put the difference into the row's quirks.",
        places(files, &["crate::provider", "provider::"]),
    );
}

#[test]
fn no_language_knows_another() {
    let mut dialects: Vec<String> = fs::read_dir(root().join("filter/core/src/dialect"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".rs").to_owned())
        .filter(|name| name != "mod")
        .collect();
    dialects.sort();
    let mut broken = Vec::new();
    for file in sources().iter().filter(|file| file.under("filter/core/src/dialect/")) {
        let rest = file.path.trim_start_matches("filter/core/src/dialect/");
        let own = rest.split(['/', '.']).next().unwrap_or_default();
        if own == "mod" {
            continue;
        }
        for other in dialects.iter().filter(|other| *other != own) {
            for (number, line) in file.code() {
                let named = |prefix: &str| {
                    line.match_indices(&format!("{prefix}{other}")).any(|(at, found)| {
                        !line[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
                    })
                };
                // Within a dialect's own folder, `super::` is that folder.
                let sibling = if rest.contains('/') { "super::super::" } else { "super::" };
                if named("dialect::") || named(sibling) {
                    broken.push(format!("  {}:{number}: {other}", file.path));
                }
            }
        }
    }
    hold(
        "`dialect/x` never imports `dialect/y`.",
        "two languages that share code change together when only one of their vendors changed. What is common to all \
         belongs to `openai`, `json` or `dialect/mod.rs`.",
        broken,
    );
}

#[test]
fn a_client_does_not_know_who_answers() {
    let all = sources();
    let files = all.iter().filter(|file| file.under("filter/core/src/client/"));
    hold(
        "`client` imports `openai`, `json`, `error` and `meter`, and neither dialects nor providers.",
        "languages of clients and of providers meet in the hub only; one that knows another makes a grid of them.",
        places(files, &["crate::dialect", "crate::provider", "crate::wire", "crate::route", "crate::config"]),
    );
}

#[test]
fn framing_imports_only_errors() {
    let all = sources();
    let mut broken = Vec::new();
    for file in all.iter().filter(|file| file.under("filter/core/src/wire/")) {
        for (number, line) in file.code() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + 7..];
                if !rest.starts_with("error") && !rest.starts_with("wire") {
                    broken.push(format!("  {}:{number}: {line}", file.path));
                }
            }
        }
    }
    hold(
        "`wire` imports only `error`.",
        "framing is bytes in, events out; it must stay testable alone.",
        broken,
    );
}

#[test]
fn no_vendor_in_framing_or_in_the_hub() {
    const VENDORS: &[&str] = &[
        "anthropic",
        "claude",
        "gemini",
        "google",
        "vertex",
        "bedrock",
        "amazon",
        "cohere",
        "mistral",
        "ollama",
        "groq",
        "deepseek",
        "azure",
        "perplexity",
        "openrouter",
        "together_ai",
        "huggingface",
        "databricks",
        "watsonx",
    ];
    let all = sources();
    let files = || {
        all.iter().filter(|file| file.under("filter/core/src/wire/") || file.under("filter/core/src/openai/"))
    };
    let mut broken = Vec::new();
    for file in files() {
        for (number, line) in file.code() {
            let line = line.to_ascii_lowercase();
            if let Some(vendor) = VENDORS.iter().find(|vendor| line.contains(**vendor)) {
                broken.push(format!("  {}:{number}: {vendor}", file.path));
            }
        }
    }
    hold(
        "No vendor's name in the code of `wire` or `openai`.",
        "framings and the hub language serve every vendor; a special case there is paid for by all.",
        broken,
    );
}

#[test]
fn only_the_host_room_calls_the_host() {
    let all = sources();
    let files = all.iter().filter(|file| file.under("filter/") && file.path != "filter/src/host.rs");
    hold(
        "Only `filter/src/host.rs` names `proxy_wasm::hostcalls`.",
        "a host call can fail and can panic in the SDK; one room decides what then.",
        places(files, &["proxy_wasm::hostcalls"]),
    );
    let core = all.iter().filter(|file| file.under(CORE));
    hold(
        "The core touches no host, clock, environment, file or socket.",
        "all of that is an argument: so the core runs in tests, in wasm and in the command alike.",
        places(
            core,
            &[
                "proxy_wasm",
                "std::env",
                "std::fs",
                "std::net",
                "std::process",
                "SystemTime",
                "Instant::now",
                "std::thread",
            ],
        ),
    );
}

#[test]
fn no_value_on_the_hot_path() {
    let all = sources();
    let files = all.iter().filter(|file| file.under("filter/"));
    hold(
        "No `serde_json::Value` in `filter/`.",
        "a tree of allocations per request costs three times what views do (measured); read with views and cursors.",
        places(files, &["serde_json::Value", "serde_json::json", "Value::Object"]),
    );
}

#[test]
fn files_have_an_owner_and_an_end() {
    let all = sources();
    let mut broken = Vec::new();
    for file in &all {
        if file.length > 600 {
            broken.push(format!("  {}: {} lines", file.path, file.length));
        }
    }
    hold("A file has at most 600 lines.", "a longer one holds two things; give the second a room.", broken);
    let silent = all
        .iter()
        .filter(|file| !file.lines.first().is_some_and(|(_, line)| line.starts_with("//!")))
        .map(|file| format!("  {}", file.path))
        .collect();
    hold(
        "A file opens with `//!`: what it owns and what it must not know.",
        "a reader should not have to guess.",
        silent,
    );
}

#[test]
fn names_are_nouns_of_the_domain() {
    let all = sources();
    let mut broken = Vec::new();
    for file in &all {
        for (number, line) in file.code() {
            for word in ["struct ", "enum ", "trait "] {
                let Some((_, rest)) = line.split_once(word) else { continue };
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
                let vague = ["Manager", "Helper", "Util", "Utils", "Handler"];
                if (line.starts_with(word)
                    || line.contains(&format!("pub {word}"))
                    || line.contains(&format!(") {word}")))
                    && vague.iter().any(|end| name.ends_with(end))
                {
                    broken.push(format!("  {}:{number}: {name}", file.path));
                }
            }
            // What the SDK's own trait names is not ours to name.
            if line.contains(concat!("fn ", "get_")) && !line.contains("-> Option<ContextType>") {
                broken.push(format!("  {}:{number}: {line}", file.path));
            }
        }
    }
    hold(
        "No Manager, Helper, Util or Handler, no `get_`.",
        "such a name says that nobody found out what it is.",
        broken,
    );
}

#[test]
fn the_top_level_holds_the_rooms_and_no_others() {
    const ROOMS: &[&str] = &["envoy", "filter", "integration", "k8s", "tests"];
    const FILES: &[&str] = &[
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "clippy.toml",
        "deny.toml",
        "rust-toolchain.toml",
        "rustfmt.toml",
    ];
    let mut broken = String::new();
    for entry in fs::read_dir(root()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // What Git ignores is not in the house.
        if name.starts_with('.') || ["target", "node_modules", "__pycache__"].contains(&&*name) {
            continue;
        }
        let known = if entry.path().is_dir() { ROOMS } else { FILES };
        if !known.contains(&&*name) {
            let _ = writeln!(broken, "  {name}");
        }
    }
    let broken: Vec<String> = broken.lines().map(str::to_owned).collect();
    hold(
        "The top level holds its rooms and no others.",
        "a newcomer finds the room of any change in a minute.",
        broken,
    );
}

/// What a line of `envoy/LITELLM.md` names as its proof, by the words of its head; what is wrong with it, if anything.
fn missing(proof: &str, intended: &str) -> Option<String> {
    let root = root();
    let holds = |path: &Path, word: &str| fs::read_to_string(path).is_ok_and(|text| text.contains(word));
    if let Some((file, test)) = proof.split_once("::") {
        if file.ends_with(".py") {
            let there = holds(&root.join("integration").join(file), &format!("def {test}("));
            return (!there).then(|| "no such test in integration/".to_owned());
        }
        let (mut paths, ending) = (Vec::new(), format!("/{file}"));
        for folder in ["filter/core/src", "envoy/src"] {
            gather(&root.join(folder), &mut paths);
        }
        let mut paths =
            paths.iter().filter(|path| path.to_string_lossy().replace('\\', "/").ends_with(&ending));
        let there = paths.any(|path| {
            holds(path, &format!("#[test]\n    fn {test}()")) || holds(path, &format!("#[test]\nfn {test}()"))
        });
        return (!there).then(|| "no such unit test".to_owned());
    }
    if let Some(asked) = proof.strip_prefix("differential/") {
        let (vendor, request) = asked.split_once('/')?;
        // `Intended("vendors", "requests", ...)`, each a list of words.
        let there = intended.split("Intended(").skip(1).any(|each| {
            let mut words = each.split('"').skip(1).step_by(2).map(|list| list.split(' '));
            let mut names = |word| words.next().is_some_and(|mut list| list.any(|one| one == word));
            names(vendor) && names(request)
        });
        return (!there).then(|| "no such line in integration/differential/intended.py".to_owned());
    }
    let there = root.join("tests/golden").join(proof).join("target.json").is_file();
    (!there).then(|| "no such golden case".to_owned())
}

#[test]
fn what_litellm_does_wrong_is_shown_to_be_right_here() {
    let root = root();
    let list = fs::read_to_string(root.join("envoy/LITELLM.md")).unwrap();
    let mut intended = fs::read_to_string(root.join("integration/differential/intended.py")).unwrap();
    // Lists of words with a name stand for themselves.
    let named: Vec<(String, String)> = intended
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .filter(|(name, list)| {
            name.chars().all(|c| c.is_ascii_uppercase() || c == '_') && list.starts_with('"')
        })
        .map(|(name, list)| (name.to_owned(), list.to_owned()))
        .collect();
    for (name, list) in &named {
        intended = intended
            .replace(&format!("({name},"), &format!("({list},"))
            .replace(&format!(", {name},"), &format!(", {list},"));
    }
    let (mut rows, mut broken) = (0, Vec::new());
    for (index, line) in list.lines().enumerate().filter(|(_, line)| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if cells.first() == Some(&"LiteLLM") {
            continue;
        }
        rows += 1;
        let mut complain = |what: &str| broken.push(format!("  envoy/LITELLM.md:{}: {what}", index + 1));
        let [_, _, proofs] = cells[..] else {
            complain("three columns are wanted");
            continue;
        };
        let proofs: Vec<&str> = proofs.split('`').skip(1).step_by(2).collect();
        if proofs.is_empty() {
            complain("nothing shows it");
        }
        for proof in proofs {
            if let Some(what) = missing(proof, &intended) {
                complain(&format!("{proof}: {what}"));
            }
        }
    }
    assert!(rows > 60, "{rows} rows: the table is not where this test looks for it");
    assert!(missing("anthropic/nothing", &intended).is_some());
    assert!(missing("test_chat.py::test_nothing", &intended).is_some());
    assert!(missing("error.rs::nothing", &intended).is_some());
    assert!(missing("differential/openai/nothing", &intended).is_some());
    hold(
        "Each line of `envoy/LITELLM.md` names tests that there are.",
        "a claim about another's faults is worth what shows that they are not ours too.",
        broken,
    );
}
