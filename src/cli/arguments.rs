//! What can be typed. Every command teaches with an example.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dead_letters::DeadLettersCommand;
use super::lab_arguments::{BacktestArguments, FeedbackCommand, ShadowCommand, SuggestArguments};
use super::model_arguments::ModelCommand;
use super::notify::NotifyCommand;
use super::oncall::OnCallCommand;
use super::source_arguments::SourceCommand;
use super::typed::{lang, time};
use crate::domain::time::Timestamp;
use crate::wording::lang::Lang;

/// Turns alert storms into few incidents, each with its root cause and the evidence for it.
/// 从告警风暴到少数故障,每个都有根因与证据。
#[derive(Parser)]
#[command(
    name = "headwater",
    version,
    about,
    after_help = "\
Start with:   headwater demo
In earnest:   headwater token create --data DIR --role admin --name you
              headwater serve --data DIR
Each command explains itself: headwater serve --help"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

/// What "accepted" survives.
#[derive(Clone, Copy, ValueEnum)]
pub enum Keep {
    /// Loss of power (fsync before the answer).
    Power,
    /// Any end of the process.
    Process,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Watch a generated storm over a sample estate become incidents, on the terminal and in the console / 演示
    #[command(after_help = "Example:\n  headwater demo --listen 127.0.0.1:18080\n\
        then open the link it prints: it signs one browser in. Everything is removed afterwards, also after Ctrl-C.")]
    Demo {
        #[arg(long, default_value = "127.0.0.1:18080")]
        listen: SocketAddr,
        /// Keep the console open after the summary, until Ctrl-C.
        #[arg(long)]
        stay: bool,
        /// Play metrics of two days and a fault that no monitor tells, instead of alerts / 只有指标,没有告警
        #[arg(long)]
        metrics: bool,
    },
    /// Take alerts, tell incidents: journal, engine, API and console in one program / 运行
    Serve(ServeArguments),
    /// Look at configuration, rules, mappings and topology without starting / 检查
    Check(CheckArguments),
    /// Print every setting with its default, as a file to start from / 默认配置
    #[command(after_help = "Example:\n  headwater config > headwater.yaml")]
    Config,
    /// Print the JSON Schema of a file or message; without a name, list them / 配置文件的 JSON Schema
    #[command(after_help = "Examples:\n  headwater schema\n  headwater schema rules > rules.schema.json\n\n\
        An editor with YAML's language server then completes and checks a file whose first line is\n  \
        # yaml-language-server: $schema=rules.schema.json")]
    Schema {
        /// Which one.
        name: Option<String>,
    },
    /// Run the production engine on a recorded stream, as fast as it can / 回测
    Backtest(BacktestArguments),
    /// Play the tests that stand beside rules / 规则测试
    Test(TestArguments),
    /// Suggest rules and relations that a recorded stream gives reason for, each with its proof / 建议
    Suggest(SuggestArguments),
    /// Make every recorded decision again and compare / 重放
    Replay(ReplayArguments),
    /// Copy a data folder, also while it is served, and check the copy / 备份
    Backup(BackupArguments),
    /// Bring a backup into an empty data folder and check it / 恢复
    Restore(RestoreArguments),
    /// Bring the journal of an instance that is alone to a NATS cluster / 迁移到集群
    Migrate(MigrateArguments),
    /// Tell why an event ended where it did: duplicate, muted, held, joined … / 为什么
    Why(WhyArguments),
    /// Tell why something did not happen, and what would have changed that / 为什么没有
    WhyNot(WhyNotArguments),
    /// Let rules or a model run beside what is valid on a running server; see how they differ, activate, take back / 旁路试运行
    Shadow {
        #[command(subcommand)]
        command: ShadowCommand,
    },
    /// What a receiver would be sent, and whether it can be reached / 消息预览与测试
    Notify {
        #[command(subcommand)]
        command: NotifyCommand,
    },
    /// Who has duty now and later, and where nobody has / 值班
    Oncall {
        #[command(subcommand)]
        command: OnCallCommand,
    },
    /// What could not be taken, and trying it again / 死信
    DeadLetters {
        #[command(subcommand)]
        command: DeadLettersCommand,
    },
    /// What people corrected, as labelled data / 反馈
    Feedback {
        #[command(subcommand)]
        command: FeedbackCommand,
    },
    /// Sources: what sends, a mapping to start from a sample, trials that tell nobody / 来源
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Credentials for people and sources / 令牌
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Look at a CMDB file / 拓扑文件
    Topology {
        #[command(subcommand)]
        command: TopologyCommand,
    },
    /// Train, look at, evaluate and compare models / 模型
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Print shell completions / 命令补全
    #[command(after_help = "Example:\n  headwater completions bash > /etc/bash_completion.d/headwater")]
    Completions { shell: clap_complete::Shell },
    /// Print the man page, or write all of them / 手册页
    #[command(after_help = "Examples:\n  headwater man | man -l -\n  headwater man --to /usr/local/share/man/man1")]
    Man(ManArguments),
}

