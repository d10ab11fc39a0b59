//! [`Events`]: the pending events of a run.

use std::collections::VecDeque;

use crate::train::event::Event;

/// Pending events, in order.
#[derive(Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        self.0.push_back(event);
    }

    pub(super) fn warn(&mut self, message: String) {
        self.push(Event::Warning { message });
    }

    /// Removes and returns the next event.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.0.pop_front()
    }

    /// A mutable reference to the next event.
    pub(super) fn first_mut(&mut self) -> Option<&mut Event> {
        self.0.front_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
