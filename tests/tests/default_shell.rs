// SPDX-License-Identifier: BSD-2-Clause
//! What somebody notices who sits at the shell of the default system.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use system_tests::build::{Build, Kernel};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::session::{Seat, User};
use system_tests::spec;

#[test]
fn somebody_at_the_serial_line() {
    let scratch = Scratch::new();
    let image = scratch.path("default.elf");
    Build::from_env().image(Kernel::Release, &spec::default_path(), &image);
    let config = Config {
        devices: spec::default_devices(&scratch),
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect("http: /files/ is on the disk", SECONDS);
    let mut user = User::new(Seat::Serial(&machine));
    help(&mut user);
    memory(&mut user);
    completion(&mut user);
    background(&mut user);
    pasted(&mut user);
    live(&mut user);
    busy(&mut user);
    assert!(!machine.text().contains("panicked"), "{}", machine.text());
}

/// It goes into a terminal of 24 rows and 80 columns; every command has more to say.
fn help(user: &mut User<'_>) {
    let help = user.expect("help", &["Processes", "ps top tree", "`help all`"]);
    assert!(help.lines().count() < 24, "{help}");
    assert!(help.lines().all(|line| line.len() < 80), "{help}");
    user.expect("help all", &["revoke    Takes a capability"]);
    user.expect("ps --help", &["ps [PROCESS]\n", "BUSY is how long"]);
    user.expect("help pss", &["did you mean `ps`?"]);
    user.expect("free now", &["but there is `now`\nusage: free\n"]);
    user.expect("start", &["one word belongs behind it, not 0"]);
    user.expect("top x", &["usage: top"]);
    user.expect("run -b 99 ping", &["-b is from 16 to 32", "usage: run"]);
    user.expect("rules nobody", &["no client `nobody`"]);
    user.expect("versions nothing", &["no service `nothing`"]);
    user.expect("log nobody", &["no line of `nobody`"]);
    user.expect("stop shell", &["that is this shell"]);
    user.expect("grant http net", &["gives it without G"]);
    let ps = user.expect("ps", &["BUSY"]);
    assert!(ps.lines().all(|line| line.len() < 80), "{ps}");
}

/// Bytes, as tables have them.
fn bytes(size: &str) -> u64 {
    let digits = size.trim_end_matches(char::is_alphabetic);
    let unit = match &size[digits.len()..] {
        "K" => 1 << 10,
        "M" => 1 << 20,
        _ => 1,
    };
    (digits.parse::<f64>().expect(size) * f64::from(unit)) as u64
}

/// What processes have is the sum of what each has, and who grows is seen to.
fn memory(user: &mut User<'_>) {
    let free = user.expect("free", &["processes: "]);
    let words: Vec<&str> = free.split_whitespace().collect();
    let [spent, budget] = [words[1], words[3]].map(bytes);
    assert!(budget > 64 << 20 && spent > 1 << 20, "{free}");
    let of_shell = |user: &mut User<'_>| {
        let about = user.expect("ps shell", &["of it linear"]);
        let line = about.lines().find(|line| line.contains("linear"));
        let words: Vec<&str> = line.expect("its memory").split_whitespace().collect();
        let [spent, linear] = [words[1], words[4]].map(bytes);
        // Its linear memory is a part of what it has spent; sizes are cut.
        assert!(spent + (1 << 20) > linear, "{about}");
        spent
    };
    let before = of_shell(user);
    user.expect("cat /files/index.html /files/index.html > /page", &[]);
    for _ in 0..4 {
        user.expect("cat /page /page > /pages; cat /pages /pages > /page", &[]);
    }
    // It keeps the lines.
    let kept = user.expect("tail -n 100000 /page | wc", &["8192 "]);
    let after = of_shell(user);
    assert!(after >= before + (256 << 10), "{before} {after} {kept}");
    // Not as many as somebody likes, nor a line of any length: whatever is asked of it, it goes on.
    user.expect(
        "cat /page /page /page /page | tail -n 100000",
        &["it keeps"],
    );
    user.expect("set x=0123456789012345678901234567890123456789", &[]);
    user.expect(
        "set x=$x$x$x$x$x$x$x$x$x$x; set x=$x$x$x$x$x$x$x$x$x$x",
        &[],
    );
    user.expect(
        "set y=$x; set x=$x$x$x$x$x",
        &["`x` would be longer than 16K"],
    );
    user.expect("set x=$x$x$x$x; echo $x$x$x$x | wc -c", &["64001\n"]);
    user.expect("echo $x$x$x$x$x | wc -c", &["the line is too long"]);
}

