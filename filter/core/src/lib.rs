//! Dragoman's core: translation, routing and metering, with no Envoy, clock, environment or I/O: all of that is an
//! argument.
//!
//! # The architecture in one page
//!
//! Dragoman stands inside Envoy: one `dragoman.wasm`, loaded into the Envoy or Istio that a team already runs, lets every
//! client speak OpenAI's API to every model provider. Envoy keeps TLS, connection pools, retries, load balancing, health,
//! stats, access logs and hot reload; Dragoman adds the language.
//!
//! ```text
//! client ── OpenAI API ──▶ Envoy listener
//!                           │  GATEWAY role: authenticate, read the request once, name its route,
//!                           │  pick the first target, set x-dragoman-cluster        (once per request)
//!                           ▼
//!                         router ── retry policy, timeouts, load balancing: Envoy's
//!                           │
//!                           │  UPSTREAM role: take the target that was picked, encode the native request,
//!                           │  sign; decode the reply, classify errors              (once per attempt)
//!                           ▼
//!                         provider
//! ```
//!
//! `role: inline` is both in one listener filter, for places where clusters can't be changed: one target per request.
//!
//! A **target** is one deployment: provider, upstream model, address, credential. A **route** is a model name that
//! clients ask for, and its targets. The same JSON of a target ([`config::TargetConfig`]) stands in the plugin config
//! and in endpoint metadata.
//!
//! | room | what it owns | what it must not know |
//! |---|---|---|
//! | [`admission`] | the gateway role: who may ask, what for, which target first | how a provider is spoken to |
//! | [`attempt`] | the upstream role: native request out, reply bytes in, client bytes out | routes |
//! | [`client`] | client languages: what clients ask in and are answered in | dialects, providers |
//! | [`config`] | the plugin config, raw and checked | LiteLLM's YAML |
//! | [`course`] | what is tried next when an attempt fails, and when to give up | who is asked, and how |
//! | [`route`] | names to routes, routes to first targets | bodies |
//! | [`pass`] | requests that pass as they are: their paths, targets, heads and token counts | body languages |
//! | [`openai`] | the hub language: request views, [`openai::Sink`], the two reply writers | vendors |
//! | [`dialect`] | providers' body languages, one each | who speaks them, and each other |
//! | [`provider`] | vendors as rows of data; credentials | framing's inside |
//! | [`wire`] | framing: where an event ends | vendors, JSON |
//! | [`observe`] | what logs and traces are told of a request | sinks |
//! | [`meter`] | usage | where it came from |
//! | [`json`] | reading in one pass, writing by splicing | field names |
//! | [`error`] | every failure and its OpenAI form | |
//!
//! [`admission`] and [`attempt`] may use everything; nobody imports them. `provider` uses `dialect` and `wire`; never the
//! other way round. `tests/tidy.rs` holds these directions.
//!
//! A request in another language than the hub's is put into the hub's once, when a dialect needs it so; its reply goes
//! through the same [`openai::Sink`] into that language's own writer. Languages and dialects thus meet in the hub only: a
//! new one of either kind is one room, never a row of a grid. Where the target speaks the client's language itself
//! ([`dialect::Native`]) the client's own body and the provider's own bytes pass instead.
//!
//! # Decisions, with what proved them
//!
//! * **JSON is read by a cursor of our own**, not by `serde_json`'s `RawValue`: one pass checks syntax, depth and paired
//!   surrogates while it hands out borrowed tokens, and works inside tagged shapes, where `RawValue` does not. serde
//!   reads the configuration.
//! * **Replies go through a sink**: a dialect tells [`openai::Piece`]s; a writer makes one object or chunks of them. There
//!   is no owned intermediate form.
//! * **A client's body and its form in the hub travel together** ([`client::Request`]): the gateway judges by the hub's,
//!   the attempt sends whichever the target understands, and who doesn't need the hub's never makes it.
//! * **Whole replies are gathered here, not in Envoy**: each piece is taken out of Envoy's buffer as it comes, so Envoy's
//!   buffer limits never cut a large reply; when `content-length` has arrived the reply goes on at once.
//! * **What an attempt must know travels as filter state**, not as a header: a header that one attempt removes is gone
//!   for the next one too.
//! * **The native head is written in one host call**, from an allow-list: nothing of the client's reaches a provider
//!   unless it is named.
//! * **The upstream role stands once, in the router's `upstream_http_filters`**, not on every cluster: Envoy hashes the
//!   whole wasm for each instance, which made 1,000 clusters cost five seconds more to start. It runs once per attempt
//!   all the same, on aggregate clusters too.
//! * **The gateway's reading of a body is kept for the attempt** ([`config::PluginConfig::share_bodies`]), where no filter
//!   stands between the two: offsets outlive borrows, so the attempt neither copies nor parses it again.
//! * **A cluster is an address, not a target** ([`config::PluginConfig::share_targets`]): the gateway leaves the one target
//!   that it has picked in memory, where the attempt takes it. Five thousand targets at one vendor's are one cluster and
//!   one pool of connections; with a cluster for each target and for each chain they were ten thousand, which took 2 GB
//!   over TLS and half a minute to start (now 165 MB and 2 s).
//! * **Who fails is left alone by the filter, not by Envoy's outlier detection**: a cluster is one endpoint, so that Envoy
//!   could only refuse what it ejects, and with it all other targets at that address. Cooldowns are per target, know a
//!   provider's classes of errors and its `retry-after`, and are shared by all workers ([`route`]).
//! * **A failure begins its request anew** ([`course`]): the attempt answers with a redirect to the request's own place,
//!   which Envoy follows with the body that it has kept, so that the gateway picks again, at any address, from what is
//!   then known. What tells nothing (a reset, silence) Envoy itself tries again, on a tail that only carries the decision.
//! * **On Envoy 1.36 a failure is judged by its status alone**: there a held error head that is turned away breaks the
//!   client's connection, so what only a body tells (a window that is too small, a policy, a first event) is passed on.
//! * **A second attempt beside the first goes by way of the tail**: Envoy's hedge policy begins it at the next member of the
//!   cluster, which is the tail. The filter, which knows that the first still runs, makes a native request for a target of its
//!   choice there, and the tail passes it on to that target's address. The gateway asks for all this in headers, so that a
//!   request that isn't hedged is none the wiser. Of two things that Envoy can't do, each pinned as a fact in
//!   `integration/test_envoy_facts.py`: when it drops a held reply that it would try again while another attempt runs, that
//!   reply's body goes to the client without a head (it was seen to crash, too); so a failure is kept back instead, and one of them
//!   carries out what follows. And it crashes when one attempt answers while it ends another; so that waits for a tick.
//! * **A head may be held only from Envoy 1.37 on** ([`config::PluginConfig::hold_heads`]): on 1.36 a held reply that is
//!   then retried hangs the request.

pub mod admission;
pub mod attempt;
pub mod capture;
pub mod client;
pub mod config;
pub mod course;
pub mod dialect;
pub mod error;
pub mod json;
pub mod meter;
pub mod observe;
pub mod openai;
pub mod pass;
pub mod provider;
pub mod route;
pub mod wire;

/// Words for people's pages, which the command makes: the filter is loaded without them.
const fn for_people(words: &'static str) -> &'static str {
    if cfg!(target_os = "wasi") { "" } else { words }
}
