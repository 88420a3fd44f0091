//! The environment that a config is read in: the process's own, and the config's `environment_variables`.

use std::collections::BTreeMap;

use crate::yaml::{Data, Node};

/// What `os.environ/NAME` begins with.
const REFERENCE: &str = "os.environ/";

/// Looks a variable up.
type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// The environment that a config is read in.
pub struct Environment {
    process: Lookup,
    own: BTreeMap<String, String>,
    remembered: BTreeMap<String, String>,
}

impl Environment {
    /// The process's own.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// What `process` knows.
    pub fn of(process: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { process: Box::new(process), own: BTreeMap::new(), remembered: BTreeMap::new() }
    }

    /// Knows variables that stand for secrets since an earlier reading of the config, so that they keep their names.
    #[must_use]
    pub fn remembering(mut self, secrets: BTreeMap<String, String>) -> Self {
        self.remembered = secrets;
        self
    }

    /// The variables that stand for secrets already.
    #[must_use]
    pub const fn remembered(&self) -> &BTreeMap<String, String> {
        &self.remembered
    }

    /// Adds the config's `environment_variables`.
    pub fn take(&mut self, section: &Node) {
        let Data::Map(entries) = &section.data else { return };
        for entry in entries {
            let value = match &entry.value.data {
                Data::Text(text) => match reference(text) {
                    Some(name) => (self.process)(name).unwrap_or_default(),
                    None => text.clone(),
                },
                Data::Number(number) => number.to_string(),
                Data::Bool(value) => value.to_string(),
                _ => continue,
            };
            self.own.insert(entry.key.clone(), value);
        }
    }

    /// A variable's value, when it is set and not empty.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<String> {
        self.own.get(name).cloned().or_else(|| (self.process)(name)).filter(|value| !value.is_empty())
    }

    /// The variables that the config sets.
    #[must_use]
    pub const fn own(&self) -> &BTreeMap<String, String> {
        &self.own
    }
}

/// The variable that a value refers to.
#[must_use]
pub fn reference(value: &str) -> Option<&str> {
    value.strip_prefix(REFERENCE)
}
