//! The hub language: OpenAI's chat completions. No vendor's name appears here.
//!
//! [`request`] is the borrowed view of what a client asks, [`sink`] the form in which replies arrive from any dialect,
//! and the two writers put a reply back into OpenAI's form: [`completion`] as one object, [`chunk`] as a stream.
//! [`custom`] stands between the two where a target knows functions only.
//! [`embeddings`] is the other endpoint's language: its request, and its reply's writer.

pub mod body;
pub mod chunk;
pub mod completion;
pub mod custom;
pub mod embeddings;
pub mod message;
pub mod params;
pub mod request;
pub mod sink;

pub use body::{Body, Word};
pub use chunk::ChunkWriter;
pub use completion::CompletionWriter;
pub use custom::Customs;
pub use embeddings::{EmbeddingWriter, EmbeddingsRequest};
pub use message::{Content, Message, Part, Role, ToolCall};
pub use params::{Param, ParamSet};
pub use request::{ChatRequest, FunctionTool, ResponseFormat, Tool, ToolChoice};
pub use sink::{Finish, FinishReason, Piece, Sink, Start};
