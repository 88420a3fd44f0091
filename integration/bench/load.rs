//! The two ends of a benchmark in one file without dependencies: a stand-in provider and a load generator.
//!
//! `rustc -O load.rs` is the whole build, so the benchmark needs nothing that the project itself does not need.
//! Threads and blocking sockets cost a few microseconds per request, a tenth of what the fastest contender costs;
//! the `direct` line of every table shows how far from the limit both ends are.
//!
//! Must not know: any contender, any vendor's format. Requests, replies and events come from files.

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Events carry the time they were sent in this many bytes: an `@` and fifteen digits of nanoseconds.
/// A translator carries the text along, so the receiver reads off each event's delay whatever the format.
const STAMP: usize = 16;
const STAMP_WRAP: u64 = 1_000_000_000_000_000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.first().map(String::as_str) {
        Some("stand-in") => stand_in(&args[1..]),
        Some("fire") => fire(&args[1..]),
        _ => {
            eprintln!(
                "usage: load stand-in PORT | load fire --to ADDRESS --request FILE [--connections N] [--seconds S] [--each N]"
            );
            std::process::exit(2);
        }
    }
}

// ---- HTTP/1.1, as much of it as both ends need ----------------------------------------------------------------

/// One connection and what has been read from it but not yet consumed.
struct Wire {
    socket: TcpStream,
    buffer: Vec<u8>,
    begin: usize,
    end: usize,
}

/// The facts of a message head that decide how to go on.
struct Head {
    first_line: String,
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

impl Wire {
    fn new(socket: TcpStream) -> io::Result<Wire> {
        socket.set_nodelay(true)?;
        Ok(Wire { socket, buffer: vec![0; 256 * 1024], begin: 0, end: 0 })
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.begin == self.end {
            self.begin = 0;
            self.end = 0;
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.begin..self.end, 0);
            self.end -= self.begin;
            self.begin = 0;
            if self.end == self.buffer.len() {
                return Err(io::Error::other("a head larger than the buffer"));
            }
        }
        let read = self.socket.read(&mut self.buffer[self.end..])?;
        self.end += read;
        Ok(read)
    }

    /// `None` when the peer closed between two messages.
    fn head(&mut self) -> io::Result<Option<Head>> {
        let mut scanned = 0;
        loop {
            let seen = &self.buffer[self.begin..self.end];
            if let Some(at) = find(&seen[scanned..], b"\r\n\r\n") {
                let size = scanned + at + 4;
                let head = parse_head(&seen[..size]);
                self.begin += size;
                return Ok(Some(head));
            }
            scanned = seen.len().saturating_sub(3);
            if self.fill()? == 0 {
                if self.begin == self.end {
                    return Ok(None);
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = find(&self.buffer[self.begin..self.end], b"\r\n") {
                let line = self.buffer[self.begin..self.begin + at].to_vec();
                self.begin += at + 2;
                return Ok(line);
            }
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn exactly(&mut self, mut left: usize, on_data: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            if self.begin == self.end && self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let take = left.min(self.end - self.begin);
            on_data(&self.buffer[self.begin..self.begin + take]);
            self.begin += take;
            left -= take;
        }
        Ok(())
    }

    fn body(&mut self, head: &Head, on_data: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        if head.chunked {
            loop {
                let line = self.line()?;
                let digits = line.split(|b| *b == b';').next().unwrap_or(&[]);
                let size =
                    std::str::from_utf8(digits).ok().and_then(|s| usize::from_str_radix(s.trim(), 16).ok());
                match size {
                    None => return Err(io::Error::other("a bad chunk size")),
                    Some(0) => break,
                    Some(size) => {
                        self.exactly(size, on_data)?;
                        self.line()?;
                    }
                }
            }
            while !self.line()?.is_empty() {}
            Ok(())
        } else {
            self.exactly(head.length.unwrap_or(0), on_data)
        }
    }
}

fn parse_head(bytes: &[u8]) -> Head {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let mut head = Head {
        first_line: lines.next().unwrap_or("").to_owned(),
        length: None,
        chunked: false,
        close: false,
    };
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            head.length = value.parse().ok();
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            head.chunked = value.to_ascii_lowercase().contains("chunked");
        } else if name.eq_ignore_ascii_case("connection") {
            head.close = value.eq_ignore_ascii_case("close");
        }
    }
    head
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn now_stamp() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now.as_nanos() % u128::from(STAMP_WRAP)) as u64
}

