// SPDX-License-Identifier: BSD-2-Clause
//! Text that goes through.

use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use super::Call;
use crate::{
    failure::{Done, Failure},
    pipeline,
    stream::{Lines, Source},
};

/// Most lines that `tail` keeps, and most bytes of them.
const MAX_KEPT: u64 = 100_000;
/// See [`MAX_KEPT`].
const MAX_KEPT_BYTES: usize = 1 << 20;

/// What there is to read: files, or what comes in.
async fn sources(call: &mut Call, paths: &[String]) -> Result<Vec<(String, Source)>, Failure> {
    if paths.is_empty() {
        let input = core::mem::replace(&mut call.input, Source::Nothing);
        return Ok(alloc::vec![(String::new(), input)]);
    }
    let mut sources = Vec::new();
    for path in paths {
        sources.push((path.clone(), pipeline::open(&call.session, path).await?));
    }
    Ok(sources)
}

pub async fn echo(mut call: Call) -> Done {
    let mut words = core::mem::take(&mut call.args);
    let end = if words.first().is_some_and(|word| word == "-n") {
        words.remove(0);
        ""
    } else {
        "\n"
    };
    call.output
        .print(&format!("{}{end}", words.join(" ")))
        .await
}

pub async fn grep(mut call: Call) -> Done {
    let options = call.options("vic")?;
    let Some((text, paths)) = options.args.split_first() else {
        return Err(Failure::Misused("which text?".into()));
    };
    let folds = options.has('i');
    let fold = |text: &str| {
        if folds {
            text.to_lowercase()
        } else {
            text.to_string()
        }
    };
    let wanted = fold(text);
    let several = paths.len() > 1;
    let mut found = 0_u64;
    for (path, mut source) in sources(&mut call, paths).await? {
        let mut lines = Lines::default();
        while let Some(line) = lines.next(&mut source).await? {
            if fold(&line).contains(&wanted) == options.has('v') {
                continue;
            }
            found += 1;
            if options.has('c') {
                continue;
            }
            let line = if several {
                format!("{path}: {line}")
            } else {
                line
            };
            call.output.line(&line).await?;
        }
    }
    if options.has('c') {
        call.output.line(&found.to_string()).await?;
    }
    if found > 0 {
        Ok(())
    } else {
        Err(Failure::Quiet)
    }
}

pub async fn head(mut call: Call) -> Done {
    let options = call.options("n:")?;
    let count = options.number('n')?.unwrap_or(10);
    for (_, mut source) in sources(&mut call, &options.args).await? {
        let mut lines = Lines::default();
        for _ in 0..count {
            match lines.next(&mut source).await? {
                Some(line) => call.output.line(&line).await?,
                None => break,
            }
        }
    }
    Ok(())
}

pub async fn tail(mut call: Call) -> Done {
    let options = call.options("n:")?;
    let count = options.number('n')?.unwrap_or(10).min(MAX_KEPT);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    for (_, mut source) in sources(&mut call, &options.args).await? {
        let mut lines = Lines::default();
        let mut kept: VecDeque<String> = VecDeque::new();
        let mut bytes = 0;
        while let Some(line) = lines.next(&mut source).await? {
            if kept.len() == count {
                bytes -= kept.pop_front().map_or(0, |line| line.len());
            }
            if count > 0 {
                bytes += line.len();
                kept.push_back(line);
            }
            if bytes > MAX_KEPT_BYTES {
                return Err(Failure::new(format!(
                    "so many lines are more than the {} that it keeps",
                    shell_language::Size(MAX_KEPT_BYTES as u64)
                )));
            }
        }
        for line in kept {
            call.output.line(&line).await?;
        }
    }
    Ok(())
}

pub async fn wc(mut call: Call) -> Done {
    let options = call.options("lwc")?;
    let all = !(options.has('l') || options.has('w') || options.has('c'));
    for (path, mut source) in sources(&mut call, &options.args).await? {
        let (mut lines, mut words, mut bytes) = (0_u64, 0_u64, 0_u64);
        let mut in_word = false;
        let mut piece = Vec::new();
        while source.read(&mut piece).await? {
            bytes += piece.len() as u64;
            for byte in piece.drain(..) {
                lines += u64::from(byte == b'\n');
                let is_space = byte.is_ascii_whitespace();
                words += u64::from(!is_space && !in_word);
                in_word = !is_space;
            }
        }
        let mut shown = Vec::new();
        for (letter, number) in [('l', lines), ('w', words), ('c', bytes)] {
            if all || options.has(letter) {
                shown.push(number.to_string());
            }
        }
        if !path.is_empty() {
            shown.push(path);
        }
        call.output.line(&shown.join(" ")).await?;
    }
    Ok(())
}
