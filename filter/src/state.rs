//! What is known of the targets, by all workers together: who is left alone, what is under way, used, measured.
//!
//! It stands in Envoy's shared data, as the bytes that `core::route` makes of it. A host call costs 1-3 µs, so a request
//! reads and writes only what its strategy needs; who cools is read four times a second, and successes and latencies are
//! handed over once a second. Everything is bounded by the config: a value for each group of targets, and one for each
//! target that was ever asked.

use std::cell::RefCell;
use std::rc::Rc;

use dragoman_core::admission::Gateway;
use dragoman_core::config::{Strategy, Target};
use dragoman_core::error::Kind;
use dragoman_core::meter::{Measurement, Metric, Tried};
use dragoman_core::route::health::{Failed, Minute, Rules};
use dragoman_core::route::load::{Busy, Latencies, Measured, TIMED_OUT_US, Used};
use dragoman_core::route::{Choice, Group, Route, Seat, Standing, sticky};
use hashbrown::{HashMap, HashSet};
use proxy_wasm::types::Bytes;

use crate::host;
use crate::table::Table;

/// How old what a worker knows of cooldowns and latencies may be, in milliseconds.
const STALE: u64 = 250;
/// How often successes and latencies are handed over, in milliseconds.
const SHARING: u64 = 1_000;
/// How often a value is tried to be changed that other workers change, too.
const TRIES: usize = 16;
/// Latencies that wait to be handed over.
const MAX_WAITING: usize = 1_024;

const COOLING: &str = "dragoman.cooling";

/// What the config says of a target.
struct Known {
    id: String,
    /// The name of its gauge.
    gauge: String,
    rules: Rules,
    seat: Seat,
    group: Group,
    strategy: Strategy,
    /// Whether nobody else is on its route.
    alone: bool,
}

/// A latency that waits to be handed over.
struct Sample {
    group: Group,
    slot: usize,
    of: Measured,
    second: u64,
    microseconds: u64,
}

