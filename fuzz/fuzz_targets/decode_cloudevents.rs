#![no_main]

mod frame;

use headwater::decode::{Body, cloudevents};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| frame::with(|context, _| {
    let _ = cloudevents::decode(Body::from(bytes), context);
}));
