// SPDX-License-Identifier: BSD-2-Clause
//! A PL011 that does what its manual says, and a line with somebody at the other end.

use std::{cell::RefCell, collections::VecDeque, rc::Rc, vec::Vec};

use super::{
    ALL, Access, CR, CR_ON, DR, FIFO, FR, FR_BUSY, FR_RXFE, FR_TXFE, FR_TXFF, ICR, IFLS, IMSC,
    LCR_H, LCR_H_FEN, OE, PERIPH_ID, RT, RX, TX,
};

#[derive(Default)]
pub struct State {
    received: VecDeque<u32>,
    sending: VecDeque<u8>,
    /// What came out at the other end.
    pub line: Vec<u8>,
    pub control: u32,
    pub line_control: u32,
    pub mask: u32,
    raised: u32,
    lost: bool,
    /// What it says it is.
    pub id: u32,
    /// Reads of the flags for which it is busy.
    pub busy: u32,
    pub acknowledged: u32,
}

/// Clones are the same device.
#[derive(Clone)]
pub struct Fake(pub Rc<RefCell<State>>);

impl Fake {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(State {
            id: 0x011,
            line_control: 0x60,
            ..State::default()
        })))
    }

    /// A byte arrives, with these error bits.
    pub fn arrive(&self, data: u32) {
        let mut state = self.0.borrow_mut();
        if state.received.len() == FIFO {
            state.lost = true;
            state.raised |= OE;
            return;
        }
        let overrun = if std::mem::take(&mut state.lost) {
            1 << 11
        } else {
            0
        };
        state.received.push_back(data | overrun);
        if state.received.len() == FIFO / 8 {
            state.raised |= RX;
        }
        // The line is silent for a while.
        state.raised |= RT;
    }

    /// So many bytes go out.
    pub fn transmit(&self, count: usize) {
        let mut state = self.0.borrow_mut();
        for _ in 0..count {
            let Some(byte) = state.sending.pop_front() else {
                break;
            };
            state.line.push(byte);
            if state.sending.len() == FIFO / 8 {
                state.raised |= TX;
            }
        }
    }

    pub fn interrupts(&self) -> bool {
        let state = self.0.borrow();
        state.raised & state.mask != 0
    }
}

impl Access for Fake {
    fn read(&self, offset: u32) -> Result<u32, userland::Error> {
        let mut state = self.0.borrow_mut();
        Ok(match offset {
            DR => {
                let data = state.received.pop_front().unwrap_or(0);
                if state.received.len() < FIFO / 8 {
                    state.raised &= !(RX | RT);
                }
                data
            }
            FR => {
                let mut flags = 0;
                let busy = !state.sending.is_empty() || state.busy > 0;
                state.busy = state.busy.saturating_sub(1);
                for (flag, is_set) in [
                    (FR_BUSY, busy),
                    (FR_RXFE, state.received.is_empty()),
                    (FR_TXFF, state.sending.len() == FIFO),
                    (FR_TXFE, state.sending.is_empty()),
                ] {
                    flags |= if is_set { flag } else { 0 };
                }
                flags
            }
            LCR_H => state.line_control,
            _ if offset == PERIPH_ID[0] => state.id & 0xff,
            _ if offset == PERIPH_ID[1] => 0x10 | state.id >> 8,
            _ => panic!("reads {offset:#x}"),
        })
    }

    fn write(&self, offset: u32, value: u32) -> Result<(), userland::Error> {
        let mut state = self.0.borrow_mut();
        match offset {
            DR => {
                assert_eq!(state.control & CR_ON, CR_ON, "it is off");
                assert!(state.sending.len() < FIFO, "there is no room");
                state.sending.push_back(value as u8);
            }
            LCR_H => {
                assert_eq!(state.control & 1, 0, "it is on");
                assert_eq!(value, 0x60 | LCR_H_FEN, "eight bits, as before, and FIFOs");
                if state.line_control != value {
                    state.received.clear();
                }
                state.line_control = value;
            }
            CR => {
                assert!(state.sending.is_empty(), "what it was to send is lost");
                state.control = value;
            }
            IFLS => assert_eq!(value, 0),
            IMSC => state.mask = value & ALL,
            ICR => state.raised &= !value,
            _ => panic!("writes {offset:#x}"),
        }
        Ok(())
    }

    fn acknowledge(&self) -> Result<(), userland::Error> {
        self.0.borrow_mut().acknowledged += 1;
        Ok(())
    }
}
