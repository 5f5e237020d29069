// SPDX-License-Identifier: BSD-2-Clause
//! One user at one terminal.

use alloc::{collections::BTreeMap, format, rc::Rc, string::String, vec::Vec};
use core::cell::{Cell, RefCell};

use shell_language::parse;
use shell_line::{Editor, Key, Keys, Step};
use userland::task::{JoinHandle, spawn};

use crate::{
    complete::complete,
    failure::Done,
    jobs::Jobs,
    keyboard::Keyboard,
    pipeline,
    shell::Shell,
    terminal::{Output, Said, Terminal},
};

/// Columns of a terminal that does not say how many it has.
const WIDTH: usize = 80;
/// Rows likewise.
const HEIGHT: u16 = 24;
/// Bytes of what is typed that are shown at once.
const MAX_HELD: usize = 4096;
/// What is said first.
const GREETING: &str = "Atoll. Try: help, ps, top, caps http, ls -l /files, start ping, shutdown\n";

/// See the module.
pub struct Session {
    /// What it shares with the others.
    pub shell: Rc<Shell>,
    output: Rc<Output>,
    /// What was typed.
    pub keyboard: Keyboard,
    editor: RefCell<Editor>,
    /// How a command reads lines, which are not in the history.
    reader: RefCell<Editor>,
    width: Cell<usize>,
    height: Cell<u16>,
    /// The directory.
    pub directory: RefCell<String>,
    /// What was set.
    pub variables: RefCell<BTreeMap<String, String>>,
    /// Whether the last pipeline succeeded.
    pub succeeded: Cell<bool>,
    /// What runs in the background.
    pub jobs: Jobs,
    /// It is to end.
    pub leaving: Cell<bool>,
    /// What is edited in the last row.
    edited: Cell<Edited>,
}

/// What is edited in the last row.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Edited {
    /// Nothing: a command runs.
    #[default]
    Nothing,
    /// A line for the shell.
    Line,
    /// A line for a command.
    Input,
}

/// A row that is edited until this goes.
struct Editing<'a>(&'a Cell<Edited>);

impl<'a> Editing<'a> {
    fn begin(edited: &'a Cell<Edited>, what: Edited) -> Self {
        edited.set(what);
        Self(edited)
    }
}

impl Drop for Editing<'_> {
    fn drop(&mut self) {
        self.0.set(Edited::Nothing);
    }
}

/// The task that reads a terminal, which ends with the session.
struct Reader(JoinHandle<()>);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

impl Session {
    /// A session that is shown there.
    pub fn new(shell: &Rc<Shell>, output: Rc<Output>) -> Rc<Self> {
        Rc::new(Self {
            shell: shell.clone(),
            output,
            keyboard: Keyboard::default(),
            editor: RefCell::new(Editor::new(WIDTH)),
            reader: RefCell::new(Editor::new(WIDTH)),
            width: Cell::new(WIDTH),
            height: Cell::new(HEIGHT),
            directory: RefCell::new("/".into()),
            variables: RefCell::default(),
            succeeded: Cell::new(true),
            jobs: Jobs::default(),
            leaving: Cell::new(false),
            edited: Cell::default(),
        })
    }

    /// Columns and rows.
    pub const fn size(&self) -> (usize, u16) {
        (self.width.get(), self.height.get())
    }

    /// What the shell says when it waits for a line.
    fn prompt(&self) -> String {
        let name = self.shell.start.value("prompt").unwrap_or("atoll");
        format!("{name}:{}> ", self.directory.borrow())
    }

    /// The lines so far.
    pub fn history(&self) -> Vec<String> {
        let editor = self.editor.borrow();
        editor.history().iter().map(String::from).collect()
    }

    /// Shows bytes; a line feed goes to the begin of the next row.
    pub async fn show(&self, bytes: &[u8]) -> Done {
        self.output.write(&Self::rows(bytes)).await
    }

    /// Shows lines that nobody waits for above the line that is typed, if one is: it is drawn again behind them.
    pub async fn show_above(&self, lines: &[u8]) -> Done {
        let editor = match self.edited.get() {
            Edited::Nothing => None,
            Edited::Line => Some(&self.editor),
            Edited::Input => Some(&self.reader),
        };
        let mut shown = Vec::new();
        if editor.is_some() {
            shown.extend_from_slice(b"\r\x1b[K");
        }
        shown.extend(Self::rows(lines));
        if lines.last() != Some(&b'\n') {
            shown.extend_from_slice(b"\r\n");
        }
        if let Some(editor) = editor {
            let mut line = String::new();
            editor.borrow_mut().draw(&mut line);
            shown.extend_from_slice(line.as_bytes());
        }
        self.output.write(&shown).await
    }

    /// Says something that nobody waits for.
    pub async fn say_above(&self, text: &str) {
        // A terminal that is gone ends the session soon.
        let _ = self.show_above(text.as_bytes()).await;
    }

