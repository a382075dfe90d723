//! The wrapping keys: they stand between the master key and everything it
//! protects, so that the master key may be a service that is asked once.
//!
//! A running server that meets a wrapping key it does not know reads the
//! register again: the new key lies there, wrapped by the one it knows.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use zeroize::Zeroizing;

use super::{KEY_LENGTH, MasterKey, Place, SealingKey};
use crate::context::Random;
use crate::error::{Error, Result};

/// A wrapped key begins with the id of the key that wrapped it.
pub const KEY_ID_LENGTH: usize = 8;

/// A wrapping key as the register keeps it, wrapped by one other key.
#[derive(Clone, Debug)]
pub struct WrappedWrappingKey {
    /// The wrapping key.
    pub id: i64,
    /// The key that wraps it: a master key or another wrapping key.
    pub by: i64,
    /// The highest of all wraps what is new.
    pub rank: i64,
    /// The key, wrapped.
    pub wrapped: Vec<u8>,
}

/// A wrapping key in the open.
pub struct WrappingKey {
    id: i64,
    rank: i64,
    bytes: Zeroizing<[u8; KEY_LENGTH]>,
    key: SealingKey,
}

/// Reads the register's wrapping keys again, while its caller waits.
pub type Reload = Box<dyn Fn() -> Result<Vec<WrappedWrappingKey>> + Send + Sync>;

/// The wrapping keys of an opened register and the master key that opened them.
pub struct KeyRing {
    master: MasterKey,
    /// By rank, the lowest first; never empty.
    keys: RwLock<Vec<Arc<WrappingKey>>>,
    reload: Reload,
}

impl WrappingKey {
    /// A new key that takes over from those below its rank.
    #[must_use]
    pub fn make(rank: i64, random: &Random) -> Self {
        let id = i64::from_be_bytes(random.bytes());
        Self::new(id, rank, Zeroizing::new(random.bytes()))
    }

    pub(super) fn new(id: i64, rank: i64, bytes: Zeroizing<[u8; KEY_LENGTH]>) -> Self {
        let key = SealingKey::new(id, &bytes);
        Self {
            id,
            rank,
            bytes,
            key,
        }
    }

    /// Its id, with which everything it wraps begins.
    #[must_use]
    pub const fn id(&self) -> i64 {
        self.id
    }

    /// Its place in the line: the highest wraps what is new.
    #[must_use]
    pub const fn rank(&self) -> i64 {
        self.rank
    }

    /// Wraps the bytes of a key for its name and id.
    #[must_use]
    pub fn wrap(&self, name: &'static str, id: &[u8], key: &[u8], random: &Random) -> Vec<u8> {
        let sealed = self.key.seal(place(name, id), key, random);
        [&self.id.to_be_bytes()[..], &sealed].concat()
    }

    /// This key, wrapped by another wrapping key.
    #[must_use]
    pub fn wrapped_by(&self, other: &Self, random: &Random) -> WrappedWrappingKey {
        let id = self.id.to_be_bytes();
        let sealed = other
            .key
            .seal(place("wrapping_key", &id), &*self.bytes, random);
        self.row(other.id, sealed)
    }

    /// This key, wrapped by a master key, which may be far away; it is opened
    /// again before anything is entrusted to it.
    ///
    /// # Errors
    /// When the key service refuses or does not answer.
    pub fn wrapped_by_master(
        &self,
        master: &MasterKey,
        random: &Random,
    ) -> Result<WrappedWrappingKey> {
        let sealed = master.wrap(self.id, &self.bytes, random)?;
        if master.unwrap(self.id, &sealed)? != self.bytes {
            return Err(Error::internal(format!("{master} gave another key back")));
        }
        Ok(self.row(master.id(), sealed))
    }

    const fn row(&self, by: i64, wrapped: Vec<u8>) -> WrappedWrappingKey {
        WrappedWrappingKey {
            id: self.id,
            by,
            rank: self.rank,
            wrapped,
        }
    }

    /// Opens a row that this key wrapped.
    fn open(&self, row: &WrappedWrappingKey) -> Result<Self> {
        let id = row.id.to_be_bytes();
        let bytes = self.key.open(place("wrapping_key", &id), &row.wrapped)?;
        Ok(Self::new(row.id, row.rank, fixed(&bytes)?))
    }
}

