//! Which target of a route is tried first: pure, from a request's wishes, the moment, and what is known of the targets.
//!
//! In this order: tags, health, tier, stickiness, strategy. What a decision among 100 targets takes, with all that is looked
//! up and counted for it, is in the benchmark's goals (`python -m bench run --part choice`).

use super::{Choice, Route, sticky, tags};
use crate::config::{Strategy, TagMatch};

/// What holds for the choice on every route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// How a target is picked.
    pub strategy: Strategy,
    /// Whether tags decide who may use a target.
    pub tags: Option<TagMatch>,
    /// Targets count as equally fast up to this many percent above the fastest.
    pub buffer_percent: u64,
}

/// What a request brings to the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Its tags.
    pub tags: Vec<String>,
    /// What keeps it on one target, as a number.
    pub sticky: Option<u64>,
    /// Targets that have failed it already, by their places in the gateway's list: others first.
    pub tried: Vec<usize>,
    /// Targets that can't be asked this, by their places in the gateway's list.
    pub unfit: Vec<usize>,
    /// Always the first target that may be used, however it fares: what it keeps nobody else has.
    pub first: bool,
}

/// The moment of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time, in Unix milliseconds.
    pub now_ms: u64,
    /// A number evenly drawn from all of `u64`.
    pub random: u64,
}

/// What is known of a target at the moment of a choice. All zero is "nothing".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Until when it is left alone, in Unix milliseconds.
    pub cooling_until: u64,
    /// Requests under way.
    pub busy: u64,
    /// Tokens used in this minute.
    pub tokens: u64,
    /// Requests begun in this minute.
    pub requests: u64,
    /// Its latency in microseconds; 0 when unknown.
    pub latency_us: u64,
    /// What a token of input and one of output cost together, in picodollars, where that is known and depends on the request.
    pub cost: Option<u64>,
}

/// Why no target is to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nobody {
    /// None has the request's tags.
    Tags,
    /// All have reached their limits in this minute.
    Limits,
    /// There is none at all.
    Nothing,
}

/// A target that may still be picked.
#[derive(Clone, Copy)]
struct Candidate<'r, 's> {
    place: usize,
    choice: &'r Choice,
    standing: &'s Standing,
}

/// What is known of a target of which nothing is known.
static NOTHING: Standing =
    Standing { cooling_until: 0, busy: 0, tokens: 0, requests: 0, latency_us: 0, cost: None };

/// The choice that is tried first, and its place in the route. `standings` are by place in the route's choices; where they end nothing is known.
///
/// # Errors
/// Why there is none.
pub fn choose<'r>(
    route: &'r Route,
    rule: Rule,
    wishes: &Wishes,
    moment: Moment,
    standings: &[Standing],
) -> Result<(usize, &'r Choice), Nobody> {
    let known = standings.iter().chain(std::iter::repeat(&NOTHING));
    let mut left: Vec<Candidate<'r, '_>> = route
        .choices
        .iter()
        .zip(known)
        .enumerate()
        .map(|(place, (choice, standing))| Candidate { place, choice, standing })
        .collect();
    if let Some(matching) = rule.tags {
        let of: Vec<&[String]> = left.iter().map(|candidate| candidate.choice.tags.as_slice()).collect();
        let mut allowed = tags::allowed(&of, &wishes.tags, matching).into_iter();
        left.retain(|_| allowed.next().unwrap_or_default());
        if left.is_empty() {
            return Err(Nobody::Tags);
        }
    }
    // Each pass over 100 targets takes a few tenths of a microsecond in V8: none is made for nothing.
    if !wishes.unfit.is_empty() {
        left.retain(|candidate| !wishes.unfit.contains(&candidate.choice.target));
    }
    if wishes.first {
        return left.first().map(Candidate::picked).ok_or(Nobody::Nothing);
    }
    let untried = |candidate: &Candidate<'_, '_>| !wishes.tried.contains(&candidate.choice.target);
    if !wishes.tried.is_empty() && left.iter().any(untried) {
        left.retain(untried);
    }
    healthy(&mut left, moment.now_ms);
    if rule.strategy != Strategy::Shuffle {
        if left.iter().any(Candidate::over_limit) {
            left.retain(|candidate| !candidate.over_limit());
        }
        if left.is_empty() {
            return Err(Nobody::Limits);
        }
    }
    let tier = left.iter().map(|candidate| candidate.choice.order).min().ok_or(Nobody::Nothing)?;
    if left.iter().any(|candidate| candidate.choice.order != tier) {
        left.retain(|candidate| candidate.choice.order == tier);
    }
    if let Some(key) = wishes.sticky {
        let targets = left.iter().map(|candidate| (candidate.choice.hash, candidate.choice.weight));
        let place = sticky::place(key, targets).and_then(|place| left.get(place));
        return place.map(Candidate::picked).ok_or(Nobody::Nothing);
    }
    let picked = match rule.strategy {
        Strategy::Shuffle => shuffled(&left, moment.random),
        Strategy::LeastBusy => least(&left, moment.random, |candidate| candidate.standing.busy),
        Strategy::Cost => {
            let cost = |candidate: &Candidate<'_, '_>| candidate.choice.cost.or(candidate.standing.cost);
            least(&left, moment.random, |candidate| cost(candidate).unwrap_or(u64::MAX))
        }
        Strategy::Usage => least(&left, moment.random, Candidate::share),
        Strategy::Latency => {
            let fastest =
                left.iter().map(|candidate| candidate.standing.latency_us).min().unwrap_or_default();
            let near = fastest.saturating_add(fastest.saturating_mul(rule.buffer_percent) / 100);
            least(&left, moment.random, |candidate| u64::from(candidate.standing.latency_us > near))
        }
    };
    picked.map(Candidate::picked).ok_or(Nobody::Nothing)
}

