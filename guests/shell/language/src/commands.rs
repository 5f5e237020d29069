// SPDX-License-Identifier: BSD-2-Clause
//! What can be said.

use alloc::string::String;
use core::fmt::Write as _;

/// What an argument of a command is, for completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Nothing that could be completed.
    Anything,
    /// A file or directory.
    File,
    /// A directory.
    Directory,
    /// A process.
    Process,
    /// A process, or a job of the session.
    Job,
    /// A guest that the supervisor knows.
    Guest,
    /// A guest that something was taken from, and then the slot.
    Taken,
    /// A process, and then one of its slots.
    Holding,
    /// A process, and then a slot of the shell.
    Given,
    /// A client of the network, and then one of its rules.
    Client,
    /// A level of the log, or a process.
    Level,
    /// A command.
    Command,
    /// A service that was deployed.
    Service,
}

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Processes.
    Processes,
    /// Who may do what.
    Authority,
    /// Versions of services.
    Deployment,
    /// Files.
    Files,
    /// The network.
    Network,
    /// Text.
    Text,
    /// The shell itself and the system.
    Shell,
}

impl Section {
    /// Its heading.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Processes => "Processes",
            Self::Authority => "Authority",
            Self::Deployment => "Deployment",
            Self::Files => "Files",
            Self::Network => "Network",
            Self::Text => "Text",
            Self::Shell => "Shell and system",
        }
    }
}

/// The sections, in the order in which they are shown.
pub const SECTIONS: [Section; 7] = [
    Section::Processes,
    Section::Authority,
    Section::Deployment,
    Section::Files,
    Section::Network,
    Section::Text,
    Section::Shell,
];

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// How it is called.
    pub name: &'static str,
    /// What stands behind it.
    pub usage: &'static str,
    /// What it does, in a line.
    pub brief: &'static str,
    /// What else there is to know.
    pub details: &'static str,
    /// What it is about.
    pub section: Section,
    /// What its arguments are.
    pub argument: Argument,
}

/// The command of this name.
pub fn command(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

impl Command {
    /// Its name, and what stands behind it.
    pub fn line(&self) -> String {
        let mut line = String::from(self.name);
        if !self.usage.is_empty() {
            line.push(' ');
            line.push_str(self.usage);
        }
        line
    }
}

/// Every command, as a part of a page of the book.
pub fn reference() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        // Writing to a string does not fail.
        let _ = write!(out, "### {}\n\n", section.heading());
        for command in COMMANDS.iter().filter(|c| c.section == section) {
            let _ = writeln!(out, "`{}`", command.line());
            let _ = write!(out, ":   {}.", command.brief);
            if !command.details.is_empty() {
                let _ = write!(out, " {}", command.details);
            }
            out.push_str("\n\n");
        }
    }
    out
}

macro_rules! commands {
    ($($section:ident { $($name:literal $usage:literal $argument:ident: $brief:literal, $details:literal;)+ })+) => {
        /// Every command, in the order in which they are shown.
        pub const COMMANDS: &[Command] = &[$($(
            Command {
                name: $name,
                usage: $usage,
                brief: $brief,
                details: $details,
                section: Section::$section,
                argument: Argument::$argument,
            },
        )+)+];
    };
}

