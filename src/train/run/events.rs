//! [`Events`]: what a run has to say and nobody has asked for yet.

use std::collections::VecDeque;

use crate::train::event::Event;

/// Events in their order.
#[derive(Default)]
pub(super) struct Events(VecDeque<Event>);

impl Events {
    pub(super) fn push(&mut self, event: Event) {
        self.0.push_back(event);
    }

    pub(super) fn warn(&mut self, message: String) {
        self.push(Event::Warning { message });
    }

    /// The next one, which is not pending any more.
    pub(super) fn take(&mut self) -> Option<Event> {
        self.0.pop_front()
    }

    /// The next one, to be changed.
    pub(super) fn first_mut(&mut self) -> Option<&mut Event> {
        self.0.front_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
