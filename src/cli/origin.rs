//! Who is at the command line, as the system knows it and not as he says.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::context::Context;

use crate::core::event::Origin;
use crate::id::RequestId;

/// `cli:` and the user of this process, with an id for this run.
#[must_use]
pub fn origin(context: &Context) -> Origin {
    Origin {
        actor: format!("cli:{}", user()),
        request_id: RequestId::from_bytes(context.new_id()).to_string(),
    }
}

/// The login name of this process's user; its number where there is none.
fn user() -> String {
    let Ok(process) = fs::metadata("/proc/self") else {
        return "unknown".into();
    };
    let number = process.uid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or(number)
}
