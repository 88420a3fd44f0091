//! Who may use which target, by tags: LiteLLM's rules.

use crate::config::TagMatch;

/// The tag of targets that serve who shows no tag, or none that another target has.
pub const DEFAULT: &str = "default";

/// Which of the targets with these tags a request with `asked` tags may use; none when it may use none.
///
/// * A request with tags gets the targets that match, else the default ones, else nothing.
/// * A request without gets the default ones, or all where there are none.
#[must_use]
pub fn allowed(targets: &[&[String]], asked: &[String], rule: TagMatch) -> Vec<bool> {
    let matches = |tags: &[String]| {
        let has = |tag: &String| tags.contains(tag);
        match rule {
            TagMatch::Any => asked.iter().any(has),
            TagMatch::All => !asked.is_empty() && asked.iter().all(has),
        }
    };
    let matching: Vec<bool> = targets.iter().map(|tags| matches(tags)).collect();
    if matching.contains(&true) {
        return matching;
    }
    let defaults: Vec<bool> = targets.iter().map(|tags| tags.iter().any(|tag| tag == DEFAULT)).collect();
    if asked.is_empty() && !defaults.contains(&true) {
        return vec![true; targets.len()];
    }
    defaults
}

/// The tags of a header's comma-separated list.
pub fn listed(header: &str) -> impl Iterator<Item = String> {
    header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    fn allowed_of(targets: &[&[&str]], asked: &[&str], rule: TagMatch) -> Vec<usize> {
        let targets: Vec<Vec<String>> = targets.iter().map(|tags| owned(tags)).collect();
        let targets: Vec<&[String]> = targets.iter().map(Vec::as_slice).collect();
        let allowed = allowed(&targets, &owned(asked), rule);
        allowed.iter().enumerate().filter(|(_, allowed)| **allowed).map(|(at, _)| at).collect()
    }

    #[test]
    fn a_tagged_request_gets_what_matches_else_the_defaults_else_nothing() {
        let targets: &[&[&str]] = &[&["free"], &["paid", "eu"], &["default"], &[]];
        assert_eq!(allowed_of(targets, &["free"], TagMatch::Any), [0]);
        assert_eq!(allowed_of(targets, &["eu", "free"], TagMatch::Any), [0, 1]);
        assert_eq!(allowed_of(targets, &["eu", "free"], TagMatch::All), [2]);
        assert_eq!(allowed_of(targets, &["eu", "paid"], TagMatch::All), [1]);
        assert_eq!(allowed_of(targets, &["gold"], TagMatch::Any), [2]);
        let bare: &[&[&str]] = &[&["free"], &[]];
        assert!(allowed_of(bare, &["gold"], TagMatch::Any).is_empty());
    }

    #[test]
    fn an_untagged_request_gets_the_defaults_or_all() {
        assert_eq!(allowed_of(&[&["free"], &["default", "x"]], &[], TagMatch::Any), [1]);
        assert_eq!(allowed_of(&[&["free"], &[]], &[], TagMatch::Any), [0, 1]);
        assert_eq!(allowed_of(&[&["free"], &[]], &[], TagMatch::All), [0, 1]);
    }

    #[test]
    fn a_header_lists_tags() {
        assert_eq!(listed(" a, b ,,c").collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
