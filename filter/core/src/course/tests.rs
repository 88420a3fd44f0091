//! Courses, walked to their ends.

use super::*;

fn policy(json: &str) -> Rc<Policy> {
    Rc::new(Policy::check(serde_json::from_str(json).unwrap()).unwrap())
}

fn course(config: &str, wishes: Wishes) -> Course {
    Course::begin(policy(config), wishes, "a".to_owned(), 0)
}

fn error(status: u16) -> Error {
    Error::upstream(Kind::of_status(status), "no").status(status)
}

/// What follows when every attempt fails so, on models of `targets` targets: the models of the attempts, with the seconds
/// that were waited before each.
fn walk(course: &mut Course, error: &Error, targets: usize) -> String {
    let mut walked = Vec::new();
    let mut wait = String::new();
    for place in 0..50 {
        walked.push(format!("{wait}{}", course.model()));
        course.goes(place, targets, 1000, None);
        wait = match course.failed(error, None, 0) {
            Next::Now => String::new(),
            Next::After(seconds) => format!("{seconds}s "),
            Next::Nothing => return walked.join(", "),
        };
    }
    panic!("no end: {walked:?}");
}

#[test]
fn failures_that_may_pass_are_repeated_and_others_are_not() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529] {
        assert_eq!(walk(&mut course("{}", Wishes::default()), &error(status), 5), "a, a, a", "{status}");
    }
    for status in [400, 401, 402, 403, 404, 413, 422] {
        assert_eq!(walk(&mut course("{}", Wishes::default()), &error(status), 5), "a", "{status}");
    }
}

#[test]
fn a_target_that_is_alone_is_given_time() {
    assert_eq!(walk(&mut course("{}", Wishes::default()), &error(500), 1), "a, 1s a, 1s a");
    let more = r#"{"retries": 5, "retry_after_ms": 1500}"#;
    assert_eq!(walk(&mut course(more, Wishes::default()), &error(500), 1), "a, 2s a, 2s a, 2s a, 4s a, 8s a");
    assert_eq!(walk(&mut course(more, Wishes::default()), &error(500), 2), "a, a, 2s a, a, 4s a, a");
}

