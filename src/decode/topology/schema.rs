//! `topology/classes.yaml` and `topology/relations.yaml` to a schema.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_saphyr::Spanned;

use super::LoadError;
use crate::domain::ci::Area;
use crate::domain::time::Span;
use crate::domain::topology::schema::{
    Class, Flow, Mode, Need, Override, ROOT_PRIOR_GENERIC, Redundancy, RelationType, Schema, Travel,
};

/// The highest layer: business.
const LAYER_MAX: u8 = 6;

/// Reads a small YAML file as a whole.
pub(super) fn yaml<T: DeserializeOwned>(file: &str, bytes: &[u8]) -> Result<T, LoadError> {
    let error = |line: u32, why: String| LoadError { file: file.to_owned(), line, why };
    let text = std::str::from_utf8(bytes).map_err(|e| error(0, format!("not UTF-8: {e}")))?;
    serde_saphyr::from_str(text)
        .map_err(|e| error(e.location().map_or(0, |at| at.line() as u32), e.without_snippet().to_string()))
}

/// A class as written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassText {
    id: Box<str>,
    zh: Box<str>,
    en: Box<str>,
    #[serde(default)]
    area: Option<Area>,
    layer: u8,
    #[serde(default = "root_prior_generic")]
    root_prior: i32,
    #[serde(default)]
    is_service: bool,
    #[serde(default)]
    keys: Vec<Box<str>>,
    #[serde(default)]
    owner: Option<Box<str>>,
    #[serde(default)]
    causes: Vec<Box<str>>,
    #[serde(default)]
    like: Option<Box<str>>,
    #[serde(default)]
    optional: bool,
}

fn root_prior_generic() -> i32 {
    ROOT_PRIOR_GENERIC
}