// ---- the stand-in provider ------------------------------------------------------------------------------------

/// What every request is answered with until the next control line.
struct Reply {
    path: String,
    delay: Duration,
    /// The time between two events; zero sends them in one piece.
    gap: Duration,
    head: Vec<u8>,
    parts: Vec<Vec<u8>>,
}

/// Control comes as lines on stdin, each answered with one line, so no port and no request path is needed for it:
/// `unary PATH DELAY_US FILE`, `stream PATH DELAY_US GAP_US FILE`, `dump FILE` (the next request), `count`.
/// A request for another path than PATH gets a 404: a contender that doesn't translate can't look fast.
fn stand_in(args: &[String]) {
    let listener = TcpListener::bind(format!("127.0.0.1:{}", args[0])).expect("a free port");
    let reply: Arc<RwLock<Option<Arc<Reply>>>> = Arc::default();
    let dump: Arc<Mutex<Option<String>>> = Arc::default();
    let armed = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    {
        let (reply, dump, armed, count) = (reply.clone(), dump.clone(), armed.clone(), count.clone());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (reply, dump, armed, count) = (reply.clone(), dump.clone(), armed.clone(), count.clone());
                let serve = move || drop(serve(socket, &reply, &dump, &armed, &count));
                // A thread per connection, a thousand connections: a small stack each.
                drop(thread::Builder::new().stack_size(128 * 1024).spawn(serve));
            }
        });
    }
    println!("ready");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["unary", path, delay, file] => {
                let body = fs::read(file).expect("the reply's file");
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                set(
                    &reply,
                    Reply {
                        path: (*path).into(),
                        delay: micros(delay),
                        gap: Duration::ZERO,
                        head: head.into(),
                        parts: vec![body],
                    },
                );
            }
            ["stream", path, delay, gap, file] => {
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
                let text = fs::read(file).expect("the events' file");
                let gap = micros(gap);
                let parts = if gap.is_zero() {
                    vec![chunk(&text)]
                } else {
                    events(&text).into_iter().map(chunk).collect()
                };
                set(
                    &reply,
                    Reply { path: (*path).into(), delay: micros(delay), gap, head: head.into(), parts },
                );
            }
            ["dump", file] => {
                *dump.lock().expect("no panic in a thread") = Some((*file).into());
                armed.store(true, Ordering::SeqCst);
            }
            ["count"] => {
                println!("{}", count.load(Ordering::SeqCst));
                continue;
            }
            _ => {
                println!("what?");
                continue;
            }
        }
        println!("ok");
    }
}

fn set(slot: &RwLock<Option<Arc<Reply>>>, reply: Reply) {
    *slot.write().expect("no panic in a thread") = Some(Arc::new(reply));
}

fn micros(word: &str) -> Duration {
    Duration::from_micros(word.parse().expect("a number of microseconds"))
}

/// Cuts a file of server-sent events behind each blank line.
/// What comes before the first stamped event goes along with it: providers open a stream and say its first word together.
fn events(text: &[u8]) -> Vec<&[u8]> {
    let mut rest = text;
    let mut found = Vec::new();
    let mut size = 0;
    while let Some(at) = find(&rest[size..], b"\n\n") {
        size += at + 2;
        if found.is_empty() && !rest[..size].contains(&b'@') {
            continue;
        }
        found.push(&rest[..size]);
        rest = &rest[size..];
        size = 0;
    }
    found
}

fn chunk(data: &[u8]) -> Vec<u8> {
    let mut framed = format!("{:x}\r\n", data.len()).into_bytes();
    framed.extend_from_slice(data);
    framed.extend_from_slice(b"\r\n");
    framed
}