    /// Bytes as a terminal wants them.
    fn rows(bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len() + 16);
        let mut last = 0;
        for byte in bytes {
            if *byte == b'\n' && last != b'\r' {
                shown.push(b'\r');
            }
            shown.push(*byte);
            last = *byte;
        }
        shown
    }

    /// Shows text, if there is anybody to see it.
    pub async fn say(&self, text: &str) {
        // A terminal that is gone ends the session soon.
        let _ = self.show(text.as_bytes()).await;
    }

    /// Where it is shown.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// Serves a terminal to its end.
    pub async fn run(self: Rc<Self>, mut terminal: Terminal) {
        let session = Rc::downgrade(&self);
        let _reader = Reader(spawn(async move {
            loop {
                let said = terminal.read().await;
                let Some(session) = session.upgrade() else {
                    return;
                };
                for said in said {
                    match said {
                        Said::Typed(bytes) => {
                            for byte in bytes {
                                session.keyboard.typed(byte);
                            }
                        }
                        Said::Size(columns, rows) => {
                            session.width.set(usize::from(columns));
                            session.height.set(rows);
                        }
                        Said::Gone => {
                            session.keyboard.end();
                            return;
                        }
                    }
                }
            }
        }));
        self.say(GREETING).await;
        while !self.leaving.get() && !self.keyboard.is_over() {
            for line in self.jobs.ended() {
                self.say(&line).await;
            }
            let Some(line) = self.command_line().await else {
                break;
            };
            self.line(&line).await;
        }
        self.jobs.end();
        self.say("bye\n").await;
        self.output.finish().await;
    }

    /// Does what a line says.
    pub async fn line(self: &Rc<Self>, line: &str) {
        match parse(line) {
            Ok(pipelines) => pipeline::run_all(self, line, pipelines).await,
            Err(mistake) => {
                self.succeeded.set(false);
                self.say(&format!("{}\n", mistake.explain(line))).await;
            }
        }
    }

    /// A line with all that can be done to one; none at the end.
    async fn command_line(self: &Rc<Self>) -> Option<String> {
        let _edited = Editing::begin(&self.edited, Edited::Line);
        let mut out = String::new();
        {
            let mut editor = self.editor.borrow_mut();
            editor.set_width(self.width.get());
            editor.begin(&self.prompt(), &mut out);
        }
        loop {
            // What is typed at once is shown at once.
            if !self.keyboard.has_more() || out.len() >= MAX_HELD {
                self.raw(&core::mem::take(&mut out)).await;
            }
            let byte = self.keyboard.byte().await?;
            let more = self.keyboard.has_more();
            let step = self.editor.borrow_mut().push(byte, more, &mut out);
            if !matches!(step, Step::Edited | Step::Complete { .. }) {
                // While it is shown, a job may have something to say.
                self.edited.set(Edited::Nothing);
            }
            if step != Step::Edited {
                self.raw(&core::mem::take(&mut out)).await;
            }
            match step {
                Step::Edited => {}
                Step::Line(line) => return Some(line),
                Step::Interrupt => return Some(String::new()),
                Step::End => return None,
                Step::Complete { before, again } => {
                    let (typed, candidates) = complete(self, &before).await;
                    let mut out = String::new();
                    self.editor
                        .borrow_mut()
                        .complete(typed, &candidates, again, &mut out);
                    self.raw(&out).await;
                }
            }
        }
    }

    /// A line for a command; none at the end.
    pub async fn read_line(&self, prompt: &str) -> Option<String> {
        let _edited = Editing::begin(&self.edited, Edited::Input);
        self.reader.borrow_mut().set_width(self.width.get());
        let mut out = String::new();
        self.reader.borrow_mut().begin(prompt, &mut out);
        loop {
            if !self.keyboard.has_more() || out.len() >= MAX_HELD {
                self.raw(&core::mem::take(&mut out)).await;
            }
            let byte = self.keyboard.byte().await?;
            let more = self.keyboard.has_more();
            let step = self.reader.borrow_mut().push(byte, more, &mut out);
            if !matches!(step, Step::Edited | Step::Complete { .. }) {
                self.edited.set(Edited::Nothing);
                self.raw(&core::mem::take(&mut out)).await;
            }
            match step {
                Step::Edited | Step::Complete { .. } => {}
                Step::Line(line) => return Some(line),
                Step::Interrupt | Step::End => return None,
            }
        }
    }

    /// A key, for a command that draws the screen by itself.
    pub async fn key(&self, keys: &RefCell<Keys>) -> Option<Key> {
        loop {
            let byte = self.keyboard.byte().await?;
            if let Some(key) = keys.borrow_mut().push(byte) {
                return Some(key);
            }
        }
    }

    async fn raw(&self, text: &str) {
        if !text.is_empty() {
            // A terminal that is gone ends the session soon.
            let _ = self.output.write(text.as_bytes()).await;
        }
    }
}
