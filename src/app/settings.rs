//! Every setting of `bluegreen serve`: its name, its default, and its line of help.

use super::setting::Setting;

/// All settings, in the order of the help.
pub(super) static SETTINGS: [Setting; 21] = [
    Setting {
        name: "xds",
        value_name: "IP:PORT",
        default: Some("0.0.0.0:18000"),
        help: "Where Envoys connect (ADS, LRS). Port 0 picks a free one",
    },
    Setting {
        name: "admin",
        value_name: "IP:PORT",
        default: Some("127.0.0.1:18001"),
        help: "Where the admin API listens. Other than loopback needs --admin-token-file",
    },
    Setting {
        name: "http",
        value_name: "IP:PORT",
        default: Some("127.0.0.1:18002"),
        help: "Where /healthz, /readyz and /metrics listen",
    },
    Setting {
        name: "data-dir",
        value_name: "DIR",
        default: None,
        help: "Where revisions are kept; made if missing. One server per directory",
    },
    Setting {
        name: "admin-token-file",
        value_name: "FILE",
        default: None,
        help: "Holds the bearer token that every admin call must carry",
    },
    Setting {
        name: "fleet-by",
        value_name: "cluster|id|metadata:KEY",
        default: Some("cluster"),
        help: "What of an Envoy's node names its fleet: node.cluster, node.id, or a text of node.metadata (a.b: b within a)",
    },
    Setting {
        name: "unknown-fleet",
        value_name: "wait|reject",
        default: Some("wait"),
        help: "Envoys of a fleet that is not declared: let them wait, or refuse them with NOT_FOUND",
    },
    Setting {
        name: "revision-history-limit",
        value_name: "N",
        default: Some("1000"),
        help: "Revisions kept per fleet (the last 10 switches of each service always are)",
    },
    Setting {
        name: "forget-after",
        value_name: "DURATION",
        default: Some("10m"),
        help: "A proxy that is away so long no longer belongs to the fleet",
    },
    Setting {
        name: "warm-timeout",
        value_name: "DURATION",
        default: Some("20s"),
        help: "After how long a route that waits for its new cluster is reported",
    },
    Setting {
        name: "on-warm-timeout",
        value_name: "hold|send",
        default: Some("hold"),
        help: "What becomes of that route then: it goes on waiting, or is sent and fails until its cluster is ready",
    },
    Setting {
        name: "load-report-interval",
        value_name: "DURATION",
        default: Some("10s"),
        help: "How often Envoys report requests, errors and ORCA metrics per cluster",
    },
    Setting {
        name: "drain-time",
        value_name: "DURATION",
        default: Some("30s"),
        help: "How long `retire` waits for requests and streams that are open on the standby, before it asks for --force",
    },
    Setting {
        name: "check-data",
        value_name: "DIR",
        default: None,
        help: "The folder below which checks read files of data (JSON lines). Without it they read none",
    },
    Setting {
        name: "allow-exec-hooks",
        value_name: "true|false",
        default: Some("false"),
        help: "Hooks of releases may run programs on this machine",
    },
    Setting {
        name: "events-webhook",
        value_name: "URL",
        default: None,
        help: "Gets a POST with a CloudEvent whenever a release comes to another phase",
    },
    Setting {
        name: "events-secret-file",
        value_name: "FILE",
        default: None,
        help: "Holds the secret that signs events (HMAC-SHA256, in the header X-Bluegreen-Signature)",
    },
    Setting {
        name: "csds",
        value_name: "off|loopback|on",
        default: Some("loopback"),
        help: "Who may ask on the xDS port what each Envoy has (CSDS). The admin port always answers, with its token",
    },
    Setting {
        name: "accept-older",
        value_name: "true|false",
        default: Some("false"),
        help: "Start although the store went back in time (a restored backup). For one start only",
    },
    Setting {
        name: "log",
        value_name: "FILTER",
        default: Some("info"),
        help: "What is logged: error, warn, info, debug, trace, or per module: info,bluegreen::xds=debug",
    },
    Setting {
        name: "log-format",
        value_name: "human|json",
        default: None,
        help: "Default: human on a terminal, json otherwise",
    },
];
