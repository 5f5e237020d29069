// SPDX-License-Identifier: BSD-2-Clause
//! Clients and services that mean harm to the other side.

use std::vec;

use super::{
    wire::{CANCEL, Header, REFUSED, REPLY, WELCOME},
    *,
};
use crate::{
    channel::{ReadError, WriteError},
    task::spawn,
};

fn frame(kind: u32, id: u32, body: &[u8]) -> Vec<u8> {
    let header = Header {
        kind,
        id,
        extra: u64::MAX,
    };
    [&header.to_bytes(), body].concat()
}

/// The frames that are there, but for the welcome.
fn frames(reader: &mut Reader) -> Vec<Header> {
    let mut all = vec![];
    while let Ok(Some(frame)) = reader.try_borrow() {
        let (header, _) = Header::of(&frame.to_vec()).unwrap();
        if header.kind != WELCOME {
            all.push(header);
        }
    }
    all
}

#[test]
fn what_is_no_request_is_refused_and_the_connection_stays() {
    let scene = Scene::new(Limits::default(), square);
    let (mut writer, mut reader, _) = scene.raw_client(3);
    block_on(async {
        for body in [&[][..], &[0x80], &[0, 0], &[0xff; 6]] {
            writer.send(&frame(REQUEST, 5, body)).await.unwrap();
        }
        writer.send(&frame(CANCEL, 77, b"what?")).await.unwrap();
        writer.send(&frame(REQUEST, 6, &[0])).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        let kinds: Vec<_> = frames(&mut reader)
            .into_iter()
            .map(|header| (header.kind, header.id))
            .collect();
        let mut expected = vec![(REFUSED, 5); 4];
        expected.push((REPLY, 6));
        assert_eq!(kinds, expected);
    });
}

#[test]
fn who_speaks_another_protocol_is_thrown_out_alone() {
    for rubbish in [&b""[..], b"short", &[0; 16], &[0xff; 64]] {
        let scene = Scene::new(Limits::default(), square);
        let (mut writer, mut reader, _) = scene.raw_client(3);
        let client = scene.client(2);
        block_on(async {
            writer.send(rubbish).await.unwrap();
            sleep(Duration::from_millis(1)).await;
            assert_eq!(scene.hall.count(), 1);
            frames(&mut reader);
            assert_eq!(reader.try_borrow().map(drop), Err(ReadError::Closed));
            assert_eq!(client.call(&2).await, Ok(4));
        });
    }
}

#[test]
fn who_reads_no_replies_waits_for_itself() {
    let limits = Limits {
        calls: 8,
        ..Limits::default()
    };
    let scene = Scene::new(limits, square);
    let (mut writer, mut reader, _) = scene.raw_client(3);
    let client = scene.client(2);
    block_on(async {
        let mut sent = 0;
        loop {
            match writer.try_send(&frame(REQUEST, sent, &[(sent % 3) as u8])) {
                Ok(()) => sent += 1,
                Err(WriteError::Full) => {
                    let before = sent;
                    assert_eq!(client.call(&4).await, Ok(16));
                    if writer.try_reserve(20).is_err() {
                        assert!(before > 100);
                        break;
                    }
                }
                Err(other) => panic!("{other}"),
            }
        }
        // It reads, and all that it asked is answered.
        let mut answers = 0;
        while answers < sent {
            match frames(&mut reader).len() {
                0 => sleep(Duration::from_millis(1)).await,
                some => answers += some as u32,
            }
        }
        assert_eq!(answers, sent);
    });
}

#[test]
fn more_calls_than_allowed_are_refused() {
    let limits = Limits {
        calls: 2,
        ..Limits::default()
    };
    let scene = Scene::new(limits, square);
    let (mut writer, mut reader, _) = scene.raw_client(3);
    block_on(async {
        for id in 0..5 {
            // The same number twice is nobody's problem but the client's.
            writer.send(&frame(REQUEST, id / 2, &[10])).await.unwrap();
        }
        sleep(Duration::from_millis(1)).await;
        let refused = frames(&mut reader);
        assert_eq!(refused.len(), 3);
        assert!(refused.iter().all(|header| header.kind == REFUSED));
        sleep(Duration::from_millis(20)).await;
        assert_eq!(frames(&mut reader).len(), 2);
    });
}

