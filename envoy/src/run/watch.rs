//! Tells when the config's file has another content.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use super::Event;

/// How often the file is looked at. Asking works where being told doesn't: a ConfigMap's file is a link to a link, and network
/// file systems tell nothing.
const POLL: Duration = Duration::from_millis(250);

/// By what a file is known to be the same: it, its time and its size.
type Mark = (u64, u64, i64, i64, u64);

/// Tells `events` about every change of the file, from now on.
pub fn watch(file: PathBuf, events: Sender<Event>) {
    let (mut mark, mut text) = (mark(&file), fs::read(&file).ok());
    thread::spawn(move || {
        loop {
            thread::sleep(POLL);
            let now = self::mark(&file);
            if now == mark || now.is_none() {
                continue;
            }
            // A writer may not be through with it: what is told is a content that has stood for a while.
            thread::sleep(POLL / 5);
            let read = fs::read(&file).ok();
            if self::mark(&file) != now {
                continue;
            }
            mark = now;
            if read != text {
                text = read;
                if events.send(Event::Changed).is_err() {
                    return;
                }
            }
        }
    });
}

fn mark(file: &Path) -> Option<Mark> {
    let of = |data: Metadata| (data.dev(), data.ino(), data.mtime(), data.mtime_nsec(), data.size());
    fs::metadata(file).ok().map(of)
}
