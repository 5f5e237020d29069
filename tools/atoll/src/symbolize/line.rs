// SPDX-License-Identifier: BSD-2-Clause
//! Addresses in lines of a log, and what is to be said about them.

use std::collections::HashMap;

use super::code::{Code, Place};

/// What lines are looked up in, and what earlier ones said.
#[derive(Default)]
pub struct Lines<'a> {
    /// Servers, and native tasks by their names.
    pub programs: Vec<(Option<String>, Code<'a>)>,
    /// The root task.
    pub root_task: Option<Code<'a>>,
    /// The kernel.
    pub kernel: Option<Code<'a>>,
    /// Modules, by their names.
    pub modules: HashMap<String, &'a [u8]>,
    opened: HashMap<String, Option<Code<'a>>>,
    /// Return addresses so far in the backtrace that this is in; none: it is in none.
    frames: Option<usize>,
    /// Whether the kernel speaks of the root task.
    root_task_faults: bool,
    /// The native task that the root task speaks of.
    task: Option<String>,
}

/// What the address of a line is.
enum Found<'t> {
    /// An instruction.
    Instruction(u64),
    /// Where a call returns to, which may be another function.
    Return(u64),
    /// An offset in the file of a module.
    Offset(&'t str, u64),
}

impl Lines<'_> {
    /// What follows a line of the log.
    pub fn notes(&mut self, line: &str) -> Vec<String> {
        let indent = line.len() - line.trim_start().len();
        let indent = " ".repeat(indent + 4);
        let places = match self.find(line) {
            Some(Found::Instruction(address)) => self.places(address),
            // The call is the instruction before.
            Some(Found::Return(address)) => self.places(address.saturating_sub(4)),
            Some(Found::Offset(module, offset)) => self.module_places(module, offset),
            None => Vec::new(),
        };
        let notes = places.iter().enumerate().map(|(at, place)| match at {
            0 => format!("{indent}{place}"),
            _ => format!("{indent}  inlined into {place}"),
        });
        notes.collect()
    }

    fn find<'t>(&mut self, line: &'t str) -> Option<Found<'t>> {
        let text = line.trim();
        // A backtrace of the root task's: an address a line.
        if let Some(address) = hex(text).filter(|_| self.frames.is_some()) {
            let depth = self.frames.unwrap_or_default();
            self.frames = Some(depth + 1);
            return Some(match depth {
                0 => Found::Instruction(address),
                _ => Found::Return(address),
            });
        }
        self.frames = (text == "backtrace:").then_some(0);
        if let Some(found) = offset(text) {
            return Some(found);
        }
        // A debug kernel's.
        if text.starts_with("in thread ") {
            self.root_task_faults = text.contains("\"rootserver\"");
            return behind(text, " at address ").map(Found::Instruction);
        }
        if text.contains(" faults")
            && let Some((kind, rest)) = ["server", "task"].iter().find_map(|kind| {
                let (_, rest) = text.split_once(&format!("root task: {kind} `"))?;
                Some((*kind, rest))
            })
        {
            self.root_task_faults = false;
            let name = rest.split('`').next().unwrap_or_default();
            self.task = (kind == "task").then(|| name.to_owned());
            return behind(text, " at ip ").map(Found::Instruction);
        }
        if let Some(address) = behind(text, "Faulting instruction: ") {
            return Some(Found::Instruction(address));
        }
        // Of a function that has not stored it yet, only this tells the caller.
        behind(text, "x30 ").map(Found::Return)
    }

    fn places(&self, address: u64) -> Vec<Place> {
        let first = self.root_task.iter().filter(|_| self.root_task_faults);
        // Programs have addresses in common.
        let mine = self.programs.iter().filter(|(name, _)| *name == self.task);
        let all = first.chain(mine.map(|(_, code)| code)).chain(&self.kernel);
        let mut all = all.filter(|code| code.contains(address));
        all.next()
            .map_or_else(Vec::new, |code| code.places(address))
    }

    /// Only what the log does not say itself: files and lines.
    fn module_places(&mut self, module: &str, offset: u64) -> Vec<Place> {
        if !self.opened.contains_key(module) {
            let bytes = self.modules.get(module).copied();
            let code = bytes.and_then(|bytes| Code::wasm(bytes).ok());
            self.opened.insert(module.to_owned(), code);
        }
        let code = self.opened.get(module).and_then(Option::as_ref);
        let places = code.map_or_else(Vec::new, |code| code.places(offset));
        places
            .into_iter()
            .filter(|place| place.file.is_some())
            .collect()
    }
}

