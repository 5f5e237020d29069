// SPDX-License-Identifier: BSD-2-Clause
//! The log, and who prints it.
//!
//! What is said is kept in a [`Log`], where guests with the grant `logs` read it. One of them may be the
//! *printer*: then the server prints nothing itself, for as long as the printer keeps up. Otherwise the server prints
//! each line at once, under the log's lock, so that lines come out whole and in their order.

use alloc::format;
use core::fmt;

use atoll_abi::{
    Error, Group, Level, Pid,
    message::{LogEntries, LogEntry, Name},
};
use heapless::Vec;
use wasm_state::{
    alarm::Alarm,
    log::{Entry, Head, Log},
};

use crate::{
    Guest,
    platform::{Home, Platform},
    report::Ending,
    server::{Due, Server},
    watch::Watcher,
};

/// Bytes of text of the log.
const LOG_BYTES: usize = 48 * 1024;
/// Most processes that are told of new entries.
const MAX_WATCHERS: usize = 16;
/// Nanoseconds in which a printer has to acknowledge something, if there is anything to print.
const PRINTER_PATIENCE: u64 = 3_000_000_000;
/// Nanoseconds after which a guest looks again whether there is room for what it says.
const ROOM_AGAIN: u64 = 1_000_000;

/// What the lock of the log protects.
pub(crate) struct Logs {
    log: Log,
    printer: Option<Pid>,
    /// An alarm is set, at which this printer must have printed more than up to this number.
    due: Option<(Pid, u64)>,
    /// That alarm.
    alarm: Option<Alarm>,
    /// Who is told of new entries.
    watchers: Vec<Watching, MAX_WATCHERS>,
}

/// Somebody who is told of new entries.
struct Watching {
    watcher: Watcher,
    /// It was told, since it has read the last.
    is_told: bool,
    /// The last that it has read: of that it is not told. Who says a line may be below it, and finds that it has read
    /// that one before all are told.
    read: u64,
}

impl Logs {
    pub fn new() -> Self {
        Self {
            log: Log::new(LOG_BYTES),
            printer: None,
            due: None,
            alarm: None,
            watchers: Vec::new(),
        }
    }

    fn is_printer(&self, pid: Pid) -> bool {
        self.printer == Some(pid)
    }

    fn has_waiting(&self) -> bool {
        self.log.printed() < self.log.last()
    }

    /// Answers the alarm that nobody needs then.
    fn end_printing<P: Platform>(&mut self, pid: Pid, platform: &P) -> Option<Alarm> {
        if !self.is_printer(pid) {
            return None;
        }
        self.printer = None;
        platform.console_again();
        self.print_waiting(platform);
        self.due = None;
        self.alarm.take()
    }

    /// Prints all that is not printed.
    fn print_waiting<P: Platform>(&mut self, platform: &P) {
        while let Some((line, last)) = self.log.first_waiting() {
            match line.head.level {
                Some(_) => platform.console(format_args!("{line}")),
                None => platform.console_write(line.text),
            }
            self.log.set_printed(last);
        }
        // Those that are not kept any more are lost.
        self.log.set_printed(self.log.last());
    }

    /// Whether an alarm for the printer is to be set. Then it counts as set.
    fn is_to_be_watched(&mut self) -> bool {
        let Some(pid) = self.printer else {
            return false;
        };
        let is_new = self.due.is_none() && self.has_waiting();
        if is_new {
            self.due = Some((pid, self.log.printed()));
        }
        is_new
    }

    /// The next watcher that is to be told of the entries up to this one. Who said those further on tells of them:
    /// so whoever tells is done some time, however much is said and read meanwhile.
    fn untold(&mut self, number: u64) -> Option<Watcher> {
        let mut all = self.watchers.iter_mut();
        let untold = all.find(|watching| !watching.is_told && watching.read < number)?;
        untold.is_told = true;
        Some(untold.watcher)
    }

    /// Tells this one of new entries from now on.
    fn watch(&mut self, watcher: Watcher) -> Result<(), Error> {
        let mut all = self.watchers.iter_mut();
        let known = all.find(|watching| watching.watcher.pid == watcher.pid);
        let watching = Watching {
            watcher,
            is_told: false,
            read: 0,
        };
        match known {
            Some(place) => *place = watching,
            None => self
                .watchers
                .push(watching)
                .map_err(|_| Error::TooManyListeners)?,
        }
        Ok(())
    }

    /// A page behind an entry, which this process has read then.
    fn read(&mut self, pid: Pid, after: u64) -> LogEntries {
        let mut page = LogEntries {
            entries: Vec::new(),
        };
        let mut behind = after;
        while let Some(entry) = self.log.after(behind) {
            behind = entry.number;
            if page.entries.push(to_message(&entry)).is_err() {
                return page;
            }
        }
        // It has read the last: it is to hear of the next.
        let mut all = self.watchers.iter_mut();
        if let Some(watching) = all.find(|watching| watching.watcher.pid == pid) {
            watching.is_told = false;
            watching.read = behind;
        }
        page
    }
}

