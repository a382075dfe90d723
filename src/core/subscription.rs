//! Which events a webhook is told of, by which name, and since when. Contract section 9.
//!
//! An event has one canonical name and may have published aliases. A webhook is told an event once,
//! under the name that it subscribed to.

use super::event::EventKind;
use crate::error::{FieldCode, Invalid};

/// Patterns that one webhook may have.
pub const MOST_PATTERNS: usize = 50;

/// How often the events of one webhook may be changed: each time a span more is counted through.
pub const MOST_SPANS: i64 = 1_000;

/// Groups of events that later parts of the API publish; a webhook may name them already.
const GROUPS_TO_COME: [&str; 7] = [
    "wallet",
    "deposit",
    "transaction",
    "cashIn",
    "virtualAccount",
    "depositAddress",
    "externalAccount",
];

/// Characters of the longest pattern that is looked at.
const LONGEST_PATTERN: usize = 100;

/// Which events a webhook is told of: all, or those that fit a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscription(Vec<String>);

impl Subscription {
    /// Takes patterns: names of events, or `prefix.*`. None at all means every event.
    ///
    /// # Errors
    /// With the place of the pattern that fits no event.
    pub fn parse(patterns: &[&str]) -> Result<Self, (usize, Invalid)> {
        let mut kept: Vec<String> = Vec::new();
        for (place, pattern) in patterns.iter().enumerate() {
            if !is_emitted(pattern) && !is_to_come(pattern) {
                let known = EventKind::PUBLISHED.map(EventKind::name).join(", ");
                let message = format!(
                    "must be the name of an event or of a group like customer.*; there are {known}"
                );
                return Err((place, Invalid::new(FieldCode::ValueInvalid, message)));
            }
            if !kept.iter().any(|known| known == pattern) {
                kept.push((*pattern).to_owned());
            }
        }
        Ok(Self(kept))
    }

    /// Takes what was stored, which was parsed once.
    #[must_use]
    pub fn stored(text: &str) -> Self {
        let patterns = text.split(',').filter(|pattern| !pattern.is_empty());
        Self(patterns.map(str::to_owned).collect())
    }

    /// The text that is stored.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.join(",")
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// What the subscriber should know: patterns that nothing fits yet.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let idle = self.0.iter().filter(|pattern| !is_emitted(pattern));
        idle.map(|pattern| format!("nothing emits {pattern} yet"))
            .collect()
    }

    /// The name by which an event of this kind is told; `None` when it is not. A name before a
    /// pattern, the canonical one before an alias. A test is not wanted: it is asked for.
    #[must_use]
    pub fn name_for(&self, kind: EventKind) -> Option<&'static str> {
        if !kind.is_broadcast() {
            return None;
        }
        if self.0.is_empty() {
            return Some(kind.name());
        }
        let first = |fits: &dyn Fn(&str, &str) -> bool| {
            let mut names = kind.names().iter().copied();
            names.find(|name| self.0.iter().any(|pattern| fits(pattern, name)))
        };
        first(&|pattern, name| pattern == name).or_else(|| first(&fits))
    }

    /// Whether an event of this kind is told.
    #[must_use]
    pub fn wants(&self, kind: EventKind) -> bool {
        self.name_for(kind).is_some()
    }
}

/// Whether something that happens today fits.
fn is_emitted(pattern: &str) -> bool {
    let kinds = EventKind::PUBLISHED.iter().chain([&EventKind::WebhookTest]);
    let mut names = kinds.flat_map(|kind| kind.names());
    names.any(|name| fits(pattern, name))
}

/// Whether it names events of a part of the API that is still to come.
fn is_to_come(pattern: &str) -> bool {
    let name = pattern.strip_suffix(".*").unwrap_or(pattern);
    let mut words = name.split('.');
    let group = words
        .next()
        .is_some_and(|word| GROUPS_TO_COME.contains(&word));
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphabetic());
    let named = name.len() < pattern.len() || name.contains('.');
    group && named && words.all(is_word) && pattern.len() <= LONGEST_PATTERN
}

/// Whether a name is the pattern, or in its group.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => name
            .strip_prefix(prefix)
            .is_some_and(|rest| rest.starts_with('.')),
        None => pattern == name,
    }
}

/// A part of the order of everything that lies behind a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its last place.
    pub through: i64,
    /// What the webhook was told of it; `None` for nothing, as before the webhook was made.
    pub wanted: Option<Subscription>,
}

/// What a webhook is told, place by place in the order of everything. It follows from this which
/// number an event has among those that the webhook is told of a resource, whoever counts.
#[derive(Clone, Debug)]
pub struct History {
    /// In the order of places.
    past: Vec<Span>,
    present: Span,
}