#[derive(Default)]
struct State {
    /// This worker's name.
    worker: u64,
    known: HashMap<u64, Rc<Known>>,
    /// Who is left alone, and until when.
    cooling: Vec<(u64, u64)>,
    cooling_read: u64,
    /// Gauges that say that a target is left alone.
    gauges: HashMap<u64, Option<u32>>,
    /// What this worker has counted and not handed over yet.
    minutes: Table<Minute>,
    samples: Vec<Sample>,
    shared: u64,
    /// Latencies by group, and when they were read.
    latencies: Table<(u64, Latencies)>,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

/// Learns what the config says of a gateway's targets.
pub fn learn(gateway: &Gateway) {
    STATE.with_borrow_mut(|state| {
        if state.worker == 0 {
            state.worker = host::random() | 1;
        }
        let shared = |key: &str| {
            // So that the first change, too, is one of a version that is known.
            if host::shared(key).1.is_none() {
                host::share(key, &[], None);
            }
        };
        shared(COOLING);
        let groups = gateway.routes.groups();
        for group in groups {
            let keys = keys(gateway, group);
            keys.iter().for_each(|key| shared(key));
        }
        let mut seen = HashSet::new();
        let all =
            gateway.routes.iter().flat_map(|route| route.choices.iter().map(move |choice| (route, choice)));
        for (route, choice) in all.filter(|(_, choice)| seen.insert(choice.hash)) {
            let (Some(target), Some(group)) =
                (gateway.targets.get(choice.target), groups.get(choice.seat.group))
            else {
                continue;
            };
            let known = Known {
                id: target.id.clone(),
                gauge: gauge_name(&route.name, target),
                rules: choice.terms.rules.clone(),
                seat: choice.seat,
                group: *group,
                strategy: gateway.rule.strategy,
                alone: group.size == 1,
            };
            state.known.insert(choice.hash, Rc::new(known));
        }
    });
}

fn gauge_name(route: &str, target: &Target) -> String {
    Metric::Cooldown.series(route, target.provider.name, &target.model, &target.id)
}

/// The keys of what a gateway's strategy keeps of a group.
fn keys(gateway: &Gateway, group: &Group) -> Vec<String> {
    match gateway.rule.strategy {
        Strategy::Shuffle => Vec::new(),
        Strategy::LeastBusy => vec![busy_key(group), used_key(group)],
        Strategy::Latency => vec![latency_key(group), used_key(group)],
        Strategy::Cost | Strategy::Usage => vec![used_key(group)],
    }
}

fn busy_key(group: &Group) -> String {
    format!("dragoman.busy.{:x}", group.key)
}

fn used_key(group: &Group) -> String {
    format!("dragoman.used.{:x}", group.key)
}

fn latency_key(group: &Group) -> String {
    format!("dragoman.latency.{:x}", group.key)
}

fn read(key: &str) -> Bytes {
    host::shared(key).0.unwrap_or_default()
}

/// Changes a value that other workers change, too. After so many tries against others it is given up: it is about how
/// well a choice is made, not about whether a request is served.
fn change(key: &str, mut new: impl FnMut(&[u8]) -> Vec<u8>) {
    for _ in 0..TRIES {
        let (old, version) = host::shared(key);
        if host::share(key, &new(&old.unwrap_or_default()), version) {
            return;
        }
    }
    log::debug!("dragoman: {key} was not changed: others were faster");
}

const fn minute(now_ms: u64) -> u64 {
    now_ms / 60_000
}

/// Whether tokens and requests are counted: only where something is decided by them.
fn counted(strategy: Strategy, limited: impl FnOnce() -> bool) -> bool {
    strategy == Strategy::Usage || (strategy != Strategy::Shuffle && limited())
}

fn limited(route: &Route) -> bool {
    route.choices.iter().any(|choice| choice.rpm.is_some() || choice.tpm.is_some())
}

/// What is known of a route's targets, by place in its choices.
pub fn look(gateway: &Gateway, route: &Route, stream: bool, now_ms: u64) -> Vec<Standing> {
    STATE.with_borrow_mut(|state| {
        state.read_cooling(now_ms);
        let strategy = gateway.rule.strategy;
        if strategy == Strategy::Shuffle && state.cooling.is_empty() {
            return Vec::new();
        }
        let mut standings: Vec<Standing> = route
            .choices
            .iter()
            .map(|choice| Standing { cooling_until: state.cooling_until(choice.hash), ..Standing::default() })
            .collect();
        let mut last = None;
        let mut fresh = |group: &usize| last.replace(*group) != Some(*group);
        for place in route.choices.iter().map(|choice| choice.seat.group).filter(&mut fresh) {
            let Some(group) = gateway.routes.groups().get(place) else { continue };
            let mine = |choice: &&Choice| choice.seat.group == place;
            let each = || route.choices.iter().zip(0..).filter(|(choice, _)| mine(choice));
            if counted(strategy, || limited(route)) {
                let bytes = read(&used_key(group));
                let used = Used::read(&bytes, group.size, minute(now_ms));
                for (choice, at) in each() {
                    if let Some(standing) = standings.get_mut(at) {
                        (standing.tokens, standing.requests) = used.of(choice.seat.slot);
                    }
                }
            }
            if strategy == Strategy::LeastBusy {
                let bytes = read(&busy_key(group));
                let busy = Busy::read(&bytes, group.size);
                for (choice, at) in each() {
                    if let Some(standing) = standings.get_mut(at) {
                        standing.busy = busy.of(choice.seat.slot);
                    }
                }
            }
            if strategy == Strategy::Latency {
                let kind = if stream { Measured::FirstToken } else { Measured::PerToken };
                let latencies = state.latencies(group, now_ms);
                for (choice, at) in each() {
                    if let Some(standing) = standings.get_mut(at) {
                        let mean = latencies.of(choice.seat.slot, kind, now_ms / 1000, gateway.latency_ttl);
                        standing.latency_us = mean.unwrap_or_default();
                    }
                }
            }
        }
        standings
    })
}

/// What a request that has begun must give back at its end.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    group: Group,
    slot: usize,
    strategy: Strategy,
    counts: bool,
}

/// A request to the choice begins.
pub fn begin(gateway: &Gateway, choice: &Choice, now_ms: u64) -> Option<Begun> {
    let group = *gateway.routes.groups().get(choice.seat.group)?;
    let slot = choice.seat.slot;
    let strategy = gateway.rule.strategy;
    let counts = counted(strategy, || choice.rpm.is_some() || choice.tpm.is_some());
    if counts {
        use_up(&group, slot, now_ms, 0, 1);
    }
    if strategy == Strategy::LeastBusy {
        under_way(&group, slot, now_ms, true);
    }
    Some(Begun { group, slot, strategy, counts })
}

/// A request that has begun goes on to another choice.
pub fn leave(begun: Begun, now_ms: u64) {
    if begun.strategy == Strategy::LeastBusy {
        under_way(&begun.group, begun.slot, now_ms, false);
    }
}

