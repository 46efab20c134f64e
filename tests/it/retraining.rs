//! Metric models that are made on schedule: for every tenant, counted from what the journal knows, on a clock that is moved by hand.

use std::path::Path;
use std::sync::atomic::Ordering;

use headwater::domain::ids::TenantId;
use headwater::engine::input::By;
use headwater::intake::settings::Anomalies;
use headwater::lab::series::synthetic::{self, Anomalous};
use headwater::pipeline::put::Trial;
use headwater::serve::series::Judging;

use crate::data_service::{Service, standing};

const DAY_MS: i64 = 86_400_000;

/// Quiet series of two tenants, as a server would have kept them; the newest reading is of the day before the clock's first.
pub fn daybook(data: &Path, tenants: &[&str], until: i64) {
    let folder = data.join("readings");
    std::fs::create_dir_all(&folder).unwrap();
    let series = synthetic::series(2, Anomalous::No, 3);
    let last = series.iter().filter_map(|one| Some(one.readings.last()?.0.0)).max().unwrap();
    let mut text = String::new();
    for tenant in tenants {
        for (n, one) in series.iter().enumerate() {
            let line = |at: i64, value: f64| format!("{tenant},probe,{n:032x},{},{value}\n", at - last + until);
            one.readings.iter().for_each(|(at, value)| text.push_str(&line(at.0, *value)));
        }
    }
    std::fs::write(folder.join("2025-12-20.csv"), text).unwrap();
}

/// A service, and who makes models for it, once a week.
async fn weekly(folder: &Path, clock: &headwater::clock::Clock) -> (Service, Judging) {
    let service = Service::start(folder, clock).await;
    let settings = Anomalies { retrain_days: 7, ..Anomalies::default() };
    let judging = Judging::new(&"city".into(), &settings, &service.pipeline, &service.intake);
    (service, judging)
}

fn is_tried(service: &Service, tenant: &str) -> bool {
    let ruled = service.pipeline.rulings().ruled(&TenantId::from(tenant));
    ruled.shade.as_ref().is_some_and(|shade| shade.metric.is_some() && &*shade.author == "headwater")
}

async fn end(service: &Service, tenant: &str) {
    let by = By { author: "li".into(), reason: "too loud".into() };
    service.pipeline.put_shade(&tenant.into(), Trial::default(), &by).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_is_due_a_week_after_the_last_however_often_the_program_starts() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    daybook(folder.path(), &["city", "elsewhere"], clock().0);
    let (service, judging) = weekly(folder.path(), &clock).await;
    judging.keep_to_schedule().await;
    assert!(is_tried(&service, "city") && is_tried(&service, "elsewhere"), "for every tenant with readings");
    for tenant in ["city", "elsewhere"] {
        end(&service, tenant).await;
    }
    judging.keep_to_schedule().await;
    assert!(!is_tried(&service, "city"), "the last one is a moment old");
    drop(judging);
    service.stop().await;

    // It is started again every two days.
    for days in [2, 4, 6] {
        hand.fetch_add(2 * DAY_MS, Ordering::SeqCst);
        let (service, judging) = weekly(folder.path(), &clock).await;
        judging.keep_to_schedule().await;
        assert!(!is_tried(&service, "city"), "after {days} days");
        drop(judging);
        service.stop().await;
    }
    hand.fetch_add(2 * DAY_MS, Ordering::SeqCst);
    let (service, judging) = weekly(folder.path(), &clock).await;
    judging.keep_to_schedule().await;
    assert!(is_tried(&service, "city") && is_tried(&service, "elsewhere"), "after eight days");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_model_waits_for_readings_of_as_many_days() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, hand) = standing();
    let (service, judging) = weekly(folder.path(), &clock).await;
    judging.keep_to_schedule().await;
    assert!(!is_tried(&service, "city"), "there is nothing to make it from");
    // Two weeks of readings that end twelve days ahead: they begin two days ago.
    daybook(folder.path(), &["city"], clock().0 + 12 * DAY_MS);
    hand.fetch_add(2 * 3_600_000, Ordering::SeqCst);
    judging.keep_to_schedule().await;
    assert!(!is_tried(&service, "city"), "readings of two days");
    hand.fetch_add(5 * DAY_MS, Ordering::SeqCst);
    judging.keep_to_schedule().await;
    assert!(is_tried(&service, "city"), "readings of a week");
    service.stop().await;
}
