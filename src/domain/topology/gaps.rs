//! Gaps: relations that nearly all CIs of a class have and one lacks. A CMDB is never complete; where it is silent is
//! known from the CMDB itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::{CiIx, ClassIx, KindIx, Topology};

/// CIs of a class below which nothing is said about what is usual.
const POPULATION_MIN: u32 = 20;
/// How many of a class have a relation that counts as usual, per mille.
const SHARE_MIN: u64 = 850;

/// A relation that a CI lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The CI, the effect end of what is missing.
    pub ci: CiIx,
    /// What CIs of its class usually have: the most frequent kind of the relation.
    pub kind: KindIx,
    /// The class of the unknown cause.
    pub class: ClassIx,
    /// CIs it could be: those of the class, on the same site where sites are known.
    pub among: u32,
}

impl Topology {
    /// The relations that a CI lacks.
    pub fn gaps(&self, ix: CiIx) -> &[Gap] {
        let from = self.gaps.partition_point(|gap| gap.ci < ix);
        let to = from + self.gaps[from..].partition_point(|gap| gap.ci == ix);
        &self.gaps[from..to]
    }

    /// All gaps, by CI.
    pub fn all_gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Looks for gaps: linear in CIs and edges.
    pub(super) fn find_gaps(&self) -> Vec<Gap> {
        let relations = Relations::in_use(self);
        let usual = self.usual(&relations);
        if usual.iter().all(Vec::is_empty) {
            return Vec::new();
        }
        let places = self.places();
        let mut gaps = Vec::new();
        for ix in self.all() {
            for row in &usual[usize::from(self.class_ix(ix).0)] {
                if self.causes(ix).iter().any(|edge| relations.of(edge.kind) == row.relation) {
                    continue;
                }
                let site = self.attributes(ix).site.as_ref();
                let on_site = site.and_then(|site| places.get(&(row.class, site))).copied();
                let among = on_site.unwrap_or_else(|| self.population[usize::from(row.class.0)]).max(1);
                gaps.push(Gap { ci: ix, kind: row.kind, class: row.class, among });
            }
        }
        gaps
    }

    /// CIs per class and site.
    fn places(&self) -> HashMap<(ClassIx, &Arc<str>), u32, FixedState> {
        let mut places: HashMap<_, u32, FixedState> = HashMap::default();
        for ix in self.all() {
            if let Some(site) = &self.attributes(ix).site {
                *places.entry((self.class_ix(ix), site)).or_default() += 1;
            }
        }
        places
    }

    /// What is usual for each class, by number of the class.
    fn usual(&self, relations: &Relations) -> Vec<Vec<Usual>> {
        let mut cis = vec![0u64; relations.count];
        let mut edges = vec![0u64; self.kinds.len()];
        // The last CI that was counted for a relation.
        let mut last = vec![None; relations.count];
        for ix in self.all() {
            for edge in self.causes(ix) {
                let relation = relations.of(edge.kind);
                edges[usize::from(edge.kind.0)] += 1;
                if last[relation] != Some(ix) {
                    last[relation] = Some(ix);
                    cis[relation] += 1;
                }
            }
        }
        let classes: BTreeMap<&str, ClassIx> =
            self.classes.iter().enumerate().map(|(at, class)| (class.id.as_ref(), ClassIx(at as u16))).collect();
        let mut usual: Vec<Vec<Usual>> = vec![Vec::new(); self.classes.len()];
        let mut kinds: Vec<usize> = (0..self.kinds.len()).collect();
        // The most frequent kind of a relation speaks for it.
        kinds.sort_by_key(|at| std::cmp::Reverse(edges[*at]));
        for at in kinds {
            let (kind, relation) = (&self.kinds[at], relations.of_kind[at]);
            let ends = (classes.get(kind.effect_class.as_ref()), classes.get(kind.cause_class.as_ref()));
            let (Some(effect), Some(cause)) = ends else { continue };
            let population = self.population[usize::from(effect.0)];
            let row = Usual { relation, kind: KindIx(at as u16), class: *cause };
            let rows = &mut usual[usize::from(effect.0)];
            if population >= POPULATION_MIN
                && cis[relation] * 1000 >= SHARE_MIN * u64::from(population)
                && !kind.cycles_expected
                && rows.iter().all(|known| known.relation != relation)
            {
                rows.push(row);
            }
        }
        usual
    }
}

/// A relation that is usual for a class.
#[derive(Clone, Copy)]
struct Usual {
    relation: usize,
    kind: KindIx,
    class: ClassIx,
}

/// Kinds with the same relation and the same class of the effect end are one.
struct Relations {
    of_kind: Vec<usize>,
    count: usize,
}

impl Relations {
    fn in_use(topology: &Topology) -> Self {
        let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut of_kind = Vec::with_capacity(topology.kinds.len());
        for kind in &topology.kinds {
            let next = known.len();
            of_kind.push(*known.entry((&kind.relation, &kind.effect_class)).or_insert(next));
        }
        Self { of_kind, count: known.len() }
    }

    fn of(&self, kind: KindIx) -> usize {
        self.of_kind[usize::from(kind.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    /// Two bases carry so many leaves; the others have lost their relation.
    fn carried(leaves: u32, carried: u32) -> Topology {
        let relations: Vec<(u32, u32, &str)> = (2..carried + 2).map(|ci| (ci % 2, ci, "hard")).collect();
        testing::classed(leaves + 2, &relations, |ci| if ci < 2 { "base" } else { "leaf" })
    }

    #[test]
    fn what_nearly_all_of_a_class_have_and_one_lacks_is_a_gap() {
        let made = carried(40, 39);
        assert_eq!(made.all_gaps().len(), 1);
        let gap = made.gaps(CiIx(41))[0];
        assert_eq!((gap.ci, gap.among, made.kind(gap.kind).relation.as_ref()), (CiIx(41), 2, "hard"));
        assert_eq!(gap.class, made.class_ix(CiIx(0)));
        assert!(made.gaps(CiIx(40)).is_empty());
    }

    #[test]
    fn what_only_some_have_is_no_gap() {
        assert!(carried(40, 30).all_gaps().is_empty());
        assert!(carried(12, 11).all_gaps().is_empty(), "too few to tell what is usual");
    }
}
