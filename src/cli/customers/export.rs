//! `oms customers export`: every customer of a project as answers show it, page
//! by page, so that memory does not grow with their number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::csv_rows::NO_NAMES;
use super::spreadsheet::guarded;
use crate::cli::origin::origin;
use crate::cli::terminal::{
    ProjectArguments, at, must_be_a_file, must_exist, progress_bar, run_to_end,
};
use crate::config::Config;
use crate::context::Context;
use crate::core::audit;
use crate::core::event::Origin;
use crate::core::installation::Installation;
use crate::core::roster;
use crate::error::{Error, Result};
use crate::http::customers::Customer;
use crate::store::customer::{self, Filter, Found};

/// Customers of one page.
const PAGE: usize = 500;

/// The same, as the statement takes it.
const MOST: i64 = 500;

/// Characters of the longest reason.
const LONGEST_REASON: usize = 500;

/// What follows `oms customers export`.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    project: ProjectArguments,
    /// Lines of JSON, or CSV.
    #[arg(long, value_enum, default_value = "jsonl")]
    format: Format,
    /// Which come first.
    #[arg(long, value_enum, default_value = "newest")]
    order: Order,
    /// Where it goes; standard output when not given.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Add the write-only fields, which no answer shows. This is audited.
    #[arg(long, requires = "reason")]
    with_pii: bool,
    /// Why the write-only fields are opened.
    #[arg(long, requires = "with_pii", value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Order {
    Newest,
    Oldest,
}

/// The columns of CSV; those after the first so many are write-only.
const COLUMNS: [&str; 24] = [
    "id",
    "status",
    "firstName",
    "middleName",
    "lastName",
    "email",
    "phone",
    "nationality",
    "externalId",
    "signedAgreement",
    "signedAgreementAt",
    "endorsements",
    "metadata",
    "createdAt",
    "updatedAt",
    "birthDate",
    "ipAddress",
    "residentialAddress.line1",
    "residentialAddress.line2",
    "residentialAddress.city",
    "residentialAddress.state",
    "residentialAddress.country",
    "residentialAddress.zipCode",
    "identifyingInformation",
];
const RETURNED: usize = 15;

/// Runs `oms customers export`.
///
/// # Errors
/// When there is no such project, or the output cannot be written.
pub fn run(arguments: &Arguments, config: &Config) -> Result<()> {
    must_exist(config)?;
    let reason = arguments.reason.as_deref().map(str::trim);
    if reason.is_some_and(|reason| reason.is_empty() || reason.chars().count() > LONGEST_REASON) {
        return Err(Error::internal("a reason has 1 to 500 characters"));
    }
    run_to_end(async {
        let context = Context::system();
        let installation = Installation::open(config, &context).await?;
        let exported = export(arguments, &installation, &origin(&context)).await;
        installation.close().await;
        exported
    })
}

async fn export(arguments: &Arguments, installation: &Installation, origin: &Origin) -> Result<()> {
    let project = arguments.project.find(installation).await?;
    let count = installation
        .store
        .read(move |tx| customer::count_of(tx, project));
    let bar = progress_bar(u64::try_from(count.await?).unwrap_or(0), false, "exporting");
    let mut output = Output::begin(arguments)?;
    let (mut written, mut erased) = (0u64, 0u64);
    let mut edge = match arguments.order {
        Order::Newest => [0xff; 16],
        Order::Oldest => [0; 16],
    };
    loop {
        let page = next_page(installation, project, arguments.order, edge).await?;
        let Some((last, _)) = page.last() else { break };
        edge = *last.id.as_bytes();
        bar.inc(page.len() as u64);
        if arguments.with_pii {
            let ids: Vec<_> = page.iter().map(|(row, _)| row.id).collect();
            let reason = arguments.reason.as_deref().unwrap_or_default();
            audit::note_opening(installation, project, &ids, origin, reason).await?;
        }
        for found in page {
            match roster::Customer::open(found, &installation.master)? {
                Some(customer) => {
                    written += 1;
                    output.customer(&customer)?;
                }
                None => erased += 1,
            }
        }
    }
    bar.finish_and_clear();
    output.finish()?;
    eprintln!("{written} customers written, {erased} erased ones left out");
    Ok(())
}

