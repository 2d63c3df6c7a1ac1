//! CBOR to JSON values and back. JSON has no timestamps: they are seconds since the epoch there, and are told by their
//! names when they are written.

use aws_smithy_cbor::data::Type;
use aws_smithy_cbor::decode::DeserializeError;
use aws_smithy_cbor::{Decoder, Encoder};
use aws_smithy_types::DateTime;
use serde_json::{Map, Number, Value};

/// How deep a request may nest.
const DEPTH_MAX: usize = 32;

/// Reads one value that fills all of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Value, DeserializeError> {
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut decoder = Decoder::new(bytes);
    let value = decode_value(&mut decoder, DEPTH_MAX)?;
    if decoder.position() == bytes.len() {
        Ok(value)
    } else {
        Err(DeserializeError::expected_end_of_stream(decoder.position()))
    }
}

fn decode_value(decoder: &mut Decoder, depth: usize) -> Result<Value, DeserializeError> {
    let at = decoder.position();
    let Some(depth) = depth.checked_sub(1) else {
        return Err(DeserializeError::custom("nested too deeply", at));
    };
    Ok(match decoder.datatype()? {
        Type::Bool => Value::Bool(decoder.boolean()?),
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 => {
            Value::from(decoder.long()?)
        }
        Type::F16 | Type::F32 | Type::F64 => float(decoder.double()?),
        Type::Tag => float(decoder.timestamp()?.as_secs_f64()),
        Type::String | Type::StringIndef => Value::String(decoder.string()?),
        Type::Array | Type::ArrayIndef => {
            let mut list = Vec::new();
            let mut left = decoder.list()?;
            while more(decoder, &mut left)? {
                list.push(decode_value(decoder, depth)?);
            }
            Value::Array(list)
        }
        Type::Map | Type::MapIndef => {
            let mut map = Map::new();
            let mut left = decoder.map()?;
            while more(decoder, &mut left)? {
                let key = decoder.string()?;
                map.insert(key, decode_value(decoder, depth)?);
            }
            Value::Object(map)
        }
        other => return Err(DeserializeError::custom(format!("no use for {other:?}"), at)),
    })
}

/// Whether a collection has another element; takes the mark at the end of one without a length.
fn more(decoder: &mut Decoder, left: &mut Option<u64>) -> Result<bool, DeserializeError> {
    match left {
        Some(0) => Ok(false),
        Some(left) => {
            *left -= 1;
            Ok(true)
        }
        None if decoder.datatype()? == Type::Break => {
            decoder.skip()?;
            Ok(false)
        }
        None => Ok(true),
    }
}

fn float(value: f64) -> Value {
    Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// Writes a value.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    encode_value(&mut encoder, value, false);
    encoder.into_writer()
}

fn encode_value(encoder: &mut Encoder, value: &Value, is_time: bool) {
    match value {
        Value::Null => {
            encoder.null();
        }
        Value::Bool(value) => {
            encoder.boolean(*value);
        }
        Value::Number(number) if is_time => {
            encoder.timestamp(&DateTime::from_secs_f64(number.as_f64().unwrap_or_default()));
        }
        Value::Number(number) => {
            match number.as_i64() {
                Some(whole) => encoder.long(whole),
                None => encoder.double(number.as_f64().unwrap_or_default()),
            };
        }
        Value::String(text) => {
            encoder.str(text);
        }
        Value::Array(list) => {
            encoder.array(list.len());
            for value in list {
                encode_value(encoder, value, is_time);
            }
        }
        Value::Object(map) => {
            encoder.map(map.len());
            for (key, value) in map {
                encoder.str(key);
                encode_value(encoder, value, key.ends_with("Timestamp") || key.ends_with("Timestamps"));
            }
        }
    }
}
