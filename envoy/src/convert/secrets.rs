//! Where secrets are kept: in the environment of Envoy's process, under the name that the filter's config gives.
//!
//! A secret that stands in the config itself gets a variable of its own, so that no rendered file, config dump or command
//! line shows it.

use std::collections::{BTreeMap, BTreeSet};

use dragoman_core::config::Setting;

use crate::check::environment::reference;
use crate::check::{Environment, Problems};
use crate::yaml::Place;

/// What a generated variable is called, before its number.
const GENERATED: &str = "DRAGOMAN_SECRET_";

/// The variables that the filter reads.
#[derive(Debug)]
pub struct Secrets {
    /// Set by the config: `environment_variables`.
    own: BTreeMap<String, String>,
    /// The names of all that the filter reads.
    needed: BTreeSet<String>,
    /// The names of those that Envoy itself reads, and the filter doesn't.
    envoys: BTreeSet<String>,
    /// Made for secrets that stand in the config, by their names.
    generated: BTreeMap<String, String>,
    /// Made for secrets of an earlier reading.
    remembered: BTreeMap<String, String>,
    /// Needed but not set: the name, and where it is needed.
    missing: Vec<(String, Place, String)>,
}

impl Secrets {
    /// None yet.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self {
            own: environment.own().clone(),
            needed: BTreeSet::new(),
            envoys: BTreeSet::new(),
            generated: BTreeMap::new(),
            remembered: environment.remembered().clone(),
            missing: Vec::new(),
        }
    }

    /// A secret of the config's: a reference stays one, a literal becomes a variable. `None` when it is empty.
    pub fn setting(&mut self, value: &str, at: Place, key: &str, problems: &mut Problems) -> Option<Setting> {
        if let Some(name) = reference(value) {
            let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(legal) {
                problems.error(at, key, "names no environment variable: write os.environ/NAME");
                return None;
            }
            return Some(self.variable(name, at, key));
        }
        if value.trim().is_empty() {
            problems.error(at, key, "is empty: write os.environ/NAME, or remove it");
            return None;
        }
        if value.contains(['\0', '\r', '\n']) {
            problems.error(at, key, "must not hold line breaks");
            return None;
        }
        let mut known = self.generated.iter().chain(&self.remembered);
        let name = known.find(|(_, known)| *known == value).map(|(name, _)| name.clone());
        let name = name.unwrap_or_else(|| self.fresh());
        self.generated.insert(name.clone(), value.to_owned());
        self.needed.insert(name.clone());
        Some(Setting::Env { env: name })
    }

    /// A secret of the config's that Envoy itself reads, as [`Self::setting`]: the name of its variable.
    pub fn envoys(&mut self, value: &str, at: Place, key: &str, problems: &mut Problems) -> Option<String> {
        let filters = self.needed.clone();
        let setting = self.setting(value, at, key, problems);
        self.needed = filters;
        let Some(Setting::Env { env }) = setting else { return None };
        self.envoys.insert(env.clone());
        Some(env)
    }

    /// The name of a variable that stands for no secret yet.
    fn fresh(&self) -> String {
        let taken = |name: &String| self.generated.contains_key(name) || self.remembered.contains_key(name);
        let mut names = (self.generated.len() + 1..).map(|number| format!("{GENERATED}{number}"));
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    /// A variable that the filter reads.
    pub fn variable(&mut self, name: &str, at: Place, key: &str) -> Setting {
        self.needed.insert(name.to_owned());
        self.missing.push((name.to_owned(), at, key.to_owned()));
        Setting::Env { env: name.to_owned() }
    }

    /// Reports the variables that aren't set; as warnings where the config is rendered for another machine.
    pub fn report_missing(&self, environment: &Environment, elsewhere: bool, problems: &mut Problems) {
        for (name, at, key) in &self.missing {
            if environment.value(name).is_some() {
                continue;
            }
            let says = format!("needs the environment variable {name}: set it");
            if elsewhere {
                problems.warning(*at, key, says + " where Envoy runs");
            } else {
                problems.error(*at, key, says);
            }
        }
    }

    /// The names of the variables that the filter reads.
    #[must_use]
    pub const fn needed(&self) -> &BTreeSet<String> {
        &self.needed
    }

    /// The names of the variables that Envoy's process must have.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.needed.union(&self.envoys).map(String::as_str)
    }

    /// The variables that stand for secrets of the config itself.
    #[must_use]
    pub const fn generated(&self) -> &BTreeMap<String, String> {
        &self.generated
    }

    /// The variables that Envoy's process must be given, with their values.
    #[must_use]
    pub fn given(&self) -> BTreeMap<&str, &str> {
        let generated = self.generated.iter();
        self.own.iter().chain(generated).map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
