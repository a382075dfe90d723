//! Tokens: the same key and secret traded for a new token each time.

use super::rig::Rig;
use crate::Result;
use crate::client::{Talk, Verdict};
use crate::http::Answer;

const CONNECTIONS: usize = 16;

/// Rate and latency of POST /auth/token.
pub fn measure(rig: &mut Rig) -> Result<()> {
    let target = rig.target()?;
    let credentials = rig.credentials.as_ref().ok_or("the server has no key")?;
    let request = credentials.token_request(target.address);
    let step = rig.step(&target, "token", CONNECTIONS, || {
        Box::new(Token(request.clone()))
    })?;
    rig.report.step_facts("auth", &step);
    rig.report.steps(
        "Tokens",
        "`POST /auth/token` with a right key and secret.",
        &[step],
    );
    Ok(())
}

struct Token(Vec<u8>);

impl Talk for Token {
    fn ask(&mut self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.0);
        true
    }

    fn hear(&mut self, answer: &Answer) -> Verdict {
        match answer.status {
            200 => Verdict::Good,
            429 | 503 => Verdict::Refused,
            _ => Verdict::Wrong,
        }
    }
}
