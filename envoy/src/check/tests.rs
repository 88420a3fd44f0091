//! Every kind of problem, with the line that it is reported at.

use std::path::Path;

use super::{Environment, Problems};
use crate::convert;

const MODEL: &str =
    "model_list:\n- model_name: m\n  litellm_params: {model: openai/gpt-4o, api_key: os.environ/KEY}\n";

fn environment() -> Environment {
    Environment::of(|name| {
        let known = [
            ("KEY", "sk-of-the-environment"),
            ("BASE", "http://localhost:1/v1"),
            ("TEN", "10"),
            ("EMPTY", ""),
        ];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn report(yaml: &str, lenient: bool) -> String {
    let mut problems = Problems::new(lenient);
    let _ = convert::load(yaml, environment(), false, &mut problems);
    problems.report(Path::new("c"))
}

/// Checks a config that begins with one good model in three lines.
#[track_caller]
fn behind(yaml: &str, expected: &str) {
    assert_eq!(report(&format!("{MODEL}{yaml}"), false), expected);
}

/// Checks the keys of a model's `litellm_params`; they begin in line 3.
#[track_caller]
fn params(yaml: &str, expected: &str) {
    let lines: String = yaml.lines().map(|line| format!("    {line}\n")).collect();
    let config = format!("model_list:\n- model_name: m\n  litellm_params:\n{lines}");
    let text = report(&config, false);
    let text = text.replace("model_list[0].litellm_params.", "~.");
    assert_eq!(text, expected);
}

#[test]
fn a_good_config_has_no_problem() {
    behind("", "");
    behind("general_settings:\nlitellm_settings: {drop_params: true}\n", "");
}

#[test]
fn yaml_that_is_none() {
    assert_eq!(report("a: [1", false).lines().count(), 1);
    assert_eq!(report("- 1\n", false), "c:1: error: is a list: write a map (key: value)\n");
    assert_eq!(
        report("", false),
        "c:1: error: model_list is empty: write at least one model_name with its litellm_params\n"
    );
    behind("model_list: []\n", "c:4: error: is given twice, in line 1 already: remove one 'model_list'\n");
}

#[test]
fn types() {
    behind(
        "litellm_settings:\n  drop_params: yes\n  request_timeout: '600'\n  num_retries: 1.5\n",
        "c:5: error: litellm_settings.drop_params is text: write true without quotes\n\
         c:6: error: litellm_settings.request_timeout is text: write 600 without quotes\n\
         c:7: error: litellm_settings.num_retries is no whole number: write a whole number\n",
    );
    behind(
        "litellm_settings: [1]\nrouter_settings:\n  timeout: 0\n  num_retries: -1\n  routing_strategy: least_busy\n",
        "c:4: error: litellm_settings is a list: write a map (key: value)\n\
         c:6: error: router_settings.timeout is 0: must be at least 0.001\n\
         c:7: error: router_settings.num_retries is -1: must be at least 0\n\
         c:8: error: router_settings.routing_strategy 'least_busy' is unknown: did you mean 'least-busy'? Must be one of \
         simple-shuffle, least-busy, latency-based-routing, cost-based-routing, usage-based-routing, usage-based-routing-v2\n",
    );
    behind(
        "general_settings:\n  master_key: 1234\n  max_request_size_mb: 5000\n",
        "c:5: error: general_settings.master_key is no text: write it in quotes\n\
         c:6: error: general_settings.max_request_size_mb is 5000: must be at most 1024\n",
    );
    behind(
        "router_settings:\n  model_group_alias: {a: [m]}\n",
        "c:5: error: router_settings.model_group_alias.a must be text or a map (key: value)\n",
    );
}

#[test]
fn what_is_missing() {
    assert_eq!(
        report("model_list:\n- model_name: m\n- litellm_params: {}\n-\n", false),
        "c:2: error: model_list[0] lacks 'litellm_params': write litellm_params with a model\n\
         c:3: error: model_list[1] lacks 'model_name': write the name that clients ask for\n\
         c:3: error: model_list[1].litellm_params lacks 'model': write model: provider/model\n\
         c:4: error: model_list[2] is empty: write a value, or remove the dash\n"
    );
}

#[test]
fn unknown_keys() {
    behind(
        "litellm_setings: {}\nrouter_settings:\n  drop_params: true\n  qqq: 1\n",
        "c:4: error: litellm_setings is no key that LiteLLM or Dragoman knows: did you mean 'litellm_settings'?\n\
         c:6: error: router_settings.drop_params is no key that LiteLLM or Dragoman knows here: it belongs to litellm_settings\n\
         c:7: error: router_settings.qqq is no key that LiteLLM or Dragoman knows: remove it\n",
    );
}

#[test]
fn keys_of_litellms_that_are_not_honoured() {
    let yaml = format!(
        "{MODEL}litellm_settings:\n  set_verbose: true\n  cache: true\n  callbacks: []\nrouter_settings:\n  enable_pre_call_checks: \
         true\n  redis_host: x\ngeneral_settings:\n  database_url: x\n  store_model_in_db: false\n"
    );
    let warnings =
        "c:5: warning: litellm_settings.set_verbose is ignored: it is about LiteLLM's own process\n";
    let errors = report(&yaml, false);
    assert!(errors.starts_with(warnings), "{errors}");
    assert!(
        errors.contains("c:6: error: litellm_settings.cache is not honoured: answers are not cached"),
        "{errors}"
    );
    assert!(
        errors.contains("c:12: error: general_settings.database_url is not honoured: there is no database"),
        "{errors}"
    );
    assert!(!errors.contains("store_model_in_db"), "what is off changes nothing: {errors}");
    let lenient = report(&yaml, true);
    assert!(
        !lenient.contains("error")
            && lenient.contains("c:6: warning: litellm_settings.cache is not honoured")
    );
}

#[test]
fn warnings_that_say_the_same_stand_together() {
    let entry =
        "- model_name: m\n  litellm_params: {model: openai/x, api_key: k, input_cost_per_second: 0.1}\n";
    assert_eq!(
        report(&format!("model_list:\n{entry}{entry}{entry}"), false),
        "c:3: warning: model_list[0].litellm_params.input_cost_per_second is ignored: only tokens are priced (and 2 more \
         like it)\n"
    );
}

#[test]
fn models() {
    params(
        "model: opneai/gpt",
        "c:4: error: ~.model 'opneai' is no provider that Dragoman knows: did you mean 'openai'?\n",
    );
    params(
        "model: my-model",
        "c:4: error: ~.model 'my-model' doesn't say whose model it is: write provider/my-model\n",
    );
    params("model: openai/", "c:4: error: ~.model names no model: write openai/<model>\n");
    params("model: openai/*\napi_key: k", "c:4: error: ~.model has a '*', but model_name has none\n");
    params(
        "model: gpt\ncustom_llm_provider: opnai",
        "c:5: error: ~.custom_llm_provider 'opnai' is no provider that Dragoman knows: did you mean 'openai'?\n",
    );
    params("model: '*'", "c:4: error: ~.model is '*', but no provider's key is in the environment\n");
    let refused = "is not spoken to: Replicate documents predictions, whose input each model defines for itself, and no chat \
                   in OpenAI's form (https://replicate.com/docs/reference/openapi): take another provider of the model, or \
                   put a server that speaks OpenAI's API before it and write openai/<model> with its api_base\n";
    params(
        "model: replicate/meta/meta-llama-3-8b-instruct\napi_key: k",
        &format!("c:4: error: ~.model 'replicate' {refused}"),
    );
    params(
        "model: meta/meta-llama-3-8b-instruct\ncustom_llm_provider: replicate",
        &format!("c:5: error: ~.custom_llm_provider 'replicate' {refused}"),
    );
    let text =
        report("model_list:\n- model_name: a*b*\n  litellm_params: {model: openai/x, api_key: k}\n", false);
    assert_eq!(text, "c:2: error: model_list[0].model_name has more than one '*'\n");
}

#[test]
fn credentials() {
    params(
        "model: openai/gpt\napi_key: os.environ/ABSENT",
        "c:5: error: ~.api_key needs the environment variable ABSENT: set it\n",
    );
    params(
        "model: openai/gpt\napi_key: os.environ/EMPTY",
        "c:5: error: ~.api_key needs the environment variable EMPTY: set it\n",
    );
    params(
        "model: openai/gpt",
        "c:4: error: ~.model needs the environment variable OPENAI_API_KEY: set it\n",
    );
    params("model: openai/gpt\napi_base: http://localhost:1/v1", "");
    params(
        "model: openai/gpt\napi_key: 'os.environ/A B'",
        "c:5: error: ~.api_key names no environment variable: write os.environ/NAME\n",
    );
    params(
        "model: openai/gpt\napi_key: ' '",
        "c:5: error: ~.api_key is empty: write os.environ/NAME, or remove it\n",
    );
    params(
        "model: bedrock/anthropic.claude-3\naws_region_name: us-east-1",
        "c:4: error: ~.model needs the environment variable AWS_ACCESS_KEY_ID: set it\n\
         c:4: error: ~.model needs the environment variable AWS_SECRET_ACCESS_KEY: set it\n",
    );
}

#[test]
fn what_envoy_signs() {
    let envoys = "model: bedrock/anthropic.claude-3\naws_signer: envoy";
    params(&format!("{envoys}\naws_region_name: us-east-1"), "");
    params(
        &format!("{envoys}\naws_region_name: us-east-1\naws_access_key_id: os.environ/KEY"),
        "c:7: error: ~.aws_access_key_id is never read by Envoy, which signs with its process's own key: remove it, or \
         aws_signer\n",
    );
    params(
        &format!("{envoys}\napi_base: http://localhost:1"),
        "c:5: error: ~.aws_signer is 'envoy', which must know the region: give aws_region_name\n",
    );
    params(
        "model: bedrock/anthropic.claude-3\naws_signer: me\naws_region_name: us-east-1\napi_key: k",
        "c:5: error: ~.aws_signer must be one of filter, envoy\n",
    );
}

#[test]
fn what_is_tried_next() {
    let models = "model_list:\n- model_name: gpt\n  litellm_params: {model: openai/x, api_key: k}\n";
    let router = |text: &str| report(&format!("{models}router_settings:\n  {text}\n"), false);
    assert_eq!(router("fallbacks: [{gpt: [gpt]}, {'*': [gpt]}]"), "");
    assert_eq!(
        router("fallbacks: [{gpt: [gpd]}]"),
        "c:5: warning: router_settings.fallbacks names 'gpd', which is no model_name: did you mean 'gpt'?\n"
    );
    assert_eq!(
        router("retry_policy: {TimeoutErrorRetry: 1}"),
        "c:5: error: router_settings.retry_policy has no class 'TimeoutErrorRetry': did you mean 'TimeoutErrorRetries'?\n"
    );
}

#[test]
fn a_secret_is_never_in_a_report() {
    let secret = "sk-very-secret";
    for yaml in [
        format!("general_settings: {{master_key: [{secret}]}}\n"),
        format!("general_settings: {{master_key: {{a: {secret}}}}}\n"),
        format!("model_list:\n- model_name: m\n  litellm_params: {{model: nobody/x, api_key: {secret}}}\n"),
        format!(
            "model_list:\n- model_name: m\n  litellm_params: {{model: openai/x, api_key: \"{secret}\\n\"}}\n"
        ),
        format!(
            "model_list:\n- model_name: m\n  litellm_params: {{model: openai/x, extra_headers: {{a: [{secret}]}}}}\n"
        ),
    ] {
        let text = report(&yaml, false);
        assert!(text.contains("error") && !text.contains(secret), "{text}");
    }
    let text = report(&format!("{MODEL}litellm_settings: {{num_retries: os.environ/KEY}}\n"), false);
    assert_eq!(
        text,
        "c:4: error: litellm_settings.num_retries needs a whole number in the environment variable KEY\n"
    );
}

#[test]
fn other_values_of_the_environment_are_resolved() {
    params("model: openai/gpt\napi_base: os.environ/BASE\nrpm: os.environ/TEN", "");
    params(
        "model: openai/gpt\napi_base: os.environ/ABSENT\napi_key: k",
        "c:5: error: ~.api_base needs the environment variable ABSENT: set it\n",
    );
    let own = "environment_variables: {ABSENT: http://localhost:2/v1, OPENAI_API_KEY: k}\nmodel_list:\n- model_name: m\n  \
               litellm_params: {model: openai/x, api_base: os.environ/ABSENT}\n";
    assert_eq!(report(own, false), "");
}

#[test]
fn addresses_headers_and_parameters() {
    params(
        "model: openai/gpt\napi_base: localhost\napi_key: k",
        "c:3: error: model_list[0].litellm_params 'localhost' is no base URL: write http(s)://host[:port][/path]\n",
    );
    params(
        "model: openai/gpt\napi_key: k\nextra_headers:\n  'a b': c\n  d: \"e\\nf\"\n",
        "c:7: error: ~.extra_headers.a b is no header name\nc:8: error: ~.extra_headers.d must not hold line breaks\n",
    );
    params(
        "model: openai/gpt\napi_key: k\napi_bas: x\n",
        "c:6: warning: ~.api_bas goes to the provider as a body parameter: did you mean 'api_base'?\n",
    );
    params(
        "model: openai/gpt\napi_key: k\ntemperature: 0.2\ntools: []\nstop: [a]\nn: 2\nuser: u\nseed: 1\ntop_p: 1\n",
        "",
    );
    params(
        "model: openai/gpt\napi_key: k\nadditional_drop_params: ['tools[*].strict']\n",
        "c:6: error: ~.additional_drop_params.0 'tools[*].strict' is a path: only whole parameters can be left out\n",
    );
}

#[test]
fn names_that_clash_or_lead_nowhere() {
    let entry = "- model_name: m\n  litellm_params: {model: openai/x, api_key: k}\n  model_info: {id: one}\n";
    assert_eq!(
        report(&format!("model_list:\n{entry}{entry}"), false),
        "c:7: error: model_list[1].model_info.id 'one' is another target's already\n"
    );
    behind(
        "router_settings:\n  model_group_alias: {a: mm, b: {model: m, hidden: true}}\n",
        "c:5: error: router_settings.model_group_alias.a stands for 'mm', which is no model_name: did you mean 'm'?\n",
    );
}

#[test]
fn copies_go_to_a_model_that_is_there() {
    params("model: ollama/a\nsilent_model: m", "");
    params(
        "model: ollama/a\nsilent_model: n",
        "c:5: error: ~.silent_model 'n' is no model_name: did you mean 'm'?\n",
    );
    params("model: ollama/a\nsilent_model: other", "c:5: error: ~.silent_model 'other' is no model_name\n");
    behind("dragoman: {mirror_percent: 30}\n", "");
}

#[test]
fn what_is_captured_is_bounded_and_redacts_no_everything() {
    behind("dragoman: {capture: {}}\n", "");
    behind("dragoman: {capture: {max_bytes: 64, redact: ['sk-*', Ada L], where: [traces]}}\n", "");
    let says = "redact has a word that would be every word\n";
    behind("dragoman: {capture: {redact: ['*']}}\n", &format!("c:4: error: dragoman.capture {says}"));
    behind(
        "dragoman: {capture: {max_bytes: 8, where: [files]}}\n",
        "c:4: error: dragoman.capture.max_bytes is 8: must be at least 64\n\
         c:4: error: dragoman.capture.where[0] must be one of logs, traces\n",
    );
}

#[test]
fn the_inline_role_makes_no_copies() {
    let mut problems = Problems::new(false);
    problems.inline = true;
    let yaml = "model_list:\n- model_name: m\n  litellm_params: {model: ollama/a, silent_model: m}\n";
    assert!(convert::load(yaml, environment(), false, &mut problems).is_some() && !problems.fatal());
    let says = "model_list[0].litellm_params.silent_model is not honoured: the inline role makes no copies";
    assert_eq!(problems.report(Path::new("c")), format!("c:3: warning: {says}\n"));
}

#[test]
fn a_dry_run_is_of_models_that_are_there() {
    for right in ["true", "false", "[m]"] {
        behind(&format!("dragoman: {{dry_run: {right}}}\n"), "");
    }
    let wrong = "c:4: error: dragoman.dry_run";
    behind(
        "dragoman: {dry_run: []}\n",
        &format!("{wrong} names no model: write `true` for all, or remove it\n"),
    );
    behind(
        "dragoman: {dry_run: [m, mm]}\n",
        &format!("{wrong} names 'mm', which is no model_name: did you mean 'm'?\n"),
    );
    assert_eq!(
        report(
            "model_list:\n- model_name: m\n  litellm_params: {model: bedrock/a, aws_signer: envoy, aws_region_name: us-east-1}\n\
             dragoman: {dry_run: true}\n",
            false
        ),
        format!(
            "{wrong} can't be with 'aws_signer: envoy', which signs whatever key a client shows: remove either\n"
        )
    );
}
