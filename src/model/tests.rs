//! What is written is read back the same, and nothing that is read panics.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn document(spec: &ServiceSpec) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "Service",
        "metadata": { "name": "fraud-model" },
        "spec": spec,
    })
}

fn read_back(text: &str) -> ServiceSpec {
    match parse_documents("f", text) {
        Ok(documents) => match documents.into_iter().next().map(|d| d.spec) {
            Some(DocumentSpec::Service(spec)) => spec,
            other => panic!("no service: {other:?}"),
        },
        Err(error) => panic!("{error}\n{text}"),
    }
}

proptest! {
    #[test]
    fn a_service_survives_yaml(spec in samples::service()) {
        let text = serde_saphyr::to_string(&document(&spec)).unwrap();
        prop_assert_eq!(read_back(&text), spec);
    }

    #[test]
    fn a_service_survives_json(spec in samples::service()) {
        let value = document(&spec);
        prop_assert_eq!(&read_back(&value.to_string()), &spec);
        prop_assert_eq!(&read_back(&format!("{value:#}")), &spec);
        prop_assert_eq!(serde_json::from_value::<ServiceSpec>(value["spec"].clone()).unwrap(), spec);
    }

    #[test]
    fn what_was_written_is_kept_as_it_was_written(written in samples::written()) {
        let text = json!({
            "apiVersion": API_VERSION,
            "kind": "Service",
            "metadata": { "name": "x" },
            "spec": &written,
        });
        let documents = parse_documents("f", &text.to_string()).unwrap();
        prop_assert_eq!(&documents[0].raw, &written);
    }

    #[test]
    fn a_valid_service_stays_valid(spec in samples::service()) {
        prop_assert_eq!(validate_service(&spec), vec![]);
    }

    #[test]
    fn durations_survive_their_text(duration in samples::duration()) {
        prop_assert_eq!(duration.to_string().parse(), Ok(duration));
    }

    #[test]
    fn endpoints_survive_their_text(endpoint in samples::endpoint()) {
        prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
    }

    #[test]
    fn names_survive_their_text(name in samples::name()) {
        prop_assert_eq!(Name::parse(name.as_str()), Ok(name));
    }

    #[test]
    fn any_text_is_a_value_or_an_error(text in "\\PC{0,80}|[-:.\\[\\]0-9a-z]{0,30}|[0-9]{1,25}(ms|s|m|h)") {
        if let Ok(endpoint) = text.parse::<Endpoint>() {
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }
        if let Ok(duration) = text.parse::<HumanDuration>() {
            prop_assert_eq!(duration.to_string().parse::<HumanDuration>(), Ok(duration));
        }
        if let Ok(name) = Name::parse(&text) {
            prop_assert!(!name.as_str().contains(['/', ':', ' ']));
        }
        let _ = (text.parse::<Colour>(), text.parse::<DocumentKind>());
    }
}

#[test]
fn durations_are_refused_unless_each_unit_is_smaller_than_the_last() {
    for text in [
        "",
        "5",
        "s",
        "1s1s",
        "1s1m",
        "1.5s",
        "-1s",
        "1 s",
        "1d",
        "1S",
        "99999999999999999999s",
        "18446744073709551615h",
    ] {
        assert!(text.parse::<HumanDuration>().is_err(), "{text:?}");
    }
    assert_eq!(
        "1h2m3s4ms".parse::<HumanDuration>().unwrap().0.as_millis(),
        3_723_004
    );
}

#[test]
fn endpoints_are_refused_with_what_to_write() {
    for text in [
        "", ":", "a", "a:", "a:0", "a:65536", "a:+1", ":1", "10.0.0:1", "::1:80", "[::1:80",
        "[a]:80", "a b:1", "-a:1", "a..b:1", "é:1",
    ] {
        assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
    }
    assert_eq!("[::1]:80".parse::<Endpoint>().unwrap().host, "::1");
}
