//! The `dragoman` command: a LiteLLM config, run on Envoy.
//!
//! Owns the command line. What the commands do is in their rooms: [`check`] reads a config and finds its problems, [`convert`]
//! gives it its meaning, [`bootstrap`] renders Envoy's configuration, [`run`] runs it.

mod binary;
mod bootstrap;
mod check;
mod convert;
mod litellm;
#[cfg(test)]
mod metrics;
mod prices;
mod reference;
mod run;
mod schema;
mod top;
mod version;
mod yaml;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dragoman_core::config::Role;

use bootstrap::Site;
use check::{Environment, Problems};
use convert::Plan;
use version::Version;

/// The filter; empty when the command was built without it.
static WASM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dragoman.wasm"));

/// Every client speaks OpenAI's API to every model provider, through Envoy.
#[derive(Parser)]
#[command(name = "dragoman", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a config on Envoy, in the foreground.
    Run(RunArgs),
    /// Renders configuration for an Envoy of your own.
    #[command(subcommand)]
    Render(Render),
    /// Reads a config and tells every problem with its line.
    Check {
        /// The LiteLLM config.
        config: PathBuf,
        /// The Envoy that is to run it; else, where there is one, that of the PATH or of .venv/bin.
        #[arg(long, env = "DRAGOMAN_ENVOY", value_name = "PATH")]
        envoy: Option<PathBuf>,
        /// The version of the Envoy that is to run it, where it is not on this machine.
        #[arg(long, value_parser = envoy_version, conflicts_with = "envoy")]
        envoy_version: Option<Version>,
        /// Where the filter is to do its work.
        #[arg(long, value_enum, default_value_t = RoleName::Upstream)]
        role: RoleName,
        #[command(flatten)]
        reading: Reading,
    },
    /// Tells what usages cost: lines of JSON on standard input, each with a `model` and OpenAI's `usage`.
    Price,
    /// Shows routes, targets, tokens, money and times, live.
    Top(TopArgs),
    /// Prints the JSON Schema of the config.
    Schema,
    /// Prints the reference of the config, in Markdown.
    Reference,
}

#[derive(Args)]
struct Reading {
    /// Let keys pass that Dragoman doesn't honour although they change behaviour.
    #[arg(long)]
    lenient: bool,
}

#[derive(Args)]
struct TopArgs {
    /// Where Envoy's admin port is.
    #[arg(long, default_value = "127.0.0.1:9901", value_parser = socket)]
    admin: SocketAddr,
    /// How often to look, in seconds.
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    every: f64,
    /// Print the table once, for scripts.
    #[arg(long)]
    once: bool,
}

#[derive(Args)]
struct Place {
    /// Where clients come in.
    #[arg(long, default_value = "127.0.0.1:4000", value_parser = socket)]
    listen: SocketAddr,
    /// Where Envoy's admin port is: keep it private.
    #[arg(long, default_value = "127.0.0.1:9901", value_parser = socket)]
    admin: SocketAddr,
    /// Write a line of JSON for every request on standard output.
    #[arg(long)]
    access_log: bool,
    /// The certificates that are trusted; the system's own when absent.
    #[arg(long, env = "SSL_CERT_FILE", value_name = "FILE")]
    roots: Option<PathBuf>,
}

#[derive(Args)]
struct RunArgs {
    /// The LiteLLM config.
    #[arg(long)]
    config: PathBuf,
    #[command(flatten)]
    place: Place,
    /// The Envoy to run; else the one of the PATH or of .venv/bin.
    #[arg(long, env = "DRAGOMAN_ENVOY", value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// How many threads serve requests; as many as there are cores when absent.
    #[arg(long)]
    concurrency: Option<u32>,
    /// What Envoy's own log tells, on standard error.
    #[arg(long, default_value = "warning", value_name = "LEVEL")]
    log_level: String,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Subcommand)]
enum Render {
    /// The bootstrap that `run` uses, and its parts to put into a configuration of your own.
    Envoy(RenderArgs),
}

