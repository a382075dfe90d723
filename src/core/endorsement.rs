//! What a customer may be allowed to do: names, sets of names and statuses.

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{FieldCode, Invalid};

/// One endorsement. The order is that of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndorsementName {
    /// Gates every transaction.
    Basic,
    /// Gates custodial wallets.
    CryptoCustody,
    /// Gates dollar operations.
    Usd,
}

impl EndorsementName {
    /// Every name, in the order of every answer.
    pub const ALL: [Self; 3] = [Self::Basic, Self::CryptoCustody, Self::Usd];

    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::CryptoCustody => "cryptoCustody",
            Self::Usd => "usd",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| {
                Invalid::new(
                    FieldCode::ValueInvalid,
                    "must be one of basic, cryptoCustody, usd",
                )
            })
    }
}

impl PartialSchema for EndorsementName {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "`basic` gates every transaction, `cryptoCustody` custodial wallets, `usd` dollar operations.",
            ))
            .enum_values(Some(Self::ALL.map(Self::name)))
            .into()
    }
}

impl ToSchema for EndorsementName {}

/// A set of endorsements, in one byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EndorsementSet(u8);

impl EndorsementSet {
    /// No endorsement.
    pub const NONE: Self = Self(0);
    /// All of them, which is also what a new customer requests by default.
    pub const ALL: Self = Self(0b111);

    /// What a list asks for: nothing said means `cryptoCustody` and `usd`;
    /// either of these brings `basic`; an empty list asks for none.
    #[must_use]
    pub fn requested(list: Option<&[EndorsementName]>) -> Self {
        match list {
            None => Self::ALL,
            Some(names) => names.iter().copied().collect::<Self>().with_basic(),
        }
    }

    /// With `basic`, when there is one that needs it.
    #[must_use]
    pub const fn with_basic(self) -> Self {
        if self.0 == 0 { self } else { Self(self.0 | 1) }
    }

    /// The set with this one in it.
    #[must_use]
    pub const fn with(self, name: EndorsementName) -> Self {
        Self(self.0 | Self::bit(name))
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is here but not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether this one is in the set.
    #[must_use]
    pub const fn contains(self, name: EndorsementName) -> bool {
        self.0 & Self::bit(name) != 0
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The names in the order of every answer.
    pub fn iter(self) -> impl Iterator<Item = EndorsementName> {
        EndorsementName::ALL
            .into_iter()
            .filter(move |name| self.contains(*name))
    }

    /// The set as it is stored: bit 0 `basic`, bit 1 `cryptoCustody`, bit 2 `usd`.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// A stored set; bits that mean nothing are dropped.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    const fn bit(name: EndorsementName) -> u8 {
        1 << name as u8
    }
}

impl FromIterator<EndorsementName> for EndorsementSet {
    fn from_iter<I: IntoIterator<Item = EndorsementName>>(names: I) -> Self {
        names.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Where an endorsement stands. Contract section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndorsementStatus {
    /// Requested; something required is still missing.
    Inactive,
    /// All is given; verification runs.
    Pending,
    /// The customer can mend something.
    Issues,
    /// Granted.
    Active,
    /// Refused for good; only an operator reopens it.
    Rejected,
    /// Was active, taken back until something is mended.
    RevokedIssues,
    /// The relation has ended.
    Offboarded,
}

impl EndorsementStatus {
    /// Every status, in the order of the contract.
    pub const ALL: [Self; 7] = [
        Self::Inactive,
        Self::Pending,
        Self::Issues,
        Self::Active,
        Self::Rejected,
        Self::RevokedIssues,
        Self::Offboarded,
    ];

    /// Whether only an operator leads on from here, if anybody does.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Rejected | Self::Offboarded)
    }

    /// The status on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inactive => "INACTIVE",
            Self::Pending => "PENDING",
            Self::Issues => "ISSUES",
            Self::Active => "ACTIVE",
            Self::Rejected => "REJECTED",
            Self::RevokedIssues => "REVOKED_ISSUES",
            Self::Offboarded => "OFFBOARDED",
        }
    }

    /// Reads a status.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        Self::ALL
            .into_iter()
            .find(|known| known.name() == text)
            .ok_or_else(|| {
                let names = Self::ALL.map(Self::name).join(", ");
                Invalid::new(FieldCode::ValueInvalid, format!("must be one of {names}"))
            })
    }

    /// Whether the status may become this other one.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// What the status may become.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        use EndorsementStatus as S;
        match self {
            S::Inactive => &[S::Pending, S::Issues, S::Offboarded],
            S::Pending => &[S::Active, S::Issues, S::Rejected, S::Offboarded],
            S::Issues | S::RevokedIssues => &[S::Pending, S::Rejected, S::Offboarded],
            S::Active => &[S::RevokedIssues, S::Offboarded],
            S::Rejected => &[S::Pending, S::Offboarded],
            S::Offboarded => &[],
        }
    }
}

impl PartialSchema for EndorsementStatus {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("Where the endorsement stands."))
            .enum_values(Some(Self::ALL.map(Self::name)))
            .into()
    }
}

impl ToSchema for EndorsementStatus {}

#[cfg(test)]
mod tests {
    use super::*;
    use EndorsementName::{Basic, CryptoCustody, Usd};

    #[test]
    fn requests_bring_basic() {
        let names = |list| EndorsementSet::requested(list).iter().collect::<Vec<_>>();
        assert_eq!(names(None), [Basic, CryptoCustody, Usd]);
        assert_eq!(names(Some(&[])), []);
        assert_eq!(names(Some(&[Usd])), [Basic, Usd]);
        assert_eq!(
            names(Some(&[CryptoCustody, CryptoCustody])),
            [Basic, CryptoCustody]
        );
        assert_eq!(names(Some(&[Basic])), [Basic]);
    }

    #[test]
    fn sets_survive_their_bits() {
        for bits in 0..=7 {
            let set = EndorsementSet::from_bits(bits);
            assert_eq!(set.bits(), bits);
            assert_eq!(set.iter().collect::<EndorsementSet>(), set);
            assert_eq!(
                EndorsementSet::ALL.without(set).union(set),
                EndorsementSet::ALL
            );
        }
        assert_eq!(EndorsementSet::from_bits(0xf8), EndorsementSet::NONE);
    }

    #[test]
    fn names_read_back() {
        for name in EndorsementName::ALL {
            assert_eq!(EndorsementName::parse(name.name()), Ok(name));
        }
        for status in EndorsementStatus::ALL {
            assert_eq!(EndorsementStatus::parse(status.name()), Ok(status));
            assert!(!status.may_become(status) && !status.may_become(EndorsementStatus::Inactive));
        }
        assert!(EndorsementName::parse("Basic").is_err());
        assert!(EndorsementStatus::parse("active").is_err());
    }
}
