//! Redis beside the program: real servers that are flushed, killed, slowed down, filled up and poisoned. Nothing of what is
//! decided or told may depend on them.

mod faults;
mod instances;
mod protected;
pub mod server;
mod several;
mod values;
mod view;
