/* SPDX-License-Identifier: GPL-2.0-only */
/* The platform adds no constants to the API. */
#ifndef __LIBSEL4_SEL4_PLAT_API_CONSTANTS_H_
#define __LIBSEL4_SEL4_PLAT_API_CONSTANTS_H_
#endif
