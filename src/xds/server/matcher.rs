//! Which proxies a request for client status means: `envoy.type.matcher.v3.NodeMatcher`.

use envoy_types::pb::envoy::r#type::matcher::v3::{
    NodeMatcher, StringMatcher, StructMatcher, ValueMatcher, string_matcher::MatchPattern,
    struct_matcher::path_segment::Segment, value_matcher,
};
use regex::{Regex, RegexBuilder};
use tonic::Status;

/// A compiled expression takes at most so many bytes; the engine's time is linear in what it reads.
const MAX_REGEX: usize = 1 << 20;

/// Matchers that can be applied to many proxies.
#[derive(Debug)]
pub(super) struct Nodes(Vec<Node>);

#[derive(Debug)]
struct Node {
    id: Option<Text>,
    /// Of what the answer says in `node.metadata`: the fleet. None of these: any.
    fleet: Vec<Fleet>,
}

/// What the text `metadata.fleet`, which every node has here, must be.
#[derive(Debug)]
enum Fleet {
    Text(Text),
    /// Whatever it is.
    Present,
    /// Any of these fits; of none, nothing: it asks for what no node has here.
    Any(Vec<Fleet>),
}

#[derive(Debug)]
enum Text {
    Exact(String, bool),
    Prefix(String, bool),
    Suffix(String, bool),
    Contains(String, bool),
    Regex(Regex),
}

impl Nodes {
    /// Reads the matchers of a request; none of them: every proxy.
    pub(super) fn new(matchers: &[NodeMatcher]) -> Result<Self, Status> {
        let nodes = matchers.iter().map(Node::new);
        nodes.collect::<Result<_, _>>().map(Self)
    }

    /// Whether any of them fits.
    pub(super) fn fit(&self, id: &str, fleet: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|node| node.fits(id, fleet))
    }
}

impl Node {
    fn new(matcher: &NodeMatcher) -> Result<Self, Status> {
        let id = matcher.node_id.as_ref().map(Text::new).transpose()?;
        let fleet = matcher.node_metadatas.iter().map(Fleet::new);
        let fleet = fleet.collect::<Result<_, _>>()?;
        Ok(Self { id, fleet })
    }

    fn fits(&self, id: &str, fleet: &str) -> bool {
        self.id.as_ref().is_none_or(|text| text.fits(id))
            && self.fleet.iter().all(|one| one.fits(fleet))
    }
}

impl Fleet {
    fn new(matcher: &StructMatcher) -> Result<Self, Status> {
        let key = match matcher.path.as_slice() {
            [one] => one.segment.as_ref(),
            _ => None,
        };
        match (&matcher.value, key) {
            (Some(value), Some(Segment::Key(key))) if key == "fleet" => Self::of(value),
            _ => Ok(Self::Any(Vec::new())),
        }
    }

    fn of(matcher: &ValueMatcher) -> Result<Self, Status> {
        match &matcher.match_pattern {
            Some(value_matcher::MatchPattern::StringMatch(text)) => Text::new(text).map(Self::Text),
            Some(value_matcher::MatchPattern::PresentMatch(true)) => Ok(Self::Present),
            Some(value_matcher::MatchPattern::OrMatch(or)) => {
                let some = or.value_matchers.iter().map(Self::of);
                some.collect::<Result<_, _>>().map(Self::Any)
            }
            _ => Ok(Self::Any(Vec::new())),
        }
    }

    fn fits(&self, fleet: &str) -> bool {
        match self {
            Self::Text(text) => text.fits(fleet),
            Self::Present => true,
            Self::Any(some) => some.iter().any(|one| one.fits(fleet)),
        }
    }
}

impl Text {
    fn new(matcher: &StringMatcher) -> Result<Self, Status> {
        let folded = |text: &String| match matcher.ignore_case {
            true => text.to_lowercase(),
            false => text.clone(),
        };
        let any_case = matcher.ignore_case;
        Ok(match &matcher.match_pattern {
            Some(MatchPattern::Exact(text)) => Self::Exact(folded(text), any_case),
            Some(MatchPattern::Prefix(text)) => Self::Prefix(folded(text), any_case),
            Some(MatchPattern::Suffix(text)) => Self::Suffix(folded(text), any_case),
            Some(MatchPattern::Contains(text)) => Self::Contains(folded(text), any_case),
            Some(MatchPattern::SafeRegex(regex)) => {
                // The whole text must match, as everywhere in Envoy.
                let whole = format!("^(?:{})$", regex.regex);
                let built = RegexBuilder::new(&whole).size_limit(MAX_REGEX).build();
                Self::Regex(built.map_err(|error| {
                    Status::invalid_argument(format!(
                        "safe_regex is no regular expression: {error}"
                    ))
                })?)
            }
            Some(MatchPattern::Custom(_)) | None => {
                return Err(Status::invalid_argument(
                    "a string matcher must be exact, prefix, suffix, contains or safe_regex",
                ));
            }
        })
    }

