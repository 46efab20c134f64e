//! Ring (b): the faults of the catalogue, one test each, against real processes. `docs/reliability.md` has the table of
//! which test shows which row; `listed` checks it.

mod clocks;
mod listed;
mod moments;
mod moves;
mod order;
mod outages;
mod power;
mod shim;
mod soak;
mod store;
mod stress;
