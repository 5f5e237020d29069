// SPDX-License-Identifier: BSD-2-Clause
//! Disks of test machines: files, with faults if a test wants some, and records of what was written to them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// A disk, which is a file that the machine writes to.
#[derive(Clone, Debug)]
pub struct Disk {
    file: PathBuf,
    layer: Layer,
    is_read_only: bool,
}

/// What is between the machine and the file.
#[derive(Clone, Debug)]
enum Layer {
    None,
    /// What is written is also recorded in this file.
    Record(PathBuf),
    Faults(Vec<Fault>),
}

/// A request that fails.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What is asked for.
    pub on: On,
    /// Which sector must be part of it; none: any.
    pub sector: Option<u64>,
    /// Whether it fails the first time only.
    pub once: bool,
}

/// What is asked of a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// To read.
    Read,
    /// To write.
    Write,
    /// To keep what was written.
    Flush,
}

impl From<PathBuf> for Disk {
    fn from(file: PathBuf) -> Self {
        Self {
            file,
            layer: Layer::None,
            is_read_only: false,
        }
    }
}

impl Disk {
    /// The same, but that it takes no writes.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// The same, with a record of what is written, for [`Record::read`].
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn recorded(mut self, record: &Path) -> io::Result<Self> {
        fs::write(record, [])?;
        self.layer = Layer::Record(record.into());
        Ok(self)
    }

    /// The same, but that these requests fail.
    #[must_use]
    pub fn with_faults(mut self, faults: &[Fault]) -> Self {
        self.layer = Layer::Faults(faults.into());
        self
    }

    /// QEMU's option `-drive` for a disk that is called `disk`.
    pub(crate) fn option(&self) -> String {
        let file = self.file.display();
        let mut line = String::from("if=none,id=disk");
        // Writing to a string does not fail.
        let _ = match &self.layer {
            Layer::None => write!(line, ",format=raw,file={file}"),
            Layer::Record(record) => write!(
                line,
                ",driver=blklogwrites,file.driver=file,file.filename={file},\
                 log.driver=file,log.filename={},log-sector-size={SECTOR}",
                record.display()
            ),
            Layer::Faults(_) => {
                write!(
                    line,
                    ",driver=blkdebug,image.driver=file,image.filename={file}"
                )
            }
        };
        if let Layer::Faults(faults) = &self.layer {
            for (index, fault) in faults.iter().enumerate() {
                let kind = match fault.on {
                    On::Read => "read",
                    On::Write => "write",
                    On::Flush => "flush",
                };
                let rule = format!("inject-error.{index}");
                let _ = write!(
                    line,
                    ",{rule}.event=none,{rule}.iotype={kind},{rule}.errno=5"
                );
                if let Some(sector) = fault.sector {
                    let _ = write!(line, ",{rule}.sector={sector}");
                }
                if fault.once {
                    let _ = write!(line, ",{rule}.once=on");
                }
            }
        }
        if self.is_read_only {
            line.push_str(",readonly=on");
        }
        line
    }
}

/// Something that a machine has done to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has written these bytes.
    Write {
        /// Where.
        sector: u64,
        /// What.
        bytes: Vec<u8>,
    },
    /// It has had kept what was written before.
    Flush,
}

/// What a machine has done to a disk, in its order.
#[derive(Clone, Debug, Default)]
pub struct Record(pub Vec<Step>);

/// The format of the record, which is that of Linux's `dm-log-writes`.
mod record {
    pub const MAGIC: u64 = 0x006a_7366_7773_6872;
    pub const FLUSH: u64 = 1 << 0;
    pub const DISCARD: u64 = 1 << 2;
}

impl Record {
    /// Reads a record.
    ///
    /// # Errors
    /// It is none, or the machine has done what is not looked at here.
    pub fn read(path: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let word = |at: usize| -> io::Result<u64> {
            let word = bytes.get(at..at + 8).ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(u64::from_le_bytes(word.try_into().unwrap_or_default()))
        };
        if word(0)? != record::MAGIC {
            return Err(io::Error::other("no record of writes"));
        }
        let mut steps = Vec::new();
        let mut at = SECTOR;
        // A machine that was ended has not written how many entries there are: the first that is none is the end.
        while at + SECTOR <= bytes.len() {
            let (sector, sectors, flags) = (word(at)?, word(at + 8)?, word(at + 16)?);
            if sectors == 0 && flags == 0 {
                break;
            }
            at += SECTOR;
            if flags & record::DISCARD != 0 {
                return Err(io::Error::other("a discard"));
            }
            if flags & record::FLUSH != 0 {
                steps.push(Step::Flush);
            }
            let len = usize::try_from(sectors).map_err(io::Error::other)? * SECTOR;
            if len != 0 {
                let Some(data) = bytes.get(at..at + len) else {
                    break;
                };
                steps.push(Step::Write {
                    sector,
                    bytes: data.to_vec(),
                });
                at += len;
            }
        }
        Ok(Self(steps))
    }

    /// How many writes there are.
    pub fn writes(&self) -> usize {
        let is_write = |step: &&Step| matches!(step, Step::Write { .. });
        self.0.iter().filter(is_write).count()
    }

