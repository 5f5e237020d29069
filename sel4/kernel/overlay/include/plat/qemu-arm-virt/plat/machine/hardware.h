/* SPDX-License-Identifier: GPL-2.0-only */

#ifndef __PLAT_MACHINE_HARDWARE_H
#define __PLAT_MACHINE_HARDWARE_H

#include <config.h>
#include <basic_types.h>
#include <util.h>
#include <arch/linker.h>
#include <plat/machine.h>
#include <plat/machine/devices.h>

/* CNTFRQ_EL0 of every CPU model up to QEMU 8. Debug builds halt when it differs. */
#define TIMER_CLOCK_HZ      62500000llu

/* linker.lds repeats these. */
#define physBase            0x40000000
#define kernelBase          0xffffff8000000000

/* Maximum virtual address accessible from userspace */
#define USER_TOP            0x0000ffffffffffff

static const kernel_frame_t BOOT_RODATA kernel_devices[] = {
    {
        GIC_CONTROLLER_PADDR,
        GIC_CONTROLLER_PPTR,
        true  /* armExecuteNever */
    },
    {
        GIC_DISTRIBUTOR_PADDR,
        GIC_DISTRIBUTOR_PPTR,
        true
    },
#ifdef CONFIG_PRINTING
    {
        UART_PADDR,
        UART_PPTR,
        true
    },
#endif
};

/* RAM. Its end is that of the smallest machine supported until initL2Cache has read the loader's
 * mailbox, so one kernel serves machines of any size. */
static p_region_t BOOT_DATA avail_p_regs[] = {
    { .start = physBase, .end = physBase + 0x10000000 }
};

/* Devices that user programs may have. The interrupt controller is the kernel's alone. */
static const p_region_t BOOT_RODATA dev_p_regs[] = {
    { UART_PADDR,        UART_PADDR + BIT(seL4_PageBits) },
    { RTC_PADDR,         RTC_PADDR + BIT(seL4_PageBits) },
    { FW_CFG_PADDR,      FW_CFG_PADDR + BIT(seL4_PageBits) },
    { GPIO_PADDR,        GPIO_PADDR + BIT(seL4_PageBits) },
    { VIRTIO_MMIO_PADDR, VIRTIO_MMIO_PADDR + VIRTIO_MMIO_SIZE },
};

/* No interrupt is reserved. */
static inline void
handleReservedIRQ(irq_t irq)
{
}

#endif
