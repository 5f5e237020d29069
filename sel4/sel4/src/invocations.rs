// SPDX-License-Identifier: BSD-2-Clause
//! Invocations of kernel objects. Errors are the kernel's ([`Error`]); what each may return
//! is in the seL4 manual, chapter 10, under the name of the invocation.

use crate::{
    AbsoluteCPtr, CNodeCapData, CPtr, CPtrWithDepth, Cap, CapRights, CapTypeForFrameObject, Error,
    InvocationContext, IpcBuffer, ObjectBlueprint, Result, TranslationTableObjectType, UserContext,
    VmAttributes, Word, abi, cap, sys, user_context,
};

fn wrap<T>(result: core::result::Result<T, sys::seL4_Error>) -> Result<T> {
    result.map_err(Error::from_reply)
}

impl<C: InvocationContext> cap::Untyped<C> {
    /// `seL4_Untyped_Retype`: makes `num_objects` objects of this memory and puts capabilities to them
    /// into the slots of the CNode `dst` from `dst_offset` on.
    pub fn untyped_retype(
        self,
        blueprint: &ObjectBlueprint,
        dst: &AbsoluteCPtr,
        dst_offset: usize,
        num_objects: usize,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(buffer.inner_mut().seL4_Untyped_Retype(
                cptr.bits(),
                Word::from(blueprint.ty().into_sys()),
                blueprint.api_size_bits().unwrap_or(0) as Word,
                dst.root().bits(),
                dst.path().bits(),
                dst.path().depth() as Word,
                dst_offset as Word,
                num_objects as Word,
            ))
        })
    }
}

impl<C: InvocationContext> AbsoluteCPtr<C> {
    fn invoke<R>(self, f: impl FnOnce(CPtr, CPtrWithDepth, &mut IpcBuffer) -> R) -> R {
        let path = *self.path();
        self.into_root()
            .invoke(|root, buffer| f(root, path, buffer))
    }

    /// `seL4_CNode_Revoke`: deletes every capability derived from the one in this slot.
    pub fn revoke(self) -> Result<()> {
        self.invoke(|root, path, buffer| {
            let depth = path.depth_for_kernel();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_CNode_Revoke(root.bits(), path.bits(), depth),
            )
        })
    }

    /// `seL4_CNode_Delete`: empties this slot.
    pub fn delete(self) -> Result<()> {
        self.invoke(|root, path, buffer| {
            let depth = path.depth_for_kernel();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_CNode_Delete(root.bits(), path.bits(), depth),
            )
        })
    }

    /// `seL4_CNode_Copy`: puts a copy of `src` with at most these rights into this slot.
    pub fn copy(self, src: &AbsoluteCPtr, rights: CapRights) -> Result<()> {
        self.invoke(|root, path, buffer| {
            wrap(buffer.inner_mut().seL4_CNode_Copy(
                root.bits(),
                path.bits(),
                path.depth_for_kernel(),
                src.root().bits(),
                src.path().bits(),
                src.path().depth_for_kernel(),
                rights.into_inner(),
            ))
        })
    }

    /// `seL4_CNode_Mint`: as [`copy`](Self::copy), with a badge, or with a guard
    /// ([`CNodeCapData::into_word`]). A badge that does not fit (5.0.0: 28 bits) is a `RangeError`.
    pub fn mint(self, src: &AbsoluteCPtr, rights: CapRights, badge: Word) -> Result<()> {
        let data = wrap(abi::cap_data(badge))?;
        self.invoke(|root, path, buffer| {
            wrap(buffer.inner_mut().seL4_CNode_Mint(
                root.bits(),
                path.bits(),
                path.depth_for_kernel(),
                src.root().bits(),
                src.path().bits(),
                src.path().depth_for_kernel(),
                rights.into_inner(),
                data,
            ))
        })
    }

    /// `seL4_CNode_Move`: moves `src` into this slot.
    pub fn move_(self, src: &AbsoluteCPtr) -> Result<()> {
        self.invoke(|root, path, buffer| {
            wrap(buffer.inner_mut().seL4_CNode_Move(
                root.bits(),
                path.bits(),
                path.depth_for_kernel(),
                src.root().bits(),
                src.path().bits(),
                src.path().depth_for_kernel(),
            ))
        })
    }

    /// `seL4_CNode_Mutate`: as [`move_`](Self::move_), with a badge or guard as in [`mint`](Self::mint).
    pub fn mutate(self, src: &AbsoluteCPtr, badge: Word) -> Result<()> {
        let data = wrap(abi::cap_data(badge))?;
        self.invoke(|root, path, buffer| {
            wrap(buffer.inner_mut().seL4_CNode_Mutate(
                root.bits(),
                path.bits(),
                path.depth_for_kernel(),
                src.root().bits(),
                src.path().bits(),
                src.path().depth_for_kernel(),
                data,
            ))
        })
    }

    /// `seL4_CNode_SaveCaller`: keeps the authority to answer the last caller in this slot.
    pub fn save_caller(self) -> Result<()> {
        self.invoke(|root, path, buffer| {
            let depth = path.depth_for_kernel();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_CNode_SaveCaller(root.bits(), path.bits(), depth),
            )
        })
    }
}

