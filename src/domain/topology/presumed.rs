//! Presumed relations: what the CMDB lacks and the neighbours say. Servers of one rack hang on the same switch and the same
//! power; where nearly all of a rack do and one has no such relation, it is presumed.

use std::collections::BTreeMap;

use super::finish::Loose;
use super::schema::Kind;

/// CIs of one enclosure, the one that lacks a relation included, below which they say nothing about each other.
const TOGETHER_MIN: usize = 5;
/// How many of an enclosure have the same cause, per mille, so that it counts as theirs.
const SAME_MIN: usize = 750;
/// In how many of the enclosures of a kind that holds, per mille: else it is chance where it does.
const RULE_MIN: u32 = 600;

/// A CI inside another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Housed {
    kind: u16,
    inside: u32,
    ci: u32,
}

/// How often the CIs of an enclosure have their causes in common.
#[derive(Clone, Copy, Default)]
struct Tally {
    enclosures: u32,
    alike: u32,
}

/// The edges that `loose` (sorted) lacks. Linear in edges but for sorting.
pub(super) fn presume(loose: &[Loose], kinds: &[Kind]) -> Vec<Loose> {
    let mut housed: Vec<Housed> = loose
        .iter()
        .filter(|edge| kinds[usize::from(edge.kind)].encloses)
        .map(|edge| Housed { kind: edge.kind, inside: edge.cause, ci: edge.effect })
        .collect();
    housed.sort_unstable();
    let mut tallies: BTreeMap<(u16, u16), Tally> = BTreeMap::new();
    let mut found: Vec<(u16, Loose)> = Vec::new();
    let mut edges: Vec<Loose> = Vec::new();
    for members in housed.chunk_by(|a, b| (a.kind, a.inside) == (b.kind, b.inside)) {
        if members.len() < TOGETHER_MIN {
            continue;
        }
        edges.clear();
        edges.extend(members.iter().flat_map(|member| causes_of(loose, member.ci)).filter(|edge| {
            let kind = &kinds[usize::from(edge.kind)];
            !kind.encloses && !kind.cycles_expected
        }));
        edges.sort_unstable_by_key(|edge| (edge.kind, edge.cause, edge.effect));
        for of_kind in edges.chunk_by(|a, b| a.kind == b.kind) {
            let within = members[0].kind;
            let common = common(of_kind, members);
            if matches!(common, Common::None) {
                continue;
            }
            let tally = tallies.entry((within, of_kind[0].kind)).or_default();
            tally.enclosures += 1;
            if let Common::Alike(lacking) = common {
                tally.alike += 1;
                found.extend(lacking.into_iter().map(|edge| (within, edge)));
            }
        }
    }
    let is_rule = |within: u16, edge: &Loose| {
        tallies.get(&(within, edge.kind)).is_some_and(|t| t.alike * 1000 >= t.enclosures * RULE_MIN)
    };
    let mut presumed: Vec<Loose> =
        found.into_iter().filter(|(within, edge)| is_rule(*within, edge)).map(|(_, edge)| edge).collect();
    presumed.sort_unstable();
    presumed.dedup();
    presumed
}

fn causes_of(loose: &[Loose], ci: u32) -> &[Loose] {
    let from = loose.partition_point(|edge| edge.effect < ci);
    let to = from + loose[from..].partition_point(|edge| edge.effect == ci);
    &loose[from..to]
}

/// What the members of an enclosure have in common.
enum Common {
    /// They usually have no edge of the kind.
    None,
    /// Each its own causes.
    Unlike,
    /// The same causes; some members lack edges to them.
    Alike(Vec<Loose>),
}

/// Whether members of an enclosure share their causes, from the edges of one kind (sorted by cause).
fn common(of_kind: &[Loose], members: &[Housed]) -> Common {
    let mut has: BTreeMap<u32, usize> = members.iter().map(|member| (member.ci, 0)).collect();
    for edge in of_kind {
        *has.entry(edge.effect).or_default() += 1;
    }
    let mut degrees: Vec<usize> = has.values().copied().collect();
    degrees.sort_unstable();
    let usual = degrees[degrees.len() / 2];
    if usual == 0 {
        return Common::None;
    }
    let theirs: Vec<&[Loose]> = of_kind
        .chunk_by(|a, b| a.cause == b.cause)
        .filter(|same| same.len() * 1000 >= members.len() * SAME_MIN)
        .collect();
    if theirs.len() < usual {
        return Common::Unlike;
    }
    let mut lacking = Vec::new();
    for (ci, degree) in has.into_iter().filter(|(_, degree)| *degree < usual) {
        let others = theirs.iter().filter(|same| same.iter().all(|edge| edge.effect != ci));
        lacking.extend(others.take(usual - degree).map(|same| Loose { effect: ci, ..same[0] }));
    }
    Common::Alike(lacking)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::super::{CiIx, Topology};

    /// Racks 0 to 2 with eight servers each from CI 6 on; the switch of rack n is CI 3 + n. `lost` have no switch, and
    /// `alien` servers hang on switches of other racks.
    fn racks(lost: &[u32], alien: usize) -> Topology {
        let mut relations = Vec::new();
        for server in 6..30 {
            let rack = (server - 6) / 8;
            relations.push((rack, server, "holds"));
            let strange = ((server - 6) % 8) < alien as u32;
            if !lost.contains(&server) {
                let switch = if strange { (rack + 1 + server % 2) % 3 } else { rack };
                relations.push((3 + switch, server, "hard"));
            }
        }
        let class = |ci| match ci {
            0..3 => "rack",
            3..6 => "switch",
            _ => "server",
        };
        testing::classed(30, &relations, class)
    }

    #[test]
    fn a_server_hangs_on_the_switch_of_its_rack() {
        let made = racks(&[7, 21], 0);
        let presumed: Vec<_> = made.all_presumed().iter().map(|(effect, cause, _)| (effect.0, cause.0)).collect();
        assert_eq!(presumed, [(7, 3), (21, 4)]);
        let edge = *made.causes(CiIx(7)).iter().find(|edge| edge.ci == CiIx(3)).expect("the presumed edge");
        assert!(made.is_presumed(CiIx(7), &edge) && !made.is_presumed(CiIx(8), &edge));
        let from: Vec<u32> =
            made.effects(CiIx(3)).iter().filter(|edge| made.is_presumed_from(CiIx(3), edge)).map(|e| e.ci.0).collect();
        assert_eq!(from, [7], "seen from both ends");
        assert!(made.gaps(CiIx(7)).is_empty(), "what is presumed is no gap any more");
    }

    #[test]
    fn where_neighbours_differ_nothing_is_presumed() {
        assert!(racks(&[13], 4).all_presumed().is_empty());
        assert!(racks(&[], 0).all_presumed().is_empty());
        let most_of_a_rack = [6, 7, 8];
        assert!(racks(&most_of_a_rack, 0).all_presumed().is_empty(), "five of eight do not speak for the rest");
    }
}
