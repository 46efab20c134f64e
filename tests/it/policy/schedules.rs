//! Windows at the right times: once, daily, weekly, monthly, cron, workdays and holidays, time zones (A5-08).

use super::check;

/// Plays a rule that mutes everything by a schedule; at each time an alert is muted or not.
fn open_at(schedule: &str, times: &[(&str, bool)]) {
    let rules = format!(
        "
calendars:
  cn: {{holidays: ['2026-10-01..2026-10-07'], workdays: ['2026-10-10']}}
mute:
- {{id: w, during: {schedule}}}
"
    );
    let story: String = (times.iter().enumerate())
        .map(|(n, (time, open))| {
            let told = if *open { format!("muted rule w; a{n}@web 2 by rule w") } else { "held lone".into() };
            format!("{time} zbx a{n} web_2 minor key=k{n} -> {told}\n{time} zbx a{n} web_2 ok key=k{n} -> resolved\n")
        })
        .collect();
    check(&rules, &story);
}

#[test]
fn req_a5_08_one_shot() {
    open_at(
        "{once: {from: '2026-06-01 10:00', to: '2026-06-01 12:00'}}",
        &[("06-01 09:59", false), ("06-01 10:00", true), ("06-01 11:59", true), ("06-01 12:00", false)],
    );
}

#[test]
fn req_a5_08_daily_and_overnight() {
    open_at("{daily: '12:00-13:00'}", &[("06-01 11:59", false), ("06-01 12:00", true), ("06-02 12:30", true)]);
    open_at(
        "{daily: '22:00-06:00'}",
        &[("06-01 21:59", false), ("06-01 22:00", true), ("06-02 05:59", true), ("06-02 06:00", false)],
    );
}

#[test]
fn req_a5_08_weekly() {
    open_at(
        "{weekly: {days: [sat], at: '22:00-02:00'}}",
        &[("06-05 23:00", false), ("06-06 23:00", true), ("06-07 01:59", true), ("06-07 02:00", false)],
    );
}

#[test]
fn req_a5_08_monthly() {
    open_at(
        "{monthly: {days: ['1', last], at: '01:00-02:00'}}",
        &[("06-01 01:30", true), ("06-15 01:30", false), ("06-30 01:30", true), ("07-31 01:30", true)],
    );
}

#[test]
fn req_a5_08_workdays_and_holidays() {
    // 2026-10-10 is a Saturday that is worked; the first week of October is off.
    let days = [("09-30 10:00", true), ("10-02 10:00", false), ("10-08 10:00", true), ("10-10 10:00", true)];
    open_at("{calendar: {name: cn, days: workday, at: '09:00-18:00'}}", &days);
    let days = days.map(|(time, works)| (time, !works));
    open_at("{calendar: {name: cn, days: holiday, at: '09:00-18:00'}}", &days);
}

#[test]
fn req_a5_08_time_zones_with_changes_of_the_clock() {
    // Berlin: 02:00 is 09:00 in Shanghai in winter, 08:00 in summer. The clock goes back on 2026-10-25.
    open_at(
        "{daily: '02:00-03:00', zone: Europe/Berlin}",
        &[
            ("10-24 07:59", false),
            ("10-24 08:30", true),
            ("10-24 09:00", false),
            // The hour from two to three comes twice.
            ("10-25 08:30", true),
            ("10-25 09:30", true),
            ("10-25 10:00", false),
            ("10-26 08:30", false),
            ("10-26 09:30", true),
        ],
    );
}

#[test]
fn req_a5_08_cron() {
    open_at(
        "{cron: {at: '30 3 * * 0', for: 90m}}",
        &[("06-06 04:00", false), ("06-07 03:29", false), ("06-07 03:30", true), ("06-07 05:00", false)],
    );
}

#[test]
fn an_alert_that_fires_through_nights_is_muted_and_restored_each_time() {
    check(
        "maintenance: [{id: night, effect: notice, match: {name: a}, schedule: {daily: '22:00-06:00'}}]",
        "
        06-01 20:00 zbx a web_1 critical -> opened; incident
        06-01 22:00 tick -> a@web 1 by window night
        06-02 06:00 tick -> a@web 1 free
        06-02 12:00 zbx a web_1 critical -> joined
        06-02 22:30 tick -> a@web 1 by window night
        06-02 22:31 zbx a web_1 ok -> resolved
        ",
    );
}

#[test]
fn a_tick_that_comes_late_changes_nothing() {
    check(
        "maintenance: [{id: work, match: {name: a}, schedule: {once: {from: '2026-06-01 10:00', to: '2026-06-01 10:10'}}}]",
        "
        09:50 zbx a web_1 critical -> opened; incident
        11:00 zbx b web_2 minor    -> held lone; a@web 1 by window work; a@web 1 free
        ",
    );
}
