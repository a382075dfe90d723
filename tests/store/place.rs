//! Where a store of a test keeps its data.

use std::io::Write;
use std::sync::OnceLock;

use oms::config::{Config, Database};
use oms::store::Store;
use oms::vault::{ChainKey, KEY_LENGTH, Secrets};
use tokio::runtime::Runtime;

use crate::support::{Cluster, Folder};

/// An empty store's place, and a runtime to ask it on.
pub struct Place {
    pub config: Config,
    pub runtime: Runtime,
    _folder: Folder,
}

impl Place {
    /// In a folder.
    pub fn of_files() -> Self {
        let folder = Folder::new();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            config: Config::for_data(folder.path()),
            runtime,
            _folder: folder,
        }
    }

    /// In a database of a server that these tests share; `None`, and a word about it, where
    /// the machine has no PostgreSQL.
    pub fn of_postgres() -> Option<Self> {
        let url = cluster()?.new_database();
        let mut place = Self::of_files();
        place.config.database = Some(Database::parse(&url).expect("a URL"));
        place.config.read_threads = 4;
        Some(place)
    }

    /// Opens it, as a server would.
    pub fn open(&self) -> Store {
        let store = Store::open(&self.config).expect("the store opens");
        store.begin_audit(chain_key());
        store
    }
}

/// What the chains of these tests are keyed with.
pub fn chain_key() -> ChainKey {
    Secrets::derive(&[7; KEY_LENGTH]).chain
}

/// The server of these tests.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let cluster = Cluster::start(&[]);
        if cluster.is_none() {
            // Not by a macro, whose words nobody sees when a test goes well.
            let words = b"\nNOT RUN: no PostgreSQL is installed (apt-get install postgresql); \
                          the store was tested on files only\n";
            std::io::stderr()
                .write_all(words)
                .expect("there is an error stream");
        }
        cluster
    });
    cluster.as_ref()
}
