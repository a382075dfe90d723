//! Properties of the evaluation over generated customers and policies.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

const COUNTRIES: [&str; 3] = ["US", "DE", "GB"];

fn country() -> impl Strategy<Value = Option<Country>> {
    prop_oneof![
        Just(None),
        prop::sample::select(&COUNTRIES[..]).prop_map(Country::assigned)
    ]
}

fn facts() -> impl Strategy<Value = Facts> {
    (any::<u32>(), any::<u32>(), country(), country()).prop_map(|(a, b, residence, nationality)| {
        let mut given: Needs = Needs::from_bits(a | b)
            .iter()
            .filter(|need| !need.is_check())
            .collect();
        for (need, there) in [
            (Need::Country, residence.is_some()),
            (Need::Nationality, nationality.is_some()),
        ] {
            given = if there {
                given.with(need)
            } else {
                given.without(need)
            };
        }
        Facts {
            given,
            residence,
            nationality,
        }
    })
}

fn result() -> impl Strategy<Value = CheckResult> {
    prop_oneof![
        3 => Just(CheckResult::Passed),
        1 => Just(CheckResult::NotDone("not yet")),
        1 => Just(CheckResult::Issue { code: "hit", developer: "d".into(), customer: "c" }),
    ]
}

fn checks() -> impl Strategy<Value = CheckResults> {
    (result(), result(), result()).prop_map(|(minimum_age, geo, sanctions)| CheckResults {
        minimum_age,
        geo,
        sanctions,
        hits: Vec::new(),
    })
}

fn requirement() -> impl Strategy<Value = Requirement> {
    prop::sample::select(&Need::ALL[..]).prop_map(Requirement::of)
}

fn decisions() -> impl Strategy<Value = Vec<Decision>> {
    let verdict = prop::sample::select(&[Verdict::Cleared, Verdict::AtIssue, Verdict::Waiting][..]);
    let name = prop::sample::select(&EndorsementName::ALL[..]);
    let identity = Just(Requirement::of(Need::IdentityVerification));
    let one = (name, prop_oneof![requirement(), identity], verdict).prop_map(
        |(endorsement, requirement, verdict)| Decision {
            endorsement,
            requirement,
            verdict,
            reason: Reason {
                developer: "d".into(),
                customer: "c".into(),
            },
            by: "cli:ada".into(),
            hits: Vec::new(),
        },
    );
    prop::collection::vec(one, 0..5)
}

fn policy() -> impl Strategy<Value = Policy> {
    let ask = || prop::collection::vec(prop::sample::select(&Need::ALL[..]), 1..5);
    let condition = prop::sample::select(
        &[
            "",
            "residence = [\"US\"]",
            "residence_not = [\"US\", \"GB\"]",
            "nationality = [\"DE\"]",
        ][..],
    );
    let name = prop::sample::select(&EndorsementName::ALL[..]);
    let rules = prop::collection::vec((name, ask(), condition), 0..6);
    prop_oneof![
        1 => Just(Policy::clone(&Policy::built_in())),
        3 => rules.prop_map(|rules| {
            let mut text = String::from(
                "name = \"x\"\nversion = 1\nminimum_age = 18\n[[rule]]\nid = \"base\"\n\
                 endorsements = [\"basic\"]\nask = [\"nationality\", \"residentialAddress.country\", \"email|phone\"]\n",
            );
            for (place, (name, ask, condition)) in rules.iter().enumerate() {
                let ask: Vec<_> = ask.iter().map(|need| need.name()).collect();
                write!(
                    text,
                    "[[rule]]\nid = \"r{place}\"\nendorsements = [\"{}\"]\nask = {ask:?}\n{condition}\n",
                    name.name()
                )
                .expect("memory");
            }
            Policy::parse(&text).expect("sound")
        }),
    ]
}

fn present() -> impl Strategy<Value = Endorsements> {
    let status = || prop::option::of(prop::sample::select(&EndorsementStatus::ALL[..]));
    (status(), status(), status()).prop_map(|(basic, custody, usd)| [basic, custody, usd])
}

fn run(
    policy: &Policy,
    facts: Facts,
    checks: &CheckResults,
    decisions: &[Decision],
    present: Endorsements,
) -> [Option<Outcome>; 3] {
    let requested = EndorsementSet::ALL;
    evaluate(
        policy,
        &Known {
            facts,
            checks,
            decisions,
            present,
            requested,
        },
    )
}