impl<C: InvocationContext> cap::Tcb<C> {
    /// `seL4_TCB_Configure`: fault endpoint (an address in the thread's own capability space),
    /// capability space, address space and IPC buffer. Priorities stay as they are.
    pub fn tcb_configure(
        self,
        fault_ep: CPtr,
        cspace_root: cap::CNode,
        cspace_root_data: CNodeCapData,
        vspace_root: cap::VSpace,
        ipc_buffer: Word,
        ipc_buffer_frame: cap::Granule,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(abi::tcb_configure(
                buffer.inner_mut(),
                cptr.bits(),
                fault_ep.bits(),
                (cspace_root.bits(), cspace_root_data.into_word()),
                vspace_root.bits(),
                (ipc_buffer, ipc_buffer_frame.bits()),
            ))
        })
    }

    /// `seL4_TCB_SetSpace`: fault endpoint, capability space and address space.
    pub fn tcb_set_space(
        self,
        fault_ep: CPtr,
        cspace_root: cap::CNode,
        cspace_root_data: CNodeCapData,
        vspace_root: cap::VSpace,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(abi::tcb_set_space(
                buffer.inner_mut(),
                cptr.bits(),
                fault_ep.bits(),
                (cspace_root.bits(), cspace_root_data.into_word()),
                vspace_root.bits(),
            ))
        })
    }

    /// `seL4_TCB_SetSchedParams`: both priorities, at most what `authority` may control (5.0.0: what
    /// the calling thread may control).
    pub fn tcb_set_sched_params(
        self,
        authority: cap::Tcb,
        mcp: Word,
        priority: Word,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let (tcb, authority) = (cptr.bits(), authority.bits());
            wrap(abi::tcb_set_sched_params(
                buffer.inner_mut(),
                tcb,
                authority,
                mcp,
                priority,
            ))
        })
    }

    /// `seL4_TCB_SetPriority`, with the authority as in [`tcb_set_sched_params`](Self::tcb_set_sched_params).
    pub fn tcb_set_priority(self, authority: cap::Tcb, priority: Word) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let (tcb, authority) = (cptr.bits(), authority.bits());
            wrap(abi::tcb_set_priority(
                buffer.inner_mut(),
                tcb,
                authority,
                priority,
            ))
        })
    }

    /// `seL4_TCB_SetMCPriority`, with the authority as in [`tcb_set_sched_params`](Self::tcb_set_sched_params).
    pub fn tcb_set_mc_priority(self, authority: cap::Tcb, mcp: Word) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let (tcb, authority) = (cptr.bits(), authority.bits());
            wrap(abi::tcb_set_mc_priority(
                buffer.inner_mut(),
                tcb,
                authority,
                mcp,
            ))
        })
    }

    /// `seL4_TCB_BindNotification`: signals also arrive where the thread receives from an endpoint.
    pub fn tcb_bind_notification(self, notification: cap::Notification) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let notification = notification.bits();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_TCB_BindNotification(cptr.bits(), notification),
            )
        })
    }

    /// `seL4_TCB_UnbindNotification`.
    pub fn tcb_unbind_notification(self) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(buffer.inner_mut().seL4_TCB_UnbindNotification(cptr.bits()))
        })
    }

    /// `seL4_TCB_Suspend`: stops the thread; a system call in which it blocks is abandoned.
    pub fn tcb_suspend(self) -> Result<()> {
        self.invoke(|cptr, buffer| wrap(buffer.inner_mut().seL4_TCB_Suspend(cptr.bits())))
    }

    /// `seL4_TCB_Resume`: lets the thread run; an abandoned system call starts again.
    pub fn tcb_resume(self) -> Result<()> {
        self.invoke(|cptr, buffer| wrap(buffer.inner_mut().seL4_TCB_Resume(cptr.bits())))
    }

    /// `seL4_TCB_ReadRegisters`: the first `count` registers, the others as 0.
    pub fn tcb_read_registers(self, suspend: bool, count: Word) -> Result<UserContext> {
        self.invoke(|cptr, buffer| {
            // Words that the kernel does not write must not come from an earlier message.
            buffer.inner_mut().msg[..user_context::REGISTERS].fill(0);
            let result = buffer
                .inner_mut()
                .seL4_TCB_ReadRegisters(cptr.bits(), suspend, 0, count);
            wrap(result).map(|result| UserContext::from_inner(result.regs))
        })
    }

    /// [`tcb_read_registers`](Self::tcb_read_registers) of all registers.
    pub fn tcb_read_all_registers(self, suspend: bool) -> Result<UserContext> {
        self.tcb_read_registers(suspend, user_context::REGISTERS as Word)
    }

    /// `seL4_TCB_WriteRegisters`: the first `count` registers.
    pub fn tcb_write_registers(
        self,
        resume: bool,
        count: Word,
        regs: &mut UserContext,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let regs = regs.inner();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_TCB_WriteRegisters(cptr.bits(), resume, 0, count, regs),
            )
        })
    }

    /// [`tcb_write_registers`](Self::tcb_write_registers) of all registers.
    pub fn tcb_write_all_registers(self, resume: bool, regs: &mut UserContext) -> Result<()> {
        self.tcb_write_registers(resume, user_context::REGISTERS as Word, regs)
    }
}

