//! The table of vendors, for people: the README's is made here, from the rows.

use std::fmt::Write as _;

use super::auth::aws::ACCESS_KEY_ID;
use super::{Auth, Provider, all};

/// Every vendor, as a Markdown table, sorted by name.
#[must_use]
pub fn markdown_table() -> String {
    let mut rows: Vec<&Provider> = all().collect();
    rows.sort_by_key(|row| row.label.to_lowercase());
    let mut table = String::from("| provider | prefix | key variable | endpoints |\n|---|---|---|---|\n");
    for row in rows {
        let names: Vec<String> =
            [row.name].iter().chain(row.aliases).map(|name| format!("`{name}/`")).collect();
        let signed = matches!(row.auth, Auth::SigV4 { .. });
        let key = match row.key_env.first() {
            _ if row.auth == Auth::None => "none".to_owned(),
            Some(key) if row.quirks.key_optional => format!("`{key}`, if it needs one"),
            Some(key) if signed => format!("`{key}` or `{}`", ACCESS_KEY_ID.1),
            None if signed => format!("`{}`", ACCESS_KEY_ID.1),
            Some(key) => format!("`{key}`"),
            None => "see its page".to_owned(),
        };
        // Some of a vendor's targets may be served by another row.
        let serving = || row.instead.iter().map(|(_, other)| *other).chain([row]);
        let serves = |path: fn(&Provider) -> &'static str| serving().any(|row| !path(row).is_empty());
        let endpoints: Vec<&str> = [
            ("chat", serves(|row| row.chat)),
            ("embeddings", serves(|row| row.embeddings)),
            ("responses", serves(|row| row.responses)),
            ("completions", serves(|row| row.completions)),
        ]
        .into_iter()
        .filter_map(|(endpoint, served)| served.then_some(endpoint))
        .collect();
        // Writing to a String can't fail.
        let _ = writeln!(
            table,
            "| [{}]({}) | {} | {key} | {} |",
            row.label,
            row.docs,
            names.join(", "),
            endpoints.join(", ")
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_has_its_line() {
        let table = markdown_table();
        assert_eq!(table.lines().count(), all().count() + 2);
        assert!(table.lines().all(|line| line.matches('|').count() == 5), "{table}");
        let groq =
            "| [Groq](https://console.groq.com/docs/openai) | `groq/` | `GROQ_API_KEY` | chat, responses |";
        assert!(table.lines().any(|line| line == groq), "{table}");
    }
}
