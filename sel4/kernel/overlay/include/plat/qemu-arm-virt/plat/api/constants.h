/* SPDX-License-Identifier: GPL-2.0-only */
/* The platform adds no constants to the API. */
#ifndef __PLAT_API_CONSTANTS_H
#define __PLAT_API_CONSTANTS_H
#endif
