//! Every call to the host, and nothing else: what Envoy says, in the core's terms.
//!
//! A host call costs one to three microseconds, as much as parsing a whole chat: read what you need once.

use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, Bytes, MapType, MetricType};

/// Which half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The request.
    Request,
    /// The response.
    Response,
}

impl Half {
    const fn map(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Response => MapType::HttpResponseHeaders,
        }
    }

    const fn buffer(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Response => BufferType::HttpResponseBody,
        }
    }
}

/// All headers in one call. Bytes that are not UTF-8 are replaced: no header that is read here may hold any.
pub fn headers(half: Half) -> Vec<(String, String)> {
    let map = hostcalls::get_map_bytes(half.map()).unwrap_or_default();
    map.into_iter()
        .map(|(name, value)| {
            let value = String::from_utf8(value)
                .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
            (name, value)
        })
        .collect()
}

/// The value of one of those headers.
pub fn named<'h>(headers: &'h [(String, String)], wanted: &str) -> Option<&'h str> {
    headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
}

/// One header.
pub fn header(half: Half, name: &str) -> Option<String> {
    let value = hostcalls::get_map_value_bytes(half.map(), name).ok().flatten()?;
    String::from_utf8(value).ok()
}

/// Puts these headers in the place of all that were there.
pub fn set_headers(half: Half, headers: Vec<(&str, &str)>) {
    log_failure("set_map", hostcalls::set_map(half.map(), headers));
}

/// Sets a header, or removes it.
pub fn set_header(half: Half, name: &str, value: Option<&str>) {
    log_failure(name, hostcalls::set_map_value(half.map(), name, value));
}

/// The body bytes that stand in Envoy's buffer.
pub fn body(half: Half, size: usize) -> Bytes {
    if size == 0 {
        return Bytes::new();
    }
    hostcalls::get_buffer(half.buffer(), 0, size).ok().flatten().unwrap_or_default()
}

/// Puts these bytes in the place of those in Envoy's buffer.
pub fn set_body(half: Half, bytes: &[u8]) {
    log_failure("set_buffer", hostcalls::set_buffer(half.buffer(), 0, usize::MAX, bytes));
}

/// Puts these pieces, one behind the other, in the place of the bytes in Envoy's buffer.
pub fn set_body_of(half: Half, pieces: &[&[u8]]) {
    let mut start = 0;
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        // Behind the buffer's end, Envoy appends.
        log_failure("set_buffer", hostcalls::set_buffer(half.buffer(), start, usize::MAX, piece));
        start += piece.len();
    }
    if start == 0 {
        set_body(half, &[]);
    }
}

/// Answers the client with JSON.
pub fn respond(status: u16, headers: &[(&str, &str)], body: &[u8]) {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    log_failure("send_local_response", hostcalls::send_http_response(u32::from(status), all, Some(body)));
}

/// A property of Envoy's, by its path.
pub fn property(path: &[&str]) -> Option<Bytes> {
    hostcalls::get_property(path.to_vec()).ok().flatten()
}

/// Sets filter state that both roles, access logs and rate limits read as `wasm.<name>`.
pub fn set_state(name: &str, value: &str) {
    log_failure(name, hostcalls::set_property(vec![name], Some(value.as_bytes())));
}

/// Has Envoy keep filter state of this name as text: CEL can make numbers of text, not of the bytes that it else is.
/// Declaring it twice does no harm.
/// <https://github.com/envoyproxy/envoy/blob/main/source/extensions/common/wasm/declare_property.proto>
pub fn declare_text(name: &str) {
    // DeclarePropertyArguments {1: name, 3: type = String}, in protobuf's wire form.
    let Ok(length) = u8::try_from(name.len()) else { return };
    let message = [&[0x0a, length], name.as_bytes(), &[0x18, 1]].concat();
    let _ = hostcalls::call_foreign_function("declare_property", Some(&message));
}

/// Filter state that [`set_state`] has set, in either role.
pub fn state(name: &str) -> Option<Bytes> {
    property(&["filter_state", name])
}

