//! Targets whose requests Envoy's own filter signs.

use std::collections::BTreeSet;

use dragoman_core::config::Setting;

use super::{Deployment, Route};
use crate::check::Problems;
use crate::litellm::{AwsSigner, LitellmParams};
use crate::yaml::Node;

/// Whether a target's setting leaves the signing to Envoy.
pub fn is_envoy(signer: &Setting) -> bool {
    matches!(signer, Setting::Plain(name) if name == AwsSigner::Envoy.name())
}

/// The keys that an entry gives for signatures, or in their place, by LiteLLM's names.
pub fn keys(params: &LitellmParams) -> impl Iterator<Item = &'static str> {
    [
        ("api_key", &params.api_key),
        ("aws_access_key_id", &params.aws_access_key_id),
        ("aws_secret_access_key", &params.aws_secret_access_key),
        ("aws_session_token", &params.aws_session_token),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.is_some().then_some(name))
}

/// Reports targets that Envoy signs for in chains where it doesn't sign for all, or not for one region: Envoy has one list of
/// filters for all members of a chain, and nothing tells its signer whose turn it is.
pub fn one_signer(routes: &[Route], targets: &[Deployment], node: &Node, problems: &mut Problems) {
    let mut told = BTreeSet::new();
    for route in routes {
        for chain in &route.chains {
            let members: Vec<&Deployment> =
                chain.targets.iter().filter_map(|target| targets.get(*target)).collect();
            if members.windows(2).all(|pair| matches!(pair, [one, other] if one.signing == other.signing)) {
                continue;
            }
            for target in members.iter().filter(|target| target.signing.is_some()) {
                if !told.insert(target.index) {
                    continue;
                }
                let index = target.index.to_string();
                let at = node.place_of(&["model_list", &index, "litellm_params", "aws_signer"]);
                problems.error(
                    at,
                    &format!("model_list[{index}].litellm_params.aws_signer"),
                    format!(
                        "is 'envoy', but '{}' also tries targets that Envoy doesn't sign for, or for another region: give \
                         all of them aws_signer: envoy and one region, or this one a model_name of its own",
                        route.name
                    ),
                );
            }
        }
    }
}
