//! The first start on an empty data folder, and the ones after it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::support::{Folder, Key, Server, eventually, files_under, minimal_customer, oms};

/// The first word that begins so, without what stands around it.
fn word(text: &str, start: &str) -> Option<String> {
    let at = text.find(start)?;
    let plain = |c: &char| c.is_ascii_alphanumeric() || "_-".contains(*c);
    Some(text[at..].chars().take_while(plain).collect())
}

/// What the first start prints, once it has printed its commands.
fn first_words(server: &Server) -> String {
    eventually(
        Duration::from_secs(10),
        "the key and its commands are printed",
        || {
            let printed = server.printed().join("\n");
            (printed.matches("curl ").count() >= 3).then_some(printed)
        },
    )
}

#[test]
fn it_prints_a_sandbox_key_three_curl_commands_and_the_address_of_the_docs() {
    let server = Server::start(&[]);
    let printed = first_words(&server);
    assert!(word(&printed, "sk_sdbx_").is_some(), "{printed}");
    assert_eq!(printed.matches("curl ").count(), 3, "{printed}");
    for part in [
        "/v0.9/auth/token",
        "/v0.9/customers",
        &format!("{}/docs", server.base),
    ] {
        assert!(printed.contains(part), "no {part}: {printed}");
    }
}

#[test]
fn the_printed_key_and_secret_work() {
    let server = Server::start(&[]);
    let printed = first_words(&server);
    let api_key = word(&printed, "sk_sdbx_").unwrap_or_else(|| panic!("no key: {printed}"));
    let words = printed.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    let secrets: Vec<&str> = words
        .filter(|word| word.len() >= 32 && **word != *api_key)
        .collect();
    let secret = secrets
        .first()
        .unwrap_or_else(|| panic!("no secret: {printed}"));
    let key = Key {
        api_key,
        api_secret: (*secret).to_owned(),
    };
    server.connect(&key).create(&minimal_customer());
}

#[test]
fn the_second_start_prints_no_key() {
    let server = Server::start(&[]);
    let first = first_words(&server);
    let key = word(&first, "sk_sdbx_").unwrap_or_else(|| panic!("no key: {first}"));
    let server = Server::start_owning(server.into_folder());
    let second = server.printed().join("\n");
    assert!(!second.contains("sk_sdbx_"), "{second}");
    let listed = server.keys(&["list"]);
    assert_eq!(listed.stdout.matches("sk_sdbx_").count(), 1, "{listed:?}");
    assert!(listed.stdout.contains(&key), "{listed:?}");
}

#[test]
fn the_generated_master_key_is_readable_by_its_owner_only_and_the_log_warns() {
    let server = Server::start(&[]);
    let parent = server.data.parent().expect("a folder");
    let sealed = files_under(parent)
        .into_iter()
        .map(|(path, _)| path)
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().contains("master"))
        });
    let sealed = sealed.expect("a file with the master key beside the data");
    let mode = fs::metadata(&sealed)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "{}", sealed.display());
    let log = format!("{}\n{}", server.printed().join("\n"), server.logged());
    assert!(log.contains("OMS_MASTER_KEY_FILE"), "{log}");
}

#[test]
fn the_secret_is_shown_on_stdout_and_never_logged() {
    let server = Server::start(&[]);
    let printed = first_words(&server);
    let key = word(&printed, "sk_sdbx_").unwrap_or_else(|| panic!("no key: {printed}"));
    let words = printed.split(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c)));
    let log = server.logged();
    for secret in words.filter(|word| word.len() >= 32 && *word != key) {
        assert!(!log.contains(secret), "{log}");
    }
}

#[test]
fn a_lost_master_key_stops_the_start_and_is_not_made_anew() {
    let server = Server::start(&[]);
    let api = server.sandbox();
    api.create(&minimal_customer());
    let folder: Folder = server.into_folder();
    for (path, _) in files_under(folder.path()) {
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("master"))
        {
            fs::remove_file(path).expect("the key file can be removed");
        }
    }
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    let output = oms(
        &[
            "serve",
            "--data",
            data,
            "--listen",
            "127.0.0.1:0",
            "--operator-listen",
            "127.0.0.1:0",
        ],
        &[],
    );
    assert!(!output.status.success(), "{output:?}");
    assert!(!output.stderr.is_empty(), "{output:?}");
}

#[test]
fn an_unreadable_setting_stops_the_start_and_is_named() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    for (name, value) in [
        ("OMS_TOKEN_LIFETIME_S", "soon"),
        ("OMS_UNKNOWN_FIELDS", "maybe"),
        ("OMS_WRITE_QUEUE", "0"),
    ] {
        let output = oms(
            &[
                "serve",
                "--data",
                data,
                "--listen",
                "127.0.0.1:0",
                "--operator-listen",
                "127.0.0.1:0",
            ],
            &[(name, value)],
        );
        assert!(!output.status.success(), "{name}: {output:?}");
        let said = format!("{}{}", output.stdout, output.stderr).to_ascii_lowercase();
        let setting = name.trim_start_matches("OMS_").to_ascii_lowercase();
        assert!(said.contains(&setting), "{name}: {output:?}");
    }
}

#[test]
fn a_credentials_file_has_the_key_and_no_output_shows_its_secret() {
    let folder = Folder::new();
    let file = folder.path().join("credentials.json");
    let name = file.to_str().expect("a path of plain text");
    let server = Server::start(&[("OMS_CREDENTIALS_FILE", name)]);
    let printed = first_words(&server);
    let body = fs::read_to_string(&file).expect("it was written");
    let mode = fs::metadata(&file).expect("it is there").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let signed_in = server
        .call("POST", "/v0.9/auth/token")
        .text(&body)
        .send()
        .wants(200);
    assert!(signed_in.json()["accessToken"].is_string(), "{signed_in}");
    let credentials: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let secret = credentials["apiSecret"].as_str().expect("a secret");
    assert!(printed.contains(name), "{printed}");
    for said in [printed, server.logged()] {
        assert!(!said.contains(secret), "{said}");
    }
    // A start with a key needs no file, and leaves the one that is there.
    let folder = server.into_folder();
    let settings = [("OMS_CREDENTIALS_FILE", name)];
    let _server = Server::start_owning_with(folder, &settings);
    assert_eq!(fs::read_to_string(&file).ok(), Some(body));
}

#[test]
fn a_file_that_is_there_is_not_written_over_and_no_key_is_made_without_its_file() {
    let folder = Folder::new();
    let file = folder.path().join("credentials.json");
    fs::write(&file, "mine").expect("it can be written");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    for file in [&file, &folder.path().join("nowhere").join("file")] {
        let name = file.to_str().expect("a path of plain text");
        let listening = ["--listen", "127.0.0.1:0", "--operator-listen", "off"];
        let arguments = ["serve", "--data", data, "--credentials-file", name];
        let output = oms(&[&arguments[..], &listening[..]].concat(), &[]);
        assert!(!output.status.success(), "{output:?}");
        assert!(output.stderr.contains(name), "{output:?}");
    }
    assert_eq!(fs::read_to_string(&file).ok().as_deref(), Some("mine"));
    let listed = oms(&["keys", "list", "--data", data], &[]);
    assert_eq!(listed.stdout, "", "{listed:?}");
}
