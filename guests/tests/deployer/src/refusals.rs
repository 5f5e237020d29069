// SPDX-License-Identifier: BSD-2-Clause
//! What is no good module is refused, with the reason, and costs nothing.

use alloc::vec::Vec;

use atoll_abi::MAX_MODULE;
use drill::{Fault, Verdict, ensure, refused};
use userland::{Error, Rights, handle::Capability as _, module::Loaded};

use crate::{
    shared,
    stage::{Stage, exits},
};

pub async fn refusals(stage: &Stage) -> Verdict {
    let files = &stage.files;
    let before = stage.used()?;
    for (file, error) in [
        (&files.other_key, Error::OtherKey),
        (&files.other_compiler, Error::OtherCompiler),
        (&files.stranger, Error::BadModule),
        (&files.two, Error::NotAModule),
        (&files.unsigned, Error::NotAModule),
    ] {
        refused(Loaded::load(file), error)?;
    }
    let mut longer = Vec::with_capacity(MAX_MODULE as usize + 1);
    longer.extend_from_slice(&files.hostile);
    longer.push(0);
    refused(Loaded::load(&longer), Error::Altered)?;
    longer.resize(MAX_MODULE as usize, 0);
    refused(Loaded::load(&longer), Error::Altered)?;
    longer.push(0);
    refused(Loaded::load(&longer), Error::TooLong)?;
    drop(longer);
    // Another's signature under our table.
    let mut forged = files.versions[0].clone();
    let signature = signature(&forged)?;
    forged[signature.clone()].copy_from_slice(&files.other_key[signature]);
    refused(Loaded::load(&forged), Error::Altered)?;
    let after = stage.used()?;
    ensure!(after.modules == before.modules, "{after:?}");
    Ok(())
}

fn signature(file: &[u8]) -> Verdict<core::ops::Range<usize>> {
    let table = file.get(12..16).and_then(|bytes| bytes.try_into().ok());
    let table = table.ok_or_else(|| Fault::new("no table"))?;
    let start = 56 + u32::from_le_bytes(table) as usize;
    Ok(start..start + 64)
}

pub async fn cuts(stage: &Stage) -> Verdict {
    let file = &stage.files.versions[0];
    let len = file.len();
    for cut in [
        0,
        1,
        7,
        8,
        23,
        55,
        56,
        119,
        180,
        4095,
        4096,
        65536,
        len - 4096,
        len - 1,
    ] {
        refused(Loaded::load(&file[..cut]), Error::CutShort)
            .map_err(|fault| Fault::new(format_args!("{cut} bytes: {fault}")))?;
    }
    Ok(())
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit
    }
}

/// No bit can be flipped.
pub async fn flips(stage: &Stage) -> Verdict {
    let mut file = stage.files.versions[0].clone();
    let before = stage.used()?;
    let mut random = Random(0x1234_5678_9abc_def1);
    let signed = signature(&file)?.end;
    let everywhere: Vec<usize> = (0..96).map(|_| random.below(file.len())).collect();
    for at in (0..signed).step_by(3).chain(everywhere) {
        let bit = 1 << random.below(8);
        file[at] ^= bit;
        let error = Loaded::load(&file).err();
        let wanted: &[Error] = match at {
            0..8 => &[Error::NotAModule],
            8..12 => &[Error::OtherCompiler],
            12..24 => &[Error::Altered, Error::CutShort],
            24..56 => &[Error::OtherKey],
            _ => &[Error::Altered],
        };
        ensure!(
            error.is_some_and(|error| wanted.contains(&error)),
            "byte {at}: {error:?}"
        );
        file[at] ^= bit;
    }
    Loaded::load(&file)?.close()?;
    let after = stage.used()?;
    ensure!(after.modules == before.modules, "{after:?}");
    Ok(())
}

/// What the budget does not cover is refused, and loads when it does. A child tries it: the frames of regions come
/// back to the budget as such, and whoever has made all of it frames has none left for children.
pub async fn budget(stage: &Stage) -> Verdict {
    let file = &stage.files.hostile;
    let region = shared::region_of(file)?;
    let mut child = stage.part("poor", "poor");
    child.arg("").arg(&alloc::format!("{}", file.len()));
    child.give("file", &region, Rights::READ);
    exits(child.start()?, 0)?;
    Ok(region.close()?)
}

/// The limit of modules holds, for those that are closed and run, too.
pub async fn many(stage: &Stage) -> Verdict {
    let file = &stage.files.versions[0];
    let limit = stage.limits().modules as usize;
    let mut all = Vec::new();
    for _ in 0..limit {
        all.push(Loaded::load(file)?);
    }
    refused(Loaded::load(file), Error::TooManyModules)?;
    for loaded in all {
        loaded.close()?;
    }
    let mut children = Vec::new();
    for _ in 0..limit {
        let loaded = Loaded::load(&stage.files.hostile)?;
        children.push(stage.command(&loaded, "sleep", "").start()?);
        loaded.close()?;
    }
    refused(Loaded::load(file), Error::TooManyModules)?;
    for child in children {
        child.stop(core::time::Duration::ZERO)?;
        child.wait()?;
        child.close()?;
        Loaded::load(file)?.close()?;
    }
    Ok(())
}
