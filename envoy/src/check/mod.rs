//! Every problem of a config file, with its line, its key and what to write instead.
//!
//! Owns what a problem is and how it reads; [`walk`] finds those of the file's shape, [`crate::convert`] those of its
//! meaning.

pub mod environment;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::litellm::{Config, Model};
use crate::yaml::{Node, Place};
pub use environment::Environment;
pub use walk::{meant, nearest};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The config can't be used.
    Error,
    /// The config can be used.
    Warning,
}

/// Something about a config file that its author must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Place,
    /// How bad it is.
    pub severity: Severity,
    /// The key: `model_list[0].litellm_params.model`; empty for the file.
    pub key: String,
    /// What is wrong, and what to write instead.
    pub says: String,
}

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    /// Whether keys that would change behaviour are warnings.
    pub lenient: bool,
    /// Whether the config is for the inline role.
    pub inline: bool,
}

impl Problems {
    /// None yet.
    #[must_use]
    pub const fn new(lenient: bool) -> Self {
        Self { found: Vec::new(), lenient, inline: false }
    }

    /// Notes an error.
    pub fn error(&mut self, at: Place, key: &str, says: impl Into<String>) {
        self.found.push(Problem { at, severity: Severity::Error, key: key.to_owned(), says: says.into() });
    }

    /// Notes a warning.
    pub fn warning(&mut self, at: Place, key: &str, says: impl Into<String>) {
        self.found.push(Problem { at, severity: Severity::Warning, key: key.to_owned(), says: says.into() });
    }

    /// Notes what is an error unless the user is lenient.
    pub fn strict(&mut self, at: Place, key: &str, says: impl Into<String>) {
        if self.lenient { self.warning(at, key, says) } else { self.error(at, key, says) }
    }

    /// Whether the config can't be used.
    #[must_use]
    pub fn fatal(&self) -> bool {
        self.found.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// The problems, in the order of the file.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Problem> {
        let mut sorted: Vec<_> = self.found.iter().collect();
        sorted.sort_by_key(|problem| (problem.at, problem.severity));
        sorted.dedup();
        sorted
    }

    /// The problems for people, a line each; warnings that say the same of the same key stand together.
    #[must_use]
    pub fn report(&self, file: &Path) -> String {
        let mut text = String::new();
        let mut told: Vec<(String, &str)> = Vec::new();
        let sorted = self.sorted();
        for problem in &sorted {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let mut more = 0;
            if problem.severity == Severity::Warning {
                let same = (without_indices(&problem.key), problem.says.as_str());
                if told.contains(&same) {
                    continue;
                }
                more = sorted
                    .iter()
                    .filter(|p| p.says == problem.says && without_indices(&p.key) == same.0)
                    .count()
                    .saturating_sub(1);
                told.push(same);
            }
            let _ = write!(text, "{}:{}: {severity}: ", file.display(), problem.at.line);
            if !problem.key.is_empty() {
                let _ = write!(text, "{} ", problem.key);
            }
            text.push_str(&problem.says);
            if more > 0 {
                let _ = write!(text, " (and {more} more like it)");
            }
            text.push('\n');
        }
        text
    }
}

fn without_indices(key: &str) -> String {
    let mut inside = false;
    key.chars()
        .filter(|c| {
            inside = match c {
                '[' => true,
                ']' => false,
                _ => inside,
            };
            !inside
        })
        .collect()
}

/// A config file that was read, as far as it could be.
#[derive(Debug)]
pub struct Read {
    /// The settings; without the entries of `model_list`.
    pub config: Config,
    /// The entries that could be read, with their index in the file.
    pub models: Vec<(usize, Model)>,
    /// The file, for the places of what stands in it.
    pub node: Node,
}

/// Reads a config file; what is wrong with its shape goes to `problems`.
#[must_use]
pub fn read(text: &str, environment: &mut Environment, problems: &mut Problems) -> Option<Read> {
    let (node, twice) = match Node::parse(text) {
        Ok(parsed) => parsed,
        Err(fault) => {
            problems.error(fault.at, "", fault.what);
            return None;
        }
    };
    for fault in twice {
        problems.error(fault.at, "", fault.what);
    }
    if let Some(entry) = node.at_key("environment_variables") {
        environment.take(&entry.value);
    }
    let cleaned = walk::walk(&node, environment, problems)?;
    let Value::Object(mut cleaned) = cleaned else { return None };
    let entries = cleaned.remove("model_list");
    let config = match serde_json::from_value(Value::Object(cleaned)) {
        Ok(config) => config,
        Err(error) => {
            // The walk knows the same types, so this is its fault, not the file's; say it rather than go on.
            if !problems.fatal() {
                problems.error(node.at, "", format!("can't be read: {error}"));
            }
            return None;
        }
    };
    let mut models = Vec::new();
    for (index, entry) in entries.as_ref().and_then(Value::as_array).into_iter().flatten().enumerate() {
        // An entry that the walk found wrong is `null` here, or lacks what it needs: it was reported already.
        if let Ok(model) = serde_json::from_value::<Model>(entry.clone()) {
            models.push((index, model));
        } else if !problems.fatal() {
            let at = node.place_of(&["model_list", &index.to_string()]);
            problems.error(at, &format!("model_list[{index}]"), "can't be read");
        }
    }
    if !problems.fatal() && models.is_empty() {
        let at = node.place_of(&["model_list"]);
        problems.error(at, "model_list", "is empty: write at least one model_name with its litellm_params");
    }
    Some(Read { config, models, node })
}
