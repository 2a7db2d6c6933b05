//! An admin server that answers by the name it is asked for, so that each answer can be seen on the command line.

mod answers;
mod releases;
mod stats;
mod views;

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use bluegreen::api::{
    self, CommandEvent, CommandMeta,
    admin_server::{Admin, AdminServer},
};
use tokio_stream::{Stream, wrappers::TcpListenerStream};
use tonic::{Request, Response, Status};

type Commands = Mutex<Vec<(String, CommandMeta)>>;
type Events = Pin<Box<dyn Stream<Item = Result<CommandEvent, Status>> + Send>>;
type Statuses = Pin<Box<dyn Stream<Item = Result<api::GetStatusResponse, Status>> + Send>>;

/// A running server; it ends with the value.
pub struct Fake {
    address: std::net::SocketAddr,
    commands: Arc<Commands>,
    _runtime: tokio::runtime::Runtime,
}

impl Fake {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let commands = Arc::new(Commands::default());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let service = AdminServer::new(Scripted {
            commands: commands.clone(),
        });
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            commands,
            _runtime: runtime,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The `meta` of every command that was given for a name, in order.
    pub fn metas(&self, name: &str) -> Vec<CommandMeta> {
        let commands = self.commands.lock().unwrap();
        let of_name = commands.iter().filter(|(of, _)| of == name);
        of_name.map(|(_, meta)| meta.clone()).collect()
    }

    pub fn operation_ids(&self, name: &str) -> Vec<String> {
        let metas = self.metas(name).into_iter();
        metas.map(|meta| meta.operation_id).collect()
    }
}

struct Scripted {
    commands: Arc<Commands>,
}

impl Scripted {
    /// The answer to a command. `asked` is the whole request, for those that want to see it.
    fn answer(
        &self,
        name: &str,
        meta: Option<CommandMeta>,
        asked: &dyn std::fmt::Debug,
    ) -> Result<Response<Events>, Status> {
        let meta = meta.unwrap_or_default();
        let before = {
            let mut commands = self.commands.lock().unwrap();
            let before = commands.iter().filter(|(of, _)| of == name).count();
            commands.push((name.to_owned(), meta.clone()));
            before
        };
        let mut shown = format!("{asked:?}");
        for volatile in [&meta.actor, &meta.operation_id] {
            shown = shown.replace(&format!("{volatile:?}"), "…");
        }
        let events = answers::command(name, &meta, before, &shown)?;
        Ok(Response::new(Box::pin(tokio_stream::iter(events))))
    }
}

#[tonic::async_trait]
impl Admin for Scripted {
    type ApplyStream = Events;
    type DeleteStream = Events;
    type DeployStream = Events;
    type ScaleStream = Events;
    type SwitchStream = Events;
    type RollbackStream = Events;
    type ShiftStream = Events;
    type ShadowStream = Events;
    type PreviewStream = Events;
    type RollbackFleetStream = Events;
    type RetireStream = Events;
    type ReleaseStream = Events;
    type SteerStream = Events;
    type RebuildStream = Events;
    type WatchStatusStream = Statuses;

    async fn apply(&self, r: Request<api::ApplyRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        // The first word of the first file says what to answer.
        let content = r.files.first().map(|file| file.content.as_str());
        let name = content.and_then(|text| text.split_whitespace().next());
        self.answer(name.unwrap_or_default(), r.meta.clone(), &r)
    }