#[derive(Args)]
struct RenderArgs {
    /// The LiteLLM config.
    #[arg(long)]
    config: PathBuf,
    /// A folder for envoy.yaml, dragoman.wasm and include/; the bootstrap goes to standard output when absent.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where the filter does its work.
    #[arg(long, value_enum, default_value_t = RoleName::Upstream)]
    role: RoleName,
    /// The version of the Envoy that reads it.
    #[arg(long, default_value_t = version::CURRENT, value_parser = envoy_version)]
    envoy_version: Version,
    /// Where that Envoy finds the filter; in DIR when absent.
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    reading: Reading,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleName {
    /// On the listener and on the clusters: fallback across providers.
    Upstream,
    /// On the listener only: one provider per request.
    Inline,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Upstream => Self::Gateway,
            RoleName::Inline => Self::Inline,
        }
    }
}

fn socket(text: &str) -> Result<SocketAddr, String> {
    let full = match text.split_once(':') {
        Some(("", port)) => format!("0.0.0.0:{port}"),
        Some(("localhost", port)) => format!("127.0.0.1:{port}"),
        _ => text.to_owned(),
    };
    full.parse().map_err(|_| format!("'{text}' is no address: write 127.0.0.1:4000"))
}

fn envoy_version(text: &str) -> Result<Version, String> {
    text.parse::<Version>()?.supported()
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run_config(&args),
        Command::Render(Render::Envoy(args)) => render(&args),
        Command::Check { config, envoy, envoy_version, role, reading } => {
            check_config(&config, envoy.as_deref(), envoy_version, role, &reading)
        }
        Command::Price => price(),
        Command::Top(args) => {
            let every = std::time::Duration::from_secs_f64(args.every.clamp(0.1, 3600.0));
            top::top(args.admin, every, args.once).map(|()| ExitCode::SUCCESS)
        }
        Command::Schema => {
            print(&(serde_json::to_string_pretty(&schema::schema()).unwrap_or_default() + "\n"))
        }
        Command::Reference => print(&reference::reference()),
    };
    match outcome {
        Ok(code) => code,
        Err(why) => {
            eprintln!("dragoman: {why}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> Result<ExitCode, String> {
    // A reader that has seen enough (`| head`) is no failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Reads a config and says what is wrong with it; `None` when it can't be used.
fn plan(
    path: &Path,
    reading: &Reading,
    role: RoleName,
    environment: Environment,
    elsewhere: bool,
) -> Result<Option<Plan>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("can't read {}: {error}", path.display()))?;
    let mut problems = Problems::new(reading.lenient);
    problems.inline = matches!(role, RoleName::Inline);
    let plan = convert::load(&text, environment, elsewhere, &mut problems);
    eprint!("{}", problems.report(path));
    Ok(plan.filter(|_| !problems.fatal()))
}

fn check_config(
    path: &Path,
    envoy: Option<&Path>,
    version: Option<Version>,
    role: RoleName,
    reading: &Reading,
) -> Result<ExitCode, String> {
    let Some(plan) = plan(path, reading, role, Environment::of_process(), false)? else {
        return Ok(ExitCode::FAILURE);
    };
    let version = match (version, binary::find(envoy)) {
        (Some(version), _) => Some(version),
        (None, Ok(found)) => Some(binary::version(&found)?),
        (None, Err(why)) if envoy.is_some() => return Err(why),
        // Where it will run is another machine's business.
        (None, Err(_)) => None,
    };
    if let Some(version) = version {
        caveats(&plan, version);
    }
    print(&format!("{}: {}\n", path.display(), convert::summary(&plan)))
}

fn price() -> Result<ExitCode, String> {
    for line in std::io::stdin().lines() {
        let line = line.map_err(|error| format!("can't read standard input: {error}"))?;
        print(&(prices::ask::answer(&line)? + "\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(args: &RenderArgs) -> Result<ExitCode, String> {
    let Some(plan) = plan(&args.config, &args.reading, args.role, Environment::of_process(), true)? else {
        return Ok(ExitCode::FAILURE);
    };
    let inside = args.out.as_ref().map(|out| std::path::absolute(out).unwrap_or_else(|_| out.clone()));
    let wasm = args.wasm.clone().or_else(|| inside.map(|out| out.join("dragoman.wasm")));
    let site = site(
        &plan,
        &args.place,
        args.envoy_version,
        wasm.unwrap_or_else(|| "dragoman.wasm".into()),
        args.role,
    )?;
    let shown: Vec<&str> = plan.secrets.generated().keys().map(String::as_str).collect();
    if !shown.is_empty() {
        let names = shown.join(", ");
        eprintln!("dragoman: keys stand in the config itself: give them to Envoy's process as {names}");
    }
    let bootstrap = bootstrap::text::yaml(&bootstrap::bootstrap(&plan, &site));
    let Some(out) = &args.out else { return print(&bootstrap) };
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        fs::write(&path, bytes).map_err(|error| format!("can't write {}: {error}", path.display()))
    };
    fs::create_dir_all(out.join("include"))
        .map_err(|error| format!("can't make {}: {error}", out.display()))?;
    write("envoy.yaml", bootstrap.as_bytes())?;
    if args.wasm.is_none() {
        write("dragoman.wasm", filter()?)?;
    }
    for (name, text) in bootstrap::text::includes(&plan, &site) {
        write(&format!("include/{name}"), text.as_bytes())?;
    }
    let needed: Vec<&str> = plan.secrets.all().collect();
    if !needed.is_empty() {
        eprintln!("dragoman: Envoy's process needs the environment variables {}", needed.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

fn run_config(args: &RunArgs) -> Result<ExitCode, String> {
    let envoy = binary::find(args.envoy.as_deref())?;
    let version = binary::version(&envoy)?;
    let folder = run::Folder::new(filter()?)?;
    let wasm = folder.wasm();
    let read = |before: Option<&run::Rendering>| {
        let known = before.map(|before| before.environment.clone()).unwrap_or_default();
        let environment = Environment::of_process().remembering(known);
        let Some(plan) = plan(&args.config, &args.reading, RoleName::Upstream, environment, false)? else {
            return Ok(None);
        };
        let mut site = site(&plan, &args.place, version, wasm.clone(), RoleName::Upstream)?;
        let given = plan.secrets.given().into_iter();
        let environment = given.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let needed = site.variables.clone();
        let render = Box::new(move |folder: &Path, variables: &BTreeSet<String>| {
            site.variables.clone_from(variables);
            bootstrap::discovery::watched(&plan, &site, folder)
        });
        Ok(Some(run::Reading { environment, needed, render }))
    };
    let program = run::Program {
        envoy,
        concurrency: args.concurrency,
        log_level: args.log_level.clone(),
        replaceable: run::replaceable(),
    };
    let launch = run::Launch {
        config: args.config.clone(),
        program,
        listen: args.place.listen,
        admin: args.place.admin,
    };
    run::run(&launch, &folder, &read)
}

fn filter() -> Result<&'static [u8], String> {
    if WASM.is_empty() {
        return Err("this command was built without the filter inside: run `make build`".to_owned());
    }
    Ok(WASM)
}

/// Warns of what this version of Envoy can't do for a config.
fn caveats(plan: &Plan, version: Version) {
    if !version.holds_heads() {
        eprintln!(
            "dragoman: warning: Envoy {version} tries again, and lets other models stand in, only where a reply's status tells \
             enough; 1.37 and later also at what its body says: a window that is too small, a policy, an error as a \
             stream's first event"
        );
    }
    if plan.hedges() && !version.hedges() {
        eprintln!(
            "dragoman: warning: Envoy {version} asks no second target beside the first: dragoman.hedging needs 1.37 or later"
        );
    }
    let observe = &plan.observe;
    if !version.formats_tags() && (observe.traces.is_some() || observe.logs.as_ref().is_some_and(|l| !l.grpc))
    {
        eprintln!(
            "dragoman: warning: Envoy {version} sends spans without attributes, and log records over gRPC only; 1.37 and later do both"
        );
    }
}

fn site(plan: &Plan, place: &Place, version: Version, wasm: PathBuf, role: RoleName) -> Result<Site, String> {
    if plan.hedges() && matches!(role, RoleName::Inline) {
        eprintln!(
            "dragoman: warning: the inline role asks no second target beside the first: dragoman.hedging is without effect"
        );
    }
    let roots = match &place.roots {
        Some(roots) => roots.clone(),
        None => binary::roots(plan.targets.iter().any(|target| target.address.tls))?,
    };
    caveats(plan, version);
    let address = |socket: SocketAddr| (socket.ip().to_string(), socket.port());
    Ok(Site {
        listen: address(place.listen),
        admin: address(place.admin),
        version,
        wasm,
        roots,
        role: role.into(),
        access_log: place.access_log,
        variables: plan.secrets.needed().clone(),
    })
}