/// What `serve` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  headwater serve --data /var/lib/headwater\n  \
    headwater serve --data DIR --listen 0.0.0.0:8080 --topology cmdb.json --rules rules\n  \
    headwater serve --data DIR --topology bk.json --topology-mapping topology/mappings/bk-cmdb.yaml\n  \
    headwater serve --config /etc/headwater.yaml\n\n\
    Flags win over variables (HEADWATER__LISTEN), these over the file, the file over the defaults (headwater config).\n\
    Rules, topology and mappings are read again when they change, and on SIGHUP; bad ones are refused with their place.\n\
    On another address than this machine's own a token must exist first: headwater token create --help")]
pub struct ServeArguments {
    /// Settings; what is not in it has its default.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Folder for the journal and everything else; made when it is not there.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Address of API and console, 127.0.0.1:8080 by default.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// What "accepted" survives, power by default.
    #[arg(long, value_enum)]
    pub durability: Option<Keep>,
    /// Folder of rules instead of the built-in ones.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// CMDB file.
    #[arg(long)]
    pub topology: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
    /// Folder of mappings beside the built-in ones.
    #[arg(long)]
    pub mappings: Option<PathBuf>,
}

/// What `check` takes.
#[derive(Args)]
#[command(after_help = "Examples:\n  headwater check --config /etc/headwater.yaml\n  \
    headwater check --rules rules --topology cmdb.json --mappings mappings --strict\n\n\
    Prints every error as `file:line:column: what; remedy` and fails when there is one; warnings are rules that never\n\
    apply, say the same twice or contradict themselves, and settings that are dangerous together.")]
pub struct CheckArguments {
    /// Settings file; names the folders below, too.
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Folder of rules, with their tests, mappings and severity maps.
    #[arg(long)]
    pub rules: Option<PathBuf>,
    /// CMDB file.
    #[arg(long)]
    pub topology: Option<PathBuf>,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
    /// Folder of mappings.
    #[arg(long)]
    pub mappings: Option<PathBuf>,
    /// Fail on warnings, too.
    #[arg(long)]
    pub strict: bool,
}

