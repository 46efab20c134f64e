#![no_main]

mod frame;

use headwater::decode::Body;
use headwater::decode::mapping::Shape;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| frame::with(|context, formats| {
    for mapping in formats.mappings() {
        let _ = mapping.decode(Body::from(bytes), Shape::Json, context);
        let _ = mapping.decode(Body::from(bytes), Shape::Lines, context);
    }
}));
