//! What goes to the client: everything of a response but the nonce, made and encoded once for all streams that are due
//! the same.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use bytes::{BufMut, Bytes, BytesMut};
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use super::{mode::Mode, version};
use crate::{
    model::{Revision, TypeUrl},
    snapshot::{CLAIMS_REMEMBERED, Digest, Item, TypeSet, View, weight},
};

/// Everything of a response but the nonce.
#[derive(Debug)]
pub struct Message {
    mode: Mode,
    /// Of every resource in it.
    pub type_url: TypeUrl,
    /// The revision in which the type last changed.
    pub(super) revision: Revision,
    /// `version_info`, or `system_version_info`.
    pub version: Arc<str>,
    /// In order of their names.
    pub resources: Vec<Item>,
    /// Names that the client is told are gone, or never were. Delta only.
    pub removed: Vec<Arc<str>>,
    /// Virtual hosts that the client asked for and that do not exist. Delta only.
    pub unresolved: Vec<Arc<str>>,
    /// It says only that its resources live on.
    pub heartbeat: bool,
    /// Others may be sent the same: its bytes are kept for them. Otherwise they go when they are sent.
    shared: bool,
    encoded: OnceLock<Bytes>,
}

/// What a message is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) mode: Mode,
    pub(super) revision: Revision,
    /// What the client has once it has answered everything before.
    pub(super) told: &'a View,
    /// What it has once it has accepted this.
    pub(super) target: &'a View,
    /// To be sent even if it has not changed.
    pub(super) asked: &'a BTreeSet<Arc<str>>,
    /// Names that were asked for and do not exist.
    pub(super) absent: &'a [Arc<str>],
}

/// What a message is known by, before it is made.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    mode: Mode,
    type_url: TypeUrl,
    revision: Revision,
    /// What the client has once it has accepted it.
    view: Digest,
    since: Since,
}

/// What of a view a message says.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    /// All of it.
    Nothing,
    /// What is not in that one, and some names besides.
    Told(Digest, Option<Digest>),
    /// What has a time to live, and is in this set still.
    LivesOn(Digest),
}

/// Field numbers of `DiscoveryResponse`, `DeltaDiscoveryResponse`, `Resource` and `google.protobuf.Any`.
mod field {
    pub const VERSION_INFO: u32 = 1;
    pub const RESOURCES: u32 = 2;
    pub const TYPE_URL: u32 = 4;
    pub const NONCE: u32 = 5;
    pub const REMOVED: u32 = 6;
    pub const RESOURCE_VERSION: u32 = 1;
    pub const RESOURCE_CONTENT: u32 = 2;
    pub const RESOURCE_NAME: u32 = 3;
    pub const RESOURCE_ALIASES: u32 = 4;
    pub const RESOURCE_TTL: u32 = 6;
    pub const ANY_TYPE_URL: u32 = 1;
    pub const ANY_VALUE: u32 = 2;
    pub const DURATION_SECONDS: u32 = 1;
    pub const DURATION_NANOS: u32 = 2;
}

/// The type of the wrapper in which state of the world says a time to live.
const RESOURCE: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

impl Parts<'_> {
    /// Responses hold everything, and what is absent is deleted.
    fn is_whole(&self) -> bool {
        self.mode.is_whole(self.target.type_url)
    }

    /// Nearly all of it is what one client alone has said.
    pub(super) fn is_one_clients(&self) -> bool {
        let absent = self.absent.iter().map(|name| weight(name));
        self.told.is_one_clients()
            || self.target.is_one_clients()
            || absent.sum::<usize>() > CLAIMS_REMEMBERED
    }

    /// A virtual host that a request made the client ask for. Envoy keeps the request until an answer has that name as an
    /// alias; to one that is removed it does not listen (seen with 1.40).
    fn is_host(&self, name: &str) -> bool {
        self.target.type_url == TypeUrl::VirtualHost && name.contains('/')
    }

    /// What tells this message from every other of the fleet.
    pub(super) fn key(&self) -> Key {
        let since = match self.is_whole() {
            true => Since::Nothing,
            false => Since::Told(self.told.digest, self.extra()),
        };
        Key {
            mode: self.mode,
            type_url: self.target.type_url,
            revision: self.revision,
            view: self.target.digest,
            since,
        }
    }

    /// Stands for the names that are in it whatever has changed; hardly any message has some.
    fn extra(&self) -> Option<Digest> {
        // What the client was never told is due anyway.
        let asked = (!self.told.is_empty()).then_some(self.asked);
        let mut names = asked.into_iter().flatten().peekable();
        if names.peek().is_none() && self.absent.is_empty() {
            return None;
        }
        let mut parts: Vec<&[u8]> = names.map(|name| name.as_bytes()).collect();
        parts.push(&[]);
        parts.extend(self.absent.iter().map(|name| name.as_bytes()));
        Some(Digest::of(&parts))
    }

    pub(super) fn message(&self) -> Message {
        let since = self.target.since(self.told);
        let target = self.target.items();
        let resources: Vec<Item> = if self.is_whole() || self.told.is_empty() {
            target.values().cloned().collect()
        } else if self.asked.is_empty() {
            since.changed.clone()
        } else {
            let changed = since
                .changed
                .iter()
                .map(|item| (&*item.resource.name, item));
            let asked = self.asked.iter().filter_map(|name| {
                let (name, item) = target.get_key_value(name)?;
                Some((&**name, item))
            });
            let due: std::collections::BTreeMap<&str, &Item> = changed.chain(asked).collect();
            due.into_values().cloned().collect()
        };
        let absent = self.absent.iter().cloned();
        let (unresolved, absent): (Vec<_>, Vec<_>) = absent.partition(|name| self.is_host(name));
        let removed = match self.mode {
            Mode::Sotw => Vec::new(),
            Mode::Delta => since.removed.iter().cloned().chain(absent).collect(),
        };
        Message {
            mode: self.mode,
            type_url: self.target.type_url,
            revision: self.revision,
            version: version::of(self.revision, self.target.digest).into(),
            // A client needs no second look at what it has and nobody knows.
            resources: resources.into_iter().filter(Item::is_known).collect(),
            removed,
            unresolved,
            heartbeat: false,
            shared: !self.is_one_clients(),
            encoded: OnceLock::new(),
        }
    }
}

