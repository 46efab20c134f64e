//! Expressions (CEL) for conditions that matchers cannot say, checked when a rule is read.
//!
//! Limits: 4 KiB, depth 32, 512 nodes, comprehensions at most one deep, 10,000 steps in the worst case. An
//! evaluation that fails (a missing label, a wrong type) means that the rule does not match; it is counted.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Env, Program, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::variables::{self, Variables};
use crate::domain::matcher::Fields;

const BYTES_MAX: usize = 4096;
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 512;
const COMPREHENSIONS_DEEP_MAX: usize = 1;
const STEPS_MAX: u64 = 10_000;
/// The length that a list is taken to have when the expression does not say.
const LIST_LEN_MAX: u64 = 1000;

/// Functions that a rule may call, beside operators. `matches` is not among them: it would compile its pattern
/// for every event.
const FUNCTIONS: &[&str] = &["size", "startsWith", "endsWith", "contains", "int", "uint", "double", "string", "bool"];

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A checked, compiled expression.
#[derive(Clone)]
pub struct Expression {
    text: Box<str>,
    program: Arc<Program>,
}

/// An evaluation that gave neither true nor false.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EvaluationError(pub String);

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Expression {
    /// Checks and compiles.
    ///
    /// # Errors
    /// Says what is wrong, where in the expression, and what to do.
    pub fn compile(text: &str) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err(format!("the expression is longer than {BYTES_MAX} bytes; split the rule"));
        }
        // The parser is a guest: should it panic on some text, the text is refused.
        let parsed = catch_unwind(AssertUnwindSafe(|| ENV.compile(text)));
        let program = parsed.map_err(|_| "the expression cannot be read; simplify it".to_owned())?.map_err(|e| {
            format!("not an expression: {}; see the examples in rules/README.md", one_line(&e.to_string()))
        })?;
        let mut check = Check::default();
        let steps = check.walk(program.expression(), 1, 0)?;
        if steps > STEPS_MAX {
            return Err(format!("the expression may take {steps} steps, at most {STEPS_MAX}; shorten its lists"));
        }
        Ok(Self { text: text.into(), program: Arc::new(program) })
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the expression holds for these fields. Never panics.
    ///
    /// # Errors
    /// When the evaluation fails or its value is not a truth value.
    pub fn holds(&self, fields: &dyn Fields) -> Result<bool, EvaluationError> {
        let variables = Variables::of(fields);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(ENV.clone());
            context.set_variable_resolver(&variables);
            self.program.execute(&context)
        }));
        match outcome {
            Ok(Ok(Value::Bool(holds))) => Ok(holds),
            Ok(Ok(_)) => Err(EvaluationError("its value is not true or false".into())),
            Ok(Err(error)) => Err(EvaluationError(one_line(&error.to_string()))),
            Err(_) => Err(EvaluationError("the evaluation panicked".into())),
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

impl JsonSchema for Expression {
    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An expression (CEL) for what matchers cannot say, for example `severity >= major && size(labels.zone) > 0`.",
            "type": "string",
            "maxLength": BYTES_MAX,
        })
    }
}

impl<'de> Deserialize<'de> for Expression {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::compile(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Walks the tree once, counting.
#[derive(Default)]
struct Check {
    nodes: usize,
    bound: Vec<String>,
}

impl Check {
    /// Worst-case steps of the expression.
    fn walk(&mut self, expression: &IdedExpr, depth: usize, comprehensions: usize) -> Result<u64, String> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            return Err(format!("the expression is nested deeper than {DEPTH_MAX}; simplify it"));
        }
        if self.nodes > NODES_MAX {
            return Err(format!("the expression has more than {NODES_MAX} parts; split the rule"));
        }
        let mut steps: u64 = 1;
        let mut parts: Vec<&IdedExpr> = Vec::new();
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => self.known(name)?,
            Expr::Select(select) => parts.push(&select.operand),
            Expr::Call(call) => {
                allowed(&call.func_name)?;
                parts.extend(call.target.as_deref());
                parts.extend(&call.args);
            }
            Expr::List(list) => parts.extend(&list.elements),
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        parts.extend([&entry.key, &entry.value]);
                    }
                }
            }
            Expr::Struct(_) => return Err("an expression cannot make structures; compare fields instead".into()),
            Expr::Comprehension(comprehension) => return self.walk_comprehension(comprehension, depth, comprehensions),
        }
        for part in parts {
            steps = steps.saturating_add(self.walk(part, depth + 1, comprehensions)?);
        }
        Ok(steps)
    }

    fn walk_comprehension(
        &mut self,
        comprehension: &cel::common::ast::ComprehensionExpr,
        depth: usize,
        comprehensions: usize,
    ) -> Result<u64, String> {
        if comprehensions >= COMPREHENSIONS_DEEP_MAX {
            return Err("all, exists, map and filter cannot be nested; use one of them at a time".into());
        }
        let range = self.walk(&comprehension.iter_range, depth + 1, comprehensions + 1)?;
        let before = self.bound.len();
        self.bound.extend([comprehension.iter_var.clone(), comprehension.accu_var.clone()]);
        self.bound.extend(comprehension.iter_var2.clone());
        let mut inner: u64 = 1;
        for part in
            [&comprehension.accu_init, &comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
        {
            inner = inner.saturating_add(self.walk(part, depth + 1, comprehensions + 1)?);
        }
        self.bound.truncate(before);
        Ok(range.saturating_add(list_len(&comprehension.iter_range.expr).saturating_mul(inner)))
    }

    fn known(&self, name: &str) -> Result<(), String> {
        if variables::is_known(name) || self.bound.iter().any(|b| b == name) {
            return Ok(());
        }
        Err(format!("unknown name {name:?}; known: {}, and labels.x, annotations.x, object.x", variables::names()))
    }
}

