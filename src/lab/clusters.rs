//! How alike two groupings of the same things are: adjusted Rand index and adjusted mutual information, 1 = the same,
//! 0 = as by chance. No crate that is kept has them; a test compares with the numbers of an independent scorer.
//!
//! ARI: Hubert & Arabie, Comparing partitions, J. Classification 2 (1985). AMI with the arithmetic mean: Vinh, Epps &
//! Bailey, Information theoretic measures for clusterings comparison, JMLR 11 (2010), equations 24a and 26.

use std::collections::BTreeMap;

/// Two groupings, as counts.
struct Table {
    n: u64,
    /// Sizes of the groups of each side, and of what they share.
    left: Vec<u64>,
    right: Vec<u64>,
    shared: Vec<(usize, usize, u64)>,
}

impl Table {
    fn of(pairs: &[(u64, u64)]) -> Self {
        let (mut left, mut right) = (Side::default(), Side::default());
        let mut shared: BTreeMap<(usize, usize), u64> = BTreeMap::new();
        for (a, b) in pairs {
            *shared.entry((left.count(*a), right.count(*b))).or_default() += 1;
        }
        let shared = shared.into_iter().map(|((a, b), n)| (a, b, n)).collect();
        Self { n: pairs.len() as u64, left: left.sizes, right: right.sizes, shared }
    }
}

#[derive(Default)]
struct Side {
    known: BTreeMap<u64, usize>,
    sizes: Vec<u64>,
}

impl Side {
    fn count(&mut self, group: u64) -> usize {
        let next = self.sizes.len();
        let at = *self.known.entry(group).or_insert(next);
        if at == next {
            self.sizes.push(0);
        }
        self.sizes[at] += 1;
        at
    }
}

fn choose(n: u64) -> f64 {
    (n * n.saturating_sub(1) / 2) as f64
}

/// The adjusted Rand index. Each pair is one thing with its group on either side; groups are only names.
pub fn adjusted_rand(pairs: &[(u64, u64)]) -> f64 {
    let table = Table::of(pairs);
    if table.n < 2 {
        return 1.0;
    }
    let both: f64 = table.shared.iter().map(|(_, _, n)| choose(*n)).sum();
    let left: f64 = table.left.iter().copied().map(choose).sum();
    let right: f64 = table.right.iter().copied().map(choose).sum();
    let expected = left * right / choose(table.n);
    let most = (left + right) / 2.0 - expected;
    if most.abs() < 1e-12 { 1.0 } else { (both - expected) / most }
}

/// The adjusted mutual information, arithmetic mean.
pub fn adjusted_mutual_information(pairs: &[(u64, u64)]) -> f64 {
    let table = Table::of(pairs);
    let n = table.n as f64;
    if table.n == 0 || (table.left.len() == 1 && table.right.len() == 1) {
        return 1.0;
    }
    let entropy = |sizes: &[u64]| -sizes.iter().map(|s| *s as f64 / n * (*s as f64 / n).ln()).sum::<f64>();
    let mutual: f64 = table
        .shared
        .iter()
        .map(|(a, b, x)| {
            let x = *x as f64;
            x / n * (x * n / (table.left[*a] as f64 * table.right[*b] as f64)).ln()
        })
        .sum();
    let expected = expected_mutual(&table);
    let mean = (entropy(&table.left) + entropy(&table.right)) / 2.0;
    let most = mean - expected;
    if most.abs() < 1e-12 { 1.0 } else { (mutual - expected) / most }
}

/// The mutual information that two random groupings of these sizes have. Groups of one size are counted together.
fn expected_mutual(table: &Table) -> f64 {
    let n = table.n;
    let mut ln_factorial = vec![0.0; n as usize + 1];
    for i in 1..=n as usize {
        ln_factorial[i] = ln_factorial[i - 1] + (i as f64).ln();
    }
    let f = |k: u64| ln_factorial[k as usize];
    let counted = |sizes: &[u64]| {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for size in sizes {
            *counts.entry(*size).or_default() += 1;
        }
        counts
    };
    let mut sum = 0.0;
    for (a, times_a) in counted(&table.left) {
        for (b, times_b) in counted(&table.right) {
            let mut of_pair = 0.0;
            for x in (a + b).saturating_sub(n).max(1)..=a.min(b) {
                let share = x as f64 / n as f64 * (n as f64 * x as f64 / (a as f64 * b as f64)).ln();
                let ways = f(a) + f(b) + f(n - a) + f(n - b) - f(n) - f(x) - f(a - x) - f(b - x) - f(n + x - a - b);
                of_pair += share * ways.exp();
            }
            sum += of_pair * times_a as f64 * times_b as f64;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the scorers of the labelled sets say for these groupings (and scikit-learn, to which they are equal).
    #[test]
    fn the_indices_are_those_of_an_independent_scorer() {
        let pairs = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 2), (3, 3), (4, 3), (5, 4)];
        assert!((adjusted_rand(&pairs) - ARI).abs() < 1e-9, "{}", adjusted_rand(&pairs));
        assert!((adjusted_mutual_information(&pairs) - AMI).abs() < 1e-9, "{}", adjusted_mutual_information(&pairs));
        let same = [(1, 7), (1, 7), (2, 8)];
        assert_eq!((adjusted_rand(&same), adjusted_mutual_information(&same)), (1.0, 1.0));
        let nothing = [(1, 1), (1, 2), (2, 1), (2, 2)];
        assert!(adjusted_rand(&nothing) < 0.0 && adjusted_mutual_information(&nothing) < 0.0);
    }

    const ARI: f64 = 0.339_622_641_509_433_94;
    const AMI: f64 = 0.408_544_097_646_655_67;
}