impl<P: Platform> Server<P> {
    /// Writes a line, or several, under a name.
    pub(crate) fn log(&self, name: &str, level: Level, text: &str) {
        for (i, line) in text.lines().enumerate() {
            let head = self.head(Pid(0), Some(level), i == 0);
            self.say(head, name, format_args!("{line}"));
        }
    }

    fn head(&self, pid: Pid, level: Option<Level>, is_first: bool) -> Head {
        Head {
            time: self.platform.now(),
            pid,
            level,
            is_first,
        }
    }

    /// Writes one line, and tells those who wait for it. Allocates nothing.
    fn say(&self, head: Head, name: &str, line: fmt::Arguments<'_>) {
        let mut logs = self.logs.lock();
        let number = logs.log.append(head, name, line);
        if logs.printer.is_none() {
            logs.print_waiting(&self.platform);
        }
        let is_to_be_watched = logs.is_to_be_watched();
        let watcher = logs.untold(number);
        drop(logs);
        if is_to_be_watched {
            self.watch_printer();
        }
        self.tell_of_lines(number, watcher);
    }

    /// Tells this one of the entries up to a number, and the others that are not told.
    fn tell_of_lines(&self, number: u64, mut next: Option<Watcher>) {
        // One at a time: nobody is woken under a lock.
        while let Some(watcher) = next {
            if let Ok(guest) = self.guest(watcher.pid) {
                guest.wake_for(watcher.task);
            }
            next = self.logs.lock().untold(number);
        }
    }

    fn watch_printer(&self) {
        let at = self.platform.now().saturating_add(PRINTER_PATIENCE);
        // There is room: it was reserved.
        let Ok(alarm) = self.set_alarm(at, Due::Printer) else {
            return;
        };
        let mut logs = self.logs.lock();
        // The printer may have ended meanwhile.
        let unneeded = match logs.due {
            Some(_) => logs.alarm.replace(alarm),
            None => Some(alarm),
        };
        drop(logs);
        self.forget_alarm(unneeded);
    }

    fn forget_alarm(&self, alarm: Option<Alarm>) {
        if let Some(alarm) = alarm {
            self.alarms.cancel(alarm);
        }
    }

    /// The printer's time is up, if it has printed nothing since.
    pub(crate) fn check_printer(&self) {
        let mut logs = self.logs.lock();
        logs.alarm = None;
        let hung = logs
            .due
            .take()
            .filter(|(pid, seen)| logs.is_printer(*pid) && *seen == logs.log.printed());
        if let Some((pid, _)) = hung.filter(|_| logs.has_waiting()) {
            drop(logs);
            self.end_printing(pid);
            let name = self.guest(pid).map(|guest| guest.process.name.clone());
            let text = format!(
                "it has printed nothing for {} s: the server prints again",
                PRINTER_PATIENCE / 1_000_000_000
            );
            self.log(&name.unwrap_or_default(), Level::Error, &text);
        } else if logs.is_to_be_watched() {
            drop(logs);
            self.watch_printer();
        }
    }

    /// This process is the printer no longer, if it was.
    fn end_printing(&self, pid: Pid) {
        let unneeded = self.logs.lock().end_printing(pid, &self.platform);
        self.forget_alarm(unneeded);
    }

    /// This process has nothing to do with the log any more.
    pub(crate) fn leave_log(&self, pid: Pid) {
        let mut logs = self.logs.lock();
        logs.watchers.retain(|watching| watching.watcher.pid != pid);
        let unneeded = logs.end_printing(pid, &self.platform);
        drop(logs);
        self.forget_alarm(unneeded);
    }

    /// What was typed at the console, unless the printer has it.
    pub(crate) fn console_read(&self, out: &mut [u8]) -> usize {
        if self.logs.lock().printer.is_some() {
            return 0;
        }
        self.platform.console_read(out)
    }
}

impl<P: Platform> Guest<P> {
    /// Says a line; without a level, text for the console. Waits until there is room for it.
    ///
    /// # Errors
    /// The guest is to end.
    pub(crate) fn say(
        &self,
        level: Option<Level>,
        is_first: bool,
        line: fmt::Arguments<'_>,
    ) -> Result<(), Ending> {
        while !self.may_say() {
            self.check_ending()?;
            let again = self.server.platform.now().saturating_add(ROOM_AGAIN);
            let due = Due::Wake(self.home.waker());
            // There is room: it was reserved.
            let alarm = self.server.set_alarm(again, due).ok();
            self.sleep();
            if let Some(alarm) = alarm {
                self.server.alarms.cancel(alarm);
            }
        }
        let head = self.server.head(self.pid(), level, is_first);
        self.server.say(head, self.name(), line);
        Ok(())
    }

