/*
 * VFIO migration: requests for switchover acks for initial data
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
    if (!initial->sent || !again) {
        return false;
    }

    initial->request++;
    initial->sent = false;
    return true;
}

bool vfio_mig_initial_unsent(const VFIOMigrationInitial *initial)
{
    return initial->request && !initial->sent;
}

void vfio_mig_initial_sent(VFIOMigrationInitial *initial)
{
    initial->sent = true;
}
