//! Which of two texts that were put at one moment holds.

use super::Engine;
use super::input::Input;

impl Engine {
    /// Whether a topology, rules or a model of this version or a later one hold already: of two that were put at one moment by
    /// different instances the first one holds, and the other one changes nothing.
    pub fn is_overtaken(&self, input: &Input) -> bool {
        match input {
            Input::Topology { tenant, version, .. } => {
                self.topologies.get(tenant).is_some_and(|known| known.version >= *version)
            }
            Input::Policy { tenant, version, .. } => {
                self.policies.get(tenant).is_some_and(|ruled| ruled.policy.version >= *version)
            }
            Input::Model { tenant, version, .. } => {
                self.models.get(tenant).is_some_and(|known| known.version >= *version)
            }
            Input::MetricModel { tenant, version, .. } => {
                self.metric_models.get(tenant).is_some_and(|(known, _)| known >= version)
            }
            Input::Batch(_) | Input::Command(_) | Input::Shadow { .. } | Input::Delivered(_) | Input::Tick => false,
        }
    }
}
