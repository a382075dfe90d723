//! A statement in the words of both engines.
//!
//! SQLite keeps its rows in the order in which they come. An engine that splits a table
//! into ranges by key would put all that is new into the last range, for ids rise with
//! time: there the keys begin with a bucket that follows from the id, and rows in the order
//! of their ids are merged from all buckets. Marks in a text stand for that:
//!
//! - `{at c.id $2}`: rows of `c` with this id.
//! - `{all c}`: rows of `c`, in the order of an id that the text ends with.
//! - `{any c}`: rows of `c` in whatever bucket, in no order.
//! - `{place e}`: the place of the row `e` of `events` in the order of everything (`order.rs`).

use std::sync::OnceLock;

use super::Tx;

/// Into how many places ids are spread. It is a part of the schema.
pub(super) const BUCKETS: u8 = 8;

/// A text with marks.
pub(super) struct Sql {
    text: &'static str,
    sqlite: OnceLock<String>,
    postgres: OnceLock<String>,
}

impl Sql {
    pub(super) const fn new(text: &'static str) -> Self {
        Self {
            text,
            sqlite: OnceLock::new(),
            postgres: OnceLock::new(),
        }
    }

    /// The text for the engine of this transaction.
    pub(super) fn of(&'static self, tx: &Tx<'_>) -> &'static str {
        if tx.is_spread() {
            self.postgres.get_or_init(|| spread(self.text))
        } else {
            self.sqlite.get_or_init(|| plain(self.text))
        }
    }
}

/// The text without buckets.
fn plain(text: &str) -> String {
    replace_marks(text, |mark| match mark {
        Mark::At { column, id } => format!("{column} = {id}"),
        Mark::All { .. } | Mark::Any { .. } => "1 = 1".to_owned(),
        Mark::Place { table } => format!("{table}.place"),
    })
}

/// The text with buckets; where it is to read all of them, a merge of as many texts.
fn spread(text: &str) -> String {
    let in_bucket = |bucket: u8| {
        replace_marks(text, |mark| match mark {
            Mark::At { column, id } => {
                let bucket = match column.rsplit_once('.') {
                    Some((table, "id")) => format!("{table}.bucket"),
                    _ => format!("{column}_bucket"),
                };
                format!("{bucket} = (get_byte({id}, 15) & 7) AND {column} = {id}")
            }
            Mark::All { table } => format!("{table}.bucket = {bucket}"),
            Mark::Any { table } => format!("{table}.bucket IN ({})", buckets()),
            // A row without a place comes after all that have one.
            Mark::Place { table } => format!(
                "COALESCE((SELECT p.first + {table}.position - p.start - 1 FROM event_places p
                 WHERE p.writer = {table}.writer AND p.start < {table}.position
                   AND p.start + p.last - p.first + 1 >= {table}.position
                 ORDER BY p.start DESC LIMIT 1), {})",
                i64::MAX
            ),
        })
    };
    if !text.contains("{all ") {
        return in_bucket(0);
    }
    let (_, order) = text
        .rsplit_once("ORDER BY ")
        .expect("a statement over all buckets has an order");
    // To the outside, the columns of the order are those of the merge.
    let order: Vec<_> = order.split(' ').map(of_the_merge).collect();
    let order = order.join(" ");
    let merge = |part: &dyn Fn(u8) -> String| {
        let parts: Vec<_> = (0..BUCKETS)
            .map(|bucket| format!("({})", part(bucket)))
            .collect();
        let parts = parts.join(" UNION ALL ");
        format!("SELECT every.* FROM ({parts}) every ORDER BY {order}")
    };
    if !text.contains(KEY_JOIN) {
        return merge(&in_bucket);
    }
    // A join in each part would have to be begun in each.
    let merged = merge(&|bucket| {
        let part = in_bucket(bucket).replacen(KEY_COLUMN, "", 1);
        let (before, join) = part.split_once(KEY_JOIN).expect("it was found");
        let (_, after) = join.split_once(".data_key").expect("the join has a column");
        format!("{before}{after}")
    });
    let (order, _) = order.split_once(" LIMIT").unwrap_or((&order, ""));
    format!(
        "SELECT every.*, k.wrapped FROM ({merged}) every
         LEFT JOIN keys.data_keys k ON k.id = every.data_key ORDER BY {order}"
    )
}

