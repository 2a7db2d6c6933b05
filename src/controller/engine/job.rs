//! Effects as tasks: one per effect in an outbox, started when it appears and stopped when it is gone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{sync::watch, task::AbortHandle, time::sleep};

use super::{
    analyse, events, hook,
    placed::Placed,
    record,
    signal::{LATEST, SOON, advance, advance_for_sure},
};
use crate::{
    controller::{
        handle::Handle,
        request::{Command, CommandError, Request, Waivers},
    },
    model::{
        HookKind, Name,
        check::{Analysis, Decision},
    },
    release::{
        AnalysisRecord, Effect, EffectKind, Purpose, Reason, ReleaseRecord, ServiceState, Signal,
        SignalKind,
    },
    store::Head,
};

/// One task.
struct Running {
    task: AbortHandle,
    /// For an analysis: its time is over.
    finish: Option<watch::Sender<bool>>,
    /// And what people said to its `manual` checks.
    decisions: Option<watch::Sender<Vec<Decision>>>,
    /// And whose it is, by release and number.
    analysis: Option<(u64, u64)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The tasks of a fleet.
pub(super) struct Jobs {
    handle: Handle,
    /// By service, release and effect: a service that is deleted and declared again counts its effects anew.
    running: BTreeMap<(Name, u64, u64), Running>,
    /// Signals on their way, so that none is sent twice while its turn is to come.
    sending: BTreeMap<(Name, &'static str), AbortHandle>,
    /// Since when versions are where they are.
    placed: Placed,
    /// What analyses have found so far, by service and release.
    progress: BTreeMap<(Name, u64, u64), (Purpose, watch::Receiver<Analysis>)>,
}

impl Jobs {
    pub fn new(handle: Handle) -> Self {
        Self {
            handle,
            running: BTreeMap::new(),
            sending: BTreeMap::new(),
            placed: Placed::default(),
            progress: BTreeMap::new(),
        }
    }

    /// Starts what is new in the outboxes, and stops what is gone. Until the fleet has `settled`, gates that go by its proxies would
    /// meet those alone that are back.
    pub fn follow(&mut self, head: &Arc<Head>, settled: bool) {
        self.placed.look(head, self.handle.telemetry().now());
        let mut wanted = BTreeSet::new();
        for (name, service) in &head.state.services {
            let mut events_open = false;
            for effect in &service.outbox {
                // Events of a service go out one after the other: the first that is open stands for all.
                if matches!(effect.kind, EffectKind::SendEvent { .. }) {
                    if events_open {
                        continue;
                    }
                    events_open = true;
                }
                let key = (name.clone(), effect.release, effect.id);
                wanted.insert(key.clone());
                match self.running.get(&key) {
                    None if !settled && analyse::goes_by_proxies(service, effect) => {}
                    None => {
                        let running = self.start(head, name, service, effect);
                        self.running.insert(key, running);
                    }
                    Some(running) => {
                        if let (EffectKind::Analyse { finish, .. }, Some(sender)) =
                            (&effect.kind, &running.finish)
                        {
                            sender
                                .send_if_modified(|now| std::mem::replace(now, *finish) != *finish);
                        }
                        if let Some(sender) = &running.decisions {
                            let decisions = analyse::decisions(service);
                            sender.send_if_modified(|now| {
                                let news = *now != decisions;
                                *now = decisions;
                                news
                            });
                        }
                    }
                }
            }
        }
        let mut gone = Vec::new();
        self.running.retain(|key, running| {
            let stays = wanted.contains(key);
            if !stays && let Some(analysis) = running.analysis {
                gone.push((key.0.clone(), analysis));
            }
            stays
        });
        for (name, (release, analysis)) in gone {
            self.keep_what_was_found(head, &name, release, analysis);
        }
        self.progress.retain(|(name, release, _), _| {
            let service = head.state.services.get(name);
            let rollout = service.and_then(|service| service.rollout.as_deref());
            rollout.is_some_and(|rollout| rollout.number == *release)
        });
        self.sending.retain(|_, task| !task.is_finished());
    }

    /// Enters what a run had found that nobody waits for any more: an operator who goes back in the middle of a bake does so
    /// because of what the monitors show. Of a run that came to its end it says nothing new.
    fn keep_what_was_found(&self, head: &Head, service: &Name, release: u64, analysis: u64) {
        let Some((purpose, mut found)) = self.progress(service, release, analysis) else {
            return;
        };
        if found.checks.is_empty() {
            return;
        }
        let rollout = head.state.services.get(service);
        let rollout = rollout.and_then(|service| service.rollout.as_deref());
        let current = rollout.filter(|rollout| rollout.number == release);
        let why = current.map_or_else(
            || "another release took its place".to_owned(),
            |rollout| format!("the release is {}", rollout.phase),
        );
        let now = self.handle.0.shared.now();
        found.stop(now, &format!("stopped before it ended: {why}"));
        if current.is_some() {
            self.handle
                .set_analysis(service, release, purpose, found.clone());
        }
        let record = AnalysisRecord {
            number: analysis,
            purpose,
            analysis: found,
        };
        let (handle, service) = (self.handle.clone(), service.clone());
        tokio::spawn(async move {
            let change = |it: &mut ReleaseRecord| it.analysed(record);
            if let Err(error) = record::update(&handle, &service, release, change).await {
                tracing::warn!(%service, release, %error, "what checks found is not in the record");
            }
        });
    }

