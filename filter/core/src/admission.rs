//! The gateway role, without I/O: who may ask, what is asked for, and which target is tried first.
//!
//! Bad requests are refused here: an attempt that fails for the client's fault is not worth a provider's time.

mod chosen;
mod judged;
mod kept;
mod named;
mod passing;
mod wishes;

use std::collections::BTreeMap;
use std::rc::Rc;

use subtle::ConstantTimeEq;

use crate::capture::Capture;
use crate::client::responses::{Seal, Stored};
use crate::client::{Endpoint, Language, Request, language_at, messages};
use crate::config::{Observe, PluginConfig, Role, Strategy, Target};
use crate::course::{self, Policy};
use crate::error::{Error, Kind};
use crate::json::Out;
use crate::meter::{Bill, ModelInfo, Tried};
use crate::openai::ChatRequest;
use crate::pass::Way;
use crate::provider::auth::Env;
use crate::provider::path::percent_decoded;
use crate::route::{Choice, Moment, Route, Routes, Rule, Standing};
use judged::{in_parts, judge};
pub use named::Named;
pub use passing::Chosen;
pub use wishes::HeadWishes;
use wishes::Honoured;

/// Headers in which clients of the various SDKs show their key.
const KEY_HEADERS: &[&str] =
    &["authorization", "x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key"];

/// How long a measured latency counts unless the config says otherwise, in seconds: LiteLLM's hour.
const DEFAULT_LATENCY_TTL: u64 = 3_600;

/// A checked configuration of the gateway or inline role.
#[derive(Debug)]
pub struct Gateway {
    /// The targets.
    pub targets: Vec<Rc<Target>>,
    /// The routes.
    pub routes: Routes,
    /// The largest request body, in bytes.
    pub max_body_bytes: usize,
    master_key: Option<String>,
    inline: bool,
    /// Whether several prompts can be asked for one after the other.
    parts: bool,
    /// Whether the body is left for the attempt to take.
    pub share_bodies: bool,
    /// Whether a stream's usage tells its client what it costs.
    pub stream_cost: bool,
    /// The routes whose requests pass as they are, while what would become of them is only counted and logged; all requests
    /// do where it is empty.
    pub dry_run: Option<Vec<String>>,
    /// What is known about models, by provider and model.
    models: BTreeMap<String, BTreeMap<String, Rc<ModelInfo>>>,
    /// What access logs and traces are told.
    pub observe: Option<Observe>,
    /// What they are told of prompts and answers.
    pub capture: Option<Rc<Capture>>,
    /// How a target is chosen.
    pub rule: Rule,
    /// How long a measured latency counts, in seconds.
    pub latency_ttl: u64,
    honoured: Honoured,
    /// The key under which ids of responses are made.
    pub seal: Rc<Seal>,
    /// What is tried when an attempt fails.
    pub policy: Rc<Policy>,
}

/// What a choice is made from beside the request.
pub struct World<'w> {
    /// When it is made.
    pub moment: Moment,
    /// What is known of a route's targets, by place in its choices; nothing where it ends.
    pub look: &'w dyn Fn(&Route) -> Vec<Standing>,
}

/// A request's head.
#[derive(Debug)]
pub struct RequestHead<'h> {
    /// `:method`
    pub method: &'h str,
    /// `:path`
    pub path: &'h str,
    /// All headers, names in lower case.
    pub headers: &'h [(String, String)],
    /// Whether no body follows.
    pub end: bool,
    /// Whether its key is not judged: in a dry run clients may show a provider's own.
    pub keyless: bool,
}

/// What becomes of a request, told by its head.
#[derive(Debug)]
pub enum Verdict {
    /// It is none of our business.
    Pass,
    /// It is answered at once.
    Reply(Reply),
    /// Its body must be read.
    Read(Endpoint),
    /// It is for a response that a target keeps.
    Stored(Stored),
    /// It passes.
    Carry(Way),
}

/// An answer of the gateway's own.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// Headers beside `content-type`.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Where a request goes.
#[derive(Debug)]
pub struct Plan<'g> {
    /// The place of the target that is tried.
    pub target: usize,
    /// How many targets the route has.
    pub targets: usize,
    /// The cluster that tries it.
    pub cluster: &'g str,
    /// The route's name.
    pub route: &'g str,
    /// The choice that was made.
    pub choice: &'g Choice,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// How long an attempt may take until its reply's head is there, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often a failed attempt is repeated, where the request or the target says so.
    pub retries: Option<u32>,
    /// Whether no other target can answer, so that none may be tried.
    pub pinned: bool,
    /// How long the target may say nothing before another is asked beside it, in milliseconds; never when absent.
    pub hedge_ms: Option<u64>,
    /// Whether the target is asked for one prompt after the other.
    pub parts: bool,
}

