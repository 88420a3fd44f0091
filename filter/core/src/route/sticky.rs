//! What keeps requests of one user or session on one target while it is healthy: providers' prompt caches are warm there.
//!
//! Nothing is remembered: the target is computed from the key (rendezvous hashing, weighted), so all workers and all
//! gateways agree. A target that leaves gives its keys to the others in proportion to their weights; nobody else's move.

/// A key's number, which stays the same in all workers and builds (FNV-1a).
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    key.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Which of the targets, given as their hashes and weights, the key stays on. Targets without weight get nothing, unless
/// all have none.
#[must_use]
pub fn place(key: u64, targets: impl Iterator<Item = (u64, u64)> + Clone) -> Option<usize> {
    let even = targets.clone().all(|(_, weight)| weight == 0);
    let score = |(id, weight): (u64, u64)| {
        // A number in (0, 1), evenly drawn; the best of -w / ln(u) falls on each target in proportion to its weight.
        #[allow(clippy::cast_precision_loss)] // 53 bits of it are plenty.
        let (drawn, weight) = (((mix(key ^ id) >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0, weight as f64);
        -(if even { 1.0 } else { weight }) / drawn.ln()
    };
    let scores = targets.map(score).enumerate();
    let best = scores.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    Some(best.0)
}

/// `SplitMix64`'s finish: every bit of the input changes half of the output's.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [(u64, u64); 4] = [(11, 1), (22, 1), (33, 2), (44, 0)];

    fn placed(key: u64, without: usize) -> usize {
        let rest = TARGETS.iter().enumerate().filter(|(at, _)| *at != without);
        let (places, targets): (Vec<usize>, Vec<(u64, u64)>) = rest.map(|(at, target)| (at, *target)).unzip();
        places[place(key, targets.into_iter()).unwrap()]
    }

    #[test]
    fn keys_spread_by_weight_and_stay() {
        let mut counts = [0; 4];
        for user in 0..4000 {
            let key = hash(format!("user-{user}").as_bytes());
            let first = placed(key, 9);
            assert_eq!(first, placed(key, 9));
            counts[first] += 1;
        }
        assert_eq!(counts[3], 0);
        for (count, expected) in counts.iter().zip([1000, 1000, 2000]) {
            assert!((expected - 150..expected + 150).contains(count), "{counts:?}");
        }
    }

    #[test]
    fn only_the_keys_of_a_target_that_leaves_move() {
        for user in 0..1000 {
            let key = hash(format!("user-{user}").as_bytes());
            let (before, after) = (placed(key, 9), placed(key, 0));
            assert!(after == before || before == 0);
            assert_ne!(after, 0);
        }
    }

    #[test]
    fn without_any_weight_all_are_even() {
        assert_eq!(place(7, [].into_iter()), None);
        let taken: std::collections::BTreeSet<_> =
            (0..100).filter_map(|key| place(key, [(1, 0), (2, 0)].into_iter())).collect();
        assert_eq!(taken.len(), 2);
    }
}
