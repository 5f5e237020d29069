/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices of QEMU's `virt` machine (QEMU, hw/arm/virt.c, base_memmap). */

#ifndef __PLAT_MACHINE_DEVICES_H
#define __PLAT_MACHINE_DEVICES_H

/* Where the kernel maps its own: within the last 2 MiB, which one page table covers. */
#define UART_PPTR                   0xffffffffffff0000
#define GIC_DISTRIBUTOR_PPTR        0xffffffffffff3000
#define GIC_CONTROLLER_PPTR         0xffffffffffff4000
#define GIC_PL390_DISTRIBUTOR_PPTR  GIC_DISTRIBUTOR_PPTR
#define GIC_PL390_CONTROLLER_PPTR   GIC_CONTROLLER_PPTR

#define GIC_DISTRIBUTOR_PADDR       0x08000000
#define GIC_CONTROLLER_PADDR        0x08010000
#define UART_PADDR                  0x09000000
#define RTC_PADDR                   0x09010000
#define FW_CFG_PADDR                0x09020000
#define GPIO_PADDR                  0x09030000
/* 32 transports of 512 bytes. */
#define VIRTIO_MMIO_PADDR           0x0a000000
#define VIRTIO_MMIO_SIZE            0x4000

#endif