impl KeyRing {
    /// Opens the register's wrapping keys. Asks the key service once, if the
    /// master key is one, and blocks meanwhile.
    ///
    /// # Errors
    /// When the master key is not the one that wrapped them.
    pub fn open(master: MasterKey, rows: &[WrappedWrappingKey], reload: Reload) -> Result<Self> {
        let own = rows.iter().filter(|row| row.by == master.id());
        let Some(row) = own.max_by_key(|row| row.rank) else {
            return Err(Error::internal(format!(
                "the key register was wrapped by another master key than {master}; if the master key was \
                 changed, set OMS_MASTER_KEY_FILE, OMS_MASTER_KEY or master_key_service to the new one"
            )));
        };
        let bytes = master.unwrap(row.id, &row.wrapped)?;
        let mut keys = vec![Arc::new(WrappingKey::new(row.id, row.rank, bytes))];
        absorb(&mut keys, rows)?;
        Ok(Self {
            master,
            keys: RwLock::new(keys),
            reload,
        })
    }

    /// The master key that opened the ring.
    #[must_use]
    pub const fn master(&self) -> &MasterKey {
        &self.master
    }

    /// The key that wraps what is new.
    #[must_use]
    pub fn current(&self) -> Arc<WrappingKey> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(keys.last().expect("a ring holds at least one key"))
    }

    /// Takes in what the register holds now; whether another key wraps from now on.
    /// Keys that are gone from the register stay in memory for those who read
    /// a value just before.
    ///
    /// # Errors
    /// When the newest key does not open with those that are known.
    pub fn learn(&self, rows: &[WrappedWrappingKey]) -> Result<bool> {
        let before = self.current().id;
        if rows.iter().all(|row| self.key(row.id).is_some()) {
            return Ok(false);
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        absorb(&mut keys, rows)?;
        Ok(keys.last().is_some_and(|key| key.id != before))
    }

    /// Reads the register again, while the caller waits; as [`Self::learn`].
    ///
    /// # Errors
    /// When the store is away, or as [`Self::learn`].
    pub fn reload(&self) -> Result<bool> {
        self.learn(&(self.reload)()?)
    }

    /// Wraps the bytes of a key for its name and id.
    #[must_use]
    pub fn wrap(&self, name: &'static str, id: &[u8], key: &[u8], random: &Random) -> Vec<u8> {
        self.current().wrap(name, id, key, random)
    }

    /// Unwraps what [`Self::wrap`] wrapped.
    ///
    /// # Errors
    /// When a key wrapped it that the register does not hold, or it was altered or moved.
    pub fn unwrap(
        &self,
        name: &'static str,
        id: &[u8],
        wrapped: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        let unknown = || Error::internal(format!("a {name} was wrapped by an unknown key"));
        let by = wrapper_of(wrapped).ok_or_else(unknown)?;
        let key = if let Some(key) = self.key(by) {
            key
        } else {
            self.reload()?;
            self.key(by).ok_or_else(unknown)?
        };
        key.key.open(place(name, id), &wrapped[KEY_ID_LENGTH..])
    }

    /// Unwraps a data key.
    ///
    /// # Errors
    /// As [`Self::unwrap`].
    pub fn unwrap_data_key(&self, id: i64, wrapped: &[u8]) -> Result<SealingKey> {
        let bytes = self.unwrap("data_key", &id.to_be_bytes(), wrapped)?;
        Ok(SealingKey::new(id, &*fixed(&bytes)?))
    }

    /// Every key the ring holds, the one that wraps last.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<WrappingKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    fn key(&self, id: i64) -> Option<Arc<WrappingKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.iter().rev().find(|key| key.id == id).cloned()
    }
}

/// The id of the key that wrapped a value.
#[must_use]
pub fn wrapper_of(wrapped: &[u8]) -> Option<i64> {
    let id = wrapped.first_chunk::<KEY_ID_LENGTH>()?;
    Some(i64::from_be_bytes(*id))
}

