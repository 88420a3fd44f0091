//! Embeds the golden corpus into the test library's wasm build, where there are no files to read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn sorted(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("golden");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut source = String::from("&[\n");
    for dialect in sorted(&root) {
        for case in sorted(&dialect) {
            let _ = writeln!(source, "(\"{}/{}\", &[", name(&dialect), name(&case));
            for file in sorted(&case) {
                let _ = writeln!(source, "  (\"{}\", include_bytes!({:?})),", name(&file), file);
            }
            source += "]),\n";
        }
    }
    source += "]\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("corpus.rs");
    fs::write(out, source).expect("the build directory can be written");
}
