// SPDX-License-Identifier: BSD-2-Clause

use super::*;

fn fits<T: Serialize + for<'a> Deserialize<'a> + PartialEq + core::fmt::Debug>(value: &T) {
    let mut bytes = [0; MAX_MESSAGE as usize];
    let bytes = postcard::to_slice(value, &mut bytes).unwrap();
    assert_eq!(&postcard::from_bytes::<T>(bytes).unwrap(), value);
}

#[test]
fn the_longest_messages_fit() {
    let name: Name = core::iter::repeat_n('n', 32).collect();
    let bytes: Bytes = core::iter::repeat_n(0xff, MAX_BYTES).collect();
    fits(&Request::Write {
        bytes: bytes.clone(),
    });
    fits::<Answer>(&Ok(Reply::Input {
        number: u64::MAX,
        bytes,
    }));
    fits::<Answer>(&Ok(Reply::Status(Status {
        foreground: Some(name.clone()),
        clients: core::iter::repeat_n(name.clone(), MAX_CLIENTS).collect(),
        level: Some(Level::Debug),
        process: Some(name),
        lost: u64::MAX,
        device: core::iter::repeat_n('d', 32).collect(),
    })));
}

#[test]
fn numbers_of_errors_are_distinct_and_read_back() {
    for (n, &error) in Error::ALL.iter().enumerate() {
        assert_eq!(Error::from_number(error.number()), error);
        assert_eq!(error.number() as usize, n + 1);
    }
    assert_eq!(Error::from_number(0), Error::Other(0));
}
