//! What `oms watchlist` prints.

use serde_json::{Value, json};

use crate::context::Time;
use crate::core::screening::Hit;
use crate::core::watchlist::{Kind, Summary};
use crate::store::rescreening::Rescreening;

/// One list with all that is known of it.
pub(super) fn one(list: &Summary) {
    println!("list      {}", list.name);
    println!("date      {}", list.dated);
    println!("version   {}", list.version);
    println!("in force  since {}", list.imported_at);
    for (kind, count) in Kind::ALL.into_iter().zip(list.counts) {
        println!("{:<9} {count}", kind.name());
    }
    println!("aliases   {}", list.aliases);
    println!("hash      {}", list.hash);
}

/// A line for each list.
pub(super) fn lines(lists: &[Summary], now: Time) {
    for list in lists {
        let days = list.age_days(now.date());
        println!(
            "{:<20}  of {} ({days} days)  {} entries  imported {}",
            list.name,
            list.dated,
            list.entries(),
            list.imported_at
        );
    }
}

/// The same as a JSON array.
pub(super) fn lines_as_json(lists: &[Summary]) -> Value {
    lists.iter().map(as_json).collect()
}

fn as_json(list: &Summary) -> Value {
    json!({
        "name": list.name, "date": list.dated.to_string(), "importedAt": list.imported_at,
        "version": list.version, "entries": list.entries(), "counts": counts(list.counts),
        "aliases": list.aliases, "hash": list.hash,
    })
}

fn counts(counts: [i64; 4]) -> Value {
    let counts = Kind::ALL.into_iter().zip(counts);
    let named = counts.map(|(kind, count)| (kind.name().to_owned(), count.into()));
    Value::Object(named.collect())
}

/// The set of lists, and how far everybody is screened by it, as JSON.
pub(super) fn set_as_json(
    (version, lists): (i64, &[Summary]),
    rescreening: Option<&Rescreening>,
) -> Value {
    let mut sums = [0; 4];
    for list in lists {
        for (sum, count) in sums.iter_mut().zip(list.counts) {
            *sum += count;
        }
    }
    json!({
        "version": version, "lists": lines_as_json(lists), "counts": counts(sums),
        "aliases": lists.iter().map(|list| list.aliases).sum::<i64>(),
        "rescreening": rescreening.map(|far| json!({
            "seen": far.seen, "changed": far.changed, "startedAt": far.started_at,
            "finishedAt": far.finished_at,
        })),
    })
}

/// How far the customers are screened again by these lists.
pub(super) fn how_far(rescreening: Option<&Rescreening>) -> String {
    let Some(far) = rescreening else {
        return "nobody again yet; a running server does it, some seconds after the change"
            .to_owned();
    };
    let counts = format!(
        "{} customers again, of whom {} got another standing",
        far.seen, far.changed
    );
    match far.finished_at {
        Some(at) => format!("{counts}; done at {at}"),
        None => format!("{counts}; begun at {}, not done", far.started_at),
    }
}

fn reasons(hit: &Hit) -> Vec<String> {
    hit.reasons.iter().map(ToString::to_string).collect()
}

/// Hits as a JSON array.
pub(super) fn hits_as_json(hits: &[Hit]) -> Value {
    let one = |hit: &Hit| {
        json!({
            "list": &*hit.list, "entry": hit.entry.id, "name": hit.entry.name(),
            "kind": hit.entry.kind.name(), "programs": hit.entry.programs, "score": hit.score,
            "reasons": reasons(hit), "fingerprint": hit.entry.fingerprint(),
        })
    };
    hits.iter().map(one).collect()
}

/// Hits with their reasons.
pub(super) fn hits(hits: &[Hit]) {
    if hits.is_empty() {
        println!("no hit");
    }
    for hit in hits {
        println!(
            "{:.3}  {} {}  {} ({})",
            hit.score,
            hit.list,
            hit.entry.id,
            hit.entry.name(),
            hit.entry.programs.join(", ")
        );
        for reason in reasons(hit) {
            println!("       - {reason}");
        }
    }
}