/// A request that has begun has ended, whatever became of it.
pub fn end(begun: Begun, measurement: &Measurement<'_>) {
    let Begun { group, slot, strategy, counts } = begun;
    let now_ms = measurement.started.saturating_add(measurement.duration) / 1_000_000;
    if strategy == Strategy::LeastBusy {
        under_way(&group, slot, now_ms, false);
    }
    for tried in measurement.attempts.iter().filter(|_| counts) {
        let Some(known) = known(&tried.target.id) else { continue };
        let tokens = tried.seen.usage.map_or(0, |usage| usage.input.saturating_add(usage.output));
        // The requests were counted when they began.
        if tokens > 0 {
            use_up(&known.group, known.seat.slot, now_ms, tokens, 0);
        }
    }
    let Some(last) = measurement.last() else { return };
    if last.failure.is_none() && (200..300).contains(&last.status) {
        succeeded(last, measurement.stream, strategy, now_ms);
    } else if last.failure.is_none() && last.status == 0 && measurement.status >= 500 {
        // Nobody has told why, as there was no reply.
        let kind = unanswered(last, now_ms);
        failed(&last.target, kind, kind.status(), None);
    }
}

/// What it means that an attempt has ended without a reply.
pub fn unanswered(tried: &Tried, now_ms: u64) -> Kind {
    /// A connection that is refused or reset is so at once.
    const AT_ONCE_MS: u64 = 500;
    let took = now_ms.saturating_sub(tried.started / 1_000_000);
    if took < AT_ONCE_MS { Kind::Overloaded } else { Kind::Timeout }
}

fn use_up(group: &Group, slot: usize, now_ms: u64, tokens: u64, requests: u64) {
    let (size, minute) = (group.size, minute(now_ms));
    change(&used_key(group), |old| Used::read(old, size, minute).with(size, minute, slot, tokens, requests));
}

fn under_way(group: &Group, slot: usize, now_ms: u64, begins: bool) {
    let worker = STATE.with_borrow(|state| state.worker);
    change(&busy_key(group), |old| Busy::read(old, group.size).with(worker, now_ms / 1000, slot, begins));
}

fn known(id: &str) -> Option<Rc<Known>> {
    STATE.with_borrow(|state| state.known.get(&sticky::hash(id.as_bytes())).cloned())
}

fn succeeded(tried: &Tried, stream: bool, strategy: Strategy, now_ms: u64) {
    STATE.with_borrow_mut(|state| {
        let hash = sticky::hash(tried.target.id.as_bytes());
        let Some(known) = state.known.get(&hash) else { return };
        let (group, slot) = (known.group, known.seat.slot);
        if !known.rules.off() {
            let once = Minute { minute: minute32(now_ms), successes: 1, ..Minute::default() };
            state.minutes.entry(hash).or_default().add(&once);
        }
        if strategy == Strategy::Latency {
            let micros = |end: Option<u64>| Some(end?.saturating_sub(tried.started) / 1000);
            if let Some(microseconds) = micros(tried.first_token).filter(|_| stream) {
                state.measured(group, slot, Measured::FirstToken, now_ms, microseconds);
            }
            let tokens = tried.seen.usage.map_or(0, |usage| usage.output);
            if let Some(microseconds) = micros(tried.ended).and_then(|all| all.checked_div(tokens)) {
                state.measured(group, slot, Measured::PerToken, now_ms, microseconds);
            }
        }
        if now_ms >= state.shared + SHARING {
            state.hand_over(now_ms);
        }
    });
}

/// An attempt at a target has failed.
pub fn failed(target: &Target, kind: Kind, status: u16, retry_after_ms: Option<u64>) {
    STATE.with_borrow_mut(|state| {
        let hash = sticky::hash(target.id.as_bytes());
        let Some(known) = state.known.get(&hash).cloned() else { return };
        let failed = Failed { kind, status, retry_after_ms, alone: known.alone };
        if !known.rules.concerned(&failed) {
            return;
        }
        let now_ms = host::now() / 1_000_000;
        if known.strategy == Strategy::Latency && kind == Kind::Timeout {
            for of in [Measured::FirstToken, Measured::PerToken] {
                state.measured(known.group, known.seat.slot, of, now_ms, TIMED_OUT_US);
            }
        }
        let mut mine = Minute { minute: minute32(now_ms), ..Minute::default() };
        mine.failed(kind);
        mine.add(&state.minutes.remove(&hash).unwrap_or_default());
        let all = add_minute(hash, &mine);
        if let Some(ms) = known.rules.judge(&failed, &all) {
            log::warn!("dragoman: target {} is left alone for {ms} ms: {}", known.id, kind.label());
            state.cool(hash, &known.gauge, now_ms, now_ms + ms);
        }
    });
}

