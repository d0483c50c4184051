//! The binary form of what is bound.

use crate::common::{Kind, Value};
use slate_core::Timestamp;
use sqlx::{
    Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, types::Oid},
};

/// What is bound: a value, or a column of many rows.
pub(crate) enum Param {
    One(Value),
    Array(Kind, Vec<Value>),
}

impl From<Value> for Param {
    fn from(value: Value) -> Self {
        Self::One(value)
    }
}

impl Type<Postgres> for Param {
    fn type_info() -> PgTypeInfo {
        // 0: the server tells the type from where the parameter stands. So a NULL needs none.
        PgTypeInfo::with_oid(Oid(0))
    }

    fn compatible(_: &PgTypeInfo) -> bool {
        true
    }
}

impl Encode<'_, Postgres> for Param {
    fn encode_by_ref(&self, buf: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self {
            Self::One(Value::Null) => return Ok(IsNull::Yes),
            Self::One(value) => write(value, buf),
            Self::Array(kind, values) => write_array(*kind, values, buf)?,
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        let oid = match self {
            Self::One(value) => kind_of(value).map_or(0, |kind| oids(kind).0),
            Self::Array(kind, _) => oids(element(*kind)).1,
        };
        Some(PgTypeInfo::with_oid(Oid(oid)))
    }
}

const fn kind_of(value: &Value) -> Option<Kind> {
    Some(match value {
        Value::Null => return None,
        Value::Int(_) => Kind::Int,
        Value::Real(_) => Kind::Real,
        Value::Flag(_) => Kind::Flag,
        Value::Text(_) => Kind::Text,
        Value::Json(_) => Kind::Json,
        Value::Time(_) => Kind::Time,
        Value::Id(_) => Kind::Id,
    })
}

/// The numbers of a type and of its array type, as `pg_type.dat` fixes them.
const fn oids(kind: Kind) -> (u32, u32) {
    match kind {
        Kind::Int => (20, 1016),
        Kind::Real => (701, 1022),
        Kind::Flag => (16, 1000),
        Kind::Text => (25, 1009),
        Kind::Json => (3802, 3807),
        Kind::Time => (1184, 1185),
        Kind::Id => (2950, 2951),
    }
}

/// What the elements of an array are sent as. JSON goes as text, to be cast row by row: an array of `jsonb` is parsed as a
/// whole, and the server keeps what each parse leaves behind until the last.
pub(super) const fn element(kind: Kind) -> Kind {
    match kind {
        Kind::Json => Kind::Text,
        kind => kind,
    }
}

fn write(value: &Value, buf: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        Value::Int(value) => buf.extend(value.to_be_bytes()),
        Value::Real(value) => buf.extend(value.to_be_bytes()),
        Value::Flag(value) => buf.push((*value).into()),
        Value::Text(text) => write_text(text, buf),
        Value::Json(json) => {
            buf.push(1);
            write_json(json, buf);
        }
        Value::Time(time) => buf.extend(write_time(*time).to_be_bytes()),
        Value::Id(bits) => buf.extend(bits.to_be_bytes()),
    }
}

fn write_array(kind: Kind, values: &[Value], buf: &mut Vec<u8>) -> Result<(), BoxDynError> {
    let has_null = values.iter().any(|value| matches!(value, Value::Null));
    let length = i32::try_from(values.len())?;
    // One dimension, whose numbers begin at 1.
    buf.extend(1_i32.to_be_bytes());
    buf.extend(i32::from(has_null).to_be_bytes());
    buf.extend(oids(element(kind)).0.to_be_bytes());
    buf.extend(length.to_be_bytes());
    buf.extend(1_i32.to_be_bytes());
    for value in values {
        let start = buf.len();
        buf.extend((-1_i32).to_be_bytes());
        if !matches!(value, Value::Null) {
            match value {
                Value::Json(json) => write_json(json, buf),
                value => write(value, buf),
            }
            let size = i32::try_from(buf.len() - start - 4)?;
            buf[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
    }
    Ok(())
}

/// Postgres keeps no NUL character in text or JSON, though programs print them: the symbol for it takes its place.
fn write_text(text: &str, buf: &mut Vec<u8>) {
    if text.contains('\0') {
        buf.extend(text.replace('\0', "\u{2400}").as_bytes());
    } else {
        buf.extend(text.as_bytes());
    }
}

fn write_json(json: &str, buf: &mut Vec<u8>) {
    const NUL: &str = "\\u0000";
    if !json.contains(NUL) {
        return buf.extend(json.as_bytes());
    }
    let mut rest = json;
    // A backslash and what it stands before belong together: `\\u0000` is a backslash and five characters.
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        buf.extend(before.as_bytes());
        rest = match escape.strip_prefix(NUL) {
            Some(after) => {
                buf.extend("\\u2400".as_bytes());
                after
            }
            None => {
                let (pair, after) = escape.split_at(2.min(escape.len()));
                buf.extend(pair.as_bytes());
                after
            }
        };
    }
    buf.extend(rest.as_bytes());
}

/// Postgres counts microseconds since 2000.
const EPOCH: i64 = 946_684_800_000_000;
/// The first time that it keeps, in 4713 BC; what is earlier is kept as that. Its last one is later than any of SLATE's. The
/// ends of the numbers stand for infinity.
const FIRST: i64 = -211_813_488_000_000_000;

fn write_time(time: Timestamp) -> i64 {
    match time.as_micros() {
        i64::MAX => i64::MAX,
        i64::MIN => i64::MIN,
        micros => micros.saturating_sub(EPOCH).max(FIRST),
    }
}

pub(super) fn read_time(micros: i64) -> Timestamp {
    match micros {
        i64::MAX | i64::MIN => Timestamp::from_micros(micros),
        micros => Timestamp::from_micros(micros.saturating_add(EPOCH)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_and_the_ends_stand_for_ever() {
        for micros in [i64::MIN, -62_135_596_800_000_000, -1, 0, 1_760_000_000_123_457, i64::MAX - 1, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(read_time(write_time(time)), time);
        }
        assert_eq!(write_time(Timestamp::from_micros(i64::MIN + 1)), FIRST);
    }

    #[test]
    fn a_nul_becomes_its_symbol_and_a_backslash_before_u0000_is_none() {
        let written = |text: &str| {
            let mut buf = Vec::new();
            write_json(text, &mut buf);
            String::from_utf8(buf).unwrap()
        };
        assert_eq!(written(r#""a\u0000b\n\\u0000\\\u0000ä""#), r#""a\u2400b\n\\u0000\\\u2400ä""#);
        assert_eq!(written(r#""plain""#), r#""plain""#);
    }
}
