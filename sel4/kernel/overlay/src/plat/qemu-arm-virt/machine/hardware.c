/* SPDX-License-Identifier: GPL-2.0-only */

#include <config.h>
#include <types.h>
#include <arch/machine.h>
#include <mode/machine/timer.h>
#include <arch/linker.h>
#include <plat/machine/hardware.h>

/* What the loader tells the kernel, in the first bytes of the kernel's image (linker.lds puts it
 * there). The loader knows it by its magic number and stores the first address after RAM. */
struct boot_mailbox {
    uint64_t magic;
    uint64_t ram_end;
};

#define BOOT_MAILBOX_MAGIC 0x314d41524c344573 /* the bytes "sE4LRAM1" */

static volatile struct boot_mailbox boot_mailbox VISIBLE SECTION(".boot.mailbox") = {
    .magic = BOOT_MAILBOX_MAGIC,
    .ram_end = 0
};

/* CNTKCTL_EL1 (Arm ARM, DDI 0487): what EL0 may use without a trap. */
#define CNTKCTL_EL0PCTEN BIT(0) /* the physical counter */
#define CNTKCTL_EL0VCTEN BIT(1) /* the virtual counter */
#define CNTKCTL_EL0PTEN  BIT(9) /* the physical timer; the virtual one (bit 8) is the kernel's tick */

/* PMCR_EL0: all counters on, cycle counter reset and 64 bits wide. */
#define PMCR_E  BIT(0)
#define PMCR_C  BIT(2)
#define PMCR_LC BIT(6)
#define PMCNTENSET_CYCLES BIT(31)
#define PMUSERENR_EN BIT(0)

/* ID_AA64DFR0_EL1.PMUVer: 0 is none, 15 is one of another kind. */
#define ID_AA64DFR0_PMUVER_SHIFT 8

BOOT_CODE static void
export_pmu(void)
{
    word_t features, version;

    MRS("id_aa64dfr0_el1", features);
    version = (features >> ID_AA64DFR0_PMUVER_SHIFT) & MASK(4);
    if (version == 0 || version == MASK(4)) {
        return;
    }
    MSR("pmccfiltr_el0", (word_t)0);
    MSR("pmcntenset_el0", (word_t)PMCNTENSET_CYCLES);
    MSR("pmcr_el0", (word_t)(PMCR_E | PMCR_C | PMCR_LC));
    MSR("pmuserenr_el0", (word_t)PMUSERENR_EN);
}

void
resetTimer(void)
{
    resetGenericTimer();
}

BOOT_CODE void
initTimer(void)
{
    MSR("cntkctl_el1", (word_t)(CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN | CNTKCTL_EL0PTEN));
    MSR("cntp_ctl_el0", (word_t)0);
    export_pmu();
    initGenericTimer();
}

/* The machine has no such cache. This is the platform's hook between the mapping of the kernel
 * window and the first use of avail_p_regs, so the size of RAM is taken over here. */
BOOT_CODE void
initL2Cache(void)
{
    if (boot_mailbox.ram_end > avail_p_regs[0].start) {
        avail_p_regs[0].end = boot_mailbox.ram_end;
    }
}

void plat_cleanL2Range(paddr_t start, paddr_t end) {}
void plat_invalidateL2Range(paddr_t start, paddr_t end) {}
void plat_cleanInvalidateL2Range(paddr_t start, paddr_t end) {}
void plat_cleanInvalidateCache(void) {}
