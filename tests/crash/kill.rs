//! SIGKILL under load, at random moments, again and again on the same data.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::support::{
    Answer, Api, Mode, Seeded, Server, eventually, fresh_name, full_customer,
    number_from_environment,
};

const CLIENTS: usize = 8;
const DEFAULT_ROUNDS: u64 = 10;

/// Kills of one folder: every round asks for all again that was asked for on it.
const ROUNDS_OF_FOLDER: u64 = 10;

/// One customer that a client wants, under one key, and what it was told.
#[derive(Clone)]
struct Wish {
    key: String,
    answer: Option<Answer>,
}

/// The body of a wish; the external id is its key, so that it can be counted.
fn send(api: &Api, key: &str) -> Result<Answer, String> {
    let mut body = full_customer();
    body["externalId"] = json!(key);
    api.call("POST", "/customers")
        .header("idempotency-key", key)
        .json(&body)
        .try_send()
}

/// Sends new wishes until the connection breaks; a second wish of the same key
/// goes along now and then, as an impatient client would send it.
fn load(api: &Api, mut random: Seeded, acknowledged: &AtomicUsize, over: &AtomicBool) -> Vec<Wish> {
    let mut wishes = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let key = fresh_name("wish");
        let mut answer = send(api, &key).ok();
        if random.between(0, 4) == 0 && answer.is_some() {
            let again = send(api, &key).ok();
            answer = again.or(answer);
        }
        if let Some(answer) = &answer {
            assert_eq!(answer.status, 201, "{answer}");
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        wishes.push(Wish { key, answer });
    }
    wishes
}

/// Runs clients against the server, kills it at a random moment, and returns
/// what each client had asked for.
fn load_and_kill(server: &mut Server, api: &Api, random: &mut Seeded) -> Vec<Wish> {
    let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let wanted = usize::try_from(random.between(0, 300)).expect("a small number");
    let micros = random.between(0, 4000);
    let seeds: Vec<Seeded> = (0..CLIENTS).map(|_| Seeded::new(random.next())).collect();
    thread::scope(|scope| {
        let clients: Vec<_> = seeds
            .into_iter()
            .map(|seed| scope.spawn(|| load(api, seed, &acknowledged, &over)))
            .collect();
        eventually(Duration::from_mins(1), "so many customers are made", || {
            (acknowledged.load(Ordering::SeqCst) >= wanted).then_some(())
        });
        // The moment within a commit is what the seed decides.
        thread::sleep(Duration::from_micros(micros));
        server.crash();
        over.store(true, Ordering::SeqCst);
        clients
            .into_iter()
            .flat_map(|client| {
                client
                    .join()
                    .expect("a client only sees 201 or a broken connection")
            })
            .collect()
    })
}

/// Sends a wish again and holds the answer against what was said before.
fn send_again(api: &Api, wish: &mut Wish) {
    let again = send(api, &wish.key)
        .expect("the restarted server answers")
        .wants(201);
    let replayed = again.header("idempotent-replayed");
    if let Some(first) = &wish.answer {
        assert_eq!(
            again.body, first.body,
            "first {first}\n\nafter the crash {again}"
        );
        assert_eq!(again.header("etag"), first.header("etag"), "{again}");
        assert_eq!(
            replayed,
            Some("true"),
            "first {first}\n\nafter the crash {again}"
        );
    }
    wish.answer.get_or_insert(again);
}

#[test]
fn after_sigkill_at_random_moments_every_retry_finds_exactly_one_customer() {
    let seed =
        number_from_environment("OMS_CRASH_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let rounds = number_from_environment("OMS_CRASH_ROUNDS").unwrap_or(DEFAULT_ROUNDS);
    println!("OMS_CRASH_SEED={seed} OMS_CRASH_ROUNDS={rounds}");
    let mut random = Seeded::new(seed);
    for first in (0..rounds).step_by(usize::try_from(ROUNDS_OF_FOLDER).expect("few")) {
        kill_on_one_folder(first..rounds.min(first + ROUNDS_OF_FOLDER), &mut random);
    }
}

fn kill_on_one_folder(rounds: Range<u64>, random: &mut Seeded) {
    let mut server = Server::start(&[]);
    let mut api = server.project(Mode::Sandbox);
    let mut wishes: Vec<Wish> = Vec::new();
    for round in rounds {
        let mut new = load_and_kill(&mut server, &api, random);
        let folder = server.into_folder();
        server = Server::start_owning(folder);
        api = api.at(&server.base);
        let made_before_retries = api.all_customers().len();
        for wish in wishes.iter_mut().chain(&mut new) {
            send_again(&api, wish);
        }
        wishes.append(&mut new);
        check_each_exactly_once(&api, &wishes);
        println!(
            "round {round}: {} wishes, {made_before_retries} made before the retries",
            wishes.len()
        );
    }
}

fn check_each_exactly_once(api: &Api, wishes: &[Wish]) {
    let mut ids: HashMap<String, Vec<String>> = HashMap::new();
    for customer in api.all_customers() {
        let text = |name: &str| customer[name].as_str().expect("a text").to_owned();
        ids.entry(text("externalId")).or_default().push(text("id"));
    }
    for wish in wishes {
        let answered = wish
            .answer
            .as_ref()
            .expect("every wish was sent again")
            .id();
        let found = ids.get(&wish.key).map(Vec::as_slice);
        assert_eq!(found, Some([answered].as_slice()), "key {}", wish.key);
    }
    let wanted: HashSet<&String> = wishes.iter().map(|wish| &wish.key).collect();
    assert_eq!(ids.len(), wanted.len(), "nobody asked for more");
}