async fn next_page(
    installation: &Installation,
    project: i64,
    order: Order,
    edge: [u8; 16],
) -> Result<Vec<Found>> {
    let filter = Filter {
        project,
        before: edge,
        from: [0; 16],
        created_after: None,
        created_before: None,
        status: None,
        endorsement: None,
        hashes: None,
        limit: PAGE,
    };
    installation
        .store
        .read(move |tx| match order {
            Order::Newest => customer::page(tx, &filter).map(|page| page.rows),
            Order::Oldest => customer::page_upwards(tx, project, &edge, MOST),
        })
        .await
}

/// Where customers are written, and how.
struct Output {
    to: Format,
    with_pii: bool,
    sink: Option<Box<dyn Write>>,
    records: Option<csv::Writer<Box<dyn Write>>>,
    /// The temporary name and the final one.
    names: Option<(PathBuf, PathBuf)>,
}

impl Output {
    fn begin(arguments: &Arguments) -> Result<Self> {
        let (sink, names): (Box<dyn Write>, _) = match &arguments.output {
            None => (Box::new(BufWriter::new(io::stdout().lock())), None),
            Some(path) => {
                must_be_a_file(path)?;
                let mut name = path.file_name().unwrap_or_default().to_owned();
                name.push(".part");
                let part = path.with_file_name(name);
                let file = private(&part).map_err(|cause| at(part.display(), cause))?;
                (Box::new(BufWriter::new(file)), Some((part, path.clone())))
            }
        };
        let mut output = Self {
            to: arguments.format,
            with_pii: arguments.with_pii,
            sink: None,
            records: None,
            names,
        };
        if output.to == Format::Csv {
            let mut records = csv::Writer::from_writer(sink);
            records
                .write_record(output.columns())
                .map_err(Error::internal)?;
            output.records = Some(records);
        } else {
            output.sink = Some(sink);
        }
        Ok(output)
    }

    fn columns(&self) -> &'static [&'static str] {
        if self.with_pii {
            &COLUMNS
        } else {
            &COLUMNS[..RETURNED]
        }
    }

    fn customer(&mut self, customer: &roster::Customer) -> Result<()> {
        let answer =
            Customer::new(&customer.row, &customer.profile, customer.review.as_ref()).to_json()?;
        let mut json = Zeroizing::new(answer);
        if self.with_pii {
            let identity = customer.open_identity()?.to_sealable();
            // Both are JSON objects without white space; `{}` adds nothing.
            if identity.len() > 2 {
                json.pop();
                json.push(b',');
                json.extend_from_slice(&identity[1..]);
            }
        }
        if let Some(sink) = &mut self.sink {
            json.push(b'\n');
            return sink.write_all(&json).map_err(Error::internal);
        }
        let columns = self.columns();
        let object: Map<String, Value> = serde_json::from_slice(&json).map_err(Error::internal)?;
        let cells = columns.iter().map(|column| guarded(cell(&object, column)));
        match &mut self.records {
            Some(records) => records.write_record(cells).map_err(Error::internal),
            None => Ok(()),
        }
    }

    /// Makes sure that all is written, and gives the file its name.
    fn finish(mut self) -> Result<()> {
        if let Some(records) = &mut self.records {
            records.flush().map_err(Error::internal)?;
        }
        if let Some(sink) = &mut self.sink {
            sink.flush().map_err(Error::internal)?;
        }
        drop((self.sink.take(), self.records.take()));
        let Some((part, path)) = self.names.take() else {
            return Ok(());
        };
        File::open(&part)
            .and_then(|file| file.sync_all())
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|cause| at(path.display(), cause))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.names {
            drop(fs::remove_file(part));
        }
    }
}

/// A new file that only its owner reads.
fn private(path: &Path) -> io::Result<File> {
    drop(fs::remove_file(path));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// One field as a cell; lists and objects as JSON, endorsements like `basic:ACTIVE|usd:INACTIVE`,
/// or `[]` where none was requested.
fn cell(object: &Map<String, Value>, column: &str) -> String {
    let value = match column.split_once('.') {
        None => object.get(column),
        Some((name, part)) => object.get(name).and_then(|inner| inner.get(part)),
    };
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) if column == "endorsements" && items.is_empty() => {
            NO_NAMES.to_owned()
        }
        Some(Value::Array(items)) if column == "endorsements" => {
            let text = |item: &Value, name| item[name].as_str().unwrap_or_default().to_owned();
            let names = items
                .iter()
                .map(|item| format!("{}:{}", text(item, "name"), text(item, "status")));
            names.collect::<Vec<_>>().join("|")
        }
        Some(other) => other.to_string(),
    }
}