/// A limit's whole is two to this power in its parts.
const WHOLE: u32 = 63;

/// What one of a limit is of the whole: a decision multiplies by it, which is cheaper than to divide by each limit. What is
/// below the limit never overflows; no limit is never used up.
#[must_use]
pub fn part_of(limit: Option<u64>) -> u64 {
    limit.map_or(0, |limit| (1_u64 << WHOLE).checked_div(limit).unwrap_or(u64::MAX))
}

/// Leaves those that aren't cooling; where all are, those whose cooldown ends first: one that may fail is better than none.
fn healthy(left: &mut Vec<Candidate<'_, '_>>, now: u64) {
    let cooling = |candidate: &&Candidate<'_, '_>| candidate.standing.cooling_until > now;
    let count = left.iter().filter(cooling).count();
    if count == left.len() {
        let first = left.iter().map(|candidate| candidate.standing.cooling_until).min().unwrap_or_default();
        left.retain(|candidate| candidate.standing.cooling_until == first);
    } else if count > 0 {
        left.retain(|candidate| !cooling(&candidate));
    }
}

/// One at random, in proportion to its weight; evenly where none has one.
fn shuffled<'c, 'r, 's>(left: &'c [Candidate<'r, 's>], random: u64) -> Option<&'c Candidate<'r, 's>> {
    let total: u64 = left.iter().map(|candidate| candidate.choice.weight).sum();
    let even = u64::from(total == 0);
    let count = u64::try_from(left.len()).unwrap_or(u64::MAX);
    let mut point = random.checked_rem(if total == 0 { count } else { total })?;
    left.iter().find(|candidate| {
        let weight = candidate.choice.weight + even;
        let here = point < weight;
        point = point.saturating_sub(weight);
        here
    })
}

/// One at random of those with the least of something.
fn least<'c, 'r, 's, K: Ord + Copy>(
    left: &'c [Candidate<'r, 's>],
    random: u64,
    of: impl Fn(&Candidate<'r, 's>) -> K,
) -> Option<&'c Candidate<'r, 's>> {
    let mut least = None;
    let mut count = 0_u64;
    for key in left.iter().map(&of) {
        if least.is_none_or(|least| key < least) {
            (least, count) = (Some(key), 1);
        } else if least == Some(key) {
            count += 1;
        }
    }
    let place = usize::try_from(random.checked_rem(count)?).unwrap_or_default();
    left.iter().filter(|candidate| Some(of(candidate)) == least).nth(place)
}

