//! The gRPC admin service: authenticate, convert, hand to the controller.
//!
//! It decides nothing: what a command means is in `release`, how it is carried out in `controller`. A client that
//! goes away ends the watching, never the command.

mod auth;
mod background;
mod commands;
mod convert;
mod documents;
mod errors;
mod fleets;
mod follow;
mod history;
mod named;
mod outcome;
mod release_markdown;
mod releases;
mod stats;
mod status;
mod traffic;
mod views;

use std::{pin::Pin, sync::Arc};

use futures::Stream;
use tonic::{Request, Response, Status, service::interceptor::InterceptedService};

pub use auth::Token;

use crate::{
    api::{self, admin_server},
    controller::Controllers,
};
use commands::Call;

/// The largest request: documents of a few MiB each, several of them, with room for their framing.
const MAX_REQUEST: usize = 32 << 20;

/// The admin API on these fleets. With a token every call must carry it (`authorization: Bearer …`).
pub fn service(
    controllers: Arc<Controllers>,
    token: Option<String>,
    info: api::GetServerInfoResponse,
) -> InterceptedService<admin_server::AdminServer<Service>, Token> {
    let service = Service { controllers, info };
    InterceptedService::new(
        admin_server::AdminServer::new(service).max_decoding_message_size(MAX_REQUEST),
        Token::new(token),
    )
}

/// The admin API.
pub struct Service {
    controllers: Arc<Controllers>,
    info: api::GetServerInfoResponse,
}

type Events = Pin<Box<dyn Stream<Item = Result<api::CommandEvent, Status>> + Send>>;
type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl admin_server::Admin for Service {
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
    type WatchStatusStream =
        Pin<Box<dyn Stream<Item = Result<api::GetStatusResponse, Status>> + Send>>;

    async fn apply(&self, request: Request<api::ApplyRequest>) -> Answer<Events> {
        self.start(Call::apply(&self.controllers, request.into_inner()).await)
    }

    async fn delete(&self, request: Request<api::DeleteRequest>) -> Answer<Events> {
        self.start(Call::delete(&self.controllers, request.into_inner()))
    }

    async fn deploy(&self, request: Request<api::DeployRequest>) -> Answer<Events> {
        self.start(Call::deploy(&self.controllers, request.into_inner()))
    }

    async fn scale(&self, request: Request<api::ScaleRequest>) -> Answer<Events> {
        self.start(Call::scale(&self.controllers, request.into_inner()))
    }

    async fn switch(&self, request: Request<api::SwitchRequest>) -> Answer<Events> {
        self.start(Call::switch(&self.controllers, request.into_inner()))
    }

    async fn rollback(&self, request: Request<api::RollbackRequest>) -> Answer<Events> {
        self.start(Call::rollback(&self.controllers, request.into_inner()))
    }

    async fn shift(&self, request: Request<api::ShiftRequest>) -> Answer<Events> {
        self.start(Call::shift(&self.controllers, request.into_inner()))
    }

    async fn shadow(&self, request: Request<api::ShadowRequest>) -> Answer<Events> {
        self.start(Call::shadow(&self.controllers, request.into_inner()))
    }

    async fn preview(&self, request: Request<api::PreviewRequest>) -> Answer<Events> {
        self.start(Call::preview(&self.controllers, request.into_inner()))
    }

    async fn rollback_fleet(&self, request: Request<api::RollbackFleetRequest>) -> Answer<Events> {
        self.start(Call::rollback_fleet(
            &self.controllers,
            request.into_inner(),
        ))
    }

    async fn retire(&self, request: Request<api::RetireRequest>) -> Answer<Events> {
        self.start(Call::retire(&self.controllers, request.into_inner()))
    }

    async fn release(&self, request: Request<api::ReleaseRequest>) -> Answer<Events> {
        self.start(Call::release(&self.controllers, request.into_inner()))
    }

    async fn steer(&self, request: Request<api::SteerRequest>) -> Answer<Events> {
        self.start(Call::steer(&self.controllers, request.into_inner()))
    }

    async fn rebuild(&self, request: Request<api::RebuildRequest>) -> Answer<Events> {
        self.start(Call::rebuild(&self.controllers, request.into_inner()))
    }

    async fn forget_proxy(
        &self,
        request: Request<api::ForgetProxyRequest>,
    ) -> Answer<api::ForgetProxyResponse> {
        fleets::forget(&self.controllers, &request.into_inner()).map(Response::new)
    }

    async fn get_documents(
        &self,
        request: Request<api::GetDocumentsRequest>,
    ) -> Answer<api::GetDocumentsResponse> {
        documents::get(&self.controllers, &request.into_inner()).map(Response::new)
    }

    async fn get_status(
        &self,
        request: Request<api::GetStatusRequest>,
    ) -> Answer<api::GetStatusResponse> {
        status::get(&self.controllers, &request.into_inner()).map(Response::new)
    }

    async fn watch_status(
        &self,
        request: Request<api::GetStatusRequest>,
    ) -> Answer<Self::WatchStatusStream> {
        let stream = status::watch(self.controllers.clone(), request.into_inner())?;
        Ok(Response::new(Box::pin(stream)))
    }

    async fn get_fleets(
        &self,
        request: Request<api::GetFleetsRequest>,
    ) -> Answer<api::GetFleetsResponse> {
        fleets::get(&self.controllers, &request.into_inner()).map(Response::new)
    }

    async fn get_stats(
        &self,
        request: Request<api::GetStatsRequest>,
    ) -> Answer<api::GetStatsResponse> {
        stats::get(&self.controllers, &request.into_inner()).map(Response::new)
    }

    async fn get_history(
        &self,
        request: Request<api::GetHistoryRequest>,
    ) -> Answer<api::GetHistoryResponse> {
        let answer = history::get(&self.controllers, &request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_releases(
        &self,
        request: Request<api::GetReleasesRequest>,
    ) -> Answer<api::GetReleasesResponse> {
        let answer = releases::get(&self.controllers, &request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_diff(
        &self,
        request: Request<api::GetDiffRequest>,
    ) -> Answer<api::GetDiffResponse> {
        let answer = history::diff(&self.controllers, &request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_snapshot(
        &self,
        request: Request<api::GetSnapshotRequest>,
    ) -> Answer<api::GetSnapshotResponse> {
        let answer = history::snapshot(&self.controllers, &request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn get_server_info(
        &self,
        _: Request<api::GetServerInfoRequest>,
    ) -> Answer<api::GetServerInfoResponse> {
        Ok(Response::new(self.info.clone()))
    }
}

impl Service {
    /// Starts a command that could be read; refuses one that could not.
    fn start(&self, call: Result<Call, Status>) -> Answer<Events> {
        Ok(Response::new(Box::pin(
            call?.start(self.controllers.clone()),
        )))
    }
}
