//! A config on Envoy, in the foreground: started, changed while it runs, ended with us.
//!
//! What a changed config changes reaches Envoy in files that it watches ([`crate::bootstrap::discovery`]). Only what stands in
//! the environment of Envoy's process can't change there: then a next Envoy takes the place of the running one, which
//! finishes its streams. <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/operations/hot_restart>

mod child;
mod folder;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::bootstrap::discovery::Part;
use child::Envoy;
pub use child::{Program, replaceable};
pub use folder::Folder;

/// How often Envoy is asked whether it has come as far as it should.
const POLL: Duration = Duration::from_millis(20);
/// After how long without an answer it is said that we are still waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long Envoy may take to say what it thinks of a changed part.
const VERDICT: Duration = Duration::from_secs(15);

/// What to run.
pub struct Launch {
    /// The config's file.
    pub config: PathBuf,
    /// How to start Envoy.
    pub program: Program,
    /// Where clients come in.
    pub listen: SocketAddr,
    /// Where the admin port is.
    pub admin: SocketAddr,
}

/// A config as Envoy is to run it.
#[derive(Clone, Debug)]
pub struct Rendering {
    /// The bootstrap.
    pub bootstrap: String,
    /// The parts that it names.
    pub parts: Vec<Part>,
    /// Variables beside our own.
    pub environment: BTreeMap<String, String>,
    /// The names of all variables that the filter reads.
    pub needed: BTreeSet<String>,
}

/// The bootstrap and its parts for a folder, with the variables that Envoy's process has for the filter.
type Render = Box<dyn FnMut(&Path, &BTreeSet<String>) -> (String, Vec<Part>)>;

/// A config that has been read, and is rendered once it is known where Envoy will find it.
pub struct Reading {
    /// Variables beside our own.
    pub environment: BTreeMap<String, String>,
    /// The names of all variables that the filter reads.
    pub needed: BTreeSet<String>,
    /// Renders it.
    pub render: Render,
}

impl Reading {
    /// As Envoy is to run it from `folder`, in a process that has `variables` for the filter.
    fn rendered(mut self, folder: &Path, variables: &BTreeSet<String>) -> Rendering {
        let (bootstrap, parts) = (self.render)(folder, variables);
        Rendering { bootstrap, parts, environment: self.environment, needed: self.needed }
    }

    /// The same, in a process of its own.
    fn anew(self, folder: &Path) -> Rendering {
        let needed = self.needed.clone();
        self.rendered(folder, &needed)
    }
}

/// What happens while a config runs.
pub enum Event {
    /// Somebody has sent us a signal.
    Signal(i32),
    /// The config's file has another content.
    Changed,
    /// This Envoy has ended.
    Ended(u32, Option<ExitStatus>),
}

/// Reads the config as it stands now, knowing what runs. `None` when it can't be used, which has been told.
pub type Read<'r> = &'r dyn Fn(Option<&Rendering>) -> Result<Option<Reading>, String>;

/// A config that runs.
struct Running<'r> {
    launch: &'r Launch,
    folder: &'r Folder,
    read: Read<'r>,
    sender: Sender<Event>,
    events: Receiver<Event>,
    rendering: Rendering,
    /// The Envoys that live, the youngest last.
    envoys: Vec<Envoy>,
    /// How many have been started.
    epochs: u32,
}

/// Runs a config until Envoy ends.
///
/// # Errors
/// Why it could not start, or how it ended.
pub fn run(launch: &Launch, folder: &Folder, read: Read<'_>) -> Result<ExitCode, String> {
    // Envoys share a port without a word (SO_REUSEPORT), so a second one would get half of the requests.
    for (socket, flag) in [(launch.listen, "--listen"), (launch.admin, "--admin")] {
        TcpListener::bind(socket).map_err(|error| format!("can't listen on {socket} ({flag}): {error}"))?;
    }
    let path = folder.of_epoch(0)?;
    let Some(reading) = read(None)? else { return Ok(ExitCode::FAILURE) };
    let rendering = reading.anew(&path);
    let (sender, events) = mpsc::channel();
    signals(sender.clone())?;
    watch::watch(launch.config.clone(), sender.clone());
    let mut running =
        Running { launch, folder, read, sender, events, rendering, envoys: Vec::new(), epochs: 0 };
    running.start(path)?;
    running.serve()
}

