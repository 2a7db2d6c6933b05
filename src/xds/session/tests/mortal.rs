//! Resources with a time to live, over a reconnect.

use std::time::Duration;

use super::*;

/// A client that was away may have dropped what lives for a while: the version that it shows says that it had it, not
/// that it has it.
#[test]
fn what_lives_for_a_while_is_said_again_after_a_reconnect() {
    for mode in MODES {
        let mut fleet = Fleet::with_a();
        fleet.put([runtime("layer").with_ttl(Duration::from_secs(15))]);
        let mut before = Client::settled_in(mode, &fleet);
        before.ask(TypeUrl::Runtime, &["layer"]);
        before.ack(TypeUrl::Runtime);
        for mut client in [before.reconnected(), before.elsewhere()] {
            client.push(fleet.newest());
            let layer = (TypeUrl::Runtime, vec!["layer".to_owned()]);
            let asked = client.ask(TypeUrl::Runtime, &["layer"]);
            assert_eq!(sent(&asked), [layer], "{mode:?}");
            let answered = client.ack(TypeUrl::Runtime);
            assert_eq!(sent(&answered), [], "{mode:?}");
        }
    }
}
