/*
 * The thread that does the DMA of all devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "device.h"

#include <time.h>

#include "dma.h"

static pthread_mutex_t dma_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t dma_cond = PTHREAD_COND_INITIALIZER;
static bool dma_kicked;

void dma_kick(void)
{
    pthread_mutex_lock(&dma_mutex);
    dma_kicked = true;
    pthread_cond_signal(&dma_cond);
    pthread_mutex_unlock(&dma_mutex);
}

void *dma_thread(void *opaque)
{
    const struct timespec pause = { 0, 1000000 };
    unsigned int i;

    for (;;) {
        bool running = false;
        bool more = false;

        for (i = 0; i < nr_devices; i++) {
            SimDevice *d = devices[i];
            bool again = false;

            pthread_mutex_lock(&d->lock);
            running |= d->ioas && vfio_sim_dma_run(d->sim, &again);
            pthread_mutex_unlock(&d->lock);
            more |= again;
        }
        if (running) {
            if (!more) {
                nanosleep(&pause, NULL);
            }
            continue;
        }
        pthread_mutex_lock(&dma_mutex);
        while (!dma_kicked) {
            pthread_cond_wait(&dma_cond, &dma_mutex);
        }
        dma_kicked = false;
        pthread_mutex_unlock(&dma_mutex);
    }
    return NULL;
}
