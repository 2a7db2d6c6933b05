//! The pages of `docs/` that are read with a terminal at hand: every command in them is run as it stands, in order, against
//! a real server, a real Envoy and real backends.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::{
    fixtures::{Backends, endpoints, service},
    support::{
        backend::Backend,
        waiting,
        world::{BINARY, World},
    },
};

/// A fenced block of a page.
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(page);
    let text = std::fs::read_to_string(path).expect("the page");
    let mut blocks = Vec::new();
    // Fences open and close in turn.
    for (at, part) in text.split("```").enumerate() {
        if at % 2 == 1 {
            let (language, text) = part.split_once('\n').expect("a block");
            blocks.push(Block {
                language: language.to_owned(),
                text: text.to_owned(),
            });
        }
    }
    blocks
}

/// A fleet with `fraud-model` and `features`, both with blue live, and what stands for the addresses on the pages.
struct Stage {
    world: World,
    backends: [Backends; 2],
}

impl Stage {
    async fn set() -> Self {
        let backends = [Backends::start().await, Backends::start().await];
        let mut world = World::start().await;
        let target = world.listener.addr();
        let model = service("fraud-model", "/", target, &backends[0], "");
        let features = service("features", "/features", target, &backends[1], "");
        let one_colour = |document: String, backends: &Backends| {
            let green = format!(
                "    green: {{ version: v2, endpoints: {} }}\n",
                endpoints(&backends.green)
            );
            document
                .replace(&green, "")
                .replace("version: v1,", "version: v1.2,")
        };
        let documents = one_colour(model, &backends[0]) + &one_colour(features, &backends[1]);
        world.apply(&documents, &[]).await.ok();
        world.fleet(1).await;
        Self { world, backends }
    }

    /// The text with the addresses of today.
    fn of_today(&self, text: &str) -> String {
        let green =
            |backends: &Backends| backends.green.each_ref().map(Backend::addr)[0].to_string();
        let listener = self.world.listener.addr();
        let blue = self.backends[0].blue.each_ref().map(Backend::addr)[0];
        text.replace("10.0.0.1:9000", &blue.to_string())
            .replace("10.0.0.2:9000", &green(&self.backends[0]))
            .replace("10.0.0.4:9000", &green(&self.backends[1]))
            .replace("127.0.0.1:10000", &listener.to_string())
            .replace("port: 10000", &format!("port: {}", listener.port()))
    }

    /// Runs one line of a page as a shell does.
    async fn run(&self, line: &str) {
        let bin = PathBuf::from(BINARY);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", bin.parent().expect("a folder").display());
        let output = Command::new("sh")
            .args(["-c", &self.of_today(line)])
            .env("PATH", path)
            .env("BLUEGREEN_SERVER", format!("http://{}", self.world.admin))
            .stdin(Stdio::null())
            .output()
            .await
            .expect("a shell");
        assert!(output.status.success(), "{line}: {output:?}");
        if line.starts_with("bluegreen switch") {
            self.settled().await;
        }
    }

    /// The release has taken in that every proxy accepted the switch: its bake, or what comes next, has begun.
    async fn settled(&self) {
        let phase = async || {
            let status = self.world.json(&["status", "fraud-model"]).await;
            status["release"]["phase"].clone()
        };
        waiting::until("switched", phase, |phase| *phase != "Switching").await;
    }

    /// Runs a page; how many commands and documents there were in it.
    async fn play(&self, page: &str) -> (usize, usize) {
        let (mut commands, mut documents) = (0, 0);
        for block in blocks(page) {
            match block.language.as_str() {
                "console" => {
                    for line in block
                        .text
                        .lines()
                        .filter_map(|line| line.strip_prefix("$ "))
                    {
                        self.run(line).await;
                        commands += 1;
                    }
                }
                "yaml" if block.text.contains("apiVersion: bluegreen/v1") => {
                    let ran = self.world.apply(&self.of_today(&block.text), &[]).await;
                    assert_eq!(ran.code, 0, "{page}: {}", block.text);
                    documents += 1;
                }
                // A part of a bootstrap; the bootstraps are tested as they are.
                "yaml" => {}
                other => panic!("{page} has a block in {other:?} that nothing runs"),
            }
        }
        (commands, documents)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_shadow_and_preview_is_as_it_says() {
    assert_eq!(Stage::set().await.play("shadow.md").await, (6, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_canaries_is_as_it_says() {
    assert_eq!(Stage::set().await.play("canary.md").await, (6, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_groups_is_as_it_says() {
    assert_eq!(Stage::set().await.play("groups.md").await, (6, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_releases_is_as_it_says() {
    let stage = Stage::set().await;
    assert_eq!(stage.play("release-a-fraud-model.md").await, (11, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_on_what_to_do_after_a_rollback_is_as_it_says() {
    let stage = Stage::set().await;
    for line in [
        "bluegreen release fraud-model --version v1.3 --endpoint 10.0.0.2:9000",
        "bluegreen switch fraud-model",
        "bluegreen rollback fraud-model",
    ] {
        stage.run(line).await;
    }
    assert_eq!(stage.play("when-it-rolled-back.md").await, (9, 0));
}
