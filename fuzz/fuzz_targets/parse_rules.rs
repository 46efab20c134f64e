#![no_main]

use headwater::decode::alertmanager::AlertmanagerRules;
use headwater::decode::mapping::Mapping;
use headwater::decode::severity::SeverityMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|yaml: &str| {
    let _ = Mapping::parse("fuzz", yaml);
    let _ = SeverityMap::parse("fuzz", yaml);
    let _ = AlertmanagerRules::parse("fuzz", yaml);
});
