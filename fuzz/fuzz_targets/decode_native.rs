#![no_main]

mod frame;

use headwater::decode::{Body, native};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| frame::with(|context, _| {
    let _ = native::decode(Body::from(bytes), context);
}));
