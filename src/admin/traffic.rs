//! Commands that move traffic, of one service or of several at once.

use std::{collections::BTreeSet, time::Duration};

use tonic::Status;

use super::{commands::Call, convert, errors::bad_input, named};
use crate::{
    api,
    controller::{Command, Controllers, Handle},
    model::{MAX_GROUP, Name},
    release::{PREVIEW_HEADER, Temporary},
};

impl Call {
    pub fn switch(controllers: &Controllers, request: api::SwitchRequest) -> Result<Self, Status> {
        let to = convert::colour(request.to)?;
        let call = match several(controllers, &request.service, request.services)? {
            None => Self::on_service(controllers, request.meta, &request.service, |service| {
                Ok(Command::Switch { service, to })
            })?,
            Some(_) if to.is_some() => {
                return Err(bad_input(
                    "one environment can't be named for several services",
                    "leave --to out, or switch them one by one",
                ));
            }
            Some((handle, services)) => {
                let command = Command::SwitchGroup { services };
                Self::one(convert::meta(request.meta)?, handle, command)
            }
        };
        Ok(call.waiving(request.waive))
    }

    pub fn rollback(
        controllers: &Controllers,
        request: api::RollbackRequest,
    ) -> Result<Self, Status> {
        match several(controllers, &request.service, request.services)? {
            None => Self::on_service(controllers, request.meta, &request.service, |service| {
                Ok(Command::Rollback { service })
            }),
            Some((handle, services)) => {
                let command = Command::RollbackGroup { services };
                Ok(Self::one(convert::meta(request.meta)?, handle, command))
            }
        }
    }

    pub fn shift(controllers: &Controllers, request: api::ShiftRequest) -> Result<Self, Status> {
        let call = Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(Command::Shift {
                service,
                weight: request.weight,
            })
        })?;
        Ok(call.waiving(request.waive))
    }

    pub fn shadow(controllers: &Controllers, request: api::ShadowRequest) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            Ok(if request.stop {
                end(service, Temporary::Shadow)
            } else {
                Command::Shadow {
                    service,
                    percent: request.percent,
                    duration: Duration::from_millis(request.duration_ms),
                }
            })
        })
    }

    pub fn preview(
        controllers: &Controllers,
        request: api::PreviewRequest,
    ) -> Result<Self, Status> {
        Self::on_service(controllers, request.meta, &request.service, |service| {
            if request.stop {
                return Ok(end(service, Temporary::Preview));
            }
            let header = match request.header.as_str() {
                "" => PREVIEW_HEADER,
                header => header,
            };
            Ok(Command::Preview {
                service,
                header: header.to_owned(),
                value: Some(request.value).filter(|value| !value.is_empty()),
                duration: Duration::from_millis(request.duration_ms),
            })
        })
    }
}

fn end(service: Name, what: Temporary) -> Command {
    Command::End {
        service,
        what,
        started_in: None,
    }
}

/// The services that are meant, each once, and the one fleet that they are of: those in the list, and those of the groups
/// in it. None: `one` is no group, and there is no list.
fn several(
    controllers: &Controllers,
    one: &str,
    mut names: Vec<String>,
) -> Result<Option<(Handle, Vec<Name>)>, Status> {
    if names.is_empty() {
        if named::group(controllers, one).is_none() {
            return Ok(None);
        }
        names.push(one.to_owned());
    }
    let mut services = BTreeSet::new();
    for name in &names {
        match named::group(controllers, name) {
            Some(members) => services.extend(members),
            None => drop(services.insert(convert::name("service", name)?)),
        }
    }
    if services.len() > MAX_GROUP {
        return Err(bad_input(
            format!("{} services are more than {MAX_GROUP}", services.len()),
            "move them in parts",
        ));
    }
    let mut fleet: Option<Handle> = None;
    for service in &services {
        let of = named::service(controllers, service.as_str())?;
        match &fleet {
            Some(first) if first.name() != of.name() => {
                return Err(bad_input(
                    format!(
                        "{service} is of fleet {}, others are of fleet {}: fleets have no common revision",
                        of.name(),
                        first.name()
                    ),
                    "move the services of each fleet by themselves",
                ));
            }
            _ => fleet = Some(of),
        }
    }
    Ok(fleet.map(|fleet| (fleet, services.into_iter().collect())))
}
