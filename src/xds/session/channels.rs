//! The channels of a stream, by type: few, and looked up all the time.

use super::channel::Channel;
use crate::model::TypeUrl;

/// One channel per type that the client has asked for, in push order.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<Box<Channel>>);

impl Channels {
    pub(super) fn get(&self, type_url: TypeUrl) -> Option<&Channel> {
        let mut channels = self.0.iter();
        let found = channels.find(|channel| channel.type_url == type_url);
        found.map(AsRef::as_ref)
    }

    pub(super) fn get_mut(&mut self, type_url: TypeUrl) -> Option<&mut Channel> {
        let mut channels = self.0.iter_mut();
        let found = channels.find(|channel| channel.type_url == type_url);
        found.map(AsMut::as_mut)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Adds the channel of another type.
    pub(super) fn insert(&mut self, channel: Channel) {
        let at = self.0.partition_point(|known| known.type_url < channel.type_url);
        self.0.insert(at, Box::new(channel));
    }
}
