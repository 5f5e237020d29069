// SPDX-License-Identifier: BSD-2-Clause
//! Random changes of blocks that no file has, as if they were metadata and file contents, and what must be left of them
//! when the power goes.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec,
    vec::Vec,
};

use crate::{
    Error, MountError, Options,
    layout::geometry::Geometry,
    mount::mount,
    store::Store,
    tests::disk::{Cuts, Dice, FaultyDisk, Window},
};

/// What a block is used for, and what it has then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Metadata(u64),
    Data(u64),
}

type Uses = BTreeMap<u64, Use>;

/// How many blocks at the file system's end are played with. The first of them has the number of the last operation.
const BLOCKS: u64 = 96;

/// Operations on a store, each with a number, and what they led to.
pub(crate) struct Workload {
    disk: FaultyDisk,
    pub(crate) store: Store<FaultyDisk>,
    dice: Dice,
    first: u64,
    uses: Uses,
    /// What was freed in the running transaction, and its number.
    pinned: Vec<u64>,
    transaction: u64,
    operation: u64,
    /// The last operation that is durable.
    durable: u64,
    history: History,
    /// What was written past the cache since the last commit that went well.
    runs: BTreeMap<u64, u64>,
}

/// What each operation led to, and which file contents it wrote.
#[derive(Clone, Default)]
pub(crate) struct History {
    after: BTreeMap<u64, Uses>,
    written: BTreeMap<u64, Vec<u64>>,
    /// Those that left no number, as they were taken back.
    aborted: BTreeSet<u64>,
}

/// The bytes that stand for a number in a block. Every fourth begins like the journal's own.
fn pattern(block: u64, value: u64, size: usize) -> Vec<u8> {
    let mut dice = Dice::new(value ^ block << 32);
    let mut bytes = vec![0; size];
    for chunk in bytes.chunks_exact_mut(4) {
        chunk.copy_from_slice(&(dice.roll() as u32).to_le_bytes());
    }
    if value.is_multiple_of(4) {
        bytes[..4].copy_from_slice(&0xc03b_3998_u32.to_be_bytes());
    }
    bytes
}

/// As the tests mount: with a cache that is too small for all.
pub(crate) const OPTIONS: Options = Options {
    read_only: false,
    cache: 64,
};

impl Workload {
    pub(crate) fn new(disk: &FaultyDisk, seed: u64) -> Self {
        let (mut store, geometry) = mount(disk.clone(), &OPTIONS).unwrap();
        let first = geometry.blocks - BLOCKS;
        // Whatever is there now.
        let size = store.block_size();
        store.begin().unwrap();
        store.fresh(first).unwrap();
        store.finish();
        store.commit().unwrap();
        store.settle().unwrap();
        assert!(size >= 1024);
        let mut history = History::default();
        history.after.insert(0, Uses::new());
        Self {
            disk: disk.clone(),
            transaction: store.transaction(),
            store,
            dice: Dice::new(seed),
            first,
            uses: Uses::new(),
            pinned: Vec::new(),
            operation: 0,
            durable: 0,
            history,
            runs: BTreeMap::new(),
        }
    }

    /// Does some operations, and commits now and then. What fails is done again.
    pub(crate) fn run(&mut self, operations: u64) {
        for _ in 0..operations {
            self.operation += 1;
            self.disk.mark(2 * self.operation);
            if self.operate().is_err() {
                self.store.abort();
                self.history.aborted.insert(self.operation);
                self.history.after.insert(self.operation, self.uses.clone());
                self.runs_again();
            }
            match self.dice.below(12) {
                0 => {
                    self.settle_until_done();
                }
                1..3 => {
                    self.commit();
                }
                _ => {}
            }
        }
        self.settle_until_done();
    }

    pub(crate) fn history(&self) -> History {
        self.history.clone()
    }

    /// Commits, or goes on without: the next attempt has more in it then.
    fn commit(&mut self) {
        for _ in 0..=self.dice.below(2) {
            if self.store.commit().is_ok() {
                self.committed(self.operation);
                return;
            }
            self.runs_again();
        }
    }

    fn settle_until_done(&mut self) {
        for _ in 0..20 {
            if self.store.settle().is_ok() {
                self.committed(self.operation);
                return;
            }
            self.runs_again();
        }
        panic!("it does not settle");
    }

    fn committed(&mut self, operation: u64) {
        self.durable = operation;
        self.disk.mark(2 * operation + 1);
        self.runs.clear();
        if self.store.transaction() != self.transaction {
            self.transaction = self.store.transaction();
            self.pinned.clear();
        }
    }

    /// A client that was told that its writes may be lost writes again.
    fn runs_again(&mut self) {
        for (block, value) in self.runs.clone() {
            if self.uses.get(&block) == Some(&Use::Data(value)) {
                let memory = Window::new(pattern(block, value, self.store.block_size()));
                for _ in 0..20 {
                    if self.store.write_run(block, 1, &memory, 0).is_ok() {
                        break;
                    }
                }
            }
        }
    }

