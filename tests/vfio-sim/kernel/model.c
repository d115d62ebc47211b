// SPDX-License-Identifier: GPL-2.0-or-later
#include "../model/compat.h"

/* The model has a function of this name */
#undef round_up

#include "../model/model.c"
