//! Reads a tree into Rust types by serde, so that every error knows its path and line.

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::field_error::{FieldError, listed};
use super::tree::{Entry, Node, What};

/// Reads a value of type `T`.
pub(super) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, FieldError> {
    T::deserialize(Cursor(node)).map_err(|error| error.on_line(node.line))
}

#[derive(Clone, Copy)]
struct Cursor<'a>(&'a Node);

impl<'a> Cursor<'a> {
    fn unexpected(self) -> Unexpected<'a> {
        match &self.0.what {
            What::Null => Unexpected::Unit,
            What::Bool(value) => Unexpected::Bool(*value),
            // As it was written: 1.10 and not 1.1.
            What::Number(_, text) => Unexpected::Other(text),
            What::Text(text) => Unexpected::Str(text),
            What::List(_) => Unexpected::Seq,
            What::Map(_) => Unexpected::Map,
        }
    }
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match &self.0.what {
            What::Null => visitor.visit_unit(),
            What::Bool(value) => visitor.visit_bool(*value),
            What::Number(number, _) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (_, _, Some(number)) => visitor.visit_f64(number),
                _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
            },
            What::Text(text) => visitor.visit_str(text),
            What::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
            }),
            What::Map(entries) => visitor.visit_map(Fields {
                entries: entries.iter(),
                optional: &[],
                value: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.0.what {
            What::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        match &self.0.what {
            What::Map(entries) => visitor.visit_map(Fields {
                entries: entries.iter(),
                optional: fields,
                value: None,
            }),
            // A list could be read into a struct by position: nobody means that.
            _ => Err(de::Error::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let one_of = || FieldError::new(format!("write exactly one of {}", listed(variants, "or")));
        match &self.0.what {
            What::Text(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            What::Map(entries) => match entries.as_slice() {
                [entry] if variants.contains(&entry.key.as_str()) => {
                    visitor.visit_enum(Variant { entry })
                }
                [entry] => Err(FieldError::unknown_field(&entry.key, variants).on_line(entry.line)),
                _ => Err(one_of()),
            },
            _ => Err(one_of()),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    items: std::iter::Enumerate<std::slice::Iter<'a, Node>>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = FieldError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, FieldError> {
        let Some((at, node)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(Cursor(node))
            .map(Some)
            .map_err(|error| error.on_line(node.line).inside(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Fields<'a> {
    entries: std::slice::Iter<'a, Entry>,
    /// Known fields that count as not written when they are null, as Kubernetes has it.
    optional: &'static [&'static str],
    value: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, FieldError> {
        let optional = self.optional;
        let entry = self.entries.find(|entry| {
            !(matches!(entry.value.what, What::Null) && optional.contains(&entry.key.as_str()))
        });
        self.value = entry;
        let Some(entry) = entry else {
            return Ok(None);
        };
        seed.deserialize(entry.key.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: FieldError| error.on_line(entry.line))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<T::Value, FieldError> {
        let Some(entry) = self.value.take() else {
            return Err(FieldError::new("a value was asked for before its key"));
        };
        seed.deserialize(Cursor(&entry.value))
            .map_err(|error| error.on_line(entry.value.line).inside(entry.key.as_str()))
    }
}

struct Variant<'a> {
    entry: &'a Entry,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = FieldError;
    type Variant = Content<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Content<'a>), FieldError> {
        let entry = self.entry;
        let variant = seed
            .deserialize(entry.key.as_str().into_deserializer())
            .map_err(|error: FieldError| error.on_line(entry.line))?;
        Ok((variant, Content { entry }))
    }
}

struct Content<'a> {
    entry: &'a Entry,
}

impl Content<'_> {
    fn locate(&self, error: FieldError) -> FieldError {
        error
            .on_line(self.entry.value.line)
            .inside(self.entry.key.as_str())
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = FieldError;

    fn unit_variant(self) -> Result<(), FieldError> {
        Err(self.locate(FieldError::new("takes no value: write the word alone")))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, FieldError> {
        seed.deserialize(Cursor(&self.entry.value))
            .map_err(|error| self.locate(error))
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _len: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        Cursor(&self.entry.value)
            .deserialize_any(visitor)
            .map_err(|error| self.locate(error))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        Cursor(&self.entry.value)
            .deserialize_struct("", fields, visitor)
            .map_err(|error| self.locate(error))
    }
}
