//! A filter that does one small thing at a time, told by its configuration, so that tests can pin what Envoy does with it.
//!
//! The configuration is `name action action ...`. Shares no code with Dragoman: what is pinned here is Envoy.

mod calls;

use std::cell::{Cell, RefCell};

use log::warn;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

thread_local! {
    /// What the last stream of this VM left here.
    static SHARED: RefCell<String> = const { RefCell::new(String::new()) };
    /// The attempt that waits to be woken by another one's end.
    static PARKED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Root {
    words: Vec<String>,
    metrics: calls::Metrics,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        self.words = String::from_utf8_lossy(&text).split_whitespace().map(str::to_owned).collect();
        if self.does("calls") {
            self.metrics = calls::Metrics::define();
        }
        if self.does("count") {
            for (kind, name, value) in [
                (MetricType::Counter, "probe_hits;route=fast;provider=one;", 3),
                (MetricType::Gauge, "probe_level;route=fast;", 5),
                (MetricType::Histogram, "probe_sizes;route=fast;", 7),
            ] {
                if let Ok(id) = hostcalls::define_metric(kind, name) {
                    let _ = hostcalls::record_metric(id, value);
                }
            }
        }
        true
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        if self.does("calls") {
            let role = match self.words.last().map(String::as_str) {
                Some("gateway") => calls::Role::Gateway,
                Some("upstream") => calls::Role::Upstream,
                _ => calls::Role::Inline,
            };
            return Some(Box::new(calls::Calls { role, metrics: self.metrics, holding: false }));
        }
        Some(Box::new(Stream { id, words: self.words.clone(), holding: false, parked: false }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    fn does(&self, action: &str) -> bool {
        self.words.iter().any(|word| word == action)
    }
}

/// Host calls in a round whose time is taken.
const ROUND: u32 = 50;

struct Stream {
    id: u32,
    words: Vec<String>,
    /// Whether the response's head waits for its body.
    holding: bool,
    /// Whether the request waits for another attempt's end.
    parked: bool,
}

impl Stream {
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn does(&self, action: &str) -> bool {
        self.words.iter().any(|word| word == action)
    }

    /// The argument of `action:argument`.
    fn argument(&self, action: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(action)?.strip_prefix(':'))
    }

    /// Makes a reply one that Envoy's router follows itself.
    fn turn(&self) {
        self.set_http_response_header(":status", Some("307"));
        self.set_http_response_header("location", Some("http://again.invalid/again/secret"));
    }

    /// What host calls cost, in picoseconds, told in headers: the quickest of many rounds, as others' work is not ours.
    fn price(&self) {
        let counter = hostcalls::define_metric(MetricType::Counter, "probe_price").unwrap_or_default();
        let sizes = hostcalls::define_metric(MetricType::Histogram, "probe_prices").unwrap_or_default();
        let now = || hostcalls::get_current_time().unwrap_or(std::time::UNIX_EPOCH);
        let quickest = |call: &dyn Fn()| {
            let round = |_| {
                let start = now();
                (0..ROUND).for_each(|_| call());
                now().duration_since(start).unwrap_or_default().as_nanos()
            };
            let best = (0..200).map(round).filter(|time| *time > 0).min().unwrap_or_default();
            (best * 1000 / u128::from(ROUND)).to_string()
        };
        let costs = [
            ("x-price-count", quickest(&|| _ = hostcalls::increment_metric(counter, 1))),
            ("x-price-record", quickest(&|| _ = hostcalls::record_metric(sizes, 7))),
            ("x-price-clock", quickest(&|| _ = now())),
            (
                "x-price-header",
                quickest(&|| self.set_http_request_header("x-litellm-overhead", Some("1.234"))),
            ),
        ];
        for (name, cost) in costs {
            self.set_http_request_header(name, Some(&cost));
        }
    }

    fn tell(&self, header: &str, value: Option<Vec<u8>>) {
        let text =
            value.map_or_else(|| "(none)".to_owned(), |value| String::from_utf8_lossy(&value).into_owned());
        self.set_http_request_header(header, Some(&text));
    }
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        if self.does("watch-end") {
            warn!("probe: {} on_done", self.name());
        }
        if self.parked {
            PARKED.set(0);
        } else if self.does("wake")
            && PARKED.get() != 0
            && hostcalls::set_effective_context(PARKED.take()).is_ok()
        {
            if self.does("tell") {
                let _ = hostcalls::send_http_response(503, vec![("x-probe-told", "yes")], Some(b"told"));
            } else {
                let _ = hostcalls::resume_http_request();
            }
        }
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        if let Some(path) = self.argument("panic-at")
            && self.get_http_request_header(":path").as_deref() == Some(path)
        {
            panic!("probe: as it was told");
        }
        if self.does("price") {
            self.price();
        }
        if self.does("answer") {
            self.send_http_response(200, vec![("content-type", "text/plain")], Some(b"answered"));
            return Action::Pause;
        }
        // Every pass leaves one more mark in the header: attempts see each other's.
        if self.does("mark") {
            let before = self.get_http_request_header("x-probe-marks").unwrap_or_default();
            self.set_http_request_header("x-probe-marks", Some(&format!("{before}{}.", self.name())));
        }
        if self.does("attempt") {
            let bytes = self.get_property(vec!["upstream", "request_attempt_count"]).unwrap_or_default();
            let number = <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_le_bytes);
            self.set_http_request_header("x-probe-attempt", Some(&format!("{number:?}")));
        }
        if self.does("target") {
            let path = vec!["xds", "upstream_host_metadata", "filter_metadata", "probe", "target"];
            self.tell("x-probe-target", self.get_property(path));
        }
        if self.does("watch-end") {
            warn!("probe: {} on_http_request_headers", self.name());
        }
        if self.does("hedge") {
            self.set_http_request_header("x-envoy-upstream-rq-per-try-timeout-ms", Some("300"));
            self.set_http_request_header("x-envoy-hedge-on-per-try-timeout", Some("true"));
            self.set_http_request_header("x-envoy-max-retries", Some("2"));
        }
        if let Some(target) = self.argument("park") {
            let path = vec!["xds", "upstream_host_metadata", "filter_metadata", "probe", "target"];
            if self.get_property(path).as_deref() == Some(target.as_bytes()) {
                self.parked = true;
                PARKED.set(self.id);
                return Action::Pause;
            }
        }
        if let Some(name) = self.argument("env") {
            self.tell("x-probe-env", std::env::var(name).ok().map(String::into_bytes));
        }
        if let Some(name) = self.argument("cluster") {
            self.set_http_request_header("x-dragoman-cluster", Some(name));
        }
        if let Some(value) = self.argument("say") {
            self.set_property(vec!["said"], Some(value.as_bytes()));
            SHARED.with_borrow_mut(|shared| value.clone_into(shared));
        }
        if self.does("hear") {
            self.tell("x-probe-state", self.get_property(vec!["filter_state", "wasm.said"]));
            self.tell("x-probe-memory", Some(SHARED.with_borrow(|shared| shared.clone().into_bytes())));
        }
        // The first pass of a request takes one cluster, what a redirect has made of it the other.
        if let (Some(first), Some(again)) = (self.argument("first"), self.argument("again")) {
            let path = self.get_http_request_header(":path").unwrap_or_default();
            let cluster = if path == "/again/secret" { again } else { first };
            self.set_http_request_header("x-probe-cluster", Some(cluster));
        }
        if self.does("refuse") {
            self.send_http_response(503, vec![("x-probe-refused", "yes")], Some(b"refused"));
            return Action::Pause;
        }
        if self.does("hold") || self.does("append") || self.does("route") {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    fn on_http_request_body(&mut self, size: usize, end: bool) -> Action {
        if self.does("watch-body") {
            warn!("probe: {} on_http_request_body", self.name());
        }
        if !end || (self.parked && PARKED.get() == self.id) {
            return Action::Pause;
        }
        if self.does("hold") {
            self.set_http_request_header("x-probe-body", Some(&size.to_string()));
        }
        let body = self.get_http_request_body(0, size).unwrap_or_default();
        if self.does("route") {
            self.set_http_request_header("x-probe-cluster", Some(&String::from_utf8_lossy(&body)));
        }
        if self.does("append") {
            self.set_http_request_header("content-length", None);
            self.set_http_request_body(0, size, &[&body[..], b"+", self.name().as_bytes()].concat());
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, end: bool) -> Action {
        if self.does("turn") {
            let status = self.get_http_response_header(":status").unwrap_or_default();
            if status == "503" || self.get_http_response_header("x-probe-tail").is_some() {
                self.turn();
                return Action::Continue;
            }
        }
        self.holding = (self.does("judge") || self.does("hold-reply")) && !end;
        if self.holding { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !self.holding {
            return Action::Continue;
        }
        let body = self.get_http_response_body(0, size).unwrap_or_default();
        let says = |what: &str| body.windows(what.len()).any(|window| window == what.as_bytes());
        if self.does("hold-reply") {
            if says("overloaded_error") {
                self.turn();
                self.set_http_response_body(0, size, b"");
            } else if !end && !says("\n\n") {
                return Action::Pause;
            }
            self.holding = false;
            return Action::Continue;
        }
        if says("context length exceeded") {
            self.set_http_response_header("x-probe-retry", Some("yes"));
        } else if says("overloaded_error") {
            self.set_http_response_header(":status", Some("503"));
        } else if !end && !says("\n\n") {
            return Action::Pause;
        }
        self.holding = false;
        Action::Continue
    }

    fn on_log(&mut self) {
        if self.does("watch-end") {
            warn!("probe: {} on_log", self.name());
        }
        if let Some(value) = self.argument("settle") {
            self.set_property(vec!["settled"], Some(value.as_bytes()));
        }
    }
}
