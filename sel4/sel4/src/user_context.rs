// SPDX-License-Identifier: BSD-2-Clause
//! A thread's registers.

use crate::{Word, sys};

/// The registers that `tcb_read_registers` and `tcb_write_registers` exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserContext(sys::seL4_UserContext);

/// Number of words.
pub(crate) const REGISTERS: usize = size_of::<sys::seL4_UserContext>() / size_of::<Word>();

macro_rules! named {
    ($($name:ident $name_mut:ident: $doc:literal;)*) => {
        $(
            #[doc = $doc]
            pub const fn $name(&self) -> &Word {
                &self.0.$name
            }

            #[doc = $doc]
            pub const fn $name_mut(&mut self) -> &mut Word {
                &mut self.0.$name
            }
        )*
    };
}

macro_rules! general {
    ($($index:literal $register:ident)*) => {
        /// General register `ix`, 0 to 30.
        ///
        /// # Panics
        /// For other numbers.
        pub const fn gpr(&self, ix: usize) -> &Word {
            match ix {
                $($index => &self.0.$register,)*
                _ => panic!("no such register"),
            }
        }

        /// General register `ix`, 0 to 30.
        ///
        /// # Panics
        /// For other numbers.
        pub const fn gpr_mut(&mut self, ix: usize) -> &mut Word {
            match ix {
                $($index => &mut self.0.$register,)*
                _ => panic!("no such register"),
            }
        }
    };
}

impl UserContext {
    named! {
        pc pc_mut: "Where the thread goes on.";
        sp sp_mut: "Stack pointer.";
        spsr spsr_mut: "Saved program status; the kernel keeps the mode bits to itself.";
    }

    general! {
        0 x0 1 x1 2 x2 3 x3 4 x4 5 x5 6 x6 7 x7 8 x8 9 x9 10 x10 11 x11 12 x12 13 x13 14 x14 15 x15
        16 x16 17 x17 18 x18 19 x19 20 x20 21 x21 22 x22 23 x23 24 x24 25 x25 26 x26 27 x27 28 x28
        29 x29 30 x30
    }

    /// Parameter `ix` of a C function, 0 to 7.
    ///
    /// # Panics
    /// For other numbers.
    pub const fn c_param(&self, ix: usize) -> &Word {
        assert!(ix < 8, "no such parameter register");
        self.gpr(ix)
    }

    /// Parameter `ix` of a C function, 0 to 7.
    ///
    /// # Panics
    /// For other numbers.
    pub const fn c_param_mut(&mut self, ix: usize) -> &mut Word {
        assert!(ix < 8, "no such parameter register");
        self.gpr_mut(ix)
    }

    /// The kernel's form.
    pub const fn inner(&self) -> &sys::seL4_UserContext {
        &self.0
    }

    /// The kernel's form.
    pub const fn inner_mut(&mut self) -> &mut sys::seL4_UserContext {
        &mut self.0
    }

    pub(crate) const fn from_inner(inner: sys::seL4_UserContext) -> Self {
        Self(inner)
    }
}
