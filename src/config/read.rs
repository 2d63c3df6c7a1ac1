//! From the tree of settings to typed values, through serde, finding as many problems as can be found at once.
//!
//! A problem with one key is noted with the way to it; the key is then left out, or given a stand-in where it cannot be
//! left out, and reading starts again. So one unknown key does not hide the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, Unexpected,
    VariantAccess, Visitor,
};

use super::problem::{Findings, KeyPath, Origin, nearest};
use super::tree::{Node, Value};

/// How many problems are looked for before it is enough.
const MAX_PROBLEMS: usize = 200;

/// The fields of each struct that was read, by the way to it.
pub(super) type Fields = BTreeMap<KeyPath, &'static [&'static str]>;

/// Reads `T` from the tree. What is wrong goes to `findings`; a value comes back even then where stand-ins allow one, so
/// that its other parts can be checked. `fields` tells which keys exist.
pub(super) fn read<T: for<'de> Deserialize<'de>>(
    root: &Node,
    findings: &mut Findings,
    fields: &mut Fields,
) -> Option<T> {
    let mut root = root.clone();
    let mut stand_ins: BTreeMap<KeyPath, u8> = BTreeMap::new();
    for _ in 0..MAX_PROBLEMS {
        let notes = RefCell::new(Notes::default());
        let result = T::deserialize(Reader { node: &root, path: KeyPath::default(), notes: &notes });
        let notes = notes.into_inner();
        for (key, problem, mend) in notes.unknown {
            root.put(&key.0, None);
            findings.add(key, problem, mend);
        }
        fields.extend(notes.fields);
        match result {
            Ok(value) => return Some(value),
            Err(error) => {
                let key = error.path.unwrap_or_default();
                let tries = stand_ins.entry(key.clone()).or_insert(0);
                if *tries == 0 && !findings.0.iter().any(|(known, _, _)| known.touches(&key)) {
                    findings.add(key.clone(), error.problem, error.mend);
                }
                *tries += 1;
                let stand_in = match tries {
                    1 => None,
                    2 => Some(Value::Text(String::new())),
                    3 => Some(Value::Array(Vec::new())),
                    4 => Some(Value::default()),
                    _ => return None,
                };
                root.put(&key.0, stand_in);
            }
        }
    }
    None
}

#[derive(Default)]
struct Notes {
    unknown: Vec<(KeyPath, String, String)>,
    fields: Fields,
}

/// Why serde could not go on. The way to it is filled in by the innermost reader that knows it.
#[derive(Debug)]
struct Problem {
    path: Option<KeyPath>,
    /// The field that is missing in the struct at the path.
    missing: Option<&'static str>,
    problem: String,
    mend: String,
}

impl Problem {
    fn new(problem: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { path: None, missing: None, problem: problem.into(), mend: mend.into() }
    }

    fn at(mut self, path: &KeyPath) -> Self {
        if self.path.is_none() {
            self.path = Some(match self.missing {
                Some(field) => path.key(field),
                None => path.clone(),
            });
        }
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        if message.contains("duration") {
            return Self::new("this is no time to wait", "Write a time like 90s, 2m or 1h.");
        }
        Self::new(message, "")
    }

    /// Tells the kinds only: the value itself may be something that does not belong into a log.
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a table",
            _ => "a text",
        };
        let wanted = wanted.to_string();
        let mend = if wanted.contains("string") { "Put the value in quotes." } else { "" };
        Self::new(format!("here is {found} where {wanted} is expected"), mend)
    }

    fn missing_field(field: &'static str) -> Self {
        let mut problem = Self::new("this key is missing", format!("Add `{field} = …`; config/alch.toml explains it."));
        problem.missing = Some(field);
        problem
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let known_words = known.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
        let mend = match nearest(variant, known.iter().copied()) {
            Some(word) => format!("Did you mean \"{word}\"?"),
            None => format!("Write {known_words}."),
        };
        Self::new(format!("only {known_words} can stand here"), mend)
    }
}