    fn operate(&mut self) -> Result<(), Error> {
        let size = self.store.block_size();
        let before = self.operation - 1;
        self.store.begin()?;
        if self.store.transaction() != self.transaction {
            self.committed(before);
        }
        let is_aborted = self.dice.below(8) == 0;
        let mut uses = self.uses.clone();
        let mut freed = Vec::new();
        let mut runs = Vec::new();
        for _ in 0..=self.dice.below(6) {
            let block = self.first + 1 + self.dice.below(BLOCKS - 1);
            let value = self.dice.roll() & 0xffff_ffff;
            let is_pinned = self.pinned.contains(&block) || freed.contains(&block);
            match uses.get(&block) {
                None if is_pinned => {}
                None => match self.dice.below(4) {
                    0..2 => {
                        let bytes = self.store.fresh(block)?;
                        assert!(bytes.iter().all(|byte| *byte == 0));
                        bytes.copy_from_slice(&pattern(block, value, size));
                        uses.insert(block, Use::Metadata(value));
                    }
                    2 => {
                        self.wrote(block);
                        let bytes = self.store.fresh_data(block)?;
                        bytes.copy_from_slice(&pattern(block, value, size));
                        uses.insert(block, Use::Data(value));
                    }
                    _ => {
                        self.wrote(block);
                        let memory = Window::new(pattern(block, value, size));
                        self.store.write_run(block, 1, &memory, 0)?;
                        uses.insert(block, Use::Data(value));
                        runs.push((block, value));
                    }
                },
                Some(_) if self.dice.below(3) == 0 => {
                    self.store.forget(block);
                    uses.remove(&block);
                    freed.push(block);
                }
                Some(Use::Metadata(was)) => {
                    assert_eq!(self.store.read(block)?, pattern(block, *was, size));
                    let bytes = self.store.change(block)?;
                    bytes.copy_from_slice(&pattern(block, value, size));
                    uses.insert(block, Use::Metadata(value));
                }
                // Contents are not taken back.
                Some(Use::Data(_)) if is_aborted => {}
                Some(Use::Data(was)) => {
                    assert_eq!(self.store.read_data(block)?, pattern(block, *was, size));
                    self.wrote(block);
                    let bytes = self.store.change_data(block)?;
                    bytes.copy_from_slice(&pattern(block, value, size));
                    uses.insert(block, Use::Data(value));
                    self.uses.insert(block, Use::Data(value));
                }
            }
        }
        let counter = self.store.change(self.first)?;
        counter[..8].copy_from_slice(&self.operation.to_le_bytes());
        if is_aborted {
            self.store.abort();
            self.history.aborted.insert(self.operation);
        } else {
            self.store.finish();
            self.uses = uses;
            self.pinned.extend(freed);
            self.runs.extend(runs);
        }
        self.history.after.insert(self.operation, self.uses.clone());
        Ok(())
    }

    /// Takes note that the contents of a block changed on the disk, or may have.
    fn wrote(&mut self, block: u64) {
        let written = self.history.written.entry(self.operation).or_default();
        written.push(block);
    }

    /// Whether all is as it should be, with nothing lost: in memory, and on the disk.
    pub(crate) fn check(&mut self) {
        Self::check_uses(&self.uses, &mut self.store);
        let disk = FaultyDisk::new(self.disk.image());
        Self::check_uses(&self.uses, &mut mount(disk, &OPTIONS).unwrap().0);
    }

    fn check_uses(uses: &Uses, store: &mut Store<FaultyDisk>) {
        let size = store.block_size();
        for (block, what) in uses {
            let (found, value) = match what {
                Use::Metadata(value) => (store.read(*block).unwrap(), *value),
                Use::Data(value) => (store.read_data(*block).unwrap(), *value),
            };
            assert!(
                found == pattern(*block, value, size),
                "{block} has {what:?}"
            );
        }
    }
}

impl History {
    /// Mounts a disk after the power went at the moment that `cuts` is at, and looks at what is there.
    pub(crate) fn check(&self, disk: &FaultyDisk, cuts: &Cuts) -> Result<u64, MountError> {
        let (mut store, geometry) = mount(disk.clone(), &OPTIONS)?;
        Ok(self.check_store(&mut store, &geometry, cuts))
    }

    /// Answers which operation was the last that is there.
    pub(crate) fn check_store(
        &self,
        store: &mut Store<FaultyDisk>,
        geometry: &Geometry,
        cuts: &Cuts,
    ) -> u64 {
        let size = geometry.block_size;
        let first = geometry.blocks - BLOCKS;
        let durable = cuts.marks.iter().rev().find(|mark| *mark % 2 == 1);
        let durable = durable.map_or(0, |mark| mark / 2);
        let begun = cuts.marks.iter().rev().find(|mark| *mark % 2 == 0);
        let begun = begun.map_or(0, |mark| mark / 2);
        let counter = store.read(first).unwrap();
        let last = u64::from_le_bytes(counter[..8].try_into().unwrap());
        // Those that were taken back left no number.
        let is_there =
            last <= begun && (last + 1..=durable).all(|number| self.aborted.contains(&number));
        assert!(is_there, "{last} is there, of {durable} to {begun}");
        let rewritten: Vec<u64> = self
            .written
            .range(last + 1..)
            .flat_map(|(_, blocks)| blocks.iter().copied())
            .collect();
        for (block, what) in &self.after[&last] {
            match what {
                Use::Metadata(value) => {
                    let found = store.read(*block).unwrap();
                    assert!(found == pattern(*block, *value, size), "{block}, {what:?}");
                }
                Use::Data(_) if rewritten.contains(block) => {}
                Use::Data(value) => {
                    let found = store.read_data(*block).unwrap();
                    assert!(found == pattern(*block, *value, size), "{block}, {what:?}");
                }
            }
        }
        last
    }
}
