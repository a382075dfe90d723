//! The model beside the real server: each step is done on both, and what the server answers
//! is held against what the model knows.

use std::thread;
use std::time::Duration;

use proptest::sample::Index;
use serde_json::{Value, json};

use crate::customer::{Customer, Effect};
use crate::operations::{Condition, Filter, Operation};
use crate::rules::{self, NAMES};
use crate::support::{Answer, Api, Call, Server, fresh_name};

/// A request that was kept under its key, and its answer.
struct Kept {
    key: String,
    method: &'static str,
    path: String,
    body: Option<Value>,
    answer: Answer,
    /// The place of its customer.
    customer: usize,
}

/// A project and what it should hold.
pub struct World<'a> {
    server: &'a mut Server,
    api: Api,
    /// In the order of their making.
    customers: Vec<Customer>,
    kept: Vec<Kept>,
}

impl<'a> World<'a> {
    /// A new project.
    pub fn new(server: &'a mut Server) -> Self {
        let api = server.sandbox();
        Self {
            server,
            api,
            customers: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Does one step.
    pub fn step(&mut self, operation: &Operation) {
        match operation {
            Operation::Create(body) => self.create(body),
            Operation::CreateInACrash(body, after) => self.create_in_a_crash(body, *after),
            Operation::Refused(body) => self.refused(body),
            Operation::List(filter, limit) => self.list(filter, *limit),
            Operation::Retry(which, same) => self.retry(*which, *same),
            Operation::Reuse(which) => self.reuse(*which),
            Operation::Find(which) => self.find(*which),
            Operation::Crash => self.crash(),
            _ if self.customers.is_empty() => {
                let nobody = "/customers/cst_01h2xcejqtf2nbrexx3vqjhp41";
                self.api.get(nobody).problem(404, "notFound");
            }
            Operation::Patch(who, body, keyed, when) => self.patch(*who, body, *keyed, *when),
            Operation::Delete(who, keyed) => self.delete(*who, *keyed),
            Operation::Get(who, when) => self.get(*who, *when),
            Operation::Simulate(who, name, to, reasons) => self.simulate(*who, *name, to, *reasons),
            Operation::Requirements(who) => self.requirements(*who),
        }
    }

    /// Looks at everything once more.
    pub fn check_all(&self) {
        let all: Vec<_> = self.customers.iter().rev().collect();
        self.check_list("", 3, &all);
        for customer in &self.customers {
            let read = self.api.read(&customer.id);
            assert_eq!(read.text(), String::from_utf8_lossy(&customer.body));
            self.check_history(customer);
        }
    }

    fn create(&mut self, body: &Value) {
        let key = fresh_name("key");
        let answer = self.api.post_keyed("/customers", &key, body).wants(201);
        self.learn(key, body, answer);
    }

    fn learn(&mut self, key: String, body: &Value, answer: Answer) {
        let mut made = Customer::new(body);
        let shown = answer.json();
        assert_eq!(shown["createdAt"], shown["updatedAt"], "{answer}");
        made.check(&shown);
        made.id = answer.id();
        made.body.clone_from(&answer.body);
        self.customers.push(made);
        self.kept.push(Kept {
            key,
            method: "POST",
            path: "/customers".to_owned(),
            body: Some(body.clone()),
            answer,
            customer: self.customers.len() - 1,
        });
    }

    /// The server dies while it works, or before or after: the same request makes one customer.
    fn create_in_a_crash(&mut self, body: &Value, after_us: u64) {
        let key = fresh_name("key");
        let call = self.api.call("POST", "/customers").json(body);
        let call = call.header("idempotency-key", &key);
        let first = thread::scope(|scope| {
            let sent = scope.spawn(|| call.try_send());
            thread::sleep(Duration::from_micros(after_us));
            self.server.crash();
            sent.join().expect("it ends")
        });
        self.restart();
        let again = self.api.post_keyed("/customers", &key, body).wants(201);
        if let Ok(first) = first {
            assert_eq!((first.status, first.text()), (201, again.text()));
        }
        self.learn(key, body, again);
    }

    fn crash(&mut self) {
        self.server.crash();
        self.restart();
    }

    fn restart(&mut self) {
        self.server.restart();
        self.api = self.api.at(&self.server.base);
    }

    /// A refused request leaves no key behind.
    fn refused(&mut self, body: &Value) {
        let key = fresh_name("key");
        let refused = self.api.post_keyed("/customers", &key, body);
        refused.problem(422, "validationFailed");
        let body = json!({"type": "individual"});
        let answer = self.api.post_keyed("/customers", &key, &body).wants(201);
        self.learn(key, &body, answer);
    }

    fn at(&self, who: Index) -> usize {
        who.index(self.customers.len())
    }

    /// Sends a change of a customer and holds the answer against what the model made of it.
    fn send(
        &mut self,
        place: usize,
        mut kept: Option<Kept>,
        call: Call,
        after: (Customer, Effect),
    ) {
        let (mut after, effect) = after;
        let call = match &kept {
            Some(kept) => call.header("idempotency-key", &kept.key),
            None => call,
        };
        let answer = call.send();
        let before = &self.customers[place];
        if let Effect::Refused(status, code) = effect {
            answer.problem(status, code);
            return;
        }
        let answer = answer.wants(200);
        let (was, is): (Value, _) = (
            serde_json::from_slice(&before.body).expect("JSON"),
            answer.json(),
        );
        if effect == Effect::Nothing {
            assert_eq!(answer.text(), String::from_utf8_lossy(&before.body));
        } else {
            after.check(&is);
            assert_eq!(was["createdAt"], is["createdAt"]);
            assert!(
                was["updatedAt"].as_str() <= is["updatedAt"].as_str(),
                "{answer}"
            );
            if was["signedAgreement"] == true {
                assert_eq!(was["signedAgreementAt"], is["signedAgreementAt"]);
            }
            after.tag = None;
        }
        after.body.clone_from(&answer.body);
        self.customers[place] = after;
        if let Some(mut kept) = kept.take() {
            kept.answer = answer;
            self.kept.push(kept);
        }
    }

    fn keep(&self, place: usize, method: &'static str, path: &str, body: Option<&Value>) -> Kept {
        Kept {
            key: fresh_name("key"),
            method,
            path: path.to_owned(),
            body: body.cloned(),
            answer: self.api.get("/customers?limit=1"),
            customer: place,
        }
    }

    fn patch(&mut self, who: Index, body: &Value, keyed: bool, when: Condition) {
        let place = self.at(who);
        let mut after = self.customers[place].clone();
        let body = after.without_guesses(body);
        let path = format!("/customers/{}", after.id);
        let mut call = self.api.call("PATCH", &path).json(&body);
        let mut effect = None;
        match when {
            Condition::None => {}
            Condition::Any => call = call.header("if-match", "*"),
            Condition::Present => call = call.header("if-match", self.tag(place)),
            Condition::Other => {
                call = call.header("if-match", "\"another\"");
                effect = Some(Effect::Refused(412, "preconditionFailed"));
            }
        }
        let effect = effect.unwrap_or_else(|| after.change(&body));
        let kept = keyed.then(|| self.keep(place, "PATCH", &path, Some(&body)));
        self.send(place, kept, call, (after, effect));
    }

    fn delete(&mut self, who: Index, keyed: bool) {
        let place = self.at(who);
        let mut after = self.customers[place].clone();
        let effect = if after.is_active {
            Effect::Changed
        } else {
            Effect::Nothing
        };
        after.is_active = false;
        let path = format!("/customers/{}", after.id);
        let kept = keyed.then(|| self.keep(place, "DELETE", &path, None));
        let call = self.api.call("DELETE", &path);
        self.send(place, kept, call, (after, effect));
    }

    fn simulate(&mut self, who: Index, name: usize, to: &'static str, with_reasons: bool) {
        let place = self.at(who);
        let mut after = self.customers[place].clone();
        let path = format!(
            "/customers/{}/endorsements/{}/simulate",
            after.id, NAMES[name]
        );
        let mut body = json!({ "status": to });
        let has_reasons = with_reasons && !matches!(to, "ACTIVE" | "PENDING" | "INACTIVE");
        if has_reasons {
            body["rejectionReasons"] = json!([{"developerReason": "a", "reason": "b"}]);
        }
        let effect = after.simulate(name, to);
        let is_done = effect == Effect::Changed;
        let kept = self.keep(place, "POST", &path, Some(&body));
        let call = self.api.call("POST", &path).json(&body);
        self.send(place, Some(kept), call, (after, effect));
        if is_done && has_reasons {
            let shown: Value = serde_json::from_slice(&self.customers[place].body).expect("JSON");
            let all = shown["endorsements"].as_array().expect("a list");
            let one = all.iter().find(|one| one["name"] == NAMES[name]);
            let reasons = one.map(|one| &one["rejectionReasons"]);
            assert_eq!(reasons, Some(&body["rejectionReasons"]));
        }
    }

    /// The tag of a customer as it is.
    fn tag(&mut self, place: usize) -> String {
        let read = self.api.read(&self.customers[place].id);
        let tag = read.wants_header("etag").to_owned();
        let customer = &mut self.customers[place];
        assert_eq!(read.text(), String::from_utf8_lossy(&customer.body));
        // One version, one tag.
        assert!(customer.tag.as_ref().is_none_or(|known| *known == tag));
        customer.tag = Some(tag.clone());
        tag
    }

    fn get(&mut self, who: Index, when: Condition) {
        let place = self.at(who);
        let tag = self.tag(place);
        let path = format!("/customers/{}", self.customers[place].id);
        let call = self.api.call("GET", &path);
        let (condition, status) = match when {
            Condition::None => return,
            Condition::Present => (tag.as_str(), 304),
            Condition::Any => ("*", 304),
            Condition::Other => ("\"another\"", 200),
        };
        let answer = call.header("if-none-match", condition).send().wants(status);
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.body.is_empty(), status == 304);
    }

    /// The first answer again, however the same request is spelt.
    fn retry(&self, which: Index, same: bool) {
        if self.kept.is_empty() {
            return;
        }
        let kept = &self.kept[which.index(self.kept.len())];
        let mut call = self.api.call(kept.method, &kept.path);
        if let Some(body) = &kept.body {
            let spelt = if same {
                body.to_string()
            } else {
                format!(" {} ", serde_json::to_string_pretty(body).expect("JSON"))
            };
            call = call.text(&spelt);
        }
        let key = if same {
            kept.key.clone()
        } else {
            format!("\"{}\"", kept.key)
        };
        let answer = call.header("idempotency-key", key).send();
        assert_eq!(answer.status, kept.answer.status, "{answer}");
        assert_eq!(answer.text(), kept.answer.text());
        assert_eq!(
            answer.header("idempotent-replayed"),
            Some("true"),
            "{answer}"
        );
    }

    fn reuse(&self, which: Index) {
        if self.kept.is_empty() {
            return;
        }
        let kept = &self.kept[which.index(self.kept.len())];
        let other = json!({"type": "individual", "firstName": "Somebody Else"});
        let answer = self.api.post_keyed("/customers", &kept.key, &other);
        let problem = answer.problem(422, "idempotencyKeyReused");
        assert_eq!(problem["resourceId"], self.customers[kept.customer].id);
    }

    fn find(&self, which: Index) {
        if self.kept.is_empty() {
            return;
        }
        let kept = &self.kept[which.index(self.kept.len())];
        let made = [&self.customers[kept.customer]];
        self.check_list(&format!("&idempotencyKey={}", kept.key), 2, &made);
    }

    fn list(&self, filter: &Filter, limit: usize) {
        let mut wanted: Vec<_> = self.customers.iter().rev().collect();
        let query = match filter {
            Filter::Status(status) => {
                wanted.retain(|one| one.is_active == (*status == "active"));
                format!("&status={status}")
            }
            Filter::Email(email) => {
                let has = |text: &String| text.to_lowercase() == email.to_lowercase();
                wanted.retain(|one| one.texts["email"].as_ref().is_some_and(has));
                format!("&email={email}")
            }
            Filter::ExternalId(id) => {
                wanted.retain(|one| one.texts["externalId"].as_ref() == Some(id));
                format!("&externalId={id}")
            }
            Filter::Endorsement(name, status) => {
                wanted.retain(|one| {
                    let is = one.statuses[*name];
                    status.map_or(is.is_some(), |status| is == Some(status))
                });
                let status = status.map(|status| format!("&endorsementStatus={status}"));
                format!(
                    "&endorsement={}{}",
                    NAMES[*name],
                    status.unwrap_or_default()
                )
            }
            Filter::Made(who) if !self.customers.is_empty() => {
                let shown = &self.customers[self.at(*who)].body;
                let shown: Value = serde_json::from_slice(shown).expect("JSON");
                let at = shown["createdAt"].as_str().expect("a time").to_owned();
                wanted.retain(|one| {
                    let shown: Value = serde_json::from_slice(&one.body).expect("JSON");
                    shown["createdAt"].as_str() <= Some(&at)
                });
                format!("&createdBefore={at}")
            }
            // Where nobody was made, there is no time to go by.
            Filter::All | Filter::Made(_) => String::new(),
        };
        self.check_list(&query, limit, &wanted);
    }

    /// The pages hold exactly these, newest first, as each was last shown.
    #[track_caller]
    fn check_list(&self, query: &str, limit: usize, wanted: &[&Customer]) {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.api.list(&format!("?limit={limit}{query}{cursor}"));
            let body = page.json();
            let data = body["data"].as_array().expect("a list").clone();
            let more = body["hasMore"] == true;
            assert!(data.len() == limit || !more && data.len() < limit, "{page}");
            assert_eq!(body["cursor"].is_string(), more, "{page}");
            found.extend(data);
            if !more {
                break;
            }
            cursor = format!("&cursor={}", page.text_at("/cursor"));
        }
        let wanted: Vec<Value> = wanted
            .iter()
            .map(|one| serde_json::from_slice(&one.body).expect("JSON"))
            .collect();
        assert_eq!(found, wanted, "{query}");
    }