    /// What the analysis of a release is for, and has found so far.
    pub fn progress(
        &self,
        service: &Name,
        release: u64,
        analysis: u64,
    ) -> Option<(Purpose, Analysis)> {
        let (purpose, progress) = self.progress.get(&(service.clone(), release, analysis))?;
        Some((*purpose, progress.borrow().clone()))
    }

    /// Tells a release something, unless the same kind of news is on its way to it already.
    pub fn tell(&mut self, service: &Name, release: u64, kind: SignalKind, id: &'static str) {
        let key = (service.clone(), id);
        if self
            .sending
            .get(&key)
            .is_some_and(|task| !task.is_finished())
        {
            return;
        }
        let (handle, service) = (self.handle.clone(), service.clone());
        let signal = Signal { release, kind };
        let task = tokio::spawn(async move {
            // What can't be stored now is seen again at the next look.
            if let Err(error) = advance(&handle, &service, signal).await {
                tracing::debug!(%service, %error, "a release was not told");
            }
        });
        self.sending.insert(key, task.abort_handle());
    }

    fn start(
        &mut self,
        head: &Arc<Head>,
        name: &Name,
        service: &ServiceState,
        effect: &Effect,
    ) -> Running {
        let (handle, name, release, id) =
            (self.handle.clone(), name.clone(), effect.release, effect.id);
        let (mut finish, mut said, mut of) = (None, None, None);
        let task = match &effect.kind {
            EffectKind::Analyse {
                analysis,
                purpose,
                finish: over,
            } => {
                let (sender, receiver) = watch::channel(*over);
                finish = Some(sender);
                let (sender, people) = watch::channel(analyse::decisions(service));
                said = Some(sender);
                of = Some((release, *analysis));
                let through = analyse::goes_by_proxies(service, effect);
                let aim = analyse::aim(&handle, head, service, &self.placed, through);
                let (job, progress) =
                    analyse::job(&handle, service, aim, *purpose, receiver, people);
                self.progress
                    .insert((name.clone(), release, *analysis), (*purpose, progress));
                tokio::spawn(analyse::run(handle, name, release, *analysis, job))
            }
            EffectKind::CallHook { hook } => {
                let call = hook::Call::of(&handle, service, effect, *hook);
                let effect = (id, *hook);
                tokio::spawn(answer(handle, name, release, effect, call))
            }
            EffectKind::Promote => {
                let waivers = waivers(service);
                let command = Command::Switch {
                    service: name.clone(),
                    to: None,
                };
                tokio::spawn(command_itself(handle, name, release, id, command, waivers))
            }
            EffectKind::Retire => {
                let command = Command::Retire {
                    service: name.clone(),
                    force: false,
                };
                let waivers = Waivers::default();
                tokio::spawn(command_itself(handle, name, release, id, command, waivers))
            }
            EffectKind::SendEvent { .. } => tokio::spawn(events::send(handle, name)),
        };
        Running {
            task: task.abort_handle(),
            finish,
            decisions: said,
            analysis: of,
        }
    }
}

async fn answer(
    handle: Handle,
    service: Name,
    release: u64,
    (effect, hook): (u64, HookKind),
    call: hook::Call,
) {
    let answer = call.run().await;
    tracing::info!(%service, release, hook = hook.as_str(), yes = answer.yes, "{}", answer.detail);
    let kind = SignalKind::HookAnswered {
        effect,
        yes: answer.yes,
        detail: answer.detail,
        endpoints: answer.endpoints,
    };
    advance_for_sure(&handle, &service, Signal { release, kind }).await;
}

/// The server gives itself a command, with the same preconditions as anybody's; what is refused is said with the release, and
/// tried again.
async fn command_itself(
    handle: Handle,
    service: Name,
    release: u64,
    effect: u64,
    command: Command,
    waivers: Waivers,
) {
    let mut pause = SOON;
    let mut told = String::new();
    let operation_id = format!("release-{service}-{release}-{effect}");
    loop {
        let request = Request {
            operation_id: operation_id.clone(),
            message: format!("release {release} goes on by itself"),
            waivers,
            ..Request::by_server(command.clone(), handle.0.shared.now())
        };
        match handle.execute(request, &|_| {}).await {
            Ok(_) | Err(CommandError::Stopping) => return,
            Err(error) => {
                let reason = format!("{error}: {}", error.remedy());
                tracing::info!(%service, release, "it waits: {reason}");
                if told != reason {
                    told.clone_from(&reason);
                    let kind = SignalKind::Held { effect, reason };
                    // Not being able to say why is no reason not to try again.
                    let _ = advance(&handle, &service, Signal { release, kind }).await;
                }
            }
        }
        sleep(pause).await;
        pause = (2 * pause).min(LATEST);
    }
}

/// What the operator gave up when the release began to move counts for what the server does for it.
fn waivers(service: &ServiceState) -> Waivers {
    let waived = |reason: Reason| {
        let rollout = service.rollout.as_deref();
        rollout.is_some_and(|rollout| rollout.waived.iter().any(|name| name == reason.name()))
    };
    Waivers {
        allow_lagging: if waived(Reason::FleetLagging) {
            u32::MAX
        } else {
            0
        },
        skip_probe: waived(Reason::EndpointUnreachable),
        skip_gates: waived(Reason::GatesNotPassed),
        force: false,
    }
}
