// SPDX-License-Identifier: BSD-2-Clause
//! The store on a disk that works.

use alloc::{vec, vec::Vec};

use crate::{
    Disk, DiskError, Error, Options,
    layout::{geometry::Geometry, superblock::Superblock},
    mount::mount,
    store::Store,
    tests::{
        disk::{Cuts, Fault, FaultyDisk, Request, Window},
        tools::{assert_clean, mke2fs},
    },
};

fn small(cache: usize) -> (FaultyDisk, Store<FaultyDisk>, Geometry) {
    let disk = FaultyDisk::new(mke2fs("-b 1024", 8 * 1024));
    let options = Options {
        cache,
        ..Options::default()
    };
    let (store, geometry) = mount(disk.clone(), &options).unwrap();
    (disk, store, geometry)
}

/// A block that is free.
fn free(geometry: &Geometry, number: u64) -> u64 {
    geometry.blocks - 1 - number
}

#[test]
fn what_is_taken_back_is_as_it_was() {
    let (disk, mut store, geometry) = small(16);
    let [a, b, c, d] = [0, 1, 2, 3].map(|number| free(&geometry, number));
    store.begin().unwrap();
    store.fresh(a).unwrap().fill(1);
    store.change(b).unwrap().fill(2);
    store.fresh_data(c).unwrap().fill(3);
    store.finish();
    let room = store.room();

    store.begin().unwrap();
    store.change(a).unwrap().fill(11);
    store.forget(b);
    store.forget(c);
    store.fresh(b).unwrap().fill(12);
    store.change_data(d).unwrap();
    store.forget(d);
    store.fresh(d).unwrap().fill(14);
    store.forget(a);
    assert_eq!(store.room(), room);
    store.abort();
    assert_eq!(store.room(), room);
    assert!(store.read(a).unwrap().iter().all(|byte| *byte == 1));
    assert!(store.read(b).unwrap().iter().all(|byte| *byte == 2));
    assert!(store.read_data(c).unwrap().iter().all(|byte| *byte == 3));
    assert!(store.read_data(d).unwrap().iter().all(|byte| *byte == 0));

    store.settle().unwrap();
    let (mut again, _) = mount(disk.clone(), &Options::default()).unwrap();
    for (block, byte) in [(a, 1), (b, 2), (c, 3), (d, 0)] {
        assert!(again.read(block).unwrap().iter().all(|it| *it == byte));
    }
    assert_clean(&disk.image());
}

#[test]
fn an_operation_that_is_taken_back_first_of_all_leaves_a_clean_image() {
    let (disk, mut store, geometry) = small(16);
    let before = disk.image();
    store.begin().unwrap();
    let superblock = store.change(geometry.superblock).unwrap();
    Superblock::of_mut(superblock, &geometry).unwrap().wtime = 7.into();
    store.abort();
    store.commit().unwrap();
    store.settle().unwrap();
    assert!(disk.image() == before);
}

#[test]
fn runs_and_cached_blocks_see_each_other() {
    let (disk, mut store, geometry) = small(16);
    let first = free(&geometry, 9);
    let memory = Window::new(vec![5; 4 * 1024 + 3]);
    store.begin().unwrap();
    store.write_run(first, 4, &memory, 3).unwrap();
    store.finish();
    assert!(
        store
            .read_data(first + 1)
            .unwrap()
            .iter()
            .all(|it| *it == 5)
    );
    store.change_data(first + 1).unwrap().fill(6);
    store.change_data(first + 2).unwrap().fill(7);
    let read = Window::new(vec![0; 4 * 1024 + 1]);
    store.read_run(first, 4, &read, 1).unwrap();
    let firsts = |window: &Window| -> Vec<u8> {
        let bytes = window.0.borrow();
        bytes[1..].chunks(1024).map(|block| block[0]).collect()
    };
    assert_eq!(firsts(&read), [5, 6, 7, 5]);
    // What is written over is not written back.
    store.write_run(first + 1, 1, &memory, 0).unwrap();
    store.commit().unwrap();
    store.read_run(first, 4, &read, 1).unwrap();
    assert_eq!(firsts(&read), [5, 5, 7, 5]);
    // One that fails leaves what was to be written.
    store.change_data(first).unwrap().fill(8);
    disk.fail(Fault {
        request: Request::Write,
        after: 0,
        count: 1,
    });
    store.write_run(first, 1, &memory, 0).unwrap_err();
    store.commit().unwrap();
    store.read_run(first, 4, &read, 1).unwrap();
    assert_eq!(firsts(&read), [8, 5, 7, 5]);

    let memory_gone = Err(Error::Disk(DiskError::Memory));
    assert_eq!(store.read_run(first, 4, &read, 2), memory_gone);
    assert_eq!(store.write_run(first, 5, &memory, 0), memory_gone);
    assert!(store.write_run(first, u32::MAX, &memory, 0).is_err());
    assert_eq!(store.read_run(first, 1, &read, u32::MAX), memory_gone);
}