/// Opens what opens with the keys that are known, until nothing more does.
fn absorb(keys: &mut Vec<Arc<WrappingKey>>, rows: &[WrappedWrappingKey]) -> Result<()> {
    loop {
        let known = |id| keys.iter().find(|key: &&Arc<WrappingKey>| key.id == id);
        let next = rows.iter().find_map(|row| match known(row.id) {
            Some(_) => None,
            None => known(row.by).map(|by| by.open(row)),
        });
        let Some(opened) = next.transpose()? else {
            break;
        };
        keys.push(Arc::new(opened));
    }
    keys.sort_by_key(|key| key.rank);
    let newest = rows.iter().map(|row| row.rank).max();
    if keys.last().map(|key| key.rank) < newest {
        return Err(Error::internal(
            "the master key was changed while this process did not look; start it again with the new one",
        ));
    }
    Ok(())
}

/// The bytes of a key as an array.
pub(super) fn fixed(bytes: &[u8]) -> Result<Zeroizing<[u8; KEY_LENGTH]>> {
    let bytes = bytes
        .try_into()
        .map_err(|_| Error::internal("an unwrapped key has the wrong length"))?;
    Ok(Zeroizing::new(bytes))
}

/// Where a wrapped key belongs.
pub(super) const fn place<'a>(name: &'static str, id: &'a [u8]) -> Place<'a> {
    Place {
        project: 0,
        row: id,
        field: name,
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WrappingKey({:016x})", self.id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyRing({:?}, {:?})", self.master, self.all())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes(&[byte; KEY_LENGTH])
    }

    /// The rows while `new` takes over from `old`.
    fn both(old: &WrappingKey, new: &WrappingKey, random: &Random) -> Vec<WrappedWrappingKey> {
        vec![
            old.wrapped_by_master(&master(1), random).unwrap(),
            new.wrapped_by(old, random),
            new.wrapped_by_master(&master(2), random).unwrap(),
            old.wrapped_by(new, random),
        ]
    }

    #[test]
    fn during_a_change_either_master_key_opens_all_and_a_running_ring_learns() {
        let random = Random::seeded(5);
        let (old, new) = (WrappingKey::make(1, &random), WrappingKey::make(2, &random));
        let rows = both(&old, &new, &random);
        let (first, second) = (random.bytes::<32>(), random.bytes::<32>());
        let by_old = old.wrap("data_key", &7i64.to_be_bytes(), &first, &random);
        let by_new = new.wrap("data_key", &8i64.to_be_bytes(), &second, &random);
        let none = || -> Reload { Box::new(|| Ok(Vec::new())) };
        for byte in [1, 2] {
            let ring = KeyRing::open(master(byte), &rows, none()).unwrap();
            assert_eq!(ring.current().id(), new.id());
            assert!(ring.unwrap_data_key(7, &by_old).is_ok());
            assert!(ring.unwrap_data_key(8, &by_new).is_ok());
            assert!(ring.unwrap_data_key(7, &by_new).is_err(), "moved");
        }
        let running = KeyRing::open(
            master(1),
            &rows[..1],
            Box::new({
                let rows = rows.clone();
                move || Ok(rows.clone())
            }),
        )
        .unwrap();
        assert!(running.unwrap_data_key(8, &by_new).is_ok(), "it reloads");
        assert_eq!(running.current().id(), new.id());
    }

    #[test]
    fn after_a_change_the_old_master_key_opens_nothing_and_a_ring_that_slept_says_so() {
        let random = Random::seeded(6);
        let (old, new) = (WrappingKey::make(1, &random), WrappingKey::make(2, &random));
        let rows = both(&old, &new, &random);
        let none: Reload = Box::new(|| Ok(Vec::new()));
        let refused = KeyRing::open(master(1), &rows[2..3], none).unwrap_err();
        assert!(
            refused.to_string().contains("OMS_MASTER_KEY_FILE"),
            "{refused}"
        );
        let none: Reload = Box::new(|| Ok(Vec::new()));
        let slept = KeyRing::open(master(1), &rows[..1], none).unwrap();
        let refused = slept.learn(&rows[2..3]).unwrap_err();
        assert!(refused.to_string().contains("start it again"), "{refused}");
    }
}
