// SPDX-License-Identifier: BSD-2-Clause
//! The devices of a test machine: virtio over MMIO, each in the slot that the specs of tests name.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::disks::Disk;
use crate::monitor::Monitor;
use crate::scratch::Scratch;
use crate::wire::Wire;

/// What devices a machine has beside the serial line.
#[derive(Clone, Debug, Default)]
pub struct Devices {
    /// A network device in slot 31, with the address [`MAC`].
    pub net: Option<Net>,
    /// Another slot for it.
    pub net_slot: Option<u8>,
    /// A disk in slot 30.
    pub disk: Option<Disk>,
    /// Another slot for it.
    pub disk_slot: Option<u8>,
    /// A source of random bytes in slot 29.
    pub rng: bool,
}

/// What the network device is connected to.
#[derive(Clone, Debug)]
pub enum Net {
    /// QEMU's user network, 10.0.2.0/24 and fec0::/64, with a gateway (address 2), a name server (3) and
    /// DHCP (from 15). What the machine sends to the gateway reaches the host, and these ports of the
    /// machine, at 10.0.2.15, are reached from the host by way of
    /// [`Machine::host_port`](crate::machine::Machine::host_port).
    User(&'static [Forward]),
    /// Nobody: nothing comes, and what is sent is never taken.
    Silent,
    /// The test, which sends and takes frames: [`Machine::wire`](crate::machine::Machine::wire).
    Wire,
}

/// A port of the machine that the host can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// For connections.
    Tcp(u16),
    /// For datagrams.
    Udp(u16),
}

/// The network device's address.
pub const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (protocol, port) = self.parts();
        write!(f, "{protocol} port {port}")
    }
}

impl Forward {
    const fn parts(self) -> (&'static str, u16) {
        match self {
            Self::Tcp(port) => ("TCP", port),
            Self::Udp(port) => ("UDP", port),
        }
    }

    /// Part of QEMU's option. The host chooses a free port when QEMU asks for one: any that was looked for
    /// before may be taken by then.
    fn option(self) -> String {
        let (protocol, port) = self.parts();
        let protocol = protocol.to_lowercase();
        format!(",hostfwd={protocol}:127.0.0.1:0-:{port}")
    }

    /// The host's port in QEMU's list of connections. A line there is
    /// `TCP[HOST_FORWARD]  8  127.0.0.1 43833  10.0.2.15 80  0 0`.
    pub(crate) fn host_port(self, list: &str) -> Option<u16> {
        let (protocol, machine_port) = self.parts();
        let kind = format!("{protocol}[HOST_FORWARD]");
        list.lines().find_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [found, _, _, host, _, machine, ..] = *words else {
                return None;
            };
            let is_it = found == kind && machine.parse() == Ok(machine_port);
            is_it.then(|| host.parse().ok())?
        })
    }
}

/// A machine's devices as the test holds them.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Empty, but for the sockets. They have names because QEMU knows no other.
    directory: Scratch,
    pub(crate) monitor: Monitor,
    pub(crate) wire: Option<Wire>,
}

impl Ends {
    /// Makes what QEMU connects to when it starts.
    pub(crate) fn new(devices: &Devices) -> io::Result<Self> {
        let directory = Scratch::new();
        let wire = match devices.net {
            Some(Net::Wire) => Some(Wire::new(
                &test_end(&directory.path("")),
                &machine_end(&directory.path("")),
            )?),
            Some(Net::User(_) | Net::Silent) | None => None,
        };
        Ok(Self {
            monitor: Monitor::new(&monitor(&directory.path("")))?,
            wire,
            directory,
        })
    }

    pub(crate) fn arguments(&self, devices: &Devices) -> Vec<String> {
        arguments(devices, &self.directory.path(""))
    }
}

fn test_end(sockets: &Path) -> PathBuf {
    sockets.join("test")
}

fn machine_end(sockets: &Path) -> PathBuf {
    sockets.join("machine")
}

fn monitor(sockets: &Path) -> PathBuf {
    sockets.join("monitor")
}

