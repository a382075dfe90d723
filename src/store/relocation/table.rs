//! Every table, once: its columns, their kinds, and the key in whose order it is read. What is
//! read, written and compared follows from this. A test holds it against the real schema of
//! both engines, so that a migration cannot be forgotten here.

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A 64-bit integer.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be empty.
    pub nullable: bool,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    /// Its name, with the schema where it is not the data's.
    pub name: &'static str,
    /// What moves. What the other engine computes by itself is not among them.
    pub columns: &'static [Column],
    /// The key of the embedded engine.
    pub key: &'static [&'static str],
    /// The key where rows are spread over buckets.
    pub spread_key: &'static [&'static str],
}

/// Tables that only one engine has, or that follow from others there: a journal, the heads of
/// writers, an order that is given afterwards, what servers tell each other, what a migration or
/// a move notes of itself.
pub const DERIVED: &[&str] = &[
    "lookup_journal",
    "lookup_fold",
    "writers",
    "event_places",
    "placed_writers",
    "limit_uses",
    "servers",
    "schema_steps",
    "unfinished_move",
];

/// In an order in which each may refer to those before it. Of `lookups` those that lead to
/// `idempotency` are not moved: only the embedded engine has them, and makes them anew.
pub const TABLES: &[Table] = &[
    Table {
        name: "projects",
        columns: &[
            int("id"),
            text("name"),
            text("mode"),
            int("created_at"),
            text("verification"),
            int("clock_offset_s"),
            int("revision"),
            bytes("mac").or_null(),
        ],
        key: &["id"],
        spread_key: &["id"],
    },
    Table {
        name: "api_keys",
        columns: &[
            text("api_key"),
            int("project"),
            bytes("secret_hash"),
            text("scopes"),
            int("created_at"),
            int("revoked_at").or_null(),
            int("changed_at"),
            bytes("mac").or_null(),
        ],
        key: &["api_key"],
        spread_key: &["api_key"],
    },
    Table {
        name: "policies",
        columns: &[
            int("project"),
            int("number"),
            text("source"),
            int("created_at"),
        ],
        key: &["project", "number"],
        spread_key: &["project", "number"],
    },
    Table {
        name: "customers",
        columns: &[
            int("project"),
            bytes("id"),
            int("version"),
            int("status"),
            int("signed_at").or_null(),
            int("updated_at"),
            int("data_key"),
            int("endorsements"),
            bytes("profile"),
            bytes("identity"),
            bytes("review").or_null(),
            int("created_at").or_null(),
        ],
        key: &["project", "id"],
        spread_key: &["bucket", "project", "id"],
    },
    Table {
        name: "customer_versions",
        columns: &[
            bytes("customer"),
            int("until"),
            int("kept_at"),
            int("project"),
            int("version"),
            int("status"),
            int("signed_at").or_null(),
            int("updated_at"),
            int("data_key"),
            int("endorsements"),
            bytes("profile"),
            bytes("review").or_null(),
            bytes("identity_tag"),
            int("created_at").or_null(),
        ],
        key: &["customer", "until"],
        spread_key: &["customer_bucket", "customer", "until"],
    },
    IDEMPOTENCY,
    LOOKUPS,
    EVENTS,
    Table {
        name: "audit_checkpoints",
        columns: &[
            int("number"),
            int("made_at"),
            int("through"),
            bytes("heads"),
            bytes("signature"),
        ],
        key: &["number"],
        spread_key: &["number"],
    },
    Table {
        name: "holds",
        columns: &[bytes("customer"), int("until"), int("placed_at")],
        key: &["customer"],
        spread_key: &["customer"],
    },
    Table {
        name: "erasures",
        columns: &[
            bytes("customer"),
            int("project"),
            int("data_key"),
            int("erased_at"),
            text("certificate"),
            int("done_at").or_null(),
        ],
        key: &["customer"],
        spread_key: &["customer"],
    },
    Table {
        name: "verifications",
        columns: &[
            bytes("id"),
            int("project"),
            bytes("customer"),
            int("state"),
            int("attempts"),
            int("due_at"),
            int("accepted_at").or_null(),
            text("trouble").or_null(),
            bytes("fingerprint").or_null(),
            int("answered_at").or_null(),
            int("requested_at").or_null(),
            int("claimed_by"),
        ],
        key: &["id"],
        spread_key: &["bucket", "id"],
    },
    Table {
        name: "watchlists",
        columns: &[
            int("version"),
            text("hash"),
            int("imported_at"),
            int("individuals"),
            int("entities"),
            int("vessels"),
            int("aircraft"),
            int("aliases"),
            text("name"),
            text("dated").or_null(),
            int("removed"),
        ],
        key: &["version"],
        spread_key: &["version"],
    },
    Table {
        name: "watchlist_entries",
        columns: &[int("version"), int("part"), bytes("entries")],
        key: &["version", "part"],
        spread_key: &["version", "part"],
    },
    Table {
        name: "rescreenings",
        columns: &[
            int("version"),
            int("project"),
            bytes("customer"),
            int("seen"),
            int("changed"),
            int("started_at"),
            int("finished_at").or_null(),
            bytes("owner"),
            int("leased_until"),
            int("claimed_by"),
        ],
        key: &["version"],
        spread_key: &["version"],
    },
    Table {
        name: "stale_screenings",
        columns: &[int("project"), bytes("customer"), int("version")],
        key: &["customer", "version"],
        spread_key: &["customer", "version"],
    },
    Table {
        name: "lookup_epochs",
        columns: &[
            int("epoch"),
            int("project"),
            bytes("customer"),
            bytes("owner"),
            int("leased_until"),
        ],
        key: &["epoch"],
        spread_key: &["epoch"],
    },
    Table {
        name: "stale_lookups",
        columns: &[
            int("project"),
            bytes("customer"),
            int("version"),
            int("used"),
            int("known"),
        ],
        key: &["customer", "version"],
        spread_key: &["customer", "version"],
    },
    Table {
        name: "webhooks",
        columns: &[
            bytes("id"),
            int("project"),
            int("version"),
            text("events"),
            text("scheme"),
            int("enabled"),
            text("disabled_reason").or_null(),
            int("deleted_at").or_null(),
            int("data_key"),
            bytes("target"),
            int("compliance_only"),
            int("created_at").or_null(),
        ],
        key: &["id"],
        spread_key: &["id"],
    },
    Table {
        name: "webhook_subscriptions",
        columns: &[bytes("webhook"), int("through"), text("events").or_null()],
        key: &["webhook", "through"],
        spread_key: &["webhook", "through"],
    },
    Table {
        name: "webhook_progress",
        columns: &[
            bytes("webhook"),
            int("through"),
            int("failing_since").or_null(),
            int("claimed_by"),
            int("claimed_until"),
        ],
        key: &["webhook"],
        spread_key: &["webhook"],
    },
    Table {
        name: "webhook_deliveries",
        columns: &[
            bytes("webhook"),
            bytes("id"),
            bytes("event"),
            text("kind"),
            int("state"),
            int("attempts"),
            int("last_at").or_null(),
            int("next_at").or_null(),
            int("status").or_null(),
            text("error").or_null(),
            int("happened_at").or_null(),
        ],
        key: &["webhook", "id"],
        spread_key: &["webhook", "id"],
    },
    Table {
        name: "clock",
        columns: &[int("id"), int("settled_at")],
        key: &["id"],
        spread_key: &["id"],
    },
    Table {
        name: "keys.data_keys",
        columns: &[int("id"), bytes("wrapped")],
        key: &["id"],
        spread_key: &["id"],
    },
    Table {
        name: "keys.secrets",
        columns: &[text("name"), bytes("wrapped")],
        key: &["name"],
        spread_key: &["name"],
    },
    Table {
        name: "keys.hash_keys",
        columns: &[
            int("epoch"),
            bytes("wrapped"),
            int("made_at"),
            int("in_force_at").or_null(),
            int("spent_at").or_null(),
        ],
        key: &["epoch"],
        spread_key: &["epoch"],
    },
    Table {
        name: "keys.signing_keys",
        columns: &[
            text("id"),
            bytes("wrapped"),
            int("created_at"),
            int("retired_at").or_null(),
        ],
        key: &["id"],
        spread_key: &["id"],
    },
    Table {
        name: "keys.wrapping_keys",
        columns: &[
            int("id"),
            int("by"),
            int("rank"),
            bytes("wrapped"),
            int("created_at"),
        ],
        key: &["id", "by"],
        spread_key: &["id", "by"],
    },
    Table {
        name: "keys.erased",
        columns: &[
            bytes("customer"),
            int("project"),
            int("data_key"),
            int("erased_at"),
            text("certificate"),
        ],
        key: &["customer"],
        spread_key: &["customer"],
    },
    Table {
        name: "keys.audit_head",
        columns: &[int("id"), int("number"), bytes("signature")],
        key: &["id"],
        spread_key: &["id"],
    },
];

