"""The benchmark: what Dragoman costs beside bare Envoy, Envoy's own transcoder, LiteLLM and Portkey."""
