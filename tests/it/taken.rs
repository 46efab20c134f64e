//! Who else was paged hears who has it, where their policy says so.

use crate::table::by;

const RULES: &str = "
promote: [{ id: at-once, after: now }]
people:
  - { id: wang.li, name: 王丽, contact: [{ by: [chat] }] }
  - { id: li, name: 李雷, contact: [{ by: [mail] }, { by: [sms], severity: critical }] }
  - { id: han, name: 韩梅, contact: [{ by: [chat] }], quiet: { during: { daily: \"00:00-23:59\" }, unless: critical } }
escalations: [{ id: core, levels: [{ to: [{ person: wang.li }, { person: li }, { person: han }] }], fallback: [room], tell_acknowledged: true }]
routes: [{ id: all, receivers: [{ oncall: core }] }]
";

#[test]
fn the_others_who_were_paged_hear_who_has_it_by_the_quietest_way_and_not_in_quiet_hours() {
    by(RULES).tells(
        "00:00 a Down critical\n02:00 ack 1\n03:00 unack 1\n03:30 end",
        "00:00 chat/wang.li opened 1
         00:00 mail/li opened 1
         00:00 sms/li opened 1
         00:00 chat/han opened 1
         02:00 mail/li updated 1 (acknowledged)
         03:00 chat/wang.li reminder 1
         03:00 mail/li reminder 1
         03:00 sms/li reminder 1
         03:00 chat/han reminder 1",
    );
    let quiet = RULES.replace(", tell_acknowledged: true", "");
    by(&quiet).tells(
        "00:00 a Down critical\n02:00 ack 1",
        "00:00 chat/wang.li opened 1
         00:00 mail/li opened 1
         00:00 sms/li opened 1
         00:00 chat/han opened 1",
    );
}
