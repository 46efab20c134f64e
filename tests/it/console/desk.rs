//! The desks of analysts and administrators: rules tried and put in force, windows made, credentials made and ended,
//! reports that say what the API says.

use serde_json::{Value, json};

use super::driver::Browser;
use super::served::Served;
use super::{check_quiet, largest, sign_in};

#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_writes_tries_and_puts_rules_in_force() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    served.storm(0..400).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/rules", served.base)).await;
    // Each rule with its hits, as the API has them.
    let rules = served.get(&token, "/api/v1/rules").await;
    let first = &rules["rules"][0];
    browser.wait(&format!("document.querySelector('table.rules tbody tr b').textContent === {}", first["id"])).await;
    browser
        .wait("[...document.querySelectorAll('table.rules .hits b')].some((one) => Number(one.textContent) > 0)")
        .await;
    browser.click("table.rules tbody tr .linkish").await;
    browser.wait("document.querySelector('.editor textarea').value.length > 20").await;

    // What is wrong is said while one writes, with its place.
    let write = |text: &str| {
        let text = json!(text);
        format!(
            "const area = document.querySelector('.editor textarea'); area.value = {text}; area.dispatchEvent(new Event('input', {{ bubbles: true }}));"
        )
    };
    browser.run(&write("promote:\n  - { id: x, afterr: now }\n")).await;
    browser.wait("document.querySelector('.checked .tag.bad') && document.querySelector('.checked li.bad').innerText.includes('afterr')").await;
    browser
        .run(&write("promote:\n  - { id: at-once, after: now }\nmute:\n  - { id: quiet, match: { name: Noise } }\n"))
        .await;
    browser.wait("document.querySelector('.checked .tag.good')").await;

    // One event on what is written: muted by the rule that is not in force yet.
    let event = json!(r#"{"name":"Noise","severity":"critical","object":{"name":"a"}}"#);
    browser.run(&format!("const area = document.querySelector('textarea.code'); area.value = {event}; area.dispatchEvent(new Event('input', {{ bubbles: true }}));")).await;
    browser.click("[data-act=dryrun]").await;
    browser
        .wait("[...document.querySelectorAll('.outcome tr.matched b')].some((one) => one.textContent === 'quiet')")
        .await;

    // Tests of the rules: those that are shipped hold with the rules as they are, not with these.
    browser.click(".edit [data-act=ruletests]").await;
    browser.wait("document.querySelector('.edit .ruletests .tag.bad')").await;
    browser
        .wait("document.querySelector('.edit .ruletests tr.failed p')?.textContent.includes('defaults.test.yaml')")
        .await;

    browser.click("[data-act=put]").await;
    browser.fill("dialog input[name=reason]", "noise from the lab").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser
        .wait("[...document.querySelectorAll('table.rules tbody b')].some((one) => one.textContent === 'quiet')")
        .await;
    let rules = served.get(&token, "/api/v1/rules").await;
    assert_eq!((rules["author"].as_str(), rules["reason"].as_str()), (Some("chen"), Some("noise from the lab")));
    browser.click(".page-head .switch button:nth-child(4)").await;
    browser.sees("noise from the lab").await;
    // Back at what is shipped every test holds; the tab plays them at once, and says what the API says.
    served
        .send(reqwest::Method::POST, &token, "/api/v1/rules/rollback", &json!({ "version": 0, "reason": "back" }))
        .await;
    let tested = served.send(reqwest::Method::POST, &token, "/api/v1/rules/tests", &json!({})).await;
    let all = tested["tests"].as_array().unwrap().len();
    assert!(all > 3 && tested["failed"] == 0, "{tested}");
    browser.go(&format!("{}/rules", served.base)).await;
    browser.click(".page-head .switch button:nth-child(3)").await;
    browser.wait(&format!("document.querySelectorAll('.ruletests tbody .tag.good').length === {all}")).await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_makes_and_ends_a_credential() {
    let served = Served::start();
    let token = served.token("admin", "chen");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/tokens", served.base)).await;
    browser.click("[data-act=token]").await;
    browser.fill("dialog input[name=name]", "night.shift").await;
    browser.click("dialog button[type=submit]").await;
    let made = browser.wait("document.querySelector('.secret')?.textContent").await;
    let made = made.as_str().unwrap();
    assert_eq!(served.get(made, "/api/v1/session").await["name"], "night.shift", "the token opens the door at once");
    browser.sees("night.shift").await;
    browser.click(".made button:last-child").await;
    browser.wait("!document.querySelector('.secret')").await;
    let row =
        "[...document.querySelectorAll('table.plain tbody tr')].find((row) => row.innerText.includes('night.shift'))";
    browser.run(&format!("{row}.querySelector('button.warn').click()")).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait(&format!("!({row})")).await;
    assert_eq!(served.get(made, "/api/v1/session").await["status"], 401, "it opens nothing any more");
    check_quiet(&browser, &served.base).await;
    // Who made and ended it stands in the audit; the token itself does not.
    browser.go(&format!("{}/audit", served.base)).await;
    browser.wait("[...document.querySelectorAll('table.plain tbody tr')].some((row) => row.innerText.includes('ended a credential') && row.innerText.includes('night.shift'))").await;
    let audit = served.get(&token, "/api/v1/audit").await;
    let of = |word: &str| {
        let entry = audit["items"].as_array().unwrap().iter().find(|one| one["action"] == word).unwrap();
        (entry["actor"].clone(), entry["about"].clone())
    };
    assert_eq!(of("token_made"), (json!("chen"), json!("night.shift")));
    assert_eq!(of("token_ended"), (json!("chen"), json!("night.shift")));
    assert!(!audit.to_string().contains(made), "the token is in the audit");
    // Others do not see the page's door, and the API keeps it shut.
    let analyst = served.token("analyst", "li.na");
    assert_eq!(served.get(&analyst, "/api/v1/tokens").await["status"], 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_is_made_and_stands_in_the_calendar() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/windows", served.base)).await;
    browser.click("[data-act=window]").await;
    browser.fill("dialog input[name=value]", "host-00007").await;
    browser.fill("dialog input[name=note]", "replace the power supply").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.wait("document.querySelector('.cal-row')?.innerText.includes('replace the power supply')").await;
    let windows = served.get(&token, "/api/v1/windows").await;
    assert_eq!(windows["items"][0]["note"], "replace the power supply", "{windows}");
    browser.click("table.plain button.warn").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("!document.querySelector('.cal-row')").await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_waits_for_a_second_person_where_the_rules_ask_for_one() {
    let served = Served::start();
    let (analyst, li, han) =
        (served.token("analyst", "chen"), served.token("operator", "li.na"), served.token("operator", "han.mei"));
    let mut files = served.get(&analyst, "/api/v1/rules").await["files"].clone();
    let defaults = files["00-defaults.yaml"].as_str().unwrap();
    files["00-defaults.yaml"] = json!(defaults.replacen("settings:\n", "settings:\n  changes: { second: true }\n", 1));
    served.send(reqwest::Method::PUT, &analyst, "/api/v1/rules", &json!({ "files": files })).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &li).await;
    browser.go(&format!("{}/windows", served.base)).await;
    browser.click("[data-act=window]").await;
    browser.fill("dialog input[name=value]", "host-00007").await;
    browser.fill("dialog input[name=note]", "replace the power supply").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.proposals tbody')?.innerText.includes('replace the power supply')").await;
    browser.wait("document.querySelector('[data-act=refuse]') && !document.querySelector('[data-act=approve]')").await;
    assert_eq!(served.get(&li, "/api/v1/windows").await["items"], json!([]), "nothing holds yet");
    let seq = served.get(&li, "/api/v1/windows/proposals").await["items"][0]["seq"].clone();
    let path = format!("/api/v1/windows/proposals/{seq}/approve");
    assert_eq!(served.status(reqwest::Method::POST, &li, &path, &json!({})).await, 403, "not by the one who asked");

    let other = Browser::open("en-US").await;
    sign_in(&other, &served.base, &han).await;
    other.go(&format!("{}/windows", served.base)).await;
    other.click("[data-act=approve]").await;
    other.fill("dialog input[name=reason]", "agreed on the phone").await;
    other.click("dialog button[type=submit]").await;
    other.wait("document.querySelector('.cal-row')?.innerText.includes('replace the power supply')").await;
    other.wait("!document.querySelector('.proposals')").await;
    let rules = served.get(&analyst, "/api/v1/rules").await;
    let reason = rules["reason"].as_str().unwrap();
    assert!(
        reason.contains("li.na") && reason.contains("han.mei") && reason.contains("agreed on the phone"),
        "{reason}"
    );
    assert_eq!(served.status(reqwest::Method::POST, &han, &path, &json!({})).await, 404, "it was answered");

    // Ending it early waits, too, and is taken back by the one who asked.
    other.click("table.plain button.warn").await;
    other.click("dialog button[type=submit]").await;
    other.wait("document.querySelector('.proposals')").await;
    other.click("[data-act=refuse]").await;
    other.wait("!document.querySelector('.proposals')").await;
    assert_eq!(served.get(&li, "/api/v1/windows").await["items"][0]["note"], "replace the power supply");
    check_quiet(&other, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_kept_by_the_server_for_oneself_or_for_everybody() {
    let served = Served::start();
    let (li, han) = (served.token("operator", "li.na"), served.token("viewer", "han.mei"));
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &li).await;
    let keep = async |name: &str, whose: &str| {
        browser.wait("document.querySelector('.views .save')").await;
        browser.click(".views .save").await;
        browser.fill("dialog input[name=name]", name).await;
        browser.run(&format!("const field = document.querySelector('dialog select[name=whose]'); field.value = '{whose}'; field.dispatchEvent(new Event('change', {{ bubbles: true }}));")).await;
        browser.click("dialog button[type=submit]").await;
        browser.wait(&format!("document.querySelector('.views').innerText.includes('{name}')")).await;
    };
    browser.go(&format!("{}/?severity=critical&q=web", served.base)).await;
    keep("web, critical", "own").await;
    browser.go(&format!("{}/?area=facility", served.base)).await;
    keep("facility only", "shared").await;

    // Another person, in another browser: the shared one leads to what was kept, the other one is not there.
    let other = Browser::open("en-US").await;
    sign_in(&other, &served.base, &han).await;
    other.wait("document.querySelector('.views').innerText.includes('facility only')").await;
    assert_eq!(other.read("document.querySelector('.views').innerText.includes('web, critical')").await, false);
    other.run("[...document.querySelectorAll('.views button')].find((one) => one.textContent.includes('facility only')).click()").await;
    other.wait("new URLSearchParams(location.search).get('area') === 'facility'").await;
    assert_eq!(other.read("document.querySelectorAll('.views .drop').length").await, 0, "it is not hers to drop");
    let view = json!({ "name": "mine", "query": "", "shared": true });
    assert_eq!(served.status(reqwest::Method::POST, &han, "/api/v1/views", &view).await, 403);
    browser.go(&served.base).await;
    browser.wait("document.querySelectorAll('.views .drop').length === 2").await;
    browser.click(".views .drop").await;
    browser.wait("document.querySelectorAll('.views .drop').length === 1").await;
    check_quiet(&other, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_call_false_or_missed_is_counted_until_it_is_taken_back() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    served.storm(0..400).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/incidents/{id}", served.base)).await;
    super::menu(&browser, "false_alarm").await;
    browser.fill("dialog input[name=note]", "a test of the line").await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.head .tag.warn')?.textContent.includes('chen')").await;
    browser.go(&format!("{}/reports", served.base)).await;
    browser.click("[data-act=missed]").await;
    browser.fill("dialog input[name=about]", "host-00007").await;
    browser.click("dialog button[type=submit]").await;
    let shown = "[...document.querySelectorAll('.said b')].map((one) => one.textContent).join()";
    browser.wait(&format!("{shown} === '1,1'")).await;
    let csv = served.text_as(&token, "/api/v1/reports.csv").await;
    assert!(csv.contains("judged,,false_alarms,1") && csv.contains("judged,,missed,1"), "{csv}");
    browser.go(&format!("{}/tuning", served.base)).await;
    browser.wait("document.body.innerText.includes('a test of the line')").await;
    let row = "[...document.querySelectorAll('tr')].find((one) => one.innerText.includes('a test of the line'))";
    browser.run(&format!("{row}.querySelector('[data-act=revoke]').click()")).await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.go(&format!("{}/reports", served.base)).await;
    browser.wait(&format!("{shown} === '0,1'")).await;
    let nobody = json!({ "says": "false_alarm", "about": "i0-4711" });
    assert_eq!(served.status(reqwest::Method::POST, &token, "/api/v1/feedback", &nobody).await, 404);
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_and_similar_incidents_say_what_the_api_says() {
    let served = Served::start();
    let token = served.token("operator", "li.na");
    served.storm(0..1200).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    served
        .send(reqwest::Method::POST, &token, &format!("/api/v1/incidents/{id}/root"), &json!({ "verdict": "confirm" }))
        .await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/reports", served.base)).await;
    browser.wait("document.querySelectorAll('.figure b').length === 6").await;
    let report = served.get(&token, "/api/v1/reports").await;
    assert_eq!(report["root_hits"]["right"], 1, "{report}");
    let shown = browser.read("[...document.querySelectorAll('.figure b')].slice(0, 3).map((one) => Number(one.textContent.replaceAll(',', '')))").await;
    assert_eq!(shown, json!([report["noise"]["events"], report["noise"]["alerts"], report["noise"]["incidents"]]));
    browser.sees("right at first in 1 of 1 that people judged").await;
    let csv = browser.read("document.querySelector('a[download]').getAttribute('href')").await;
    let csv = served.text_as(&token, csv.as_str().unwrap()).await;
    assert!(csv.contains(&format!("noise,,events,{}", report["noise"]["events"])), "{csv}");

    // An incident like others shows them; its neighbours come into the picture when asked for.
    let list = served.get(&token, "/api/v1/incidents?limit=500").await;
    // What is over was solved: only that is told as like another one.
    for one in list["items"].as_array().unwrap() {
        let close = format!("/api/v1/incidents/{}/close", one["id"].as_str().unwrap());
        served.send(reqwest::Method::POST, &token, &close, &json!({})).await;
    }
    let mut with_like = None;
    for one in list["items"].as_array().unwrap() {
        let found = served.get(&token, &format!("/api/v1/incidents/{}/similar", one["id"].as_str().unwrap())).await;
        if found["items"].as_array().is_some_and(|items| !items.is_empty()) {
            with_like = Some((one["id"].as_str().unwrap().to_owned(), found["items"][0]["id"].clone()));
            break;
        }
    }
    let (own, like) = with_like.expect("two of the storm's incidents are alike");
    browser.go(&format!("{}/incidents/{own}", served.base)).await;
    browser.wait(&format!("document.querySelector('.similar li a')?.pathname === '/incidents/' + {like}")).await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_grows_by_the_neighbours_of_what_is_picked() {
    let served = Served::start();
    let token = served.token("viewer", "li.na");
    served.storm(0..800).await;
    let incident = largest(&served, &token).await;
    let id = incident["id"].as_str().unwrap();
    let graph = served.get(&token, &format!("/api/v1/incidents/{id}/graph?nodes=36")).await;
    let alone = |graph: &Value| -> Vec<String> {
        let nodes = graph["nodes"].as_array().unwrap().iter().filter(|node| node["count"] == 1);
        nodes.map(|node| node["id"].as_str().unwrap().to_owned()).collect()
    };
    let root = incident["root"]["ci"]["id"].as_str().unwrap();
    let wide = served.get(&token, &format!("/api/v1/incidents/{id}/graph?nodes=300&expand={root}")).await;
    assert!(alone(&wide).len() > alone(&graph).len(), "{} and {}", alone(&wide).len(), alone(&graph).len());
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/topology/{root}", served.base)).await;
    browser.wait("Number(document.querySelector('.canvas').dataset.drawn) > 1").await;
    // Up to two thousand at once.
    browser.run("const field = document.querySelectorAll('.graph .aside select')[1]; field.value = '2000'; field.dispatchEvent(new Event('change', { bubbles: true }));").await;
    browser.run("const field = document.querySelectorAll('.graph .aside select')[0]; field.value = '12'; field.dispatchEvent(new Event('change', { bubbles: true }));").await;
    let around = served.get(&token, &format!("/api/v1/topology/cis/{root}/graph?hops=12&nodes=2000")).await;
    let all = around["nodes"].as_array().unwrap().len();
    assert!(all > 60, "{all} nodes");
    browser.wait(&format!("document.querySelector('.canvas').dataset.drawn === '{all}'")).await;
    check_quiet(&browser, &served.base).await;
}

const ON_CALL: &str = "contact_plans:\n  - { id: default, steps: [{ by: [sms] }] }\n\
    people:\n  - { id: li, name: 李雷 }\n  - { id: han, name: 韩梅 }\n\
    rosters:\n  - id: core\n    zone: UTC\n    layers:\n      - { name: always, people: [li, han], starts: \"2026-01-05 00:00\", every: 1d }\n\
    escalations:\n  - { id: core, levels: [{ to: [{ roster: core }], wait: 10m }], fallback: [room] }\n";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_call_is_seen_and_a_duty_is_taken_over() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    let mut files = served.get(&token, "/api/v1/rules").await["files"].clone();
    files["oncall.yaml"] = json!(ON_CALL);
    served.send(reqwest::Method::PUT, &token, "/api/v1/rules", &json!({ "files": files, "reason": "on call" })).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/oncall", served.base)).await;
    let duty = served.get(&token, "/api/v1/oncall").await;
    let on_duty = duty["items"][0]["people"][0]["name"].clone();
    browser.wait(&format!("document.querySelector('.duty .big b').textContent === {on_duty}")).await;
    browser.wait("document.querySelectorAll('.shifts rect').length > 7").await;
    browser.wait(&format!("document.querySelector('.levels-of span').textContent === {on_duty}")).await;
    let other = if duty["items"][0]["people"][0]["id"] == "li" { "han" } else { "li" };
    browser.click(".duty button").await;
    browser.fill("dialog input[name=person]", other).await;
    browser.click("dialog button[type=submit]").await;
    browser.wait("document.querySelector('.toast.good')").await;
    browser.wait(&format!("document.querySelector('.duty .big b').textContent !== {on_duty}")).await;
    browser.sees("override").await;
    browser.click("table.plain button.warn").await;
    browser.wait(&format!("document.querySelector('.duty .big b').textContent === {on_duty}")).await;
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_show_how_they_are_and_what_a_payload_would_become() {
    let served = Served::start();
    let token = served.token("admin", "chen");
    served.storm(0..200).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/sources", served.base)).await;
    let sources = served.get(&token, "/api/v1/sources").await;
    assert_eq!(sources["items"][0]["events"], 200, "{sources}");
    browser.wait("document.querySelector('table.sources tbody tr').innerText.includes('200')").await;
    browser.click("[data-act=register]").await;
    browser.fill("dialog input[name=id]", "zabbix-dc").await;
    browser.fill("dialog input[name=owner]", "li.na").await;
    browser.click("dialog button[type=submit]").await;
    browser
        .wait("[...document.querySelectorAll('table.sources tbody tr')].some((row) => row.innerText.includes('li.na'))")
        .await;

    // What came is tried again: the same event, and what would become of it; nothing is changed by that.
    browser.click("[data-act=payloads]").await;
    browser.wait("document.querySelector('.stack details pre')?.textContent.length > 20").await;
    let payload = json!(
        r#"{"name":"Link down","title":"tried only","severity":"critical","object":{"name":"host-00007"},"starts_at":"2026-01-05T00:00:00Z"}"#
    );
    let area = "document.querySelector('textarea.code')";
    browser.run(&format!("const area = {area}; area.value = {payload}; area.dispatchEvent(new Event('input', {{ bubbles: true }})); const format = document.querySelector('input[list=formats]'); format.value = 'native'; format.dispatchEvent(new Event('input', {{ bubbles: true }}));")).await;
    browser.click("[data-act=preview]").await;
    browser.wait("document.querySelector('.letters li b')?.textContent === 'tried only'").await;
    browser.wait("document.querySelector('.letters .tag.strong')?.textContent.length > 0").await;
    assert_eq!(served.get(&token, "/api/v1/sources").await["items"][0]["events"], 200);
    check_quiet(&browser, &served.base).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_few_acknowledge_leads_to_suggested_rules() {
    let served = Served::start();
    let token = served.token("analyst", "chen");
    served.storm(0..600).await;
    let incident = largest(&served, &token).await;
    let acknowledge = format!("/api/v1/incidents/{}/acknowledge", incident["id"].as_str().unwrap());
    served.send(reqwest::Method::POST, &token, &acknowledge, &json!({})).await;
    let browser = Browser::open("en-US").await;
    sign_in(&browser, &served.base, &token).await;
    browser.go(&format!("{}/reports", served.base)).await;
    browser.wait("document.querySelectorAll('table.heeded tbody tr').length > 3").await;
    let report = served.get(&token, "/api/v1/reports").await;
    let first = &report["heeded"][0];
    let row = json!([
        first["name"],
        first["alerts"].to_string(),
        first["incidents"].to_string(),
        first["acknowledged"].to_string()
    ]);
    browser.wait(&format!("JSON.stringify([...document.querySelectorAll('table.heeded tbody tr:first-child td')].slice(0, 4).map((one) => one.textContent)) === {}", json!(row.to_string()))).await;
    assert!(report["by_org"].as_array().is_some_and(|groups| !groups.is_empty()), "{report}");
    browser.click(".panel a[href='/suggestions']").await;
    browser.wait("location.pathname === '/suggestions'").await;
    check_quiet(&browser, &served.base).await;
}
