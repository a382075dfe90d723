//! Where each setting comes from, and what is refused.

use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Option<Sub>,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Sub {
    Serve,
}

fn with_file(text: &str) -> Result<Config, String> {
    let mut values = Values::defaults();
    values
        .read_file(Path::new("oms.toml"), text)
        .and_then(|()| values.check())
        .map_err(|error| error.to_string())
}

#[test]
fn the_defaults_stand() {
    let config = with_file("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(!config.operator_listen.unwrap().chosen);
    assert!(config.read_threads >= 2);
    assert_eq!(config.idempotency_retention, Duration::from_hours(168));
    assert_eq!(config.api_versions, ["v0.9", "v0.11", "v0.13"]);
    assert_eq!(config.master_key_file, None);
}

#[test]
fn a_flag_wins_over_the_file_wherever_it_stands() {
    let dir = std::env::temp_dir().join(format!("oms-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let file = dir.join("some.toml");
    std::fs::write(&file, "write_queue = 7\nread_queue = 8\n").unwrap();
    let file = file.to_str().unwrap();
    let line = Line::try_parse_from(["oms", "--config", file, "serve", "--write-queue", "9"]);
    let line = line.unwrap();
    assert!(matches!(line.command, Some(Sub::Serve)));
    let config = line.settings.resolve().unwrap();
    assert_eq!((config.write_queue, config.read_queue), (9, 8));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_named_file_must_be_there() {
    let line = Line::try_parse_from(["oms", "--config", "/nowhere/oms.toml"]).unwrap();
    let error = line.settings.resolve().unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read /nowhere/oms.toml"),
        "{error}"
    );
}

#[test]
fn a_bad_value_names_setting_source_and_what_is_accepted() {
    let line = Line::try_parse_from(["oms", "--idempotency-retention-h", "23"]).unwrap();
    assert_eq!(
        line.settings.resolve().unwrap_err().to_string(),
        "idempotency_retention_h (--idempotency-retention-h) is 23, but must be a whole number from 24 to 8784"
    );
    let bad = [
        ("write_queue = \"7\"", "write_queue (oms.toml) is \"7\""),
        ("listen = \"localhost\"", "listen (oms.toml) is localhost"),
        ("api_versions = []", "api_versions (oms.toml) is "),
        ("log_level = \"loud\"", "must be one of error, warn, info"),
        (
            "unknown_fields = \"maybe\"",
            "must be one of refuse, ignore",
        ),
        ("error_type_base = \"x\"", "must be an http or https URL"),
        ("body_read_timeout_s = 31", "not below body_read_timeout_s"),
        ("data = \"\"", "must be a path"),
    ];
    for (file, part) in bad {
        let error = with_file(file).unwrap_err();
        assert!(error.contains(part), "{file}: {error}");
    }
}

#[test]
fn an_unknown_key_names_the_nearest() {
    let error = with_file("write_que = 1").unwrap_err();
    assert_eq!(
        error,
        "oms.toml has an unknown setting write_que; did you mean write_queue?"
    );
}

#[test]
fn operator_listen_can_be_off_or_chosen() {
    assert_eq!(
        with_file("operator_listen = \"off\"")
            .unwrap()
            .operator_listen,
        None
    );
    let chosen = with_file("operator_listen = \"127.0.0.1:8081\"").unwrap();
    assert!(chosen.operator_listen.unwrap().chosen);
}

/// `OMS_UPDATE=1` writes the file anew.
#[test]
fn the_example_file_is_what_the_code_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("oms.example.toml");
    if std::env::var_os("OMS_UPDATE").is_some() {
        std::fs::write(&path, example()).unwrap();
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stored == example(), "run this test with OMS_UPDATE=1");
    let live: String = stored
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or("")
        })
        .collect::<Vec<_>>()
        .join("\n");
    with_file(&live).unwrap();
}
