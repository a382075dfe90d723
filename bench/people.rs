//! The people that the benchmark creates: customer number n is a pure function of the seed and n,
//! so a replay needs no memory of what was sent, and no two share a personal value.

use std::io::Write;

const FIRST: [&str; 16] = [
    "Maria", "James", "Aiko", "Luis", "Fatima", "Noah", "Ingrid", "Chidi", "Priya", "Tomas",
    "Hannah", "Omar", "Sofia", "Daniel", "Yuki", "Elena",
];
const MIDDLE: [&str; 8] = ["Ann", "Lee", "Rose", "John", "Mae", "Paul", "Jean", "Kai"];
const LAST: [&str; 16] = [
    "Garcia",
    "Johnson",
    "Tanaka",
    "Fernandez",
    "Hassan",
    "Miller",
    "Larsen",
    "Okafor",
    "Sharma",
    "Novak",
    "Schmidt",
    "Farouk",
    "Rossi",
    "Thompson",
    "Sato",
    "Petrova",
];
const STREETS: [&str; 8] = [
    "Main Street",
    "Oak Avenue",
    "Mission Boulevard",
    "Cedar Lane",
    "Lake Shore Drive",
    "Washington Square",
    "Hillside Road",
    "Park Place",
];
const CITIES: [(&str, &str, &str, u64); 8] = [
    ("San Francisco", "CA", "94105", 415),
    ("New York", "NY", "10011", 212),
    ("Chicago", "IL", "60607", 312),
    ("Seattle", "WA", "98104", 206),
    ("Boston", "MA", "02116", 617),
    ("Miami", "FL", "33130", 305),
    ("Atlanta", "GA", "30303", 404),
    ("Austin", "TX", "78701", 512),
];
/// Subscriber numbers per area: seven digits, the first not 0 or 1.
const SUBSCRIBERS: u64 = 8_000_000;
/// Areas 001 to 899 without 666, groups 01 to 99, serials 0001 to 9999.
const SSNS: u64 = 898 * 99 * 9_999;
/// Coprime to both spaces above, so that multiplying by it visits every number once.
const STRIDE: u64 = 618_033_989;

/// A bijection that scatters: `splitmix64`'s last step.
pub fn scatter(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Seeded pseudo-random numbers, good enough to pick rows and fill blobs.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(scatter(seed))
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scatter(self.0)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.roll().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// An endless supply of customers to create.
#[derive(Clone, Copy, Debug)]
pub struct People {
    /// Seed of every value.
    pub seed: u64,
    /// Whether all have the same mail address and external id.
    pub share: bool,
}

impl People {
    fn hash(self, n: u64, salt: u64) -> u64 {
        scatter(scatter(self.seed ^ (salt << 56)) ^ n)
    }

    /// Appends the idempotency key of customer `n`: random, like the UUIDs that clients use.
    pub fn key(self, n: u64, out: &mut Vec<u8>) {
        let (a, b) = (self.hash(n, 1), self.hash(n, 2));
        let (first, second, third) = (a >> 32, (a >> 16) & 0xffff, a & 0xfff);
        let (fourth, fifth) = (0x8000 | (b >> 50), b & 0xffff_ffff_ffff);
        put(
            out,
            format_args!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}"),
        );
    }

    /// The mail address, where all have the same.
    pub fn shared_email(self) -> String {
        format!("all.{:016x}@example.com", scatter(self.seed))
    }

    /// Appends the email address of customer `n`.
    pub fn email(self, n: u64, out: &mut Vec<u8>) {
        if self.share {
            out.extend_from_slice(self.shared_email().as_bytes());
            return;
        }
        let hash = self.hash(n, 3);
        let (first, last) = (pick(&FIRST, hash), pick(&LAST, hash >> 8));
        let (first, last) = (first.to_ascii_lowercase(), last.to_ascii_lowercase());
        put(out, format_args!("{first}.{last}.{hash:016x}@example.com"));
    }

    /// Appends the JSON body that creates customer `n`, about 600 bytes.
    pub fn body(self, n: u64, out: &mut Vec<u8>) {
        let hash = self.hash(n, 3);
        let (first, middle) = (pick(&FIRST, hash), pick(&MIDDLE, hash >> 16));
        let (last, street) = (pick(&LAST, hash >> 8), pick(&STREETS, hash >> 24));
        let (city, state, zip, area) = *pick(&CITIES, n);
        let turn = n.wrapping_add(self.seed);
        let subscriber = 2_000_000 + (turn / 8 % SUBSCRIBERS) * STRIDE % SUBSCRIBERS;
        let (house, host) = (1 + hash % 9_000, 1 + hash % 250);
        let (year, month, day) = (
            1945 + hash % 60,
            1 + (hash >> 32) % 12,
            1 + (hash >> 40) % 28,
        );
        let external = self.hash(if self.share { 0 } else { n }, 4);
        put(
            out,
            format_args!(
                r#"{{"type":"individual","firstName":"{first}","middleName":"{middle}","lastName":"{last}","email":""#
            ),
        );
        self.email(n, out);
        put(
            out,
            format_args!(
                r#"","phone":"+1{area}{subscriber}","birthDate":"{year}-{month:02}-{day:02}","nationality":"US","ipAddress":"203.0.113.{host}","externalId":"user-{external:016x}","signedAgreement":true,"residentialAddress":{{"line1":"{house} {street}","city":"{city}","state":"{state}","country":"US","zipCode":"{zip}"}},"identifyingInformation":[{{"type":"ssn","issuingCountry":"US","number":""#
            ),
        );
        put_ssn(out, (turn % SSNS) * STRIDE % SSNS);
        put(
            out,
            format_args!(
                r#""}}],"metadata":{{"plan":"standard","referrer":"partner-{host}","source":"web","termsVersion":"2026-01"}}}}"#
            ),
        );
    }
}

/// Appends number `index` of the issued social security numbers.
fn put_ssn(out: &mut Vec<u8>, index: u64) {
    let (area, rest) = (1 + index / (99 * 9_999), index % (99 * 9_999));
    let area = if area >= 666 { area + 1 } else { area };
    let (group, serial) = (1 + rest / 9_999, 1 + rest % 9_999);
    put(out, format_args!("{area:03}-{group:02}-{serial:04}"));
}

fn pick<T>(list: &[T], hash: u64) -> &T {
    &list[(hash % list.len() as u64) as usize]
}

/// Appends formatted text.
pub fn put(out: &mut Vec<u8>, text: std::fmt::Arguments) {
    out.write_fmt(text).expect("a Vec takes every byte");
}
