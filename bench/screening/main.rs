//! Measures the screening: what it finds of listed people however they write
//! their names, whom it takes for one of them who is not, and how long it takes.
//!
//! `cargo bench --bench screening` uses the real list in the folder that
//! `OMS_OFAC_DIR` names, or in `../shared/data/ofac`. Without one it says so and
//! uses a small list of invented people, whose figures say little.

#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures with the machine's clock"
)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times are small"
)]

mod elsewhere;
mod lists;
mod people;
mod random;
mod variants;

use std::time::{Duration, Instant};

use oms::core::country::Country;
use oms::core::screening::{Hit, Reason, Screener, Subject, THRESHOLD};
use oms::core::watchlist::{Entry, Kind, ListName, NameKind, Tie, WatchList};
use random::Random;
use variants::Parts;

/// One class of variants.
struct Class {
    name: &'static str,
    write: fn(&Parts, &mut Random) -> Option<String>,
    /// From which of a person's names.
    of: fn(&Entry, &mut Random) -> Option<String>,
    /// Only of people of these countries; all when empty.
    countries: &'static [&'static str],
}

const CLASSES: &[Class] = &[
    Class {
        name: "as listed, given names first",
        write: variants::plain,
        of: primary,
        countries: &[],
    },
    Class {
        name: "an alias, as listed",
        write: variants::plain,
        of: alias,
        countries: &[],
    },
    Class {
        name: "reordered, upper case",
        write: variants::reordered,
        of: primary,
        countries: &[],
    },
    Class {
        name: "missing middle name",
        write: variants::without_middle,
        of: primary,
        countries: &[],
    },
    Class {
        name: "one slip of the finger",
        write: variants::slip,
        of: primary,
        countries: &[],
    },
    Class {
        name: "other romanisation",
        write: variants::romanised,
        of: primary,
        countries: &[],
    },
    Class {
        name: "diacritics",
        write: variants::accented,
        of: primary,
        countries: &[],
    },
    Class {
        name: "joined words",
        write: variants::joined,
        of: primary,
        countries: &[],
    },
    Class {
        name: "in Cyrillic",
        write: variants::cyrillic,
        of: primary,
        countries: &["RU", "BY", "UA", "KZ"],
    },
    Class {
        name: "in Arabic",
        write: variants::arabic,
        of: primary,
        countries: &[
            "SY", "IQ", "SA", "YE", "LB", "EG", "LY", "PS", "JO", "KW", "AE",
        ],
    },
    Class {
        name: "in Chinese",
        write: variants::chinese,
        of: primary,
        countries: &["CN", "TW", "HK"],
    },
];

/// What a measurement draws its people with.
#[derive(Clone, Copy)]
struct Draw {
    name: &'static str,
    listed: u64,
    strangers: u64,
    countries: &'static [people::Country],
}

/// The weights were set while looking at the first two; the others show what they are worth.
const DRAWS: [Draw; 5] = [
    Draw {
        name: "looked at: strangers whose names are in the list of common names",
        listed: 7,
        strangers: 11,
        countries: people::COUNTRIES,
    },
    Draw {
        name: "looked at: strangers from elsewhere",
        listed: 1_000_003,
        strangers: 2_000_003,
        countries: elsewhere::LOOKED_AT,
    },
    Draw {
        name: "held out: other seeds",
        listed: 5_000_011,
        strangers: 6_000_011,
        countries: people::COUNTRIES,
    },
    Draw {
        name: "held out: other seeds, and strangers from countries that nobody looked at",
        listed: 7_000_003,
        strangers: 8_000_009,
        countries: elsewhere::HELD_OUT,
    },
    // The strangers of the other four were looked at when names began to be cut otherwise.
    Draw {
        name: "held out since names are cut otherwise: other seeds",
        listed: 9_000_011,
        strangers: 9_100_003,
        countries: people::COUNTRIES,
    },
];

/// Subjects of one class, and people who must not hit.
const PER_CLASS: usize = 600;
const STRANGERS: usize = 10_000;
const TIMED: usize = 100_000;
const SIZE: usize = 20_000;

