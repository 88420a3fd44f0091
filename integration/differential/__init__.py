"""The differential test: the same requests through LiteLLM and through Dragoman."""
