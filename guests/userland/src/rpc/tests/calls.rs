// SPDX-License-Identifier: BSD-2-Clause
//! What good clients meet.

use core::pin::pin;

use super::*;
use crate::{
    future::{join, join_array, select},
    task::spawn,
    time::Instant,
};

#[test]
fn replies_come_to_those_who_asked_in_whatever_order() {
    let scene = Scene::new(Limits::default(), square);
    let client = scene.client(2);
    let order = Rc::new(RefCell::new(Vec::new()));
    let numbers = [30, 10, 0, 20];
    let answers = block_on(join_array(numbers.map(|number| {
        let (client, order) = (client.clone(), order.clone());
        async move {
            let answer = client.call(&number).await;
            order.borrow_mut().push(number);
            answer
        }
    })));
    assert_eq!(answers, [Ok(900), Ok(100), Ok(0), Ok(400)]);
    assert_eq!(*order.borrow(), [0, 10, 20, 30]);
}

#[test]
fn tasks_share_a_client() {
    let scene = Scene::new(Limits::default(), square);
    let client = scene.client(2);
    let sum = block_on(async {
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let client = client.clone();
                spawn(async move { client.call(&(number % 7)).await.unwrap() })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert_eq!(sum, (0..50).map(|n| (n % 7) * (n % 7)).sum());
}

#[test]
fn a_call_takes_one_ring_each_way() {
    let scene = Scene::new(Limits::default(), square);
    let client = scene.client(2);
    block_on(async {
        for _ in 0..3 {
            client.call(&0).await.unwrap();
        }
        let before = scene.world.rings.get();
        for _ in 0..100 {
            client.call(&0).await.unwrap();
        }
        assert_eq!(scene.world.rings.get() - before, 200);
    });
}

#[test]
fn what_is_dropped_is_dropped_by_the_service() {
    struct Work(Rc<Cell<u32>>);
    impl Drop for Work {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let running = Rc::new(Cell::new(0));
    let counter = running.clone();
    let scene = Scene::new(Limits::default(), move |number, caller| {
        counter.set(counter.get() + 1);
        let work = Work(counter.clone());
        async move {
            let answer = square(number, caller).await;
            drop(work);
            answer
        }
    });
    let client = scene.client(2);
    block_on(async {
        let mut slow = pin!(client.call(&1000));
        select(&mut slow, sleep(Duration::from_millis(1))).await;
        assert_eq!(running.get(), 1);
        // The leader goes; another has to see the reply.
        let other = client.clone();
        let other = spawn(async move { other.call(&500).await });
        sleep(Duration::from_millis(1)).await;
        assert_eq!(running.get(), 2);
        let given_up = client.call(&900).within(Duration::from_millis(5)).await;
        assert_eq!(given_up, Err(CallError::TimedOut));
        slow.set(client.call(&1));
        assert_eq!(slow.await, Ok(1));
        assert_eq!(running.get(), 1);
        assert_eq!(other.await, Ok(Ok(250_000)));
        assert_eq!(running.get(), 0);
    });
}

#[test]
fn the_service_knows_the_deadline() {
    let scene = Scene::new(Limits::default(), |_, caller: Caller| async move {
        Some(caller.deadline().nanoseconds())
    });
    let client = scene.client(2);
    let (mut writer, mut reader, _) = scene.raw_client(3);
    block_on(async {
        assert_eq!(client.call(&0).await, Ok(u64::MAX));
        let by = Instant::from_nanoseconds(5);
        assert_eq!(client.call(&0).by(by).await, Ok(5));
        // One that is late.
        sleep(Duration::from_millis(1)).await;
        let mut request = wire::Header {
            kind: REQUEST,
            id: 9,
            extra: 1,
        }
        .to_bytes()
        .to_vec();
        request.push(0);
        writer.send(&request).await.unwrap();
        drop(reader.borrow().await.unwrap());
        let frame = reader.borrow().await.unwrap().to_vec();
        let (header, _) = wire::Header::of(&frame).unwrap();
        assert_eq!((header.kind, header.id), (wire::REFUSED, 9));
        assert_eq!(header.extra, Refusal::Late.number().into());
    });
}

#[test]
fn no_more_calls_run_than_the_limit_says_and_all_are_answered() {
    let running = Rc::new(Cell::new((0, 0)));
    let counter = running.clone();
    let limits = Limits {
        calls: 3,
        ..Limits::default()
    };
    let scene = Scene::new(limits, move |number, caller| {
        let counter = counter.clone();
        async move {
            let (now, most) = counter.get();
            counter.set((now + 1, most.max(now + 1)));
            let answer = square(number, caller).await;
            let (now, most) = counter.get();
            counter.set((now - 1, most));
            answer
        }
    });
    let client = scene.client(2);
    block_on(async {
        let calls = core::array::from_fn::<_, 20, _>(|n| {
            let client = client.clone();
            async move { client.call(&(n as u32 % 5)).await }
        });
        // One that is dropped while it waits for its turn.
        let mut waiting = Box::pin(client.call(&1));
        let answers = join(
            join_array(calls),
            select(&mut waiting, sleep(Duration::from_millis(1))),
        );
        let (answers, _) = answers.await;
        drop(waiting);
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok((n as u64 % 5).pow(2)));
        }
    });
    assert_eq!(running.get(), (0, 3));
}

#[test]
fn connections_are_bounded_and_free_again_when_clients_go() {
    let limits = Limits {
        connections: 3,
        per_process: 2,
        ..Limits::default()
    };
    let scene = Scene::new(limits, square);
    let busy = Err(ConnectError::Refused(Refusal::Busy));
    let one = scene.client(2);
    let two = scene.client(2);
    assert_eq!(scene.try_client(2).map(drop), busy);
    let three = scene.client(3);
    assert_eq!(scene.try_client(4).map(drop), busy);
    block_on(async {
        for client in [&one, &two, &three] {
            assert_eq!(client.call(&1).await, Ok(1));
        }
        drop(two);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(scene.hall.count(), 2);
        // A client that ends without a word.
        core::mem::forget(three);
        scene.world.kill(3);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(scene.hall.count(), 1);
        assert_eq!(scene.client(4).call(&3).await, Ok(9));
    });
}

#[test]
fn the_service_learns_who_has_left() {
    let gone = Rc::new(RefCell::new(Vec::new()));
    let left = gone.clone();
    let scene = Scene::new(Limits::default(), move |number, caller: Caller| {
        let (left, pid) = (left.clone(), caller.pid().0);
        let leaves = caller.left();
        spawn(async move {
            leaves.await;
            left.borrow_mut().push(pid);
        });
        square(number, caller)
    });
    let clients = [2, 3, 4].map(|pid| scene.client(pid));
    block_on(async {
        for client in &clients {
            assert_eq!(client.call(&2).await, Ok(4));
        }
        let [one, two, three] = clients;
        drop(one);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*gone.borrow(), [2]);
        core::mem::forget(two);
        scene.world.kill(3);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*gone.borrow(), [2, 3]);
        scene.hall.close_all();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(*gone.borrow(), [2, 3, 4]);
        drop(three);
    });
}