fn main() {
    let folder = lists::folder();
    let list = folder.as_deref().and_then(lists::real);
    if list.is_none() {
        println!(
            "THE PART WITH THE REAL LIST DID NOT RUN: set OMS_OFAC_DIR to a folder with sdn.csv, alt.csv and add.csv."
        );
    }
    let list = list.unwrap_or_else(lists::invented);
    println!(
        "list: {} entries, {} individuals, {} further names; threshold {THRESHOLD}\n",
        list.entries.len(),
        list.count(Kind::Individual),
        list.aliases()
    );
    let screener = Screener::new(ListName::OFAC_SDN, &list);
    for draw in DRAWS {
        println!(
            "## {} (seeds {} and {})\n",
            draw.name, draw.listed, draw.strangers
        );
        recall(&list, &screener, draw);
        strangers(&screener, draw);
    }
    if std::env::var_os("OMS_SCREENING_SPEED").is_none_or(|value| value != "off") {
        speed(&list);
    }
}

fn recall(list: &WatchList, screener: &Screener, draw: Draw) {
    println!("| class | subjects | found by name | found with birth date |\n|---|---|---|---|");
    let (mut all, mut by_name, mut with_birth) = (0, 0, 0);
    let shown = std::env::var("OMS_SCREENING_MISSES").ok();
    for class in CLASSES {
        let mut random = Random(draw.listed);
        let subjects = subjects(list, class, &mut random);
        let (mut found, mut found_with) = (0, 0);
        for (entry, name) in &subjects {
            let birth = entry.births.first().map(|born| born.from);
            if hits(screener, entry, name, None) {
                found += 1;
            } else if shown.as_deref() == Some(class.name) {
                println!("    {name} <> {}", entry.name());
            }
            found_with += usize::from(hits(screener, entry, name, birth));
        }
        all += subjects.len();
        by_name += found;
        with_birth += found_with;
        row(class.name, subjects.len(), found, found_with);
    }
    row("**all**", all, by_name, with_birth);
}

fn row(name: &str, count: usize, found: usize, found_with: usize) {
    let share = |found: usize| found as f64 / count.max(1) as f64;
    println!(
        "| {name} | {count} | {:.4} | {:.4} |",
        share(found),
        share(found_with)
    );
}

fn hits(screener: &Screener, entry: &Entry, name: &str, birth: Option<jiff::civil::Date>) -> bool {
    let subject = Subject {
        names: vec![name.to_owned()],
        birth_date: birth,
        countries: Vec::new(),
    };
    screener
        .screen(&subject)
        .iter()
        .any(|hit| hit.entry.id == entry.id)
}

/// The name under which somebody is listed.
#[expect(clippy::unnecessary_wraps, reason = "not everybody has an alias")]
fn primary(entry: &Entry, _: &mut Random) -> Option<String> {
    Some(entry.name().to_owned())
}

/// One of the other names of somebody who has some, weak ones left out.
fn alias(entry: &Entry, random: &mut Random) -> Option<String> {
    let further = entry.names.iter().skip(1);
    let strong: Vec<_> = further.filter(|name| name.kind != NameKind::Weak).collect();
    (!strong.is_empty()).then(|| random.of(&strong).text.clone())
}

/// Listed people of a class, at most [`PER_CLASS`], spread over the list.
fn subjects<'a>(
    list: &'a WatchList,
    class: &Class,
    random: &mut Random,
) -> Vec<(&'a Entry, String)> {
    let of = |entry: &Entry| {
        let tie = |(tie, country): &(Tie, Country)| {
            *tie != Tie::Address && class.countries.contains(&country.code())
        };
        entry.kind == Kind::Individual
            && (class.countries.is_empty() || entry.countries.iter().any(tie))
    };
    let mut people: Vec<&Entry> = list.entries.iter().filter(|entry| of(entry)).collect();
    for place in (1..people.len()).rev() {
        people.swap(place, random.below(place + 1));
    }
    let named = people.into_iter().filter_map(|entry| {
        let parts = variants::parts(&(class.of)(entry, random)?)?;
        Some((entry, (class.write)(&parts, random)?))
    });
    named.take(PER_CLASS).collect()
}

