//! Everything about formats that is data: severity maps, mappings, the rules for Alertmanager's labels. A default
//! set is compiled in; a site adds or replaces files.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::alertmanager::AlertmanagerRules;
use super::mapping::Mapping;
use super::severity::{SeverityMap, SeverityMaps};

/// Why a file cannot be used: names the file, the place within it and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Line and column from 1; 0 = unknown.
    #[error("{place}:{line}:{column}: {cause}")]
    Yaml { place: String, line: u64, column: u64, cause: String },
    #[error("{place}: {field}: {cause}")]
    Value { place: String, field: String, cause: String },
}

/// The largest file of rules, in bytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Anchors and aliases in one file.
const ANCHORS_MAX: usize = 100;

/// Reads YAML within bounds. Only `true` and `false` are booleans: `n`, `on` and `yes` are names of fields too.
pub(super) fn read_yaml<T: DeserializeOwned>(place: &str, yaml: &str) -> Result<T, FormatError> {
    let failed = |line, column, cause: String| FormatError::Yaml { place: place.into(), line, column, cause };
    if yaml.len() > FILE_BYTES_MAX {
        return Err(failed(0, 0, format!("larger than {FILE_BYTES_MAX} bytes; split it")));
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        budget: serde_saphyr::budget! { max_anchors: ANCHORS_MAX, max_aliases: ANCHORS_MAX },
    };
    serde_saphyr::from_str_with_options(yaml, options).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        let told = error.without_snippet().to_string();
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        failed(line, column, format!("{told}; compare with a shipped file of the same folder"))
    })
}

/// A file's name, for messages, and its text.
pub type File<'a> = (&'a str, &'a str);

macro_rules! rules {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../", $path)))),*]
    };
}

const SEVERITIES: &[File<'static>] = rules![
    "rules/severity/aliyun-arms.yaml",
    "rules/severity/aliyun-cms.yaml",
    "rules/severity/aliyun-prometheus.yaml",
    "rules/severity/aliyun-sls.yaml",
    "rules/severity/argocd.yaml",
    "rules/severity/aria-operations.yaml",
    "rules/severity/azure.yaml",
    "rules/severity/baidu-bcm.yaml",
    "rules/severity/blueking.yaml",
    "rules/severity/ctyun.yaml",
    "rules/severity/datadog.yaml",
    "rules/severity/dynatrace.yaml",
    "rules/severity/flashduty.yaml",
    "rules/severity/gcp-monitoring.yaml",
    "rules/severity/grafana.yaml",
    "rules/severity/graylog.yaml",
    "rules/severity/guance.yaml",
    "rules/severity/huawei-ces.yaml",
    "rules/severity/huawei-lts-aom.yaml",
    "rules/severity/jdcloud.yaml",
    "rules/severity/k8s-events.yaml",
    "rules/severity/kapacitor.yaml",
    "rules/severity/librenms.yaml",
    "rules/severity/nagios.yaml",
    "rules/severity/newrelic.yaml",
    "rules/severity/nightingale.yaml",
    "rules/severity/oceanbase.yaml",
    "rules/severity/open-falcon.yaml",
    "rules/severity/opsgenie.yaml",
    "rules/severity/pagerduty.yaml",
    "rules/severity/prometheus.yaml",
    "rules/severity/prtg.yaml",
    "rules/severity/ruixiangyun.yaml",
    "rules/severity/sentry.yaml",
    "rules/severity/servicenow.yaml",
    "rules/severity/signalfx.yaml",
    "rules/severity/site24x7.yaml",
    "rules/severity/skywalking.yaml",
    "rules/severity/splunk.yaml",
    "rules/severity/syslog.yaml",
    "rules/severity/tencent-cloud.yaml",
    "rules/severity/tencent-cls.yaml",
    "rules/severity/vcenter.yaml",
    "rules/severity/victorops.yaml",
    "rules/severity/zabbix.yaml",
];

