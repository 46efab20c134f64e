//! Whose turn each partition is, worked out by everybody alike from who is there.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use crate::domain::partition::PARTITIONS;

/// The partitions of `me`. Each partition goes to the one of `names` that has the highest number for it (rendezvous
/// hashing: when somebody comes or goes, few others move), as long as that one has no more than its share.
pub fn assigned(names: &BTreeSet<&str>, me: &str) -> BTreeSet<u16> {
    if names.is_empty() {
        return BTreeSet::new();
    }
    let share = usize::from(PARTITIONS).div_ceil(names.len());
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut mine = BTreeSet::new();
    for partition in 0..PARTITIONS {
        let free = names.iter().filter(|name| counts.get(*name).is_none_or(|count| *count < share));
        let chosen = free.max_by_key(|name| rank(name, partition));
        let chosen = chosen.expect("shares add up to at least all partitions");
        *counts.entry(chosen).or_default() += 1;
        if *chosen == me {
            mine.insert(partition);
        }
    }
    mine
}

fn rank(name: &str, partition: u16) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(partition.to_be_bytes());
    hash.update(name.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> BTreeMap<u16, String> {
        let set: BTreeSet<&str> = names.iter().copied().collect();
        let mut owners = BTreeMap::new();
        for name in names {
            for partition in assigned(&set, name) {
                assert_eq!(owners.insert(partition, (*name).to_owned()), None, "two owners of {partition}");
            }
        }
        assert_eq!(owners.len(), usize::from(PARTITIONS), "a partition without an owner");
        owners
    }

    #[test]
    fn each_partition_has_one_owner_and_nobody_more_than_a_share() {
        for count in 1..=9 {
            let names: Vec<String> = (0..count).map(|n| format!("node-{n}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let owners = all(&names);
            for name in &names {
                let held = owners.values().filter(|owner| owner == name).count();
                assert!(held <= usize::from(PARTITIONS).div_ceil(count), "{name} of {count} has {held}");
                assert!(held > 0, "{name} of {count} has nothing");
            }
        }
    }

    #[test]
    fn when_one_goes_most_of_the_others_keep_theirs() {
        let (before, after) = (all(&["a", "b", "c"]), all(&["a", "c"]));
        let moved = before.iter().filter(|(partition, owner)| *owner != "b" && after[partition] != **owner).count();
        assert!(moved <= 6, "{moved} moved that need not");
        assert!(assigned(&BTreeSet::from(["a"]), "b").is_empty());
        assert!(assigned(&BTreeSet::new(), "b").is_empty());
    }
}
