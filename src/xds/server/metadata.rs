//! Finds one text in an encoded `google.protobuf.Struct` without decoding the rest.

use bytes::Buf;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// `Struct.fields`, an entry of it, and the kinds of `Value` that are looked at.
mod field {
    pub const FIELDS: u32 = 1;
    pub const KEY: u32 = 1;
    pub const VALUE: u32 = 2;
    pub const STRING_VALUE: u32 = 3;
    pub const STRUCT_VALUE: u32 = 5;
}

/// The text at `path`; None if there is none, if it is no text, or if the bytes are no struct.
///
/// Dots in the path lead into nested structs. A key may hold dots itself (`example.com/team`): every way to cut the path
/// is tried. Each level is read once, and nothing is copied.
pub(super) fn text(encoded: &[u8], path: &str) -> Option<String> {
    let mut rest = encoded;
    while !rest.is_empty() {
        let Some((field::FIELDS, entry)) = next(&mut rest)? else {
            continue;
        };
        let (mut key, mut value): (&[u8], &[u8]) = (b"", b"");
        let mut inner = entry;
        while !inner.is_empty() {
            match next(&mut inner)? {
                Some((field::KEY, bytes)) => key = bytes,
                Some((field::VALUE, bytes)) => value = bytes,
                _ => {}
            }
        }
        let Some(left) = path.as_bytes().strip_prefix(key) else {
            continue;
        };
        let found = match left {
            [] => kind(value, field::STRING_VALUE)
                .and_then(|text| std::str::from_utf8(text).ok())
                .map(str::to_owned),
            [b'.', ..] => kind(value, field::STRUCT_VALUE)
                // The cut is at a dot, so it is between two characters.
                .and_then(|inner| text(inner, path.get(key.len() + 1..)?)),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// The content of a `Value`, if it is of that kind.
fn kind(value: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut rest = value;
    while !rest.is_empty() {
        if let Some((field, content)) = next(&mut rest)?
            && field == wanted
        {
            return Some(content);
        }
    }
    None
}

/// Reads one field. The inner None: it is of no length, so it is none that is looked at. The outer: no protobuf.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Option<(u32, &'a [u8])>> {
    let (field, wire_type) = decode_key(rest).ok()?;
    if wire_type != WireType::LengthDelimited {
        skip_field(wire_type, field, rest, DecodeContext::default()).ok()?;
        return Some(None);
    }
    let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
    let content = rest.get(..length)?;
    rest.advance(length);
    Some(Some((field, content)))
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
    use prost::Message;

    use super::*;

    fn value(kind: Kind) -> Value {
        Value { kind: Some(kind) }
    }

    fn of(fields: Vec<(String, Value)>) -> Struct {
        Struct {
            fields: fields.into_iter().collect(),
        }
    }

    #[test]
    fn one_text_is_found_among_a_hundred_thousand() {
        let mut fields: Vec<_> = (0..100_000)
            .map(|n| (format!("key-{n}"), value(Kind::NumberValue(f64::from(n)))))
            .collect();
        fields.push(("fleet".into(), value(Kind::StringValue("payments".into()))));
        let encoded = of(fields).encode_to_vec();
        assert_eq!(text(&encoded, "fleet").as_deref(), Some("payments"));
        assert_eq!(text(&encoded, "key-7"), None, "it is no text");
        assert_eq!(text(&encoded, "key"), None);
    }

    #[test]
    fn a_path_does_not_run_deeper_than_it_is_long() {
        let mut inner = of(vec![("a".into(), value(Kind::StringValue("end".into())))]);
        for _ in 0..90 {
            inner = of(vec![("a".into(), value(Kind::StructValue(inner)))]);
        }
        let encoded = inner.encode_to_vec();
        let path = |length| vec!["a"; length].join(".");
        assert_eq!(text(&encoded, &path(91)).as_deref(), Some("end"));
        assert_eq!(text(&encoded, &path(90)), None);
        assert_eq!(text(&encoded, &path(92)), None);
        assert_eq!(text(&encoded, ""), None);
    }

    #[test]
    fn what_is_no_struct_holds_nothing() {
        let encoded = of(vec![("fleet".into(), value(Kind::StringValue("x".into())))]);
        let encoded = encoded.encode_to_vec();
        for cut in 0..encoded.len() {
            assert_eq!(text(&encoded[..cut], "fleet"), None, "{cut}");
        }
        for byte in 0..=u8::MAX {
            assert_eq!(text(&[byte; 40], "fleet"), None, "{byte}");
        }
    }
}
