//! Ids of tool calls as Mistral takes them: exactly nine letters and digits.
//!
//! Source: <https://github.com/mistralai/mistral-common>, `validator.py`: "must be a-z, A-Z, 0-9, with a length of 9".
//! A history that began with another provider has ids of other forms. They are mapped without a memory: the same
//! conversation gives the same ids in every turn, so a cached prompt stays one.

const LENGTH: usize = 9;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The ids of one conversation, in the order of their coming.
#[derive(Debug, Default)]
pub(super) struct CallIds {
    given: Vec<(String, String)>,
}

impl CallIds {
    /// Mistral's id for the client's `id`. No two of a conversation share one.
    pub(super) fn of(&mut self, id: &str) -> String {
        if let Some((_, mine)) = self.given.iter().find(|(theirs, _)| theirs == id) {
            return mine.clone();
        }
        let mut mine = id.to_owned();
        let mut attempt = 0;
        while !fits(&mine) || self.given.iter().any(|(_, taken)| *taken == mine) {
            mine = digest(id, attempt);
            attempt += 1;
        }
        self.given.push((id.to_owned(), mine.clone()));
        mine
    }
}

/// An id for a call that came without one: of the reply `reply`, choice `choice`, the call's place among that choice's.
pub(super) fn made(reply: &str, choice: u32, place: u32) -> String {
    digest(&format!("{reply}/{choice}/{place}"), 0)
}

fn fits(id: &str) -> bool {
    id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// FNV-1a, stirred so that near ids fall far apart, in digits of base 62.
fn digest(id: &str, attempt: u64) -> String {
    let seed = 0xcbf2_9ce4_8422_2325 ^ attempt.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut hash =
        id.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    let digits = (0..LENGTH).filter_map(|_| {
        let digit = DIGITS.get(usize::try_from(hash % 62).unwrap_or(0)).copied();
        hash /= 62;
        digit.map(char::from)
    });
    digits.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_are_told_apart_and_stay() {
        let mut ids = CallIds::default();
        assert_eq!(ids.of("D681PevKs"), "D681PevKs");
        let many: Vec<String> = (0..2000).map(|n| ids.of(&format!("call_{n}"))).collect();
        assert!(many.iter().all(|id| fits(id)));
        let mut apart = many.clone();
        apart.sort();
        apart.dedup();
        assert_eq!(apart.len(), many.len());
        assert_eq!(CallIds::default().of("call_7"), many[7]);
        assert_eq!(ids.of("call_7"), many[7]);
    }

    #[test]
    fn an_id_that_is_taken_already_gets_another() {
        let taken = CallIds::default().of("toolu_01");
        let mut ids = CallIds::default();
        assert_eq!(ids.of(&taken), taken);
        assert_ne!(ids.of("toolu_01"), taken);
    }
}