#[test]
fn a_providers_retry_after_is_honoured_within_the_deadline() {
    let after = |seconds: u64, timeout_ms: u64, now_ms: u64| {
        let mut course = course(&format!(r#"{{"timeout_ms": {timeout_ms}}}"#), Wishes::default());
        course.goes(0, 1, 1000, None);
        course.failed(&error(429), Some(seconds), now_ms)
    };
    assert_eq!(after(7, 600_000, 0), Next::After(7));
    assert_eq!(after(61, 600_000, 0), Next::Nothing);
    assert_eq!(after(7, 10_000, 2_999), Next::After(7));
    assert_eq!(after(7, 10_000, 3_000), Next::Nothing);
    assert_eq!(after(0, 600_000, 0), Next::After(1));
}

#[test]
fn the_request_may_wish_and_a_policy_is_stronger() {
    let wishes = Wishes { retries: Some(0), ..Wishes::default() };
    assert_eq!(walk(&mut course("{}", wishes.clone()), &error(500), 5), "a");
    let by_class = r#"{"retry_policy": {"InternalServerErrorRetries": 1, "BadRequestErrorRetries": 2,
        "TimeoutErrorRetries": 0}, "model_retry_policy": {"b": {"InternalServerErrorRetries": 3}}}"#;
    assert_eq!(walk(&mut course(by_class, wishes), &error(500), 5), "a, a");
    assert_eq!(walk(&mut course(by_class, Wishes::default()), &error(400), 5), "a, a, a");
    assert_eq!(walk(&mut course(by_class, Wishes::default()), &error(408), 5), "a");
    assert_eq!(walk(&mut course(by_class, Wishes::default()), &error(429), 5), "a, a, a");
    let mut other = Course::begin(policy(by_class), Wishes::default(), "b".to_owned(), 0);
    assert_eq!(walk(&mut other, &error(500), 5), "b, b, b, b");
    assert!(Policy::check(serde_json::from_str(r#"{"retry_policy": {"Timeout": 1}}"#).unwrap()).is_err());
}

const CHAINS: &str = r#"{"retries": 0, "fallbacks": {"a": ["b", "c"], "b": ["d", "a"], "*": ["z"]},
    "context_window_fallbacks": {"a": ["large"]}}"#;

#[test]
fn models_stand_in_one_after_the_other_with_those_that_stand_in_for_them() {
    let mut all = course(CHAINS, Wishes::default());
    assert_eq!(walk(&mut all, &error(500), 1), "a, b, d, z, c");
    assert_eq!(all.counts(), (0, 4));
    assert_eq!(all.last().unwrap().message, "no. (5 attempts have failed.)");
    assert_eq!(
        walk(&mut course(CHAINS, Wishes::default()), &error(401), 1),
        "a, b, d, z, c",
        "whatever failed"
    );
    let window = Error::upstream(Kind::ContextWindow, "long");
    assert_eq!(walk(&mut course(CHAINS, Wishes::default()), &window, 1), "a, large");
    let policy = Error::upstream(Kind::ContentPolicy, "rude");
    assert_eq!(walk(&mut course(CHAINS, Wishes::default()), &policy, 1), "a, b, d, z, c");
    let few = CHAINS.replace("\"retries\": 0", "\"retries\": 1, \"max_fallbacks\": 2");
    let mut few = course(&few, Wishes::default());
    assert_eq!(walk(&mut few, &error(500), 5), "a, a, b, b, d, d");
    assert_eq!(few.counts(), (3, 2));
    // Somebody else can do it at once.
    let limited = CHAINS.replace("\"retries\": 0", "\"retries\": 2");
    assert_eq!(walk(&mut course(&limited, Wishes::default()), &error(429), 1), "a, b, d, z, c, 1s c, 1s c");
}

#[test]
fn the_request_may_name_models_or_forbid_them() {
    let named =
        Wishes { fallbacks: Some(vec!["x".to_owned(), "a".to_owned(), "y".to_owned()]), ..Wishes::default() };
    assert_eq!(walk(&mut course(CHAINS, named), &error(500), 1), "a, x, y");
    let none = Wishes { no_fallbacks: true, ..Wishes::default() };
    let mut alone = course(CHAINS, none);
    assert_eq!(walk(&mut alone, &error(500), 1), "a");
    assert_eq!(alone.last().unwrap().message, "no");
}

#[test]
fn silence_is_a_timeout_when_the_time_is_up() {
    let mut course = course("{}", Wishes::default());
    course.goes(0, 1, 300, None);
    assert_eq!((course.silence(299).kind, course.silence(299).http_status()), (Kind::Timeout, 504));
    assert_eq!((course.silence(20).kind, course.silence(20).http_status()), (Kind::Overloaded, 503));
}

#[test]
fn the_first_target_says_how_often_unless_the_request_or_a_policy_does() {
    let repeated = |config: &str, wished: Option<u32>| {
        let mut course = course(config, Wishes { retries: wished, ..Wishes::default() });
        for place in 0..50 {
            // What later targets would want is not asked.
            course.goes(place, 50, 1000, if place == 0 { Some(4) } else { Some(9) });
            if course.failed(&error(500), None, 0) == Next::Nothing {
                return course.counts().0;
            }
        }
        panic!("no end");
    };
    assert_eq!(repeated("{}", None), 4);
    assert_eq!(repeated("{}", Some(1)), 1);
    assert_eq!(repeated(r#"{"retry_policy": {"InternalServerErrorRetries": 3}}"#, None), 3);
}

#[test]
fn classes_are_those_of_litellm() {
    let repeated = |class: &str, kind: Kind| {
        let config = format!(r#"{{"retries": 0, "retry_policy": {{"{class}Retries": 1}}}}"#);
        let error = Error::upstream(kind, "no");
        walk(&mut course(&config, Wishes::default()), &error, 5) == "a, a"
    };
    for (class, kind) in [
        ("BadRequestError", Kind::TooLarge),
        ("AuthenticationError", Kind::Authentication),
        ("TimeoutError", Kind::Timeout),
        ("RateLimitError", Kind::Quota),
        ("ContentPolicyViolationError", Kind::ContentPolicy),
        ("InternalServerError", Kind::Server),
        ("ServiceUnavailableError", Kind::Overloaded),
        ("ServiceUnavailableError", Kind::BadGateway),
        ("NotFoundError", Kind::NotFound),
        ("Default", Kind::Conflict),
    ] {
        assert!(repeated(class, kind), "{class}");
    }
    assert!(
        !repeated("NotFoundError", Kind::BadGateway) && !repeated("InternalServerError", Kind::BadGateway)
    );
}

#[test]
fn what_is_asked_next_begins_anew_with_the_model_that_was_named() {
    let wishes = Wishes { retries: Some(1), ..Wishes::default() };
    let mut first = course(CHAINS, wishes);
    assert_eq!(walk(&mut first, &error(500), 5), "a, a, b, b, d, d, z, z, c, c");
    for _ in 0..2 {
        first.begin_again(7);
        assert_eq!((first.model(), first.counts(), first.last()), ("a", (0, 0), None));
        assert!(first.stand_in().is_none() && first.tried().is_empty());
        assert_eq!(walk(&mut first, &error(500), 5), "a, a, b, b, d, d, z, z, c, c");
    }
}