/// What `test` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater test rules/\n\n\
    Plays rules/tests/*.test.yaml with the rules of rules/, says what came out otherwise and at which line of the test,\n\
    and fails when anything did. The format: rules/tests/README.md")]
pub struct TestArguments {
    /// Rules folders, each with its tests in the subfolder `tests`.
    #[arg(required = true)]
    pub rules: Vec<PathBuf>,
    /// Also list the tests that hold.
    #[arg(long, short)]
    pub verbose: bool,
}

/// What `replay` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater replay DIR\n\n\
    Every decision is made again; fails when one differs from what was committed. Nothing is written and nobody is told; the\n\
    server may run meanwhile. To try other rules or models on what was recorded: headwater backtest --data DIR --against live.")]
pub struct ReplayArguments {
    /// Data folder.
    pub data: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What `backup` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater backup /var/lib/headwater --to /backup/2026-01-05\n\n\
    Journal, outbox, snapshots, topologies, rules, archive and the hashes of tokens. The history is not in it: it is\n\
    made again from these.")]
pub struct BackupArguments {
    /// Data folder; the server may run.
    pub data: PathBuf,
    /// Folder that is made; it must not be there yet.
    #[arg(long)]
    pub to: PathBuf,
}

/// What `restore` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater restore /backup/2026-01-05 --data /var/lib/headwater\n\n\
    The folder must hold no store: move the old one away first.")]
pub struct RestoreArguments {
    /// A folder that `headwater backup` made.
    pub from: PathBuf,
    /// Data folder to make.
    #[arg(long)]
    pub data: PathBuf,
}

/// What `migrate` takes.
#[derive(Args)]
#[command(after_help = "Example:\n  headwater migrate --config /etc/headwater.yaml --data /var/lib/headwater\n\n\
    The server must be stopped. The configuration names the NATS servers. State, rules, topologies and numbers go on as they\n\
    are; the old files are put aside in the folder, which is one of an instance of the cluster from then on (cluster.on).")]
pub struct MigrateArguments {
    /// The configuration with `nats` and `cluster`.
    #[arg(long)]
    pub config: PathBuf,
    /// The data folder, when the configuration does not name it.
    #[arg(long)]
    pub data: Option<PathBuf>,
}

/// What `why` takes.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  headwater why --data DIR e12.0\n  headwater why --data DIR --lang en zabbix-4711\n\n\
    Reads the history beside a running server: every check with its numbers, in the order of the stages."
)]
pub struct WhyArguments {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// zh or en.
    #[arg(long, env = "HEADWATER_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
    /// The source's own id, e<seq>.<index> as in the receipt, <seq>-<index>, or an alert's id.
    pub event: String,
}

/// What `why-not` takes.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  headwater why-not --data DIR a0-17                    why was nobody told of the alert?\n  \
        headwater why-not --data DIR a0-17 --incident i0-3    why is it no part of the incident?\n  \
        headwater why-not --data DIR --incident i0-3 --ci db-1  why is the CI not the root cause?\n  \
        headwater why-not --data DIR a0-17 --path             how did it come where it is?\n\n\
    The recorded journal is replayed up to the moment at which the engine had settled it (or --at), and the engine itself\n\
    is asked: the numbers are those that decided. Reads only; the server may run."
)]
pub struct WhyNotArguments {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    #[arg(long, default_value = "default")]
    pub tenant: String,
    /// zh or en.
    #[arg(long, env = "HEADWATER_LANG", default_value = "zh", value_parser = lang)]
    pub lang: Lang,
    /// The alert, or an event of it: the source's own id or e<seq>.<index>.
    pub alert: Option<String>,
    #[arg(long)]
    pub incident: Option<String>,
    /// A CI's id.
    #[arg(long)]
    pub ci: Option<String>,
    /// Tell how the alert came where it is.
    #[arg(long)]
    pub path: bool,
    /// Ask the state at another moment, for example 2026-01-05T10:00:00Z.
    #[arg(long, value_parser = time)]
    pub at: Option<Timestamp>,
}

/// What `man` takes.
#[derive(Args)]
pub struct ManArguments {
    /// Write a page for every command into this folder.
    #[arg(long)]
    pub to: Option<PathBuf>,
}

/// The token commands.
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make a credential and print its token, once, as the last word.
    #[command(after_help = "Examples:\n  headwater token create --data DIR --role source --name zabbix\n  \
        headwater token create --data DIR --role operator --name li --org city-a --org city-b\n  \
        headwater token create --data DIR --role operator --name soc --area security")]
    Create {
        #[arg(long)]
        data: PathBuf,
        /// viewer, operator, analyst, admin or source.
        #[arg(long)]
        role: String,
        /// A person's name, or the source's.
        #[arg(long)]
        name: String,
        #[arg(long, default_value = "default")]
        tenant: String,
        /// Only these organisations' records (repeat for several).
        #[arg(long)]
        org: Vec<String>,
        /// Only records of these areas: facility, cloud, application, support, security (repeat for several).
        #[arg(long)]
        area: Vec<String>,
        /// A key of 32 characters, for senders that take nothing longer (role source only).
        #[arg(long)]
        short: bool,
    },
    /// List credentials, without their tokens.
    #[command(after_help = "Example:\n  headwater token list --data DIR")]
    List {
        #[arg(long)]
        data: PathBuf,
        /// Print one JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// End a credential.
    #[command(
        after_help = "Example:\n  headwater token revoke --data DIR 5f0c1d2e3a4b\nThe id is what `token list` shows."
    )]
    Revoke {
        #[arg(long)]
        data: PathBuf,
        id: String,
    },
}

/// The topology commands.
#[derive(Subcommand)]
pub enum TopologyCommand {
    /// Print the demo's sample estate: a CMDB file to start from.
    #[command(after_help = "Example:\n  headwater topology sample > cmdb.json")]
    Sample,
    /// Say whether the file can be used.
    #[command(after_help = "Example:\n  headwater topology check cmdb.json.gz")]
    Check {
        #[command(flatten)]
        cmdb: CmdbFile,
    },
    /// Say how good its content is: orphans, cycles, dangling relations, CIs without owner …
    #[command(after_help = "Example:\n  headwater topology report cmdb.yaml")]
    Report {
        #[command(flatten)]
        cmdb: CmdbFile,
    },
    /// What a failure of this CI may hit.
    #[command(after_help = "Example:\n  headwater topology impact cmdb.yaml ups-1a")]
    Impact {
        #[command(flatten)]
        cmdb: CmdbFile,
        ci: String,
    },
    /// What may have failed this CI.
    #[command(after_help = "Example:\n  headwater topology causes cmdb.yaml web-7")]
    Causes {
        #[command(flatten)]
        cmdb: CmdbFile,
        ci: String,
    },
}

/// A CMDB file that is looked at.
#[derive(Args)]
pub struct CmdbFile {
    /// YAML or JSON, .gz is fine.
    pub file: PathBuf,
    /// Names of a foreign CMDB export (see topology/mappings/).
    #[arg(long)]
    pub topology_mapping: Option<PathBuf>,
}
