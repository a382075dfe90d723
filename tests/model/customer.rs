//! A customer as the model knows it, and what the contract makes of a body.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::rules::{self, NAMES, Statuses};

/// The fields that answers return and a body may set to a text or to null.
const TEXTS: [&str; 4] = ["firstName", "lastName", "email", "externalId"];

/// The fields that no answer returns.
const WRITE_ONLY: [&str; 2] = ["birthDate", "ipAddress"];

/// The fields of which a change has all endorsements looked at again.
const REVIEWED: [&str; 2] = ["lastName", "ipAddress"];

/// What is known of a customer.
#[derive(Clone, Debug)]
pub struct Customer {
    pub id: String,
    pub texts: BTreeMap<&'static str, Option<String>>,
    pub hidden: BTreeMap<&'static str, Value>,
    pub metadata: Map<String, Value>,
    pub is_signed: bool,
    pub is_active: bool,
    pub statuses: Statuses,
    /// The last answer that showed it, which every answer repeats until it is changed.
    pub body: Vec<u8>,
    pub tag: Option<String>,
}

/// What a change does.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is refused with this status and code.
    Refused(u16, &'static str),
    /// The answer is the one before.
    Nothing,
    /// `updatedAt` moves on.
    Changed,
}

fn names(body: &Value) -> Option<Vec<usize>> {
    let list = body.get("endorsements")?.as_array()?;
    let place = |name: &Value| NAMES.iter().position(|known| name == known);
    Some(list.iter().filter_map(place).collect())
}

impl Customer {
    /// What a create makes of a body.
    pub fn new(body: &Value) -> Self {
        let texts = TEXTS.map(|name| (name, body[name].as_str().map(str::to_owned)));
        let hidden = WRITE_ONLY.map(|name| (name, body[name].clone()));
        let texts = BTreeMap::from(texts);
        let requested = rules::requested(names(body).as_deref());
        let statuses = rules::created(requested, texts["lastName"].as_deref());
        Self {
            id: String::new(),
            hidden: BTreeMap::from(hidden),
            metadata: body["metadata"].as_object().cloned().unwrap_or_default(),
            is_signed: body["signedAgreement"] == true,
            is_active: true,
            statuses,
            body: Vec::new(),
            tag: None,
            texts,
        }
    }

    /// Takes the parts out of a change that name a hidden field as it is.
    pub fn without_guesses(&self, body: &Value) -> Value {
        let mut body = body.clone();
        if let Some(object) = body.as_object_mut() {
            object.retain(|name, value| self.hidden.get(name.as_str()) != Some(value));
        }
        body
    }

    /// Applies a change.
    pub fn change(&mut self, body: &Value) -> Effect {
        if !self.is_active {
            return Effect::Refused(409, "customerInactive");
        }
        if self.is_signed && body["signedAgreement"] == false {
            return Effect::Refused(422, "agreementCannotBeWithdrawn");
        }
        let before = self.clone();
        let mut again = false;
        for (name, text) in &mut self.texts {
            if let Some(value) = body.get(*name) {
                let value = value.as_str().map(str::to_owned);
                again |= REVIEWED.contains(name) && value != *text;
                *text = value;
            }
        }
        let mut is_hidden = false;
        for (name, hidden) in &mut self.hidden {
            if let Some(value) = body.get(*name) {
                again |= REVIEWED.contains(name);
                is_hidden = true;
                *hidden = value.clone();
            }
        }
        for (name, value) in body["metadata"].as_object().into_iter().flatten() {
            if value.is_null() {
                self.metadata.remove(name);
            } else {
                self.metadata.insert(name.clone(), value.clone());
            }
        }
        self.is_signed |= body["signedAgreement"] == true;
        let named = names(body).filter(|names| !names.is_empty());
        let named = named.map_or([false; 3], |names| rules::requested(Some(&names)));
        let last_name = self.texts["lastName"].as_deref();
        let has_changed = is_hidden || before.shown() != self.shown();
        if has_changed || named != [false; 3] {
            self.statuses = rules::changed(self.statuses, named, again, last_name);
        }
        if has_changed || before.statuses != self.statuses {
            Effect::Changed
        } else {
            Effect::Nothing
        }
    }

    /// Leads an endorsement to a status.
    pub fn simulate(&mut self, name: usize, to: &'static str) -> Effect {
        if !self.is_active {
            return Effect::Refused(409, "customerInactive");
        }
        let Some(from) = self.statuses[name] else {
            return Effect::Refused(404, "notFound");
        };
        let is_gated = name > 0 && to == "ACTIVE" && self.statuses[0] != Some("ACTIVE");
        if is_gated || !rules::next(from).contains(&to) {
            return Effect::Refused(409, "transitionNotAllowed");
        }
        self.statuses[name] = Some(to);
        self.statuses = rules::fallen(self.statuses);
        Effect::Changed
    }

    /// The fields of the answer that follow from the body, with the statuses alone of the
    /// endorsements.
    fn shown(&self) -> Value {
        let mut shown = json!({
            "object": "customer",
            "type": "individual",
            "middleName": null,
            "phone": null,
            "nationality": null,
            "status": if self.is_active { "active" } else { "inactive" },
            "signedAgreement": self.is_signed,
            "wallets": [],
            "metadata": self.metadata,
        });
        for (name, text) in &self.texts {
            shown[*name] = json!(text);
        }
        shown
    }

    /// Whether an answer shows this customer.
    #[track_caller]
    pub fn check(&self, answer: &Value) {
        let Value::Object(mut fields) = answer.clone() else {
            panic!("no object: {answer}");
        };
        let mut take = |name: &str| fields.remove(name).unwrap_or_else(|| panic!("no {name}"));
        let id = take("id");
        assert!(self.id.is_empty() || id == self.id, "{id} for {}", self.id);
        let signed_at = take("signedAgreementAt");
        assert_eq!(signed_at.is_string(), self.is_signed, "{answer}");
        for name in ["createdAt", "updatedAt"] {
            assert!(take(name).as_str().is_some_and(|at| at.ends_with('Z')));
        }
        self.check_endorsements(&take("endorsements"));
        assert_eq!(Value::Object(fields), self.shown(), "{answer}");
    }

    #[track_caller]
    fn check_endorsements(&self, shown: &Value) {
        let list = shown.as_array().expect("a list");
        let statuses: Vec<_> = list
            .iter()
            .map(|one| (one["name"].as_str(), one["status"].as_str()))
            .collect();
        let known = NAMES.iter().zip(self.statuses);
        let known: Vec<_> = known
            .filter_map(|(name, status)| Some((Some(*name), Some(status?))))
            .collect();
        assert_eq!(statuses, known, "{shown}");
        for one in list {
            let has = |name: &str| {
                let list = one["requirements"][name].as_array();
                !list.expect("a list of requirements").is_empty()
            };
            let reasons = one["rejectionReasons"].as_array().expect("a list").len();
            let (wants, told) = match one["status"].as_str().expect("a status") {
                "ACTIVE" => (!has("missing") && !has("issues"), false),
                "PENDING" => (!has("missing") && !has("issues") && has("pending"), false),
                "ISSUES" | "REVOKED_ISSUES" => (has("issues") || has("missing"), true),
                _ => (true, true),
            };
            assert!(wants && told == (reasons > 0), "{one}");
        }
    }
}
