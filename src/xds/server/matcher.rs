//! Which proxies a request for client status means: `envoy.type.matcher.v3.NodeMatcher`.

use envoy_types::pb::envoy::r#type::matcher::v3::{
    NodeMatcher, StringMatcher, StructMatcher, string_matcher::MatchPattern,
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
    fleet: Vec<Text>,
    /// It asks for metadata that no node has here.
    never: bool,
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
        let mut node = Self {
            id: matcher.node_id.as_ref().map(Text::new).transpose()?,
            fleet: Vec::new(),
            never: false,
        };
        for metadata in &matcher.node_metadatas {
            match of_fleet(metadata) {
                Some(text) => node.fleet.push(Text::new(text)?),
                None => node.never = true,
            }
        }
        Ok(node)
    }

    fn fits(&self, id: &str, fleet: &str) -> bool {
        !self.never
            && self.id.as_ref().is_none_or(|text| text.fits(id))
            && self.fleet.iter().all(|text| text.fits(fleet))
    }
}

/// The text that `metadata.fleet` must have, if that is what is asked for.
fn of_fleet(matcher: &StructMatcher) -> Option<&StringMatcher> {
    let [segment] = matcher.path.as_slice() else {
        return None;
    };
    let Some(Segment::Key(key)) = &segment.segment else {
        return None;
    };
    match &matcher.value.as_ref()?.match_pattern {
        Some(value_matcher::MatchPattern::StringMatch(text)) if key == "fleet" => Some(text),
        _ => None,
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
        RegexMatcher, ValueMatcher, struct_matcher::PathSegment,
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

    fn by_metadata(key: &str, value: &str) -> NodeMatcher {
        let segment = Some(Segment::Key(key.to_owned()));
        let exact = text(MatchPattern::Exact(value.to_owned()), false);
        NodeMatcher {
            node_id: None,
            node_metadatas: vec![StructMatcher {
                path: vec![PathSegment { segment }],
                value: Some(ValueMatcher {
                    match_pattern: Some(value_matcher::MatchPattern::StringMatch(exact)),
                }),
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
        assert!(fits(&[other, by_metadata("fleet", "payments")]));
        assert!(!fits(&[by_metadata("fleet", "lending")]));
        assert!(!fits(&[by_metadata("zone", "payments")]));
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
