//! One Envoy as a child: started, watched until it is ready, asked through its admin port, ended with us.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::Event;
use crate::bootstrap::discovery::Part;

/// How long connections that a change leaves behind may go on, in seconds: as long as a connection may be idle.
const DRAIN: u64 = 3600;

/// How an Envoy is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Envoy's program.
    pub envoy: PathBuf,
    /// How many threads.
    pub concurrency: Option<u32>,
    /// What its log tells.
    pub log_level: String,
    /// Whether a later Envoy may take its place while its streams run on.
    pub replaceable: bool,
}

/// An Envoy that has been started.
pub struct Envoy {
    /// Its number, from 0.
    pub epoch: u32,
    /// Where its files are.
    pub folder: PathBuf,
    pid: Option<Pid>,
    /// The first thing that it could not live with.
    reason: Arc<Mutex<Option<String>>>,
}

impl Envoy {
    /// Starts the `epoch`th, with the bootstrap that stands in `folder`. Its end is told to `events`.
    ///
    /// # Errors
    /// When it can't be run.
    pub fn start(
        how: &Program,
        epoch: u32,
        folder: PathBuf,
        environment: &BTreeMap<String, String>,
        events: Sender<Event>,
    ) -> Result<Self, String> {
        let mut command = Command::new(&how.envoy);
        command
            .arg("--config-path")
            .arg(folder.join("envoy.json"))
            .arg("--admin-address-path")
            .arg(folder.join("admin"))
            .args(["--log-level", &how.log_level])
            .args(["--drain-time-s", &DRAIN.to_string()])
            .envs(environment)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            // A terminal's Ctrl-C goes to us alone, and from us to Envoy: once.
            .process_group(0);
        if let Some(concurrency) = how.concurrency {
            command.args(["--concurrency", &concurrency.to_string()]);
        }
        let base = folder.parent().unwrap_or(&folder).join("base-id");
        if !how.replaceable {
            command.arg("--disable-hot-restart");
        } else if epoch == 0 {
            command.arg("--use-dynamic-base-id").arg("--base-id-path").arg(&base);
        } else {
            let id = fs::read_to_string(&base)
                .map_err(|error| format!("can't read {}: {error}", base.display()))?;
            command.args(["--base-id", id.trim(), "--restart-epoch", &epoch.to_string()]);
        }
        command.args(["--parent-shutdown-time-s", &(DRAIN + 60).to_string()]);
        let mut child =
            command.spawn().map_err(|error| format!("can't run {}: {error}", how.envoy.display()))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let reason = Arc::new(Mutex::new(None));
        let log = child.stderr.take();
        let kept = Arc::clone(&reason);
        thread::spawn(move || {
            let log = log.map(|log| thread::spawn(move || pass_on(log, &kept)));
            let status = child.wait().ok();
            // Its last words are its reason.
            if let Some(log) = log {
                let _ = log.join();
            }
            let _ = events.send(Event::Ended(epoch, status));
        });
        Ok(Self { epoch, folder, pid, reason })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            let _ = kill_process(pid, signal);
        }
    }

    /// Where its admin port is, as it says itself: a port 0 is any free one.
    pub fn admin(&self) -> Option<SocketAddr> {
        fs::read_to_string(self.folder.join("admin")).ok()?.trim().parse().ok()
    }

    /// Whether it serves.
    pub fn ready(&self) -> bool {
        self.ask("/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    /// What its admin port answers.
    pub fn ask(&self, path: &str) -> Option<String> {
        let admin = self.admin()?;
        let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// How often it has taken a part.
    pub fn taken(&self, part: &Part) -> u64 {
        self.counter(&format!("{}.update_success", part.stats))
    }

    /// How often it has refused a part.
    pub fn refused(&self, part: &Part) -> u64 {
        self.counter(&format!("{}.update_rejected", part.stats))
    }

    /// One of its counters; 0 while it isn't there.
    fn counter(&self, name: &str) -> u64 {
        let answer = self.ask(&format!("/stats?filter={name}")).unwrap_or_default();
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    }

    /// The first thing that it could not live with since this was asked.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Where its clients come in.
    pub fn listening(&self) -> Option<String> {
        let answer = self.ask("/listeners")?;
        answer
            .lines()
            .find_map(|line| line.strip_prefix("dragoman::"))
            .map(|address| address.trim().to_owned())
    }
}

/// Whether an Envoy can hand over to a next one here: it needs shared memory for that.
pub fn replaceable() -> bool {
    let shared = Path::new("/dev/shm");
    rustix::fs::access(shared, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Passes Envoy's log on, and keeps the first thing that it could not live with.
fn pass_on(stderr: ChildStderr, reason: &Mutex<Option<String>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    // Until the end: a log that nobody reads would stop Envoy.
    while reader.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
        let _ = io::stderr().write_all(&line);
        let text = String::from_utf8_lossy(&line);
        // `[2026-11-21 03:30:22.123][42][critical][main] [source/server/server.cc:430] why`
        let told = ["][critical][", "][error][wasm]", "][warning][config]"];
        if told.iter().any(|level| text.contains(level)) {
            let why = text.splitn(3, "] ").nth(2).or_else(|| text.split("] ").nth(1)).unwrap_or(&text);
            let mut reason = reason.lock().unwrap_or_else(PoisonError::into_inner);
            // The first is the cause, what follows its consequence.
            reason.get_or_insert_with(|| why.trim().to_owned());
        }
        line.clear();
    }
}

/// How an Envoy ended, in words.
pub fn how(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.code(), status.signal())) {
        Some((Some(code), _)) => format!("with status {code}"),
        Some((None, Some(signal))) => format!("by signal {signal}"),
        Some((None, None)) | None => "for no known reason".to_owned(),
    }
}