/// At most how many elements a list has.
fn list_len(expression: &Expr) -> u64 {
    match expression {
        Expr::List(list) => list.elements.len() as u64,
        Expr::Map(map) => map.entries.len() as u64,
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Struct(_) => LIST_LEN_MAX,
    }
}

fn allowed(function: &str) -> Result<(), String> {
    let operator = function.starts_with(['_', '!', '-', '@']);
    if operator || FUNCTIONS.contains(&function) {
        return Ok(());
    }
    if function == "matches" {
        return Err("matches() is not allowed in an expression; use a matcher: { field: \"~ pattern\" }".into());
    }
    Err(format!("unknown function {function:?}; known: {}", FUNCTIONS.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, MetricRef};
    use crate::domain::severity::Severity;
    use crate::domain::time::Timestamp;

    fn event() -> Event {
        let mut event = Event::new("t".into(), "probe".into(), "Link down", Timestamp(0));
        event.severity = Severity::Major;
        event.labels.insert("service", "payroll");
        event.labels.insert("k8s-app", "web");
        event.object.ip = Some("10.0.0.1".into());
        event.metric = Some(MetricRef { name: "cpu".into(), value: Some(97.5), ..MetricRef::default() });
        event
    }

    fn check(text: &str, want: Result<bool, &str>) {
        let expression = Expression::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        let got = expression.holds(&event());
        match (&got, want) {
            (Ok(got), Ok(want)) => assert_eq!(*got, want, "{text}"),
            (Err(EvaluationError(got)), Err(want)) => assert!(got.to_lowercase().contains(want), "{text}: {got}"),
            _ => panic!("{text}: {got:?}"),
        }
    }

    #[test]
    fn expressions_see_the_fields() {
        check("severity >= major && labels.service.startsWith('pay')", Ok(true));
        check("severity == critical", Ok(false));
        check("source == 'probe' || name == 'x'", Ok(true));
        check("labels['k8s-app'] == 'web'", Ok(true));
        check("'service' in labels && !('zone' in labels)", Ok(true));
        check("has(labels.service) && !has(labels.zone)", Ok(true));
        check("object.ip == '10.0.0.1'", Ok(true));
        check("metric.value > 95.0", Ok(true));
        check("area == '' && criticality == 0", Ok(true));
        check("['a', 'probe'].exists(s, s == source)", Ok(true));
        check("name in ['Link down', 'Link up']", Ok(true));
        check("size(name) > 3 ? true : false", Ok(true));
    }

    #[test]
    fn a_failing_evaluation_is_an_error_never_a_panic() {
        check("labels.zone == 'a'", Err("zone"));
        check("1 / 0 > 1", Err("zero"));
        check("9223372036854775807 + 1 > 0", Err("overflow"));
        check("name > 3", Err("overload"));
        check("severity", Err("not true or false"));
        check("metric.threshold > 1.0", Err("threshold"));
        check("int(name) > 1", Err(""));
    }

    #[test]
    fn what_could_run_long_is_refused() {
        let check = |text: &str, says: &str| {
            let error = Expression::compile(text).expect_err(text);
            assert!(error.contains(says), "{text:.80}: {error}");
        };
        let list = |n: usize| format!("[{}]", vec!["1"; n].join(","));
        check(&"(".repeat(3000), "not an expression");
        check(&"a".repeat(5000), "longer than");
        check(&format!("{}1{}== 1", "[".repeat(40), "]".repeat(40)), "");
        check(&vec!["true"; 400].join(" && "), "");
        check("[1,2].all(a, [1,2].all(b, a == b))", "cannot be nested");
        check("[1].map(a, [1].map(b, [1].map(c, 1))) == []", "cannot be nested");
        check("[[1]].exists(a, a.exists(b, b == 1))", "cannot be nested");
        check("[[1].map(a, a)].all(x, true)", "cannot be nested");
        check(
            &format!("{}.all(x, x > 0 && x < 9 && x != 5 && x + x + x + x + x + x + x + x + x + x > 3)", list(400)),
            "",
        );
        check("labels.all(k, k + k + k + k + k + k + k + k != 'x')", "steps");
        check("title.matches('(a+)+$')", "use a matcher");
        check("timestamp('2026-01-01T00:00:00Z') > timestamp('2026-01-01T00:00:00Z')", "unknown function");
        check("hostname == 'a'", "unknown name");
        check("a.b.c{x: 1} == 1", "");
    }
}
