//! What a staged version is tried with before it answers everybody, and what the models tell of themselves.

use std::time::Instant;

use serde_json::Value;

use crate::{
    ending::Mark,
    http,
    story::{Failed, Story, seconds},
};

impl Story<'_> {
    /// One who knows the header looks at the staged version, and nobody else does.
    pub async fn preview(&mut self, version: &str) -> Result<(), Failed> {
        self.screen.command("preview fraud-model --for 1m");
        let preview = ["preview", "fraud-model", "--for", "1m", "--wait", "30s"];
        self.world.control_plane.run(&preview).await?;
        let header = [("x-bluegreen-preview", "green")];
        let seen = http::get_with(self.world.listener(), "/version", &header).await;
        let (_, body) = seen.map_err(Failed::Preview)?;
        let seen = String::from_utf8_lossy(&body).into_owned();
        if !seen.contains(version) {
            return Err(Failed::NotPreviewed(seen));
        }
        self.screen.detail(format!(
            "GET /version with x-bluegreen-preview: green answers {seen}"
        ));
        self.hold(seconds(0.5)).await;
        Ok(())
    }

    /// The staged version gets copies of live requests, for a second.
    pub async fn shadow(&mut self) -> Result<(), Failed> {
        self.screen
            .command("shadow fraud-model --percent 10 --for 1s");
        let before = self.sent_to_staged().await?;
        let shadow = [
            "shadow",
            "fraud-model",
            "--percent",
            "10",
            "--for",
            "1s",
            "--wait",
            "30s",
        ];
        self.world.control_plane.run(&shadow).await?;
        self.hold(seconds(2.0)).await;
        let copies = self.sent_to_staged().await? - before;
        self.screen.detail(format!(
            "{copies} copies of live requests reached it, and it ended by itself"
        ));
        Ok(())
    }

    /// Requests that the proxies have sent to the staged environment.
    async fn sent_to_staged(&self) -> Result<u64, Failed> {
        let mut sum = 0;
        for envoy in self.world.envoys() {
            let sent = r"^cluster\.fraud-model/green\.upstream_rq_total$";
            sum += envoy.stats(sent).await?.values().sum::<u64>();
        }
        Ok(sum)
    }

    /// What the models tell of their own scores, in a header of each answer, comes with the proxies' load reports.
    pub async fn scores(&mut self) -> Result<(), Failed> {
        let stats = ["fleet", "payments", "--stats", "--since", "2s"];
        let answer = self.world.control_plane.run(&stats).await?.answer;
        let clusters = answer["clusters"].as_array().into_iter().flatten();
        let scores: Vec<String> = clusters
            .filter(|cluster| cluster["service"] == "fraud-model")
            .filter_map(|cluster| {
                let version = cluster["version"].as_str()?;
                let metrics = cluster["metrics"].as_array()?;
                let is_score = |metric: &&Value| {
                    let name = metric["name"].as_str();
                    name.is_some_and(|name| name.ends_with("fraud_score"))
                };
                let score = metrics.iter().find(is_score)?;
                let (mean, count) = (score["mean"].as_f64()?, score["count"].as_u64()?);
                Some(format!("{version} {mean:.3} over {count} answers"))
            })
            .collect();
        self.screen.detail(format!(
            "mean fraud score, as the proxies report it (ORCA): {}",
            scores.join(", ")
        ));
        Ok(())
    }

    /// The live model begins to see fraud everywhere, and says so itself.
    pub async fn drift(&mut self) -> Result<(), Failed> {
        self.marks.push(Mark {
            at: Instant::now(),
            what: "drift",
        });
        for endpoint in &self.newest {
            let trouble = r#"{ "drift": 0.3 }"#.to_owned();
            let answer = http::post(*endpoint, "/trouble", trouble).await;
            answer.map_err(Failed::Trouble)?;
        }
        self.screen
            .step("the scores of v1.3.1 drift, and no request fails");
        self.hold(seconds(2.5)).await;
        self.scores().await
    }
}
