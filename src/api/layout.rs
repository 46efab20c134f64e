//! Where the nodes of a graph go: one band per layer, business on top; inside a band near what they depend on.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::graph::{Link, Node};
use crate::domain::ci::Area;
use crate::wording::lang::Text;

/// Distance between two nodes of a row, and between two rows, in drawing units.
const STEP_X: i32 = 150;
const STEP_Y: i32 = 92;
/// Extra distance between two layers.
const GAP_Y: i32 = 34;
/// Nodes of one row of a small picture; a fuller layer gets several rows. Large pictures grow as wide as they grow high.
const ROW_MIN: usize = 9;
/// Times that rows are put in order from above and from below.
const SWEEPS: usize = 4;

/// One layer of the picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Band {
    /// 0 facility to 6 business.
    pub layer: u8,
    pub label: Text,
    /// The rows of the layer, from the first to the last.
    pub top: i32,
    pub bottom: i32,
}

/// What a layer is called.
pub fn label(layer: u8) -> Text {
    match layer {
        0 => Text::new("机房设施", "Facility"),
        1 => Text::new("硬件与网络", "Hardware, network"),
        2 => Text::new("虚拟资源", "Virtual"),
        3 => Text::new("容器与接入", "Containers, access"),
        4 => Text::new("共享平台", "Shared platform"),
        5 => Text::new("应用", "Application"),
        _ => Text::new("业务", "Business"),
    }
}

/// The layer of a CI that the topology does not know.
pub const fn layer_without_topology(area: Option<Area>) -> u8 {
    match area {
        Some(Area::Facility) => 0,
        Some(Area::Cloud | Area::Security) | None => 2,
        Some(Area::Support) => 3,
        Some(Area::Application) => 5,
    }
}

/// Gives every node its position; returns width, height and layers. Nodes come sorted by id and stay so.
pub fn place(nodes: &mut [Node], edges: &[Link]) -> (i32, i32, Vec<Band>) {
    let index: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id.as_str(), i)).collect();
    let mut near: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for edge in edges {
        if let (Some(&a), Some(&b)) = (index.get(edge.source.as_str()), index.get(edge.target.as_str())) {
            near[a].push(b);
            near[b].push(a);
        }
    }
    let mut layers: BTreeMap<std::cmp::Reverse<u8>, Vec<usize>> = BTreeMap::new();
    for (i, node) in nodes.iter().enumerate() {
        layers.entry(std::cmp::Reverse(node.layer)).or_default().push(i);
    }
    let mut layers: Vec<Vec<usize>> = layers.into_values().collect();
    let mut x = vec![0i64; nodes.len()];
    layers.iter().for_each(|layer| spread(layer, &mut x));
    for sweep in 0..SWEEPS {
        let order: Vec<usize> =
            if sweep % 2 == 0 { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
        for at in order {
            let ids: Vec<String> = layers[at].iter().map(|i| nodes[*i].id.clone()).collect();
            let mut keyed: Vec<(i64, String, usize)> =
                layers[at].iter().zip(ids).map(|(&i, id)| (middle(&near[i], &x, x[i]), id, i)).collect();
            keyed.sort();
            layers[at] = keyed.into_iter().map(|(_, _, i)| i).collect();
            spread(&layers[at], &mut x);
        }
    }
    write(nodes, &layers)
}

/// The mean place of the neighbours, in thousandths of a step.
fn middle(near: &[usize], x: &[i64], own: i64) -> i64 {
    if near.is_empty() {
        return own;
    }
    near.iter().map(|i| x[*i]).sum::<i64>() / near.len() as i64
}

/// Puts a layer's nodes side by side around the middle.
fn spread(layer: &[usize], x: &mut [i64]) {
    for (place, i) in layer.iter().enumerate() {
        x[*i] = place as i64 * 1000 - (layer.len() as i64 - 1) * 500;
    }
}

fn write(nodes: &mut [Node], layers: &[Vec<usize>]) -> (i32, i32, Vec<Band>) {
    let row_max = nodes.len().isqrt().max(ROW_MIN);
    let widest = layers.iter().map(|layer| layer.len().min(row_max)).max().unwrap_or(0) as i32;
    let (mut y, mut bands) = (0, Vec::new());
    for layer in layers {
        let top = y;
        // Full rows share a layer evenly, so that the last one is not a lone node.
        let rows = layer.len().div_ceil(row_max);
        let per_row = layer.len().div_ceil(rows.max(1));
        for row in layer.chunks(per_row.max(1)) {
            let left = (widest - row.len() as i32) * STEP_X / 2;
            for (place, i) in row.iter().enumerate() {
                nodes[*i].x = left + place as i32 * STEP_X;
                nodes[*i].y = y;
            }
            y += STEP_Y;
        }
        let of = layer.first().map_or(0, |i| nodes[*i].layer);
        bands.push(Band { layer: of, label: label(of), top, bottom: y - STEP_Y });
        y += GAP_Y;
    }
    ((widest - 1).max(0) * STEP_X, (y - GAP_Y - STEP_Y).max(0), bands)
}
