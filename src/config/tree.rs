//! The settings as a tree in which each value knows where it was written: files are laid over each other, and
//! environment variables over the files. Knows nothing of which settings exist.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{ConfigError, KeyPath, Origin, Segment};

/// What every variable that overrides a setting begins with.
pub(super) const PREFIX: &str = "ALCH__";

/// A value and where it was written.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) origin: Origin,
    pub(super) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(BTreeMap<String, Node>),
    Array(Vec<Node>),
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date, a time, or both, as written; what it is for decides how it is read.
    Moment(String),
}

impl Default for Value {
    fn default() -> Self {
        Self::Table(BTreeMap::new())
    }
}

impl Value {
    /// The kind of value, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "a list",
            Self::Text(_) => "a text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Moment(_) => "a date or time",
        }
    }
}

impl Node {
    /// Reads one file. All syntax errors are reported, without quoting the line: it may hold a secret.
    pub(super) fn from_toml(file: &str, text: &str) -> (Self, Vec<ConfigError>) {
        let (table, errors) = DeTable::parse_recoverable(text);
        let line = |at: usize| Origin::Line(file.to_owned(), line_of(text, at));
        let errors = errors
            .into_iter()
            .map(|error| ConfigError {
                origin: error.span().map_or_else(|| Origin::File(file.to_owned()), |span| line(span.start)),
                key: KeyPath::default(),
                problem: format!("this is not TOML: {}", error.message()),
                mend: "Mend the line; texts need quotes.".to_owned(),
            })
            .collect();
        let mut root = Self::table(table.get_ref(), &line);
        root.origin = Origin::File(file.to_owned());
        (root, errors)
    }

    fn table(table: &DeTable<'_>, line: &dyn Fn(usize) -> Origin) -> Self {
        let entries = table.iter().map(|(key, value)| {
            let mut node = Self::value(value, line);
            node.origin = line(key.span().start);
            (key.get_ref().to_string(), node)
        });
        Self { origin: Origin::Default, value: Value::Table(entries.collect()) }
    }

    fn value(value: &Spanned<DeValue<'_>>, line: &dyn Fn(usize) -> Origin) -> Self {
        let origin = line(value.span().start);
        let value = match value.get_ref() {
            DeValue::Table(table) => Self::table(table, line).value,
            DeValue::Array(items) => Value::Array(items.iter().map(|item| Self::value(item, line)).collect()),
            DeValue::String(text) => Value::Text(text.to_string()),
            // A number too large for 64 bits stays a text, and is refused where a number is wanted.
            DeValue::Integer(number) => i64::from_str_radix(&number.as_str().replace('_', ""), number.radix())
                .map_or_else(|_| Value::Text(number.to_string()), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or_else(|_| Value::Text(number.to_string()), Value::Float)
            }
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        };
        Self { origin, value }
    }

    /// Lays another tree over this one: tables are joined, everything else is replaced.
    pub(super) fn overlay(&mut self, over: Self) {
        match (&mut self.value, over.value) {
            (Value::Table(below), Value::Table(above)) => {
                for (key, node) in above {
                    match below.get_mut(&key) {
                        Some(known) => known.overlay(node),
                        None => {
                            below.insert(key, node);
                        }
                    }
                }
            }
            (value, above) => {
                *value = above;
                self.origin = over.origin;
            }
        }
    }

