//! The files of a list: the one that is named, and those that belong to it.

use std::path::{Path, PathBuf};

use crate::core::watchlist::{File, ListName, Source};
use crate::error::{Error, Result};

/// Largest file that is read.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Where the files of a list are, as far as that was said.
#[derive(Debug)]
pub(super) struct Paths {
    /// The entries.
    pub entries: PathBuf,
    /// The aliases.
    pub aliases: Option<PathBuf>,
    /// The addresses.
    pub addresses: Option<PathBuf>,
    /// What the remarks had no room for.
    pub comments: Option<PathBuf>,
}

impl Paths {
    /// The name of the list where none was said: that of the published file.
    pub(super) fn default_name(&self) -> &'static str {
        if self.stem().eq_ignore_ascii_case("cons_prim") {
            ListName::OFAC_CONSOLIDATED
        } else {
            ListName::OFAC_SDN
        }
    }

    /// Reads all of them; those that were not said are looked for beside the entries.
    pub(super) fn read(self, name: &ListName) -> Result<Source> {
        let (aliases, addresses, comments) = self.siblings(name);
        let folder = match self.entries.parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => Path::new("."),
        };
        Ok(Source {
            entries: read(&self.entries)?,
            aliases: sibling(folder, self.aliases, &aliases)?,
            addresses: sibling(folder, self.addresses, &addresses)?,
            comments: sibling(folder, self.comments, &comments)?,
        })
    }

    /// What those that belong to it are called: as the publisher calls them, or like the file of
    /// the entries, so that no list takes another one's aliases that lie in the same folder.
    fn siblings(&self, name: &ListName) -> (String, String, String) {
        let stem = self.stem().to_ascii_lowercase();
        let (plain, comments) = match &stem[..] {
            "cons_prim" => ("cons_".to_owned(), "cons_comments.csv".to_owned()),
            stem if stem.starts_with("sdn") || name.as_str() == ListName::OFAC_SDN => {
                (String::new(), "sdn_comments.csv".to_owned())
            }
            stem => (format!("{stem}_"), format!("{stem}_comments.csv")),
        };
        (
            format!("{plain}alt.csv"),
            format!("{plain}add.csv"),
            comments,
        )
    }

    fn stem(&self) -> &str {
        let stem = self.entries.file_stem().and_then(|stem| stem.to_str());
        stem.unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<File> {
    let wrong =
        |error: std::io::Error| Error::internal(format!("cannot read {}: {error}", path.display()));
    let length = std::fs::metadata(path).map_err(wrong)?.len();
    if length > MAX_FILE_BYTES {
        return Err(Error::internal(format!(
            "{} has more than {MAX_FILE_BYTES} bytes",
            path.display()
        )));
    }
    Ok(File {
        name: path.display().to_string(),
        bytes: std::fs::read(path).map_err(wrong)?,
    })
}

/// The file that was named, or the one of this name in the folder, in any case.
fn sibling(folder: &Path, named: Option<PathBuf>, name: &str) -> Result<Option<File>> {
    let beside = || {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let found = path.file_name().and_then(|found| found.to_str());
                found.is_some_and(|found| found.eq_ignore_ascii_case(name))
            })
            .collect();
        paths.sort();
        paths.into_iter().next()
    };
    let path = named.or_else(beside);
    if path.is_none() {
        println!("there is no {name} beside the list: it is read without");
    }
    path.map(|path| read(&path)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(file: &str, name: Option<&str>) -> (String, [String; 3]) {
        let paths = Paths {
            entries: file.into(),
            aliases: None,
            addresses: None,
            comments: None,
        };
        let name = ListName::parse(name.unwrap_or_else(|| paths.default_name())).expect("plain");
        let (aliases, addresses, comments) = paths.siblings(&name);
        (name.to_string(), [aliases, addresses, comments])
    }

    #[test]
    fn a_file_has_a_list_and_neighbours_of_its_own() {
        let sdn = ["alt.csv", "add.csv", "sdn_comments.csv"];
        let consolidated = ["cons_alt.csv", "cons_add.csv", "cons_comments.csv"];
        let eu = ["eu-list_alt.csv", "eu-list_add.csv", "eu-list_comments.csv"];
        for (file, name, list, siblings) in [
            ("SDN.CSV", None, "ofac-sdn", sdn),
            ("sdn-2026-11-20.csv", None, "ofac-sdn", sdn),
            ("newest.csv", None, "ofac-sdn", sdn),
            ("/x/SDN.CSV", Some("treasury"), "treasury", sdn),
            ("CONS_PRIM.CSV", None, "ofac-consolidated", consolidated),
            ("EU-list.csv", Some("eu"), "eu", eu),
        ] {
            let found = named(file, name);
            assert_eq!(found.0, list, "{file}");
            assert_eq!(found.1, siblings, "{file}");
        }
    }
}
