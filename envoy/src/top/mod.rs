//! `dragoman top`: what an Envoy with Dragoman does, as a table that is drawn anew.
//!
//! Owns the screen. What is counted is read from Envoy's admin port by [`admin`] and summed up by [`table`].

mod admin;
mod table;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use table::Table;

/// A second screen, without its cursor; and back to the first.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// The corner, and the end of what was drawn before.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K";
const CLEAR_BELOW: &str = "\x1b[J";
/// How often it is looked whether the user wants to leave.
const STEP: Duration = Duration::from_millis(50);

/// Shows the table: once, or until a signal comes.
///
/// # Errors
/// When Envoy can't be asked, or nobody can see.
pub fn top(admin: SocketAddr, every: Duration, once: bool) -> Result<(), String> {
    if once {
        print(&Table::read(&admin::samples(admin)?).text(None));
        return Ok(());
    }
    if !std::io::stdout().is_terminal() {
        return Err("the output is no terminal: use --once".to_owned());
    }
    let mut before = Table::read(&admin::samples(admin)?);
    let leave = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&leave))
            .map_err(|error| format!("can't watch signals: {error}"))?;
    }
    print(ENTER);
    let mut drawn = Instant::now();
    draw(admin, &before.text(None));
    while !leave.load(Ordering::Relaxed) {
        thread::sleep(STEP);
        let passed = drawn.elapsed();
        if passed < every {
            continue;
        }
        drawn = Instant::now();
        // An Envoy that is away for a while is waited for.
        match admin::samples(admin).map(|samples| Table::read(&samples)) {
            Ok(now) => {
                draw(admin, &now.text(Some((&before, passed))));
                before = now;
            }
            Err(why) => draw(admin, &format!("{why}\n")),
        }
    }
    print(LEAVE);
    Ok(())
}

fn draw(admin: SocketAddr, text: &str) {
    let mut screen = format!("{HOME}Dragoman at {admin}: Ctrl-C leaves{CLEAR_LINE}\r\n{CLEAR_LINE}\r\n");
    for line in text.lines() {
        screen.push_str(line);
        screen.push_str(CLEAR_LINE);
        screen.push_str("\r\n");
    }
    screen.push_str(CLEAR_BELOW);
    print(&screen);
}

fn print(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}
