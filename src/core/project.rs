//! A project and what it is set to: how it verifies, by which policy, at what time.

use std::sync::Arc;

use super::api_key::Mode;
use super::policy::Policy;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::store::project::ProjectRow;
use crate::vault::RowKey;

/// How endorsements come to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// What is requested becomes `ACTIVE` at once; a surname may say otherwise.
    Auto,
    /// As the policy asks.
    Policy,
}

impl Verification {
    /// The word of the setting.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Policy => "policy",
        }
    }
}

/// A project as commands see it.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its number.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Sandbox or live.
    pub mode: Mode,
    /// How endorsements come to be.
    pub verification: Verification,
    /// How far its test clock is ahead of the machine's, in seconds.
    pub clock_offset_s: i64,
    /// What endorsements ask for.
    pub policy: Arc<Policy>,
}

impl Project {
    /// A project of which nothing was set.
    #[must_use]
    pub fn unset(number: i64, name: &str, mode: Mode, policy: &Arc<Policy>) -> Self {
        Self {
            number,
            name: name.to_owned(),
            mode,
            verification: match mode {
                Mode::Sandbox => Verification::Auto,
                Mode::Live => Verification::Policy,
            },
            clock_offset_s: 0,
            policy: Arc::clone(policy),
        }
    }

    /// The project of a row; without a policy of its own it has the server's.
    ///
    /// # Errors
    /// When its row was altered outside of oms, or its policy does not stand.
    pub fn from_row(row: &ProjectRow, policy: &Arc<Policy>, rows: &RowKey) -> Result<Self> {
        if !row.is_genuine(rows) {
            let number = row.number;
            return Err(Error::internal(format!(
                "the row of project {number}, or its policy, was altered outside of oms"
            )));
        }
        let mut project = Self::unset(row.number, &row.name, row.mode, policy);
        if row.mode == Mode::Sandbox {
            project.clock_offset_s = row.clock_offset_s;
            if row.verification == Verification::Policy.name() {
                project.verification = Verification::Policy;
            }
        }
        if let Some(source) = &row.policy {
            let parsed = Policy::parse(source).map_err(|broken| {
                Error::internal(format!("the policy of project {}: {broken}", row.name))
            })?;
            project.policy = Arc::new(parsed);
        }
        Ok(project)
    }

    /// The time as it passes in this project.
    #[must_use]
    pub fn clock(&self, context: &Context) -> Context {
        context.ahead(self.clock_offset_s)
    }
}
