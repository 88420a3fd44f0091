//! LiteLLM's keys that Dragoman doesn't honour, by section, with what that means and what to write instead.
//!
//! A key that is neither here nor in the types is no key of LiteLLM's as far as Dragoman knows.

/// What it means that a key isn't honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It has no meaning here: a warning.
    Ignored,
    /// Requests would be treated otherwise than the config says: an error.
    Changes,
}

/// Keys of one class in one section that share a reason.
#[derive(Debug)]
pub struct Known {
    /// Where: a section's name, or empty for the file's top.
    pub section: &'static str,
    /// What it means.
    pub class: Class,
    /// Why, and what to do instead. Follows "is ignored: " or "is not honoured: ".
    pub says: &'static str,
    /// The keys.
    pub keys: &'static [&'static str],
}

const fn ignored(section: &'static str, says: &'static str, keys: &'static [&'static str]) -> Known {
    Known { section, class: Class::Ignored, says, keys }
}

const fn changes(section: &'static str, says: &'static str, keys: &'static [&'static str]) -> Known {
    Known { section, class: Class::Changes, says, keys }
}

const TOP: &str = "";
const PARAMS: &str = "litellm_params";
const INFO: &str = "model_info";
const LITELLM: &str = "litellm_settings";
const ROUTER: &str = "router_settings";
const GENERAL: &str = "general_settings";

const LOGGING: &str = "there are no logging callbacks; use Envoy's statistics, access log and tracing";
const NO_DATABASE: &str = "there is no database";
const NO_BUDGETS: &str = "spend is not limited yet; remove the key, or limit it at the provider";
const NO_REDIS: &str = "there is no shared store and none is needed";
const NO_CACHE: &str = "answers are not cached; remove the key";
const NO_LIMITS: &str = "limits are not enforced; use Envoy's rate limit filters";
const NO_KEYS: &str =
    "clients show general_settings.master_key; for more, use Envoy's own authentication filters";
const NO_CLIENT_KEYS: &str = "a client's credentials never reach a provider; give api_key in litellm_params";
const NO_PROXY_PATHS: &str = "only the OpenAI API is served; add a route of Envoy's own for other paths";
const NO_GUARDRAILS: &str = "there are no guardrails; put a filter of Envoy's (ext_proc, ext_authz) in front";
const OWN_PROCESS: &str = "it is about LiteLLM's own process";