impl<'r> Candidate<'r, '_> {
    const fn picked(&self) -> (usize, &'r Choice) {
        (self.place, self.choice)
    }

    fn over_limit(&self) -> bool {
        let Self { choice, standing, .. } = self;
        choice.tpm.is_some_and(|limit| standing.tokens >= limit)
            || choice.rpm.is_some_and(|limit| standing.requests >= limit)
    }

    /// The larger share of its two limits that it has used, in parts of 2^20; then what it has used at all.
    fn share(&self) -> (u64, u64, u64) {
        let Self { choice, standing, .. } = self;
        // It can't overflow below the limit, and who has reached one is left out before; with a check, a multiplication is a
        // call in wasm.
        let of = |used: u64, part: u64| used.wrapping_mul(part) >> (WHOLE - 20);
        let share = of(standing.tokens, choice.token_part).max(of(standing.requests, choice.request_part));
        (share, standing.tokens, standing.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(choices: &[(u64, i64, &[&str])]) -> Route {
        let choices = choices.iter().enumerate().map(|(at, (weight, order, tags))| Choice {
            target: at,
            hash: sticky::hash(&[u8::try_from(at).unwrap()]),
            weight: *weight,
            order: *order,
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            rpm: Some(10),
            tpm: Some(1000 * (1 + at as u64)),
            request_part: part_of(Some(10)),
            token_part: part_of(Some(1000 * (1 + at as u64))),
            ..Choice::default()
        });
        Route {
            name: "r".to_owned(),
            hidden: false,
            choices: choices.collect(),
            sticky: None,
            hedge: crate::config::HedgeConfig::default(),
        }
    }

    fn even(count: usize) -> Route {
        route(&vec![(1, 0, &[][..]); count])
    }

    fn rule(strategy: Strategy) -> Rule {
        Rule { strategy, ..Rule::default() }
    }

    /// How often each target is picked in 400 draws.
    fn picks(route: &Route, rule: Rule, wishes: &Wishes, standings: &[Standing]) -> Vec<usize> {
        let mut counts = vec![0; route.choices.len()];
        for random in 0..400 {
            let moment = Moment { now_ms: 1_000, random };
            counts[choose(route, rule, wishes, moment, standings).unwrap().0] += 1;
        }
        counts
    }

    fn standing(of: impl Fn(&mut Standing)) -> Standing {
        let mut standing = Standing::default();
        of(&mut standing);
        standing
    }

    #[test]
    fn a_shuffle_follows_the_weights() {
        let shuffle = rule(Strategy::Shuffle);
        let weighted = route(&[(1, 0, &[]), (0, 0, &[]), (3, 0, &[])]);
        assert_eq!(picks(&weighted, shuffle, &Wishes::default(), &[]), [100, 0, 300]);
        // A canary without weight stands in when all others are cooling.
        let cooling = standing(|standing| standing.cooling_until = 9_000);
        let standings = [cooling, Standing::default(), cooling];
        assert_eq!(picks(&weighted, shuffle, &Wishes::default(), &standings), [0, 400, 0]);
    }

    #[test]
    fn who_cools_is_left_out_and_the_least_bad_is_tried_when_all_do() {
        let until = |ms| standing(|standing| standing.cooling_until = ms);
        let shuffle = rule(Strategy::Shuffle);
        let picked = |standings: &[Standing]| picks(&even(3), shuffle, &Wishes::default(), standings);
        assert_eq!(picked(&[until(2_000), until(1_000), until(999)]), [0, 200, 200]);
        assert_eq!(picked(&[until(5_000), until(2_000), until(3_000)]), [0, 400, 0]);
    }

    #[test]
    fn the_lowest_tier_that_is_healthy_takes_all() {
        let tiers = route(&[(1, 2, &[]), (1, 1, &[]), (1, 1, &[])]);
        let cooling = standing(|standing| standing.cooling_until = 9_000);
        let shuffle = rule(Strategy::Shuffle);
        assert_eq!(picks(&tiers, shuffle, &Wishes::default(), &[]), [0, 200, 200]);
        let standings = [Standing::default(), cooling, cooling];
        assert_eq!(picks(&tiers, shuffle, &Wishes::default(), &standings), [400, 0, 0]);
    }

    #[test]
    fn the_least_busy_the_cheapest_the_fastest() {
        let four = even(4);
        let picked =
            |strategy, standings: &[Standing]| picks(&four, rule(strategy), &Wishes::default(), standings);
        let busy = [2, 1, 1, 3].map(|busy| standing(|standing| standing.busy = busy));
        assert_eq!(picked(Strategy::LeastBusy, &busy), [0, 200, 200, 0]);
        // The third is the cheapest whose price is known.
        let cost = [Some(9), Some(8), Some(7), None].map(|cost| standing(|standing| standing.cost = cost));
        assert_eq!(picked(Strategy::Cost, &cost), [0, 0, 400, 0]);
        assert_eq!(picked(Strategy::Cost, &[]), [100; 4]);
        let latency = |us: [u64; 4]| us.map(|us| standing(|standing| standing.latency_us = us));
        assert_eq!(picked(Strategy::Latency, &latency([500, 300, 301, 900])), [0, 400, 0, 0]);
        assert_eq!(picked(Strategy::Latency, &latency([500, 0, 301, 900])), [0, 400, 0, 0]);
        let near = Rule { buffer_percent: 100, ..rule(Strategy::Latency) };
        let standings = latency([500, 300, 601, 900]);
        assert_eq!(picks(&four, near, &Wishes::default(), &standings), [200, 200, 0, 0]);
    }

    #[test]
    fn the_smallest_share_of_its_own_limits_and_never_above_them() {
        let three = even(3);
        let usage = rule(Strategy::Usage);
        let used = |tokens: [u64; 3], requests: [u64; 3]| {
            [0, 1, 2].map(|at| {
                standing(|standing| (standing.tokens, standing.requests) = (tokens[at], requests[at]))
            })
        };
        let picked = |standings: &[Standing]| picks(&three, usage, &Wishes::default(), standings);
        assert_eq!(picked(&used([100, 150, 300], [0, 0, 0])), [0, 400, 0]);
        assert_eq!(picked(&used([100, 150, 300], [0, 5, 0])), [400, 0, 0]);
        assert_eq!(picked(&used([0, 2000, 2999], [10, 0, 9])), [0, 0, 400]);
        let moment = Moment { now_ms: 0, random: 0 };
        let all = used([1000, 2000, 0], [0, 0, 10]);
        assert_eq!(choose(&three, usage, &Wishes::default(), moment, &all).unwrap_err(), Nobody::Limits);
    }

    #[test]
    fn who_has_failed_a_request_is_asked_last() {
        let wishes = |tried: &[usize]| Wishes { tried: tried.to_vec(), ..Wishes::default() };
        let shuffle = rule(Strategy::Shuffle);
        assert_eq!(picks(&even(3), shuffle, &wishes(&[1]), &[]), [200, 0, 200]);
        assert_eq!(picks(&even(2), shuffle, &wishes(&[0, 1]), &[]), [200, 200]);
    }

    #[test]
    fn tags_come_before_everything() {
        let tagged = route(&[(1, 0, &["free"]), (1, 0, &["paid"])]);
        let rule = Rule { tags: Some(TagMatch::Any), ..rule(Strategy::Shuffle) };
        let wishes = |tag: &str| Wishes { tags: vec![tag.to_owned()], ..Wishes::default() };
        let cooling = standing(|standing| standing.cooling_until = 9_000);
        assert_eq!(picks(&tagged, rule, &wishes("free"), &[cooling]), [400, 0]);
        let moment = Moment { now_ms: 0, random: 0 };
        assert_eq!(choose(&tagged, rule, &wishes("gold"), moment, &[]).unwrap_err(), Nobody::Tags);
    }

    #[test]
    fn a_sticky_request_stays_while_its_target_is_healthy() {
        let three = even(3);
        let wishes = Wishes { sticky: Some(77), ..Wishes::default() };
        let before = picks(&three, rule(Strategy::LeastBusy), &wishes, &[]);
        let home = before.iter().position(|count| *count == 400).unwrap();
        let standings = [0, 1, 2]
            .map(|at| standing(|standing| standing.cooling_until = if at == home { 9_000 } else { 0 }));
        let away = picks(&three, rule(Strategy::LeastBusy), &wishes, &standings);
        assert_eq!((away[home], away.iter().max()), (0, Some(&400)));
    }

    #[test]
    fn a_decision_among_100_targets() {
        // Tells what it takes with `--nocapture`, in a release build.
        const DECISIONS: u64 = 2_000;
        let hundred = even(100);
        for strategy in
            [Strategy::Shuffle, Strategy::LeastBusy, Strategy::Latency, Strategy::Cost, Strategy::Usage]
        {
            let standings: Vec<Standing> = (0..100)
                .map(|at| standing(|standing| (standing.latency_us, standing.busy) = (at * 7, at % 9)))
                .collect();
            let start = std::time::Instant::now();
            for random in 0..DECISIONS {
                let moment = Moment { now_ms: 1, random };
                std::hint::black_box(
                    choose(&hundred, rule(strategy), &Wishes::default(), moment, &standings).unwrap(),
                );
            }
            println!("{strategy:?}: {} ns", start.elapsed().as_nanos() / u128::from(DECISIONS));
        }
        // What the shell does beside: reads what was used, and counts what begins.
        let used = crate::route::load::Used::read(&[], 100, 7).with(100, 7, 99, 5, 1);
        let start = std::time::Instant::now();
        for random in 0..DECISIONS {
            let read = crate::route::load::Used::read(&used, 100, 7);
            let standings: Vec<Standing> = (0..100)
                .map(|at| standing(|standing| (standing.tokens, standing.requests) = read.of(at)))
                .collect();
            let moment = Moment { now_ms: 1, random };
            let rule = rule(Strategy::Usage);
            let (place, _) = choose(&hundred, rule, &Wishes::default(), moment, &standings).unwrap();
            std::hint::black_box(crate::route::load::Used::read(&used, 100, 7).with(100, 7, place, 0, 1));
        }
        println!("Usage, read and counted: {} ns", start.elapsed().as_nanos() / u128::from(DECISIONS));
    }
}
