//! What a staged version is tried with before it answers everybody, and what the models tell of themselves.

use serde_json::Value;

use crate::{
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
        let scores = self.reported_scores().await?.into_iter();
        let scores: Vec<String> = scores
            .map(|it| format!("{} {:.3} over {} answers", it.version, it.mean, it.count))
            .collect();
        self.screen.detail(format!(
            "mean fraud score, as the proxies report it (ORCA): {}",
            scores.join(", ")
        ));
        Ok(())
    }

    /// The mean score of a version, if the proxies have reported any.
    pub async fn score_of(&self, version: &str) -> Result<Option<f64>, Failed> {
        let scores = self.reported_scores().await?.into_iter();
        let mut of_version = scores.filter(|score| score.version == version);
        Ok(of_version.next().map(|score| score.mean))
    }

    /// Of every version that has had traffic in the last two seconds.
    async fn reported_scores(&self) -> Result<Vec<Score>, Failed> {
        let stats = ["fleet", "payments", "--stats", "--since", "2s"];
        let answer = self.world.control_plane.run(&stats).await?.answer;
        let clusters = answer["clusters"].as_array().into_iter().flatten();
        let of_service = clusters.filter(|cluster| cluster["service"] == "fraud-model");
        Ok(of_service.filter_map(Score::of).collect())
    }
}

/// What the proxies report of a version's own scores.
struct Score {
    version: String,
    mean: f64,
    count: u64,
}

impl Score {
    fn of(cluster: &Value) -> Option<Self> {
        let is_score = |metric: &&Value| {
            let name = metric["name"].as_str();
            name.is_some_and(|name| name.ends_with("fraud_score"))
        };
        let score = cluster["metrics"].as_array()?.iter().find(is_score)?;
        Some(Self {
            version: cluster["version"].as_str()?.to_owned(),
            mean: score["mean"].as_f64()?,
            count: score["count"].as_u64()?,
        })
    }
}
