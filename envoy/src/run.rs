//! Envoy as a child: started, watched until it is ready, ended with us.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often Envoy is asked whether it is ready.
const POLL: Duration = Duration::from_millis(20);
/// After how long without an answer it is said that we are still waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// A private folder that goes when this does.
pub struct Folder {
    folder: tempfile::TempDir,
}

/// What to start.
pub struct Launch {
    /// Envoy's program.
    pub envoy: PathBuf,
    /// The files that it reads.
    pub folder: Folder,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where the admin port is.
    pub admin: SocketAddr,
    /// How many threads.
    pub concurrency: Option<u32>,
    /// What its log tells.
    pub log_level: String,
    /// Variables beside our own.
    pub environment: BTreeMap<String, String>,
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
        folder.file("dragoman.wasm", wasm)?;
        Ok(folder)
    }

    /// Where the filter is.
    pub fn wasm(&self) -> PathBuf {
        self.folder.path().join("dragoman.wasm")
    }

    /// Writes the bootstrap.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, bootstrap: &str) -> Result<(), String> {
        self.file("envoy.yaml", bootstrap.as_bytes())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let path = self.folder.path().join(name);
        let open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        open.and_then(|mut file| file.write_all(bytes))
            .map_err(|error| format!("can't write {}: {error}", path.display()))
    }
}

/// Runs Envoy until it ends.
///
/// # Errors
/// Why it could not start.
pub fn run(launch: &Launch) -> Result<ExitCode, String> {
    // Envoys share a port without a word (SO_REUSEPORT), so a second one would get half of the requests.
    for (socket, flag) in [(launch.listen, "--listen"), (launch.admin, "--admin")] {
        TcpListener::bind(socket).map_err(|error| format!("can't listen on {socket} ({flag}): {error}"))?;
    }
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| format!("can't watch signals: {error}"))?;
    let mut child = start(launch)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    thread::spawn(move || {
        for signal in signals.forever() {
            if let (Some(pid), Some(signal)) = (pid, Signal::from_named_raw(signal)) {
                let _ = kill_process(pid, signal);
            }
        }
    });
    let reason = Arc::new(Mutex::new(None));
    let log = child.stderr.take().map(|stderr| {
        let reason = Arc::clone(&reason);
        thread::spawn(move || pass_on(stderr, &reason))
    });
    let ready = wait_until_ready(&mut child, launch);
    let status = child.wait().map_err(|error| format!("lost sight of Envoy: {error}"))?;
    if let Some(log) = log {
        let _ = log.join();
    }
    let reason = reason.lock().unwrap_or_else(PoisonError::into_inner).take();
    ended(ready, status, reason)
}

fn start(launch: &Launch) -> Result<Child, String> {
    let folder = launch.folder.folder.path();
    let mut command = Command::new(&launch.envoy);
    command
        .arg("--config-path")
        .arg(folder.join("envoy.yaml"))
        .arg("--admin-address-path")
        .arg(folder.join("admin"))
        .arg("--disable-hot-restart")
        .args(["--log-level", &launch.log_level])
        .envs(&launch.environment)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        // A terminal's Ctrl-C goes to us alone, and from us to Envoy: once.
        .process_group(0);
    if let Some(concurrency) = launch.concurrency {
        command.args(["--concurrency", &concurrency.to_string()]);
    }
    command.spawn().map_err(|error| format!("can't run {}: {error}", launch.envoy.display()))
}

/// Passes Envoy's log on, and keeps the last thing that it could not live with.
fn pass_on(stderr: ChildStderr, reason: &Mutex<Option<String>>) {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    // Until the end: a log that nobody reads would stop Envoy.
    while reader.read_until(b'\n', &mut line).is_ok_and(|size| size > 0) {
        let _ = io::stderr().write_all(&line);
        let text = String::from_utf8_lossy(&line);
        // `[2026-11-21 03:30:22.123][42][critical][main] [source/server/server.cc:430] why`
        if text.contains("][critical][") || text.contains("][error][wasm]") {
            let why = text.splitn(3, "] ").nth(2).or_else(|| text.split("] ").nth(1)).unwrap_or(&text);
            let mut reason = reason.lock().unwrap_or_else(PoisonError::into_inner);
            // The first is the cause, what follows its consequence.
            reason.get_or_insert_with(|| why.trim().to_owned());
        }
        line.clear();
    }
}

/// Waits until Envoy serves, and says so. Whether it ever did.
fn wait_until_ready(child: &mut Child, launch: &Launch) -> bool {
    let begin = Instant::now();
    let mut told = false;
    loop {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return false;
        }
        // Told by Envoy itself: a port 0 is any free one.
        let admin = fs::read_to_string(launch.folder.folder.path().join("admin")).unwrap_or_default();
        if let Ok(admin) = admin.trim().parse::<SocketAddr>()
            && ask(admin, "/ready").is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        {
            println!("Dragoman is ready at http://{} (admin http://{admin})", listening(admin, launch));
            let _ = io::stdout().flush();
            return true;
        }
        if !told && begin.elapsed() > PATIENCE {
            eprintln!(
                "dragoman: Envoy is not ready yet: it may wait for the names of providers to be resolved"
            );
            told = true;
        }
        thread::sleep(POLL);
    }
}

/// Where clients come in, in the end.
fn listening(admin: SocketAddr, launch: &Launch) -> String {
    if launch.listen.port() != 0 {
        return launch.listen.to_string();
    }
    let answer = ask(admin, "/listeners").unwrap_or_default();
    answer
        .lines()
        .find_map(|line| line.strip_prefix("dragoman::"))
        .map_or_else(|| launch.listen.to_string(), |address| address.trim().to_owned())
}

fn ask(admin: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&admin, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn ended(ready: bool, status: ExitStatus, reason: Option<String>) -> Result<ExitCode, String> {
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("with status {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "for no known reason".to_owned(),
    };
    match (ready, reason) {
        (false, Some(reason)) => Err(format!("Envoy could not start: {reason}")),
        (false, None) => Err(format!("Envoy ended {how} before it was ready")),
        (true, _) => Err(format!("Envoy ended {how}")),
    }
}
