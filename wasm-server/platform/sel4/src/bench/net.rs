// SPDX-License-Identifier: BSD-2-Clause
//! What the network costs without guests: a task of native code that drives a network device of its own, with
//! the same driver and the same protocols as the guest `net`, and answers what the benchmark's other end
//! sends: datagrams to the echo port, streams that are discarded, and streams that are generated.
//!
//! It runs beside guests in one machine, whose device the benchmark uses before or after this one. Results
//! are the instructions of the whole machine meanwhile, those of the kernel included.

mod nic;

use alloc::{string::String, vec, vec::Vec};

use capdl::blob::Reader;
use sel4::cap;
use smoltcp::{
    iface::{Config, Interface, PollResult, SocketHandle, SocketSet},
    socket::{tcp, udp},
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr},
};
use wasm_handoff::Handoff;

use super::{
    line,
    native::{self, Device},
};
use crate::{clock, console};
use nic::Nic;

/// The name of the device in the spec.
const DEVICE: &str = "native";
/// Its address; the network is QEMU's.
const ADDRESS: IpAddress = IpAddress::v4(10, 0, 2, 15);
/// Ports of RFC 862, 863 and 864.
const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const GENERATE: u16 = 19;
/// Bytes of a socket's buffers, as the guest has them.
const BUFFER: usize = 64 * 1024;

/// Rounds of an echo before it is measured, and when it is.
const ECHO_WARM_UP: u64 = 100;
const ECHOES: u64 = 1000;
/// KiB of a stream before it is measured, and when it is.
const STREAM_WARM_UP: u64 = 1024;
const STREAM: u64 = 8 * 1024;

/// Starts the task if the spec has a device for it.
///
/// # Errors
/// What is missing, for people.
pub fn start(pool: cap::Untyped, spec: &Reader<'_>, handoff: &Handoff) -> Result<(), String> {
    native::start(pool, spec, handoff, DEVICE, task)
}

extern "C" fn task(argument: usize) -> ! {
    // SAFETY: the argument of a task, which it has for itself.
    let device = unsafe { native::begin(argument) };
    match nic::open(device.registers) {
        Ok(nic) => serve(&device, nic),
        Err(error) => console::line(format_args!("native network: {error}")),
    }
    device.rest()
}

fn now() -> Instant {
    Instant::from_micros((clock::now() / 1000) as i64)
}

/// A figure that is taken once so much has gone by.
struct Meter {
    name: &'static str,
    warm_up: u64,
    count: u64,
    done: u64,
    begin: u32,
}

impl Meter {
    const fn new(name: &'static str, warm_up: u64, count: u64) -> Self {
        Self {
            name,
            warm_up,
            count,
            done: 0,
            begin: 0,
        }
    }

    fn add(&mut self, amount: u64, per: u64) {
        let before = self.done;
        self.done += amount;
        let reaches = |mark| before < mark && self.done >= mark;
        if reaches(self.warm_up) {
            self.begin = clock::instructions();
        }
        if reaches(self.warm_up + self.count) {
            let spent = clock::instructions().wrapping_sub(self.begin);
            line(self.name, u64::from(spent) * per / self.count);
        }
    }
}

struct Sockets {
    set: SocketSet<'static>,
    echo: SocketHandle,
    discard: SocketHandle,
    generate: SocketHandle,
}

impl Sockets {
    fn new() -> Self {
        let mut set = SocketSet::new(Vec::new());
        let packets = || {
            let metadata = vec![udp::PacketMetadata::EMPTY; 64];
            udp::PacketBuffer::new(metadata, vec![0; BUFFER])
        };
        let stream = || {
            let bytes = || tcp::SocketBuffer::new(vec![0; BUFFER]);
            let mut socket = tcp::Socket::new(bytes(), bytes());
            // There is no timer here.
            socket.set_ack_delay(None);
            socket.set_nagle_enabled(false);
            socket
        };
        Self {
            echo: set.add(udp::Socket::new(packets(), packets())),
            discard: set.add(stream()),
            generate: set.add(stream()),
            set,
        }
    }
}

fn serve(device: &Device, mut nic: Nic) {
    let address = HardwareAddress::Ethernet(EthernetAddress(nic.mac()));
    let mut interface = Interface::new(Config::new(address), &mut nic, now());
    interface.update_ip_addrs(|addresses| {
        // There is room for the first.
        let _ = addresses.push(IpCidr::new(ADDRESS, 24));
    });
    let mut sockets = Sockets::new();
    let mut echoes = Meter::new("net_udp_echo_native", ECHO_WARM_UP, ECHOES);
    let per_kib = 1024;
    let warm_up = STREAM_WARM_UP * 1024;
    let mut received = Meter::new("net_tcp_stream_native", warm_up, STREAM * 1024);
    let mut sent = Meter::new("net_tcp_send_native", warm_up, STREAM * 1024);
    let pattern = vec![0x5a; BUFFER];
    let mut datagram = vec![0; 2048];
    // Cannot fail: the capability is the server's for good.
    let _ = device.irq.irq_handler_ack();
    loop {
        nic.ack();
        let _ = device.irq.irq_handler_ack();
        while interface.poll(now(), &mut nic, &mut sockets.set) == PollResult::SocketStateChanged {
            let echo = sockets.set.get_mut::<udp::Socket<'_>>(sockets.echo);
            if !echo.is_open() {
                let _ = echo.bind(ECHO);
            }
            while let Ok((len, from)) = echo.recv_slice(&mut datagram) {
                let _ = echo.send_slice(&datagram[..len], from);
                echoes.add(1, 1);
            }
            let discard = sockets.set.get_mut::<tcp::Socket<'_>>(sockets.discard);
            while discard.can_recv() {
                let taken = discard.recv(|bytes| (bytes.len(), bytes.len()));
                received.add(taken.unwrap_or(0) as u64, per_kib);
            }
            keep_open(discard, DISCARD);
            let generate = sockets.set.get_mut::<tcp::Socket<'_>>(sockets.generate);
            while generate.can_send() {
                let put = generate.send_slice(&pattern).unwrap_or(0);
                sent.add(put as u64, per_kib);
            }
            keep_open(generate, GENERATE);
            // What that has to say, there is another round for.
        }
        nic.flush();
        device.interrupt.wait();
    }
}

/// Has a socket listen that is not connected, and close its side when the other has.
fn keep_open(socket: &mut tcp::Socket<'_>, port: u16) {
    if !socket.is_open() {
        let _ = socket.listen(port);
    } else if socket.state() == tcp::State::CloseWait {
        socket.close();
    }
}
