//! More open incidents than one page of the API has: what is marked is acted on, and what is looked for is found.

use serde_json::json;

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn incidents_beyond_the_newest_five_hundred_are_merged_and_found() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..400).await;
    let open = "/api/v1/incidents?state=abnormal&sort=urgent&limit=2";
    let urgent = loop {
        let page = served.get(&token, open).await;
        let pending = served.get(&token, "/api/v1/conservation").await["pending"] != 0;
        if !pending && page["items"].as_array().is_some_and(|items| items.len() == 2) {
            break page;
        }
        tokio::task::yield_now().await;
    };
    let id = |n: usize| urgent["items"][n]["id"].as_str().unwrap().to_owned();
    let (first, second) = (id(0), id(1));
    served.events(&(0..520).map(super::storm::lone).collect::<Vec<_>>()).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.wait("Number(document.querySelector('table.board')?.getAttribute('aria-rowcount')) > 520").await;
    let newest = served.get(&token, "/api/v1/incidents?state=abnormal&limit=500").await.to_string();
    assert!(!newest.contains(&format!("\"{first}\"")), "it is none of the newest");

    // Both marked ones may take the other.
    for one in [&first, &second] {
        browser.click(&format!("tr[data-id='{one}'] .pickone input")).await;
    }
    browser.click("[data-bulk=merge]").await;
    browser.wait(&format!("document.querySelector(\"dialog option[value='{second}']\")")).await;
    browser.click(&format!("dialog option[value='{first}']")).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    let merged = served.get(&token, &format!("/api/v1/incidents/{second}")).await;
    assert_eq!((&merged["state"], &merged["merged_into"]), (&json!("merged"), &json!(first)), "{merged}");

    // Where a new one is to go, an old one is found by what it is called.
    let newest = served.get(&token, "/api/v1/incidents?limit=1").await["items"][0]["id"].clone();
    browser.go(&format!("{}/incidents/{}", served.base, newest.as_str().unwrap())).await;
    browser.wait("document.querySelector('.glance')").await;
    super::menu(&browser, "merge").await;
    browser.wait("document.querySelectorAll('dialog option').length > 5").await;
    browser.fill("dialog input[type=search]", &first).await;
    browser.wait(&format!("document.querySelectorAll('dialog option').length >= 1 && document.querySelector(\"dialog option[value='{first}']\")")).await;
    browser.click(&format!("dialog option[value='{first}']")).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait(&format!("document.querySelector('p.notice a')?.pathname === '/incidents/{first}'")).await;
    check_quiet(&browser, &served.base).await;
}
