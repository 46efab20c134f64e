#![no_main]

mod frame;

use headwater::decode::{Body, alertmanager, alertmanager_webhook};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| frame::with(|context, formats| {
    let _ = alertmanager::decode(Body::from(bytes), context, &formats.alertmanager);
    let _ = alertmanager_webhook::decode(Body::from(bytes), context, &formats.alertmanager);
}));
