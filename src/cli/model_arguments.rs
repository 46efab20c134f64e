//! What `headwater model` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::model_series::SeriesArguments;

/// What can be trained.
#[derive(Clone, Copy, ValueEnum)]
pub enum ModelKind {
    /// The learned questions of correlation and root cause.
    Correlation,
    /// The detector of single metric series.
    Metric,
}

/// The model commands.
#[derive(Subcommand)]
pub enum ModelCommand {
    /// Learn from labelled histories and write the next version / 训练
    #[command(
        after_help = "Example:\n  headwater model train correlation --history storms/s1 --history storms/s2 \\\n    \
        --mapping rules/mappings/stormgen.yaml --out models\n\n\
        A history is a folder with alerts.jsonl, truth_alerts.csv (alert_id,incident_id) and cmdb.json when there is one;\n\
        each may be packed (.gz). The same histories and seed give the same model."
    )]
    Train {
        kind: ModelKind,
        #[command(flatten)]
        arguments: TrainArguments,
    },
    /// Name every version in a models folder, with its digest or why it is refused / 列表
    #[command(after_help = "Example:\n  headwater model list --models models")]
    List {
        #[arg(long, default_value = "models")]
        models: PathBuf,
    },
    /// Print the card of the newest version / 模型卡
    #[command(after_help = "Example:\n  headwater model card --models models")]
    Card {
        #[arg(long, default_value = "models")]
        models: PathBuf,
    },
    /// Tell labelled histories by a model; print scores and what went wrong, by kind of fault / 评估
    #[command(
        after_help = "Examples:\n  headwater model evaluate --history storms/s9 --mapping rules/mappings/stormgen.yaml\n  \
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
    #[arg(long, required_unless_present_any = ["series", "synthetic"])]
    pub history: Vec<PathBuf>,
    /// How to read an event line (see rules/mappings/).
    #[arg(long, required_unless_present_any = ["series", "synthetic"])]
    pub mapping: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
}
