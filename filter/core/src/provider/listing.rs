//! The table of vendors, for people: the README's is made here, from the rows.

use std::fmt::Write as _;

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
        let key = match row.key_env.first() {
            _ if row.auth == Auth::None => "none".to_owned(),
            Some(key) if row.quirks.key_optional => format!("`{key}`, if it needs one"),
            Some(key) => format!("`{key}`"),
            None => "see its page".to_owned(),
        };
        let endpoints: Vec<&str> = [("chat", row.chat), ("embeddings", row.embeddings)]
            .into_iter()
            .filter(|(_, path)| !path.is_empty())
            .map(|(endpoint, _)| endpoint)
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
        let groq = "| [Groq](https://console.groq.com/docs/openai) | `groq/` | `GROQ_API_KEY` | chat |";
        assert!(table.lines().any(|line| line == groq), "{table}");
    }
}
