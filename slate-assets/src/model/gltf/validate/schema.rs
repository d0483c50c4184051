//! Objects held against a table of what they may hold.

use super::{extensions, found::Found, objects};
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::HashSet};

/// What an object of a document may hold.
pub(super) struct Object {
    /// What extensions are looked up by.
    pub(super) name: &'static str,
    pub(super) properties: &'static [Property],
    /// Rules of several properties, or of several kinds of one; it is called with each such object.
    pub(super) rules: fn(&Map<String, Value>, &mut Check<'_>),
}

impl Object {
    /// The properties that hold such an object.
    pub(super) fn parts(&self, name: &str) -> impl Iterator<Item = &'static str> {
        let holds = move |property: &Property| matches!(property.kind, Kind::One(table) if table.name == name);
        self.properties.iter().filter(move |property| holds(property)).map(|property| property.name)
    }
}

pub(super) struct Property {
    name: &'static str,
    kind: Kind,
    required: bool,
}

/// What a property holds.
pub(super) enum Kind {
    Flag,
    /// A place in a list.
    Index,
    /// A whole number from the first to the second.
    Whole(u64, u64),
    WholeOf(&'static [u64]),
    Number(Range),
    Text,
    /// A text of a form, and the form in words.
    TextLike(fn(&str) -> bool, &'static str),
    TextOf(&'static [&'static str]),
    /// Texts without repeats.
    Texts,
    /// Indices without repeats.
    Indices,
    /// Indices by name; the names are looked at.
    Named(fn(&str) -> bool),
    /// Lists of the same.
    NamedLists(fn(&str) -> bool),
    /// As many numbers, or any number of them for 0, from the first to the second.
    Numbers(usize, f64, f64),
    One(&'static Object),
    Many(&'static Object),
    /// A list of the document itself.
    List(&'static Object),
    /// The rules look at it.
    Own,
}

/// Numbers that are allowed.
pub(super) struct Range {
    pub(super) least: f64,
    /// Whether `least` itself isn't.
    pub(super) above: bool,
    pub(super) most: f64,
    /// A number that is allowed besides.
    pub(super) also: Option<f64>,
}

pub(super) const ANY: Kind = number(f64::NEG_INFINITY, f64::INFINITY);
pub(super) const FROM_0: Kind = number(0.0, f64::INFINITY);
pub(super) const ABOVE_0: Kind = Kind::Number(Range { least: 0.0, above: true, most: f64::INFINITY, also: None });
pub(super) const TO_1: Kind = number(0.0, 1.0);
/// Whole numbers.
pub(super) const WHOLE: Kind = Kind::Whole(0, u64::MAX);

pub(super) const fn number(least: f64, most: f64) -> Kind {
    Kind::Number(Range { least, above: false, most, also: None })
}

pub(super) const fn numbers(count: usize) -> Kind {
    Kind::Numbers(count, f64::NEG_INFINITY, f64::INFINITY)
}

/// A property that may be there.
pub(super) const fn may(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, required: false }
}

/// A property that has to be there.
pub(super) const fn must(name: &'static str, kind: Kind) -> Property {
    Property { name, kind, required: true }
}

/// No rules of several properties.
pub(super) const fn plain(_: &Map<String, Value>, _: &mut Check<'_>) {}

/// Holds a document against the tables.
pub(super) struct Check<'a> {
    pub(super) json: &'a Value,
    pub(super) is_glb: bool,
    /// The extensions that the document says it uses.
    pub(super) used: HashSet<&'a str>,
    pub(super) found: &'a mut Found,
}

impl<'a> Check<'a> {
    pub(super) fn new(json: &'a Value, is_glb: bool, found: &'a mut Found) -> Self {
        Self { json, is_glb, used: extensions::used(json), found }
    }

    pub(super) fn document(&mut self) {
        if let Some(document) = self.json.as_object() {
            self.object(&objects::DOCUMENT, document);
        }
    }

    fn object(&mut self, table: &'static Object, object: &Map<String, Value>) {
        for name in object.keys() {
            let is_known = table.properties.iter().any(|property| property.name == name);
            if !is_known && !matches!(name.as_str(), "extensions" | "extras") {
                self.found.add_at(name, "UNEXPECTED_PROPERTY", "there is no such property here");
            }
        }
        for property in table.properties {
            self.property(property, object);
        }
        (table.rules)(object, self);
        if let Some(extensions) = self.map(object, "extensions") {
            let len = self.found.enter("extensions");
            for (name, extension) in extensions {
                self.extension(table, extensions.len(), name, extension);
            }
            self.found.leave(len);
        }
        if object.get("extras").is_some_and(|extras| !extras.is_object() && !extras.is_null()) {
            self.found.add_at("extras", "NON_OBJECT_EXTRAS", "extras are better an object");
        }
    }

    fn extension(&mut self, table: &'static Object, beside: usize, name: &str, extension: &Value) {
        if !extension.is_object() {
            self.mismatch(name, "object");
        }
        if !extensions::is_known(name) || !self.used.contains(name) {
            if !self.used.contains(name) {
                self.found.add_at(name, "UNDECLARED_EXTENSION", "extensionsUsed doesn't name this extension");
            }
            return;
        }
        let Some(found) = extensions::of(name, table.name) else {
            self.found.add_at(name, "UNEXPECTED_EXTENSION_OBJECT", "this extension has no place here");
            return;
        };
        if beside > 1 && extensions::is_alone(name) {
            self.found.add_at(name, "MULTIPLE_EXTENSIONS", "this extension may not go with the others");
        }
        let len = self.found.enter(name);
        // An extension of another type than an object counts as an empty one.
        let empty = Map::new();
        self.object(found, extension.as_object().unwrap_or(&empty));
        self.found.leave(len);
    }

    fn property(&mut self, property: &Property, object: &Map<String, Value>) {
        let name = property.name;
        let value = match object.get(name) {
            Some(Value::Null) => {
                self.mismatch(name, "value");
                None
            }
            value => value,
        };
        let Some(value) = value else {
            if property.required {
                self.found.add("UNDEFINED_PROPERTY", format!("{name} has to be there"));
            }
            return;
        };
        match &property.kind {
            Kind::Own => {}
            Kind::Flag if value.is_boolean() => {}
            Kind::Flag => self.mismatch(name, "boolean"),
            Kind::Index => match whole(value) {
                Some(0..) => {}
                Some(_) => self.found.add_at(name, "INVALID_INDEX", "an index is 0 or more"),
                None => self.mismatch(name, "integer"),
            },
            Kind::Whole(least, most) => match whole(value) {
                Some(number) if (i128::from(*least)..=i128::from(*most)).contains(&number) => {}
                Some(_) => self.out_of_range(name, value),
                None => self.mismatch(name, "integer"),
            },
            Kind::WholeOf(list) => match whole(value) {
                Some(number) if list.iter().any(|&one| i128::from(one) == number) => {}
                Some(_) => self.not_listed(name, value),
                None => self.mismatch(name, "integer"),
            },
            Kind::Number(range) => match value.as_f64() {
                Some(number) if range.has(number) => {}
                Some(_) => self.out_of_range(name, value),
                None => self.mismatch(name, "number"),
            },
            Kind::Text if value.is_string() => {}
            Kind::TextLike(is_like, form) => match value.as_str() {
                Some(text) if is_like(text) => {}
                Some(_) => self.found.add_at(name, "PATTERN_MISMATCH", format!("{} is no {form}", shown(value))),
                None => self.mismatch(name, "string"),
            },
            Kind::TextOf(list) => match value.as_str() {
                Some(text) if list.contains(&text) => {}
                Some(_) => self.not_listed(name, value),
                None => self.mismatch(name, "string"),
            },
            Kind::Text => self.mismatch(name, "string"),
            Kind::Named(is_right) => match value.as_object() {
                Some(named) if !named.is_empty() => self.named(name, named, *is_right),
                Some(_) => self.empty(name),
                None => self.mismatch(name, "object"),
            },
            Kind::One(table) => match value.as_object() {
                Some(object) => {
                    let len = self.found.enter(name);
                    self.object(table, object);
                    self.found.leave(len);
                }
                None => self.mismatch(name, "object"),
            },
            _ => match value.as_array() {
                Some(list) if list.is_empty() => self.empty(name),
                Some(list) => {
                    let len = self.found.enter(name);
                    self.list(&property.kind, list);
                    self.found.leave(len);
                }
                None => self.mismatch(name, "array"),
            },
        }
    }

    /// A list that has entries, at its own place.
    fn list(&mut self, kind: &Kind, list: &[Value]) {
        match kind {
            Kind::Texts => {
                let mut known = HashSet::new();
                for (at, entry) in list.iter().enumerate() {
                    match entry.as_str() {
                        Some(text) if known.insert(text) => {}
                        Some(_) => self.found.add_at(at, "DUPLICATE_ELEMENTS", "it is there before"),
                        None => self.found.add_at(at, "ARRAY_TYPE_MISMATCH", "this is no string"),
                    }
                }
            }
            Kind::Indices => {
                let mut known = HashSet::new();
                for (at, entry) in list.iter().enumerate() {
                    match whole(entry).filter(|&index| index >= 0) {
                        Some(index) if known.insert(index) => {}
                        Some(_) => self.found.add_at(at, "DUPLICATE_ELEMENTS", "it is there before"),
                        None => self.found.add_at(at, "INVALID_INDEX", "an index is a whole number, 0 or more"),
                    }
                }
            }
            Kind::NamedLists(is_right) => {
                for (at, entry) in list.iter().enumerate() {
                    match entry.as_object() {
                        Some(named) if named.is_empty() => self.empty(at),
                        Some(named) => self.named(at, named, *is_right),
                        None => self.found.add("ARRAY_TYPE_MISMATCH", "an entry is no object"),
                    }
                }
            }
            Kind::Numbers(count, least, most) => {
                if *count > 0 && list.len() != *count {
                    let message = format!("{} numbers, where {count} belong", list.len());
                    self.found.add("ARRAY_LENGTH_NOT_IN_LIST", message);
                    return;
                }
                for (at, entry) in list.iter().enumerate() {
                    match entry.as_f64() {
                        Some(number) if (*least..=*most).contains(&number) && number.is_finite() => {}
                        Some(_) => self.out_of_range(at, entry),
                        None => self.found.add("ARRAY_TYPE_MISMATCH", "an entry is no number"),
                    }
                }
            }
            Kind::Many(table) => {
                if list.iter().any(|entry| !entry.is_object()) {
                    let wrong = list.iter().filter(|entry| !entry.is_object());
                    wrong.for_each(|_| self.found.add("ARRAY_TYPE_MISMATCH", "an entry is no object"));
                    return;
                }
                self.entries(table, list);
            }
            Kind::List(table) => self.entries(table, list),
            _ => {}
        }
    }

    fn entries(&mut self, table: &'static Object, list: &[Value]) {
        for (at, entry) in list.iter().enumerate() {
            match entry.as_object() {
                Some(object) => {
                    let len = self.found.enter(at);
                    self.object(table, object);
                    self.found.leave(len);
                }
                None => self.mismatch(at, "object"),
            }
        }
    }

    fn named(&mut self, at: impl std::fmt::Display, named: &Map<String, Value>, is_right: fn(&str) -> bool) {
        let len = self.found.enter(at);
        for (name, index) in named {
            if !is_right(name) {
                self.found.add_at(name, "MESH_PRIMITIVE_INVALID_ATTRIBUTE", "there is no attribute of this name");
            }
            if whole(index).is_none_or(|index| index < 0) {
                self.found.add_at(name, "INVALID_INDEX", "an index is a whole number, 0 or more");
            }
        }
        self.found.leave(len);
    }

    /// The object `name`, where it is there; something else is an issue.
    pub(super) fn map<'b>(&mut self, object: &'b Map<String, Value>, name: &str) -> Option<&'b Map<String, Value>> {
        match object.get(name) {
            None => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => {
                self.mismatch(name, "object");
                None
            }
        }
    }

    pub(super) fn mismatch(&mut self, at: impl std::fmt::Display, kind: &str) {
        let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
        self.found.add_at(at, "TYPE_MISMATCH", format!("{article} {kind} belongs here"));
    }

    pub(super) fn not_listed(&mut self, at: &str, value: &Value) {
        self.found.add_at(at, "VALUE_NOT_IN_LIST", format!("{} is none of the values that are known", shown(value)));
    }

    fn out_of_range(&mut self, at: impl std::fmt::Display, value: &Value) {
        self.found.add_at(at, "VALUE_NOT_IN_RANGE", format!("{} is out of range", shown(value)));
    }

    fn empty(&mut self, at: impl std::fmt::Display) {
        self.found.add_at(at, "EMPTY_ENTITY", "it has to hold something");
    }
}

impl Range {
    fn has(&self, number: f64) -> bool {
        let from = if self.above { number > self.least } else { number >= self.least };
        self.also == Some(number) || from && number <= self.most
    }
}

/// A whole number, also one written as `1.0`.
pub(super) fn whole(value: &Value) -> Option<i128> {
    let exact = value.as_u64().map(i128::from).or_else(|| value.as_i64().map(i128::from));
    let rounded = || value.as_f64().filter(|number| number.floor() == *number).map(|number| number as i128);
    exact.or_else(rounded)
}

/// A whole number from 0 up.
pub(super) fn natural(value: &Value) -> Option<u64> {
    whole(value).and_then(|number| u64::try_from(number).ok())
}

/// A value in a message.
pub(super) fn shown(value: &Value) -> Cow<'static, str> {
    let text: String = value.to_string().chars().take(80).collect();
    text.into()
}
