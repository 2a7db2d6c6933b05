//! Telling a release what to do: the one call that all of these verbs are.

use crate::{
    api,
    cli::{
        client::Context,
        error::Error,
        perform::{carry_out, finish, perform},
    },
};

/// What is told, without who and why.
pub(super) struct Told {
    pub service: String,
    pub verb: api::steer_request::Verb,
    pub extend_ms: u64,
    pub check: String,
    /// 0: whichever it is at.
    pub step: u32,
}

impl Told {
    /// A verb that needs nothing else.
    pub fn new(service: String, verb: api::steer_request::Verb) -> Self {
        Self {
            service,
            verb,
            extend_ms: 0,
            check: String::new(),
            step: 0,
        }
    }

    fn request(&self, meta: &api::CommandMeta) -> api::SteerRequest {
        api::SteerRequest {
            meta: Some(meta.clone()),
            service: self.service.clone(),
            verb: self.verb.into(),
            extend_ms: self.extend_ms,
            check: self.check.clone(),
            step: self.step,
        }
    }
}

/// Tells it, and prints what came of it.
pub(super) async fn steer(cx: &Context, meta: api::CommandMeta, told: &Told) -> Result<u8, Error> {
    let meta = cx.identify(meta);
    let request = told.request(&meta);
    perform(cx, &meta, async |mut client| {
        client.steer(request.clone()).await
    })
    .await
}

/// Tells it. Some: it was refused, or only planned, and is reported; None: it was done.
pub(super) async fn begin(
    cx: &Context,
    meta: api::CommandMeta,
    told: &Told,
) -> Result<Option<u8>, Error> {
    let meta = cx.identify(meta);
    let request = told.request(&meta);
    let (report, done) = carry_out(cx, &meta, async |mut client| {
        client.steer(request.clone()).await
    })
    .await;
    match done {
        Ok(()) if !meta.dry_run => Ok(None),
        done => finish(cx, &meta, report, done).map(Some),
    }
}