fn strangers(screener: &Screener, draw: Draw) {
    let mut random = Random(draw.strangers);
    let (mut with_birth, mut by_name) = (Vec::new(), Vec::new());
    for _ in 0..STRANGERS {
        let mut subject = stranger(draw.countries, &mut random);
        with_birth.extend(mistaken(screener, &subject));
        subject.birth_date = None;
        by_name.extend(mistaken(screener, &subject));
    }
    let told = |wrong: &[Mistake]| {
        let namesakes = wrong.iter().filter(|mistake| mistake.namesake).count();
        let share = 100.0 * wrong.len() as f64 / STRANGERS as f64;
        format!(
            "{} hit ({share:.2} %), {namesakes} of them called exactly as somebody listed",
            wrong.len()
        )
    };
    println!("\nstrangers: {STRANGERS} common names");
    println!("- with a birth date {}", told(&with_birth));
    println!("- by name alone {}\n", told(&by_name));
    if std::env::var_os("OMS_SCREENING_WRONG").is_some() {
        for mistake in with_birth.iter().chain(&by_name) {
            println!("    {}", mistake.told);
        }
    }
}

/// A stranger who is taken for somebody.
struct Mistake {
    /// Whether some hit has exactly the stranger's name.
    namesake: bool,
    /// The likeliest hit, in a line.
    told: String,
}

/// For whom a stranger is taken.
fn mistaken(screener: &Screener, subject: &Subject) -> Option<Mistake> {
    let hits = screener.screen(subject);
    let hit = hits.first()?;
    let birth = subject.birth_date.map(|date| date.to_string());
    Some(Mistake {
        namesake: hits.iter().any(is_exact),
        told: format!(
            "{} {} <> {:.3} {} ({})",
            subject.names[0],
            birth.unwrap_or_default(),
            hit.score,
            hit.entry.name(),
            hit.reasons[0]
        ),
    })
}

fn is_exact(hit: &Hit) -> bool {
    let differs = |reason: &Reason| match reason {
        Reason::Name { likeness, .. } => *likeness < 1.0 - 1e-9,
        Reason::WordsMissing(_) | Reason::WordsMore(_) => true,
        _ => false,
    };
    !hit.reasons.iter().any(differs)
}

fn stranger(countries: &[people::Country], random: &mut Random) -> Subject {
    let (name, country) = people::person(countries, random);
    Subject {
        names: vec![name],
        birth_date: Some(random.birth_date()),
        countries: Country::assigned(country).into_iter().collect(),
    }
}

/// One screening and 100,000 of them on two threads, against 20,000 individuals.
fn speed(list: &WatchList) {
    let large = lists::grown(list, SIZE);
    let start = Instant::now();
    let screener = Screener::new(ListName::OFAC_SDN, &large);
    println!(
        "\nagainst {} individuals with {} further names:",
        large.count(Kind::Individual),
        large.aliases()
    );
    println!("- index made in {:?}", start.elapsed());
    let mut random = Random(13);
    let subjects: Vec<Subject> = (0..TIMED)
        .map(|number| match number % 10 {
            // One of ten is called nearly like somebody on the list.
            0 => {
                let entry = &large.entries[random.below(large.entries.len())];
                let mut subject = stranger(people::COUNTRIES, &mut random);
                subject.names = vec![entry.name().to_owned()];
                subject
            }
            _ => stranger(people::COUNTRIES, &mut random),
        })
        .collect();
    let mut scores = 0u64;
    let mut times: Vec<Duration> = subjects[..5000]
        .iter()
        .map(|subject| {
            let start = Instant::now();
            let hits = screener.screen(subject);
            let taken = start.elapsed();
            for hit in hits {
                scores = scores.rotate_left(7) ^ hit.entry.id ^ hit.score.to_bits();
            }
            taken
        })
        .collect();
    times.sort_unstable();
    let at = |share: f64| times[(times.len() as f64 * share) as usize];
    println!(
        "- one screening: median {:?}, 99 % below {:?}, longest {:?}",
        at(0.5),
        at(0.99),
        times[times.len() - 1]
    );
    println!("- all scores of these together: {scores:016x}, the same while none changes");
    let start = Instant::now();
    let (left, right) = subjects.split_at(subjects.len() / 2);
    let count = |half: &[Subject]| {
        half.iter()
            .map(|subject| screener.screen(subject).len())
            .sum::<usize>()
    };
    let hits: usize = std::thread::scope(|scope| {
        let other = scope.spawn(|| count(right));
        count(left) + other.join().expect("no panic")
    });
    println!(
        "- {TIMED} subjects on 2 threads: {:?} ({hits} hits)",
        start.elapsed()
    );
}
