//! What is rendered, against the files in `include/`; `UPDATE_EXPECT=1` writes them anew.

use std::path::{Path, PathBuf};
use std::{env, fs};

use dragoman_core::config::Role;
use serde_json::Value;

use super::{Site, bootstrap, text};
use crate::check::{Environment, Problems};
use crate::convert::{self, Plan};
use crate::version;
use crate::yaml::Node;

fn include(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("include").join(name)
}

fn plan(yaml: &str) -> Plan {
    let mut problems = Problems::new(false);
    let environment =
        Environment::of(|name| name.ends_with("_KEY").then(|| "sk-of-the-environment".to_owned()));
    let plan = convert::load(yaml, environment, false, &mut problems);
    assert!(!problems.fatal(), "{}", problems.report("c".as_ref()));
    plan.unwrap()
}

fn site(plan: &Plan, role: Role) -> Site {
    Site {
        listen: ("127.0.0.1".to_owned(), 4000),
        admin: ("127.0.0.1".to_owned(), 9901),
        version: version::CURRENT,
        wasm: "/etc/dragoman/dragoman.wasm".into(),
        roots: "/etc/ssl/certs/ca-certificates.crt".into(),
        role,
        access_log: false,
        variables: plan.secrets.needed().clone(),
    }
}

fn sample() -> Plan {
    plan(&fs::read_to_string(include("config.yaml")).unwrap())
}

#[test]
fn the_committed_parts_are_what_is_rendered() {
    let plan = sample();
    let mut stale = Vec::new();
    for (folder, role) in [("", Role::Gateway), ("inline", Role::Inline)] {
        let site = site(&plan, role);
        let mut files = text::includes(&plan, &site);
        files.push(("envoy.yaml", text::yaml(&bootstrap(&plan, &site))));
        for (name, text) in files {
            let path = include(folder).join(name);
            if env::var_os("UPDATE_EXPECT").is_some() {
                fs::write(&path, &text).unwrap();
            }
            if fs::read_to_string(&path).unwrap_or_default() != text {
                stale.push(path);
            }
        }
    }
    assert!(stale.is_empty(), "stale, write them anew with UPDATE_EXPECT=1: {stale:?}");
}

#[test]
fn rendering_is_deterministic_and_without_secrets() {
    let yaml = "model_list:\n- model_name: m\n  litellm_params: {model: openai/a, api_key: sk-literal, extra_headers: \
                {authorization: sk-header}}\ngeneral_settings: {master_key: sk-master}\n";
    for role in [Role::Gateway, Role::Inline] {
        let plan = plan(yaml);
        let render = || text::yaml(&bootstrap(&plan, &site(&plan, role)));
        let once = render();
        assert_eq!(once, render());
        assert!(!once.contains("sk-"), "{once}");
        assert!(once.contains("DRAGOMAN_SECRET_3"));
        assert_eq!(Node::parse(&once).unwrap().0.to_json(), bootstrap(&plan, &site(&plan, role)));
    }
}

/// Everything in `value` under the key `key`.
fn all<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                if name == key {
                    found.push(inner);
                }
                all(inner, key, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all(item, key, found)),
        _ => {}
    }
}

#[test]
fn both_roles_share_one_vm_and_are_configured_once() {
    let plan = sample();
    let rendered = bootstrap(&plan, &site(&plan, Role::Gateway));
    let mut vms = Vec::new();
    all(&rendered, "vm_config", &mut vms);
    assert!(vms.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(vms.len(), 2);
    let inline = bootstrap(&plan, &site(&plan, Role::Inline));
    let mut roles = Vec::new();
    all(&inline, "upstream_http_filters", &mut roles);
    assert!(roles.is_empty());
}

#[test]
fn envoy_signs_behind_the_filter_and_only_where_it_is_told_to() {
    let entry = |name: &str, more: &str| {
        format!(
            "- model_name: {name}\n  litellm_params: {{model: bedrock/anthropic.claude-3, aws_region_name: eu-west-1, {more}}}\n"
        )
    };
    let (envoys, ours) = ("aws_signer: envoy", "aws_access_key_id: i, aws_secret_access_key: s");
    let yaml = format!(
        "model_list:\n{}{}{}{}",
        entry("alone", envoys),
        entry("chain", envoys),
        entry("chain", envoys),
        entry("ours", ours)
    );
    for (role, behind) in [(Role::Gateway, &["envoy.filters.http.wasm"][..]), (Role::Inline, &[])] {
        let plan = plan(&yaml);
        let rendered = bootstrap(&plan, &site(&plan, role));
        let mut signed = 0;
        for cluster in rendered["static_resources"]["clusters"].as_array().unwrap() {
            let mut filters = Vec::new();
            all(cluster, "http_filters", &mut filters);
            let Some(filters) = filters.first().and_then(|filters| filters.as_array()) else { continue };
            signed += 1;
            let names: Vec<&str> = filters.iter().filter_map(|filter| filter["name"].as_str()).collect();
            let signer = ["envoy.filters.http.aws_request_signing", "envoy.filters.http.upstream_codec"];
            assert_eq!(names, [behind, &signer].concat());
            let config = &filters[behind.len()]["typed_config"];
            assert_eq!(
                (&config["service_name"], &config["region"]),
                (&"bedrock".into(), &"eu-west-1".into())
            );
        }
        // All of them are at one address, and one of them isn't Envoy's to sign for.
        assert_eq!(signed, if role == Role::Gateway { 2 } else { 1 });
    }
}

#[test]
fn a_version_is_told_what_it_can_do() {
    let rendered = |version: &str| {
        let plan = sample();
        let site = Site { version: version.parse().unwrap(), ..site(&plan, Role::Gateway) };
        bootstrap(&plan, &site)
    };
    let (old, new) = (rendered("1.36"), rendered("1.37"));
    assert!(!old.to_string().contains("hold_heads") && new.to_string().contains("hold_heads"));
    let buffer =
        |v: &Value| v["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"].as_u64();
    assert_eq!((buffer(&old), buffer(&new)), (Some(72 * 1024 * 1024), Some(256 * 1024)));
}

#[test]
fn what_is_hedged_costs_nothing_elsewhere() {
    let yaml = |hedging: &str| {
        format!(
            "model_list:\n- model_name: m\n  litellm_params: {{model: openai/a, api_key: k}}\n- model_name: n\n  litellm_params: \
             {{model: bedrock/anthropic.claude-3, aws_region_name: eu-west-1, aws_signer: envoy}}\n{hedging}"
        )
    };
    let rendered = |hedging: &str, version: &str, role: Role| {
        let plan = plan(&yaml(hedging));
        let site = Site { version: version.parse().unwrap(), ..site(&plan, role) };
        bootstrap(&plan, &site).to_string()
    };
    let on = "dragoman: {hedging: {first_token_after: 1.5}}\n";
    let off = rendered("", "1.40", Role::Gateway);
    assert!(!off.contains("hedge") && !off.contains("dragoman_tail_again"));
    assert_eq!(rendered(on, "1.36", Role::Gateway), rendered("", "1.36", Role::Gateway));
    assert_eq!(rendered(on, "1.40", Role::Inline), rendered("", "1.40", Role::Inline));
    let hedged = rendered(on, "1.37", Role::Gateway);
    // What Envoy's own filter signs is not the first of two.
    assert!(hedged.contains("\"api-openai-com_or_hedge\""), "{hedged}");
    assert!(!hedged.contains("amazonaws-com_or_hedge"), "{hedged}");
    assert!(hedged.contains("first_token_ms\\\":1500"));
}
