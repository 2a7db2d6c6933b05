//! `version_info`: `REVISION-DIGEST`.

use crate::{model::Revision, snapshot::Digest};

/// Hexadecimal digits of a digest in the version of a whole response, which the revision tells apart besides.
const SHORT: usize = 8;

/// And in the version of one resource, of which the digest alone decides whether a client has it.
const LONG: usize = 16;

/// The version of exactly these resources. For all resources of a type it is that of the snapshot's
/// [`TypeSet`](crate::snapshot::TypeSet::version); for what one stream alone is given (part of the names, a held route,
/// a cluster that is kept) it is another, so that no version ever stands for two contents, also after a restart.
pub(super) fn of(changed_in: Revision, digest: Digest) -> String {
    format!("{changed_in}-{}", digest.short())
}

/// The version of one resource in delta. Its digest says what it is; the revision, in which its type last changed, lets
/// a server whose store went back in time notice that the client is ahead.
pub(super) fn of_item(changed_in: Revision, digest: Digest) -> String {
    format!("{changed_in}-{}", &digest.to_string()[..LONG])
}

/// A content as delta's versions name it, from whatever revision.
pub(super) fn of_content(digest: Digest) -> String {
    digest.to_string()[..LONG].to_owned()
}

/// Whether a version of one resource, from whatever revision, stands for this content.
pub(super) fn is_of(version: &str, digest: Digest) -> bool {
    let digits = version.split_once('-').map(|(_, digits)| digits);
    digits.is_some_and(|digits| digits.len() == LONG && digest.to_string().starts_with(digits))
}

/// The revision that a version names; None if it is not one of ours.
pub(super) fn revision(version: &str) -> Option<Revision> {
    let (revision, digest) = version.split_once('-')?;
    let ours =
        [SHORT, LONG].contains(&digest.len()) && digest.bytes().all(|b| b.is_ascii_hexdigit());
    ours.then(|| revision.parse().ok().map(Revision))?
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::{
        model::TypeUrl,
        snapshot::{References, Resource, TypeSet},
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
        assert_eq!(of(Revision(43), set.view().digest), set.version());
        let part = set.view().part(set.digest, |all| {
            let first = all.iter().take(1);
            first.map(|(n, i)| (n.clone(), i.clone())).collect()
        });
        assert_ne!(of(Revision(43), part.digest), set.version());
    }

    #[test]
    fn a_resource_is_known_by_its_digest_in_whatever_revision() {
        let digest = Digest::of(&[b"content"]);
        assert!(is_of(&of_item(Revision(3), digest), digest));
        assert!(is_of(&of_item(Revision(9), digest), digest));
        for other in [
            of_item(Revision(3), Digest::of(&[b"other"])),
            of(Revision(3), digest),
            digest.to_string(),
            "3-".into(),
        ] {
            assert!(!is_of(&other, digest), "{other}");
        }
    }

    #[test]
    fn only_our_versions_name_a_revision() {
        assert_eq!(revision("50-a1b2c3d4"), Some(Revision(50)));
        assert_eq!(revision("50-a1b2c3d4a1b2c3d4"), Some(Revision(50)));
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
