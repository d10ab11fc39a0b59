//! An allocator that counts: what reads a file must not take memory out of proportion to it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

fn grown(bytes: usize) {
    PEAK.fetch_max(NOW.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

fn shrunk(bytes: usize) {
    NOW.fetch_sub(bytes, Relaxed);
}

// SAFETY: all of it is the system's allocator; only numbers are added up beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: as the caller has promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: as the caller has promised.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old and the new place may be there at once.
        grown(size);
        // SAFETY: as the caller has promised.
        let moved = unsafe { System.realloc(pointer, layout, size) };
        shrunk(layout.size());
        moved
    }
}

/// What a reader may take whatever it is given: buffers and tables of constants.
const BASE: usize = 4 << 20;

/// Does a job that reads `input` bytes.
///
/// # Panics
/// Where it takes more than [`BASE`] and `multiple` times the input at once.
pub fn bounded<R>(what: &str, input: usize, multiple: usize, job: impl FnOnce() -> R) -> R {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let result = job();
    let taken = PEAK.load(Relaxed).saturating_sub(before);
    if input > 50_000 && std::env::var_os("SHOW_MEMORY").is_some() {
        println!("{what}: {:.1} bytes a byte", taken as f64 / input as f64);
    }
    assert!(taken <= BASE + multiple * input, "{what}: {taken} bytes of memory for {input} bytes of input");
    result
}