proptest! {
    #[test]
    fn nothing_is_active_while_basic_is_not(
        policy in policy(), facts in facts(), checks in checks(), decisions in decisions(), present in present()
    ) {
        let outcomes = run(&policy, facts, &checks, &decisions, present);
        let status = |name: EndorsementName| outcomes[name as usize].as_ref().map(|one| one.status);
        if status(EndorsementName::Basic) != Some(EndorsementStatus::Active) {
            prop_assert_ne!(status(EndorsementName::Usd), Some(EndorsementStatus::Active));
            prop_assert_ne!(status(EndorsementName::CryptoCustody), Some(EndorsementStatus::Active));
        }
        prop_assert_eq!(&outcomes, &run(&policy, facts, &checks, &decisions, present));
    }

    #[test]
    fn the_lists_are_what_the_policy_asks_and_the_status_agrees(
        policy in policy(), facts in facts(), checks in checks(), decisions in decisions(), present in present()
    ) {
        let outcomes = run(&policy, facts, &checks, &decisions, present);
        for name in EndorsementName::ALL {
            let Outcome { status, standing } = outcomes[name as usize].clone().expect("requested");
            prop_assert!(standing.agrees_with(status), "{name:?} {status:?} {standing:?}");
            let mut listed = [standing.complete, standing.pending, standing.missing, standing.issues].concat();
            let mut asked: Vec<_> = policy.asked(name, facts.residence, facts.nationality)
                .iter().map(|asked| asked.requirement).collect();
            listed.sort();
            asked.sort();
            prop_assert_eq!(listed, asked);
        }
    }

    #[test]
    fn every_change_is_a_way_of_the_status_machine(
        policy in policy(), facts in facts(), checks in checks(), decisions in decisions(), present in present()
    ) {
        let outcomes = run(&policy, facts, &checks, &decisions, present);
        for (from, outcome) in present.into_iter().zip(outcomes) {
            let to = outcome.expect("requested").status;
            let Some(from) = from else { continue };
            prop_assert!(way(from, to).is_some(), "{from:?} to {to:?}");
            if matches!(from, EndorsementStatus::Offboarded | EndorsementStatus::Rejected) {
                prop_assert_eq!(from, to);
            }
        }
    }

    #[test]
    fn more_data_never_adds_to_missing(
        policy in policy(), facts in facts(), more in any::<u32>(), checks in checks(), decisions in decisions(),
        learned in (country(), country())
    ) {
        let given = Needs::from_bits(facts.given.bits() | more);
        let mut richer = Facts { given: given.iter().filter(|need| !need.is_check()).collect(), ..facts };
        richer.residence = facts.residence.or(learned.0);
        richer.nationality = facts.nationality.or(learned.1);
        if richer.residence.is_some() { richer.given = richer.given.with(Need::Country); }
        if richer.nationality.is_some() { richer.given = richer.given.with(Need::Nationality); }
        let before = run(&policy, facts, &checks, &decisions, Endorsements::default());
        let after = run(&policy, richer, &checks, &decisions, Endorsements::default());
        for (before, after) in before.into_iter().zip(after) {
            let (before, after) = (before.expect("requested"), after.expect("requested"));
            let before = before.standing.missing;
            prop_assert!(after.standing.missing.iter().all(|one| before.contains(one)));
        }
    }
}

#[test]
fn ways_lead_over_pending_and_never_out_of_the_last() {
    use EndorsementStatus as S;
    assert_eq!(
        way(S::Inactive, S::Active),
        Some(vec![S::Pending, S::Active])
    );
    assert_eq!(
        way(S::Active, S::Rejected),
        Some(vec![S::RevokedIssues, S::Rejected])
    );
    assert_eq!(way(S::Rejected, S::Pending), Some(vec![S::Pending]));
    assert_eq!(way(S::Offboarded, S::Active), None);
    assert_eq!(way(S::Active, S::Inactive), None);
    assert_eq!(way(S::Active, S::Active), Some(vec![]));
}

/// The figure of docs/endorsements.md: `cargo test --release --lib one_evaluation -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn one_evaluation_takes_microseconds() {
    #[expect(clippy::disallowed_methods, reason = "a measurement of real time")]
    let now = std::time::Instant::now;
    let policy = Policy::built_in();
    let checks = CheckResults {
        minimum_age: CheckResult::Passed,
        geo: CheckResult::Passed,
        sanctions: CheckResult::Passed,
        hits: Vec::new(),
    };
    let facts = Facts {
        given: Need::ALL
            .into_iter()
            .filter(|need| !need.is_check())
            .collect(),
        residence: Some(Country::US),
        nationality: Some(Country::US),
    };
    let started = now();
    for _ in 0..10_000 {
        let outcomes = run(&policy, facts, &checks, &[], Endorsements::default());
        assert!(std::hint::black_box(outcomes)[0].is_some());
    }
    let each = now() - started;
    println!("one evaluation of three endorsements: {:?}", each / 10_000);
}
