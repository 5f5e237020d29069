// SPDX-License-Identifier: BSD-2-Clause
//! The modules: files below `programs` of a disk. Or, where there are no disks, what comes from the console: their
//! number, then each with its length before it, in 32 bits.

use alloc::{vec, vec::Vec};

use drill::{Fault, Verdict, ensure};
use userland::{
    console,
    fs::{Dir, Fs},
    start::Start,
};

/// Where they come from.
enum Source {
    Disk(Dir),
    Console,
}

impl Source {
    async fn open(start: &Start) -> Verdict<Self> {
        if start.region("fs").is_some() {
            return Ok(Self::Disk(Fs::open("fs").await?.root("programs").await?));
        }
        let count = number()?;
        ensure!(count == 9, "{count} files");
        Ok(Self::Console)
    }

    async fn take(&self, name: &str) -> Verdict<Vec<u8>> {
        match self {
            Self::Disk(dir) => Ok(dir.read(name).await?),
            Self::Console => {
                let len = number()?;
                typed(len)
            }
        }
    }
}

/// What was typed.
fn typed(len: usize) -> Verdict<Vec<u8>> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        let read = console::read(&mut bytes[done..])?;
        ensure!(read > 0, "the console ends");
        done += read;
    }
    Ok(bytes)
}

fn number() -> Verdict<usize> {
    let bytes = typed(4)?.try_into();
    let bytes = bytes.map_err(|_| Fault::new("no number"))?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

/// The files that the test has made, in this order.
pub struct Files {
    /// The hostile guest, named `hostile`, version 7.0.
    pub hostile: Vec<u8>,
    /// The service, versions 1, 2 and 4.
    pub versions: [Vec<u8>; 3],
    /// It again, signed with another key.
    pub other_key: Vec<u8>,
    /// It again, of another compiler, under a good signature.
    pub other_compiler: Vec<u8>,
    /// A module that imports what no hostcall is.
    pub stranger: Vec<u8>,
    /// A good archive, of two modules.
    pub two: Vec<u8>,
    /// A good artifact that nobody has signed.
    pub unsigned: Vec<u8>,
}

impl Files {
    pub async fn read(start: &Start) -> Verdict<Self> {
        let source = Source::open(start).await?;
        Ok(Self {
            hostile: source.take("hostile").await?,
            versions: [
                source.take("service-1").await?,
                source.take("service-2").await?,
                source.take("service-4").await?,
            ],
            other_key: source.take("other-key").await?,
            other_compiler: source.take("other-compiler").await?,
            stranger: source.take("stranger").await?,
            two: source.take("two").await?,
            unsigned: source.take("unsigned").await?,
        })
    }
}