/// How a text takes along the wrapped key of each row.
const KEY_JOIN: &str = " LEFT JOIN keys.data_keys k ON k.id = ";

/// The last column of such a text.
const KEY_COLUMN: &str = ", k.wrapped";

/// `c.id` as a column of the merge; other words are as they were.
fn of_the_merge(word: &str) -> String {
    word.split_once('.')
        .map_or_else(|| word.to_owned(), |(_, column)| format!("every.{column}"))
}

/// Every bucket, so that a key that begins with it leads to the rows.
fn buckets() -> String {
    let all: Vec<_> = (0..BUCKETS).map(|bucket| bucket.to_string()).collect();
    all.join(", ")
}

enum Mark<'a> {
    At { column: &'a str, id: &'a str },
    All { table: &'a str },
    Any { table: &'a str },
    Place { table: &'a str },
}

fn replace_marks(text: &str, write: impl Fn(Mark<'_>) -> String) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from_mark)) = rest.split_once('{') {
        let (mark, after) = from_mark.split_once('}').expect("a mark ends");
        let words: Vec<_> = mark.split(' ').collect();
        written.push_str(before);
        written.push_str(&write(match words.as_slice() {
            ["at", column, id] => Mark::At { column, id },
            ["all", table] => Mark::All { table },
            ["any", table] => Mark::Any { table },
            ["place", table] => Mark::Place { table },
            _ => unreachable!("no such mark: {mark}"),
        }));
        rest = after;
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_in_its_bucket() {
        let text = "DELETE FROM things WHERE {at things.id $1} AND x = $2";
        assert_eq!(
            plain(text),
            "DELETE FROM things WHERE things.id = $1 AND x = $2"
        );
        assert_eq!(
            spread(text),
            "DELETE FROM things WHERE things.bucket = (get_byte($1, 15) & 7) AND things.id = $1 AND x = $2"
        );
    }

    #[test]
    fn rows_in_order_are_merged_from_every_bucket() {
        let text = "SELECT t.id FROM t WHERE {all t} AND t.id > $1 ORDER BY t.id LIMIT $2";
        assert_eq!(
            plain(text),
            "SELECT t.id FROM t WHERE 1 = 1 AND t.id > $1 ORDER BY t.id LIMIT $2"
        );
        let merged = spread(text);
        for bucket in 0..BUCKETS {
            let part = format!(
                "(SELECT t.id FROM t WHERE t.bucket = {bucket} AND t.id > $1 ORDER BY t.id LIMIT $2)"
            );
            assert!(merged.contains(&part), "{merged}");
        }
        assert!(
            merged.ends_with(") every ORDER BY every.id LIMIT $2"),
            "{merged}"
        );
    }

    #[test]
    fn rows_of_any_bucket_are_found_by_all_of_them() {
        let text = "SELECT t.id FROM t WHERE {any t} AND t.x = $1";
        assert_eq!(plain(text), "SELECT t.id FROM t WHERE 1 = 1 AND t.x = $1");
        assert_eq!(
            spread(text),
            "SELECT t.id FROM t WHERE t.bucket IN (0, 1, 2, 3, 4, 5, 6, 7) AND t.x = $1"
        );
    }

    #[test]
    fn keys_are_joined_once_behind_the_merge() {
        let text = "SELECT t.id, t.data_key, k.wrapped
             FROM t LEFT JOIN keys.data_keys k ON k.id = t.data_key
             WHERE {all t} AND t.x = $1 ORDER BY t.project, t.id DESC LIMIT $2";
        let spread = spread(text);
        let (merged, outside) = spread.rsplit_once(") every").expect("a merge");
        assert_eq!(
            outside,
            "\n         LEFT JOIN keys.data_keys k ON k.id = every.data_key \
             ORDER BY every.project, every.id DESC"
        );
        assert!(merged.starts_with("SELECT every.*, k.wrapped FROM (SELECT every.* FROM ("));
        assert!(merged.ends_with(") every ORDER BY every.project, every.id DESC LIMIT $2"));
        assert!(!merged.contains("JOIN"), "{merged}");
        assert_eq!(merged.matches("wrapped").count(), 1, "{merged}");
    }
}