impl Reply {
    /// A refusal, in the client's language.
    #[must_use]
    pub fn refusal(error: &Error, language: &dyn Language, request_id: &str) -> Self {
        Self { status: language.status(error), body: language.error(error, request_id), headers: Vec::new() }
    }
}

impl Gateway {
    /// Checks a raw config. `env` looks environment variables up.
    ///
    /// # Errors
    /// What is wrong with it, for the log.
    pub fn check(raw: PluginConfig, env: &Env<'_>) -> Result<Self, String> {
        let master_key = match &raw.master_key {
            None => None,
            Some(setting) => {
                Some(setting.value(env).ok_or("master_key: its environment variable is not set")?)
            }
        };
        let mut targets = Vec::with_capacity(raw.targets.len());
        for target in raw.targets {
            let id = target.id.clone();
            targets.push(Rc::new(Target::check(target).map_err(|why| format!("target '{id}': {why}"))?));
        }
        let routing = raw.routing;
        let routes = Routes::check(raw.routes, &targets, &routing.cooldown)?;
        let rule = Rule {
            strategy: routing.strategy,
            tags: routing.tags,
            buffer_percent: routing.latency_buffer_percent,
        };
        let latency_ttl = routing.latency_ttl_ms.map_or(DEFAULT_LATENCY_TTL, |ms| ms.div_ceil(1000));
        let own = routes.iter().filter_map(|route| route.sticky.as_ref()).flatten();
        let mut all = routing.sticky.clone();
        for key in own {
            if !all.contains(key) {
                all.push(key.clone());
            }
        }
        let honoured = Honoured { tags: rule.tags.is_some(), sticky: routing.sticky, all };
        let inline = raw.role == Role::Inline;
        let parts = raw.hold_heads && !inline;
        let (max_body_bytes, share_bodies, observe) = (raw.max_body_bytes, raw.share_bodies, raw.observe);
        let shared = |known: BTreeMap<String, ModelInfo>| {
            known.into_iter().map(|(model, info)| (model, Rc::new(info))).collect()
        };
        let seal = raw.id_secret.map_or_else(|| Ok(Seal::of(None)), |secret| kept::sealed(&secret, env))?;
        let capture = raw.capture.map(|max_bytes| Capture::check(max_bytes, &raw.redact)).transpose()?;
        let mut gateway = Self {
            targets,
            routes,
            max_body_bytes,
            master_key,
            inline,
            parts,
            share_bodies,
            stream_cost: raw.stream_cost,
            dry_run: raw.dry_run,
            models: raw.models.into_iter().map(|(vendor, known)| (vendor, shared(known))).collect(),
            rule,
            latency_ttl,
            honoured,
            observe,
            capture: capture.map(Rc::new),
            seal: Rc::new(seal),
            policy: Rc::new(Policy::check(raw.course)?),
        };
        if gateway.rule.strategy == Strategy::Cost {
            gateway.note_costs();
        }
        Ok(gateway)
    }

    /// What an attempt is billed, by the model that was asked or, where nobody knows that one, by the one that answered.
    #[must_use]
    pub fn bill(&self, tried: &Tried) -> Option<Bill> {
        let named = || self.model_info(&tried.target, tried.seen.model.as_deref()?);
        let info = tried.info.clone().or_else(named);
        Bill::of(tried, info.as_deref())
    }

    /// What is known about `model`, as it is sent to a target or as the provider names it.
    #[must_use]
    pub fn model_info(&self, target: &Target, model: &str) -> Option<Rc<ModelInfo>> {
        let listed = || self.models.get(target.provider.name)?.get(model).map(Rc::clone);
        target.info.clone().or_else(listed)
    }

    /// Judges a request by its head.
    #[must_use]
    pub fn head(&self, head: &RequestHead<'_>) -> Verdict {
        let path = head.path.split(['?', '#']).next().unwrap_or_default();
        let path = path.strip_prefix("/v1/").or_else(|| path.strip_prefix('/')).unwrap_or(path);
        match self.judge(path, head) {
            Ok(verdict) => verdict,
            Err(error) => {
                let id = head.headers.iter().find(|(name, _)| name == "x-request-id");
                let id = id.map_or("", |(_, value)| value.as_str());
                Verdict::Reply(Reply::refusal(&error, language_at(path), id))
            }
        }
    }

