//! What a server did to its files, as `strace` saw it, and what it told its callers meanwhile.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// The system calls that change files, make them durable, or answer.
pub const CALLS: &str = "trace=openat,pwrite64,pwritev,write,writev,sendto,sendmsg,ftruncate,fallocate,fsync,\
                         fdatasync,sync_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat,\
                         copy_file_range,sendfile,splice";

/// One thing that happened, in the order in which it began; `ended` is where it was over.
#[derive(Debug)]
pub struct Event {
    pub began: usize,
    pub ended: usize,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    /// A file was opened that may be new; it is emptied if asked.
    Opened {
        path: String,
        empties: bool,
    },
    Wrote {
        path: String,
        at: Option<u64>,
        bytes: Vec<u8>,
    },
    Cut {
        path: String,
        length: u64,
    },
    Synced {
        path: String,
    },
    Removed {
        path: String,
    },
    Renamed {
        from: String,
        to: String,
    },
    /// A file has one name more.
    Linked {
        from: String,
        to: String,
    },
    /// Bytes of an answer left the server.
    Answered(Vec<u8>),
}

/// Reads a trace. Files outside of the folder are left out, and those that are mapped into
/// memory, which are worth nothing after a power cut.
pub fn read(trace: &Path, folder: &Path) -> Vec<Event> {
    let lines = BufReader::new(File::open(trace).expect("there is a trace")).split(b'\n');
    let mut open: HashMap<String, (usize, String)> = HashMap::new();
    let mut events = Vec::new();
    for (number, line) in lines.enumerate() {
        let line = String::from_utf8(line.expect("it reads")).expect("strace writes ASCII");
        let Some((process, call)) = line.split_once(' ') else {
            continue;
        };
        let call = call.trim_start();
        if let Some(begin) = call.strip_suffix("<unfinished ...>") {
            open.insert(process.to_owned(), (number, begin.to_owned()));
        } else if call.starts_with("<... ") {
            let (_, rest) = call.split_once("resumed>").expect("strace says so");
            let (began, begin) = open.remove(process).expect("it began");
            events.extend(event(&(begin + rest), began, number, folder));
        } else {
            events.extend(event(call, number, number, folder));
        }
    }
    // What never came back may have happened all the same.
    for (began, call) in open.into_values() {
        events.extend(event(&format!("{call}) = 0"), began, usize::MAX, folder));
    }
    events.sort_by_key(|event| event.began);
    events
}

fn event(call: &str, began: usize, ended: usize, folder: &Path) -> Option<Event> {
    let (name, rest) = call.split_once('(')?;
    // strace puts the results of calls that took a while into a column of their own.
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?.trim_end();
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let inside = |path: String| {
        let kept = Path::new(&path).starts_with(folder) && !path.ends_with("-shm");
        kept.then_some(path)
    };
    let descriptor = || decode(arguments.split_once('<')?.1.split_once('>')?.0);
    let path = || inside(String::from_utf8(descriptor()?).ok()?);
    let texts = || -> Vec<Vec<u8>> {
        let quoted = arguments.split('"').skip(1).step_by(2);
        quoted.filter_map(decode).collect()
    };
    let text_path = |place: usize| inside(String::from_utf8(texts().into_iter().nth(place)?).ok()?);
    let last_number = || arguments.rsplit(", ").next()?.parse().ok();
    let what = match name {
        "openat" if arguments.contains("O_CREAT") => What::Opened {
            path: text_path(0)?,
            empties: arguments.contains("O_TRUNC"),
        },
        "openat" => return None,
        "pwrite64" | "write" | "writev" | "pwritev" | "sendto" | "sendmsg" => {
            let bytes = texts().concat();
            match path() {
                Some(path) => What::Wrote {
                    path,
                    at: name.starts_with('p').then(last_number).flatten(),
                    bytes,
                },
                None if bytes.starts_with(b"HTTP/1.1 ") => What::Answered(bytes),
                None => return None,
            }
        }
        "ftruncate" => What::Cut {
            path: path()?,
            length: last_number()?,
        },
        "fsync" | "fdatasync" => What::Synced { path: path()? },
        "unlink" | "unlinkat" => What::Removed {
            path: text_path(0)?,
        },
        "rename" | "renameat" | "renameat2" => What::Renamed {
            from: text_path(0)?,
            to: text_path(1)?,
        },
        "link" | "linkat" => What::Linked {
            from: text_path(0)?,
            to: text_path(1)?,
        },
        _ => {
            assert!(
                path().is_none(),
                "a call that this cannot replay: {call:.200}"
            );
            return None;
        }
    };
    Some(Event { began, ended, what })
}

/// Bytes that strace wrote as `\x00\x01…`.
fn decode(text: &str) -> Option<Vec<u8>> {
    text.split("\\x")
        .skip(1)
        .map(|digits| u8::from_str_radix(digits, 16).ok())
        .collect()
}