#[test]
fn blocks_that_are_none_are_refused() {
    let (_, mut store, geometry) = small(16);
    let (journal, _) = store.journal_blocks().next().unwrap();
    let inside = journal + 1;
    let memory = Window::new(vec![0; 8 * 1024]);
    store.begin().unwrap();
    for block in [0, inside, geometry.blocks, u64::MAX] {
        assert!(matches!(store.read(block), Err(Error::Corrupt(_))));
        assert!(matches!(store.change(block), Err(Error::Corrupt(_))));
        assert!(matches!(store.fresh(block), Err(Error::Corrupt(_))));
        assert!(matches!(store.read_data(block), Err(Error::Corrupt(_))));
        assert!(matches!(store.change_data(block), Err(Error::Corrupt(_))));
        let read = store.read_run(block.wrapping_sub(1), 2, &memory, 0);
        assert!(matches!(read, Err(Error::Corrupt(_))));
        let written = store.write_run(block.wrapping_sub(1), 2, &memory, 0);
        assert!(matches!(written, Err(Error::Corrupt(_))));
        store.forget(block);
    }
    // Nor is metadata anybody's contents.
    let block = free(&geometry, 0);
    store.fresh(block).unwrap();
    assert!(matches!(store.change_data(block), Err(Error::Corrupt(_))));
    store.finish();
    store.commit().unwrap();
}

#[test]
fn a_transaction_has_the_room_that_the_journal_has() {
    let (disk, mut store, geometry) = small(16);
    store.begin().unwrap();
    let room = store.room();
    assert!(room > 900);
    let first = geometry.blocks - 1 - room as u64;
    for block in first..first + room as u64 {
        store.fresh(block).unwrap().fill(block as u8);
    }
    assert_eq!(store.room(), 0);
    assert_eq!(
        store.change(geometry.superblock).err(),
        Some(Error::NoSpace)
    );
    store.change(first).unwrap();
    store.finish();
    let transaction = store.transaction();
    // The next operation finds room.
    store.begin().unwrap();
    assert!(store.transaction() > transaction);
    store.change(first).unwrap();
    store.finish();
    // As large again, with one behind it that does not fit beside it.
    store.commit().unwrap();
    store.begin().unwrap();
    for block in first..first + room as u64 {
        let bytes = store.change(block).unwrap();
        assert!(bytes.iter().all(|byte| *byte == block as u8));
        bytes.fill(1);
    }
    store.finish();
    disk.record();
    store.commit().unwrap();
    let (mut again, _) = mount(FaultyDisk::new(disk.image()), &Options::default()).unwrap();
    for block in first..first + room as u64 {
        assert!(again.read(block).unwrap().iter().all(|byte| *byte == 1));
    }
    store.settle().unwrap();
    assert_clean(&disk.image());
}

#[test]
fn a_disk_that_takes_no_writes_is_read() {
    let (disk, mut store, geometry) = small(16);
    let block = free(&geometry, 0);
    store.begin().unwrap();
    store.fresh(block).unwrap().fill(9);
    store.finish();
    let image = disk.image();
    disk.record();
    store.commit().unwrap();
    // Its place does not have it, the journal does.
    let mut cuts = Cuts::new(image, disk.events());
    while cuts.advance() {}
    let cut = FaultyDisk::new(cuts.disk(0).image());
    assert!(cut.image() != disk.image());
    cut.set_read_only(true);
    let (mut store, _) = mount(cut.clone(), &Options::default()).unwrap();
    assert!(store.is_read_only());
    assert!(store.read(block).unwrap().iter().all(|byte| *byte == 9));
    let memory = Window::new(vec![0; 1024]);
    store.read_run(block, 1, &memory, 0).unwrap();
    assert!(memory.0.borrow().iter().all(|byte| *byte == 9));
    assert_eq!(store.begin(), Err(Error::ReadOnly));
    assert_eq!(store.change(block).err(), Some(Error::ReadOnly));
    assert_eq!(store.fresh_data(block).err(), Some(Error::ReadOnly));
    assert_eq!(store.write_run(block, 1, &memory, 0), Err(Error::ReadOnly));
    store.settle().unwrap();

    // By choice, too; then nothing is written.
    cut.set_read_only(false);
    let before = cut.image();
    let options = Options {
        read_only: true,
        ..Options::default()
    };
    let (mut store, _) = mount(cut.clone(), &options).unwrap();
    assert!(store.read(block).unwrap().iter().all(|byte| *byte == 9));
    assert!(cut.image() == before);
    // And it can be recovered still.
    let (mut store, _) = mount(cut.clone(), &Options::default()).unwrap();
    assert!(store.read(block).unwrap().iter().all(|byte| *byte == 9));
    let mut disk = store.into_disk();
    let mut bytes = [0; 1024];
    disk.read(2 * block, &mut bytes).unwrap();
    assert_eq!(bytes, [9; 1024]);
    assert_clean(&cut.image());
}

/// Nothing in the log looks like its own blocks but those.
#[test]
fn what_looks_like_the_journals_own_is_escaped() {
    let (disk, mut store, geometry) = small(16);
    let magic = 0xc03b_3998_u32.to_be_bytes();
    let blocks = [0, 2, 4].map(|number| free(&geometry, number));
    store.begin().unwrap();
    for block in blocks {
        store.fresh(block).unwrap()[..4].copy_from_slice(&magic);
    }
    store.finish();
    let image = disk.image();
    disk.record();
    store.commit().unwrap();
    let mut cuts = Cuts::new(image, disk.events());
    while cuts.advance() {}
    let image = cuts.disk(0).image();
    let count = image.chunks(1024).filter(|block| block.starts_with(&magic));
    // The superblock, a descriptor, and the commit block; and no block is in its place yet.
    assert_eq!(count.count(), 3);
    let (mut store, _) = mount(FaultyDisk::new(image), &Options::default()).unwrap();
    for block in blocks {
        assert!(store.read(block).unwrap().starts_with(&magic));
    }
}