    fn judge(&self, path: &str, head: &RequestHead<'_>) -> Result<Verdict, Error> {
        match (head.method, path) {
            ("GET", "health/liveliness" | "health/liveness") => {
                return Ok(Verdict::Reply(json(b"\"I'm alive!\"".to_vec())));
            }
            ("GET", "health/readiness") => {
                return Ok(Verdict::Reply(json(b"{\"status\":\"healthy\"}".to_vec())));
            }
            _ => {}
        }
        let endpoint = match Endpoint::at(path) {
            Some(endpoint) => endpoint,
            None if let Some(stored) = self.stored(path, head) => {
                self.authenticate(head)?;
                return stored.map(Verdict::Stored);
            }
            None if let Some(way) = self.way(head) => {
                self.authenticate_way(head)?;
                return Ok(Verdict::Carry(way));
            }
            None if path == "models" || path.starts_with("models/") => {
                self.authenticate(head)?;
                return if head.method == "GET" { self.models(path) } else { Err(wrong_method(head, "GET")) };
            }
            // A listener that serves others too: what isn't ours goes its way.
            None if self.inline => return Ok(Verdict::Pass),
            None => {
                self.authenticate(head)?;
                return Err(unknown_path(head));
            }
        };
        self.authenticate(head)?;
        if head.method != "POST" {
            return Err(wrong_method(head, "POST"));
        }
        let header = |name: &str| {
            head.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        // Envoy lets the upgrade through for those paths that have one; its body would never end.
        if header("upgrade").is_some_and(|to| to.eq_ignore_ascii_case("websocket")) {
            return Err(Error::invalid("There is no WebSocket at this path."));
        }
        if let Some(encoding) =
            header("content-encoding").filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
        {
            let message =
                format!("The request body is encoded as '{encoding}': send it without content-encoding.");
            return Err(Error::client(Kind::InvalidRequest, message)
                .status(415)
                .code("unsupported_content_encoding"));
        }
        let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.max_body_bytes) {
            return Err(self.too_large());
        }
        if head.end {
            return Err(Error::invalid("The request body is empty: send a JSON object.").code("invalid_json"));
        }
        Ok(Verdict::Read(endpoint))
    }

    /// The refusal of a body over the limit.
    #[must_use]
    pub fn too_large(&self) -> Error {
        let limit = self.max_body_bytes;
        Error::client(Kind::TooLarge, format!("The request body is larger than the limit of {limit} bytes."))
    }

    fn authenticate(&self, head: &RequestHead<'_>) -> Result<(), Error> {
        let Some(master) = self.master_key.as_ref().filter(|_| !head.keyless) else { return Ok(()) };
        let refused = |message: &str| {
            Error::client(Kind::Authentication, message)
                .typed("invalid_request_error")
                .code("invalid_api_key")
        };
        let shown = KEY_HEADERS.iter().find_map(|name| {
            let (_, value) = head.headers.iter().find(|(known, _)| known == name)?;
            Some(bare(value))
        });
        match shown.filter(|key| !key.is_empty()) {
            None => Err(refused(
                "You didn't provide an API key: send it as a bearer token in the Authorization header.",
            )),
            Some(key) if same(key, master) => Ok(()),
            Some(_) => Err(refused("Incorrect API key provided.")),
        }
    }

    fn models(&self, path: &str) -> Result<Verdict, Error> {
        let mut body = Vec::with_capacity(1024);
        match path.strip_prefix("models/") {
            None => {
                body.extend_from_slice(b"{\"object\":\"list\",\"data\":[");
                for route in self.routes.iter().filter(|route| !route.hidden) {
                    model(&route.name, &mut body);
                }
                body.extend_from_slice(b"]}");
            }
            Some(name) => {
                let name = percent_decoded(name);
                if self.routes.find(&name).is_none() {
                    return Err(unknown_model(&name));
                }
                model(&name, &mut body);
            }
        }
        Ok(Verdict::Reply(json(body)))
    }

    /// The answer to a question for a prompt's tokens, where the planned target counts none: an estimate that says so.
    ///
    /// # Errors
    /// A client error when the request is malformed.
    pub fn estimate(&self, request: &Request, plan: &Plan<'_>) -> Result<Option<Reply>, Error> {
        if request.endpoint != Endpoint::CountTokens {
            return Ok(None);
        }
        let asked = request.model()?.plain();
        let target = self.targets.get(plan.target).map(|target| Target::serving(target, &asked));
        if target.is_some_and(|target| target.provider.counts(&target.model_for(&asked))) {
            return Ok(None);
        }
        let headers = vec![("x-dragoman-estimated", "true")];
        Ok(Some(Reply { status: 200, body: messages::estimate(request)?, headers }))
    }