    /// Takes over every variable that begins with [`PREFIX`]. A variable finds the key that is there whatever its case,
    /// and `-` or `_` alike; otherwise it makes a new key, which the reader knows or refuses.
    pub(super) fn override_from(&mut self, variables: &BTreeMap<String, String>) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (name, text) in variables {
            let Some(path) = name.strip_prefix(PREFIX) else { continue };
            let segments: Vec<&str> = path.split("__").collect();
            let origin = Origin::Variable(name.clone());
            let refused = |problem: &str| ConfigError {
                origin: origin.clone(),
                key: KeyPath::default(),
                problem: problem.to_owned(),
                mend: "Write ALCH__SECTION__KEY, such as ALCH__SLACK__CHANNEL.".to_owned(),
            };
            if segments.iter().any(|segment| segment.is_empty()) {
                errors.push(refused("this names no setting"));
                continue;
            }
            match self.enter(&segments, &origin) {
                Some(node) => {
                    node.value = from_variable(text, &origin);
                    node.origin = origin;
                }
                None => errors.push(refused("this leads through a setting that is no table")),
            }
        }
        errors
    }

    fn enter(&mut self, segments: &[&str], origin: &Origin) -> Option<&mut Self> {
        let Some((first, rest)) = segments.split_first() else { return Some(self) };
        match &mut self.value {
            Value::Table(entries) => {
                let wanted = folded(first);
                let key = entries.keys().find(|key| folded(key) == wanted).cloned();
                let key = key.unwrap_or_else(|| first.to_lowercase());
                let node = entries.entry(key).or_insert_with(|| Self { origin: origin.clone(), ..Self::default() });
                node.enter(rest, origin)
            }
            Value::Array(items) => items.get_mut(first.parse::<usize>().ok()?)?.enter(rest, origin),
            Value::Text(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Moment(_) => None,
        }
    }

    /// The node at a path.
    pub(super) fn at(&self, path: &[Segment]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        match (&self.value, first) {
            (Value::Table(entries), Segment::Key(key)) => entries.get(key)?.at(rest),
            (Value::Array(items), Segment::Index(index)) => items.get(*index)?.at(rest),
            _ => None,
        }
    }

    /// Puts a value at a path whose parent is there, and says whether it could.
    pub(super) fn put(&mut self, path: &[Segment], value: Option<Value>) -> bool {
        match (&mut self.value, path) {
            (Value::Table(entries), [Segment::Key(key)]) => match value {
                Some(value) => {
                    let origin = entries.get(key).map(|node| node.origin.clone()).unwrap_or_default();
                    entries.insert(key.clone(), Self { origin, value });
                    true
                }
                None => entries.remove(key).is_some(),
            },
            (Value::Table(entries), [Segment::Key(key), rest @ ..]) => {
                entries.get_mut(key).is_some_and(|node| node.put(rest, value))
            }
            (Value::Array(items), [Segment::Index(index), rest @ ..]) => match items.get_mut(*index) {
                Some(node) if rest.is_empty() => {
                    if let Some(value) = value {
                        node.value = value;
                        return true;
                    }
                    false
                }
                Some(node) => node.put(rest, value),
                None => false,
            },
            _ => false,
        }
    }

    /// Where the value at a path was written, or what is nearest above it.
    pub(super) fn origin(&self, path: &KeyPath) -> Origin {
        (0..=path.0.len())
            .rev()
            .filter_map(|length| self.at(&path.0[..length]))
            .map(|node| node.origin.clone())
            .find(|origin| *origin != Origin::Default)
            .unwrap_or_default()
    }

    /// Calls `visit` with each text in the tree and the way to it.
    pub(super) fn each_text(&self, path: &KeyPath, visit: &mut dyn FnMut(&KeyPath, &str)) {
        match &self.value {
            Value::Table(entries) => entries.iter().for_each(|(key, node)| node.each_text(&path.key(key), visit)),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, node)| node.each_text(&path.index(index), visit));
            }
            Value::Text(text) => visit(path, text),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Moment(_) => {}
        }
    }
}

/// A variable's value: TOML where it is that, else a text. Lists and tables can be written so; all else stays text, and
/// the reader makes of it what the setting wants.
fn from_variable(text: &str, origin: &Origin) -> Value {
    match DeValue::parse(text.trim()) {
        Ok(value) if value.get_ref().is_array() || value.get_ref().is_table() || value.get_ref().is_str() => {
            Node::value(&value, &|_| origin.clone()).value
        }
        Ok(_) | Err(_) => Value::Text(text.trim().to_owned()),
    }
}

fn folded(key: &str) -> String {
    key.to_lowercase().replace('-', "_")
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
