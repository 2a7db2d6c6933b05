//! What happens, in which order: a release, the way back, a fix, a crash, and two versions that go bad while they bake.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::{
    control_plane::ControlPlaneError,
    customers::{self, RATE},
    ending::{Ending, Flip, Illness, Mark},
    envoy::EnvoyError,
    load::Load,
    screen::{Paint, Screen, thousands},
    world::{FLEET_SIZE, World, WorldError},
};

/// Bounds the demo's load, and that of `--keep`.
const DEMO: Duration = Duration::from_secs(120);
const KEEP: Duration = Duration::from_secs(1_800);

/// How often the living line changes.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// How long a monitor may take to see what is wrong: a report each half second, a look each second.
pub(crate) const NOTICED: Duration = Duration::from_secs(30);

/// How long the fleet may take to come back to a control plane that was killed: Envoy tries again within 3 s.
const COME_BACK: Duration = Duration::from_secs(15);

/// The versions, in the order in which they go live.
pub const VERSIONS: [(&str, Paint); 4] = [
    ("v1.2", Paint::Blue),
    ("v1.3", Paint::Green),
    ("v1.3.1", Paint::Cyan),
    ("v1.3.2", Paint::Green),
];

/// Why the demo could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// See there.
    #[error(transparent)]
    World(#[from] WorldError),
    /// See there.
    #[error(transparent)]
    ControlPlane(#[from] ControlPlaneError),
    /// See there.
    #[error(transparent)]
    Envoy(#[from] EnvoyError),
    /// The document could not be written.
    #[error("cannot write the demo's document: {0}")]
    Document(std::io::Error),
    /// The proxies did not answer a request of the demo's own.
    #[error("cannot look at the preview: {0}")]
    Preview(std::io::Error),
    /// Another version answered.
    #[error("the preview was answered by {0}")]
    NotPreviewed(String),
    /// A model server did not take its trouble.
    #[error("cannot make trouble: {0}")]
    Trouble(std::io::Error),
    /// The bake did not end it.
    #[error("the release was not taken back within {NOTICED:?}, it is {0}")]
    NotTakenBack(String),
    /// The fleet stayed away.
    #[error("only {0} of {FLEET_SIZE} proxies came back to the control plane within {COME_BACK:?}")]
    FleetAway(u64),
}

/// The story while it is told.
#[derive(Debug)]
pub struct Story<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) screen: &'a mut Screen,
    pub(crate) load: Option<Load>,
    pub(crate) flips: Vec<Flip>,
    pub(crate) marks: Vec<Mark>,
    /// When a version was made to answer with errors.
    pub(crate) illness: Option<Illness>,
    /// Where the version runs that was deployed last.
    pub(crate) newest: Vec<SocketAddr>,
}

impl<'a> Story<'a> {
    /// Nothing has happened yet.
    pub fn new(world: &'a mut World, screen: &'a mut Screen) -> Self {
        Self {
            world,
            screen,
            load: None,
            flips: Vec::new(),
            marks: Vec::new(),
            illness: None,
            newest: Vec::new(),
        }
    }

    /// Where it is told.
    pub fn screen(&self) -> &Screen {
        self.screen
    }

    /// From the empty stage to the last rollback.
    ///
    /// # Errors
    /// If something does not start, or a command fails.
    pub async fn tell(&mut self) -> Result<Ending, Failed> {
        self.set_the_stage().await?;

        self.release("v1.3").await?;
        self.hold(seconds(1.5)).await;
        self.flip("switch", "v1.2", "v1.3").await?;
        self.hold(seconds(3.5)).await;
        self.flip("rollback", "v1.3", "v1.2").await?;
        self.hold(seconds(2.5)).await;

        self.release("v1.3.1").await?;
        self.preview("v1.3.1").await?;
        self.shadow().await?;
        self.scores().await?;
        self.flip("switch", "v1.2", "v1.3.1").await?;
        self.hold(seconds(3.0)).await;

        self.crash().await?;
        self.hold(seconds(1.0)).await;
        self.errors("v1.3.1", "v1.2").await?;
        self.hold(seconds(2.5)).await;

        self.release("v1.3.2").await?;
        self.flip("switch", "v1.2", "v1.3.2").await?;
        self.hold(seconds(3.0)).await;
        self.drift("v1.3.2", "v1.2").await?;
        self.hold(seconds(3.0)).await;
        self.end().await
    }

