//! Commands: from a request to one stream of events. The command runs in a task of its own; the stream only watches.

use std::{collections::BTreeMap, sync::Arc};

use futures::Stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{
    background::in_background,
    convert::{self, Meta},
    errors::{bad_input, failed, failed_in, not_found},
    fleets::declared,
    follow::follow,
    named, outcome, views,
};
use crate::{
    api::{self, command_event::Event},
    controller::{
        Accepted, Command, Controllers, Declared, Documents, Ended, Handle, Request, Waivers,
    },
    model::{self, DocumentKind, DocumentSpec, Name, Revision},
    release::Notice,
};

/// Events on their way to one client. More than a command sends before it is durable, unless a file drifts at
/// hundreds of places; then the rest of those notices is dropped, because no command waits for a client to read.
const QUEUE: usize = 1024;

/// What the author of a malformed document can do.
const MEND: &str = "correct the document; nothing was changed";

/// The most files of one apply.
const MAX_FILES: usize = 10_000;

/// A command that could be read, with the fleets that it is for.
pub(super) struct Call {
    meta: Meta,
    waivers: Waivers,
    /// One command per fleet; more than one only for documents of several fleets.
    commands: Vec<(Handle, Command)>,
}

type Sender = mpsc::Sender<Result<api::CommandEvent, Status>>;

impl Call {
    pub(super) fn on_service(
        controllers: &Controllers,
        meta: Option<api::CommandMeta>,
        service: &str,
        command: impl FnOnce(Name) -> Result<Command, Status>,
    ) -> Result<Self, Status> {
        let meta = convert::meta(meta)?;
        let name = convert::name("service", service)?;
        let handle = named::service(controllers, service)?;
        Ok(Self::one(meta, handle, command(name)?))
    }

    fn on_fleet(
        controllers: &Controllers,
        meta: Option<api::CommandMeta>,
        fleet: &str,
        command: Command,
    ) -> Result<Self, Status> {
        let meta = convert::meta(meta)?;
        let handle = declared(controllers, fleet)?;
        Ok(Self::one(meta, handle, command))
    }

    pub(super) fn one(meta: Meta, handle: Handle, command: Command) -> Self {
        Self {
            meta,
            waivers: Waivers::default(),
            commands: vec![(handle, command)],
        }
    }

    pub async fn apply(
        controllers: &Controllers,
        request: api::ApplyRequest,
    ) -> Result<Self, Status> {
        let meta = convert::meta(request.meta)?;
        let by_fleet = documents(request.files).await?;
        if by_fleet.len() > 1 && meta.if_revision.is_some() {
            return Err(bad_input(
                "if_revision is of one fleet, and the documents are of several",
                "apply them fleet by fleet",
            ));
        }
        let commands = by_fleet.into_iter().map(|(fleet, documents)| {
            let command = Command::Apply {
                documents,
                no_verify: request.no_verify,
                replace_standby: request.replace_standby,
                force: request.force,
            };
            (controllers.fleet(&fleet), command)
        });
        Ok(Self {
            meta,
            waivers: Waivers::default(),
            commands: commands.collect(),
        })
    }

    pub fn delete(controllers: &Controllers, request: api::DeleteRequest) -> Result<Self, Status> {
        let meta = convert::meta(request.meta)?;
        let kind: DocumentKind = request
            .kind
            .parse()
            .map_err(|error| bad_input(format!("{error}"), "see `bluegreen get`"))?;
        let name = convert::name("name", &request.name)?;
        let handle = controllers
            .fleet_of(kind, name.as_str())
            .ok_or_else(|| not_found(kind.as_str(), name.as_str()))?;
        let command = Command::Delete {
            kind,
            name,
            no_verify: request.no_verify,
        };
        Ok(Self::one(meta, handle, command))
    }

