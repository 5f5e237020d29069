// SPDX-License-Identifier: BSD-2-Clause

use super::*;

#[test]
fn the_longest_messages_fit() {
    let name: Name = core::iter::repeat_n('n', 32).collect();
    let member = Member {
        name: name.clone(),
        depth: u8::MAX,
        what: What::Group {
            strategy: Strategy::RestForOne,
            most: u16::MAX,
            within_ms: u32::MAX,
        },
        restart: Restart::Temporary,
        condition: Condition::GivenUp,
        restarts: u32::MAX,
        last_end: core::iter::repeat_n('t', 96).collect(),
    };
    let answer: Answer = Ok(Reply::Members(
        core::iter::repeat_n(member, MAX_PAGE).collect(),
    ));
    let mut bytes = [0; MAX_MESSAGE as usize];
    let bytes = postcard::to_slice(&answer, &mut bytes).unwrap();
    assert_eq!(postcard::from_bytes::<Answer>(bytes).unwrap(), answer);
    let request = Request::Give {
        member: name.clone(),
        slot: name,
        token: [0xff; 16],
        rights: Rights::ALL,
    };
    let mut bytes = [0; MAX_MESSAGE as usize];
    let bytes = postcard::to_slice(&request, &mut bytes).unwrap();
    assert_eq!(postcard::from_bytes::<Request>(bytes).unwrap(), request);
}

#[test]
fn numbers_of_errors_are_distinct_and_read_back() {
    for (n, &error) in Error::ALL.iter().enumerate() {
        assert_eq!(Error::from_number(error.number()), error);
        assert_eq!(error.number() as usize, n + 1);
    }
    assert_eq!(Error::from_number(0), Error::Other(0));
}
