//! What a write-ahead log of SQLite holds, read as recovery reads it, and what lies behind
//! the place where recovery stops.
//!
//! Recovery takes frames up to the first whose salt or sum does not fit, and keeps what the
//! last commit before it ended. Each commit is synced before the next one begins, so that a
//! power cut tears the last transaction only: behind its damage there is one end of a
//! commit at most. More of them, each whole in itself, were synced once.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes of the log's own header.
pub(super) const HEADER_BYTES: u64 = 32;

/// Bytes in front of each page.
pub(super) const FRAME_HEADER_BYTES: u64 = 24;

/// Bytes of a page, as this store's files have them.
pub(super) const PAGE_BYTES: u64 = 4096;

/// Bytes of a frame: its header and a page.
pub(super) const FRAME_BYTES: u64 = FRAME_HEADER_BYTES + PAGE_BYTES;

/// The first bytes of a log; the last bit says how its sums read words.
const MAGIC: u32 = 0x377f_0682;

/// What tells the frames of one beginning of the log from those before it.
pub(super) type Salts = [u8; 8];

/// What a log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frames {
    /// Those of the header, as far as it can be believed.
    pub salts: Option<Salts>,
    /// Frames that recovery takes: through the last commit before anything that does not fit.
    pub taken: u32,
    /// Ends of commits behind them, each whole in itself, that recovery does not reach.
    pub beyond: u32,
    /// Whether anything of this beginning lies behind what recovery takes.
    pub has_rest: bool,
}

/// The header of a frame.
struct FrameHeader {
    first_half: [u8; 8],
    salts: Salts,
    sum: [u32; 2],
}

impl FrameHeader {
    fn read(log: &File, number: u32) -> io::Result<Option<Self>> {
        let mut bytes = [0; 24];
        if !read_all(log, &mut bytes, place_of(number))? {
            return Ok(None);
        }
        let mut header = Self {
            first_half: [0; 8],
            salts: [0; 8],
            sum: [word(&bytes, 16), word(&bytes, 20)],
        };
        header.first_half.copy_from_slice(&bytes[..8]);
        header.salts.copy_from_slice(&bytes[8..16]);
        Ok(Some(header))
    }

    fn ends_commit(&self) -> bool {
        word(&self.first_half, 4) != 0
    }
}

/// Where a frame begins; the first is 1.
pub(super) const fn place_of(number: u32) -> u64 {
    HEADER_BYTES + (number as u64).saturating_sub(1) * FRAME_BYTES
}

/// The salts that stand in a frame.
pub(super) fn salts_of(log: &File, number: u32) -> io::Result<Option<Salts>> {
    Ok(FrameHeader::read(log, number)?.map(|header| header.salts))
}

/// Reads a log; `None` when there is none, or nothing in it.
pub(super) fn read(path: &Path) -> io::Result<Option<Frames>> {
    let log = match File::open(path) {
        Ok(log) => log,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let mut header = [0; 32];
    if !read_all(&log, &mut header, 0)? {
        return Ok(None);
    }
    let magic = word(&header, 0);
    let big_endian = magic & 1 == 1;
    let stored = [word(&header, 24), word(&header, 28)];
    let believed = magic & !1 == MAGIC && sum(big_endian, [0; 2], &header[..24]) == stored;
    let mut salts = Salts::default();
    salts.copy_from_slice(&header[16..24]);
    if !believed {
        // Each beginning syncs its header before its first frame.
        let Some(first) = salts_of(&log, 1)?.filter(|salts| *salts != [0; 8]) else {
            return Ok(None);
        };
        salts = first;
    }
    let mut frames = Frames {
        salts: believed.then_some(salts),
        taken: 0,
        beyond: 0,
        has_rest: false,
    };
    let (mut fits, mut before) = (believed, stored);
    let mut page = vec![0; usize::try_from(PAGE_BYTES).unwrap_or_default()];
    for number in 1.. {
        let Some(frame) = FrameHeader::read(&log, number)? else {
            break;
        };
        let salted = frame.salts == salts;
        fits &= salted;
        // Only what may count is read whole.
        let whole = (fits || (salted && frame.ends_commit()))
            && read_all(&log, &mut page, place_of(number) + FRAME_HEADER_BYTES)?
            && frame.sum
                == sum(
                    big_endian,
                    sum(big_endian, before, &frame.first_half),
                    &page,
                );
        fits &= whole;
        if fits && frame.ends_commit() {
            frames.taken = number;
            frames.has_rest = false;
        } else {
            frames.has_rest |= salted;
            frames.beyond += u32::from(!fits && whole && frame.ends_commit());
        }
        before = frame.sum;
    }
    Ok(Some(frames))
}

/// SQLite's running sum over words in pairs.
fn sum(big_endian: bool, before: [u32; 2], bytes: &[u8]) -> [u32; 2] {
    let read = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    };
    let [mut first, mut second] = before;
    for pair in bytes.chunks_exact(8) {
        first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
        second = second.wrapping_add(read(&pair[4..])).wrapping_add(first);
    }
    [first, second]
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Fills the buffer; `false` at the file's end.
fn read_all(file: &File, buffer: &mut [u8], at: u64) -> io::Result<bool> {
    match file.read_exact_at(buffer, at) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(cause) => Err(cause),
    }
}