/// A number that is all of a text.
fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// The number behind a word.
fn behind(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    let end = rest.find(|one: char| !one.is_ascii_alphanumeric());
    hex(&rest[..end.unwrap_or(rest.len())])
}

/// A frame of a guest's: `at module!function + 0x21 (wasm offset 0x140)`.
fn offset(text: &str) -> Option<Found<'_>> {
    let (_, frame) = text
        .rsplit_once("    at ")
        .or_else(|| text.split_once("at "))?;
    let (module, rest) = frame.split_once('!')?;
    let is_name = !module.is_empty() && !module.contains(char::is_whitespace);
    let offset = behind(rest, "(wasm offset ").filter(|_| is_name)?;
    Some(Found::Offset(module, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lines: &mut Lines<'_>, line: &str) -> Option<(char, u64)> {
        lines.find(line).map(|found| match found {
            Found::Instruction(address) => ('i', address),
            Found::Return(address) => ('r', address),
            Found::Offset(_, offset) => ('w', offset),
        })
    }

    #[test]
    fn addresses_are_found() {
        let mut lines = Lines::default();
        for (line, expected) in [
            (
                "root task: server `server` faults: brk #0xa701 at ip 0x2f2c0",
                Some(('i', 0x2f2c0)),
            ),
            (
                "root task: server `a` faults in a thread of its own: read from 0x8, where nothing is mapped (syndrome 0x92000006) at ip 0x30000",
                Some(('i', 0x30000)),
            ),
            (
                "  pc 0x000000000002f2c0  sp 0x00000000400ffe00  spsr 0x60000000",
                None,
            ),
            (
                "  x28 0x0000000000000000  x29 0x00000000400ffe50  x30 0x000000000001f00c",
                Some(('r', 0x1f00c)),
            ),
            ("  0x2f2c0", None),
            ("  backtrace:", None),
            ("    0x2f2c0", Some(('i', 0x2f2c0))),
            ("    0x2f300", Some(('r', 0x2f300))),
            ("root task: server `server` starts again (1 of 5)", None),
            ("    0x2f300", None),
            (
                "[    0.581389] oob:     at out-of-bounds!out_of_bounds::read + 0x21 (wasm offset 0x140)",
                Some(('w', 0x140)),
            ),
            (
                "[    0.581389] oob:     at spin!function 3 (wasm offset 0x1f), 4 times more",
                Some(('w', 0x1f)),
            ),
            ("[    0.581389] oob: we are at home!", None),
            (
                "in thread 0xffffff8040000400 \"rootserver\" at address 0x210abc",
                Some(('i', 0x210abc)),
            ),
            (
                "Faulting instruction: 0xffffff8000012345",
                Some(('i', 0xffff_ff80_0001_2345)),
            ),
            ("[    0.1] a: at ip 0x123", None),
            ("at ip 0xzz", None),
            ("", None),
        ] {
            assert_eq!(found(&mut lines, line), expected, "{line}");
        }
    }

    #[test]
    fn tasks_are_told_from_servers() {
        let mut lines = Lines::default();
        let fault = "root task: task `driver` faults: brk #0x1 at ip 0x2f2c4";
        assert_eq!(found(&mut lines, fault), Some(('i', 0x2f2c4)));
        assert_eq!(lines.task.as_deref(), Some("driver"));
        let fault = "root task: server `driver` faults: brk #0x1 at ip 0x2f2c8";
        assert_eq!(found(&mut lines, fault), Some(('i', 0x2f2c8)));
        assert_eq!(lines.task, None);
    }

    #[test]
    fn what_is_nowhere_is_not_said() {
        let mut lines = Lines::default();
        for line in [
            "root task: server `server` faults: brk #0xa701 at ip 0x2f2c0",
            "    at a!b (wasm offset 0x1)",
        ] {
            assert_eq!(lines.notes(line), Vec::<String>::new());
        }
    }

    #[test]
    fn any_text_is_taken() {
        let mut lines = Lines::default();
        let text =
            "at !0x(wasm offset 0xfffffffffffffffff) backtrace: x30 0x\u{fffd}ä  at ip in thread ";
        for (from, _) in text.char_indices() {
            for (to, _) in text.char_indices().filter(|&(to, _)| to >= from) {
                let _ = lines.notes(&text[from..to]);
            }
        }
    }
}