    /// What a request's head wishes of the choice.
    #[must_use]
    pub fn wishes(&self, headers: &[(String, String)]) -> HeadWishes {
        self.honoured.of_head(headers)
    }

    /// Judges a request by its body: picks the target that is tried next of those of `model`, which is the one that the
    /// request names, or one that stands in for it.
    ///
    /// # Errors
    /// A client error when the body is wrong, asks for a model that isn't there or not for this client, or for what its
    /// target can't do.
    pub fn body(
        &self,
        request: &Request,
        model: &str,
        course: (&course::Wishes, &[usize]),
        wishes: &HeadWishes,
        world: &World<'_>,
    ) -> Result<Plan<'_>, Error> {
        let chat = match request.endpoint {
            Endpoint::Chat => Some(ChatRequest::of(&request.body)?),
            _ => None,
        };
        let stream = chat.as_ref().map_or_else(|| request.stream(), |chat| chat.stream);
        let (_, route) = self.routes.find(model).ok_or_else(|| unknown_model(model))?;
        let (asked, tried) = course;
        let mut wishes = self.honoured.with_body(wishes, Some(&request.body), route.sticky.as_deref());
        wishes.tried = self.passed_over(route, model, request, tried)?;
        let pinned = self.pinned(request, route)?;
        let (_, choice) = match pinned {
            Some(pinned) => pinned,
            None => self.choose(route, model, &wishes, world)?,
        };
        let target =
            self.targets.get(choice.target).ok_or_else(|| Error::internal("a choice without its target"))?;
        let serving = Target::serving(target, model);
        let parts = self.parts && in_parts(request, &serving)?;
        if !parts {
            judge(request, chat.as_ref(), &serving)?;
        }
        let stream = stream && !parts;
        let own = choice.terms.stream_timeout_ms.filter(|_| stream).or(choice.terms.timeout_ms);
        let timeout_ms = asked.stream_timeout_ms.filter(|_| stream).or(asked.timeout_ms).or(own);
        let hedge = if stream { route.hedge.first_token_ms } else { route.hedge.reply_ms };
        let limit_ms = timeout_ms.unwrap_or_else(|| self.policy.timeout_ms());
        // Who is asked beside a target may take several prompts otherwise.
        let beside = pinned.is_none()
            && !choice.terms.hedged.is_empty()
            && request.endpoint != Endpoint::CountTokens
            && request.prompts() <= 1;
        let hedge_ms = hedge.filter(|after| beside && *after < limit_ms);
        Ok(Plan {
            target: choice.target,
            targets: if pinned.is_some() { 1 } else { route.choices.len() },
            cluster: if hedge_ms.is_some() { &choice.terms.hedged } else { &choice.terms.cluster },
            route: &route.name,
            choice,
            stream,
            timeout_ms,
            retries: asked.retries.or(choice.terms.retries),
            pinned: pinned.is_some(),
            hedge_ms,
            parts,
        })
    }
}

/// The key in a header that shows one.
fn bare(value: &str) -> &str {
    let key = match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer ") => key,
        _ => value,
    };
    key.trim()
}

/// In constant time: how long a refusal takes must not tell how much of a key was right.
fn same(key: &str, master: &str) -> bool {
    bool::from(key.as_bytes().ct_eq(master.as_bytes()))
}

fn json(body: Vec<u8>) -> Reply {
    Reply { status: 200, body, headers: Vec::new() }
}

/// OpenAI's model object. The time is the one that LiteLLM gives for every model.
fn model(name: &str, out: &mut Vec<u8>) {
    out.open(b'{');
    out.field_text("id", name);
    out.field_text("object", "model");
    out.field_number("created", 1_677_610_602);
    out.field_text("owned_by", "openai");
    out.close(b'}');
}

fn unknown_model(name: &str) -> Error {
    let short: String = name.chars().take(200).collect();
    let message = format!("The model `{short}` does not exist or you do not have access to it.");
    Error::client(Kind::NotFound, message)
        .typed("invalid_request_error")
        .param("model")
        .code("model_not_found")
}