/// The time, in nanoseconds since the Unix epoch.
pub fn now() -> u64 {
    let time = hostcalls::get_current_time().ok();
    let since = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The time, in seconds since the Unix epoch.
pub fn seconds() -> u64 {
    now() / 1_000_000_000
}

/// Makes what follows in this callback be about another context; false when that is gone.
pub fn speak_for(context: u32) -> bool {
    hostcalls::set_effective_context(context).is_ok()
}

/// Ends the stream: its client sees it break off.
pub fn end_stream() {
    log_failure("close_stream", hostcalls::reset_http_response());
}

/// Lets a half go on that was held back.
pub fn go_on(half: Half) {
    let outcome = match half {
        Half::Request => hostcalls::resume_http_request(),
        Half::Response => hostcalls::resume_http_response(),
    };
    log_failure("continue_stream", outcome);
}

/// Has the root context tick.
pub fn tick_every(period: Duration) {
    log_failure("set_tick_period", hostcalls::set_tick_period(period));
}

/// What all workers share under a key, and its version for [`share`].
pub fn shared(key: &str) -> (Option<Bytes>, Option<u32>) {
    hostcalls::get_shared_data(key).unwrap_or_default()
}

/// Shares a value with all workers; false when the key has another version by now.
pub fn share(key: &str, value: &[u8], version: Option<u32>) -> bool {
    hostcalls::set_shared_data(key, Some(value), version).is_ok()
}

/// Calls a cluster; the root context gets the answer under the number given here.
pub fn call(cluster: &str, headers: Vec<(&str, &str)>, body: &[u8], patience: Duration) -> Option<u32> {
    let body = (!body.is_empty()).then_some(body);
    hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), patience).ok()
}

/// The status and body of the answer to a [`call`]; status 0 where none came, which has no headers.
pub fn answer(headers: usize, size: usize) -> (u16, Bytes) {
    // The SDK panics at what Envoy says to a question about an answer that isn't there.
    if headers == 0 {
        return (0, Bytes::new());
    }
    let status = hostcalls::get_map_value_bytes(MapType::HttpCallResponseHeaders, ":status").ok().flatten();
    let status = status.and_then(|status| std::str::from_utf8(&status).ok()?.parse().ok()).unwrap_or(0);
    if size == 0 {
        return (status, Bytes::new());
    }
    let body = hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size).ok().flatten();
    (status, body.unwrap_or_default())
}

/// An environment variable of Envoy's process, where the VM's config lets it through.
pub fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A word that nobody can guess. The keys of std's hasher are drawn from the host's secure source.
pub fn secret() -> String {
    let half = || RandomState::new().hash_one(now());
    format!("{:016x}{:016x}", half(), half())
}

thread_local! {
    static RANDOM: RefCell<u64> = const { RefCell::new(0) };
}

/// An evenly drawn number: good for choosing a target, for nothing secret.
pub fn random() -> u64 {
    RANDOM.with_borrow_mut(|state| {
        if *state == 0 {
            *state = now() | 1;
        }
        // SplitMix64 (Steele, Lea, Flood 2014).
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    })
}

/// Defines a counter, or finds it again.
pub fn counter(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Counter, name).ok()
}

/// Defines a histogram, or finds it again.
pub fn histogram(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Histogram, name).ok()
}

/// Adds a value to a histogram.
pub fn record(histogram: u32, value: u64) {
    log_failure("a value", hostcalls::record_metric(histogram, value));
}

/// Adds to a counter.
pub fn add(counter: u32, by: u64) {
    log_failure("a count", hostcalls::increment_metric(counter, i64::try_from(by).unwrap_or(i64::MAX)));
}

/// Defines a gauge, or finds it again.
pub fn gauge(name: &str) -> Option<u32> {
    hostcalls::define_metric(MetricType::Gauge, name).ok()
}

/// Sets a gauge.
pub fn gauge_to(gauge: u32, value: u64) {
    log_failure("a gauge", hostcalls::record_metric(gauge, value));
}

fn log_failure<T>(what: &str, outcome: Result<T, proxy_wasm::types::Status>) {
    if let Err(status) = outcome {
        log::warn!("Envoy refused {what}: {status:?}");
    }
}