    pub fn deploy(controllers: &Controllers, request: api::DeployRequest) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(Command::Deploy {
                service,
                version: convert::version(request.version)?,
                endpoints: convert::endpoints(&request.endpoints)?,
                replace_standby: request.replace_standby,
            })
        })
    }

    pub fn scale(controllers: &Controllers, request: api::ScaleRequest) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            let colour = convert::colour(request.colour)?
                .ok_or_else(|| bad_input("no environment is named", "name blue or green"))?;
            Ok(Command::Scale {
                service,
                colour,
                endpoints: convert::endpoints(&request.endpoints)?,
                replace_standby: request.replace_standby,
                force: request.force,
            })
        })
    }

    pub fn rollback_fleet(
        controllers: &Controllers,
        request: api::RollbackFleetRequest,
    ) -> Result<Self, Status> {
        let command = Command::RollbackFleet {
            to: Revision(request.to_revision),
            exact: request.exact,
            yes: request.yes,
        };
        Self::on_fleet(controllers, request.meta, &request.fleet, command)
    }

    pub fn retire(controllers: &Controllers, request: api::RetireRequest) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(Command::Retire {
                service,
                force: request.force,
            })
        })
    }

    pub fn rebuild(
        controllers: &Controllers,
        request: api::RebuildRequest,
    ) -> Result<Self, Status> {
        Self::on_fleet(controllers, request.meta, &request.fleet, Command::Rebuild)
    }

    /// The same, with these preconditions given up.
    pub(super) fn waiving(self, waive: Option<api::Waivers>) -> Self {
        let waive = waive.unwrap_or_default();
        Self {
            waivers: Waivers {
                allow_lagging: waive.allow_lagging,
                skip_probe: waive.skip_probe,
                skip_gates: waive.skip_gates,
                force: waive.force,
            },
            ..self
        }
    }

    /// Starts the command; what comes out of the stream is what happens to it.
    pub fn start(
        self,
        controllers: Arc<Controllers>,
    ) -> impl Stream<Item = Result<api::CommandEvent, Status>> + Send + 'static {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let last = match self.run(&controllers, &sender).await {
                Ok(outcome) => Ok(event(Event::Outcome(outcome))),
                Err(status) => Err(status),
            };
            // An error: the client is gone, and the command is done all the same.
            let _ = sender.send(last).await;
        });
        ReceiverStream::new(receiver)
    }

    async fn run(self, controllers: &Controllers, sender: &Sender) -> Result<api::Outcome, Status> {
        let arrived_at = controllers.now();
        let tell = |notice: Notice| {
            let _ = sender.try_send(Ok(event(Event::Notice(notice_of(notice)))));
        };
        let request = |command: &Command, dry_run: bool| Request {
            command: command.clone(),
            operation_id: self.meta.operation_id.clone(),
            actor: self.meta.actor.clone(),
            actor_verified: false,
            message: self.meta.message.clone(),
            dry_run,
            if_revision: self.meta.if_revision,
            arrived_at,
            policy: self.meta.policy,
            waivers: self.waivers,
        };
        // Several fleets have no common commit: what one of them refuses is found before any of them changes.
        if self.commands.len() > 1 && !self.meta.dry_run {
            for (handle, command) in &self.commands {
                let rehearsal = request(command, true);
                handle
                    .execute(rehearsal, &|_| {})
                    .await
                    .map_err(|error| failed(&error))?;
            }
        }
        let mut done = Vec::with_capacity(self.commands.len());
        for (handle, command) in &self.commands {
            let accepted = handle
                .execute(request(command, self.meta.dry_run), &tell)
                .await
                .map_err(|error| failed_in(handle.name(), &error, &changed(&done)))?;
            self.report(&accepted, sender);
            done.push((handle, accepted));
        }
        if self.meta.dry_run {
            return Ok(outcome::planned(&self.meta, &done));
        }
        let deadline = tokio::time::Instant::now() + self.meta.wait;
        let followed = done
            .iter()
            .map(|(handle, accepted)| follow(handle, accepted, self.meta.wait, deadline, sender));
        let ends = futures::future::join_all(followed).await;
        Ok(outcome::of(&self.meta, &done, ends))
    }

    /// Notices, plan, durable: in this order, without ever waiting for the client.
    fn report(&self, accepted: &Accepted, sender: &Sender) {
        let send = |one| {
            let _ = sender.try_send(Ok(event(one)));
        };
        for notice in accepted.notices.iter().cloned() {
            send(Event::Notice(notice_of(notice)));
        }
        if let Some(plan) = &accepted.plan {
            let texts = self.meta.dry_run;
            send(Event::Plan(views::plan(&accepted.fleet, plan, texts)));
        }
        // What was so already became durable long ago.
        if !self.meta.dry_run && accepted.ended != Ended::Unchanged {
            send(Event::Durable(outcome::durable(accepted)));
        }
    }
}

/// The fleets that a command has changed so far.
fn changed<'a>(done: &'a [(&'a Handle, Accepted)]) -> Vec<(&'a Name, Revision)> {
    let changed = done
        .iter()
        .filter(|(_, accepted)| matches!(accepted.ended, Ended::Committed | Ended::Repeated));
    changed
        .map(|(handle, accepted)| (handle.name(), accepted.revision))
        .collect()
}

fn event(event: Event) -> api::CommandEvent {
    api::CommandEvent { event: Some(event) }
}

fn notice_of(notice: Notice) -> api::Notice {
    api::Notice {
        kind: notice.kind.to_owned(),
        text: notice.text,
    }
}

/// Reads all files, and sorts what they declare by fleet.
async fn documents(files: Vec<api::File>) -> Result<BTreeMap<Name, Documents>, Status> {
    if files.len() > MAX_FILES {
        return Err(bad_input(
            format!("{} files are more than {MAX_FILES}", files.len()),
            "apply them in parts",
        ));
    }
    in_background(move || by_fleet(&files)).await?
}

fn by_fleet(files: &[api::File]) -> Result<BTreeMap<Name, Documents>, Status> {
    let mut parsed = Vec::new();
    for file in files {
        let documents = model::parse_documents(&file.name, &file.content)
            .map_err(|error| bad_input(error.to_string(), MEND))?;
        parsed.extend(documents.into_iter().map(|one| (file.name.as_str(), one)));
    }
    model::unique_documents(parsed.iter().map(|(file, one)| (*file, one)))
        .map_err(|error| bad_input(error.to_string(), "keep one of them; nothing was changed"))?;
    let mut by_fleet: BTreeMap<Name, Documents> = BTreeMap::new();
    for (_, document) in parsed {
        let (name, applied) = (document.name, document.raw);
        match document.spec {
            DocumentSpec::Service(spec) => {
                let fleet = by_fleet.entry(spec.fleet.clone()).or_default();
                fleet.services.push(Declared {
                    name,
                    spec,
                    applied,
                });
            }
            DocumentSpec::Group(spec) => {
                let fleet = by_fleet.entry(spec.fleet.clone()).or_default();
                fleet.groups.push(Declared {
                    name,
                    spec,
                    applied,
                });
            }
            DocumentSpec::EnvoyResources(spec) => {
                let fleet = by_fleet.entry(spec.fleet.clone()).or_default();
                fleet.resources.push(Declared {
                    name,
                    spec,
                    applied,
                });
            }
        }
    }
    if by_fleet.is_empty() {
        return Err(bad_input(
            "the files declare nothing",
            "give files with documents of apiVersion bluegreen/v1",
        ));
    }
    Ok(by_fleet)
}
