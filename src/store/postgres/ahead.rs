//! The first questions of several closures, sent to the server together.
//!
//! What a read costs is the way there and back, more than the statement. A closure may run
//! again: so each one runs until it asks something and ends there, what they asked goes to
//! the server in one piece, and when they run again each finds its answer there. The answer
//! is to the same bytes that were asked, or it is not used.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use postgres_protocol::message::backend::DataRowBody;

use super::super::Row;
use super::row::{Kind, Row as Cells};
use crate::error::Result;

/// What becomes of the first question of a closure.
#[derive(Default)]
pub(super) enum First {
    /// It is asked.
    #[default]
    Asked,
    /// It is gathered, and the closure ends.
    Gathered(Option<Question>),
    /// It was answered already.
    Answered(Answer),
}

/// A statement with its values, as it is sent.
pub(super) struct Question {
    pub message: Bytes,
    /// What its rows hold.
    pub columns: Arc<[Kind]>,
}

/// The rows that a question found.
pub(super) struct Answer {
    question: Question,
    rows: Vec<DataRowBody>,
}

impl First {
    /// What was gathered.
    pub(super) fn take_question(&mut self) -> Option<Question> {
        match mem::take(self) {
            Self::Gathered(question) => question,
            Self::Asked | Self::Answered(_) => None,
        }
    }

    /// The answer to a message, if this is the one; the next question is asked.
    pub(super) fn take_answer(&mut self, message: &[u8]) -> Option<Answer> {
        match mem::take(self) {
            Self::Answered(answer) if answer.question.message == message => Some(answer),
            _ => None,
        }
    }
}

impl Question {
    pub(super) const fn answered(self, rows: Vec<DataRowBody>) -> Answer {
        Answer {
            question: self,
            rows,
        }
    }
}

impl Answer {
    /// Shows each row.
    pub(super) fn show(&self, show: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
        self.rows.iter().try_for_each(|body| {
            Cells::read(&self.question.columns, body).and_then(|row| show(&Row::of_postgres(&row)))
        })
    }
}