    async fn set_the_stage(&mut self) -> Result<(), Failed> {
        let title = "50,000 transactions a minute, a new model, one push; and back";
        self.screen.line("");
        self.screen
            .line(format!("  {}", self.screen.paint(Paint::Bold, title)));
        self.screen.line("");

        self.world
            .control_plane
            .start()
            .await
            .map_err(WorldError::from)?;
        let xds = self.world.control_plane.xds();
        self.screen.step(format!(
            "control plane      {xds}, data in {}",
            self.world.dir().display()
        ));
        let endpoints = self.world.start_model("v1.2").await?;
        self.screen
            .step(format!("fraud-model v1.2   {}", list(&endpoints)));
        self.world.start_envoys().await?;
        let listener = self.world.listener();
        self.screen.step(format!(
            "{FLEET_SIZE} Envoys           waiting for their configuration"
        ));

        let document = self.document(&endpoints)?;
        self.screen.command("apply -f fraud-model.yaml");
        self.world
            .control_plane
            .run(&["apply", "--wait", "30s", "-f", &document])
            .await?;
        self.world.envoys_ready().await?;
        self.screen
            .step(format!("the fleet is ready, and shares {listener}"));

        self.load = Some(customers::start(listener, DEMO));
        self.screen.step(format!(
            "load: {RATE} requests a second, POST /score, no retries anywhere"
        ));
        self.hold(seconds(3.0)).await;
        Ok(())
    }

    /// Writes the document with the addresses of today; its path.
    fn document(&self, endpoints: &[SocketAddr]) -> Result<String, Failed> {
        let mut text = include_str!("fraud-model.yaml").replace(
            "port: 10000",
            &format!("port: {}", self.world.listener().port()),
        );
        for (number, endpoint) in (9001..).zip(endpoints) {
            text = text.replace(&format!("127.0.0.1:{number}"), &endpoint.to_string());
        }
        let labelled = include_str!("../fraud-model/labelled.jsonl");
        let beside = self.world.dir().join("labelled.jsonl");
        std::fs::write(beside, labelled).map_err(Failed::Document)?;
        let path = self.world.dir().join("fraud-model.yaml");
        std::fs::write(&path, text).map_err(Failed::Document)?;
        Ok(path.display().to_string())
    }

    /// Stages a version and runs its gates.
    async fn release(&mut self, version: &str) -> Result<(), Failed> {
        let endpoints = self.world.start_model(version).await?;
        self.newest.clone_from(&endpoints);
        let endpoints: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
        let mut args = vec!["release", "fraud-model", "--version", version];
        for endpoint in &endpoints {
            args.extend(["--endpoint", endpoint]);
        }
        self.screen.command(&args.join(" "));
        let ran = self.world.control_plane.run(&args).await?;
        for check in ran.answer["checks"].as_array().into_iter().flatten() {
            let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
            self.screen.detail(format!(
                "gate {}: {}, {}",
                text("name"),
                text("phase"),
                text("message")
            ));
        }
        let took = ran.returned - ran.started;
        self.screen.detail(format!(
            "{version} is {} beside the live version, in {}",
            ran.answer["phase"].as_str().unwrap_or("?"),
            ms(took)
        ));
        Ok(())
    }

    async fn flip(
        &mut self,
        verb: &'static str,
        from: &'static str,
        to: &'static str,
    ) -> Result<(), Failed> {
        self.screen.command(&format!("{verb} fraud-model"));
        let ran = self
            .world
            .control_plane
            .flip(&[verb, "fraud-model"])
            .await?;
        let proof = &ran.answer;
        self.screen.detail(format!(
            "{from} → {to} in revision {}: {} of {} proxies accepted, the last after {}",
            proof.revision,
            proof.proxies.acked,
            proof.proxies.total,
            proof
                .ms
                .last_ack
                .map_or("?".to_owned(), |ms| format!("{ms:.1} ms")),
        ));
        self.marks.push(Mark {
            at: ran.started,
            what: verb,
        });
        self.flips.push(Flip {
            verb,
            from,
            to,
            ran,
        });
        Ok(())
    }