    /// Whether there is room. The printer does not wait for itself.
    fn may_say(&self) -> bool {
        let logs = self.server.logs.lock();
        logs.printer.is_none() || logs.is_printer(self.pid()) || logs.log.has_room(self.pid())
    }

    /// Is told of new entries.
    ///
    /// # Errors
    /// `TooManyListeners`.
    pub(crate) fn watch_log(&self, task: u32) -> Result<(), Error> {
        let pid = self.pid();
        let mut logs = self.server.logs.lock();
        logs.watch(Watcher { pid, task })?;
        // There may be some that it has not read.
        let last = logs.log.last();
        let next = logs.untold(last);
        drop(logs);
        self.server.tell_of_lines(last, next);
        Ok(())
    }

    /// A page of the log.
    pub(crate) fn read_log(&self, after: u64) -> LogEntries {
        self.server.logs.lock().read(self.pid(), after)
    }

    /// Becomes the printer.
    ///
    /// # Errors
    /// `Busy`.
    pub(crate) fn print_log(&self) -> Result<u64, Error> {
        let mut logs = self.server.logs.lock();
        if logs.printer.is_some() && !logs.is_printer(self.pid()) {
            return Err(Error::Busy);
        }
        // Taken away meanwhile: the check at the call was before the lock.
        if !self.may_call(Group::Logs) {
            return Err(Error::NotGranted);
        }
        logs.printer = Some(self.pid());
        Ok(logs.log.printed())
    }

    /// Has printed all entries up to this one.
    ///
    /// # Errors
    /// `NotFound`.
    pub(crate) fn note_printed(&self, number: u64) -> Result<(), Error> {
        let mut logs = self.server.logs.lock();
        if !logs.is_printer(self.pid()) {
            return Err(Error::NotFound);
        }
        logs.log.set_printed(number);
        Ok(())
    }
}

fn to_message(entry: &Entry<'_>) -> LogEntry {
    let name = str::from_utf8(entry.name).unwrap_or_default();
    LogEntry {
        number: entry.number,
        time: entry.head.time,
        pid: entry.head.pid,
        name: Name::try_from(name).unwrap_or_default(),
        level: entry.head.level,
        is_first: entry.head.is_first,
        has_more: entry.has_more,
        text: Vec::from_slice(entry.text).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Watcher = Watcher {
        pid: Pid(1),
        task: 0,
    };
    const OTHER: Watcher = Watcher {
        pid: Pid(2),
        task: 0,
    };

    fn say(logs: &mut Logs) -> u64 {
        let head = Head {
            time: 0,
            pid: Pid(3),
            level: None,
            is_first: true,
        };
        logs.log.append(head, "net", format_args!("a line"))
    }

    /// Who is told of a line up to this number; `then` is what each does at once.
    fn told(logs: &mut Logs, number: u64, mut then: impl FnMut(&mut Logs, Pid)) -> u32 {
        let mut count = 0;
        while let Some(watcher) = logs.untold(number) {
            count += 1;
            assert!(count < 10, "whoever says a line is not done with telling");
            then(logs, watcher.pid);
        }
        count
    }

    #[test]
    fn who_reads_while_it_is_told_is_told_once() {
        let mut logs = Logs::new();
        logs.watch(ONE).unwrap();
        logs.watch(OTHER).unwrap();
        for _ in 0..5 {
            let number = say(&mut logs);
            let reads = |logs: &mut Logs, pid| {
                assert_eq!(logs.read(pid, number - 1).entries.len(), 1);
            };
            assert_eq!(told(&mut logs, number, reads), 2);
        }
    }

    #[test]
    fn who_says_a_line_does_not_tell_of_those_of_others() {
        let mut logs = Logs::new();
        logs.watch(ONE).unwrap();
        let number = say(&mut logs);
        let mut last = number;
        let count = told(&mut logs, number, |logs, pid| {
            logs.read(pid, last - 1);
            last = say(logs);
        });
        assert_eq!(count, 1);
        // Who has said that does.
        assert_eq!(told(&mut logs, last, |_, _| ()), 1);
    }

    #[test]
    fn who_has_not_read_all_is_not_told_again() {
        let mut logs = Logs::new();
        logs.watch(ONE).unwrap();
        for n in 0..100 {
            let number = say(&mut logs);
            // It reads the oldest only.
            let reads = |logs: &mut Logs, pid| drop(logs.read(pid, 0));
            assert!(told(&mut logs, number, reads) <= 1, "{n}");
        }
        let (mut behind, mut count) = (0, 0);
        while let Some(last) = logs.read(ONE.pid, behind).entries.last() {
            behind = last.number;
            count += 1;
        }
        assert!(count > 1);
        let number = say(&mut logs);
        assert_eq!(told(&mut logs, number, |_, _| ()), 1);
        // It sleeps meanwhile.
        let number = say(&mut logs);
        assert_eq!(told(&mut logs, number, |_, _| ()), 0);
    }
}
