//! More open sockets in one process than it may have open files: on Linux the limit holds for a table of
//! open files, of which a process may have several.

use std::thread;

use anyhow::Result;
use tokio::runtime::Builder;

/// How many tables there are besides the process's own.
pub(super) const TABLES: u32 = 2;

/// How many of them share one limit.
pub(super) const SHARING: u32 = if cfg!(target_os = "linux") { 1 } else { TABLES };

/// Runs each of `works` on a thread with a table of its own, which begins with what is open now. What is
/// opened later is open in its table only.
pub(super) fn spread<W, F>(works: Vec<W>) -> Result<()>
where
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<()>>,
{
    // All of them before the first table: who wakes another's task needs that one's waker in his own.
    let runtimes = works
        .into_iter()
        .map(|work| Ok((Builder::new_current_thread().enable_all().build()?, work)))
        .collect::<Result<Vec<_>>>()?;
    for (runtime, work) in runtimes {
        thread::spawn(move || {
            let done = unshare().and_then(|()| runtime.block_on(work()));
            if let Err(error) = done {
                println!("  a thread stopped: {error}");
            }
        });
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn unshare() -> Result<()> {
    Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?)
}

/// Elsewhere all share the process's limit.
#[cfg(not(target_os = "linux"))]
fn unshare() -> Result<()> {
    Ok(())
}
