//! `/metrics`: what it tells, that it is documented, and that the dashboard
//! asks for nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Api, Server, fresh_name, minimal_customer};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn scrape(server: &Server) -> String {
    let answer = server.operator_call("GET", "/metrics").send().wants(200);
    let kind = answer.wants_header("content-type");
    assert!(kind.starts_with("application/openmetrics-text"), "{answer}");
    answer.text()
}

/// The value of a sample with exactly this name and labels.
#[track_caller]
fn value(text: &str, sample: &str) -> f64 {
    let found = text
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .find(|(name, _)| *name == sample);
    let (_, value) = found.unwrap_or_else(|| panic!("no {sample} in {text}"));
    value.parse().expect("a number")
}

fn use_everything(server: &Server) -> Api {
    let api = server.sandbox();
    let key = fresh_name("key");
    let made = api
        .post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    api.post_keyed("/customers", &key, &minimal_customer())
        .wants(201);
    api.read(&made.id());
    api.list("");
    server.call("GET", "/nowhere").send().wants(404);
    api
}

#[test]
fn the_numbers_tell_what_was_done() {
    let server = Server::start(&[]);
    use_everything(&server);
    let text = scrape(&server);
    let posts = "method=\"POST\",route=\"/v0.9/customers\"";
    for (sample, least) in [
        (format!("oms_requests_total{{{posts},status=\"201\"}}"), 2.0),
        (
            format!("oms_request_duration_seconds_count{{{posts}}}"),
            2.0,
        ),
        (
            format!("oms_request_duration_seconds_bucket{{{posts},le=\"+Inf\"}}"),
            2.0,
        ),
        ("oms_idempotent_replays_total".into(), 1.0),
        ("oms_sealed_values_total".into(), 2.0),
        ("oms_opened_values_total".into(), 2.0),
        ("oms_tokens_verified_total".into(), 1.0),
        ("oms_tokens_remembered_total".into(), 3.0),
        ("oms_write_batch_size_count".into(), 2.0),
        ("oms_write_batch_size_sum".into(), 2.0),
        ("oms_commit_duration_seconds_count".into(), 2.0),
        ("oms_data_keys_ready".into(), 1.0),
        ("oms_open_connections".into(), 1.0),
        ("process_resident_memory_bytes".into(), 1e6),
        ("process_start_time_seconds".into(), 1.7e9),
        ("process_open_fds".into(), 5.0),
        (
            format!(
                "oms_build_info{{version=\"{}\"}}",
                env!("CARGO_PKG_VERSION")
            ),
            1.0,
        ),
    ] {
        assert!(value(&text, &sample) >= least, "{sample} in {text}");
    }
    assert!(value(&text, "process_cpu_seconds_total") >= 0.0);
    assert!(value(&text, "oms_refused_total{reason=\"queue_full\"}") < 1.0);
    assert!(text.ends_with("# EOF\n"));
}

/// The names of the families, as `# TYPE` gives them.
fn families(text: &str) -> BTreeSet<&str> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.filter_map(|line| line.split(' ').next()).collect()
}

#[test]
fn every_number_is_documented_and_every_documented_number_is_there() {
    let text = scrape(Server::shared());
    let manual = file("docs/operations.md");
    let families = families(&text);
    assert!(families.len() > 15, "{families:?}");
    for name in &families {
        assert!(
            manual.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
    }
    for row in manual.lines().filter_map(|line| line.strip_prefix("| `")) {
        let name = row.split('`').next().unwrap_or_default();
        if name.starts_with("oms_") || name.starts_with("process_") {
            assert!(families.contains(name), "{name} does not exist");
        }
    }
}

/// Every `expr` of a dashboard, wherever it stands.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    other => queries(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn the_dashboard_asks_only_for_numbers_that_exist() {
    let server = Server::start(&[]);
    use_everything(&server);
    let text = scrape(&server);
    let samples: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/oms.json")).expect("JSON");
    let mut asked = Vec::new();
    queries(&dashboard, &mut asked);
    assert!(asked.len() >= 12, "{asked:?}");
    let mut names = BTreeSet::new();
    for query in &asked {
        let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let metrics = words.filter(|word| word.starts_with("oms_") || word.starts_with("process_"));
        let metrics: Vec<_> = metrics.collect();
        assert!(!metrics.is_empty(), "{query} asks for nothing");
        for name in metrics {
            assert!(samples.contains(name), "{name} of {query} does not exist");
            names.insert(name);
        }
    }
    assert!(names.len() >= 12, "{names:?}");
}

#[test]
fn the_dashboard_can_be_imported_anywhere() {
    let dashboard: Value = serde_json::from_str(&file("deploy/grafana/oms.json")).expect("JSON");
    assert_eq!(dashboard["id"], Value::Null);
    let variables = dashboard["templating"]["list"].as_array().expect("a list");
    let source = variables.iter().find(|one| one["type"] == "datasource");
    assert_eq!(source.expect("a variable")["name"], "datasource");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(
            ids.insert(panel["id"].as_u64()),
            "{panel} has no id of its own"
        );
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        }
    }
}
