//! Section 6 of the contract once more, written without a look at the server's code: what a
//! sandbox makes of endorsements.

/// The endorsements, in the order of every answer.
pub const NAMES: [&str; 3] = ["basic", "cryptoCustody", "usd"];

/// Every status.
pub const STATUSES: [&str; 7] = [
    "INACTIVE",
    "PENDING",
    "ISSUES",
    "ACTIVE",
    "REJECTED",
    "REVOKED_ISSUES",
    "OFFBOARDED",
];

/// Where the endorsements of a customer stand; `None` where one was not requested.
pub type Statuses = [Option<&'static str>; 3];

/// What a status leads to.
pub fn next(status: &str) -> &'static [&'static str] {
    match status {
        "INACTIVE" => &["PENDING", "ISSUES", "OFFBOARDED"],
        "PENDING" => &["ACTIVE", "ISSUES", "REJECTED", "OFFBOARDED"],
        "ISSUES" | "REVOKED_ISSUES" => &["PENDING", "REJECTED", "OFFBOARDED"],
        "ACTIVE" => &["REVOKED_ISSUES", "OFFBOARDED"],
        "REJECTED" => &["PENDING", "OFFBOARDED"],
        "OFFBOARDED" => &[],
        other => panic!("{other} is no status"),
    }
}

/// What a list of names requests: either of the last two brings `basic`.
pub fn requested(names: Option<&[usize]>) -> [bool; 3] {
    let named = |place: usize| names.is_none_or(|names| names.contains(&place));
    let [basic, custody, usd] = [0, 1, 2].map(named);
    [basic || custody || usd, custody, usd]
}

/// The status that a surname leads to, `ACTIVE` where it is none of those.
pub fn target(last_name: Option<&str>) -> &'static str {
    match last_name.unwrap_or_default().to_lowercase().as_str() {
        "pending" => "PENDING",
        "issues" => "ISSUES",
        "rejected" => "REJECTED",
        "revoked" => "REVOKED_ISSUES",
        "offboarded" => "OFFBOARDED",
        _ => "ACTIVE",
    }
}

/// Whether a status can become another one over others, without being granted on the way
/// where `may_be_granted` says no, and without leaving `REJECTED`.
fn reaches(from: &'static str, to: &str, may_be_granted: bool) -> bool {
    let mut seen = vec![from];
    let mut at = 0;
    while let Some(status) = seen.get(at).copied() {
        at += 1;
        for step in next(status) {
            if *step == "ACTIVE" && !may_be_granted {
                continue;
            }
            if *step == to {
                return true;
            }
            if *step != "REJECTED" && !seen.contains(step) {
                seen.push(step);
            }
        }
    }
    false
}

/// What a create makes of the endorsements requested.
pub fn created(requested: [bool; 3], last_name: Option<&str>) -> Statuses {
    requested.map(|asked| asked.then(|| target(last_name)))
}

/// What a change makes of them: `named` are those in its `endorsements`; `again` says that it
/// changed a field for which all are looked at again.
pub fn changed(
    before: Statuses,
    named: [bool; 3],
    again: bool,
    last_name: Option<&str>,
) -> Statuses {
    let target = target(last_name);
    let mut after = before;
    // `basic` is granted at some moment when it was, is, or is taken back after it had been.
    let mut basic_is_granted = before[0] == Some("ACTIVE");
    for place in 0..3 {
        let is_basic = place == 0;
        let gate = is_basic || after[0] == Some("ACTIVE");
        let goal = if target == "ACTIVE" && !gate {
            "PENDING"
        } else {
            target
        };
        let looked_at = again || named[place];
        after[place] = match before[place] {
            None => named[place].then_some(goal),
            Some(now) if !looked_at || now == goal => Some(now),
            Some(closed @ ("REJECTED" | "OFFBOARDED")) => Some(closed),
            Some("ACTIVE") => Some(match goal {
                "ACTIVE" | "PENDING" => "ACTIVE",
                "ISSUES" => "REVOKED_ISSUES",
                other => other,
            }),
            Some(now) if reaches(now, goal, is_basic || basic_is_granted) => Some(goal),
            Some(now) => Some(now),
        };
        if is_basic {
            basic_is_granted |= after[0] == Some("ACTIVE")
                || before[0] != after[0] && after[0] == Some("REVOKED_ISSUES");
        }
    }
    fallen(after)
}

/// What hangs on `basic` is taken back with it.
pub fn fallen(mut statuses: Statuses) -> Statuses {
    if statuses[0].is_some_and(|basic| basic != "ACTIVE") {
        for status in &mut statuses[1..] {
            if *status == Some("ACTIVE") {
                *status = Some("REVOKED_ISSUES");
            }
        }
    }
    statuses
}