/// A client whose service is this test.
fn client_of(world: &World) -> (Client<u32, u64>, Reader, Writer) {
    let region = world.region(PAGE);
    let owned = Owned(Region::from_handle(world.handle(region, 2)));
    let place = world.place(region, 2);
    let link = Link::over(&place, owned, Pid(SERVICE), "client").unwrap();
    let place = world.place(region, SERVICE);
    let (half, config) = layout(PAGE);
    let requests = place.channel(0, half, Some(&config)).unwrap();
    let replies = place.channel(half, half, Some(&config)).unwrap();
    let reader = requests.reader(Strength::Strong, "").unwrap();
    let writer = replies.writer(Strength::Strong, "").unwrap();
    (Client::over(link, 4), reader, writer)
}

#[test]
fn a_service_that_writes_nonsense_hurts_only_its_clients_calls() {
    let world = World::new();
    let (client, mut reader, mut writer) = client_of(&world);
    block_on(async {
        let ask = || {
            let client = client.clone();
            spawn(async move { client.call(&1).await })
        };
        let mut serve = async |answer: &dyn Fn(u32) -> Vec<Vec<u8>>| {
            let asked = reader.borrow().await.unwrap().to_vec();
            let (header, _) = Header::of(&asked).unwrap();
            for frame in answer(header.id) {
                writer.send(&frame).await.unwrap();
            }
        };
        for (kind, body, expected) in [
            (REPLY, &[1][..], Ok(1)),
            (REPLY, &[], Err(CallError::Undecodable)),
            (REPLY, &[1, 2], Err(CallError::Undecodable)),
            (0, &[1], Err(CallError::Undecodable)),
            (WELCOME, &[1], Err(CallError::Undecodable)),
            (
                REFUSED,
                &[],
                Err(CallError::Refused(Refusal::Other(u32::MAX))),
            ),
        ] {
            let call = ask();
            // Before it, replies that nobody waits for.
            serve(&|id| {
                let mut all: Vec<_> = (0..20).map(|n| frame(REPLY, id ^ (1 << n), &[9])).collect();
                all.push(frame(kind, id, body));
                all.push(frame(REPLY, id, &[3]));
                all
            })
            .await;
            assert_eq!(call.await, Ok(expected));
        }
        let call = ask();
        serve(&|_| vec![b"short".to_vec()]).await;
        assert_eq!(call.await, Ok(Err(CallError::Disconnected)));
    });
}

#[test]
fn a_service_that_never_stops_writing_lets_other_tasks_run() {
    let world = World::new();
    let (client, _reader, mut writer) = client_of(&world);
    let stop = Rc::new(Cell::new(false));
    let until = stop.clone();
    block_on(async move {
        let call = spawn(async move { client.call(&1).await });
        let flood = spawn(async move {
            let mut count = 0u32;
            while !until.get() {
                writer.send(&frame(REPLY, 0x55, &[1])).await.unwrap();
                count += 1;
                crate::task::yield_now().await;
            }
            count
        });
        for _ in 0..1000 {
            crate::task::yield_now().await;
        }
        assert!(!call.is_finished());
        stop.set(true);
        assert!(flood.await.unwrap() > 500);
    });
}

#[test]
fn a_full_pipe_of_requests_is_no_deadlock() {
    // The service reads nothing until the client has read what fills the pipe of replies.
    let world = World::new();
    let (client, mut reader, mut writer) = client_of(&world);
    block_on(async {
        // Requests that were given up fill their pipe.
        while reader_room(&client).await {}
        while writer.try_send(&frame(REPLY, 0xbad0_0000, &[1])).is_ok() {}
        let last = client.clone();
        let last = spawn(async move { last.call(&7).await });
        let mut answered = false;
        while !answered {
            let asked = reader.borrow().await.unwrap().to_vec();
            let (header, body) = Header::of(&asked).unwrap();
            answered = header.kind == REQUEST && body == [7];
            writer.send(&frame(REPLY, header.id, &[49])).await.unwrap();
        }
        assert_eq!(last.await, Ok(Ok(49)));
    });
}

/// Whether one more call, given up at once, found room.
async fn reader_room(client: &Client<u32, u64>) -> bool {
    let mut call = Box::pin(client.call(&1));
    core::future::poll_fn(|cx| {
        let _ = call.as_mut().poll(cx);
        core::task::Poll::Ready(())
    })
    .await;
    let sent = call.is_sent();
    drop(call);
    sent
}
