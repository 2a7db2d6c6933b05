//! The server takes a version back by itself: seen in the status, proven by the record of the release.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    control_plane::{Ms, Proof, Proxies, Ran},
    ending::{Flip, Mark},
    story::{Failed, NOTICED, Story, TICK},
};

impl Story<'_> {
    /// Waits until a monitor of the bake has failed, and the traffic is back.
    pub async fn taken_back(&mut self, from: &'static str, to: &'static str) -> Result<(), Failed> {
        let waited = Instant::now();
        let release = loop {
            let status = ["status", "fraud-model"];
            let status = self.world.control_plane.run(&status).await?.answer;
            let release = status["release"].clone();
            if release["phase"] == "RolledBack" {
                break release;
            }
            if waited.elapsed() > NOTICED {
                let phase = release["phase"].as_str().unwrap_or("gone");
                return Err(Failed::NotTakenBack(phase.to_owned()));
            }
            self.tick();
            tokio::time::sleep(TICK).await;
        };
        let seen = Instant::now();
        self.screen.clear();
        let number = release["number"].to_string();
        let record = ["releases", "fraud-model", &number];
        let record = self.world.control_plane.run(&record).await?.answer;
        let pushes = record["deliveries"].as_array();
        let push = pushes.and_then(|pushes| pushes.last()).cloned();
        let push = push.unwrap_or_default();
        let ran = Ran {
            started: moment(&push["at"], seen),
            returned: seen,
            answer: proof(&push, from, to),
        };
        self.screen.step(format!(
            "taken back by itself in revision {}: {}",
            ran.answer.revision,
            release["reason"].as_str().unwrap_or_default()
        ));
        self.marks.push(Mark {
            at: ran.started,
            what: "taken back",
        });
        self.flips.push(Flip {
            verb: "(by itself)",
            from,
            to,
            ran,
        });
        Ok(())
    }
}

/// The push as the proof of a command.
fn proof(push: &Value, from: &str, to: &str) -> Proof {
    let count = |key: &str| {
        let count = push[key].as_u64().unwrap_or_default();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let after = |key: &str| Some(since(time(&push["at"])?, time(&push[key])?).as_secs_f64() * 1e3);
    Proof {
        revision: push["revision"].as_u64().unwrap_or_default(),
        from_version: from.to_owned(),
        to_version: to.to_owned(),
        proxies: Proxies {
            total: count("total"),
            acked: count("acked"),
            pending: 0,
            nacked: count("nacked"),
            disconnected: 0,
        },
        ms: Ms {
            // That is where its time counts from.
            durable: None,
            first_ack: after("first"),
            last_ack: after("last"),
        },
    }
}

/// A time of day as a moment of the load's clock; `now` where there is none.
fn moment(at: &Value, now: Instant) -> Instant {
    let passed = time(at).map_or(Duration::ZERO, |at| since(at, Timestamp::now()));
    now.checked_sub(passed).unwrap_or(now)
}

fn time(at: &Value) -> Option<Timestamp> {
    at.as_str()?.parse().ok()
}

fn since(from: Timestamp, to: Timestamp) -> Duration {
    to.duration_since(from).try_into().unwrap_or_default()
}
