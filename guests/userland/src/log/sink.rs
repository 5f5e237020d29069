// SPDX-License-Identifier: BSD-2-Clause
//! Another place for lines to go than the server.

use alloc::boxed::Box;
use core::cell::Cell;

use atoll_abi::{Error, Level};

use crate::sys::local::local;

type Sink = Box<dyn FnMut(Level, &str) -> Result<(), Error>>;

local! {
    /// The sink; none while it is at work, so that it is not called from within itself.
    static SINK: Cell<Option<Sink>> = Cell::new(None);
}

/// Has every line of this guest go to a sink, in place of the one before. A line that it refuses goes to the
/// server. It must not wait: a line may come from anywhere, and the last one from a panic.
///
/// ```
/// use std::{cell::RefCell, rc::Rc};
/// use userland::{Error, info, log};
///
/// let lines = Rc::new(RefCell::new(Vec::new()));
/// let sink = lines.clone();
/// log::set_sink(move |_level, line| {
///     let mut lines = sink.borrow_mut();
///     if lines.len() == 2 {
///         return Err(Error::NoMemory); // the server takes it
///     }
///     lines.push(line.to_owned());
///     Ok(())
/// });
/// for n in 1..=3 {
///     info!("line {n}");
/// }
/// assert_eq!(*lines.borrow(), ["line 1", "line 2"]);
/// ```
pub fn set_sink(sink: impl FnMut(Level, &str) -> Result<(), Error> + 'static) {
    // The one before is dropped when it is no longer there, should it log on that occasion.
    drop(SINK.with(|place| place.replace(Some(Box::new(sink)))));
}

/// Has lines go to the server again. The sink is dropped.
///
/// ```
/// use userland::{info, log};
///
/// log::set_sink(|_, line| panic!("{line}"));
/// log::clear_sink();
/// info!("to the server");
/// ```
pub fn clear_sink() {
    drop(SINK.with(Cell::take));
}

/// Whether there is a sink, and it takes the line.
pub(super) fn takes(level: Level, line: &str) -> bool {
    let Some(mut sink) = SINK.with(Cell::take) else {
        return false;
    };
    let taken = sink(level, line).is_ok();
    // Unless it has set another in its place.
    let other = SINK.with(Cell::take);
    SINK.with(|place| place.set(Some(other.unwrap_or(sink))));
    taken
}

#[cfg(test)]
mod tests {
    use alloc::{rc::Rc, string::String, vec, vec::Vec};
    use core::cell::RefCell;

    use super::*;
    use crate::{log, sys::raw::answer_with};

    /// The lines that a sink gets which refuses those with a "no" in them, and how many the server gets.
    fn sink() -> (Rc<RefCell<Vec<String>>>, Rc<Cell<u32>>) {
        let (lines, others) = (Rc::new(RefCell::new(vec![])), Rc::new(Cell::new(0)));
        let (taken, refused) = (lines.clone(), others.clone());
        answer_with(move |name, _| {
            (name == "log::write").then(|| {
                refused.set(refused.get() + 1);
                0
            })
        });
        set_sink(move |level, line| {
            if line.contains("no") {
                return Err(Error::NoMemory);
            }
            log::write(level, format_args!("from within"));
            taken.borrow_mut().push(line.into());
            Ok(())
        });
        (lines, others)
    }

    #[test]
    fn what_a_sink_refuses_and_what_it_writes_goes_to_the_server() {
        let (lines, others) = sink();
        crate::info!("one");
        crate::info!("no {}", 2);
        crate::error!("three");
        assert_eq!(*lines.borrow(), ["one", "three"]);
        assert_eq!(others.get(), 3);
    }

    #[test]
    fn what_the_guest_fails_with_goes_to_the_sink_and_not_twice_to_the_server() {
        let (lines, others) = sink();
        log::put_last("no more");
        log::put_last("the end");
        assert_eq!(*lines.borrow(), ["the end"]);
        assert_eq!(others.get(), 1, "what the sink wrote itself");
    }

    #[test]
    fn a_sink_may_be_replaced_from_within_and_taken_away() {
        let (lines, others) = sink();
        let taken = lines.clone();
        set_sink(move |_, _| {
            let taken = taken.clone();
            set_sink(move |_, line| {
                taken.borrow_mut().push(line.into());
                Ok(())
            });
            Ok(())
        });
        crate::info!("one");
        crate::info!("two");
        assert_eq!(*lines.borrow(), ["two"]);
        clear_sink();
        crate::info!("three");
        assert_eq!((lines.borrow().len(), others.get()), (1, 1));
    }
}
