//! What goes wrong with a version that is live and bakes: it answers with errors, or its scores drift.

use std::time::{Duration, Instant};

use crate::{
    ending::{Illness, Mark},
    http,
    story::{Failed, Story, TICK},
};

/// A mean score that no version has by itself: theirs are around 0.12.
const SHIFTED: f64 = 0.2;

/// Proxies report twice a second: by then they have told of it, or it was taken back before anybody looked.
const TOLD: Duration = Duration::from_secs(3);

impl Story<'_> {
    /// The live version answers one request of twenty with an error, until it is taken back.
    pub async fn errors(
        &mut self,
        version: &'static str,
        back: &'static str,
    ) -> Result<(), Failed> {
        let since = self.make("errors", r#"{ "errors": 0.05 }"#).await?;
        self.screen.step(format!(
            "errors are injected: {version} itself answers one request of twenty with 500"
        ));
        self.taken_back(version, back).await?;
        self.illness = Some(Illness {
            version,
            since,
            until: Instant::now(),
        });
        Ok(())
    }

    /// The live version begins to see fraud everywhere, and says so itself, until it is taken back.
    pub async fn drift(&mut self, version: &'static str, back: &'static str) -> Result<(), Failed> {
        self.make("drift", r#"{ "drift": 0.3 }"#).await?;
        self.screen.step(format!(
            "the scores of {version} drift, and no request fails"
        ));
        // They are told before the server has made up its mind: it looks each second.
        let begun = Instant::now();
        while self
            .score_of(version)
            .await?
            .is_none_or(|mean| mean < SHIFTED)
            && begun.elapsed() < TOLD
        {
            self.hold(TICK).await;
        }
        self.scores().await?;
        self.taken_back(version, back).await
    }

    /// Makes that trouble in every server of the version that was deployed last; since when.
    async fn make(&mut self, what: &'static str, trouble: &str) -> Result<Instant, Failed> {
        let at = Instant::now();
        self.marks.push(Mark { at, what });
        for endpoint in &self.newest {
            let answer = http::post(*endpoint, "/trouble", trouble.to_owned()).await;
            answer.map_err(Failed::Trouble)?;
        }
        Ok(at)
    }
}