    /// The control plane dies and comes back, under load.
    async fn crash(&mut self) -> Result<(), Failed> {
        self.screen.line("");
        self.marks.push(Mark {
            at: Instant::now(),
            what: "kill -9",
        });
        let id = self.world.control_plane.kill().await;
        let command = self.screen.paint(Paint::Bold, format!("$ kill -9 {id}"));
        self.screen.step(format!(
            "{command}   the control plane is gone, the Envoys go on"
        ));
        self.hold(seconds(3.0)).await;

        self.marks.push(Mark {
            at: Instant::now(),
            what: "started again",
        });
        let started = Instant::now();
        self.world.control_plane.start().await?;
        let up = started.elapsed();
        while self.proxies_in_sync().await? < FLEET_SIZE as u64 {
            if started.elapsed() > COME_BACK {
                return Err(Failed::FleetAway(self.proxies_in_sync().await?));
            }
            self.tick();
            tokio::time::sleep(TICK).await;
        }
        self.screen.step(format!(
            "started again in {}; the whole fleet was back in sync after {}",
            ms(up),
            ms(started.elapsed())
        ));
        Ok(())
    }

    async fn proxies_in_sync(&self) -> Result<u64, Failed> {
        let status = self
            .world
            .control_plane
            .run(&["status", "fraud-model"])
            .await?;
        Ok(status.answer["proxies"]["acked"]
            .as_u64()
            .unwrap_or_default())
    }

    async fn end(&mut self) -> Result<Ending, Failed> {
        // Without a load there is nothing to report, and the report says so: no request was answered.
        let load = self.load.take();
        let load = load.unwrap_or_else(|| customers::start(self.world.listener(), Duration::ZERO));
        let load = load.stop().await;
        self.screen.clear();
        let flips = std::mem::take(&mut self.flips);
        let marks = std::mem::take(&mut self.marks);
        let (illness, envoys) = (self.illness, self.world.envoys());
        Ok(Ending::gather(load, flips, marks, illness, envoys).await?)
    }

    /// Everything stays up, under load, until the demo is interrupted or the load is over.
    ///
    /// # Errors
    /// None after the load has begun.
    pub async fn keep(&mut self) -> Result<(), Failed> {
        let control_plane = &self.world.control_plane;
        let binary = control_plane.binary().display();
        for line in [
            "".to_owned(),
            self.screen.paint(Paint::Bold, "  It keeps running, under load, for half an hour or until Ctrl-C. Try:"),
            "".to_owned(),
            format!("    alias bluegreen={binary}"),
            format!("    export BLUEGREEN_SERVER={}", control_plane.server()),
            "    bluegreen status".to_owned(),
            "    bluegreen fleet payments".to_owned(),
            "    bluegreen history fraud-model".to_owned(),
            "    bluegreen switch fraud-model --to green --force      # v1.3.2 again, although it was rolled back".to_owned(),
            "    bluegreen rollback fraud-model".to_owned(),
            format!("    curl -i http://{}/version", self.world.listener()),
            "".to_owned(),
        ] {
            self.screen.line(line);
        }
        self.load = Some(customers::start(self.world.listener(), KEEP));
        self.hold(KEEP).await;
        Ok(())
    }

    /// Lets time pass, with the living line showing who answers.
    pub(crate) async fn hold(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.tick();
            tokio::time::sleep(TICK).await;
        }
        self.screen.clear();
    }

    pub(crate) fn tick(&self) {
        let Some(load) = &self.load else { return };
        let samples = load.samples();
        let errors = samples.iter().filter(|one| one.own_error().is_some());
        let errors = errors.count();
        let failed = samples.iter().filter(|one| one.outcome.is_err()).count() - errors;
        let newest = samples
            .iter()
            .rev()
            .find_map(|sample| sample.outcome.clone().ok());
        let requests = thousands(samples.len());
        drop(samples);
        let version = newest.map_or("nobody yet".to_owned(), |version| {
            let paint = VERSIONS
                .iter()
                .find(|(name, _)| **name == *version)
                .map(|(_, paint)| *paint);
            self.screen.paint(paint.unwrap_or(Paint::Red), version)
        });
        let failed = self.screen.paint(
            if failed == 0 { Paint::Dim } else { Paint::Red },
            format!("{failed} failed"),
        );
        let errors = match errors {
            0 => String::new(),
            errors => format!(", {errors} errors of the model itself"),
        };
        self.screen.live(format!(
            "{requests} requests, {failed}{errors}, answered by {version}"
        ));
    }
}

pub(crate) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn list(addresses: &[SocketAddr]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join("  ")
}

fn ms(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}