/// QEMU's arguments for the devices.
fn arguments(devices: &Devices, sockets: &Path) -> Vec<String> {
    let Devices {
        net,
        net_slot,
        disk,
        disk_slot,
        rng,
    } = devices;
    let mut line: Vec<String> = Vec::new();
    let mut add = |option: &str, value: String| line.extend([option.into(), value]);
    add("-global", "virtio-mmio.force-legacy=false".into());
    match net {
        // Else QEMU adds one of its own choice.
        None => add("-nic", "none".into()),
        Some(Net::User(forwards)) => {
            let forwards: String = forwards.iter().map(|forward| forward.option()).collect();
            add("-netdev", format!("user,id=net{forwards}"));
        }
        Some(Net::Silent) => add("-netdev", "hubport,id=net,hubid=0".into()),
        Some(Net::Wire) => {
            let (machine, test) = (machine_end(sockets), test_end(sockets));
            let netdev = format!(
                "dgram,id=net,local.type=unix,local.path={},remote.type=unix,remote.path={}",
                machine.display(),
                test.display()
            );
            add("-netdev", netdev);
        }
    }
    if net.is_some() {
        let mac = MAC.map(|byte| format!("{byte:02x}")).join(":");
        let slot = net_slot.unwrap_or(31);
        let device = format!("virtio-net-device,netdev=net,mac={mac},bus=virtio-mmio-bus.{slot}");
        add("-device", device);
    }
    if let Some(disk) = disk {
        add("-drive", disk.option());
        let slot = disk_slot.unwrap_or(30);
        let device = format!("virtio-blk-device,drive=disk,bus=virtio-mmio-bus.{slot}");
        add("-device", device);
    }
    if *rng {
        add("-object", "rng-builtin,id=rng".into());
        let device = "virtio-rng-device,rng=rng,bus=virtio-mmio-bus.29";
        add("-device", device.into());
    }
    let monitor = format!("socket,id=monitor,path={}", monitor(sockets).display());
    add("-chardev", monitor);
    add("-mon", "chardev=monitor,mode=control".into());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qemu_is_told_of_each_device() {
        let line = |devices: &Devices| arguments(devices, Path::new("/sockets")).join(" ");
        let common = "-chardev socket,id=monitor,path=/sockets/monitor \
                      -mon chardev=monitor,mode=control";
        let modern = "-global virtio-mmio.force-legacy=false";
        assert_eq!(
            line(&Devices::default()),
            format!("{modern} -nic none {common}")
        );
        let net =
            "-device virtio-net-device,netdev=net,mac=52:54:00:12:34:56,bus=virtio-mmio-bus.31";
        let user = Devices {
            net: Some(Net::User(&[Forward::Tcp(80), Forward::Udp(7)])),
            ..Devices::default()
        };
        assert_eq!(
            line(&user),
            format!(
                "{modern} -netdev user,id=net,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=udp:127.0.0.1:0-:7 \
                 {net} {common}"
            )
        );
        let all = Devices {
            net: Some(Net::Wire),
            net_slot: None,
            disk: Some(PathBuf::from("disk.img").into()),
            disk_slot: None,
            rng: true,
        };
        assert_eq!(
            line(&all),
            format!(
                "{modern} -netdev dgram,id=net,local.type=unix,local.path=/sockets/machine,\
                 remote.type=unix,remote.path=/sockets/test {net} \
                 -drive if=none,id=disk,format=raw,file=disk.img \
                 -device virtio-blk-device,drive=disk,bus=virtio-mmio-bus.30 \
                 -object rng-builtin,id=rng -device virtio-rng-device,rng=rng,bus=virtio-mmio-bus.29 \
                 {common}"
            )
        );
    }

    #[test]
    fn host_ports_are_found_in_qemus_list() {
        let list = "Hub -1 (net):\r\n  \
            Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n  \
            UDP[HOST_FORWARD]   3       127.0.0.1 51725       10.0.2.15    80     0     0\r\n  \
            TCP[HOST_FORWARD]   8       127.0.0.1 43833       10.0.2.15    80     0     0\r\n";
        assert_eq!(Forward::Tcp(80).host_port(list), Some(43833));
        assert_eq!(Forward::Udp(80).host_port(list), Some(51725));
        assert_eq!(Forward::Tcp(81).host_port(list), None);
    }
}
