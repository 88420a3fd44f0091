//! An attempt in a world that stands still: no clock, no tokens, every id the same.

use dragoman_core::attempt::{Attempt, World};
use dragoman_core::client::responses::Seal;
use dragoman_core::provider::auth::Env;

use crate::golden::{ID, NOW};

/// A world with these variables, headers of the client's, and this key for ids of responses.
#[must_use]
pub fn world<'w>(env: &'w Env<'w>, headers: &'w [(String, String)], seal: &'w Seal) -> World<'w> {
    World { env, tokens: &|_| None, now: NOW, id: ID, model: None, headers, seal, hold_heads: false }
}

/// What the client gets for a reply with this head that comes in these pieces.
pub fn replied(
    attempt: &mut Attempt,
    status: u16,
    headers: &[(String, String)],
    pieces: &[&[u8]],
) -> Vec<u8> {
    attempt.head(status, headers, false);
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(attempt.body(piece, false).bytes.unwrap_or_else(|| piece.to_vec()));
    }
    out.extend(attempt.body(&[], true).bytes.unwrap_or_default());
    out
}
