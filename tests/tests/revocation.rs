// SPDX-License-Identifier: BSD-2-Clause
//! What a guest holds is taken from it, at the shell, while it is used, and given back: a card, a disk, a source of random
//! bytes, the serial line, a directory, a door. Who has lost it says so and goes on; nobody is started again.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::Output;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::clients::{curl, numbered, try_curl};
use system_tests::devices::{Devices, Forward, Net};
use system_tests::disks::{check_file_system, read_file};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::session::{Connection, Seat, User};
use system_tests::spec::{SpecText, default_disk};

/// Bytes of a file that takes a while: more than all buffers on the way hold.
const LARGE: usize = 12_000_000;
/// Bytes that come faster than those of a file.
const LARGER: usize = 80_000_000;

/// The default system with a shell over TCP, up.
fn boot(scratch: &Scratch) -> Machine {
    let spec = SpecText::default_system().replace(
        "handles: 256, children: 16)",
        "handles: 256, children: 16, args: [\"listen=2323\"])",
    );
    let spec = scratch.write("revocation.cdl", spec);
    let image = scratch.path("revocation.elf");
    Build::from_env().image(Kernel::Release, &spec, &image);
    let config = Config {
        devices: Devices {
            net: Some(Net::User(&[Forward::Tcp(80), Forward::Tcp(2323)])),
            disk: Some(default_disk(scratch).into()),
            rng: true,
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect("net: *10.0.2.15/24 by DHCP", SECONDS);
    machine.expect("shell: sessions over TCP at port 2323", SECONDS);
    machine.expect("http: /files/ is on the disk", SECONDS);
    machine
}

/// A user behind a connection.
fn remote(machine: &Machine) -> User<'static> {
    let port = machine.host_port(Forward::Tcp(2323));
    User::new(Seat::Tcp(Connection::new(port)))
}

/// Waits until so many lines of the log have this text.
#[track_caller]
fn logged(machine: &Machine, text: &str, times: usize) {
    let found = machine.wait(text, LIMIT, |log| {
        let lines = log.lines().filter(|line| line.contains(text));
        (lines.count() >= times).then_some(())
    });
    found.unwrap_or_else(|error| panic!("{error}:\n{}", machine.text()));
}

fn url(machine: &Machine, path: &str) -> String {
    let port = machine.host_port(Forward::Tcp(80));
    format!("http://127.0.0.1:{port}{path}")
}

/// Fetches it in the background, not faster than so many bytes in a second.
fn fetching(url: &str, rate: &str) -> JoinHandle<Output> {
    let arguments = ["--fail", "--limit-rate", rate, "--no-buffer", url].map(String::from);
    thread::spawn(move || try_curl(arguments.iter().map(String::as_str)))
}

/// The status that a request is answered with.
fn code(url: &str) -> String {
    let printed = curl(["-w", "%{http_code}", "-o", "/dev/null", url]);
    String::from_utf8(printed).expect("a number")
}

/// Fetches until it works.
fn again(url: &str) -> Vec<u8> {
    curl([
        "--fail",
        "--retry",
        "30",
        "--retry-delay",
        "1",
        "--retry-all-errors",
        url,
    ])
}

/// A process's number, which is another one if it was started again.
fn process(user: &mut User<'_>, name: &str) -> String {
    let shown = user.run(&format!("ps {name}"));
    let begin = format!("{name} is process ");
    let line = shown.lines().find(|line| line.contains(&begin));
    line.unwrap_or_else(|| panic!("{shown}")).to_owned()
}

/// Ends the system, and looks at its disk.
fn shut_down(mut user: User<'_>, machine: Machine, scratch: &Scratch) -> PathBuf {
    user.types(b"shutdown\r");
    drop(user);
    let (status, log) = machine.expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    let disk = scratch.path("default-disk.img");
    check_file_system(&disk);
    disk
}

#[test]
fn the_network_device() {
    let scratch = Scratch::new();
    let machine = boot(&scratch);
    let mut user = User::new(Seat::Serial(&machine));
    let before = ["net", "http"].map(|name| process(&mut user, name));
    let fetched = fetching(&url(&machine, &format!("/bytes/{LARGER}")), "6M");
    thread::sleep(Duration::from_secs(1));

    user.expect("revoke net nic", &[]);
    logged(&machine, "net: warning: the network device is gone", 1);
    let gone = "no network device at present";
    user.expect("ping -c 1 10.0.2.2", &[gone]);
    user.expect("fetch http://10.0.2.2:1/", &[gone]);
    user.expect("ip", &["link down"]);
    let nobody = try_curl(["--max-time", "2", &*url(&machine, "/")]);
    assert!(!nobody.status.success(), "{nobody:?}");

    user.expect("restore net nic", &[]);
    logged(&machine, "net: the network device is there", 1);
    user.expect("ping -c 1 10.0.2.2", &["1 of 1 answered"]);
    again(&url(&machine, "/"));
    // The connection that was open goes on where it was.
    let output = fetched.join().expect("curl");
    assert!(output.status.success(), "{:?}", output.status);
    assert!(
        output.stdout == numbered(LARGER),
        "the bytes came out wrong"
    );
    let after = ["net", "http"].map(|name| process(&mut user, name));
    assert_eq!(before, after);

    // One that is started without it waits for it.
    user.expect("revoke net nic", &[]);
    logged(&machine, "net: warning: the network device is gone", 2);
    user.expect("restart net", &[]);
    logged(&machine, "net: warning: there is no network device", 1);
    user.expect("ping -c 1 10.0.2.2", &[gone]);
    let waits = process(&mut user, "net");
    user.expect("restore net nic", &[]);
    logged(&machine, "net: the network device is there", 2);
    again(&url(&machine, "/"));
    assert_eq!(process(&mut user, "net"), waits);
    user.types(b"shutdown\r");
    drop(user);
    let (status, log) = machine.expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{log}");
}

#[test]
fn the_disk() {
    let scratch = Scratch::new();
    let machine = boot(&scratch);
    let mut user = remote(&machine);
    let bytes = numbered(LARGE);
    let large = put_large(&machine, &scratch, &bytes);
    let before = ["fs", "http", "shell"].map(|name| process(&mut user, name));
    let fetched = fetching(&large, "1500k");
    user.expect(
        "cat /files/large /files/large /files/large /files/large > /copy &",
        &["%1"],
    );

    user.expect("revoke fs disk", &[]);
    logged(&machine, "fs: warning: the disk is gone", 1);
    let gone = "no disk at present";
    user.expect("ls /files", &[gone]);
    user.expect("echo x > /y", &[gone]);
    assert_eq!(code(&large), "503");
    // What was under way has ended with an error.
    let output = fetched.join().expect("curl");
    assert!(!output.status.success(), "{:?}", output.status);
    let ended = user.run("fg %1");
    assert!(!user.run("jobs").contains("running"), "{ended}");

    user.expect("restore fs disk", &[]);
    logged(&machine, "fs: ext4, ", 2);
    user.expect("ls /files", &["large", "index.html"]);
    // The same guests find their files again.
    assert!(again(&large) == bytes, "the file came out wrong");
    user.expect("cp /files/index.html /copied", &[]);
    let after = ["fs", "http", "shell"].map(|name| process(&mut user, name));
    assert_eq!(before, after);

    // One that is started without it waits for it.
    user.expect("revoke fs disk", &[]);
    logged(&machine, "fs: warning: the disk is gone", 2);
    user.expect("restart fs", &[]);
    logged(&machine, "fs: warning: there is no disk", 1);
    user.expect("ls /files", &[gone]);
    user.expect("restore fs disk", &[]);
    logged(&machine, "fs: ext4, ", 3);
    user.expect("cat /copied", &["These bytes come from a disk"]);
    assert!(again(&large) == bytes, "the file came out wrong");
    let disk = shut_down(user, machine, &scratch);
    assert!(read_file(&disk, "/files/large") == Some(bytes));
}

/// Puts a large file on the disk; answers where.
fn put_large(machine: &Machine, scratch: &Scratch, bytes: &[u8]) -> String {
    let upload = scratch.write("upload", bytes);
    let large = url(machine, "/files/large");
    curl(["--fail", "-T", &*upload.display().to_string(), &large]);
    large
}

#[test]
fn a_directory() {
    let scratch = Scratch::new();
    let machine = boot(&scratch);
    let mut user = remote(&machine);
    let bytes = numbered(LARGE);
    let large = put_large(&machine, &scratch, &bytes);
    user.expect(
        "rules http",
        &["net", "tcp listen *:80", "fs", "/files all", "holds"],
    );
    let fetched = fetching(&large, "1500k");
    thread::sleep(Duration::from_secs(1));
    user.expect("forbid fs http 1", &[]);
    logged(&machine, "fs: rule 1 of http is withdrawn by shell", 1);
    user.expect("rules http", &["withdrawn"]);
    // Who reads reads no more, what else there is goes on.
    let output = fetched.join().expect("curl");
    assert!(!output.status.success(), "{:?}", output.status);
    assert!(output.stdout.len() < LARGE);
    assert_eq!(code(&large), "403");
    assert_eq!(code(&url(&machine, "/")), "200");
    logged(
        &machine,
        "fs: warning: refused: `/files` was withdrawn from http",
        1,
    );
    user.expect("ls /files", &["large"]);
    user.expect("forbid fs http 2", &["there is no such rule"]);
    user.expect("forbid disk http 1", &["neither `net` nor `fs`"]);

    user.expect("allow fs http 1", &[]);
    assert!(
        curl(["--fail", &*large]) == bytes,
        "the file came out wrong"
    );
    shut_down(user, machine, &scratch);
}

#[test]
fn a_door() {
    let scratch = Scratch::new();
    let machine = boot(&scratch);
    let mut user = remote(&machine);
    let before = ["net", "http"].map(|name| process(&mut user, name));
    let fetched = fetching(&url(&machine, &format!("/bytes/{LARGER}")), "6M");
    thread::sleep(Duration::from_secs(1));
    user.expect("revoke http net", &[]);
    // What was made through the door goes with it, and at once: nothing is sent any more.
    let output = fetched.join().expect("curl");
    assert!(!output.status.success(), "{:?}", output.status);
    assert!(output.stdout.len() < LARGER);
    let nobody = try_curl(["--max-time", "5", &*url(&machine, "/")]);
    assert!(!nobody.status.success(), "{nobody:?}");
    logged(&machine, "listens again when it is there", 1);

    user.expect("restore http net", &[]);
    again(&url(&machine, "/"));
    let after = ["net", "http"].map(|name| process(&mut user, name));
    assert_eq!(before, after);

    // The other end of it: the net guest serves there no more, and then again.
    user.expect("revoke net http", &[]);
    logged(&machine, "net: warning: http is not served any more", 1);
    let nobody = try_curl(["--max-time", "5", &*url(&machine, "/")]);
    assert!(!nobody.status.success(), "{nobody:?}");
    user.expect("restore net http", &[]);
    again(&url(&machine, "/"));
    let after = ["net", "http"].map(|name| process(&mut user, name));
    assert_eq!(before, after);
    shut_down(user, machine, &scratch);
}

#[test]
fn random_bytes_and_the_serial_line() {
    let scratch = Scratch::new();
    let machine = boot(&scratch);
    let mut user = remote(&machine);
    logged(&machine, "feeder: the generator was fed", 1);
    let before = process(&mut user, "feeder");
    user.expect("revoke feeder rng", &[]);
    logged(&machine, "feeder: warning: the device is gone", 1);
    user.expect("restore feeder rng", &[]);
    logged(&machine, "feeder: the generator was fed", 2);
    assert_eq!(process(&mut user, "feeder"), before);

    // The console guest is started again and waits; the server prints meanwhile.
    user.expect("revoke terminal uart", &[]);
    logged(&machine, "there is no serial line", 1);
    let waits = process(&mut user, "terminal");
    user.expect("restart http", &[]);
    logged(&machine, "http: serving at *:80", 2);
    user.expect("restore terminal uart", &[]);
    assert_eq!(process(&mut user, "terminal"), waits);
    let mut seat = User::here(Seat::Serial(&machine));
    seat.types(b"\recho from the line\r");
    seat.sees("\nfrom the line");
    shut_down(user, machine, &scratch);
}
