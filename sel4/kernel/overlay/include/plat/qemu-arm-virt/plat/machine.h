/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts of QEMU's `virt` machine (QEMU, hw/arm/virt.c, a15irqmap: SPI n is interrupt 32 + n). */

#ifndef __PLAT_MACHINE_H
#define __PLAT_MACHINE_H

enum IRQConstants {
    INTERRUPT_VIRTUAL_TIMER  = 27, /* PPI 11 */
    INTERRUPT_PHYSICAL_TIMER = 30, /* PPI 14 */
    INTERRUPT_UART           = 33,
    INTERRUPT_RTC            = 34,
    INTERRUPT_PCIE_FIRST     = 35, /* 4 */
    INTERRUPT_GPIO           = 39,
    INTERRUPT_VIRTIO_FIRST   = 48, /* 32 */
    /* The interrupt's number has 8 bits in its capability. */
    maxIRQ                   = 159,
    /* No device has it, unless one is plugged into the platform bus by hand. To acknowledge it switches the machine off. */
    INTERRUPT_POWER_SWITCH   = maxIRQ
} platform_interrupt_t;

/* 2^13 bytes are 256 slots of 32 bytes, one for each interrupt. */
#define IRQ_CNODE_BITS      13

#define KERNEL_TIMER_IRQ    INTERRUPT_VIRTUAL_TIMER

#include <arch/machine/gic_pl390.h>

#endif
