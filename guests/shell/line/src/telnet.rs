// SPDX-License-Identifier: BSD-2-Clause
//! Telnet (RFC 854), as much of it as a terminal behind a TCP connection needs: it is asked to send each key at once
//! and to leave the echo to this side (RFC 857, 858), and to say how wide it is (RFC 1073). A client that knows nothing
//! of it, such as nc, shows a few odd characters at the begin.

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;
const IAC: u8 = 255;
const ECHO: u8 = 1;
const NO_GO_AHEAD: u8 = 3;
const WINDOW_SIZE: u8 = 31;

/// What is said first.
pub const GREETING: [u8; 9] = [
    IAC,
    WILL,
    ECHO,
    IAC,
    WILL,
    NO_GO_AHEAD,
    IAC,
    DO,
    WINDOW_SIZE,
];

/// Something that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A byte that was typed.
    Byte(u8),
    /// The terminal has so many columns and rows.
    Size(u16, u16),
}

/// Sorts what comes.
#[derive(Clone, Debug, Default)]
pub struct Telnet {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Data,
    Command,
    Option,
    /// In a description: of what, how many bytes of it there were, the first four, and whether the last was `IAC`.
    Within {
        option: Option<u8>,
        len: u8,
        bytes: [u8; 4],
        escaped: bool,
    },
}

impl Telnet {
    /// Before the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a byte of the connection.
    pub fn push(&mut self, byte: u8) -> Option<Heard> {
        match core::mem::take(&mut self.state) {
            State::Data if byte == IAC => self.state = State::Command,
            State::Data => return Some(Heard::Byte(byte)),
            State::Command => match byte {
                IAC => return Some(Heard::Byte(IAC)),
                WILL | WONT | DO | DONT => self.state = State::Option,
                SB => {
                    self.state = State::Within {
                        option: None,
                        len: 0,
                        bytes: [0; 4],
                        escaped: false,
                    };
                }
                _ => {}
            },
            // Agreed or not: there is nothing to be done about it.
            State::Option => {}
            State::Within {
                option,
                len,
                bytes,
                escaped: false,
            } if byte == IAC => {
                self.state = State::Within {
                    option,
                    len,
                    bytes,
                    escaped: true,
                };
            }
            State::Within {
                option,
                len,
                bytes: [w1, w0, h1, h0],
                escaped: true,
            } if byte == SE => {
                let is_size = option == Some(WINDOW_SIZE) && len == 4;
                return is_size.then(|| {
                    Heard::Size(u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]))
                });
            }
            State::Within {
                option,
                len,
                mut bytes,
                ..
            } => {
                let (option, len) = match option {
                    None => (byte, 0),
                    Some(option) => {
                        if let Some(place) = bytes.get_mut(usize::from(len)) {
                            *place = byte;
                        }
                        (option, len.saturating_add(1))
                    }
                };
                self.state = State::Within {
                    option: Some(option),
                    len,
                    bytes,
                    escaped: false,
                };
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn heard(bytes: &[u8]) -> Vec<Heard> {
        let mut telnet = Telnet::new();
        bytes.iter().filter_map(|b| telnet.push(*b)).collect()
    }

    #[test]
    fn commands_are_no_input() {
        let bytes = b"l\xff\xfd\x01s\xff\xfb\x1f\xff\xfa\x1f\x00\x64\x00\xff\xff\xff\xf0\r\xff\xff";
        assert_eq!(
            heard(bytes),
            [
                Heard::Byte(b'l'),
                Heard::Byte(b's'),
                Heard::Size(100, 255),
                Heard::Byte(b'\r'),
                Heard::Byte(255),
            ]
        );
        // A size that is none, and a description of something else.
        assert_eq!(heard(b"\xff\xfa\x1f\x00\x64\xff\xf0"), []);
        assert_eq!(
            heard(b"\xff\xfa\x18\x00vt100\xff\xf0x"),
            [Heard::Byte(b'x')]
        );
    }

    proptest! {
        #[test]
        fn no_byte_is_made_up(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            prop_assert!(heard(&bytes).len() <= bytes.len());
        }
    }
}
