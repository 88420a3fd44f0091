//! The meaning of LiteLLM's keys.

use dragoman_core::config::Setting;

use super::{Plan, load};
use crate::check::{Environment, Problems};

fn environment() -> Environment {
    Environment::of(|name| {
        let known = [
            ("OPENAI_API_KEY", "o"),
            ("ANTHROPIC_API_KEY", "a"),
            ("AZURE_API_KEY", "z"),
            ("AZURE_API_BASE", "https://r.openai.azure.com"),
            ("AZURE_API_VERSION", "2024-10-21"),
            ("AWS_ACCESS_KEY_ID", "i"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("AWS_REGION", "eu-west-1"),
        ];
        known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[track_caller]
fn plan(yaml: &str) -> Plan {
    let mut problems = Problems::new(false);
    let plan = load(yaml, environment(), false, &mut problems);
    assert!(!problems.fatal(), "{}", problems.report("c".as_ref()));
    plan.unwrap()
}

/// A config with one entry per line: a name, then its litellm_params.
fn models(entries: &[(&str, &str)]) -> String {
    let entry = |(name, params): &(&str, &str)| {
        format!(
            "- model_name: '{name}'\n  litellm_params: {{{params}, api_key: os.environ/OPENAI_API_KEY}}\n"
        )
    };
    "model_list:\n".to_owned() + &entries.iter().map(entry).collect::<String>()
}

/// The routes: name, then for each target its weight and its model.
fn routes(plan: &Plan) -> Vec<String> {
    let choice = |choice: &super::routes::Choice| {
        format!("{}:{}", choice.weight, plan.targets[choice.target].config.model)
    };
    let route = |route: &super::Route| {
        let choices: Vec<String> = route.choices.iter().map(choice).collect();
        format!("{}{} {}", if route.hidden { "-" } else { "" }, route.name, choices.join(" "))
    };
    plan.routes.iter().map(route).collect()
}

#[test]
fn entries_of_one_name_are_one_route() {
    let plan = plan(&models(&[("m", "model: openai/a"), ("n", "model: openai/b"), ("m", "model: openai/c")]));
    assert_eq!(routes(&plan), ["m 1:a 1:c", "n 1:b", "-openai/a 1:a", "-openai/b 1:b", "-openai/c 1:c"]);
}

#[test]
fn clusters_are_of_addresses() {
    let at = |model: &str, base: &str| format!("model: openai/{model}, api_base: 'https://{base}'");
    let (a, b, c, d) = (at("a", "x.test/v1"), at("b", "x.test"), at("c", "y.test"), at("d", "x.test:8443"));
    let entries = [("one", &a), ("one", &b), ("two", &c), ("three", &d)];
    let entries: Vec<(&str, &str)> = entries.iter().map(|(name, params)| (*name, params.as_str())).collect();
    let plan = plan(&models(&entries));
    let places: Vec<(&str, &str)> =
        plan.places.iter().map(|place| (place.name.as_str(), place.tailed.as_str())).collect();
    let expected =
        [("x-test", "x-test_or_tail"), ("y-test", "y-test_or_tail"), ("x-test-8443", "x-test-8443_or_tail")];
    assert_eq!(places, expected);
    let clusters: Vec<&str> = plan.targets.iter().map(|target| target.cluster.as_str()).collect();
    assert_eq!(clusters, ["x-test", "x-test", "y-test", "x-test-8443"]);
}

#[test]
fn courses() {
    let yaml = models(&[("m", "model: openai/a"), ("n", "model: openai/b"), ("x/*", "model: openai/*")])
        + "litellm_settings:\n  fallbacks: [{m: [n]}]\n  default_fallbacks: [m]\n  num_retries: 9\n  \
           context_window_fallbacks: [{m: [x/large]}]\nrouter_settings:\n  fallbacks: [{n: [m]}, {n: [n]}, {'*': [n]}]\n  \
           num_retries: 1\n  retry_after: 0.5\n  max_fallbacks: 3\n  retry_policy: {TimeoutErrorRetries: 4}\n  \
           enable_pre_call_checks: true\n";
    let course = plan(&yaml).course;
    let told: Vec<String> =
        course.fallbacks.iter().map(|(m, instead)| format!("{m}>{}", instead.join(","))).collect();
    assert_eq!(told, ["*>n,m", "n>m"]);
    assert_eq!(course.context_window_fallbacks["m"], ["x/large"]);
    assert_eq!((course.retries, course.retry_after_ms, course.max_fallbacks), (1, 500, 3));
    assert_eq!((course.retry_policy["TimeoutErrorRetries"], course.check_windows), (4, true));
}

#[test]
fn shares_are_weights_else_rpm_else_tpm_else_even() {
    let shares = |params: &[&str]| {
        let entries: Vec<_> = params.iter().map(|params| ("m", *params)).collect();
        routes(&plan(&models(&entries)))[0].clone()
    };
    assert_eq!(shares(&["model: openai/a, weight: 3", "model: openai/b, weight: 1, rpm: 9"]), "m 3:a 1:b");
    assert_eq!(shares(&["model: openai/a, weight: 3", "model: openai/b"]), "m 3:a 0:b");
    assert_eq!(shares(&["model: openai/a, rpm: 5, tpm: 1", "model: openai/b, rpm: 2"]), "m 5:a 2:b");
    assert_eq!(shares(&["model: openai/a, tpm: 5", "model: openai/b, tpm: 2"]), "m 5:a 2:b");
    assert_eq!(shares(&["model: openai/a, weight: 0", "model: openai/b, weight: 0"]), "m 1:a 1:b");
}

#[test]
fn the_lowest_order_goes_first_and_the_others_stand_in() {
    let entries = [
        ("m", "model: openai/a, order: 2"),
        ("m", "model: openai/b, order: 1"),
        ("m", "model: openai/c, order: 1"),
        ("m", "model: openai/d"),
    ];
    let plan = plan(&models(&entries));
    assert_eq!(routes(&plan)[0], "m 1:a 1:b 1:c 1:d");
    let tiers: Vec<i64> = plan.routes[0].choices.iter().map(|choice| choice.order).collect();
    assert_eq!(tiers, [1, 0, 0, 2]);
}

#[test]
fn wildcards_and_prefixed_names() {
    let plan = plan(&models(&[
        ("openai/*", "model: openai/*"),
        ("*", "model: 'openrouter/*'"),
        ("fixed/*", "model: openai/gpt-4o"),
        ("openai/gpt-4o", "model: openai/special"),
    ]));
    assert_eq!(
        routes(&plan),
        ["openai/* 1:*", "* 1:*", "fixed/* 1:gpt-4o", "openai/gpt-4o 1:special", "-openai/special 1:special"]
    );
    let pattern = |at: usize| plan.targets[at].config.pattern.as_deref();
    assert_eq!([pattern(0), pattern(1), pattern(3)], [Some("openai/*"), Some("*"), None]);
}

#[test]
fn a_star_for_everything_is_every_provider_whose_key_is_there() {
    let plan = plan("model_list:\n- model_name: '*'\n  litellm_params: {model: '*'}\n");
    let routes = routes(&plan);
    for expected in
        ["openai/* 1:*", "anthropic/* 1:*", "bedrock/* 1:*", "gpt-* 1:gpt-*", "claude-* 1:claude-*"]
    {
        assert!(routes.iter().any(|route| route == expected), "{expected} is not in {routes:?}");
    }
    assert!(!routes.iter().any(|route| route.starts_with("groq")), "{routes:?}");
}

#[test]
fn aliases() {
    let yaml = models(&[("m", "model: openai/a")])
        + "router_settings: {model_group_alias: {x: m, y: {model: m, hidden: true}}}\n";
    assert_eq!(routes(&plan(&yaml)), ["m 1:a", "x 1:a", "-y 1:a", "-openai/a 1:a"]);
}

#[test]
fn a_routes_weights_are_stronger_than_its_targets() {
    let yaml = |router: &str| {
        format!(
            "model_list:\n- {{model_name: m, litellm_params: {{model: ollama/a, weight: 9}}, model_info: {{id: one}}}}\n\
             - {{model_name: m, litellm_params: {{model: ollama/b}}, model_info: {{id: two, cooldown_time: 7}}}}\n\
             router_settings: {{{router}}}\n"
        )
    };
    let plan = plan(&yaml("weights: {m: {one: 1, two: 3}}, allowed_fails: 2, cooldown_time: 0.5"));
    assert_eq!(routes(&plan)[0], "m 1:a 3:b");
    let cooldown = plan.targets[1].cooldown.as_ref().unwrap();
    assert_eq!((cooldown.ms, plan.targets[0].cooldown.as_ref()), (Some(7000), None));
    assert_eq!((plan.routing.cooldown.ms, plan.routing.cooldown.allowed_fails), (Some(500), Some(2)));
    for (wrong, says) in [
        ("weights: {n: {one: 1}}", "is no model_name"),
        ("weights: {m: {three: 1}}", "is no target's model_info.id"),
        ("allowed_fails_policy: {TimeoutErrorAllowedFail: 1}", "did you mean 'TimeoutErrorAllowedFails'"),
        ("optional_pre_call_checks: [prompt_caching]", "is not honoured"),
    ] {
        let mut problems = Problems::new(false);
        load(&yaml(wrong), environment(), false, &mut problems);
        assert!(problems.fatal() && problems.report("c".as_ref()).contains(says), "{wrong}");
    }
}

#[test]
fn secrets_stay_in_the_environment() {
    let plan = plan(
        "environment_variables: {EXTRA: sk-extra}\nmodel_list:\n- model_name: m\n  litellm_params: {model: openai/a, api_key: \
         sk-literal, extra_headers: {x-auth: sk-header, anthropic-beta: b, x: os.environ/EXTRA}}\n- model_name: n\n  \
         litellm_params: {model: openai/a, api_key: sk-literal}\n- model_name: o\n  litellm_params: {model: \
         openai/a}\ngeneral_settings: {master_key: sk-master}\n",
    );
    let env = |name: &str| Some(Setting::Env { env: name.to_owned() });
    assert_eq!(plan.master_key, env("DRAGOMAN_SECRET_1"));
    let [m, n, o] = &plan.targets[..] else { panic!() };
    assert_eq!(
        [&m.config.api_key, &n.config.api_key],
        [&env("DRAGOMAN_SECRET_2"), &env("DRAGOMAN_SECRET_2")]
    );
    assert_eq!(o.config.api_key, env("OPENAI_API_KEY"));
    assert_eq!(m.config.headers.get("x-auth").cloned(), env("DRAGOMAN_SECRET_3"));
    assert_eq!(m.config.headers.get("x").cloned(), env("EXTRA"));
    assert_eq!(m.config.headers.get("anthropic-beta"), Some(&Setting::Plain("b".to_owned())));
    let needed: Vec<&str> = plan.secrets.needed().iter().map(String::as_str).collect();
    assert_eq!(
        needed,
        ["DRAGOMAN_SECRET_1", "DRAGOMAN_SECRET_2", "DRAGOMAN_SECRET_3", "EXTRA", "OPENAI_API_KEY"]
    );
    let given = plan.secrets.given();
    assert_eq!(given.get("DRAGOMAN_SECRET_2"), Some(&"sk-literal"));
    assert_eq!(given.get("EXTRA"), Some(&"sk-extra"));
    assert!(!given.contains_key("OPENAI_API_KEY"), "Envoy inherits it");
}

#[test]
fn parameters_settings_and_limits() {
    let plan = plan(
        "litellm_settings: {drop_params: true, request_timeout: 30, num_retries: 5}\nrouter_settings: {num_retries: 1}\n\
         general_settings: {max_request_size_mb: 0.5}\nmodel_list:\n- model_name: m\n  litellm_params: {model: \
         anthropic/claude, max_tokens: 9, temperature: 0.5, timeout: 1.5, organization: org, extra_body: {top_k: 3}}\n  \
         model_info: {id: mine, max_output_tokens: 77}\n- model_name: n\n  litellm_params: {model: openai/x, drop_params: \
         false, stream_timeout: 2}\n",
    );
    assert_eq!((plan.course.retries, plan.max_body_bytes, plan.course.timeout_ms), (1, 512 * 1024, 30_000));
    let [m, n] = &plan.targets[..] else { panic!() };
    let params: Vec<String> = m.config.params.iter().map(|(k, v)| format!("{k}={}", v.get())).collect();
    assert_eq!(params, ["max_tokens=9", "temperature=0.5", "top_k=3"]);
    assert_eq!(m.config.id, "mine");
    assert_eq!(
        (m.config.max_output_tokens, m.config.drop_params, n.config.drop_params),
        (Some(77), true, false)
    );
    assert_eq!(m.config.headers.get("openai-organization"), Some(&Setting::Plain("org".to_owned())));
    assert_eq!((m.timeout_ms, m.stream_timeout_ms), (1_500, 1_500));
    assert_eq!((n.timeout_ms, n.stream_timeout_ms), (30_000, 2_000));
}

#[test]
fn what_a_vendor_needs_comes_from_its_usual_variables() {
    let plan = plan(
        "model_list:\n- model_name: z\n  litellm_params: {model: azure/gpt}\n- model_name: b\n  litellm_params: {model: \
         bedrock/anthropic.claude-3}\n- model_name: c\n  litellm_params: {model: claude-x}\n- model_name: w\n  litellm_params: {model: watsonx/ibm/granite, api_base: \
         \"https://us-south.ml.cloud.ibm.com\"}\n",
    );
    let [azure, bedrock, claude, watsonx] = &plan.targets[..] else { panic!() };
    assert_eq!(watsonx.config.settings.get("api_version"), None, "Azure's version is not watsonx's");
    assert_eq!(azure.address.host, "r.openai.azure.com");
    assert_eq!(azure.config.settings.get("api_version"), Some(&Setting::Plain("2024-10-21".to_owned())));
    assert_eq!(bedrock.address.host, "bedrock-runtime.eu-west-1.amazonaws.com");
    assert_eq!(claude.config.provider, "anthropic");
    let needed: Vec<&str> = plan.secrets.needed().iter().map(String::as_str).collect();
    assert_eq!(needed, ["ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_API_KEY"]);
}

#[test]
fn an_aws_model_tells_its_region_and_what_stands_behind_it() {
    let arn = "arn:aws:bedrock:us-gov-west-1:123456789012:application-inference-profile/abc";
    let plan = plan(&format!(
        "model_list:\n- model_name: a\n  litellm_params: {{model: bedrock/us-west-2/anthropic.claude-v2, api_key: k}}\n\
         - model_name: b\n  litellm_params: {{model: '{arn}', custom_llm_provider: bedrock, api_key: k}}\n  \
         model_info: {{base_model: anthropic.claude-sonnet-4-5}}\n\
         - model_name: c\n  litellm_params: {{model: bedrock/converse/{arn}, aws_region_name: eu-west-3, api_key: k}}\n"
    ));
    let seen: Vec<(&str, &str, Option<&Setting>)> = plan
        .targets
        .iter()
        .map(|target| {
            (&*target.config.model, &*target.address.host, target.config.settings.get("base_model"))
        })
        .collect();
    let claude = Setting::Plain("anthropic.claude-sonnet-4-5".to_owned());
    assert_eq!(
        seen,
        [
            ("anthropic.claude-v2", "bedrock-runtime.us-west-2.amazonaws.com", None),
            (arn, "bedrock-runtime.us-gov-west-1.amazonaws.com", Some(&claude)),
            (arn, "bedrock-runtime.eu-west-3.amazonaws.com", None),
        ]
    );
}

#[test]
fn ids_are_stable_and_distinct() {
    let one = ("m", "model: openai/a");
    let ids = |entries: &[(&str, &str)]| -> Vec<String> {
        plan(&models(entries)).targets.iter().map(|target| target.config.id.clone()).collect()
    };
    let both = ids(&[one, one]);
    assert_eq!(ids(&[("x", "model: openai/b"), one])[1], both[0]);
    assert_eq!(both[1], format!("{}-2", both[0]));
    assert_ne!(ids(&[("n", "model: openai/a")]), ids(&[one]));
}
