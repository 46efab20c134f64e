//! What `headwater model` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::lab_arguments::{ChangeArguments, ServerArguments};
use super::model_series::SeriesArguments;
use crate::engine::tuning::MODEL;
use crate::folders::metric::METRIC;

/// What can be trained.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ModelKind {
    /// The learned questions of correlation and root cause.
    Correlation,
    /// The detector of single metric series.
    Metric,
}

impl ModelKind {
    /// Its name, and that of its folder.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Correlation => MODEL,
            Self::Metric => METRIC,
        }
    }
}

/// The model commands.
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Learn from labelled histories and write the next version / 训练
    #[command(
        after_help = "Example:\n  headwater model train correlation --history storms/s1 --history storms/s2 \\\n    \
        --mapping rules/mappings/stormgen.yaml --out models\n\n\
        A history is a folder with alerts.jsonl, truth_alerts.csv (alert_id,incident_id) and cmdb.json when there is one;\n\
        each may be packed (.gz). The same histories and seed give the same model. An estate's own history is seldom long\n\
        enough for the questions; with --delays it teaches how long faults take there, and the questions stay."
    )]
    Train {
        kind: ModelKind,
        #[command(flatten)]
        arguments: TrainArguments,
    },
    /// Name every version in a models folder, with its digest or why it is refused / 列表
    #[command(
        after_help = "Examples:\n  headwater model list --models models\n  headwater model list --in-force --server URL"
    )]
    List {
        #[arg(long, default_value = "models")]
        models: PathBuf,
        /// Those that are and were in force on a running server (the present one with a star), in place of a folder's.
        #[arg(long)]
        in_force: bool,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Print the card of a version, the newest one when none is named / 模型卡
    #[command(
        after_help = "Examples:\n  headwater model card --models models\n  headwater model card metric --models own --version 2"
    )]
    Card {
        #[arg(default_value = "correlation")]
        kind: ModelKind,
        #[arg(long, default_value = "models")]
        models: PathBuf,
        #[arg(long)]
        version: Option<u32>,
    },
    /// Write a version that is or was in force on a running server into a folder, to carry it to another one / 导出
    #[command(
        after_help = "Example:\n  headwater model export metric --out carried\n  tar cf carried.tar carried    # and on the other box:\n  \
        headwater model activate metric --models carried --reason \"from the test site\"\n\n\
        The folder has the model's text, a card that says where it came from, and the digests of both, which are checked again\n\
        wherever it is used: what was cut off or changed on the way is refused."
    )]
    Export {
        kind: ModelKind,
        /// A version of `model list --in-force`; the one in force when none is named. 0: the one that is compiled in.
        #[arg(long)]
        version: Option<u64>,
        /// The models folder that gets it, as `<kind>/<version>/`.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        server: ServerArguments,
    },
    /// Put a version of a folder in force on a running server, kept in its journal / 启用
    #[command(
        after_help = "Example:\n  headwater model activate metric --models own --reason \"a week beside, half the false alarms\"\n\n\
        The newest version when none is named. `headwater shadow start` tries it first, without effects."
    )]
    Activate {
        kind: ModelKind,
        #[arg(long, default_value = "models")]
        models: PathBuf,
        #[arg(long)]
        version: Option<u32>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Put the model before the present one in force again, or an older one / 回退
    #[command(after_help = "Example:\n  headwater model rollback metric --reason \"too loud at night\"")]
    Rollback {
        kind: ModelKind,
        /// A version of `model list --in-force`; 0: the one that is compiled in.
        #[arg(long)]
        version: Option<u64>,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// How the metric model of a running server is doing: its age, drift, what is degraded / 健康
    #[command(after_help = "Example:\n  headwater model health --lang en")]
    Health {
        #[command(flatten)]
        server: ServerArguments,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a metric model from the readings that a running server kept, and try it beside what is valid / 重训
    #[command(after_help = "Example:\n  headwater model retrain metric --reason \"new racks since May\"\n\n\
        It is activated by nobody but you: `headwater shadow report`, then `headwater shadow activate`.")]
    Retrain {
        kind: ModelKind,
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Tell labelled histories by a model; print scores and what went wrong, by kind of fault / 评估
    #[command(
        after_help = "Examples:\n  headwater model evaluate --history storms/s9 --mapping rules/mappings/stormgen.yaml\n  \
        headwater model evaluate --history storms/s9 --mapping rules/mappings/stormgen.yaml --after 0 --after 90\n  \
        headwater model evaluate --synthetic 1000\n  \
        headwater model evaluate --series cpu.csv --plot cpu.svg"
    )]
    Evaluate {
        /// Folder with models, the newest version counts; without it the built-in one.
        #[arg(long)]
        models: Option<PathBuf>,
        #[command(flatten)]
        histories: Histories,
        #[command(flatten)]
        series: SeriesArguments,
        /// Draw the first series with baseline, band, labels, alarms and scores into this SVG file.
        #[arg(long)]
        plot: Option<PathBuf>,
        /// Leave a learned question out: link, kin, tell or lone (repeat for several).
        #[arg(long)]
        without: Vec<String>,
        /// Also as it stood so many seconds after each event, without what came later (repeat for several).
        #[arg(long, value_name = "SECONDS")]
        after: Vec<u32>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Tell labelled histories by two models / 比较
    #[command(after_help = "Example:\n  headwater model compare --models candidate --history storms/s9 --mapping M")]
    Compare {
        /// Folder with models; without it the built-in one.
        #[arg(long)]
        models: Option<PathBuf>,
        /// Folder with the models to compare with; without it the built-in one.
        #[arg(long)]
        against: Option<PathBuf>,
        #[command(flatten)]
        histories: Histories,
        #[command(flatten)]
        series: SeriesArguments,
    },
}

/// What `model train` takes.
#[derive(Args)]
pub struct TrainArguments {
    #[command(flatten)]
    pub histories: Histories,
    #[command(flatten)]
    pub series: SeriesArguments,
    /// False alarms per series and day that a metric model may tell on quiet series.
    #[arg(long, default_value_t = 0.02)]
    pub false_alarms: f64,
    /// Folder with models to start from, the newest version counts; without it the built-in one.
    #[arg(long)]
    pub models: Option<PathBuf>,
    /// The models folder that gets the next version.
    #[arg(long, default_value = "models")]
    pub out: PathBuf,
    /// How often the engine runs over the histories: answers change what is asked next.
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Learn how long faults take along relations, and nothing else: the questions stay those of the model before.
    #[arg(long)]
    pub delays: bool,
    /// Which samples are taken where there are too many.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Also write the samples of the last round into this folder, one CSV file per question.
    #[arg(long)]
    pub samples: Option<PathBuf>,
}

/// Labelled histories.
#[derive(Args)]
pub struct Histories {
    /// Folder of a labelled history (repeat for several).
    #[arg(long, required_unless_present_any = ["series", "synthetic", "data"])]
    pub history: Vec<PathBuf>,
    /// How to read an event line (see rules/mappings/).
    #[arg(long, required_unless_present_any = ["series", "synthetic", "data"])]
    pub mapping: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
}