impl<T: CapTypeForFrameObject, C: InvocationContext> Cap<T, C> {
    /// `seL4_ARM_Page_Map`: maps the page, or gives a mapped page other rights and attributes at the
    /// same address.
    ///
    /// One capability maps at one address: copy it for a second mapping. A missing paging structure is
    /// a `FailedLookup`; `sel4-ext` tells its level. On 5.0.0, naming another address for a mapped page
    /// changes rights where it is, and mapping over another page replaces it.
    pub fn frame_map(
        self,
        vspace: cap::VSpace,
        vaddr: usize,
        rights: CapRights,
        attrs: VmAttributes,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(abi::page_map(
                buffer.inner_mut(),
                cptr.bits(),
                vspace.bits(),
                vaddr as Word,
                rights.into_inner(),
                attrs.into_inner(),
            ))
        })
    }

    /// `seL4_ARM_Page_Unmap`.
    pub fn frame_unmap(self) -> Result<()> {
        self.invoke(|cptr, buffer| wrap(buffer.inner_mut().seL4_ARM_Page_Unmap(cptr.bits())))
    }

    /// `seL4_ARM_Page_GetAddress`: the physical address.
    pub fn frame_get_address(self) -> Result<usize> {
        self.invoke(|cptr, buffer| {
            let result = buffer.inner_mut().seL4_ARM_Page_GetAddress(cptr.bits());
            wrap(result).map(|result| result.paddr as usize)
        })
    }
}

