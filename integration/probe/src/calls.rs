//! A filter that makes the host calls that Dragoman makes for a request, in each of its roles, with the bytes that it is given, and
//! does nothing with them: what would be left of a request's cost if all of Dragoman's own work were free.
//!
//! `python -m bench calls` counts Dragoman's. Here are no more of them than there, so what this filter costs is a floor.

use std::cell::Cell;
use std::ptr;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType, MetricType};

// The SDK has these calls, but takes the pairs apart and puts them together again, which is work.
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: MapType, data: *mut *mut u8, size: *mut usize) -> i32;
    fn proxy_set_header_map_pairs(map: MapType, data: *const u8, size: usize) -> i32;
}

const HANDED_OVER: [&str; 2] = ["filter_state", "wasm.handover"];
/// As long as what the gateway hands to the upstream role.
const HANDOVER: [u8; 200] = [b'h'; 200];
const COUNTERS: usize = 5;

thread_local! {
    /// The request's body, from where it is read to where it is written: both roles share a VM.
    static BODY: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The metrics, defined once.
#[derive(Clone, Copy, Default)]
pub struct Metrics {
    counters: [u32; COUNTERS],
    histogram: u32,
}

impl Metrics {
    pub fn define() -> Self {
        let define = |kind, name: &str| hostcalls::define_metric(kind, name).unwrap_or_default();
        let names: [String; COUNTERS] = std::array::from_fn(|place| format!("calls_{place}"));
        Self {
            counters: names.map(|name| define(MetricType::Counter, &name)),
            histogram: define(MetricType::Histogram, "calls_us"),
        }
    }
}

/// Whose calls are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Gateway,
    Upstream,
    Inline,
}

pub struct Calls {
    pub role: Role,
    pub metrics: Metrics,
    /// Whether the reply waits for its end.
    pub holding: bool,
}

/// All headers, as the bytes that the host gives.
fn pairs(map: MapType) -> Vec<u8> {
    let (mut data, mut size) = (ptr::null_mut(), 0);
    // SAFETY: the host writes where the pointers point to; what it points them to it has got from the module's allocator, with
    // a capacity of `size`.
    unsafe {
        if proxy_get_header_map_pairs(map, &raw mut data, &raw mut size) != 0 || data.is_null() {
            return Vec::new();
        }
        Vec::from_raw_parts(data, size, size)
    }
}

fn set_pairs(map: MapType, pairs: &[u8]) {
    // SAFETY: the host only reads.
    unsafe { proxy_set_header_map_pairs(map, pairs.as_ptr(), pairs.len()) };
}

fn clock() {
    let _ = hostcalls::get_current_time();
}

fn replace(map: MapType, name: &str, value: &str) {
    let _ = hostcalls::set_map_value(map, name, Some(value));
}

fn body(buffer: BufferType, size: usize) -> Vec<u8> {
    hostcalls::get_buffer(buffer, 0, size).ok().flatten().unwrap_or_default()
}

impl Context for Calls {}

impl HttpContext for Calls {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if self.role == Role::Upstream {
            let _ = hostcalls::get_property(HANDED_OVER.to_vec());
        } else {
            drop(pairs(MapType::HttpRequestHeaders));
            clock();
        }
        Action::Pause
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause;
        }
        clock();
        if self.role != Role::Upstream {
            BODY.set(body(BufferType::HttpRequestBody, size));
        }
        if self.role == Role::Gateway {
            let _ = hostcalls::set_property(vec!["handover"], Some(&HANDOVER));
            replace(MapType::HttpRequestHeaders, "x-dragoman-cluster", "provider");
        } else {
            // Dragoman makes the headers of what it kept of the client's, which costs no call.
            set_pairs(MapType::HttpRequestHeaders, &pairs(MapType::HttpRequestHeaders));
            let body = BODY.take();
            let _ = hostcalls::set_buffer(BufferType::HttpRequestBody, 0, size, &body);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if self.role != Role::Upstream {
            clock();
            let _ = hostcalls::get_map_value(MapType::HttpResponseHeaders, ":status");
            for name in ["x-calls-0", "x-calls-1", "x-calls-2", "x-calls-3"] {
                replace(MapType::HttpResponseHeaders, name, "0123456789");
            }
        }
        if self.role == Role::Gateway {
            return Action::Continue;
        }
        let pairs = pairs(MapType::HttpResponseHeaders);
        let stream = b"event-stream";
        self.holding = !end && !pairs.windows(stream.len()).any(|part| part == stream);
        if self.holding { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if self.role == Role::Gateway {
            return Action::Continue;
        }
        if self.holding && !end {
            return Action::Pause;
        }
        clock();
        if self.holding {
            replace(MapType::HttpResponseHeaders, "content-length", &size.to_string());
        }
        let body = body(BufferType::HttpResponseBody, size);
        let _ = hostcalls::set_buffer(BufferType::HttpResponseBody, 0, size, &body);
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.role != Role::Upstream {
            for counter in self.metrics.counters {
                let _ = hostcalls::increment_metric(counter, 1);
            }
            let _ = hostcalls::record_metric(self.metrics.histogram, 7);
            clock();
        }
    }
}
