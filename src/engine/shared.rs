//! Texts that many alerts have, kept once: names of types, sources and objects.

use std::sync::Arc;

use super::alert::Spot;
use super::cell::Cell;
use crate::domain::topology::Topology;

/// The name of the CI or object itself, when an alert calls it by that.
fn own_name<'a>(topology: &'a Topology, objects: &'a [Arc<str>], spot: Spot, text: &str) -> Option<&'a Arc<str>> {
    let name = match spot {
        // A state that is not what was written may name what is not there.
        Spot::Ci(ci) if ci.at() < topology.len() => &topology.id(ci).0,
        Spot::Ci(_) => return None,
        Spot::Object(object) => objects.get(object as usize)?,
    };
    (**name == *text).then_some(name)
}

impl Cell {
    /// The text of an alert's object.
    pub fn shared_object(&self, spot: Spot, text: &str) -> Arc<str> {
        own_name(&self.topology, &self.object_names, spot, text).cloned().unwrap_or_else(|| text.into())
    }

    /// Texts of alerts that were read are shared again.
    pub fn share_texts(&mut self) {
        let (topology, objects) = (&self.topology, &self.object_names);
        for (_, alert) in self.alerts.iter_mut() {
            if let Some(name) = own_name(topology, objects, alert.spot, &alert.object) {
                alert.object = name.clone();
            }
            if alert.inferred.is_none() {
                alert.source = self.learned.shared_source(alert.clock, &alert.source);
                alert.name = self.learned.shared_name(alert.kind, &alert.name);
                alert.facts = self.facts.share(alert.kind, std::mem::take(&mut alert.facts));
            }
        }
    }
}