const MAPPINGS: &[File<'static>] = rules![
    "rules/mappings/aliyun-arms.yaml",
    "rules/mappings/aliyun-cms.yaml",
    "rules/mappings/aliyun-sls.yaml",
    "rules/mappings/argocd.yaml",
    "rules/mappings/aria-operations.yaml",
    "rules/mappings/azure-monitor.yaml",
    "rules/mappings/blueking.yaml",
    "rules/mappings/checkmk.yaml",
    "rules/mappings/cloudwatch.yaml",
    "rules/mappings/datadog.yaml",
    "rules/mappings/dynatrace.yaml",
    "rules/mappings/flashduty.yaml",
    "rules/mappings/gcp-monitoring.yaml",
    "rules/mappings/github.yaml",
    "rules/mappings/gitlab.yaml",
    "rules/mappings/grafana-legacy.yaml",
    "rules/mappings/graylog.yaml",
    "rules/mappings/guance.yaml",
    "rules/mappings/huawei-aom.yaml",
    "rules/mappings/huawei-ces.yaml",
    "rules/mappings/icinga.yaml",
    "rules/mappings/influxdb.yaml",
    "rules/mappings/jenkins.yaml",
    "rules/mappings/k8s-events.yaml",
    "rules/mappings/kapacitor.yaml",
    "rules/mappings/ksyun.yaml",
    "rules/mappings/librenms.yaml",
    "rules/mappings/mail.yaml",
    "rules/mappings/nagios.yaml",
    "rules/mappings/newrelic.yaml",
    "rules/mappings/nightingale.yaml",
    "rules/mappings/open-falcon.yaml",
    "rules/mappings/opsgenie.yaml",
    "rules/mappings/otlp-logs.yaml",
    "rules/mappings/pagerduty.yaml",
    "rules/mappings/pingdom.yaml",
    "rules/mappings/prtg.yaml",
    "rules/mappings/robot.yaml",
    "rules/mappings/ruixiangyun.yaml",
    "rules/mappings/sensu.yaml",
    "rules/mappings/sentry.yaml",
    "rules/mappings/servicenow.yaml",
    "rules/mappings/signalfx.yaml",
    "rules/mappings/site24x7.yaml",
    "rules/mappings/skywalking.yaml",
    "rules/mappings/slack.yaml",
    "rules/mappings/snmp-trap.yaml",
    "rules/mappings/splunk.yaml",
    "rules/mappings/statuscake.yaml",
    "rules/mappings/stormgen.yaml",
    "rules/mappings/syslog.yaml",
    "rules/mappings/tencent-cloud.yaml",
    "rules/mappings/tencent-cls.yaml",
    "rules/mappings/ucloud.yaml",
    "rules/mappings/uptime-kuma.yaml",
    "rules/mappings/vcenter.yaml",
    "rules/mappings/victorops.yaml",
    "rules/mappings/zabbix.yaml",
];

const ALERTMANAGER: &[File<'static>] = rules!["rules/alertmanager.yaml"];

/// A site's own files, read by whoever may read files.
#[derive(Clone, Copy, Debug, Default)]
pub struct Files<'a> {
    pub severities: &'a [File<'a>],
    pub mappings: &'a [File<'a>],
    /// At most one; it replaces the built-in one.
    pub alertmanager: &'a [File<'a>],
}

/// All formats of one version of the rules.
#[derive(Clone, Debug)]
pub struct Formats {
    pub severities: SeverityMaps,
    pub alertmanager: AlertmanagerRules,
    mappings: BTreeMap<String, Mapping>,
}

impl Formats {
    /// What is compiled in.
    pub fn built_in() -> Self {
        Self::with(&Files::default()).expect("the built-in formats are tested")
    }

    /// The built-in formats and a site's own files; a site's map or mapping replaces the built-in one of its name.
    /// Returns every error of every file.
    pub fn with(files: &Files<'_>) -> Result<Self, Vec<FormatError>> {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);
        let mut maps = Vec::new();
        for (place, yaml) in SEVERITIES.iter().chain(files.severities) {
            SeverityMap::parse(place, yaml).map_or_else(&mut keep, |map| maps.push(map));
        }
        let mut alertmanager = AlertmanagerRules::default();
        for (place, yaml) in ALERTMANAGER.iter().chain(files.alertmanager) {
            AlertmanagerRules::parse(place, yaml).map_or_else(&mut keep, |rules| alertmanager = rules);
        }
        let mut formats = Self { severities: SeverityMaps::of(maps), alertmanager, mappings: BTreeMap::new() };
        for (place, yaml) in MAPPINGS.iter().chain(files.mappings) {
            match Mapping::parse(place, yaml).and_then(|mapping| formats.known_map(place, mapping)) {
                Ok(mapping) => drop(formats.mappings.insert(mapping.mapping.clone(), mapping)),
                Err(error) => keep(error),
            }
        }
        if errors.is_empty() { Ok(formats) } else { Err(errors) }
    }

    fn known_map(&self, place: &str, mapping: Mapping) -> Result<Mapping, FormatError> {
        let unknown = mapping.severity_maps().find(|name| self.severities.named(name).is_none()).map(str::to_owned);
        match unknown {
            None => Ok(mapping),
            Some(name) => Err(FormatError::Value {
                place: place.into(),
                field: "event.severity.uses".into(),
                cause: format!(
                    "there is no severity map {name:?}; there are {}",
                    self.severities.names().collect::<Vec<_>>().join(", ")
                ),
            }),
        }
    }

    /// The mapping of this name.
    pub fn mapping(&self, name: &str) -> Option<&Mapping> {
        self.mappings.get(name)
    }

    /// All mappings, by name.
    pub fn mappings(&self) -> impl Iterator<Item = &Mapping> {
        self.mappings.values()
    }
}
