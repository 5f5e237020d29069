// SPDX-License-Identifier: BSD-2-Clause
//! Files.

use alloc::{
    format,
    rc::Rc,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use shell_language::{Align, Size, Table, resolve};
use userland::fs::{Dir, Error, Kind, Reason, Stat};

use super::Call;
use crate::{
    failure::{About as _, Done, Failure},
    files::Files,
    pipeline,
    stream::Source,
};

/// Bytes that are copied at once.
const PIECE: usize = 32 << 10;
/// Directories in directories that `rm -r` goes into.
const MAX_DEPTH: usize = 32;

/// The files, and a path from the root.
async fn at(call: &Call, path: &str) -> Result<(Rc<Files>, String), Failure> {
    let files = call.session.shell.files().await?;
    let full = resolve(&call.session.directory.borrow(), path);
    Ok((files, full))
}

async fn stat(files: &Files, full: &str) -> Result<Stat, Failure> {
    let place = files.place(full)?;
    Ok(place.dir.stat(&place.path).await?)
}

async fn is_directory(files: &Files, full: &str) -> bool {
    stat(files, full)
        .await
        .is_ok_and(|stat| stat.kind == Kind::Directory)
        || !files.mounts_in(full).is_empty()
}

const fn letter(kind: Kind) -> char {
    match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Other => '?',
    }
}

/// A date, as `2026-03-01 12:00` (UTC).
fn date(seconds: i64) -> String {
    // From days to a date of the civil calendar, whose years begin in March here: so the leap day is the last.
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}",
        rest / 3600,
        rest / 60 % 60
    )
}

/// Names and what they are, in order.
async fn list(files: &Files, full: &str) -> Result<Vec<(String, Kind)>, Failure> {
    let mut names: Vec<(String, Kind)> = files
        .mounts_in(full)
        .into_iter()
        .map(|name| (name, Kind::Directory))
        .collect();
    match files.place(full) {
        Ok(place) => {
            let dir = place.dir.open_dir(&place.path, place.dir.rights()).await?;
            let mut entries = dir.entries().await?;
            while let Some(entry) = entries.next().await? {
                if entry.name != "." && entry.name != ".." {
                    names.push((entry.name, entry.kind));
                }
            }
        }
        Err(failure) if names.is_empty() => return Err(failure),
        Err(_) => {}
    }
    names.sort_by(|(one, _), (other, _)| one.cmp(other));
    names.dedup();
    Ok(names)
}

pub async fn ls(mut call: Call) -> Done {
    let options = call.options("l")?;
    let long = options.has('l');
    let paths = if options.args.is_empty() {
        vec![".".to_string()]
    } else {
        options.args.clone()
    };
    let several = paths.len() > 1;
    for path in paths {
        let (files, full) = at(&call, &path).await?;
        if !is_directory(&files, &full).await {
            let found = stat(&files, &full).await.about(&path)?;
            let names = [(path.clone(), found.kind)];
            show(&mut call, &files, "", &names, long).await?;
            continue;
        }
        if several {
            call.output.line(&format!("{path}:")).await?;
        }
        let names = list(&files, &full).await.about(&path)?;
        show(&mut call, &files, &full, &names, long).await?;
    }
    Ok(())
}

async fn show(
    call: &mut Call,
    files: &Files,
    within: &str,
    names: &[(String, Kind)],
    long: bool,
) -> Done {
    if !long {
        for (name, kind) in names {
            let slash = if *kind == Kind::Directory { "/" } else { "" };
            call.output.line(&format!("{name}{slash}")).await?;
        }
        return Ok(());
    }
    let mut table = Table::new(&[
        ("KIND", Align::Left),
        ("SIZE", Align::Right),
        ("CHANGED (UTC)", Align::Left),
        ("NAME", Align::Left),
    ]);
    for (name, kind) in names {
        let full = if within.is_empty() {
            resolve(&call.session.directory.borrow(), name)
        } else {
            resolve(within, name)
        };
        let mut shown = name.clone();
        let mut about = None;
        if let Ok(place) = files.place(&full) {
            about = place.dir.stat_link(&place.path).await.ok();
            if *kind == Kind::Symlink
                && let Ok(target) = place.dir.read_link(&place.path).await
            {
                shown = format!("{name} -> {target}");
            }
        }
        table.row([
            letter(*kind).to_string(),
            about.map_or("-".into(), |stat| Size(stat.len).to_string()),
            about.map_or("-".into(), |stat| date(stat.modified.seconds)),
            shown,
        ]);
    }
    call.output.print(&table.to_string()).await
}

pub async fn cd(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let path = match args.as_slice() {
        [] => "/",
        [path] => path,
        _ => return Err(Failure::Misused("it takes one directory".into())),
    };
    let (files, full) = at(&call, path).await?;
    if full != "/" && !is_directory(&files, &full).await {
        return Err(match stat(&files, &full).await {
            Ok(_) => Failure::new("it is no directory"),
            Err(failure) => failure,
        }
        .about(path));
    }
    *call.session.directory.borrow_mut() = full;
    Ok(())
}

pub async fn pwd(mut call: Call) -> Done {
    call.nothing()?;
    let directory = call.session.directory.borrow().clone();
    call.output.line(&directory).await
}

