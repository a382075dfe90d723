//! Policy files: a wrong one says which of its lines is wrong, a right one answers every question.

use crate::core::country::Country;
use crate::core::endorsement::EndorsementName;
use crate::core::policy::Policy;

/// Reads any text as a policy.
pub(super) fn read_any(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        Err(wrong) => {
            let lines = text.matches('\n').count() + 1;
            assert!((1..=lines).contains(&wrong.line), "line {}", wrong.line);
            return;
        }
    };
    let places = [None, Country::assigned("US"), Country::assigned("IR")];
    for name in EndorsementName::ALL {
        for residence in places {
            for nationality in places {
                for asked in policy.asked(name, residence, nationality) {
                    assert!(asked.rule.is_for(name));
                }
            }
        }
        assert!(policy.subject(name).alternatives().iter().count() > 0);
    }
}
