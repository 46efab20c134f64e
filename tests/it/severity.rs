//! Every row of the table of severity maps: what each source's words mean on our scale.

use headwater::decode::formats::Formats;
use headwater::decode::severity::from_otel_number;
use headwater::domain::severity::Severity;

/// Map, then words and what they mean.
const ROWS: &[(&str, &str)] = &[
    ("zabbix", "Disaster critical, High major, Average minor, Warning warning, Information warning"),
    ("zabbix", "Not classified indeterminate, 5 critical, 4 major, 3 minor, 2 warning, 1 warning, 0 indeterminate"),
    ("zabbix", "灾难 critical, 严重 major, 一般严重 minor, 警告 warning, 信息 warning, 未分类 indeterminate"),
    ("prometheus", "critical critical, error major, page major, warning minor, warn minor, info warning"),
    ("grafana", "critical critical, error major, warning minor, info warning, no_data critical"),
    ("nightingale", "1 critical, 2 minor, 3 warning"),
    ("blueking", "1 critical, 2 minor, 3 warning, 致命 critical, 预警 minor, 提醒 warning"),
    ("huawei-ces", "紧急 critical, 重要 major, 次要 minor, 提示 warning"),
    ("huawei-lts-aom", "Critical critical, Major major, Minor minor, Info warning"),
    ("aliyun-arms", "P1 critical, P2 major, P3 minor, P4 warning"),
    ("aliyun-prometheus", "紧急 critical, 错误 major, 警告 minor, 普通 warning"),
    ("aliyun-sls", "10 critical, 8 major, 6 minor, 4 warning, 2 warning"),
    ("ctyun", "紧急 critical, 警示 minor, 普通 warning"),
    ("baidu-bcm", "严重 critical, 重要 major, 警告 minor, 通知 warning"),
    ("jdcloud", "紧急 critical, 严重 major, 一般 minor"),
    ("guance", "紧急 critical, 重要 major, 警告 minor, 信息 warning, 数据断档 indeterminate"),
    ("oceanbase", "停服 critical, 严重 major, 警告 minor, 注意 warning, 提醒 warning"),
    ("open-falcon", "0 critical, 1 major, 2 minor, 3 minor, 4 warning, 5 warning, 6 warning"),
    ("azure", "Sev0 critical, Sev1 major, Sev2 minor, Sev3 warning, Sev4 warning"),
    ("ruixiangyun", "1 warning, 2 minor, 3 major, 4 warning, 5 critical"),
    ("ruixiangyun", "提醒 warning, 警告 minor, 严重 major, 通知 warning, 致命 critical"),
    ("servicenow", "critical critical, major major, minor minor, warning warning, info warning, clear cleared"),
    (
        "flashduty",
        "Critical critical, Warning minor, Info warning, Ok cleared, 严重 critical, 警告 minor, 提醒 warning",
    ),
    (
        "aliyun-cms",
        "CRITICAL critical, WARN minor, INFO warning, 紧急 critical, 警告 minor, 普通 warning, 信息 warning",
    ),
    ("tencent-cloud", "Serious critical, Warning minor, Note warning, 严重 critical, 警告 minor, 提示 warning"),
    ("tencent-cls", "Critical critical, Warn minor, Info warning"),
    ("datadog", "P1 critical, P2 major, P3 minor, P4 warning, P5 warning, error major, warning minor"),
    ("datadog", "info warning, success cleared"),
    ("newrelic", "CRITICAL critical, HIGH major, MEDIUM minor, LOW warning"),
    ("sentry", "fatal critical, error major, warning minor, info warning, debug indeterminate"),
    ("sentry", "sample indeterminate"),
    ("nagios", "OK cleared, UP cleared, WARNING minor, WARN minor, CRITICAL critical, CRIT critical"),
    ("nagios", "UNKNOWN warning, UNKN warning, DOWN critical, UNREACHABLE minor, UNREACH minor, 0 cleared"),
    ("nagios", "1 minor, 2 critical, 3 warning"),
    ("k8s-events", "Warning minor, Normal indeterminate"),
    ("argocd", "Degraded major, Missing major, Unknown warning, Healthy cleared"),
    ("gcp-monitoring", "Critical critical, Error major, Warning minor, No severity indeterminate"),
    ("dynatrace", "AVAILABILITY critical, ERROR major, PERFORMANCE minor, RESOURCE_CONTENTION minor"),
    ("dynatrace", "MONITORING_UNAVAILABLE minor, CUSTOM_ALERT warning, INFO warning"),
    ("site24x7", "DOWN critical, CRITICAL critical, TROUBLE minor, UP cleared"),
    ("graylog", "1 warning, 2 minor, 3 major, 4 critical"),
    ("skywalking", "critical critical, fatal critical, major major, error major, warning minor, warn minor"),
    ("skywalking", "info warning"),
    ("pagerduty", "critical critical, error major, warning minor, info warning"),
    ("opsgenie", "P1 critical, P2 major, P3 minor, P4 warning, P5 warning"),
    ("splunk", "critical critical, high major, medium minor, low warning, informational warning"),
    ("splunk", "info warning, unknown indeterminate"),
    ("signalfx", "Critical critical, Major major, Minor minor, Warning warning, Info warning"),
    ("victorops", "CRITICAL critical, WARNING minor, INFO warning, RECOVERY cleared, OK cleared"),
    ("prtg", "Down critical, Down (Partial) major, Warning minor, Unusual warning, Up cleared"),
    ("librenms", "critical critical, warning minor, ok cleared"),
    ("kapacitor", "CRITICAL critical, crit critical, WARNING minor, warn minor, INFO warning, OK cleared"),
    ("kapacitor", "unknown indeterminate"),
    ("vcenter", "Red critical, Yellow minor, Green cleared, Gray indeterminate"),
    ("aria-operations", "ALERT_CRITICALITY_LEVEL_CRITICAL critical, ALERT_CRITICALITY_LEVEL_IMMEDIATE major"),
    ("aria-operations", "ALERT_CRITICALITY_LEVEL_WARNING minor, ALERT_CRITICALITY_LEVEL_INFO warning"),
    ("aria-operations", "ALERT_CRITICALITY_LEVEL_AUTO warning"),
    (
        "guance",
        "fatal critical, critical critical, error major, warning minor, info warning, nodata indeterminate, ok cleared",
    ),
    ("servicenow", "1 critical, 2 major, 3 minor, 4 warning, 5 warning, 0 cleared"),
    ("syslog", "0 critical, 1 critical, 2 major, 3 minor, 4 warning, 5 indeterminate, 6 indeterminate"),
];

