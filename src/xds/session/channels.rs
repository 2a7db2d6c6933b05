//! The channels of a stream, by type: few, and looked up all the time.

use super::channel::Channel;
use crate::model::TypeUrl;

/// One channel per type that the client has asked for, in push order.
#[derive(Debug, Default)]
pub(super) struct Channels(Vec<Channel>);

impl Channels {
    pub(super) fn get(&self, type_url: TypeUrl) -> Option<&Channel> {
        self.0.iter().find(|channel| channel.type_url == type_url)
    }

    pub(super) fn get_mut(&mut self, type_url: TypeUrl) -> Option<&mut Channel> {
        let mut channels = self.0.iter_mut();
        channels.find(|channel| channel.type_url == type_url)
    }

    /// The type of the channel at a place in push order.
    pub(super) fn type_at(&self, at: usize) -> Option<TypeUrl> {
        self.0.get(at).map(|channel| channel.type_url)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Channel> {
        self.0.iter_mut()
    }

    /// Adds the channel of another type.
    pub(super) fn insert(&mut self, channel: Channel) {
        let at = self
            .0
            .partition_point(|known| known.type_url < channel.type_url);
        // A client asks for a type once, and for few: no room is left for more.
        self.0.reserve_exact(1);
        self.0.insert(at, channel);
    }
}