/// What Tab offers is what the command takes.
fn completion(user: &mut User<'_>) {
    for (typed, completed) in [
        ("start pi\t", "start ping "),
        ("restart fe\t", "restart feeder "),
        ("forbid ht\t", "forbid http "),
        ("forbid http \t", "forbid http 1 "),
        ("grant http co\t", "grant http console "),
        ("log war\t", "log warn "),
        ("time revoke ht\tn\t", "time revoke http net "),
    ] {
        user.types(typed.as_bytes());
        user.sees(completed);
        user.types(b"\x15");
    }
    user.types(b"\r");
    user.prompt();
    user.expect("revoke http fs", &[]);
    user.types(b"restore \t\t");
    user.sees("restore http fs");
    user.types(b"\r");
    user.prompt();
    user.expect("restart http", &[]);
}

/// What runs in the background writes above the line that is typed, and tells how it ended.
fn background(user: &mut User<'_>) {
    user.expect("sleep 1 && echo from behind &", &["%1\n"]);
    user.types(b"echo in fr");
    user.sees("\u{1b}[Kfrom behind\n");
    user.sees("atoll:/> echo in fr");
    user.types(b"ont\r");
    let shown = user.prompt();
    assert!(shown.contains("in front\n"), "{shown}");
    assert!(
        shown.contains("%1  done  sleep 1 && echo from behind\n"),
        "{shown}"
    );
    user.expect("sleep 0.1 && cat nothing &", &["%1\n"]);
    user.sees("cat: nothing: no such file or directory\n");
    user.expect("sleep 0.3", &["%1  failed  sleep 0.1 && cat nothing\n"]);
}

/// A line that is pasted comes through whole, and soon.
fn pasted(user: &mut User<'_>) {
    let text = "0123456789".repeat(400);
    let begin = Instant::now();
    user.types(format!("echo {text} | wc -c\r").as_bytes());
    user.sees("4001\n");
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(60), "{took:?}");
    user.prompt();
}

/// A live `top`: how full a channel is whose reader sleeps, in any order, within the screen.
fn live(user: &mut User<'_>) {
    user.expect("cat /page /page /page | sleep 1000 &", &["%1"]);
    user.types(b"top -s 1\r");
    for keys in ["", "m", "w", "x", "b"] {
        user.types(keys.as_bytes());
        let round = user.sees("\u{1b}[J");
        for line in round.lines() {
            let (shown, _) = line.split_once("\u{1b}[K").unwrap_or((line, ""));
            assert!(shown.len() < 90, "{line:?}");
        }
    }
    user.types(b"q");
    user.prompt();
    let top = user.expect("top -n 1 -s 1", &["BUSY%"]);
    let full = top.lines().any(|line| {
        let mut words = line.split_whitespace();
        let is_shell = words.any(|word| word == "shell");
        let fill = words.find_map(|word| word.strip_suffix('%'));
        is_shell && fill.is_some_and(|fill| fill.parse::<u32>().is_ok_and(|fill| fill > 90))
    });
    assert!(full, "{top}");
    user.expect("stop %1", &[]);
}

/// A shell that is busy for long, with the console that shows what it writes, does not keep others from what they are
/// asked for.
fn busy(user: &mut User<'_>) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(12) {
        // The variable is that of `memory`.
        let much = "echo $x$x$x;".repeat(10);
        user.types(format!("{much} echo en''ough\r").as_bytes());
        user.sees("enough\n");
    }
    user.prompt();
    user.expect("log -n 1000 warn | grep -c answer", &["0\n"]);
}
