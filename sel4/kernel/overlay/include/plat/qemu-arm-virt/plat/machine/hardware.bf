-- SPDX-License-Identifier: GPL-2.0-only
-- The platform has no hardware structures of its own.

base 32