fn unknown_path(head: &RequestHead<'_>) -> Error {
    let path: String = head.path.split('?').next().unwrap_or_default().chars().take(200).collect();
    let served: Vec<String> = Endpoint::PATHS
        .iter()
        .copied()
        .chain(crate::pass::beginnings())
        .map(|path| format!("/v1/{path}"))
        .collect();
    let message = format!(
        "Unknown request URL: {} {path}. Dragoman serves {} and /v1/models, and the paths of the configured providers behind their prefixes.",
        head.method,
        served.join(", ")
    );
    Error::client(Kind::NotFound, message).typed("invalid_request_error").code("unknown_url")
}

fn wrong_method(head: &RequestHead<'_>, right: &str) -> Error {
    let message = format!("Not allowed to {} here: use {right}.", head.method);
    Error::client(Kind::InvalidRequest, message).status(405).code("method_not_allowed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway() -> Gateway {
        let config = r#"{
            "role": "gateway", "master_key": {"env": "KEY"}, "max_body_bytes": 100,
            "targets": [{"id": "t", "provider": "openai", "model": "gpt"}],
            "routes": [{"name": "gpt", "targets": [{"target": "t", "cluster": "c"}]},
                       {"name": "a/b*", "hidden": true, "targets": [{"target": "t", "cluster": "c"}]}]
        }"#;
        let env = |name: &str| (name == "KEY").then(|| "sk-1".to_owned());
        Gateway::check(serde_json::from_str(config).unwrap(), &env).unwrap()
    }

    fn ask(method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        match gateway().head(&RequestHead { method, path, headers: &headers, end: false, keyless: false }) {
            Verdict::Reply(reply) => (reply.status, String::from_utf8(reply.body).unwrap()),
            Verdict::Read(_) => (0, String::new()),
            Verdict::Pass => (1, String::new()),
            Verdict::Stored(_) => (2, String::new()),
            Verdict::Carry(_) => (2, String::new()),
        }
    }

    #[test]
    fn heads() {
        let key = ("authorization", "Bearer sk-1");
        assert_eq!(ask("GET", "/health/liveliness", &[]).0, 200);
        for path in ["/v1/chat/completions", "/chat/completions?x=1"] {
            assert_eq!(ask("POST", path, &[key]).0, 0);
        }
        for wrong in [
            &[][..],
            &[("authorization", "Bearer sk-2")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
        ] {
            let (status, body) = ask("POST", "/v1/chat/completions", wrong);
            assert_eq!(status, 401);
            assert!(body.contains("\"code\":\"invalid_api_key\"") && !body.contains("sk-"), "{body}");
        }
        assert_eq!(ask("POST", "/v1/chat/completions", &[("x-api-key", "sk-1")]).0, 0);
        assert_eq!(ask("GET", "/v1/chat/completions", &[key]).0, 405);
        let (status, said) = ask("POST", "/v1/what", &[key]);
        assert_eq!(status, 404);
        for served in
            ["chat/completions", "messages/count_tokens", "embeddings", "rerank", "realtime", "models"]
        {
            assert!(said.contains(&format!("/v1/{served}")), "{said}");
        }
        assert_eq!(ask("POST", "/v1/chat/completions", &[key, ("content-length", "101")]).0, 413);
        assert_eq!(ask("POST", "/v1/chat/completions", &[key, ("content-encoding", "br")]).0, 415);
        let (_, models) = ask("GET", "/v1/models", &[key]);
        assert!(models.contains("\"id\":\"gpt\"") && !models.contains("a/b"));
        assert_eq!(ask("GET", "/v1/models/a%2Fbc", &[key]).0, 200);
        assert_eq!(ask("GET", "/v1/models/nope", &[key]).0, 404);
    }

    #[test]
    fn bodies() {
        let gateway = gateway();
        let body = |text: &str| {
            Request::new(Endpoint::Chat, crate::openai::Body::read(text.as_bytes().to_vec()).unwrap())
        };
        let asked = body(r#"{"model":"gpt","messages":[{}]}"#);
        let moment = Moment { now_ms: 0, random: 7 };
        let world = World { moment, look: &|_| Vec::new() };
        let head = gateway.wishes(&[]);
        let plan = gateway.body(&asked, "gpt", (&course::Wishes::default(), &[]), &head, &world).unwrap();
        assert_eq!((plan.cluster, plan.route), ("c", "gpt"));
        let error = gateway.body(&asked, "x", (&course::Wishes::default(), &[]), &head, &world).unwrap_err();
        assert_eq!((error.http_status(), error.code.as_deref()), (404, Some("model_not_found")));
    }
}