commands! {
    Processes {
        "ps" "[PROCESS]" Process:
            "Shows the processes, or one of them with its limits",
            "BUSY is how long its thread was ready to run: it ran, or waited for its turn.";
        "top" "[-n ROUNDS] [-s SECONDS]" Anything:
            "Shows the processes that do most, again and again: q ends it",
            "BUSY is the share of the last round in which the thread was ready to run, at least what it had of the processor; \
             FILL the fullest channel that the process holds. Keys: b, m, w sort by busy, memory, wakes.";
        "tree" "" Anything:
            "Shows the guests that init supervises, with their state and why they last ended",
            "";
        "start" "GUEST" Guest:
            "Has init start a guest, and what that needs",
            "";
        "stop" "PROCESS|%JOB" Job:
            "Has init stop a guest for good, and what needs it; or ends a process that this shell started",
            "Not this shell. But it ends with what it needs itself, such as the console: then nobody is left to ask.";
        "restart" "GUEST" Guest:
            "Has init stop a guest and start it again",
            "";
        "run" "[-b BITS] [-n NAME] [-g GROUP]... [-c SLOT]... [-d SECONDS] MODULE|FILE [ARGUMENT]..." File:
            "Runs a module of the image, or a signed one of the disk, as a process of this shell",
            "It has 2^BITS bytes (default: 21) of the shell's memory, the groups of hostcalls log, wake, time and shared_memory or those \
             that are named with -g, and those capabilities of the shell that are named with -c, as SLOT or SLOT=NAME. In a \
             pipe its slots stdin and stdout are channels. When the shell ends, so does it.";
        "jobs" "" Anything:
            "Shows what runs in the background",
            "";
        "fg" "[%JOB]" Job:
            "Waits for what runs in the background",
            "";
    }
    Authority {
        "caps" "[PROCESS]" Process:
            "Shows who holds what, at this moment",
            "FROM is the process that gave it; `spec` if the spec did. WITH are the others that hold the same.";
        "revoke" "PROCESS SLOT" Holding:
            "Takes a capability from a guest, and all that was derived from it",
            "Channels, windows, devices: whatever is in the slot is out of reach when the command returns, also if it is just used. The \
             guest has a notice of it. It stays so until `restore`, however often the guest is started again.";
        "restore" "PROCESS SLOT" Taken:
            "Gives a guest back what the spec gives it in a slot",
            "";
        "grant" "PROCESS SLOT [NAME] [r|rw|rwg]" Given:
            "Gives a process a capability that this shell holds, for as long as it runs",
            "The process finds it under NAME. Without rights it can be read.";
        "rules" "[CLIENT]" Client:
            "Shows what the clients of the network and of the disk may do, and what of it is withdrawn",
            "Of the services of which this shell is an administrator.";
        "forbid" "[net|fs] CLIENT RULE" Client:
            "Withdraws a rule, by its number; what it allowed is refused, and connections end with an error",
            "Of the network, if nothing is said. Files that the client has open are of no use until the rule is restored.";
        "allow" "[net|fs] CLIENT RULE" Client:
            "Restores a rule that was withdrawn",
            "";
    }
    Deployment {
        "verify" "FILE" File:
            "Checks a signed module, as if it were to be run",
            "";
        "deploy" "[-b BITS] [-g GROUP]... [-c SLOT]... [-p SECONDS] SERVICE FILE" File:
            "Starts a version of a service, and ends the one before when the new one stands by",
            "Options are as with `run`; those of the first time hold for the next. A version that ends within SECONDS (default: 2) is \
             taken back: the one before is started again from what was kept of it.";
        "rollback" "SERVICE" Service:
            "Puts the version before in the place of the present one",
            "";
        "versions" "[SERVICE]" Service:
            "Shows what was deployed",
            "";
    }
    Files {
        "ls" "[-l] [PATH]..." File:
            "Shows what is in a directory",
            "";
        "cd" "[PATH]" Directory:
            "Goes to a directory",
            "";
        "pwd" "" Anything:
            "Shows the directory",
            "";
        "cat" "[FILE]..." File:
            "Shows files, or what comes in",
            "";
        "cp" "FROM TO" File:
            "Copies a file",
            "";
        "mv" "FROM TO" File:
            "Gives a file or directory another name",
            "";
        "rm" "[-r] PATH..." File:
            "Removes files, or directories with all that is in them",
            "";
        "mkdir" "[-p] PATH..." Directory:
            "Makes directories",
            "";
        "tee" "[-a] FILE" File:
            "Writes what comes in to a file, and passes it on",
            "";
        "df" "" Anything:
            "Shows how full the disk is",
            "";
    }
    Network {
        "ip" "" Anything:
            "Shows addresses, routers and name servers",
            "";
        "ping" "[-c COUNT] HOST" Anything:
            "Sends echo requests, and tells how long the replies take",
            "";
        "nc" "[-u] [-l] [HOST] PORT" Anything:
            "Sends what comes in to a TCP or UDP (-u) port, or to whoever connects to one (-l), and shows what comes back",
            "";
        "fetch" "[-o FILE] URL" Anything:
            "Fetches what is at a URL (http), and shows or keeps it",
            "";
    }
    Text {
        "echo" "[-n] [WORD]..." Anything:
            "Says its arguments",
            "";
        "grep" "[-v] [-i] [-c] TEXT [FILE]..." File:
            "Passes the lines on that have a text in them, or have not (-v)",
            "";
        "head" "[-n LINES] [FILE]" File:
            "Passes the first lines on, 10 if nothing is said",
            "";
        "tail" "[-n LINES] [FILE]" File:
            "Passes the last lines on, 10 if nothing is said",
            "";
        "wc" "[-l] [-w] [-c] [FILE]..." File:
            "Counts lines, words and bytes",
            "";
    }
    Shell {
        "help" "[COMMAND|all]" Command:
            "Shows what can be said",
            "With `all`, a line for each command. COMMAND with `--help` behind it says the same as `help COMMAND`.";
        "log" "[-f] [-n LINES] [LEVEL] [PROCESS]" Level:
            "Shows the last lines of the log, 20 if nothing is said, and with -f those that come",
            "LEVEL is error, warn, info or debug: that and what is more urgent. Then only lines of PROCESS.";
        "view" "[LEVEL|off] [PROCESS]" Level:
            "Chooses which lines of the log the console shows between what is typed",
            "With nothing behind it, tells what is shown.";
        "uptime" "" Anything:
            "Shows how long the machine runs",
            "";
        "free" "" Anything:
            "Shows the memory of the server and of all processes",
            "What processes have spent is a part of what the spec gives them; what they gave to children is spent.";
        "time" "COMMAND [ARGUMENT]..." Command:
            "Runs a command, and tells how long it took",
            "";
        "sleep" "SECONDS" Anything:
            "Waits",
            "";
        "set" "[NAME=VALUE]..." Anything:
            "Sets variables, or shows them",
            "";
        "true" "" Anything:
            "Succeeds",
            "";
        "false" "" Anything:
            "Fails",
            "";
        "history" "" Anything:
            "Shows the lines before",
            "";
        "clear" "" Anything:
            "Clears the screen",
            "";
        "shutdown" "" Anything:
            "Ends everything in order, and switches the machine off",
            "";
        "exit" "" Anything:
            "Ends the session; at the console another one begins",
            "";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    #[test]
    fn names_are_unique_and_found() {
        for (n, one) in COMMANDS.iter().enumerate() {
            assert!(COMMANDS[..n].iter().all(|c| c.name != one.name), "{one:?}");
            assert_eq!(command(one.name), Some(one));
            assert!(!one.brief.ends_with('.'), "{one:?}");
            assert!(SECTIONS.contains(&one.section));
        }
        assert_eq!(command("wombat"), None);
    }

    /// `UPDATE_EXPECT=1` writes the page.
    #[test]
    fn the_book_has_every_command() {
        let (begin, end) = ("<!-- commands -->\n\n", "<!-- /commands -->");
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/shell.md");
        let text = fs::read_to_string(&page).unwrap();
        let from = text.find(begin).expect("the begin of the commands") + begin.len();
        let to = text.find(end).expect("the end of the commands");
        let updated = std::format!("{}{}{}", &text[..from], reference(), &text[to..]);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&page, updated).unwrap();
        } else {
            assert!(text == updated, "run this test with UPDATE_EXPECT=1");
        }
    }
}