#[test]
fn the_end_of_the_service_is_the_end_of_its_calls() {
    for dies in [false, true] {
        let scene = Scene::new(Limits::default(), square);
        let client = scene.client(2);
        block_on(async {
            let tasks = [1000, 2000].map(|number| {
                let client = client.clone();
                spawn(async move { client.call(&number).await })
            });
            sleep(Duration::from_millis(5)).await;
            if dies {
                scene.world.kill(SERVICE);
            } else {
                scene.hall.close_all();
            }
            for task in tasks {
                assert_eq!(task.await, Ok(Err(CallError::Disconnected)));
            }
            assert!(!client.is_connected());
            assert_eq!(client.call(&1).await, Err(CallError::Disconnected));
        });
    }
}

#[test]
fn requests_as_values() {
    let kept = Rc::new(RefCell::new(None));
    let mut requests = Requests::<u32, u64>::new(|handler| {
        *kept.borrow_mut() = Some(handler);
        spawn(core::future::pending())
    });
    let handler = kept.take().unwrap();
    let scene = Scene::new(Limits::default(), move |number, caller| {
        handler.take(number, caller)
    });
    let client = scene.client(2);
    block_on(async {
        let numbers = [1, 2, 3, 4];
        let calls = numbers.map(|number| {
            let client = client.clone();
            spawn(async move {
                let call = client.call(&number);
                call.within(Duration::from_millis(10)).await
            })
        });
        let one = requests.next().await.unwrap();
        assert_eq!((*one.value(), one.caller().name()), (1, "client"));
        drop(requests.next().await.unwrap());
        let three = requests.next().await.unwrap();
        three.reply(9);
        one.reply(1);
        let four = requests.next().await.unwrap();
        assert!(!four.is_cancelled());
        four.cancelled().await;
        assert!(four.is_cancelled());
        four.reply(16);
        let expected = [
            Ok(1),
            Err(CallError::Refused(Refusal::Dropped)),
            Ok(9),
            Err(CallError::TimedOut),
        ];
        for (call, expected) in calls.into_iter().zip(expected) {
            assert_eq!(call.await, Ok(expected));
        }
        // One that is cancelled before anybody has seen it is left out.
        let gone = client.call(&5).within(Duration::from_millis(1)).await;
        assert_eq!(gone, Err(CallError::TimedOut));
        sleep(Duration::from_millis(1)).await;
        let six = client.clone();
        let six = spawn(async move { six.call(&6).await });
        let request = requests.next().await.unwrap();
        assert_eq!(*request.value(), 6);
        request.reply(36);
        assert_eq!(six.await, Ok(Ok(36)));
    });
}

#[test]
fn who_loses_the_door_loses_what_came_through_it() {
    let scene = Scene::new(Limits::default(), square);
    let door = scene.world.region(PAGE);
    scene.door.set(Some(door));
    let (client, other) = (scene.client(2), scene.client(3));
    block_on(async {
        assert_eq!(client.call(&0).await, Ok(0));
        let waiting = spawn({
            let client = client.clone();
            async move { client.call(&100_000).await }
        });
        sleep(Duration::from_millis(1)).await;
        assert_eq!(scene.hall.count(), 2);
        Region::from_handle(scene.world.handle(door, 2))
            .close()
            .unwrap();
        scene.hall.sweep();
        assert_eq!(waiting.await, Ok(Err(CallError::Disconnected)));
        assert_eq!(client.call(&0).await, Err(CallError::Disconnected));
        assert_eq!(scene.hall.count(), 1);
        assert_eq!(other.call(&3).await, Ok(9));
    });
}
