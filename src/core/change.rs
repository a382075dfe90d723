//! What a partial update says of one field (RFC 7396).

/// A field may stay, go, or become something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change<T> {
    /// Absent: the field stays.
    #[default]
    Keep,
    /// Null: the field goes.
    Clear,
    /// A value: the field becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// Whether nothing is asked for.
    pub const fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The value, when one is set.
    pub fn into_set(self) -> Option<T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

impl<T: PartialEq> Change<T> {
    /// Applies the change; says whether the value is another one now.
    pub fn apply_to(self, slot: &mut Option<T>) -> bool {
        let next = match self {
            Self::Keep => return false,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        };
        let differs = *slot != next;
        *slot = next;
        differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_value_is_a_change() {
        let mut slot = Some(1);
        assert!(!Change::Keep.apply_to(&mut slot));
        assert!(!Change::Set(1).apply_to(&mut slot));
        assert!(Change::Set(2).apply_to(&mut slot));
        assert!(Change::Clear.apply_to(&mut slot));
        assert!(!Change::Clear.apply_to(&mut slot));
        assert_eq!(slot, None);
    }
}
