// SPDX-License-Identifier: GPL-2.0-or-later
#include "../vfio-sim-compat.h"

/* The model has a function of this name */
#undef round_up

#include "../vfio-sim-model.c"