    /// What is on a disk when the power goes right after so many steps: all that was kept, and of what was written after the
    /// last flush what `survives` says, sector by sector in the order of the writes.
    pub fn cut(&self, before: &[u8], steps: usize, mut survives: impl FnMut() -> bool) -> Vec<u8> {
        let mut disk = before.to_vec();
        let done = self.0.get(..steps).unwrap_or(&self.0);
        let kept = done.iter().rposition(|step| *step == Step::Flush);
        for (index, step) in done.iter().enumerate() {
            let Step::Write { sector, bytes } = step else {
                continue;
            };
            for (offset, piece) in bytes.chunks(SECTOR).enumerate() {
                if kept.is_some_and(|kept| index < kept) || survives() {
                    let begin = (*sector as usize + offset) * SECTOR;
                    if let Some(place) = disk.get_mut(begin..begin + piece.len()) {
                        place.copy_from_slice(piece);
                    }
                }
            }
        }
        disk
    }
}

/// Runs a program of e2fsprogs, of which some are where only administrators look.
fn e2fsprogs(program: &str, arguments: &[&str]) -> Output {
    let directories = ["/sbin", "/usr/sbin", "/usr/bin"];
    let found = directories
        .iter()
        .map(|directory| Path::new(directory).join(program))
        .find(|path| path.exists());
    let path = found.unwrap_or_else(|| panic!("{program} is of the package e2fsprogs"));
    Command::new(path)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

/// Makes an ext4 file system in a file, of this size, with these further arguments of `mke2fs`.
///
/// # Panics
/// It cannot be made.
pub fn make_file_system(file: &Path, size: &str, arguments: &[&str]) {
    let path = file.display().to_string();
    let all = [&["-q", "-t", "ext4"], arguments, &[&*path, size]].concat();
    let made = e2fsprogs("mke2fs", &all);
    assert!(made.status.success(), "{made:?}");
}

/// Has the host's own tool check a file system that is at rest.
///
/// # Panics
/// It finds something.
#[track_caller]
pub fn check_file_system(file: &Path) {
    let checked = e2fsprogs("e2fsck", &["-fn", &file.display().to_string()]);
    assert!(
        checked.status.success(),
        "e2fsck has found something:\n{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

/// Has the host's own tool put right what the journal says, as it is done when Linux mounts what was not left clean.
///
/// # Panics
/// It cannot.
#[track_caller]
pub fn replay_journal(file: &Path) {
    let file = file.display().to_string();
    let replayed = e2fsprogs("e2fsck", &["-fy", "-E", "journal_only", &file]);
    assert!(
        replayed.status.code().is_some_and(|code| code <= 1),
        "{replayed:?}"
    );
}

/// What the host's own tool answers to a request about a file system that is at rest: see debugfs(8).
///
/// # Panics
/// It fails.
#[track_caller]
pub fn ask_debugfs(file: &Path, request: &str) -> String {
    let asked = e2fsprogs("debugfs", &["-R", request, &file.display().to_string()]);
    assert!(asked.status.success(), "{asked:?}");
    String::from_utf8_lossy(&asked.stdout).into_owned()
}

/// The contents of a file on a file system that is at rest, as the host's own tool reads them; none if there is no such file.
///
/// # Panics
/// It fails.
#[track_caller]
pub fn read_file(file: &Path, path: &str) -> Option<Vec<u8>> {
    let to = file.with_extension("dump");
    let _ = fs::remove_file(&to);
    ask_debugfs(file, &format!("dump {path} {}", to.display()));
    let read = fs::read(&to).ok();
    let _ = fs::remove_file(&to);
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_is_told_what_is_between() {
        let disk = Disk::from(PathBuf::from("d.img"));
        assert_eq!(disk.option(), "if=none,id=disk,format=raw,file=d.img");
        assert_eq!(
            disk.clone().read_only().option(),
            "if=none,id=disk,format=raw,file=d.img,readonly=on"
        );
        let fault = Fault {
            on: On::Write,
            sector: Some(8),
            once: true,
        };
        assert_eq!(
            disk.with_faults(&[fault]).option(),
            "if=none,id=disk,driver=blkdebug,image.driver=file,image.filename=d.img,\
             inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.errno=5,\
             inject-error.0.sector=8,inject-error.0.once=on"
        );
    }

    fn write(sector: u64, byte: u8) -> Step {
        Step::Write {
            sector,
            bytes: vec![byte; 2 * SECTOR],
        }
    }

    #[test]
    fn what_was_kept_stays_and_the_rest_may() {
        let record = Record(vec![write(0, 1), Step::Flush, write(1, 2), write(2, 3)]);
        let bytes = |disk: Vec<u8>| -> Vec<u8> { disk.chunks(SECTOR).map(|it| it[0]).collect() };
        let before = vec![0; 5 * SECTOR];
        assert_eq!(bytes(record.cut(&before, 4, || false)), [1, 1, 0, 0, 0]);
        assert_eq!(bytes(record.cut(&before, 4, || true)), [1, 2, 3, 3, 0]);
        assert_eq!(bytes(record.cut(&before, 3, || true)), [1, 2, 2, 0, 0]);
        assert_eq!(bytes(record.cut(&before, 1, || false)), [0; 5]);
        let mut turns = [false, true, true, false].into_iter();
        let survives = || turns.next().unwrap();
        assert_eq!(bytes(record.cut(&before, 4, survives)), [1, 1, 3, 0, 0]);
    }
}
