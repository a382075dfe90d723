//! The way to a database server: secured by TLS, whose certificate is checked; by a password.

use std::fs;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::fleet::Fleet;
use crate::support::{Cluster, Folder, Output, full_customer, name_of, oms};
use crate::{cluster, start};

/// Somebody who certifies servers.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
        let known_as = &mut parameters.distinguished_name;
        known_as.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        }
    }

    /// The certificate of a name, and its key.
    fn certify(&self, name: &str) -> (String, String) {
        let parameters = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer);
        (
            certificate.expect("it is signed").pem(),
            key.serialize_pem(),
        )
    }
}

/// The server of this certificate, which lets in by these rules.
fn secured((certificate, key): (&str, &str), rules: &str) -> Option<Cluster> {
    let files = [
        ("server.crt", certificate),
        ("server.key", key),
        ("rules.conf", rules),
    ];
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", "{folder}/server.crt"),
        ("ssl_key_file", "{folder}/server.key"),
        ("hba_file", "{folder}/rules.conf"),
    ];
    start(&files, &settings)
}

fn migrate(folder: &Folder, url: &str) -> Output {
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path of plain text");
    oms(&["migrate", "--data", data], &[("OMS_DATABASE", url)])
}

#[track_caller]
fn check_refused(output: &Output, words: &str) {
    assert!(!output.status.success(), "{output:?}");
    let said = output.stderr.to_lowercase();
    assert!(said.contains(&words.to_lowercase()), "{words}: {output:?}");
}

/// A file of a test.
fn file(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("a file can be written");
    path.to_str().expect("a path of plain text").to_owned()
}

#[test]
fn a_server_is_spoken_to_only_when_its_certificate_is_good() {
    let (ours, others) = (Authority::new("ours"), Authority::new("others"));
    let (certificate, key) = ours.certify("localhost");
    let rules = "host all all all trust";
    let Some(cluster) = secured((&certificate, &key), rules) else {
        return;
    };
    let folder = Folder::new();
    let good = file(&folder, "ours.pem", &ours.certificate);
    let bad = file(&folder, "others.pem", &others.certificate);
    let url = cluster.new_database();
    let at = |host: &str, mode: &str, roots: &str| {
        let url = url.replace("127.0.0.1", host);
        format!("{url}?sslmode={mode}&sslrootcert={roots}")
    };
    for mode in ["verify-full", "verify-ca", "require"] {
        let accepted = migrate(&folder, &at("localhost", mode, &good));
        assert!(accepted.status.success(), "{mode}: {accepted:?}");
        let wrong_host = migrate(&folder, &at("127.0.0.1", mode, &good));
        check_refused(&wrong_host, "not valid for name");
        let unknown = migrate(&folder, &at("localhost", mode, &bad));
        check_refused(&unknown, "UnknownIssuer");
    }
    check_refused(
        &migrate(&folder, &at("localhost", "verify-full", "/nowhere.pem")),
        "/nowhere.pem",
    );
    let fleet = Fleet::start(&at("localhost", "verify-full", &good), 1, &[]);
    fleet.sandbox().create(&full_customer());
    let count = |secured: bool| {
        let sql = format!(
            "SELECT COUNT(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
             WHERE application_name = 'oms' AND ssl = {secured}"
        );
        let count = cluster.sql("postgres", &sql).expect("it answers");
        count.parse::<u32>().expect("a number")
    };
    assert!(count(true) > 0, "nobody is connected");
    assert_eq!(count(false), 0, "somebody speaks in the clear");
}

#[test]
fn a_server_without_tls_is_not_spoken_to_where_tls_is_wanted() {
    let Some(plain) = cluster() else { return };
    let folder = Folder::new();
    let url = plain.new_database();
    let roots = file(&folder, "roots.pem", &Authority::new("ours").certificate);
    for query in ["?sslmode=require", &format!("?sslrootcert={roots}")] {
        let refused = migrate(&folder, &format!("{url}{query}"));
        check_refused(&refused, "offers no TLS");
    }
    let accepted = migrate(&folder, &url);
    assert!(accepted.status.success(), "{accepted:?}");
}