/// The keys that aren't honoured.
pub static KNOWN: &[Known] = &[
    ignored(TOP, LOGGING, &["callback_settings"]),
    changes(TOP, NO_GUARDRAILS, &["guardrails", "policies"]),
    changes(TOP, NO_PROXY_PATHS, &["mcp_servers", "search_tools", "vector_store_registry"]),
    changes(TOP, "write the credentials into litellm_params", &["credential_list"]),
    changes(TOP, "write everything into one file", &["include"]),
    // litellm_params
    changes(PARAMS, "write the credentials here", &["litellm_credential_name"]),
    changes(PARAMS, NO_CLIENT_KEYS, &["configurable_clientside_auth_params"]),
    changes(PARAMS, NO_BUDGETS, &["max_budget", "budget_duration"]),
    changes(
        PARAMS,
        NO_LIMITS,
        &[
            "max_parallel_requests",
            "itpm",
            "otpm",
            "rpd",
            "tpd",
            "daily_reset_time",
            "default_api_key_tpm_limit",
            "default_api_key_rpm_limit",
            "max_file_size_mb",
        ],
    ),
    ignored(
        PARAMS,
        "it does nothing for chats behind LiteLLM's router either; num_retries says how often a request that this target fails is tried again",
        &["max_retries"],
    ),
    changes(
        PARAMS,
        "use timeout and stream_timeout",
        &["timeout_by_service_tier", "stream_timeout_by_service_tier"],
    ),
    changes(
        PARAMS,
        "remove the key",
        &[
            "tag_regex",
            "region_name",
            "use_litellm_proxy",
            "mock_response",
            "cache_control_injection_points",
            "merge_reasoning_content_in_choices",
            "user_continue_message",
            "assistant_continue_message",
            "supports_system_message",
            "ensure_alternating_roles",
            "keepalive_seconds",
            "auto_router_config",
            "auto_router_config_path",
            "auto_router_default_model",
            "auto_router_embedding_model",
            "complexity_router_config",
            "adaptive_router_config",
            "quality_router_config",
        ],
    ),
    changes(
        PARAMS,
        "give an api_key or an azure_ad_token",
        &["tenant_id", "client_id", "client_secret", "azure_scope", "azure_username", "azure_password"],
    ),
    changes(
        PARAMS,
        "give aws_access_key_id and aws_secret_access_key, or a Bedrock api_key",
        &[
            "aws_session_name",
            "aws_profile_name",
            "aws_role_name",
            "aws_web_identity_token",
            "aws_sts_endpoint",
            "aws_external_id",
            "aws_session_tags",
            "aws_bedrock_project_id",
        ],
    ),
    ignored(PARAMS, "only the OpenAI API is served", &["use_in_pass_through", "use_chat_completions_api"]),
    ignored(PARAMS, "thought signatures always travel", &["thought_signature_in_tool_call_id"]),
    ignored(PARAMS, OWN_PROCESS, &["rust"]),
    // model_info
    changes(
        INFO,
        NO_KEYS,
        &[
            "team_id",
            "team_public_model_name",
            "access_groups",
            "access_windows",
            "enforce_supported_endpoints",
        ],
    ),
    changes(INFO, "remove the entry from model_list", &["blocked"]),
    changes(PARAMS, "write it into model_info, as for LiteLLM", &["allowed_fails", "allowed_fails_policy"]),
    changes(INFO, "use router_settings.enable_tag_filtering, for all models", &["enable_tag_filtering"]),
    ignored(
        INFO,
        "nothing here uses it",
        &[
            "tier",
            "discoverable",
            "pricing_provider",
            "allow_fail_open",
            "max_embedding_batch_size",
            "ptu_count",
            "ptu_effective_from",
            "ptu_effective_to",
            "ptu_shares",
            "litellm_provider",
            "db_model",
            "health_check_model",
            "health_check_timeout",
            "disable_background_health_check",
            "description",
        ],
    ),
    // litellm_settings
    ignored(
        LITELLM,
        LOGGING,
        &[
            "failure_callback",
            "service_callback",
            "audit_log_callbacks",
            "langfuse_default_tags",
            "redact_user_api_key_info",
            "disable_streaming_logging",
            "s3_callback_params",
            "redact_messages_in_exceptions",
            "store_audit_logs",
            "prometheus_initialize_budget_metrics",
            "prometheus_metrics_config",
            "enable_end_user_cost_tracking_prometheus_only",
            "custom_prometheus_metadata_labels",
            "custom_prometheus_tags",
            "require_auth_for_metrics_endpoint",
        ],
    ),
    changes(LITELLM, NO_CACHE, &["cache", "enable_caching_on_provider_specific_optional_params"]),
    ignored(LITELLM, NO_CACHE, &["cache_params"]),
    changes(
        LITELLM,
        NO_BUDGETS,
        &["max_budget", "budget_duration", "max_end_user_budget", "tag_budget_config"],
    ),
    ignored(
        LITELLM,
        "spend is counted as the prices say, and not limited yet",
        &[
            "budget_exceeded_status_code",
            "cost_discount_config",
            "cost_margin_config",
            "block_requests_for_models_without_pricing",
        ],
    ),
    ignored(
        LITELLM,
        NO_DATABASE,
        &[
            "default_key_generate_params",
            "upperbound_key_generate_params",
            "default_internal_user_params",
            "default_team_params",
            "default_team_settings",
            "key_generation_settings",
            "model_group_settings",
        ],
    ),
    changes(LITELLM, NO_LIMITS, &["priority_reservation"]),
    changes(LITELLM, "providers' certificates are always verified", &["ssl_verify"]),
    ignored(LITELLM, "Envoy verifies with the system's roots", &["ssl_certificate"]),
    ignored(
        LITELLM,
        "messages are always made to fit the provider",
        &[
            "modify_params",
            "openai_system_messages_first",
            "bedrock_neutralize_orphaned_tool_blocks",
            "disable_stop_sequence_limit",
            "filter_invalid_headers",
        ],
    ),
    changes(
        LITELLM,
        "give the parameter in litellm_params",
        &[
            "reasoning_auto_summary",
            "reasoning_effort_rounding",
            "gemini_include_thoughts_default",
            "enable_gemini_default_thinking_level_low",
            "vertex_ai_safety_settings",
            "add_user_information_to_llm_headers",
            "overwrite_user_with_key_hash",
        ],
    ),
    changes(
        LITELLM,
        "remove the key",
        &[
            "enable_json_schema_validation",
            "network_mock",
            "route_all_chat_openai_to_responses",
            "anthropic_sse_ping_interval_seconds",
            "sse_keepalive_ping_interval_seconds",
            "user_url_allowed_hosts",
            "provider_url_destination_allowed_hosts",
        ],
    ),
    changes(LITELLM, "write it into the entries of model_list", &["model_alias_map", "credential_list"]),
    ignored(
        LITELLM,
        "a client's traceparent always goes on to the provider",
        &["forward_traceparent_to_llm_provider"],
    ),
    ignored(
        LITELLM,
        OWN_PROCESS,
        &[
            "set_verbose",
            "verbose",
            "debug",
            "use_aiohttp_transport",
            "force_ipv4",
            "http2",
            "disable_token_counter",
            "user_url_validation",
            "use_chat_completions_url_for_anthropic_messages",
            "expose_router_debug_in_errors",
            "suppress_debug_info",
            "telemetry",
            "num_workers",
            "disable_add_transform_inline_image_block",
            "disable_hf_tokenizer_download",
            "check_provider_endpoint",
        ],
    ),
    // router_settings
    ignored(
        ROUTER,
        NO_REDIS,
        &[
            "redis_url",
            "redis_host",
            "redis_port",
            "redis_password",
            "redis_db",
            "redis_username",
            "redis_ssl",
            "polling_interval",
            "client_ttl",
        ],
    ),
    changes(ROUTER, NO_CACHE, &["cache_responses", "caching_groups"]),
    ignored(ROUTER, NO_CACHE, &["cache_kwargs"]),
    changes(ROUTER, NO_BUDGETS, &["provider_budget_config"]),
    changes(ROUTER, NO_LIMITS, &["default_max_parallel_requests", "default_priority"]),
    changes(ROUTER, "write the parameters into the entries of model_list", &["default_litellm_params"]),
    changes(
        ROUTER,
        "remove the key",
        &[
            "routing_groups",
            "fallback_on_unsupported_params",
            "enable_weighted_failover",
            "enable_mid_stream_fallback_continuation",
            "tag_routing_prefix",
            "enable_health_check_routing",
            "router_general_settings",
        ],
    ),
    ignored(
        ROUTER,
        "requests stay on a target while it is healthy, and come back to it",
        &["deployment_affinity_ttl_seconds", "session_affinity_repin_on_failover"],
    ),
    ignored(
        ROUTER,
        OWN_PROCESS,
        &[
            "set_verbose",
            "debug_level",
            "health_check_staleness_threshold",
            "health_check_ignore_transient_errors",
            "assistants_config",
            "alerting_config",
        ],
    ),
    changes(ROUTER, "a wrong entry is always an error; correct it", &["ignore_invalid_deployments"]),
    // general_settings
    changes(
        GENERAL,
        "there is no database: virtual keys, teams and budgets are not served",
        &["database_url", "store_model_in_db", "use_redis_transaction_buffer"],
    ),
    ignored(
        GENERAL,
        NO_DATABASE,
        &[
            "database_connection_pool_limit",
            "database_connection_timeout",
            "database_type",
            "database_args",
            "disable_spend_logs",
            "disable_spend_updates",
            "disable_error_logs",
            "store_prompts_in_spend_logs",
            "maximum_spend_logs_retention_period",
            "proxy_batch_write_at",
            "allow_requests_on_db_unavailable",
            "disable_master_key_return",
            "disable_adding_master_key_hash_to_db",
            "proxy_config_reload_interval_seconds",
            "fail_closed_budget_enforcement",
            "fail_closed_rate_limit_enforcement",
            "disable_budget_reservation",
            "proxy_budget_rescheduler_min_time",
            "proxy_budget_rescheduler_max_time",
            "supported_db_objects",
        ],
    ),
    changes(
        GENERAL,
        NO_KEYS,
        &[
            "custom_auth",
            "enable_jwt_auth",
            "litellm_jwtauth",
            "litellm_key_header_name",
            "enable_oauth2_auth",
            "use_azure_key_vault",
            "use_google_kms",
            "key_management_system",
            "key_management_settings",
            "allowed_ips",
            "allowed_routes",
            "public_routes",
            "admin_only_routes",
            "enforce_user_param",
            "enforced_params",
            "reject_clientside_metadata_tags",
            "user_header_name",
            "user_header_mappings",
            "enforce_fallback_model_access",
        ],
    ),
    changes(
        GENERAL,
        NO_CLIENT_KEYS,
        &[
            "allow_client_side_credentials",
            "forward_client_headers_to_llm_api",
            "forward_openai_org_id",
            "forward_llm_provider_auth_headers",
        ],
    ),
    changes(
        GENERAL,
        NO_LIMITS,
        &[
            "max_parallel_requests",
            "global_max_parallel_requests",
            "max_in_flight_requests_per_worker",
            "max_queued_requests_per_worker",
            "admission_queue_timeout_seconds",
            "max_response_size_mb",
            "token_rate_limit_type",
            "disable_fallbacks_on_per_model_rate_limits",
        ],
    ),
    changes(
        GENERAL,
        NO_PROXY_PATHS,
        &[
            "pass_through_endpoints",
            "pass_through_request_timeout",
            "use_client_credentials_pass_through_routes",
        ],
    ),
    changes(
        GENERAL,
        "name the model in the request, or alias it in router_settings.model_group_alias",
        &[
            "completion_model",
            "embedding_model",
            "moderation_model",
            "image_generation_model",
            "infer_model_from_keys",
        ],
    ),
    changes(GENERAL, "remove the key", &["always_include_stream_usage", "model_list_healthy_only"]),
    ignored(
        GENERAL,
        "Envoy ends the provider's request when the client goes away",
        &["cancel_on_disconnect"],
    ),
    ignored(
        GENERAL,
        "Envoy watches targets by the requests they get",
        &[
            "background_health_checks",
            "health_check_interval",
            "health_check_details",
            "use_shared_health_check",
            "health_check_concurrency",
        ],
    ),
    ignored(GENERAL, "/v1/models lists wildcards as they are written", &["return_wildcard_routes"]),
    ignored(
        GENERAL,
        LOGGING,
        &["alerting", "alerting_threshold", "alert_types", "alerting_args", "alert_to_webhook_url"],
    ),
    ignored(
        GENERAL,
        OWN_PROCESS,
        &[
            "ui_access_mode",
            "ui_username",
            "ui_password",
            "disable_admin_ui",
            "expose_fallback_errors_to_caller",
            "include_call_id_in_error_body",
            "request_tag_mappings",
            "environment_variables",
            "maximum_spend_logs_cleanup_cron",
        ],
    ),
];

/// What is said of a price that isn't one of tokens, in `litellm_params` or `model_info`.
pub const PRICES: &str = "only tokens are priced";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_stands_once_in_its_section() {
        let mut seen = BTreeSet::new();
        for known in KNOWN {
            for key in known.keys {
                assert!(seen.insert((known.section, *key)), "{}.{key} is listed twice", known.section);
            }
        }
    }
}
