/*
 * VFIO migration: initial data, and the switchover acks asked for it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "migration-initial.h"

void vfio_mig_initial_reset(VFIOMigrationInitial *initial)
{
    *initial = (VFIOMigrationInitial) { };
}

void vfio_mig_initial_begin(VFIOMigrationInitial *initial)
{
    *initial = (VFIOMigrationInitial) { .request = 1 };
}

bool vfio_mig_initial_reinit(VFIOMigrationInitial *initial, bool again)
{
    initial->reinits++;
    if (!initial->told || !again) {
        return false;
    }

    initial->request++;
    initial->told = false;
    return true;
}

bool vfio_mig_initial_untold(const VFIOMigrationInitial *initial)
{
    return initial->request && !initial->told;
}

void vfio_mig_initial_told(VFIOMigrationInitial *initial)
{
    initial->told = true;
}