#[test]
fn each_word_of_each_source_means_what_the_table_says() {
    let formats = Formats::built_in();
    for (name, row) in ROWS {
        let map = formats.severities.named(name).expect("the map is built in");
        for pair in row.split(", ") {
            let (word, severity) = pair.rsplit_once(' ').expect("word and severity");
            assert_eq!(map.get(word), Severity::parse(severity), "{name}: {word}");
        }
        for unknown in ["", "unheard of", "-1", "99"] {
            assert_eq!(map.get(unknown), None, "{name}: {unknown}");
        }
    }
    let rows: std::collections::BTreeSet<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(formats.severities.names().collect::<std::collections::BTreeSet<_>>(), rows, "a row for each map");
}

#[test]
fn a_source_finds_its_map_by_its_name() {
    let severities = Formats::built_in().severities;
    let check = |source: &str, map: Option<&str>| {
        assert_eq!(severities.for_source(source).map(|map| map.name.as_str()), map, "{source}");
    };
    check("zabbix", Some("zabbix"));
    check("zabbix-east", Some("zabbix"));
    check("aliyun-sls", Some("aliyun-sls"));
    check("tencent-cls", Some("tencent-cls"));
    check("my-zabbix", None);
    check("icinga-east", Some("nagios"));
}

#[test]
fn otel_numbers_have_their_place() {
    let words: Vec<&str> = (0..=24).map(|number| from_otel_number(number).as_str()).collect();
    let runs = words.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect::<Vec<_>>();
    assert_eq!(runs, [("indeterminate", 13), ("warning", 4), ("minor", 1), ("major", 1), ("critical", 6)]);
}