/// Passes all of a source on.
pub async fn pass(source: &mut Source, call: &mut Call) -> Done {
    let mut bytes = Vec::new();
    while source.read(&mut bytes).await? {
        call.output.write(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

pub async fn cat(mut call: Call) -> Done {
    let paths = core::mem::take(&mut call.args);
    if paths.is_empty() {
        let mut input = core::mem::replace(&mut call.input, Source::Nothing);
        return pass(&mut input, &mut call).await;
    }
    for path in paths {
        let mut source = pipeline::open(&call.session, &path).await?;
        pass(&mut source, &mut call).await.about(&path)?;
    }
    Ok(())
}

/// Where something goes: into a directory under its own name, if there is one, or to this path.
async fn target(files: &Files, from: &str, to: String) -> String {
    if is_directory(files, &to).await {
        let name = from.rsplit('/').next().unwrap_or_default();
        return resolve(&to, name);
    }
    to
}

pub async fn cp(mut call: Call) -> Done {
    let [from, to] = call.exactly()?;
    let (files, source) = at(&call, &from).await?;
    let (_, to_full) = at(&call, &to).await?;
    let full = target(&files, &source, to_full).await;
    if full == source {
        return Err(Failure::new("they are one file"));
    }
    let place = files.place(&source)?;
    let input = place.dir.open(&place.path).await.about(&from)?;
    if input.stat().await.about(&from)?.kind == Kind::Directory {
        return Err(Failure::new("it is a directory").about(&from));
    }
    let place = files.place(&full)?;
    let output = place.dir.create(&place.path).await.about(&to)?;
    let mut at = 0;
    let mut piece = vec![0; PIECE];
    loop {
        let len = input.read_at(at, &mut piece).await.about(&from)?;
        let bytes = piece.get(..len).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        output.write_at(at, bytes).await.about(&to)?;
        at += len as u64;
    }
    Ok(output.sync().await?)
}

pub async fn mv(mut call: Call) -> Done {
    let [from, to] = call.exactly()?;
    let (files, source) = at(&call, &from).await?;
    let (_, to_full) = at(&call, &to).await?;
    let full = target(&files, &source, to_full).await;
    let (one, other) = (files.place(&source)?, files.place(&full)?);
    let renamed = one.dir.rename(&one.path, other.dir, &other.path).await;
    renamed.about(&from)
}

pub async fn rm(mut call: Call) -> Done {
    let options = call.options("r")?;
    if options.args.is_empty() {
        return Err(Failure::Misused("which files?".into()));
    }
    for path in &options.args {
        let (files, full) = at(&call, path).await?;
        let place = files.place(&full)?;
        let kind = place.dir.stat_link(&place.path).await.about(path)?.kind;
        let removed = match kind {
            Kind::Directory if options.has('r') => remove_all(place.dir, &place.path).await,
            Kind::Directory => Err(Failure::new(
                "it is a directory; -r removes it with all in it",
            )),
            _ => Ok(place.dir.remove_file(&place.path).await?),
        };
        removed.about(path)?;
    }
    Ok(())
}

/// Removes a directory with all that is in it.
async fn remove_all(dir: &Dir, path: &str) -> Done {
    // What is to be done: a directory before what is in it has its turn again behind that.
    let mut todo = vec![(path.to_string(), false)];
    while let Some((path, is_empty)) = todo.pop() {
        if is_empty {
            dir.remove_dir(&path).await.about(&path)?;
            continue;
        }
        if path.split('/').count() > MAX_DEPTH {
            return Err(Failure::new("there are too many directories in each other"));
        }
        todo.push((path.clone(), true));
        let mut entries = dir.open_dir(&path, dir.rights()).await?.entries().await?;
        while let Some(entry) = entries.next().await? {
            if entry.name == "." || entry.name == ".." {
                continue;
            }
            let below = format!("{path}/{}", entry.name);
            if entry.kind == Kind::Directory {
                todo.push((below, false));
            } else {
                dir.remove_file(&below).await.about(&below)?;
            }
        }
    }
    Ok(())
}

pub async fn mkdir(mut call: Call) -> Done {
    let options = call.options("p")?;
    if options.args.is_empty() {
        return Err(Failure::Misused("which directories?".into()));
    }
    for path in &options.args {
        let (files, full) = at(&call, path).await?;
        let mut ends: Vec<usize> = Vec::new();
        if options.has('p') {
            ends.extend(full.match_indices('/').map(|(at, _)| at).skip(1));
        }
        ends.push(full.len());
        let last = full.len();
        for end in ends {
            let place = files.place(full.get(..end).unwrap_or_default())?;
            match place.dir.create_dir(&place.path).await {
                Err(Error::Fs(Reason::Exists)) if options.has('p') => {}
                // What is there already and may not be changed does no harm before the last.
                Err(_) if end < last => {}
                other => other.about(path)?,
            }
        }
    }
    Ok(())
}

pub async fn tee(mut call: Call) -> Done {
    let options = call.options("a")?;
    let [path] = options.args.as_slice() else {
        return Err(Failure::Misused("it takes one file".into()));
    };
    let mut file = pipeline::create(&call.session, path, options.has('a')).await?;
    let mut bytes = Vec::new();
    while call.input.read(&mut bytes).await? {
        file.write(&bytes).await.about(path)?;
        call.output.write(&bytes).await?;
        bytes.clear();
    }
    Ok(())
}

pub async fn df(mut call: Call) -> Done {
    call.nothing()?;
    let files = call.session.shell.files().await?;
    let space = files.fs.space().await?;
    let block = u64::from(space.block);
    let used = space.blocks.saturating_sub(space.free_blocks);
    let text = format!(
        "{} of {} used, {} free; {} files, room for {} more{}\n",
        Size(used * block),
        Size(space.blocks * block),
        Size(space.free_blocks * block),
        space.files.saturating_sub(space.free_files),
        space.free_files,
        if space.is_read_only {
            "; nothing can be changed"
        } else {
            ""
        },
    );
    call.output.print(&text).await
}