/// A node, the way to it, and where to note what is found on the way.
struct Reader<'a> {
    node: &'a Node,
    path: KeyPath,
    notes: &'a RefCell<Notes>,
}

impl<'de> Reader<'de> {
    fn wrong_kind(&self, wanted: &str) -> Problem {
        let mend = if wanted == "a text" { "Put the value in quotes." } else { "" };
        Problem::new(format!("here is {} where {wanted} is expected", self.node.value.kind()), mend).at(&self.path)
    }

    fn visit_table<V: Visitor<'de>>(
        self,
        entries: &'de BTreeMap<String, Node>,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let notes = self.notes;
        let path = self.path.clone();
        let children = entries.iter().map(|(key, node)| (key.as_str(), Reader { node, path: path.key(key), notes }));
        visitor.visit_map(MapDeserializer::new(children)).map_err(|problem| problem.at(&self.path))
    }
}

impl<'de> IntoDeserializer<'de, Problem> for Reader<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            self.deserialize_i64(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let path = self.path.clone();
        match &self.node.value {
            Value::Table(entries) => return self.visit_table(entries, visitor),
            Value::Array(items) => {
                let notes = self.notes;
                let items = items.iter().enumerate();
                let items = items.map(|(index, node)| Reader { node, path: self.path.index(index), notes });
                visitor.visit_seq(SeqDeserializer::new(items))
            }
            Value::Text(text) | Value::Moment(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
        }
        .map_err(|problem| problem.at(&path))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let Value::Table(entries) = &self.node.value else { return Err(self.wrong_kind("a table")) };
        let mut notes = self.notes.borrow_mut();
        notes.fields.insert(self.path.clone(), fields);
        for key in entries.keys().filter(|key| !fields.contains(&key.as_str())) {
            let mend = match nearest(key, fields.iter().copied()) {
                Some(field) => format!("Did you mean `{field}`?"),
                None => format!("Known here: {}.", fields.join(", ")),
            };
            notes.unknown.push((self.path.key(key), "there is no such key".to_owned(), mend));
        }
        drop(notes);
        let notes = self.notes;
        let path = self.path.clone();
        let known = entries
            .iter()
            .filter(|(key, _)| fields.contains(&key.as_str()))
            .map(|(key, node)| (key.as_str(), Reader { node, path: path.key(key), notes }));
        visitor.visit_map(MapDeserializer::new(known)).map_err(|problem: Problem| problem.at(&self.path))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Table(entries) => self.visit_table(entries, visitor),
            _ => Err(self.wrong_kind("a table")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Array(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong_kind("a list")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Text(text) | Value::Moment(text) => {
                visitor.visit_str(text).map_err(|problem: Problem| problem.at(&self.path))
            }
            _ => Err(self.wrong_kind("a text")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_str(visitor)
    }

    /// Numbers in variables are texts that look like one.
    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let number = match &self.node.value {
            Value::Integer(number) => *number,
            Value::Text(text) if matches!(self.node.origin, Origin::Variable(_)) => {
                text.trim().parse().map_err(|_| self.wrong_kind("a number"))?
            }
            _ => return Err(self.wrong_kind("a number")),
        };
        visitor.visit_i64(number).map_err(|_: Problem| {
            Problem::new("this number is out of range", "Write a whole number from 0 on.").at(&self.path)
        })
    }

    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.node.value {
            Value::Text(word) => visitor.visit_enum(Word(word)).map_err(|problem| problem.at(&self.path)),
            _ => Err(self.wrong_kind("a text")),
        }
    }

    serde::forward_to_deserialize_any! {
        bool f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// An enum written as one word.
struct Word<'a>(&'a str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Problem;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Problem> {
        let word: StrDeserializer<'_, Problem> = self.0.into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Problem> {
        Err(Problem::new("this word cannot stand alone", ""))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Problem> {
        Err(Problem::new("this word cannot stand alone", ""))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Problem> {
        Err(Problem::new("this word cannot stand alone", ""))
    }
}