impl History {
    /// The spans that ended, and what the webhook subscribes to now.
    #[must_use]
    pub fn new(past: Vec<Span>, present: &Subscription) -> Self {
        let present = Span {
            through: i64::MAX,
            wanted: Some(present.clone()),
        };
        Self { past, present }
    }

    /// The span of a place.
    #[must_use]
    pub fn at(&self, place: i64) -> &Span {
        let found = self.past.iter().find(|span| place <= span.through);
        found.unwrap_or(&self.present)
    }

    /// Every span with the place before it, in their order.
    pub fn spans(&self) -> impl Iterator<Item = (i64, &Span)> {
        let ends = self.past.iter().map(|span| span.through);
        let starts = [i64::MIN].into_iter().chain(ends);
        starts.zip(self.past.iter().chain([&self.present]))
    }
}

impl Span {
    /// The name by which an event of this kind is told; `None` when it is not.
    #[must_use]
    pub fn name_for(&self, kind: EventKind) -> Option<&'static str> {
        self.wanted
            .as_ref()
            .and_then(|wanted| wanted.name_for(kind))
    }

    /// Whether an event of this kind counts among those that are told: a test always does, since
    /// it is told to the webhook that it happened to.
    #[must_use]
    pub fn tells(&self, kind: EventKind) -> bool {
        kind == EventKind::WebhookTest || self.name_for(kind).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(patterns: &[&str]) -> Subscription {
        Subscription::parse(patterns).unwrap()
    }

    #[test]
    fn patterns_fit_what_they_name_and_nothing_else() {
        let wants = |patterns: &[&str], kind| of(patterns).wants(kind);
        assert!(wants(&[], EventKind::CustomerCreated));
        assert!(!wants(&[], EventKind::CustomerErased), "for auditors");
        assert!(!wants(&[], EventKind::WebhookTest), "asked for, not wanted");
        assert!(wants(&["customer.*"], EventKind::CustomerUpdated));
        assert!(!wants(&["customer.*"], EventKind::EndorsementUpdated));
        assert!(wants(&["endorsement.active"], EventKind::EndorsementActive));
        for unknown in [
            "*",
            "customer",
            "custom.*",
            "customer.",
            "customer.erased",
            "apiKey.*",
            "a,b",
            "",
            "wallet",
            "wallet.",
            "wallet..*",
            "wallet.a b",
            "walle.*",
        ] {
            assert!(Subscription::parse(&[unknown]).is_err(), "{unknown}");
        }
    }

    #[test]
    fn an_event_is_told_by_the_name_that_was_subscribed_to() {
        let (canonical, alias) = ("endorsement.active", "customer.endorsement.granted");
        for (patterns, told) in [
            (&[][..], Some(canonical)),
            (&[alias], Some(alias)),
            (&["customer.*"], Some(alias)),
            (&["customer.endorsement.*"], Some(alias)),
            (&["endorsement.*"], Some(canonical)),
            (&["endorsement.*", alias], Some(alias)),
            (&["customer.*", "endorsement.*"], Some(canonical)),
            (&[alias, canonical], Some(canonical)),
            (&["customer.created"], None),
        ] {
            let found = of(patterns).name_for(EventKind::EndorsementActive);
            assert_eq!(found, told, "{patterns:?}");
        }
    }

    #[test]
    fn names_of_what_is_to_come_are_taken_with_a_note() {
        for known in [
            "transaction.*",
            "transaction.cryptoToFiat.*",
            "transaction.statusChanged",
            "transaction.cryptoToCrypto.completed",
            "wallet.provisioned",
            "wallet.depositDetected",
            "deposit.pending",
            "cashIn.created",
            "virtualAccount.statusChanged",
            "depositAddress.*",
            "externalAccount.verified",
        ] {
            assert_eq!(of(&[known]).notes(), [format!("nothing emits {known} yet")]);
        }
        for emitted in ["customer.*", "webhook.test", "customer.endorsement.granted"] {
            assert!(of(&[emitted]).notes().is_empty(), "{emitted}");
        }
    }

    #[test]
    fn a_place_belongs_to_one_span() {
        let past = vec![
            Span {
                through: 5,
                wanted: None,
            },
            Span {
                through: 9,
                wanted: Some(of(&["customer.created"])),
            },
        ];
        let history = History::new(past, &Subscription::default());
        let told = |place, kind| history.at(place).tells(kind);
        assert!(!told(5, EventKind::CustomerCreated));
        assert!(told(5, EventKind::WebhookTest));
        assert!(told(6, EventKind::CustomerCreated) && told(9, EventKind::CustomerCreated));
        assert!(!told(9, EventKind::CustomerUpdated));
        assert!(told(10, EventKind::CustomerUpdated));
        let spans: Vec<_> = history
            .spans()
            .map(|(after, span)| (after, span.through))
            .collect();
        assert_eq!(spans, [(i64::MIN, 5), (5, 9), (9, i64::MAX)]);
    }
}
