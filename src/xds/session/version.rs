//! `version_info`: `REVISION-DIGEST`.

use std::sync::Arc;

use crate::{
    model::Revision,
    snapshot::{Digest, Resource},
};

/// The version of exactly these resources, in order of their names. For all resources of a type it is that of the
/// snapshot's [`TypeSet`](crate::snapshot::TypeSet::version); for what one stream alone is given (part of the names,
/// a held route, a cluster that is kept) it is another, so that no version ever stands for two contents, also after
/// a restart.
pub(super) fn of<'a>(
    changed_in: Revision,
    resources: impl Iterator<Item = &'a Arc<Resource>>,
) -> String {
    format!("{changed_in}-{}", digest(resources).short())
}

/// The digest of a list of resources.
pub(super) fn digest<'a>(resources: impl Iterator<Item = &'a Arc<Resource>>) -> Digest {
    let digests: Vec<&[u8]> = resources
        .map(|resource| resource.digest.as_bytes().as_slice())
        .collect();
    Digest::of(&digests)
}

/// The revision that a version names; None if it is not one of ours.
pub(super) fn revision(version: &str) -> Option<Revision> {
    let (revision, digest) = version.split_once('-')?;
    let ours = digest.len() == 8 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| revision.parse().ok().map(Revision))?
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        model::TypeUrl,
        snapshot::{References, TypeSet},
    };

    #[test]
    fn all_resources_of_a_type_have_the_version_of_the_snapshot() {
        let resource = |name: &str| {
            Arc::new(Resource::new(
                TypeUrl::Cluster,
                name,
                Bytes::from_static(b"x"),
                References::default(),
            ))
        };
        let resources = ["a", "b"].map(|name| (Arc::from(name), resource(name)));
        let set = TypeSet::new(TypeUrl::Cluster, Revision(43), resources.into());
        assert_eq!(of(Revision(43), set.resources.values()), set.version());
        assert_ne!(
            of(Revision(43), set.resources.values().take(1)),
            set.version()
        );
    }

    #[test]
    fn only_our_versions_name_a_revision() {
        assert_eq!(revision("50-a1b2c3d4"), Some(Revision(50)));
        for foreign in [
            "",
            "50",
            "v1",
            "50-",
            "50-a1b2c3d",
            "x-a1b2c3d4",
            "-1-a1b2c3d4",
        ] {
            assert_eq!(revision(foreign), None, "{foreign}");
        }
    }
}