fn stamp(part: &mut [u8]) {
    let digits = format!("{:015}", now_stamp());
    let mut from = 0;
    while let Some(at) = part[from..].iter().position(|b| *b == b'@') {
        let at = from + at;
        if at + STAMP > part.len() {
            break;
        }
        part[at + 1..at + STAMP].copy_from_slice(digits.as_bytes());
        from = at + STAMP;
    }
}

fn serve(
    socket: TcpStream,
    reply: &RwLock<Option<Arc<Reply>>>,
    dump: &Mutex<Option<String>>,
    armed: &AtomicBool,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut wire = Wire::new(socket)?;
    while let Some(head) = wire.head()? {
        let keep = armed.swap(false, Ordering::SeqCst);
        let mut kept = Vec::new();
        wire.body(&head, &mut |data| {
            if keep {
                kept.extend_from_slice(data);
            }
        })?;
        if let Some(file) = keep.then(|| dump.lock().expect("no panic in a thread").take()).flatten() {
            fs::write(file, [head.first_line.as_bytes(), b"\r\n\r\n", &kept].concat())?;
        }
        count.fetch_add(1, Ordering::Relaxed);
        let reply = reply.read().expect("no panic in a thread").clone();
        let path = head.first_line.split(' ').nth(1).unwrap_or("");
        let Some(reply) = reply.filter(|reply| path.split('?').next() == Some(&reply.path)) else {
            let body = format!("no {path} here");
            write!(wire.socket, "HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
            continue;
        };
        answer(&mut wire.socket, &reply)?;
        if head.close {
            break;
        }
    }
    Ok(())
}

fn answer(socket: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    let start = Instant::now();
    if !reply.delay.is_zero() {
        thread::sleep(reply.delay);
    }
    let stream = reply.head.windows(7).any(|w| w == b"chunked");
    let mut pending = reply.head.clone();
    for (index, part) in reply.parts.iter().enumerate() {
        // Absolute deadlines: a late event does not delay those after it.
        let due = reply.delay + reply.gap * index as u32;
        if let Some(wait) = due.checked_sub(start.elapsed()).filter(|wait| index > 0 && !wait.is_zero()) {
            thread::sleep(wait);
        }
        let from = pending.len();
        pending.extend_from_slice(part);
        if stream {
            stamp(&mut pending[from..]);
        }
        if stream && index + 1 == reply.parts.len() {
            pending.extend_from_slice(b"0\r\n\r\n");
        }
        socket.write_all(&pending)?;
        pending.clear();
    }
    Ok(())
}

// ---- the load generator ---------------------------------------------------------------------------------------

#[derive(Default)]
struct Seen {
    latencies: Vec<u64>,
    first_events: Vec<u64>,
    event_delays: Vec<u64>,
    bytes: u64,
    errors: u64,
    first_error: String,
}

struct Job {
    to: String,
    request: Vec<u8>,
    connections: usize,
    time: Duration,
    /// Requests per connection instead of a time, when not zero.
    each: usize,
}

fn fire(args: &[String]) {
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|at| args.get(at + 1));
    let number =
        |name: &str, otherwise: f64| option(name).map_or(otherwise, |v| v.parse().expect("a number"));
    let job = Arc::new(Job {
        to: option("--to").expect("--to").clone(),
        request: fs::read(option("--request").expect("--request")).expect("the request's file"),
        connections: number("--connections", 1.0) as usize,
        time: Duration::from_secs_f64(number("--seconds", 1.0)),
        each: number("--each", 0.0) as usize,
    });
    let gate = Arc::new(Barrier::new(job.connections + 1));
    let workers: Vec<_> = (0..job.connections)
        .map(|_| {
            let (job, gate) = (job.clone(), gate.clone());
            let work = move || {
                let mut seen = Seen::default();
                gate.wait();
                work(&job, &mut seen);
                seen
            };
            thread::Builder::new().stack_size(128 * 1024).spawn(work).expect("a thread")
        })
        .collect();
    gate.wait();
    let start = Instant::now();
    let mut all = Seen::default();
    for worker in workers {
        let seen = worker.join().expect("no panic in a thread");
        all.latencies.extend(seen.latencies);
        all.first_events.extend(seen.first_events);
        all.event_delays.extend(seen.event_delays);
        all.bytes += seen.bytes;
        all.errors += seen.errors;
        if all.first_error.is_empty() {
            all.first_error = seen.first_error;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{{\"requests\":{},\"errors\":{},\"first_error\":{:?},\"seconds\":{seconds:.6},\"bytes\":{},\"events\":{},\"latency_us\":{},\"first_event_us\":{},\"event_delay_us\":{}}}",
        all.latencies.len(),
        all.errors,
        all.first_error,
        all.bytes,
        all.event_delays.len(),
        percentiles(&mut all.latencies),
        percentiles(&mut all.first_events),
        percentiles(&mut all.event_delays),
    );
}

fn work(job: &Job, seen: &mut Seen) {
    let start = Instant::now();
    let mut wire: Option<Wire> = None;
    let mut done = 0;
    while if job.each > 0 { done < job.each } else { start.elapsed() < job.time } {
        done += 1;
        let began = Instant::now();
        match exchange(job, &mut wire, seen, began) {
            Ok(()) => seen.latencies.push(began.elapsed().as_nanos() as u64),
            Err(error) => {
                wire = None;
                seen.errors += 1;
                if seen.first_error.is_empty() {
                    seen.first_error = error.to_string();
                }
                // A contender that refuses at once must not be hammered by the whole loop.
                thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

fn exchange(job: &Job, slot: &mut Option<Wire>, seen: &mut Seen, began: Instant) -> io::Result<()> {
    let mut wire = match slot.take() {
        Some(wire) => wire,
        None => Wire::new(TcpStream::connect(&job.to)?)?,
    };
    wire.socket.write_all(&job.request)?;
    let head = wire.head()?.ok_or(io::ErrorKind::ConnectionReset)?;
    let fine = head.first_line.split(' ').nth(1) == Some("200");
    let mut text = Vec::new();
    let mut tail: Vec<u8> = Vec::new();
    let mut first = None;
    let Seen { event_delays, bytes, .. } = seen;
    wire.body(&head, &mut |data| {
        *bytes += data.len() as u64;
        if !fine {
            text.extend_from_slice(data);
        } else {
            let before = event_delays.len();
            read_stamps(&mut tail, data, event_delays);
            if event_delays.len() > before && first.is_none() {
                first = Some(began.elapsed());
            }
        }
    })?;
    if !fine {
        text.truncate(300);
        return Err(io::Error::other(format!("{} {}", head.first_line, String::from_utf8_lossy(&text))));
    }
    if let Some(first) = first {
        seen.first_events.push(first.as_nanos() as u64);
    }
    if !head.close {
        *slot = Some(wire);
    }
    Ok(())
}

/// Notes the delay of each stamp in `data`; a stamp may be cut by the end of a read, `tail` carries its beginning.
fn read_stamps(tail: &mut Vec<u8>, data: &[u8], delays: &mut Vec<u64>) {
    let joined;
    let data = if tail.is_empty() {
        data
    } else {
        joined = [tail.as_slice(), data].concat();
        tail.clear();
        &joined
    };
    let now = now_stamp();
    let mut from = 0;
    while let Some(at) = data[from..].iter().position(|b| *b == b'@') {
        let at = from + at;
        let Some(digits) = data.get(at + 1..at + STAMP) else {
            tail.extend_from_slice(&data[at..]);
            return;
        };
        if let Some(sent) = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<u64>().ok()) {
            delays.push((now + STAMP_WRAP - sent) % STAMP_WRAP);
        }
        from = at + 1;
    }
}

/// `[p50, p90, p99, max]` in microseconds, `null` when nothing was measured.
fn percentiles(nanos: &mut [u64]) -> String {
    if nanos.is_empty() {
        return "null".into();
    }
    nanos.sort_unstable();
    let at = |share: f64| {
        nanos[((nanos.len() as f64 * share).ceil() as usize).clamp(1, nanos.len()) - 1] as f64 / 1000.0
    };
    format!("[{:.1},{:.1},{:.1},{:.1}]", at(0.5), at(0.9), at(0.99), at(1.0))
}
