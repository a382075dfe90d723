//! Master keys in files, and key registers that are large enough to be killed in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oms::config::{Config, Database};
use oms::context::Context;
use oms::core::installation::Installation;
use oms::store::key_register;

use crate::support::database_setting;

/// Writes a master key of 32 such bytes, for its owner only, and gives its path.
pub fn key_file(folder: &Path, byte: u8) -> String {
    let path = folder.join(format!("master-{byte}.key"));
    fs::write(&path, base64_of(byte)).expect("the folder can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    path.to_str().expect("a path of plain text").to_owned()
}

/// 32 such bytes as base64.
pub fn base64_of(byte: u8) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode([byte; 32])
}

/// Adds data keys that nobody has, as a crash leaves them.
pub fn fill(data: &Path, count: i64) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let context = Context::system();
        let mut config = Config::for_data(data);
        config.database = database_setting(data)
            .map(|(_, url)| Database::parse(&url).expect("the tests' own URL is one"));
        let installation = Installation::open(&config, &context).await.expect("opens");
        for first in (1..=count).step_by(10_000) {
            let wrap = |id: i64| {
                let name = id.to_be_bytes();
                let ring = &installation.master;
                let wrapped = ring.wrap("data_key", &name, &[7; 32], &context.random);
                (id, wrapped)
            };
            let keys: Vec<_> = (first..=count.min(first + 9_999)).map(wrap).collect();
            installation
                .store
                .write(move |tx| key_register::insert_data_keys(tx, &keys))
                .await
                .expect("the keys are stored");
        }
        installation.store.close();
    });
}