impl From<ClassText> for Class {
    fn from(text: ClassText) -> Self {
        Self {
            id: text.id,
            zh: text.zh,
            en: text.en,
            area: text.area,
            layer: text.layer.min(LAYER_MAX),
            root_prior: text.root_prior.clamp(0, 1000),
            is_service: text.is_service,
            keys: text.keys,
            owner: text.owner,
            causes: text.causes,
            like: text.like,
            optional: text.optional,
            declared: true,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum FlowText {
    Forward,
    Backward,
    Both,
    None,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ModeText {
    Hard,
    Soft,
    Visibility,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RedundancyText {
    None,
    AtLeast(u32),
    Share(u32),
}

/// A relation type, or an override of one: what an override leaves out is as the type says.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RelationText {
    id: Box<str>,
    zh: Box<str>,
    en: Box<str>,
    inverse: Option<Box<str>>,
    cycles_expected: bool,
    encloses: bool,
    /// Classes of the cause and effect ends; only in overrides.
    cause: Vec<Box<str>>,
    effect: Vec<Box<str>>,
    flows: Option<FlowText>,
    delay_min_secs: Option<i64>,
    delay_typ_secs: Option<i64>,
    delay_max_secs: Option<i64>,
    touch: Option<i32>,
    pass: Option<i32>,
    touch_redundant: Option<i32>,
    pass_redundant: Option<i32>,
    mode: Option<ModeText>,
    redundancy: Option<RedundancyText>,
    infers: Option<bool>,
    #[schemars(with = "Vec<RelationText>")]
    overrides: Vec<Spanned<RelationText>>,
}

impl Schema {
    /// Reads the classes and relation types, each given with the name of its file.
    ///
    /// # Errors
    /// Every wrong entry with its file and line.
    pub fn parse(classes: (&str, &[u8]), relations: (&str, &[u8])) -> Result<Self, Vec<LoadError>> {
        let class_texts: Vec<Spanned<ClassText>> = yaml(classes.0, classes.1).map_err(|e| vec![e])?;
        let type_texts: Vec<Spanned<RelationText>> = yaml(relations.0, relations.1).map_err(|e| vec![e])?;
        let mut errors = Vec::new();
        let known: Vec<Box<str>> = class_texts.iter().map(|c| c.value.id.clone()).collect();
        check_classes(classes.0, &class_texts, &known, &mut errors);
        let mut types: Vec<RelationType> = Vec::new();
        for text in type_texts {
            let mut at = Checked { file: relations.0, line: text.referenced.line() as u32, errors: &mut errors };
            if types.iter().any(|t| t.id == text.value.id) {
                at.wrong(format!("relation type {:?} is defined twice", text.value.id));
            }
            types.push(relation_type(text.value, &known, &mut at));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self::of(class_texts.into_iter().map(|c| c.value.into()).collect(), types))
    }
}

/// Where errors of one entry go.
struct Checked<'e> {
    file: &'e str,
    line: u32,
    errors: &'e mut Vec<LoadError>,
}

impl Checked<'_> {
    fn wrong(&mut self, why: String) {
        self.errors.push(LoadError { file: self.file.to_owned(), line: self.line, why });
    }
}

fn check_classes(file: &str, texts: &[Spanned<ClassText>], known: &[Box<str>], errors: &mut Vec<LoadError>) {
    for (number, text) in texts.iter().enumerate() {
        let class = &text.value;
        let mut at = Checked { file, line: text.referenced.line() as u32, errors };
        if known[..number].contains(&class.id) {
            at.wrong(format!("class {:?} is defined twice", class.id));
        }
        if class.layer > LAYER_MAX {
            at.wrong(format!("class {:?}: layer {} is above {LAYER_MAX}", class.id, class.layer));
        }
        if !(0..=1000).contains(&class.root_prior) {
            at.wrong(format!("class {:?}: root_prior {} is not from 0 to 1000", class.id, class.root_prior));
        }
        if let Some(like) = class.like.as_ref().filter(|like| !known.contains(like)) {
            at.wrong(format!("class {:?} is like {like:?}, which is no class", class.id));
        }
    }
}

fn relation_type(text: RelationText, known: &[Box<str>], at: &mut Checked<'_>) -> RelationType {
    if text.id.is_empty() || !text.cause.is_empty() || !text.effect.is_empty() {
        at.wrong("a relation type needs an id; `cause` and `effect` belong to overrides".into());
    }
    let (own, overrides) = (text.clone(), text.overrides);
    let travel = travel(&own, None, at);
    let mut all = Vec::new();
    for one in overrides {
        at.line = one.referenced.line() as u32;
        for class in one.value.cause.iter().chain(&one.value.effect).filter(|class| !known.contains(class)) {
            at.wrong(format!("relation type {:?}: {class:?} is no class", own.id));
        }
        let travel = self::travel(&one.value, Some(&travel), at);
        all.push(Override { causes: one.value.cause, effects: one.value.effect, travel });
    }
    RelationType {
        id: own.id,
        zh: own.zh,
        en: own.en,
        inverse: own.inverse,
        travel,
        overrides: all,
        cycles_expected: own.cycles_expected,
        encloses: own.encloses,
    }
}

/// What an entry says, or else `usual`. Strength in a group, when not said: half of `touch`, an eighth of `pass`.
fn travel(text: &RelationText, usual: Option<&Travel>, at: &mut Checked<'_>) -> Travel {
    let secs = |own: Option<i64>, usual: Option<Span>| own.map(Span::secs).or(usual).unwrap_or_default();
    let touch = text.touch.or(usual.map(|u| u.touch)).unwrap_or(0);
    let pass = text.pass.or(usual.map(|u| u.pass)).unwrap_or(touch);
    let spared = usual.filter(|_| text.touch.is_none() && text.pass.is_none());
    let made = Travel {
        flow: match text.flows {
            Some(FlowText::Forward) => Flow::Forward,
            Some(FlowText::Backward) => Flow::Backward,
            Some(FlowText::Both) => Flow::Both,
            Some(FlowText::None) => Flow::None,
            None => usual.map_or(Flow::Forward, |u| u.flow),
        },
        delay_min: secs(text.delay_min_secs, usual.map(|u| u.delay_min)),
        delay_typ: secs(text.delay_typ_secs, usual.map(|u| u.delay_typ)),
        delay_max: secs(text.delay_max_secs, usual.map(|u| u.delay_max)),
        touch,
        pass,
        touch_redundant: text.touch_redundant.or(spared.map(|u| u.touch_redundant)).unwrap_or(touch / 2),
        pass_redundant: text.pass_redundant.or(spared.map(|u| u.pass_redundant)).unwrap_or(pass / 8),
        mode: match text.mode {
            Some(ModeText::Hard) => Mode::Hard,
            Some(ModeText::Soft) => Mode::Soft,
            Some(ModeText::Visibility) => Mode::Visibility,
            None => usual.map_or(Mode::Hard, |u| u.mode),
        },
        redundancy: match text.redundancy {
            Some(RedundancyText::None) => Redundancy::None,
            Some(RedundancyText::AtLeast(n)) => Redundancy::KOfN { need: Need::AtLeast(n) },
            Some(RedundancyText::Share(pm)) => Redundancy::KOfN { need: Need::Share(pm) },
            None => usual.map_or(Redundancy::None, |u| u.redundancy),
        },
        infers: text.infers.or(usual.map(|u| u.infers)).unwrap_or(true),
    };
    let ordered = Span(0) <= made.delay_min && made.delay_min <= made.delay_typ && made.delay_typ <= made.delay_max;
    let within = |touch: i32, pass: i32| 0 <= pass && pass <= touch && touch <= 1000;
    if !ordered || !within(made.touch, made.pass) || !within(made.touch_redundant, made.pass_redundant) {
        at.wrong("wanted: 0 <= delay_min <= delay_typ <= delay_max, and 0 <= pass <= touch <= 1000".into());
    }
    made
}