/// Adds what this worker has counted of a target to what all have; the sum.
fn add_minute(hash: u64, mine: &Minute) -> Minute {
    let mut all = *mine;
    change(&format!("dragoman.minute.{hash:x}"), |old| {
        all = Minute::read(old).unwrap_or_default();
        all.add(mine);
        all.write()
    });
    all
}

#[allow(clippy::cast_possible_truncation)] // For 8,000 years.
const fn minute32(now_ms: u64) -> u32 {
    minute(now_ms) as u32
}

/// Hands over what waits, and takes gauges down. Calls nobody while nothing has happened.
pub fn tick() {
    STATE.with_borrow_mut(|state| {
        if state.gauges.is_empty() && state.minutes.is_empty() && state.samples.is_empty() {
            return;
        }
        let now_ms = host::now() / 1_000_000;
        if !state.minutes.is_empty() || !state.samples.is_empty() {
            state.hand_over(now_ms);
        }
        if !state.gauges.is_empty() {
            state.cooling_read = 0;
            state.read_cooling(now_ms);
            let State { gauges, cooling, .. } = state;
            gauges.retain(|hash, gauge| {
                let cools = cooling.iter().any(|(known, _)| known == hash);
                if let Some(gauge) = gauge.filter(|_| !cools) {
                    host::gauge_to(gauge, 0);
                }
                cools
            });
        }
    });
}

impl State {
    fn cooling_until(&self, hash: u64) -> u64 {
        self.cooling.iter().find(|(known, _)| *known == hash).map_or(0, |(_, until)| *until)
    }

    fn read_cooling(&mut self, now_ms: u64) {
        if now_ms < self.cooling_read + STALE {
            return;
        }
        self.cooling_read = now_ms;
        self.cooling = cooling(&read(COOLING), now_ms);
    }

    fn cool(&mut self, hash: u64, gauge: &str, now_ms: u64, until: u64) {
        change(COOLING, |old| {
            let mut all = cooling(old, now_ms);
            match all.iter_mut().find(|(known, _)| *known == hash) {
                Some((_, known)) => *known = until.max(*known),
                None => all.push((hash, until)),
            }
            self.cooling = all;
            self.cooling
                .iter()
                .flat_map(|(hash, until)| [hash.to_le_bytes(), until.to_le_bytes()].concat())
                .collect()
        });
        self.cooling_read = now_ms;
        let gauge = self.gauges.entry(hash).or_insert_with(|| host::gauge(gauge));
        if let Some(gauge) = *gauge {
            host::gauge_to(gauge, 1);
        }
    }

    fn measured(&mut self, group: Group, slot: usize, of: Measured, now_ms: u64, microseconds: u64) {
        let second = now_ms / 1000;
        let mut first = true;
        if let Some((_, latencies)) = self.latencies.get_mut(&group.key).map(AsMut::as_mut) {
            first = latencies.of(slot, of, second, u64::MAX >> 1).is_none();
            latencies.add(slot, of, second, microseconds);
        }
        if self.samples.len() < MAX_WAITING {
            self.samples.push(Sample { group, slot, of, second, microseconds });
        }
        // What nobody knew anything of is worth a call at once: else every worker would try it for itself.
        if first || now_ms >= self.shared + SHARING {
            self.hand_over(now_ms);
        }
    }

    fn latencies(&mut self, group: &Group, now_ms: u64) -> &Latencies {
        let fresh = || Box::new((now_ms, Latencies::read(&read(&latency_key(group)), group.size)));
        let kept = self.latencies.entry(group.key).or_insert_with(fresh);
        if now_ms >= kept.0 + STALE {
            *kept = fresh();
        }
        &kept.1
    }

    fn hand_over(&mut self, now_ms: u64) {
        self.shared = now_ms;
        for (hash, mine) in self.minutes.drain() {
            add_minute(hash, &mine);
        }
        let mut samples = std::mem::take(&mut self.samples);
        while let Some(group) = samples.first().map(|sample| sample.group) {
            change(&latency_key(&group), |old| {
                let mut latencies = Latencies::read(old, group.size);
                for sample in samples.iter().filter(|sample| sample.group == group) {
                    latencies.add(sample.slot, sample.of, sample.second, sample.microseconds);
                }
                latencies.write()
            });
            self.latencies.remove(&group.key);
            samples.retain(|sample| sample.group != group);
        }
    }
}

/// Those that are still left alone.
fn cooling(bytes: &[u8], now_ms: u64) -> Vec<(u64, u64)> {
    let (words, _) = bytes.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    let pairs = pairs.iter().map(|[hash, until]| (u64::from_le_bytes(*hash), u64::from_le_bytes(*until)));
    pairs.filter(|(_, until)| *until > now_ms).collect()
}
