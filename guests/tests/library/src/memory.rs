// SPDX-License-Identifier: BSD-2-Clause
//! The heap, beside windows and when there is no more.

use alloc::{boxed::Box, vec, vec::Vec};

use drill::{Verdict, ensure};
use userland::{
    PAGE, Rights, exit::ExitCode, handle::Capability as _, info, shm::Region, shm::Window,
    task::yield_now,
};

use crate::stage::{Stage, exits, fails};

/// Each life is one of so many, one after the other, again and again.
const LIVES: u64 = 4;
const GENERATIONS: u64 = 6;
/// Generations after which the memory has the size that it needs.
const FIRST: u64 = 3;
/// What happens in a life.
const ROUNDS: u32 = 500;
/// Most blocks, and windows, at a time.
const BLOCKS: usize = 48;
const WINDOWS: usize = 6;

/// Numbers that look random, and are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 32) as u32) % end
    }
}

/// A block of the heap, filled with a pattern of its own.
struct Block {
    bytes: Vec<u8>,
    seed: u8,
}

fn pattern(seed: u8, index: usize) -> u8 {
    seed.wrapping_add((index as u8).wrapping_mul(31))
}

impl Block {
    fn new(len: usize, seed: u8) -> Self {
        let bytes = (0..len).map(|index| pattern(seed, index)).collect();
        Self { bytes, seed }
    }

    fn resize(&mut self, len: usize) {
        let before = self.bytes.len();
        self.bytes.resize(len, 0);
        self.bytes.shrink_to_fit();
        for index in before..len {
            self.bytes[index] = pattern(self.seed, index);
        }
    }

    fn check(&self) -> Verdict {
        let bad = self
            .bytes
            .iter()
            .enumerate()
            .find(|(index, byte)| **byte != pattern(self.seed, *index));
        ensure!(bad.is_none(), "{bad:?} in a block of {}", self.bytes.len());
        Ok(())
    }
}

/// A region, with a window onto it: what is written through the window is read from the region.
struct View {
    region: Region,
    window: Option<Window>,
    pages: u32,
    seed: u8,
}

impl View {
    fn new(pages: u32, seed: u8) -> Verdict<Self> {
        let region = Region::alloc(pages)?;
        let window = region.attach(Rights::READ_WRITE)?;
        for page in 0..pages {
            window.write(page * PAGE, &[seed; 64])?;
            window.write((page + 1) * PAGE - 64, &[seed; 64])?;
        }
        let window = Some(window);
        Ok(Self {
            region,
            window,
            pages,
            seed,
        })
    }

    /// Takes the window away, or makes one.
    fn turn(&mut self) -> Verdict {
        match self.window.take() {
            Some(window) => window.detach()?,
            None => self.window = Some(self.region.attach(Rights::READ)?),
        }
        Ok(())
    }

    fn close(self) -> Verdict {
        self.check()?;
        drop(self.window);
        Ok(self.region.close()?)
    }

    fn check(&self) -> Verdict {
        for page in 0..self.pages {
            for offset in [page * PAGE, (page + 1) * PAGE - 64] {
                let (mut through, mut beside) = ([0; 64], [0; 64]);
                self.region.read_at(offset, &mut beside)?;
                match &self.window {
                    Some(window) => window.read(offset, &mut through)?,
                    None => through = beside,
                }
                ensure!(
                    through == [self.seed; 64] && beside == through,
                    "{through:?} through the window, {beside:?} in the region"
                );
            }
        }
        Ok(())
    }
}

fn pages() -> usize {
    core::arch::wasm32::memory_size::<0>()
}

/// Blocks and windows come, change and go in any order, and what is in them stays. When they come and go again as
/// they did before, there is memory for all of them: it grows no more.
pub async fn heap_and_windows(_: &Stage) -> Verdict {
    let begin = pages();
    let mut at_first = 0;
    for generation in 0..GENERATIONS {
        if generation == FIRST {
            at_first = pages();
        }
        for number in 0..LIVES {
            life(0x5eed + number).await?;
        }
    }
    let end = pages();
    info!("pages: {begin} before, {at_first} after {FIRST} generations, {end} after {GENERATIONS}");
    ensure!(end == at_first, "{end} pages, where {at_first} were");
    Ok(())
}

/// So many rounds, from nothing to nothing.
async fn life(seed: u64) -> Verdict {
    let mut random = Random(seed);
    let mut blocks: Vec<Block> = Vec::new();
    let mut views: Vec<View> = Vec::new();
    for round in 0..ROUNDS {
        let seed = round as u8;
        // Most are small, some are as large as windows.
        let len = match random.below(20) {
            0 => 1 + random.below(2 * PAGE),
            1..5 => 1 + random.below(8192),
            _ => 1 + random.below(200),
        } as usize;
        let any = random.below(u32::MAX) as usize;
        match random.below(12) {
            0..4 if blocks.len() < BLOCKS => blocks.push(Block::new(len, seed)),
            0..7 if !blocks.is_empty() => {
                let index = any % blocks.len();
                blocks.swap_remove(index).check()?;
            }
            7 | 8 if !blocks.is_empty() => {
                let index = any % blocks.len();
                blocks[index].resize(len);
                blocks[index].check()?;
            }
            9 if views.len() < WINDOWS => views.push(View::new(1 + random.below(3), seed)?),
            10 if !views.is_empty() => {
                let index = any % views.len();
                views.swap_remove(index).close()?;
            }
            11 if !views.is_empty() => {
                let index = any % views.len();
                views[index].turn()?;
                views[index].check()?;
            }
            _ => {}
        }
        if round % 64 == 0 {
            blocks.iter().try_for_each(Block::check)?;
            views.iter().try_for_each(View::check)?;
            yield_now().await;
        }
    }
    blocks.iter().try_for_each(Block::check)?;
    views.into_iter().try_for_each(View::close)
}

/// Takes all there is, block by block, and gives it back.
pub fn hog() -> Verdict<ExitCode> {
    let mut most = 0;
    for _ in 0..3 {
        let mut blocks: Vec<Vec<u8>> = Vec::with_capacity(256);
        let refused = loop {
            let mut block = Vec::new();
            match block.try_reserve_exact(PAGE as usize / 2) {
                Ok(()) => blocks.push(block),
                Err(error) => break error,
            }
            ensure!(blocks.len() < 256, "more memory than there is");
        };
        info!("{} blocks, then: {refused}", blocks.len());
        ensure!(
            blocks.len() > 4 && blocks.len() >= most,
            "{} blocks",
            blocks.len()
        );
        most = blocks.len();
        // What is there is not touched by what was refused.
        let mut last = Box::new([0_u8; 16]);
        last[15] = 1;
        ensure!(last.iter().sum::<u8>() == 1, "{last:?}");
    }
    Ok(ExitCode(7))
}

/// Takes more than there is.
pub fn glutton() -> Verdict<ExitCode> {
    let mut blocks = Vec::new();
    loop {
        blocks.push(vec![1_u8; 50_000]);
        core::hint::black_box(&blocks);
    }
}

/// Who asks first is refused, and can go on; who does not, fails, and says why.
pub async fn no_memory(stage: &Stage) -> Verdict {
    exits(stage.spawn("hog")?, 7).await?;
    fails(
        stage.spawn("glutton")?,
        "memory allocation of 50000 bytes failed",
    )
    .await
}
