/*
 * VFIO_DEVICE_FEATURE of a simulated device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "device.h"

#include "dirty.h"
#include "uapi.h"

static int set_state(SimDevice *d, struct vfio_device_feature_mig_state *arg)
{
    int ret;

    pthread_mutex_lock(&d->transition);
    pthread_mutex_lock(&d->lock);
    d->new_fd = -1;
    ret = vfio_sim_change_state(d->sim, arg->device_state);
    arg->data_fd = d->new_fd;
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_unlock(&d->transition);
    return ret;
}

static int get_migration(SimDevice *d, void *data)
{
    ((struct vfio_device_feature_migration *)data)->flags =
        vfio_sim_mig_flags(d->sim);
    return 0;
}

static int get_state(SimDevice *d, void *data)
{
    struct vfio_device_feature_mig_state *arg = data;

    arg->device_state = vfio_sim_state(d->sim);
    arg->data_fd = -1;
    return 0;
}

static int get_data_size(SimDevice *d, void *data)
{
    struct vfio_device_feature_mig_data_size *arg = data;
    uint64_t length;
    int ret = vfio_sim_query_length(d->sim, &length);

    if (!ret) {
        arg->stop_copy_length = length;
    }
    return ret;
}

static int log_start(SimDevice *d, void *data)
{
    struct vfio_device_feature_dma_logging_control *arg = data;

    arg->page_size = VFIO_SIM_PAGE;
    return vfio_sim_log_start(d->sim, VFIO_SIM_DEVICE_LOG,
                              (VFIOSimRange *)(uintptr_t)arg->ranges,
                              arg->num_ranges);
}

static int log_stop(SimDevice *d, void *data)
{
    return vfio_sim_log_stop(d->sim, VFIO_SIM_DEVICE_LOG);
}

static int get_log_report(SimDevice *d, void *data)
{
    struct vfio_device_feature_dma_logging_report *arg = data;
    SimBitmap b = {
        arg->iova, arg->length, arg->page_size,
        (uint64_t *)(uintptr_t)arg->bitmap
    };

    return log_report(d, VFIO_SIM_DEVICE_LOG, &b, true);
}

static int opt_in(SimDevice *d, void *data)
{
    vfio_sim_set_v2(d->sim, true);
    return 0;
}

static int check_v2(SimDevice *d)
{
    int ret;

    pthread_mutex_lock(&d->lock);
    ret = vfio_sim_check_v2(d->sim);
    pthread_mutex_unlock(&d->lock);
    return ret;
}

static int check_log(SimDevice *d)
{
    return d->dirty_log & VFIO_SIM_LOG_DEVICE ? 0 : -ENOTTY;
}

/* Features: how large their data is, whether there is one, and its calls */
static const struct {
    uint32_t feature;
    size_t size;
    int (*check)(SimDevice *d);
    int (*get)(SimDevice *d, void *data);
    int (*set)(SimDevice *d, void *data);
} features[] = {
    { VFIO_DEVICE_FEATURE_MIGRATION,
      sizeof(struct vfio_device_feature_migration), .get = get_migration },
    { VFIO_DEVICE_FEATURE_MIG_DATA_SIZE,
      sizeof(struct vfio_device_feature_mig_data_size), .get = get_data_size },
    { VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
      sizeof(struct vfio_device_feature_dma_logging_control), check_log,
      .set = log_start },
    { VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, 0, check_log, .set = log_stop },
    { VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
      sizeof(struct vfio_device_feature_dma_logging_report), check_log,
      .get = get_log_report },
    { VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2, 0, check_v2, .set = opt_in },
    /* set_state() takes another lock, too */
    { VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
      sizeof(struct vfio_device_feature_mig_state), .get = get_state },
};

int device_feature(SimDevice *d, void *opaque)
{
    struct vfio_device_feature *arg = opaque;
    const uint32_t all_ops = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
    uint32_t feature = arg->flags & VFIO_DEVICE_FEATURE_MASK;
    bool state = feature == VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE;
    uint32_t ops = arg->flags & all_ops;
    bool probe = arg->flags & VFIO_DEVICE_FEATURE_PROBE;
    size_t i;
    int ret;

    if (arg->argsz < sizeof(*arg) ||
        arg->flags & ~(VFIO_DEVICE_FEATURE_MASK | all_ops |
                       VFIO_DEVICE_FEATURE_PROBE) ||
        (!probe && (!ops || ops == all_ops))) {
        return -EINVAL;
    }
    for (i = 0; features[i].feature != feature; i++) {
        if (i == sizeof(features) / sizeof(features[0]) - 1) {
            return -ENOTTY;
        }
    }
    ret = features[i].check ? features[i].check(d) : 0;
    if (ret) {
        return ret;
    }
    if ((ops & VFIO_DEVICE_FEATURE_GET && !features[i].get) ||
        (ops & VFIO_DEVICE_FEATURE_SET && !features[i].set && !state)) {
        return -EINVAL;
    }
    if (probe) {
        return 0;
    }
    if (arg->argsz < sizeof(*arg) + features[i].size) {
        return -EINVAL;
    }
    if (state && ops == VFIO_DEVICE_FEATURE_SET) {
        return set_state(d, (void *)arg->data);
    }
    pthread_mutex_lock(&d->lock);
    ret = (ops == VFIO_DEVICE_FEATURE_GET ? features[i].get :
                                            features[i].set)(d, arg->data);
    pthread_mutex_unlock(&d->lock);
    return ret;
}