fn signals(sender: Sender<Event>) -> Result<(), String> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(|error| format!("can't watch signals: {error}"))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let event = if signal == SIGHUP { Event::Changed } else { Event::Signal(signal) };
            let _ = sender.send(event);
        }
    });
    Ok(())
}

impl Running<'_> {
    /// Starts a next Envoy, with what is rendered now.
    fn start(&mut self, folder: PathBuf) -> Result<(), String> {
        for part in &self.rendering.parts {
            folder::write(&folder.join(part.file), part.text.as_bytes())?;
        }
        folder::write(&folder.join("envoy.json"), self.rendering.bootstrap.as_bytes())?;
        let program = &self.launch.program;
        let environment = &self.rendering.environment;
        let envoy = Envoy::start(program, self.epochs, folder, environment, self.sender.clone())?;
        self.epochs += 1;
        self.envoys.push(envoy);
        Ok(())
    }

    /// Serves until the youngest Envoy ends.
    fn serve(&mut self) -> Result<ExitCode, String> {
        let (begin, mut ready, mut told) = (Instant::now(), false, false);
        loop {
            if !ready
                && let Some(envoy) = self.envoys.last()
                && envoy.ready()
            {
                // Envoy starts without the parts that it can't live with.
                if let Some(part) = self.rendering.parts.iter().find(|part| envoy.refused(part) > 0) {
                    let why = envoy.reason().unwrap_or_else(|| format!("it refuses {}", part.file));
                    self.end();
                    return Err(format!("Envoy could not start: {why}"));
                }
                ready = true;
                self.announce();
            }
            if !ready && !told && begin.elapsed() > PATIENCE {
                eprintln!(
                    "dragoman: Envoy is not ready yet: it may wait for the names of providers to be resolved"
                );
                told = true;
            }
            let event = if ready {
                self.events.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.events.recv_timeout(POLL)
            };
            match event {
                Ok(Event::Signal(signal)) => self.signal(signal),
                Ok(Event::Changed) if ready => self.change(),
                Ok(Event::Changed) | Err(RecvTimeoutError::Timeout) => {}
                Ok(Event::Ended(epoch, status)) => {
                    if let Some(end) = self.ended(epoch, status, ready) {
                        return end;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err("lost sight of Envoy".to_owned()),
            }
        }
    }

    fn announce(&self) {
        let Some(envoy) = self.envoys.last() else { return };
        let admin = envoy.admin().unwrap_or(self.launch.admin);
        let listening = match self.launch.listen.port() {
            0 => envoy.listening().unwrap_or_else(|| self.launch.listen.to_string()),
            _ => self.launch.listen.to_string(),
        };
        println!("Dragoman is ready at http://{listening} (admin http://{admin})");
        let _ = io::stdout().flush();
    }

    /// Ends all Envoys.
    fn end(&mut self) {
        self.signal(SIGTERM);
        while !self.envoys.is_empty() {
            match self.events.recv() {
                Ok(Event::Ended(epoch, _)) => self.envoys.retain(|envoy| envoy.epoch != epoch),
                Ok(_) => {}
                Err(_) => return,
            }
        }
    }

    fn signal(&self, signal: i32) {
        if let Some(signal) = Signal::from_named_raw(signal) {
            self.envoys.iter().for_each(|envoy| envoy.signal(signal));
        }
    }

    /// An Envoy has ended; how we end, if it was the one that serves.
    fn ended(
        &mut self,
        epoch: u32,
        status: Option<ExitStatus>,
        ready: bool,
    ) -> Option<Result<ExitCode, String>> {
        let place = self.envoys.iter().position(|envoy| envoy.epoch == epoch)?;
        let envoy = self.envoys.remove(place);
        if place < self.envoys.len() {
            return None;
        }
        // Those that were on their way out have nobody to come back to.
        self.end();
        if status.is_some_and(|status| status.success()) {
            return Some(Ok(ExitCode::SUCCESS));
        }
        let how = child::how(status);
        Some(Err(match envoy.reason() {
            Some(reason) if !ready => format!("Envoy could not start: {reason}"),
            None if !ready => format!("Envoy ended {how} before it was ready"),
            _ => format!("Envoy ended {how}"),
        }))
    }

    /// The config has changed: what it says now becomes live, or what it said before stays.
    fn change(&mut self) {
        let begin = Instant::now();
        let config = self.launch.config.display();
        match self.changed() {
            Ok(true) => eprintln!("dragoman: {config} is live, after {} ms", begin.elapsed().as_millis()),
            Ok(false) => {}
            Err(why) => eprintln!("dragoman: {config} is not live, what ran before goes on: {why}"),
        }
    }

    /// Whether anything is different now.
    fn changed(&mut self) -> Result<bool, String> {
        let Some(envoy) = self.envoys.last() else { return Ok(false) };
        let Some(next) = (self.read)(Some(&self.rendering))? else {
            return Err("it has problems".to_owned());
        };
        let has = |(name, value): (&String, &String)| self.rendering.environment.get(name) == Some(value);
        if !next.environment.iter().all(has) || !next.needed.is_subset(&self.rendering.needed) {
            return self.replaced(next);
        }
        // The variables that Envoy's process has are all that it can have.
        let next = next.rendered(&envoy.folder, &self.rendering.needed);
        let before = self.rendering.clone();
        let mut differs = false;
        for part in &next.parts {
            let old = before.parts.iter().find(|old| old.file == part.file);
            if old == Some(part) {
                continue;
            }
            differs = true;
            if let Err(why) = apply(envoy, part) {
                // What was live already names what has gone: everything goes back.
                for old in &before.parts {
                    folder::write(&envoy.folder.join(old.file), old.text.as_bytes())?;
                }
                return Err(why);
            }
        }
        // What Envoy's process was started with stays.
        self.rendering.parts = next.parts;
        Ok(differs)
    }

    /// A next Envoy takes the place of the running one.
    fn replaced(&mut self, next: Reading) -> Result<bool, String> {
        if !self.launch.program.replaceable {
            return Err(
                "a secret has changed, and Envoy can't hand over without /dev/shm: restart".to_owned()
            );
        }
        let folder = self.folder.of_epoch(self.epochs)?;
        let before = std::mem::replace(&mut self.rendering, next.anew(&folder));
        let outcome = self.start(folder).and_then(|()| self.hand_over());
        if outcome.is_err() {
            self.rendering = before;
        }
        outcome.map(|()| true)
    }

    /// Waits until the youngest Envoy serves. What happens meanwhile is left for later.
    fn hand_over(&mut self) -> Result<(), String> {
        let mut later = Vec::new();
        let outcome = loop {
            let Some(envoy) = self.envoys.last() else { break Err("Envoy has gone".to_owned()) };
            let epoch = envoy.epoch;
            match self.events.recv_timeout(POLL) {
                Ok(Event::Ended(ended, status)) if ended == epoch => {
                    let how = child::how(status);
                    let why = envoy.reason().unwrap_or_else(|| format!("the next Envoy ended {how}"));
                    self.envoys.pop();
                    break Err(why);
                }
                Ok(event) => later.push(event),
                Err(_) => {}
            }
            // The running one answers at the same port until the next one takes it.
            let serving = self.envoys.last().is_some_and(|envoy| {
                envoy.ready()
                    && envoy
                        .ask("/server_info")
                        .is_some_and(|info| info.contains(&format!("\"restart_epoch\": {epoch}")))
            });
            if serving {
                break Ok(());
            }
        };
        for event in later {
            let _ = self.sender.send(event);
        }
        outcome
    }
}

/// Gives Envoy a changed part, and waits for what it says.
fn apply(envoy: &Envoy, part: &Part) -> Result<(), String> {
    let before = (envoy.taken(part), envoy.refused(part));
    let _ = envoy.reason();
    folder::write(&envoy.folder.join(part.file), part.text.as_bytes())?;
    let begin = Instant::now();
    while begin.elapsed() < VERDICT {
        if envoy.refused(part) > before.1 {
            let why = envoy.reason().unwrap_or_else(|| "see its log".to_owned());
            return Err(format!("Envoy refuses {}: {why}", part.file));
        }
        if envoy.taken(part) > before.0 {
            return Ok(());
        }
        thread::sleep(POLL);
    }
    Err(format!("Envoy has not taken {} within {} s", part.file, VERDICT.as_secs()))
}