/// In the order of ids, so that of two rows with one key the newer comes later.
pub const IDEMPOTENCY: Table = Table {
    name: "idempotency",
    columns: &[
        bytes("id"),
        int("project"),
        bytes("key_hash"),
        bytes("fingerprint"),
        text("resource"),
        int("data_key"),
        int("status"),
        bytes("answer"),
    ],
    key: &["id"],
    spread_key: &["bucket", "id"],
};

/// Those of the embedded engine lie in its tail as well (`tail.rs`).
pub const LOOKUPS: Table = Table {
    name: "lookups",
    columns: &[int("hash"), bytes("target")],
    key: &["hash", "target"],
    spread_key: &["hash", "target"],
};

/// `place` is a column of the embedded engine; the other gives it afterwards (`order.rs`).
pub const EVENTS: Table = Table {
    name: "events",
    columns: &[
        int("place"),
        bytes("id"),
        int("project"),
        bytes("resource"),
        int("sequence"),
        int("count"),
        text("kinds"),
        text("actor"),
        text("request_id"),
        int("data_key"),
        bytes("detail"),
        bytes("state").or_null(),
        int("happened_at").or_null(),
        int("writer"),
        int("position"),
        bytes("hash"),
    ],
    key: &["place"],
    spread_key: &["place", "writer", "position"],
};

const fn int(name: &'static str) -> Column {
    column(name, Kind::Int)
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn bytes(name: &'static str) -> Column {
    column(name, Kind::Bytes)
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
    }
}

impl Column {
    const fn or_null(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}
