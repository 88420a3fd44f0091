//! What Envoy's router is told of a request, by headers that clients can't set.

use dragoman_core::admission::Plan;
use dragoman_core::client::Endpoint;
use dragoman_core::config::{CLUSTER_HEADER, MIRROR_FOR_HEADER, MIRROR_HEADER};

use crate::hedge;
use crate::host::{self, Half};

/// By this header Envoy's router is told how long an attempt may take until its reply's head goes to the client.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter>
pub const ATTEMPT_TIMEOUT: &str = "x-envoy-upstream-rq-per-try-timeout-ms";

/// By this one, how often it may try again, where the request or its target says so.
const MAX_RETRIES: &str = "x-envoy-max-retries";

/// By this one, that its limit on an attempt begins another beside it.
/// <https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/http/http_routing#request-hedging>
const HEDGE: &str = "x-envoy-hedge-on-per-try-timeout";

/// Tells who gets a copy of the request. It is made once: a request that begins anew has had its own, and the
/// headers that asked for it are still there. What only its own target can answer is not copied.
pub(super) fn copy(plan: &Plan<'_>, endpoint: Endpoint, first: bool) {
    let copied = if first && !plan.pinned && endpoint != Endpoint::CountTokens {
        plan.choice.terms.copied_to(host::random())
    } else {
        None
    };
    if copied.is_some() || !first {
        host::set_header(Half::Request, MIRROR_HEADER, copied);
        host::set_header(Half::Request, MIRROR_FOR_HEADER, copied.map(|_| endpoint.name()));
    }
}

/// Tells what to do with an admitted request.
pub(super) fn send(plan: &Plan<'_>, inline: bool) {
    if let Some(after) = plan.hedge_ms.filter(|_| !inline) {
        host::set_header(Half::Request, ATTEMPT_TIMEOUT, Some(&after.to_string()));
        host::set_header(Half::Request, HEDGE, Some("true"));
        host::set_header(Half::Request, MAX_RETRIES, Some(hedge::MORE_ATTEMPTS));
    } else if let Some(timeout) = plan.timeout_ms {
        host::set_header(Half::Request, ATTEMPT_TIMEOUT, Some(&timeout.to_string()));
    }
    // Elsewhere the course counts.
    if let Some(retries) = if plan.pinned { Some(0) } else { plan.retries }.filter(|_| inline) {
        host::set_header(Half::Request, MAX_RETRIES, Some(&retries.to_string()));
    }
    if !plan.cluster.is_empty() {
        // Last, as it clears the route that Envoy has found so far.
        host::set_header(Half::Request, CLUSTER_HEADER, Some(plan.cluster));
    }
}
