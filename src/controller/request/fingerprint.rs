//! What tells two commands of one name apart: a repeat with the same operation id must ask the same.

use super::{command::Command, documents::Declared};
use crate::{
    model::{Endpoint, Promotion},
    release::Verb,
    snapshot::Digest,
};

impl Command {
    /// A digest of what it asks. Not part of it: its name and its services, which are compared by themselves, and what it
    /// waives. It is stored, so a command's parts and their order stay as they are.
    pub(in crate::controller) fn fingerprint(&self) -> String {
        let parts = self.parts();
        let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
        Digest::of(&parts).to_string()
    }

    fn parts(&self) -> Vec<String> {
        match self {
            Self::Apply { documents, .. } => {
                let services = declared("service", &documents.services);
                let resources = declared("resources", &documents.resources);
                let groups = declared("group", &documents.groups);
                services.chain(resources).chain(groups).flatten().collect()
            }
            Self::Delete { kind, name, .. } => vec![kind.as_str().to_owned(), name.to_string()],
            Self::Deploy {
                version, endpoints, ..
            } => listed([version.clone()], endpoints),
            Self::Scale {
                colour, endpoints, ..
            } => listed([colour.to_string()], endpoints),
            Self::Switch { to, .. } => optional(to.as_ref()),
            Self::Shift { weight, .. } => vec![weight.to_string()],
            Self::Shadow {
                percent, duration, ..
            } => vec![percent.to_string(), duration.as_millis().to_string()],
            Self::Preview {
                header,
                value,
                duration,
                ..
            } => {
                let mut parts = vec![header.clone(), duration.as_millis().to_string()];
                parts.extend(optional(value.as_ref()));
                parts
            }
            Self::RollbackFleet { to, exact, .. } => vec![to.to_string(), exact.to_string()],
            Self::Release {
                version,
                endpoints,
                promotion,
                ..
            } => {
                let promotion = promotion.map_or("", |promotion| match promotion {
                    Promotion::Manual => "manual",
                    Promotion::Automatic => "automatic",
                });
                listed([version.clone(), promotion.to_owned()], endpoints)
            }
            Self::Steer {
                verb: Verb::Extend { by },
                ..
            } => vec![by.as_millis().to_string()],
            Self::Decide { check, step, .. } => {
                let mut parts = vec![check.to_string()];
                parts.extend(optional(step.as_ref()));
                parts
            }
            Self::Rollback { .. }
            | Self::SwitchGroup { .. }
            | Self::RollbackGroup { .. }
            | Self::End { .. }
            | Self::Retire { .. }
            | Self::Steer { .. }
            | Self::Advance { .. }
            | Self::Rebuild
            | Self::Resolved { .. }
            | Self::Revert { .. } => Vec::new(),
        }
    }
}

fn declared<T>(kind: &str, documents: &[Declared<T>]) -> impl Iterator<Item = [String; 3]> {
    documents.iter().map(move |document| {
        let spec = document.applied.to_string();
        [kind.to_owned(), document.name.to_string(), spec]
    })
}

fn listed<const N: usize>(first: [String; N], endpoints: &[Endpoint]) -> Vec<String> {
    let endpoints = endpoints.iter().map(Endpoint::to_string);
    first.into_iter().chain(endpoints).collect()
}

fn optional(value: Option<&impl ToString>) -> Vec<String> {
    value.map(ToString::to_string).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Colour, Name};

    fn deploy(version: &str, endpoints: &[&str]) -> Command {
        Command::Deploy {
            service: Name::parse("fraud-model").unwrap(),
            version: version.to_owned(),
            endpoints: endpoints.iter().map(|one| one.parse().unwrap()).collect(),
            replace_standby: false,
        }
    }

    #[test]
    fn is_another_for_every_value() {
        let switch = |to| Command::Switch {
            service: Name::parse("fraud-model").unwrap(),
            to,
        };
        let commands = [
            deploy("v1", &["10.0.0.1:80"]),
            deploy("v2", &["10.0.0.1:80"]),
            deploy("v1", &["10.0.0.1:80", "10.0.0.2:80"]),
            deploy("v1", &[]),
            switch(None),
            switch(Some(Colour::Blue)),
            switch(Some(Colour::Green)),
        ];
        for (at, one) in commands.iter().enumerate() {
            for other in &commands[..at] {
                assert_ne!(one.fingerprint(), other.fingerprint(), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn is_what_earlier_versions_stored() {
        let stored = "213526abd8f842f0cd4201f7e7770528ab0cbe79e7c744598a88a17dd63d44a5";
        assert_eq!(deploy("v1", &["10.0.0.1:80"]).fingerprint(), stored);
    }

    #[test]
    fn does_not_hold_what_is_waived() {
        let waived = Command::Deploy {
            service: Name::parse("fraud-model").unwrap(),
            version: "v1".to_owned(),
            endpoints: Vec::new(),
            replace_standby: true,
        };
        assert_eq!(waived.fingerprint(), deploy("v1", &[]).fingerprint());
    }
}