impl Message {
    /// Says again what of a view has a time to live and is still in the snapshot, so that the client keeps it. State of
    /// the world repeats the resource (the whole list where absence deletes); delta says its name and version only (xDS
    /// protocol, "TTL").
    pub(super) fn heartbeat(mode: Mode, set: &TypeSet, view: &View) -> Message {
        let mortal = |item: &&Item| {
            item.resource.ttl.is_some() && set.resources.contains_key(&item.resource.name)
        };
        let items = view.items().values().filter(|item| item.is_known());
        let some = items.clone().any(|item| mortal(&item));
        let all = some && mode.is_whole(view.type_url);
        Message {
            mode,
            type_url: view.type_url,
            revision: set.changed_in,
            version: version::of(set.changed_in, view.digest).into(),
            resources: items.filter(|item| all || mortal(item)).cloned().collect(),
            removed: Vec::new(),
            unresolved: Vec::new(),
            heartbeat: true,
            shared: true,
            encoded: OnceLock::new(),
        }
    }

    /// What tells a heartbeat from every other message of the fleet.
    pub(super) fn heartbeat_key(mode: Mode, set: &TypeSet, view: &View) -> Key {
        Key {
            mode,
            type_url: view.type_url,
            revision: set.changed_in,
            view: view.digest,
            since: Since::LivesOn(set.digest),
        }
    }

    /// The digest of what it says, in whatever version.
    pub(super) fn content(&self) -> Digest {
        let resources = self.resources.iter();
        let mut parts: Vec<&[u8]> = resources
            .map(|item| item.resource.digest.as_bytes().as_slice())
            .collect();
        for names in [&self.removed, &self.unresolved] {
            parts.push(&[]);
            parts.extend(names.iter().map(|name| name.as_bytes()));
        }
        Digest::of(&parts)
    }

    /// Encoded, without the nonce. What several streams are sent is encoded once, and they share the bytes.
    pub fn encoded(&self) -> Bytes {
        match self.shared {
            true => self.encoded.get_or_init(|| self.encode()).clone(),
            false => self.encode(),
        }
    }

    fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.encoded_len());
        self.write(&mut out);
        out.freeze()
    }

    fn encoded_len(&self) -> usize {
        let resources = self.resources.iter();
        let resources = resources.map(|item| field_len(field::RESOURCES, self.item_len(item)));
        let removed = self.removed.iter();
        let unresolved = self.unresolved.iter();
        let unresolved =
            unresolved.map(|name| field_len(field::RESOURCES, self.unresolved_len(name)));
        field_len(field::VERSION_INFO, self.version.len())
            + resources.sum::<usize>()
            + unresolved.sum::<usize>()
            + field_len(field::TYPE_URL, self.type_url.url().len())
            + removed
                .map(|name| field_len(field::REMOVED, name.len()))
                .sum::<usize>()
    }

    fn write(&self, out: &mut BytesMut) {
        put(field::VERSION_INFO, self.version.as_bytes(), out);
        for item in &self.resources {
            header(field::RESOURCES, self.item_len(item), out);
            match (self.mode, item.resource.ttl) {
                (Mode::Sotw, None) => write_any(item, out),
                (Mode::Sotw, Some(_)) => {
                    put(field::ANY_TYPE_URL, RESOURCE.as_bytes(), out);
                    header(field::ANY_VALUE, self.wrapped_len(item), out);
                    self.write_wrapped(item, out);
                }
                (Mode::Delta, _) => self.write_wrapped(item, out),
            }
        }
        for name in &self.unresolved {
            header(field::RESOURCES, self.unresolved_len(name), out);
            put(field::RESOURCE_VERSION, self.version.as_bytes(), out);
            put(field::RESOURCE_NAME, name.as_bytes(), out);
            put(field::RESOURCE_ALIASES, name.as_bytes(), out);
        }
        put(field::TYPE_URL, self.type_url.url().as_bytes(), out);
        for name in &self.removed {
            put(field::REMOVED, name.as_bytes(), out);
        }
    }

    fn item_len(&self, item: &Item) -> usize {
        match (self.mode, item.resource.ttl) {
            (Mode::Sotw, None) => any_len(item),
            (Mode::Sotw, Some(_)) => {
                field_len(field::ANY_TYPE_URL, RESOURCE.len())
                    + field_len(field::ANY_VALUE, self.wrapped_len(item))
            }
            (Mode::Delta, _) => self.wrapped_len(item),
        }
    }

    /// Of a resource without content.
    fn unresolved_len(&self, name: &str) -> usize {
        field_len(field::RESOURCE_VERSION, self.version.len())
            + field_len(field::RESOURCE_NAME, name.len())
            + field_len(field::RESOURCE_ALIASES, name.len())
    }

    /// The version of one resource: state of the world has one for all.
    fn item_version(&self, item: &Item) -> String {
        match self.mode {
            Mode::Sotw => self.version.to_string(),
            Mode::Delta => version::of_item(self.revision, item.version),
        }
    }

    fn has_content(&self) -> bool {
        !self.heartbeat || self.mode == Mode::Sotw
    }

    /// `envoy.service.discovery.v3.Resource`.
    fn wrapped_len(&self, item: &Item) -> usize {
        let content = match self.has_content() {
            true => field_len(field::RESOURCE_CONTENT, any_len(item)),
            false => 0,
        };
        let ttl = ttl(item).map(|ttl| field_len(field::RESOURCE_TTL, ttl.len()));
        field_len(field::RESOURCE_VERSION, self.item_version(item).len())
            + content
            + field_len(field::RESOURCE_NAME, item.resource.name.len())
            + ttl.unwrap_or_default()
    }

    fn write_wrapped(&self, item: &Item, out: &mut BytesMut) {
        let version = self.item_version(item);
        put(field::RESOURCE_VERSION, version.as_bytes(), out);
        if self.has_content() {
            header(field::RESOURCE_CONTENT, any_len(item), out);
            write_any(item, out);
        }
        put(field::RESOURCE_NAME, item.resource.name.as_bytes(), out);
        if let Some(ttl) = ttl(item) {
            put(field::RESOURCE_TTL, &ttl, out);
        }
    }
}

/// A response to the client.
#[derive(Clone, Debug)]
pub struct Response {
    /// Unique on the stream.
    pub nonce: String,
    /// Everything else.
    pub message: Arc<Message>,
}

impl Response {
    /// Length of the encoded response, in bytes.
    pub fn encoded_len(&self) -> usize {
        let message = match self.message.encoded.get() {
            Some(encoded) => encoded.len(),
            None => self.message.encoded_len(),
        };
        message + field_len(field::NONCE, self.nonce.len())
    }

    /// Appends the response, encoded: bytes that all streams share, and the nonce.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.message.encoded());
        put(field::NONCE, self.nonce.as_bytes(), out);
    }
}

/// `google.protobuf.Duration`.
fn ttl(item: &Item) -> Option<Vec<u8>> {
    let ttl = item.resource.ttl?;
    let mut duration = Vec::new();
    for (number, value) in [
        (field::DURATION_SECONDS, ttl.as_secs()),
        (field::DURATION_NANOS, u64::from(ttl.subsec_nanos())),
    ] {
        encode_key(number, WireType::Varint, &mut duration);
        encode_varint(value, &mut duration);
    }
    Some(duration)
}

fn any_len(item: &Item) -> usize {
    field_len(field::ANY_TYPE_URL, item.resource.type_url.url().len())
        + field_len(field::ANY_VALUE, item.resource.bytes.len())
}

fn write_any(item: &Item, out: &mut BytesMut) {
    let type_url = item.resource.type_url.url();
    put(field::ANY_TYPE_URL, type_url.as_bytes(), out);
    put(field::ANY_VALUE, &item.resource.bytes, out);
}

fn field_len(number: u32, content: usize) -> usize {
    key_len(number) + encoded_len_varint(content as u64) + content
}

fn header(number: u32, length: usize, out: &mut impl BufMut) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(length as u64, out);
}

fn put(number: u32, content: &[u8], out: &mut impl BufMut) {
    header(number, content.len(), out);
    out.put_slice(content);
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
