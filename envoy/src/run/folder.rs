//! The files that Envoy reads, in a private folder that goes when the command ends.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A private folder that goes when this does.
pub struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// Makes it, with the filter in it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new(wasm: &[u8]) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("dragoman-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| format!("can't make a temporary folder: {error}"))?;
        let folder = Self { folder };
        write(&folder.wasm(), wasm)?;
        Ok(folder)
    }

    /// Where the filter is.
    pub fn wasm(&self) -> PathBuf {
        self.folder.path().join("dragoman.wasm")
    }

    /// The folder of the Envoy that is started as the `epoch`th, from 0. Each has its own, as an Envoy that is on its way out
    /// must not read what is meant for the next.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of_epoch(&self, epoch: u32) -> Result<PathBuf, String> {
        let path = self.folder.path().join(epoch.to_string());
        let mut private = fs::DirBuilder::new();
        private.mode(0o700).recursive(true);
        private.create(&path).map_err(|error| format!("can't make {}: {error}", path.display()))?;
        Ok(path)
    }
}

/// Puts a file in its place at once: a reader sees the old one or the new one, and Envoy looks when a file moves in.
///
/// # Errors
/// When the system refuses.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let refused = |error: std::io::Error| format!("can't write {}: {error}", path.display());
    let new = path.with_extension("new");
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new);
    open.and_then(|mut file| file.write_all(bytes)).map_err(refused)?;
    fs::rename(&new, path).map_err(refused)
}