#[test]
fn a_password_is_shown_to_whom_it_belongs_and_never_said() {
    let ours = Authority::new("ours");
    let (certificate, key) = ours.certify("localhost");
    let rules = "host all oms all trust\nhostssl all teller all scram-sha-256\n";
    let Some(cluster) = secured((&certificate, &key), rules) else {
        return;
    };
    let folder = Folder::new();
    let roots = file(&folder, "ours.pem", &ours.certificate);
    let url = cluster.new_database();
    let name = name_of(&url);
    let make = format!(
        "CREATE ROLE teller LOGIN PASSWORD 'open sesame'; ALTER DATABASE {name} OWNER TO teller"
    );
    cluster.sql("postgres", &make).expect("a role can be made");
    let with = |password: &str, query: &str| {
        let login = format!("teller:{password}@localhost");
        url.replace("oms@127.0.0.1", &login) + query
    };
    let secured = format!("?sslrootcert={roots}");
    let wrong = migrate(&folder, &with("open%20barley", &secured));
    check_refused(&wrong, "password authentication failed");
    assert!(!wrong.stderr.contains("barley"), "{wrong:?}");
    let in_the_clear = migrate(&folder, &with("open%20sesame", "?sslmode=disable"));
    check_refused(&in_the_clear, "pg_hba.conf");
    assert!(!in_the_clear.stderr.contains("sesame"), "{in_the_clear:?}");
    let right = migrate(&folder, &with("open%20sesame", &secured));
    assert!(right.status.success(), "{right:?}");
}

#[test]
fn a_login_that_others_could_listen_to_or_undo_is_refused() {
    let rules = "host all oms all trust
                 host all teller all scram-sha-256
                 host all plain all password
                 host all old all md5
                 host all slow all scram-sha-256\n";
    let files = [("rules.conf", rules)];
    let Some(cluster) = start(&files, &[("hba_file", "{folder}/rules.conf")]) else {
        return;
    };
    let make = "CREATE ROLE teller SUPERUSER LOGIN PASSWORD 'ope\u{301}n \u{2168}';
                CREATE ROLE plain SUPERUSER LOGIN PASSWORD 'open sesame';
                SET password_encryption = md5;
                CREATE ROLE old SUPERUSER LOGIN PASSWORD 'open sesame'";
    cluster.sql("postgres", make).expect("roles can be made");
    // The server's own word for a password that it hashed a million times.
    let hashed = "SCRAM-SHA-256$1000000:W22ZaJ0SNY7soEsUEjb6gQ==\
                  $WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=\
                  :wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
    let make = format!("CREATE ROLE slow LOGIN PASSWORD '{hashed}'");
    cluster.sql("postgres", &make).expect("a role can be made");
    let folder = Folder::new();
    let as_role = |role: &str| {
        let url = cluster.new_database();
        migrate(&folder, &url.replace("oms@", &format!("{role}@")))
    };
    for role in [
        // As it was set, and as SASLprep makes it.
        "teller:ope%CC%81n%20%E2%85%A8",
        "teller:op%C3%A9n%20IX",
        // Nobody listens on the way to the machine itself.
        "plain:open%20sesame",
    ] {
        let accepted = as_role(role);
        assert!(accepted.status.success(), "{role}: {accepted:?}");
    }
    for (role, words) in [
        ("teller:open%20sesame", "password authentication failed"),
        ("teller", "none is set"),
        ("plain:open%20barley", "password authentication failed"),
        ("old:open%20sesame", "other than SCRAM-SHA-256"),
        ("slow:pencil", "iteration count"),
    ] {
        let refused = as_role(role);
        check_refused(&refused, words);
        assert!(!refused.stderr.contains("sesame"), "{refused:?}");
    }
}
