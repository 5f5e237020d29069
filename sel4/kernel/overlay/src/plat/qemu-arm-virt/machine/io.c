/* SPDX-License-Identifier: GPL-2.0-only */
/* Debug output on the PL011 (Arm DDI 0183, section 3.3). */

#include <config.h>
#include <stdint.h>
#include <util.h>
#include <machine/io.h>
#include <plat/machine/devices.h>

#define UARTDR       0x00
#define UARTFR       0x18
#define UARTFR_TXFF  BIT(5)
#define UARTFR_RXFE  BIT(4)

#define UART_REG(x) ((volatile uint32_t *)(UART_PPTR + (x)))

#if defined(CONFIG_DEBUG_BUILD) || defined(CONFIG_PRINTING)
void
putDebugChar(unsigned char c)
{
    while (*UART_REG(UARTFR) & UARTFR_TXFF);
    *UART_REG(UARTDR) = c;
}
#endif

#ifdef CONFIG_DEBUG_BUILD
unsigned char
getDebugChar(void)
{
    while (*UART_REG(UARTFR) & UARTFR_RXFE);
    return *UART_REG(UARTDR);
}
#endif
