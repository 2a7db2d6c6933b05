//! Encoded protobuf messages, field by field: to change one place in a resource and leave every other byte alone.
//!
//! Decoding into generated types and encoding again would put maps in another order, and with it change the digest of
//! a resource whose content is the same.

use prost::encoding::{self, DecodeContext, WireType};

/// Bytes that are no protobuf message.
#[derive(Debug, thiserror::Error)]
#[error("the bytes are no protobuf message")]
pub(super) struct Malformed;

impl From<prost::DecodeError> for Malformed {
    fn from(_: prost::DecodeError) -> Self {
        Malformed
    }
}

/// One field as it stands in the message.
pub(super) struct Field<'a> {
    pub(super) number: u32,
    /// With the key.
    pub(super) raw: &'a [u8],
    /// The content of a length-delimited field (message, string, bytes, packed numbers); None for the other kinds.
    pub(super) content: Option<&'a [u8]>,
}

/// What becomes of a field.
pub(super) enum Edit {
    /// It stays.
    Keep,
    /// It goes.
    Drop,
    /// It becomes a length-delimited field of this content.
    Content(Vec<u8>),
}

/// Takes the first field off a message; None at its end.
fn next<'a>(rest: &mut &'a [u8]) -> Result<Option<Field<'a>>, Malformed> {
    let start = *rest;
    if start.is_empty() {
        return Ok(None);
    }
    let (number, wire_type) = encoding::decode_key(rest)?;
    let mut content = None;
    if wire_type == WireType::LengthDelimited {
        let length = encoding::decode_varint(rest)?;
        let (inside, tail) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(Malformed)?;
        content = Some(inside);
        *rest = tail;
    } else {
        encoding::skip_field(wire_type, number, rest, DecodeContext::default())?;
    }
    let raw = &start[..start.len() - rest.len()];
    Ok(Some(Field {
        number,
        raw,
        content,
    }))
}

/// All fields of a message, in the order in which they are encoded.
pub(super) fn fields(mut message: &[u8]) -> Result<Vec<Field<'_>>, Malformed> {
    let mut fields = Vec::new();
    while let Some(field) = next(&mut message)? {
        fields.push(field);
    }
    Ok(fields)
}

/// Appends a length-delimited field.
pub(super) fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    encoding::encode_key(number, WireType::LengthDelimited, out);
    encoding::encode_varint(content.len() as u64, out);
    out.extend_from_slice(content);
}

/// The message with its length-delimited fields edited. Every other field stays.
pub(super) fn edit(
    message: &[u8],
    mut change: impl FnMut(u32, &[u8]) -> Result<Edit, Malformed>,
) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len());
    for field in fields(message)? {
        let edit = match field.content {
            Some(content) => change(field.number, content)?,
            None => Edit::Keep,
        };
        match edit {
            Edit::Keep => out.extend_from_slice(field.raw),
            Edit::Drop => {}
            Edit::Content(content) => put(&mut out, field.number, &content),
        }
    }
    Ok(out)
}

/// The message with one of its length-delimited fields edited.
pub(super) fn edit_field(
    message: &[u8],
    number: u32,
    mut change: impl FnMut(&[u8]) -> Result<Edit, Malformed>,
) -> Result<Vec<u8>, Malformed> {
    edit(message, |at, content| {
        if at == number {
            change(content)
        } else {
            Ok(Edit::Keep)
        }
    })
}
