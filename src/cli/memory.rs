//! Keeps what a process has in memory (the master key, personal data) out of files that outlive
//! it, and from other processes of the same user, as far as the system can.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

use crate::config::Config;
use crate::error::{Error, Result};

/// Guards the memory of this process, before there is a secret in it.
///
/// # Errors
/// When the system does not let it, which is better known at a start than after a crash.
pub(super) fn guard(config: &Config) -> Result<()> {
    if !config.memory.debuggable {
        // The limit says nothing where a program takes the dumps; that one gets none of what
        // is not dumpable. And nobody but root reads /proc/PID/mem or attaches a debugger.
        let none = Rlimit {
            current: Some(0),
            maximum: Some(0),
        };
        setrlimit(Resource::Core, none).map_err(Error::internal)?;
        set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(Error::internal)?;
    }
    if config.memory.locked {
        lock()?;
    }
    Ok(())
}

/// Keeps every page out of swap from when it is first used. Allocations beyond a limit would
/// fail later, under load, so there must be none.
fn lock() -> Result<()> {
    let limit = getrlimit(Resource::Memlock);
    if limit.maximum.is_some() {
        return Err(Error::internal(
            "lock_memory: the system limits how much memory may be locked; take the limit away \
             (LimitMEMLOCK=infinity, ulimit -l unlimited) or keep swap from this process otherwise",
        ));
    }
    let raised = Rlimit {
        current: None,
        ..limit
    };
    setrlimit(Resource::Memlock, raised).map_err(Error::internal)?;
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_err(|cause| Error::internal(format!("lock_memory: {cause}")))
}
