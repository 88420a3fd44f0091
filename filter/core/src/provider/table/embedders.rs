//! Vendors that embed and don't chat.

use super::COMPATIBLE;
use crate::for_people;
use crate::provider::{EmbeddingQuirks, Provider, Quirks};

pub(super) static ROWS: &[Provider] = &[
    Provider {
        name: "voyage",
        label: "Voyage AI",
        base: "https://api.voyageai.com/v1",
        chat: "",
        key_env: &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"],
        base_env: &["VOYAGE_API_BASE"],
        quirks: &Quirks {
            // `encoding_format` is null or "base64" there, "float" is refused; `user` is unknown.
            embeddings: EmbeddingQuirks {
                rename: &[("dimensions", "output_dimension")],
                ignored: &["user", "encoding_format"],
                ..EmbeddingQuirks::NONE
            },
            ..Quirks::NONE
        },
        docs: for_people("https://docs.voyageai.com/reference/embeddings-api"),
        ..COMPATIBLE
    },
    Provider {
        name: "jina_ai",
        label: "Jina AI",
        base: "https://api.jina.ai/v1",
        chat: "",
        key_env: &["JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN"],
        base_env: &["JINA_AI_API_BASE", "JINA_BASE_URL"],
        quirks: &Quirks {
            // Its own name for the format is `embedding_type`.
            embeddings: EmbeddingQuirks { ignored: &["user", "encoding_format"], ..EmbeddingQuirks::NONE },
            ..Quirks::NONE
        },
        docs: for_people("https://jina.ai/embeddings/"),
        ..COMPATIBLE
    },
];
