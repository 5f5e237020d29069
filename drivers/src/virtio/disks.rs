// SPDX-License-Identifier: BSD-2-Clause
//! The driver of disks, and disks that are made up.

use alloc::{rc::Rc, vec, vec::Vec};

use proptest::prelude::*;
use userland::{Error as Refusal, time::Instant};

use super::{
    fake::Fake,
    requests::{Data, Kind, MOST, Requests},
};
use crate::{
    Error,
    blk::{Disk, SECTOR},
};

const READ_ONLY: u64 = 1 << 5;
const FLUSH: u64 = 1 << 9;

fn disk(sectors: u64) -> (Fake, Disk<Fake>) {
    let fake = Fake::disk(sectors, FLUSH);
    let disk = Disk::new(fake.clone()).unwrap();
    (fake, disk)
}

fn sector(disk: &mut Disk<Fake>, number: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; SECTOR];
    disk.read(number, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn what_is_written_is_read() {
    let (fake, mut disk) = disk(2048);
    assert_eq!((disk.sectors(), disk.is_read_only()), (2048, false));
    assert_eq!(sector(&mut disk, 7), Ok(vec![7; SECTOR]));
    disk.write(7, &[0xaa; 2 * SECTOR]).unwrap();
    assert_eq!(sector(&mut disk, 8), Ok(vec![0xaa; SECTOR]));
    assert_eq!(sector(&mut disk, 9), Ok(vec![9; SECTOR]));
    disk.flush().unwrap();
    assert_eq!(fake.0.borrow().flushes, 1);
    // Longer than a request can be.
    let long: Vec<u8> = (0..MOST + SECTOR).map(|at| (at / 3) as u8).collect();
    disk.write(100, &long).unwrap();
    let mut read = vec![0; long.len()];
    disk.read(100, &mut read).unwrap();
    assert_eq!(read, long);
    assert_eq!(sector(&mut disk, 99), Ok(vec![99; SECTOR]));
}

#[test]
fn windows_are_read_and_written_where_they_are() {
    let fake = Fake::disk(64, 0);
    let mut requests = Requests::new(Rc::new(fake.clone())).unwrap();
    let memory = vec![0x11_u8; 3 * SECTOR].leak();
    let address = memory.as_mut_ptr().expose_provenance();
    let mut ask = |kind, sector, address, len| {
        requests.request(kind, sector, Data::Window(address, len), Instant::NEVER)
    };
    assert_eq!(ask(Kind::Read, 5, address + SECTOR, SECTOR), Ok(0));
    assert_eq!(
        (memory[0], memory[SECTOR], memory[2 * SECTOR]),
        (0x11, 5, 0x11)
    );
    assert_eq!(ask(Kind::Write, 9, address, 2 * SECTOR), Ok(0));
    let state = fake.0.borrow();
    let sectors: Vec<_> = (8..12).map(|sector| state.disk[sector * SECTOR]).collect();
    assert_eq!(sectors, [8, 0x11, 5, 11]);
    drop(state);
    assert!(ask(Kind::Read, 0, address, MOST + 1).is_err());
}

#[test]
fn what_there_is_not_is_refused_before_the_device_is_asked() {
    let (fake, mut disk) = disk(8);
    let kicks = fake.0.borrow().kicks.len();
    assert_eq!(sector(&mut disk, 8), Err(Error::OutOfRange));
    assert_eq!(sector(&mut disk, u64::MAX), Err(Error::OutOfRange));
    for len in [0, 1, SECTOR + 1, 9 * SECTOR] {
        assert_eq!(disk.read(0, &mut vec![0; len]), Err(Error::OutOfRange));
        assert_eq!(disk.write(0, &vec![0; len]), Err(Error::OutOfRange));
    }
    assert_eq!(fake.0.borrow().kicks.len(), kicks);
    let mut disk = Disk::new(Fake::disk(8, READ_ONLY)).unwrap();
    assert!(disk.is_read_only());
    assert_eq!(disk.write(0, &[0; SECTOR]), Err(Error::ReadOnly));
    assert_eq!(sector(&mut disk, 3), Ok(vec![3; SECTOR]));
    // One without a cache is not asked to flush it.
    assert_eq!((disk.has_cache(), disk.flush()), (false, Ok(())));
}

#[test]
fn a_request_that_fails_is_told_and_the_next_one_goes_on() {
    let (fake, mut disk) = disk(8);
    fake.0.borrow_mut().fates = [Some(1), Some(2), Some(77), Some(0)].into();
    assert_eq!(sector(&mut disk, 1), Err(Error::Failed));
    assert_eq!(disk.flush(), Err(Error::Unsupported));
    assert_eq!(disk.write(1, &[0; SECTOR]), Err(Error::Failed));
    assert_eq!(sector(&mut disk, 1), Ok(vec![1; SECTOR]));
    assert_eq!(fake.0.borrow().resets, 1, "when it was set up");
}

#[test]
fn a_device_that_is_lost_is_set_up_anew_and_asked_once_more() {
    // It does not answer.
    let (fake, mut disk) = disk(8);
    fake.0.borrow_mut().fates = [None].into();
    assert_eq!(sector(&mut disk, 1), Ok(vec![1; SECTOR]));
    // Nor the second time; then it does.
    fake.0.borrow_mut().fates = [None, None].into();
    assert_eq!(sector(&mut disk, 1), Err(Error::TimedOut));
    assert_eq!(sector(&mut disk, 2), Ok(vec![2; SECTOR]));
    // It says that it has done what nobody asked for: the server lets nothing of the kind through.
    fake.lie(0, 3, 1);
    assert_eq!(sector(&mut disk, 3), Ok(vec![3; SECTOR]));
    // The server refuses it.
    fake.0.borrow_mut().refuse = Some((0, Refusal::DeviceFailed));
    let refused = Err(Error::Device(Refusal::DeviceFailed));
    assert_eq!(sector(&mut disk, 1), refused);
    fake.0.borrow_mut().refuse = None;
    assert_eq!(sector(&mut disk, 4), Ok(vec![4; SECTOR]));
    assert!(
        fake.0.borrow().queues[0].held.is_empty(),
        "no buffer is left behind"
    );
}

#[test]
fn what_is_no_disk_is_refused() {
    let wrong = Disk::new(Fake::network()).err();
    assert_eq!(wrong, Some(Error::WrongType(1)));
}

proptest! {
    #[test]
    fn a_disk_is_what_was_written(
        steps in prop::collection::vec((0..64_u64, 1..8_usize, any::<u8>(), prop::option::of(0..3_u8)), 1..60),
    ) {
        let (fake, mut disk) = disk(72);
        let mut model = fake.0.borrow().disk.clone();
        for (at, count, byte, fate) in steps {
            let place = at as usize * SECTOR..(at as usize + count) * SECTOR;
            fake.0.borrow_mut().fates = fate.map(|fate| fate.checked_sub(1)).into_iter().collect();
            // `None` is an answer that does not come, which the second attempt makes up for.
            let fails = matches!(fate, Some(2));
            if byte & 1 == 0 {
                let written = disk.write(at, &vec![byte; place.len()]);
                prop_assert_eq!(written.is_err(), fails);
                if written.is_ok() {
                    model[place].fill(byte);
                }
            } else {
                let mut bytes = vec![0; place.len()];
                let read = disk.read(at, &mut bytes);
                prop_assert_eq!(read.is_err(), fails);
                if read.is_ok() {
                    prop_assert_eq!(&bytes, &model[place]);
                }
            }
        }
        prop_assert_eq!(&fake.0.borrow().disk, &model);
    }
}
