// SPDX-License-Identifier: BSD-2-Clause
//! `atoll::process`

use alloc::{string::String, sync::Arc, vec::Vec};

use atoll_abi::{
    Error, Group, Groups, Handle, NEVER, Pid, ProcessState, Rights,
    message::{
        Events, EventsRequest, GrantRequest, ProcessInfo, ProcessList, Program, Report,
        StartRequest, TakeRequest, Text,
    },
};
use wasmtime::Caller;

use super::{Answer, me};
use crate::{
    Guest,
    authority::Receipt,
    context::Context,
    platform::{Home, Platform},
    process::{Outcome, Process},
    resource::Resource,
    server::Due,
    start::Asked,
    watch::Watcher,
};

/// The process of a handle with these rights.
fn process<P: Platform>(
    guest: &Guest<P>,
    handle: Handle,
    rights: Rights,
) -> Answer<Arc<Process<P>>> {
    let grant = guest.grant_allowing(handle, rights)?;
    Ok(grant.resource.process()?.clone())
}

pub(crate) fn wait<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    deadline: u64,
) -> Answer<u64> {
    let me = me(caller);
    let grant = me.grant_allowing(handle, Rights::READ)?;
    let other = grant.resource.process()?;
    if other.pid == me.pid() {
        return Err(Error::InvalidArgument.into());
    }
    let mut outcome = other.outcome_or_wait(me.pid(), &me.home.waker())?;
    let mut alarm = None;
    let answer = loop {
        if let Some(outcome) = outcome {
            break Ok(outcome);
        }
        if let Err(ending) = me.check_ending() {
            break Err(ending.into());
        }
        if let Err(error) = grant.live() {
            break Err(error.into());
        }
        if deadline != NEVER {
            if me.server.platform.now() >= deadline {
                break Err(Error::TimedOut.into());
            }
            if alarm.is_none() {
                let due = Due::Wake(me.home.waker());
                // There is room: it was reserved.
                alarm = me.server.set_alarm(deadline, due).ok();
            }
        }
        me.sleep();
        outcome = other.outcome_on_wire();
    };
    other.wait_no_longer(me.pid());
    if let Some(alarm) = alarm {
        me.server.alarms.cancel(alarm);
    }
    answer
}

pub(crate) fn stop<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    grace: u64,
) -> Answer<()> {
    let me = me(caller);
    let process = process(me, handle, Rights::WRITE)?;
    me.server.stop(&process, grace);
    Ok(())
}

pub(crate) fn watch<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    task: u32,
) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant_allowing(handle, Rights::READ)?;
    let watchers = match &grant.resource {
        Resource::Guest(place) => &place.watchers,
        resource => &resource.process()?.watchers,
    };
    let pid = me.pid();
    Ok(watchers.add(Watcher { pid, task }, &grant)?)
}

pub(crate) fn of_guest<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<Handle> {
    let me = me(caller);
    let grant = me.grant(handle)?;
    let process = grant.resource.guest()?.last().ok_or(Error::NotFound)?;
    Ok(me.receive_process(&grant, &process)?)
}

pub(crate) fn state<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<ProcessState> {
    Ok(process(me(caller), handle, Rights::READ)?.state())
}

pub(crate) fn restrict<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
    groups: Groups,
) -> Answer<()> {
    let process = process(me(caller), handle, Rights::GRANT)?;
    process.guest().ok_or(Error::Ended)?.restrict(groups);
    if groups.contains(Group::Logs) {
        me(caller).server.leave_log(process.pid);
    }
    Ok(())
}

pub(crate) fn start<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: StartRequest,
) -> Answer<Handle> {
    let me = me(caller);
    let session = match request.session {
        Some(handle) => {
            let grant = me.grant_allowing(handle, Rights::WRITE)?;
            Some(grant.resource.session()?.clone())
        }
        None => None,
    };
    let owned =
        |texts: &[Text]| -> Vec<String> { texts.iter().map(|text| text.as_str().into()).collect() };
    let asked = Asked {
        by: me,
        args: owned(&request.args),
        env: owned(&request.env),
        gives: request.gives,
        session,
    };
    let (process, handle) = match &request.program {
        Program::Guest(name) => {
            let grant = me.grant_to_start(name)?;
            let process = me.server.start_guest(grant.resource.guest()?, asked)?;
            let handle = me.receive_process(&grant, &process);
            (process, handle)
        }
        Program::Module(module) => {
            let process = me.server.start_module(module, asked)?;
            let handle = me.receive_new(Resource::Process(process.clone()));
            (process, handle)
        }
    };
    // Nobody could stop what nobody has.
    Ok(handle.inspect_err(|_| me.server.stop(&process, 0))?)
}

pub(crate) fn grant<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: GrantRequest,
) -> Answer<()> {
    let me = me(caller);
    let process = process(me, request.process, Rights::GRANT)?;
    let give = request.give;
    let source = me.grant_allowing(give.handle, give.rights.union(Rights::GRANT))?;
    let receipt = Receipt {
        name: give.name,
        by: Some(me.pid()),
        is_news: true,
    };
    let guest = process.guest().ok_or(Error::Ended)?;
    guest.receive_from(receipt, &source, give.rights)?;
    Ok(())
}

pub(crate) fn take<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: TakeRequest,
) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant_allowing(request.process, Rights::GRANT)?;
    let mine = Some(me.pid());
    let Resource::Guest(place) = &grant.resource else {
        let guest = grant.resource.process()?.guest().ok_or(Error::Ended)?;
        return Ok(me.server.take(&guest, mine, &request.name)?);
    };
    let lent = match place.last().and_then(|process| process.guest()) {
        Some(guest) => me.server.take(&guest, mine, &request.name),
        None => Err(Error::NotFound),
    };
    // One of the two is enough.
    Ok(me.server.take_slot(place, &request.name).or(lent)?)
}

pub(crate) fn restore<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: TakeRequest,
) -> Answer<()> {
    let me = me(caller);
    let grant = me.grant_allowing(request.process, Rights::GRANT)?;
    let place = grant.resource.guest()?;
    Ok(me.server.restore_slot(place, &request.name)?)
}

pub(crate) fn info<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<ProcessInfo> {
    let me = me(caller);
    let process = process(me, handle, Rights::READ)?;
    Ok(me.server.process_info(&process))
}

pub(crate) fn events<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    request: EventsRequest,
) -> Answer<Events> {
    let process = process(me(caller), request.process, Rights::READ)?;
    Ok(Events {
        module: process.module.clone(),
        version: process.version(),
        changes: process.changes(request.after as usize),
    })
}

pub(crate) fn report<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    handle: Handle,
) -> Answer<Report> {
    let process = process(me(caller), handle, Rights::READ)?;
    let mut report = Report {
        text: heapless::String::new(),
    };
    if let Some(Outcome::Failed(why)) = process.outcome() {
        // Cut where it is full.
        why.chars()
            .try_for_each(|c| report.text.push(c).ok())
            .unwrap_or_default();
    }
    Ok(report)
}

pub(crate) fn children<P: Platform>(
    caller: &mut Caller<'_, Context<P>>,
    after: Pid,
) -> Answer<ProcessList> {
    let me = me(caller);
    let parent = Some(me.pid());
    Ok(me.server.list(after, |process| process.parent == parent))
}
