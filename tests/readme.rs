//! What the README says of the provider table is what the rows say.

use std::path::Path;

use dragoman_core::provider::markdown_table;

const BEGIN: &str = "<!-- providers:begin";
const END: &str = "<!-- providers:end -->";

#[test]
fn the_readmes_table_of_providers_is_made_from_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let page = std::fs::read_to_string(&path).expect("README.md stands at the top");
    let from = page.find(BEGIN).and_then(|at| page[at..].find('\n').map(|line| at + line + 1)).expect(BEGIN);
    let to = page.find(END).expect(END);
    let table = markdown_table();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, format!("{}{table}{}", &page[..from], &page[to..]))
            .expect("README.md can be written");
        return;
    }
    let how = "the README's table of providers is stale: UPDATE_EXPECT=1 cargo test -p dragoman-tests --test readme";
    assert!(page[from..to] == table, "{how}");
}
