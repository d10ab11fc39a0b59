//! [`Turn`]: mutual exclusion of passes for an engine with a single arena.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::{Error, Result};

/// Admits one pass at a time; the passes of several threads follow one another.
#[derive(Debug, Default)]
pub(super) struct Turn {
    state: Mutex<State>,
    free: Condvar,
}

#[derive(Debug, Default)]
struct State {
    passes: u64,
    /// The current pass, and the thread that began it.
    holder: Option<(u64, ThreadId)>,
}

/// The claim of one pass, released when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    turn: Arc<Turn>,
    pass: u64,
}

impl Turn {
    /// Waits until no other thread has a pass. A tracked pass lasts until its backward pass is finished.
    ///
    /// # Errors
    /// [`Error::Device`] if this thread already has one: it would wait for itself.
    pub(super) fn claim(self: &Arc<Self>) -> Result<Claim> {
        let thread = thread::current().id();
        let mut state = self.state();
        while let Some((_, holder)) = state.holder {
            if holder == thread {
                return Err(Error::device(
                    "a second forward pass began before the backward pass of the first",
                    "run the backward pass, or discard the first graph: its activations would be overwritten",
                ));
            }
            state = self.free.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.passes += 1;
        let pass = state.passes;
        state.holder = Some((pass, thread));
        Ok(Claim { turn: self.clone(), pass })
    }

    /// Ends the pass of this thread, if it has one.
    pub(super) fn discard(&self) {
        let mut state = self.state();
        if state.holder.is_some_and(|(_, holder)| holder == thread::current().id()) {
            state.holder = None;
            self.free.notify_one();
        }
    }

    /// Nothing panics while the lock is held.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// Whether the pass is still current: not after [`Turn::discard`].
    pub(super) fn holds(&self) -> bool {
        self.turn.state().holder.is_some_and(|(pass, _)| pass == self.pass)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.turn.state();
        // Only its own claim: after a discard, another pass may be current.
        if state.holder.is_some_and(|(pass, _)| pass == self.pass) {
            state.holder = None;
            self.turn.free.notify_one();
        }
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn passes_of_several_threads_follow_one_another() {
        let (turn, inside) = (Arc::new(Turn::default()), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let claim = turn.claim().expect("another thread's pass is waited for");
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two passes at once");
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(claim);
                    }
                });
            }
        });
    }

    #[test]
    fn a_thread_does_not_wait_for_itself_and_discards_only_its_own_pass() {
        let turn = Arc::new(Turn::default());
        let first = turn.claim().expect("nobody has it");
        assert!(matches!(turn.claim(), Err(Error::Device { .. })));
        thread::scope(|scope| {
            scope.spawn(|| turn.discard());
        });
        assert!(first.holds(), "another thread's discard changes nothing");
        turn.discard();
        assert!(!first.holds());
        let second = turn.claim().expect("the first is discarded");
        drop(first);
        assert!(second.holds(), "the end of a discarded pass changes nothing");
    }
}