    /// What is required says the same as the endorsements of the customer.
    fn requirements(&self, who: Index) {
        let customer = &self.customers[self.at(who)];
        let path = format!("/customers/{}/requirements", customer.id);
        let required = self.api.get(&path).wants(200).json();
        let shown: Value = serde_json::from_slice(&customer.body).expect("JSON");
        for endorsement in shown["endorsements"].as_array().expect("a list") {
            for state in ["pending", "missing", "issues"] {
                let list = endorsement["requirements"][state].as_array();
                for name in list.expect("a list") {
                    let data = required["data"].as_array().expect("a list");
                    let one = data.iter().find(|one| one["requirement"] == *name);
                    let one = one.unwrap_or_else(|| panic!("no {name}: {required}"));
                    let held = one["endorsements"].as_array().expect("a list");
                    assert!(held.contains(&endorsement["name"]), "{one}");
                }
            }
        }
    }

    /// Every endorsement came where it is by steps that are allowed, and none was ever granted
    /// while `basic` was not.
    fn check_history(&self, customer: &Customer) {
        let mut steps = Vec::new();
        for (place, name) in NAMES.iter().enumerate() {
            let mut at = None;
            let path = format!(
                "/customers/{}/endorsements/{name}/history?limit=100",
                customer.id
            );
            let answer = self.api.get(&path).wants(200);
            for step in answer.json()["data"]
                .as_array()
                .expect("a list")
                .iter()
                .rev()
            {
                let (from, to) = (
                    step["from"].as_str(),
                    step["to"].as_str().expect("a status"),
                );
                assert_eq!(from, at, "{answer}");
                assert!(
                    from.is_none_or(|from| rules::next(from).contains(&to)),
                    "{answer}"
                );
                let to = rules::STATUSES.into_iter().find(|known| *known == to);
                at = to;
                steps.push((step["sequence"].as_i64().expect("a number"), place, to));
            }
            // What was entered with the customer and never moved may stand in no list.
            assert!(at.is_none() || at == customer.statuses[place], "{answer}");
        }
        steps.sort_unstable();
        let mut basic = None;
        for (_, place, to) in steps {
            if place == 0 {
                basic = to;
            } else {
                let granted = to == Some("ACTIVE");
                assert!(
                    !granted || basic == to,
                    "{} of {}",
                    NAMES[place],
                    customer.id
                );
            }
        }
    }
}
