//! The server dies between any two steps of the commit by which a release moves traffic by itself.

use crate::{
    calls,
    fixture::{Stage, phases},
    support::fault::POINTS,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_and_a_rollback_by_the_server_itself_are_made_once() {
    let stage = Stage::unheard(|stage| {
        format!(
            "    promotion: automatic
    hooks: {{ confirmPromotion: {{ webhook: \"{}\", timeout: 5m }} }}
    bake: {{ duration: 1h, interval: 1s, monitors: [ {{ name: errors, timeout: 5m, http: {{ path: /bake }} }} ] }}
",
            stage.outside.url("/confirm")
        )
    })
    .await;
    let outside = &stage.outside;
    for (round, point) in POINTS.iter().enumerate() {
        let asked = outside.so_far("/confirm").len();
        stage.release_of(&format!("v2.{round}")).await;
        outside.calls("/confirm", asked + 1).await;
        stage.world.kill().await;
        // What the hook says is one commit, and the switch is the next.
        let second = [
            ("BLUEGREEN_FAULT_POINT", *point),
            ("BLUEGREEN_FAULT_SKIP", "1"),
        ];
        stage.serve(&second).await;
        outside.calls("/confirm", asked + 2).await;
        outside.let_go("/confirm", 200);
        stage.world.ended().await;

        let watched = outside.so_far("/bake").len();
        stage.serve(&[]).await;
        stage.reached("Baking").await;
        outside.calls("/bake", watched + 1).await;
        stage.first.served(100).await;
        stage.second.served(100).await;
        stage.world.kill().await;
        stage.serve(&[("BLUEGREEN_FAULT_POINT", point)]).await;
        outside.calls("/bake", watched + 2).await;
        outside.let_go("/bake", 500);
        stage.world.ended().await;

        // Where nothing had been stored the monitor has to say it again.
        let failing = outside.so_far("/bake").len();
        stage.serve(&[]).await;
        tokio::select! {
            _ = stage.reached("RolledBack") => {}
            _ = outside.calls("/bake", failing + 1) => outside.let_go("/bake", 500),
        }
        let record = stage.ended("500").await;
        assert_eq!(
            phases(&record),
            [
                "Staged",
                "Ready",
                "Switching",
                "Baking",
                "RollingBack",
                "RolledBack"
            ],
            "{point}"
        );
        stage.first.served(0).await;
        stage.second.served(0).await;
        let history = calls::history(&mut stage.client().await).await;
        let begun = record["rollout"]["log"][0]["revision"].as_u64().unwrap();
        let pushes = history.iter().filter(|it| it.revision >= begun);
        let switches = pushes.filter(|it| it.what.starts_with("switched"));
        assert_eq!(switches.count(), 1, "{point}: {history:#?}");
    }
}