impl<C: InvocationContext> cap::PT<C> {
    /// `seL4_ARM_PageTable_Map`: the structure whose entries are small pages. Where a structure above
    /// it is missing: `FailedLookup` on 5.0.0, while later kernels install it there.
    pub fn pt_map(self, vspace: cap::VSpace, vaddr: usize, attr: VmAttributes) -> Result<()> {
        self.cast::<crate::cap_type::UnspecifiedIntermediateTranslationTable>()
            .generic_intermediate_translation_table_map(
                TranslationTableObjectType::PT,
                vspace,
                vaddr,
                attr,
            )
    }
}

impl<C: InvocationContext> cap::UnspecifiedIntermediateTranslationTable<C> {
    /// Maps a paging structure of the given level, which has to be the one it was made for.
    /// `DeleteFirst` if there is one already.
    pub fn generic_intermediate_translation_table_map(
        self,
        ty: TranslationTableObjectType,
        vspace: cap::VSpace,
        vaddr: usize,
        attr: VmAttributes,
    ) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(abi::translation_table_map(
                buffer.inner_mut(),
                ty.level(),
                cptr.bits(),
                vspace.bits(),
                vaddr as Word,
                attr.into_inner(),
            ))
        })
    }
}

impl<C: InvocationContext> cap::IrqControl<C> {
    /// `seL4_IRQControl_Get`: puts the handler of an interrupt into `dst`.
    pub fn irq_control_get(self, irq: Word, dst: &AbsoluteCPtr) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(buffer.inner_mut().seL4_IRQControl_Get(
                cptr.bits(),
                irq as _,
                dst.root().bits(),
                dst.path().bits(),
                dst.path().depth_for_kernel(),
            ))
        })
    }
}

impl<C: InvocationContext> cap::IrqHandler<C> {
    /// `seL4_IRQHandler_Ack`: allows the next interrupt.
    pub fn irq_handler_ack(self) -> Result<()> {
        self.invoke(|cptr, buffer| wrap(buffer.inner_mut().seL4_IRQHandler_Ack(cptr.bits())))
    }

    /// `seL4_IRQHandler_SetNotification`: the notification that an interrupt signals.
    pub fn irq_handler_set_notification(self, notification: cap::Notification) -> Result<()> {
        self.invoke(|cptr, buffer| {
            let notification = notification.bits();
            wrap(
                buffer
                    .inner_mut()
                    .seL4_IRQHandler_SetNotification(cptr.bits(), notification),
            )
        })
    }

    /// `seL4_IRQHandler_Clear`: no notification any more.
    pub fn irq_handler_clear(self) -> Result<()> {
        self.invoke(|cptr, buffer| wrap(buffer.inner_mut().seL4_IRQHandler_Clear(cptr.bits())))
    }
}

impl<C: InvocationContext> cap::AsidControl<C> {
    /// `seL4_ARM_ASIDControl_MakePool`: makes a pool of the untyped memory and puts it into `dst`.
    pub fn asid_control_make_pool(self, untyped: cap::Untyped, dst: &AbsoluteCPtr) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(buffer.inner_mut().seL4_ARM_ASIDControl_MakePool(
                cptr.bits(),
                untyped.bits(),
                dst.root().bits(),
                dst.path().bits(),
                dst.path().depth_for_kernel(),
            ))
        })
    }
}

impl<C: InvocationContext> cap::AsidPool<C> {
    /// `seL4_ARM_ASIDPool_Assign`: gives an address space its identifier, before anything is mapped.
    pub fn asid_pool_assign(self, vspace: cap::VSpace) -> Result<()> {
        self.invoke(|cptr, buffer| {
            wrap(
                buffer
                    .inner_mut()
                    .seL4_ARM_ASIDPool_Assign(cptr.bits(), vspace.bits()),
            )
        })
    }
}