    fn fits(&self, text: &str) -> bool {
        let folded = |any_case: bool| match any_case {
            true => std::borrow::Cow::Owned(text.to_lowercase()),
            false => std::borrow::Cow::Borrowed(text),
        };
        match self {
            Self::Exact(wanted, any_case) => folded(*any_case) == *wanted,
            Self::Prefix(wanted, any_case) => folded(*any_case).starts_with(wanted),
            Self::Suffix(wanted, any_case) => folded(*any_case).ends_with(wanted),
            Self::Contains(wanted, any_case) => folded(*any_case).contains(wanted),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::r#type::matcher::v3::{
        OrMatcher, RegexMatcher, struct_matcher::PathSegment,
    };

    use super::*;

    fn text(pattern: MatchPattern, ignore_case: bool) -> StringMatcher {
        StringMatcher {
            ignore_case,
            match_pattern: Some(pattern),
        }
    }

    fn by_id(pattern: MatchPattern, ignore_case: bool) -> NodeMatcher {
        NodeMatcher {
            node_id: Some(text(pattern, ignore_case)),
            node_metadatas: vec![],
        }
    }

    fn value(pattern: value_matcher::MatchPattern) -> ValueMatcher {
        ValueMatcher {
            match_pattern: Some(pattern),
        }
    }

    fn exactly(text_wanted: &str) -> ValueMatcher {
        let exact = text(MatchPattern::Exact(text_wanted.to_owned()), false);
        value(value_matcher::MatchPattern::StringMatch(exact))
    }

    fn by_metadata(key: &str, value: ValueMatcher) -> NodeMatcher {
        let segment = Some(Segment::Key(key.to_owned()));
        NodeMatcher {
            node_id: None,
            node_metadatas: vec![StructMatcher {
                path: vec![PathSegment { segment }],
                value: Some(value),
            }],
        }
    }

    fn fits(matchers: &[NodeMatcher]) -> bool {
        Nodes::new(matchers).unwrap().fit("edge-1", "payments")
    }

    #[test]
    fn every_kind_of_matcher_is_honoured() {
        assert!(fits(&[]));
        let regex = |regex: &str| {
            MatchPattern::SafeRegex(RegexMatcher {
                regex: regex.to_owned(),
                ..Default::default()
            })
        };
        for (pattern, expected) in [
            (MatchPattern::Exact("edge-1".into()), true),
            (MatchPattern::Exact("edge".into()), false),
            (MatchPattern::Prefix("edge".into()), true),
            (MatchPattern::Prefix("dge".into()), false),
            (MatchPattern::Suffix("-1".into()), true),
            (MatchPattern::Suffix("-2".into()), false),
            (MatchPattern::Contains("ge-".into()), true),
            (MatchPattern::Contains("GE-".into()), false),
            (regex("edge-[0-9]"), true),
            (regex("edge"), false),
        ] {
            let matcher = [by_id(pattern.clone(), false)];
            assert_eq!(fits(&matcher), expected, "{pattern:?}");
        }
        assert!(fits(&[by_id(MatchPattern::Contains("GE-".into()), true)]));
        // Any of several is enough.
        let other = by_id(MatchPattern::Exact("other".into()), false);
        assert!(fits(&[other, by_metadata("fleet", exactly("payments"))]));
        assert!(!fits(&[by_metadata("fleet", exactly("lending"))]));
        assert!(!fits(&[by_metadata("zone", exactly("payments"))]));
    }

    #[test]
    fn every_node_has_a_fleet() {
        let present = |wanted| value(value_matcher::MatchPattern::PresentMatch(wanted));
        let any = |value_matchers: Vec<ValueMatcher>| {
            value(value_matcher::MatchPattern::OrMatch(OrMatcher {
                value_matchers,
            }))
        };
        let number = value(value_matcher::MatchPattern::BoolMatch(true));
        for (key, matcher, expected) in [
            ("fleet", present(true), true),
            ("fleet", present(false), false),
            ("zone", present(true), false),
            ("fleet", number, false),
            (
                "fleet",
                any(vec![exactly("lending"), exactly("payments")]),
                true,
            ),
            (
                "fleet",
                any(vec![exactly("lending"), present(false)]),
                false,
            ),
            ("fleet", any(vec![]), false),
        ] {
            let matchers = [by_metadata(key, matcher)];
            assert_eq!(fits(&matchers), expected, "{matchers:?}");
        }
    }

    #[test]
    fn what_cannot_be_matched_is_refused() {
        let nonsense = MatchPattern::SafeRegex(RegexMatcher {
            regex: "(".into(),
            ..Default::default()
        });
        let empty = NodeMatcher {
            node_id: Some(StringMatcher::default()),
            node_metadatas: vec![],
        };
        for matcher in [by_id(nonsense, false), empty] {
            let refused = Nodes::new(&[matcher]).unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
        }
    }
}