    async fn delete(&self, r: Request<api::DeleteRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.name, r.meta.clone(), &r)
    }

    async fn deploy(&self, r: Request<api::DeployRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn scale(&self, r: Request<api::ScaleRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn switch(&self, r: Request<api::SwitchRequest>) -> Result<Response<Events>, Status> {
        let authorized = r.metadata().get("authorization").cloned();
        let r = r.into_inner();
        if r.service == "locked" && authorized.is_none_or(|token| token != "Bearer open-sesame") {
            return Err(Status::unauthenticated("this server needs a token"));
        }
        let name = r.services.first().unwrap_or(&r.service);
        self.answer(name, r.meta.clone(), &r)
    }

    async fn rollback(&self, r: Request<api::RollbackRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        let name = r.services.first().unwrap_or(&r.service);
        self.answer(name, r.meta.clone(), &r)
    }

    async fn shift(&self, r: Request<api::ShiftRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn shadow(&self, r: Request<api::ShadowRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn preview(&self, r: Request<api::PreviewRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn rollback_fleet(
        &self,
        r: Request<api::RollbackFleetRequest>,
    ) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        if r.fleet == "vanishing" && !r.yes {
            return Err(answers::refusal("services-would-vanish"));
        }
        self.answer(&r.fleet, r.meta.clone(), &r)
    }

    async fn retire(&self, r: Request<api::RetireRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn release(&self, r: Request<api::ReleaseRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn steer(&self, r: Request<api::SteerRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.service, r.meta.clone(), &r)
    }

    async fn rebuild(&self, r: Request<api::RebuildRequest>) -> Result<Response<Events>, Status> {
        let r = r.into_inner();
        self.answer(&r.fleet, r.meta.clone(), &r)
    }

    async fn forget_proxy(
        &self,
        r: Request<api::ForgetProxyRequest>,
    ) -> Result<Response<api::ForgetProxyResponse>, Status> {
        match r.get_ref().proxy.as_str() {
            "envoy-4" => Ok(Response::new(api::ForgetProxyResponse {})),
            _ => Err(answers::refusal("still-connected")),
        }
    }

    async fn get_documents(
        &self,
        r: Request<api::GetDocumentsRequest>,
    ) -> Result<Response<api::GetDocumentsResponse>, Status> {
        Ok(Response::new(views::documents(r.get_ref())))
    }

    async fn get_status(
        &self,
        r: Request<api::GetStatusRequest>,
    ) -> Result<Response<api::GetStatusResponse>, Status> {
        views::status(&r.get_ref().service).map(Response::new)
    }

    async fn watch_status(
        &self,
        r: Request<api::GetStatusRequest>,
    ) -> Result<Response<Statuses>, Status> {
        if let Some(course) = releases::course(&r.get_ref().service) {
            let changes: Vec<_> = course.into_iter().map(Ok).collect();
            return Ok(Response::new(Box::pin(tokio_stream::iter(changes))));
        }
        let once = views::status(&r.get_ref().service)?;
        // A client is told, and then that it may watch no longer, which ends the script.
        let end = Status::permission_denied("enough seen");
        let changes = [Ok(once.clone()), Ok(once), Err(end)];
        Ok(Response::new(Box::pin(tokio_stream::iter(changes))))
    }

    async fn get_fleets(
        &self,
        r: Request<api::GetFleetsRequest>,
    ) -> Result<Response<api::GetFleetsResponse>, Status> {
        Ok(Response::new(views::fleets(&r.get_ref().fleet)))
    }

    async fn get_stats(
        &self,
        r: Request<api::GetStatsRequest>,
    ) -> Result<Response<api::GetStatsResponse>, Status> {
        stats::get(r.get_ref()).map(Response::new)
    }

    async fn get_history(
        &self,
        r: Request<api::GetHistoryRequest>,
    ) -> Result<Response<api::GetHistoryResponse>, Status> {
        views::history(r.get_ref()).map(Response::new)
    }

    async fn get_releases(
        &self,
        r: Request<api::GetReleasesRequest>,
    ) -> Result<Response<api::GetReleasesResponse>, Status> {
        releases::get(r.get_ref()).map(Response::new)
    }

    async fn get_diff(
        &self,
        r: Request<api::GetDiffRequest>,
    ) -> Result<Response<api::GetDiffResponse>, Status> {
        Ok(Response::new(views::diff(r.get_ref())))
    }

    async fn get_snapshot(
        &self,
        r: Request<api::GetSnapshotRequest>,
    ) -> Result<Response<api::GetSnapshotResponse>, Status> {
        Ok(Response::new(views::snapshot(r.get_ref())))
    }

    async fn get_server_info(
        &self,
        _: Request<api::GetServerInfoRequest>,
    ) -> Result<Response<api::GetServerInfoResponse>, Status> {
        Err(Status::unimplemented("not part of the scripts"))
    }
}
