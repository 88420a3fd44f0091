//! Every golden case on disk. `UPDATE_EXPECT=1` rewrites the expected files; read the diff before you keep it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use dragoman_tests::Case;
use dragoman_tests::golden::{OUTPUTS, kept};

/// A language with fewer cases than this is not proven.
const ENOUGH: usize = 8;

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn load(dialect: &Path, folder: &Path) -> Case {
    let files: BTreeMap<String, Vec<u8>> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (name(&path), fs::read(&path).unwrap()))
        .collect();
    Case { name: format!("{}/{}", name(dialect), name(folder)), files }
}

fn update(folder: &Path, case: &Case) -> Result<(), String> {
    let outcome = case.run()?;
    for name in OUTPUTS {
        let path = folder.join(name);
        match outcome.get(name) {
            Some(real) => fs::write(path, kept(name, real)).map_err(|error| error.to_string())?,
            None if path.exists() => fs::remove_file(path).map_err(|error| error.to_string())?,
            None => {}
        }
    }
    Ok(())
}

#[test]
fn golden() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let updating = env::var_os("UPDATE_EXPECT").is_some();
    let (mut count, mut failures) = (0, Vec::new());
    for dialect in folders(&root) {
        let cases = folders(&dialect);
        if cases.len() < ENOUGH {
            failures.push(format!("== {}: {} cases, a language needs {ENOUGH}", name(&dialect), cases.len()));
        }
        for folder in cases {
            let case = load(&dialect, &folder);
            let result = if updating { update(&folder, &case) } else { case.check() };
            count += 1;
            if let Err(wrong) = result {
                failures.push(format!("== {}\n{wrong}", case.name));
            }
        }
    }
    println!("{count} golden cases");
    assert!(failures.is_empty(), "{} of {count} failed\n{}", failures.len(), failures.join("\n"));
}
