// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated VFIO device that can be migrated: the operations of the device
 */

#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sim.h"

#define SIM_REGION_SHIFT	40

/* The model has no header of the kernel. */
#define SAME(a, b) static_assert((int)(a) == (int)(b))
SAME(VFIO_SIM_ERROR, VFIO_DEVICE_STATE_ERROR);
SAME(VFIO_SIM_STOP, VFIO_DEVICE_STATE_STOP);
SAME(VFIO_SIM_RUNNING, VFIO_DEVICE_STATE_RUNNING);
SAME(VFIO_SIM_STOP_COPY, VFIO_DEVICE_STATE_STOP_COPY);
SAME(VFIO_SIM_RESUMING, VFIO_DEVICE_STATE_RESUMING);
SAME(VFIO_SIM_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING_P2P);
SAME(VFIO_SIM_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY);
SAME(VFIO_SIM_PRE_COPY_P2P, VFIO_DEVICE_STATE_PRE_COPY_P2P);
SAME(VFIO_SIM_STATES, VFIO_DEVICE_STATE_NR);
SAME(VFIO_SIM_MIG_STOP_COPY, VFIO_MIGRATION_STOP_COPY);
SAME(VFIO_SIM_MIG_P2P, VFIO_MIGRATION_P2P);
SAME(VFIO_SIM_MIG_PRE_COPY, VFIO_MIGRATION_PRE_COPY);
SAME(VFIO_SIM_REGION_BAR0, VFIO_PCI_BAR0_REGION_INDEX);
SAME(VFIO_SIM_REGION_CONFIG, VFIO_PCI_CONFIG_REGION_INDEX);
SAME(VFIO_SIM_REGION_VGA, VFIO_PCI_VGA_REGION_INDEX);
SAME(VFIO_SIM_IRQ_ERR, VFIO_PCI_ERR_IRQ_INDEX);
SAME(VFIO_SIM_IRQ_REQ, VFIO_PCI_REQ_IRQ_INDEX);
SAME(VFIO_SIM_IRQS, VFIO_PCI_NUM_IRQS);

static struct sim_dev *to_sim(struct vfio_device *vdev)
{
	return container_of(vdev, struct sim_dev, vdev);
}

void sim_changed(struct sim_dev *d)
{
	lockdep_assert_held(&d->lock);
	WRITE_ONCE(d->generation, d->generation + 1);
	wake_up_all(&d->wait);
	if (d->open && vfio_sim_dma_running(d->sim))
		mod_delayed_work(sim_wq, &d->dma, 0);
}

int sim_sleep(u64 ns, bool killable)
{
	ktime_t time = ns_to_ktime(min_t(u64, ns, KTIME_MAX));
	int ret = 0;

	while (time && !ret) {
		ktime_t end = ktime_add_safe(ktime_get(), time);

		set_current_state(killable ? TASK_KILLABLE :
					     TASK_INTERRUPTIBLE);
		schedule_hrtimeout(&time, HRTIMER_MODE_REL);
		time = max_t(ktime_t, ktime_sub(end, ktime_get()), 0);
		if (killable ? fatal_signal_pending(current) :
			       signal_pending(current))
			ret = -ERESTARTSYS;
	}
	return ret;
}

/* The running device writes the user's memory. */
static void sim_dma_work(struct work_struct *work)
{
	struct sim_dev *d = container_of(to_delayed_work(work),
					 struct sim_dev, dma);
	bool more;

	mutex_lock(&d->lock);
	if (d->open && vfio_sim_dma_run(d->sim, &more))
		queue_delayed_work(sim_wq, &d->dma, more ? 0 : 1);
	mutex_unlock(&d->lock);
}

/* ------------------------------------------------ what the model needs -- */

/*
 * What the VFIO core decides, and no profile can change: the value that such
 * a key has.
 */
static const VFIOSimFixed sim_fixed[] = {
	/* vfio_dma_rw() is logged by the container, completely and always */
	{ "dirty-log", "iommu" },
	{ "drop-log-every", "0" },
#ifdef HAVE_PRECOPY_INFO_V2
	{ "precopy-v2", "on" },
#else
	{ "precopy-v2", "off" },
#endif
	{ NULL }
};

static void *hook_alloc(void *opaque, size_t size)
{
	return kvzalloc(size, GFP_KERNEL_ACCOUNT);
}

static void hook_free(void *opaque, void *p, size_t size)
{
	kvfree(p);
}

static u64 hook_now(void *opaque)
{
	return ktime_get_ns();
}

/* Called, and returns, with the lock held, which is dropped meanwhile */
static int hook_wait(void *opaque, bool state_change)
{
	struct sim_dev *d = opaque;
	unsigned int generation = d->generation;
	int ret;

	mutex_unlock(&d->lock);
#define CHANGED (READ_ONCE(d->generation) != generation)
	ret = state_change ? wait_event_killable(d->wait, CHANGED) :
			     wait_event_interruptible(d->wait, CHANGED);
#undef CHANGED
	mutex_lock(&d->lock);
	return ret;
}

static int hook_sleep(void *opaque, u64 ns, bool state_change)
{
	struct sim_dev *d = opaque;
	int ret;

	mutex_unlock(&d->lock);
	ret = sim_sleep(ns, state_change);
	mutex_lock(&d->lock);
	return ret;
}

static int hook_session_create(void *opaque, bool loads)
{
	struct sim_dev *d = opaque;
	struct file *filp = sim_file_open(d, loads);

	if (IS_ERR(filp))
		return PTR_ERR(filp);
	d->new_file = filp;
	return 0;
}

static void hook_session_begin(void *opaque, u32 session)
{
	struct sim_dev *d = opaque;

	if (session) {
		sim_file_set_session(d->new_file, session);
	} else {
		fput(d->new_file);
		d->new_file = NULL;
	}
}

static void hook_step(void *opaque, u32 from, u32 to, int ret)
{
	sim_changed(opaque);
}

static void *hook_dma_map(void *opaque, u64 iova, bool write)
{
	struct sim_dev *d = opaque;

	if (!write && vfio_dma_rw(&d->vdev, iova, d->page, VFIO_SIM_PAGE,
				  false))
		return NULL;
	return d->page;
}

static bool hook_dma_unmap(void *opaque, u64 iova, void *page, bool write)
{
	struct sim_dev *d = opaque;

	return !write || !vfio_dma_rw(&d->vdev, iova, page, VFIO_SIM_PAGE,
				      true);
}

static void hook_note(void *opaque, const char *text)
{
	struct sim_dev *d = opaque;

	dev_notice_ratelimited(d->vdev.dev, "%s\n", text);
}

/*
 * The core's state machine, but for two requests that it must not get: from
 * ERROR, which it warns of (WARN_ON), and what is blocked, where Linux 6.12
 * never returns.
 */
static int hook_next_state(void *opaque, u32 from, u32 target, u32 *next)
{
	struct sim_dev *d = opaque;
	enum vfio_device_mig_state state;
	int ret;

	if (from == VFIO_DEVICE_STATE_ERROR ||
	    (from == VFIO_DEVICE_STATE_STOP_COPY &&
	     (target == VFIO_DEVICE_STATE_PRE_COPY ||
	      target == VFIO_DEVICE_STATE_PRE_COPY_P2P)))
		return -EINVAL;
	ret = vfio_mig_get_next_state(&d->vdev, from, target, &state);
	*next = state;
	return ret;
}

#ifdef HAVE_PRECOPY_INFO_V2
/* The opt-in is the VFIO core's. */
static bool hook_opted_in(void *opaque)
{
	struct sim_dev *d = opaque;

	return d->vdev.precopy_info_v2;
}
#endif

static const VFIOSimHooks sim_hooks = {
	.alloc = hook_alloc,
	.free = hook_free,
	.now = hook_now,
	.wait = hook_wait,
	.sleep = hook_sleep,
	.session_create = hook_session_create,
	.session_begin = hook_session_begin,
	.step = hook_step,
	.dma_map = hook_dma_map,
	.dma_unmap = hook_dma_unmap,
	.note = hook_note,
	.next_state = hook_next_state,
#ifdef HAVE_PRECOPY_INFO_V2
	.opted_in = hook_opted_in,
#endif
	.fixed = sim_fixed,
	/* Who closes the last file must not wait for a user */
	.session_ends_hold = true,
};

/* ----------------------------------------------------------- migration -- */

static struct file *sim_set_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state target)
{
	struct sim_dev *d = to_sim(vdev);
	struct file *filp;
	int ret;

	if (mutex_lock_killable(&d->state_mutex))
		return ERR_PTR(-ERESTARTSYS);
	mutex_lock(&d->lock);
	d->new_file = NULL;
	ret = vfio_sim_change_state(d->sim, target);
	filp = d->new_file;
	mutex_unlock(&d->lock);
	mutex_unlock(&d->state_mutex);
	return ret ? ERR_PTR(ret) : filp;
}

static int sim_get_state(struct vfio_device *vdev,
			 enum vfio_device_mig_state *state)
{
	struct sim_dev *d = to_sim(vdev);

	mutex_lock(&d->lock);
	*state = vfio_sim_state(d->sim);
	mutex_unlock(&d->lock);
	return 0;
}

static int sim_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct sim_dev *d = to_sim(vdev);
	u64 value;
	int ret;

	mutex_lock(&d->lock);
	ret = vfio_sim_query_length(d->sim, &value);
	mutex_unlock(&d->lock);
	if (!ret)
		*length = value;
	return ret;
}

static const struct vfio_migration_ops sim_mig_ops = {
	.migration_set_state = sim_set_state,
	.migration_get_state = sim_get_state,
	.migration_get_data_size = sim_get_data_size,
};

static int sim_reset(struct sim_dev *d)
{
	if (mutex_lock_killable(&d->state_mutex))
		return -ERESTARTSYS;
	mutex_lock(&d->lock);
	vfio_sim_reset(d->sim, ktime_get_ns());
	sim_changed(d);
	mutex_unlock(&d->lock);
	mutex_unlock(&d->state_mutex);
	return 0;
}

/* ----------------------------------------------------------- the device -- */

static int sim_open_device(struct vfio_device *vdev)
{
	struct sim_dev *d = to_sim(vdev);

	mutex_lock(&d->lock);
	d->open = true;
	sim_changed(d);
	mutex_unlock(&d->lock);
	return 0;
}

static void sim_close_device(struct vfio_device *vdev)
{
	struct sim_dev *d = to_sim(vdev);

	mutex_lock(&d->lock);
	d->open = false;
	mutex_unlock(&d->lock);
	/* From here on there is no container that it could write to */
	cancel_delayed_work_sync(&d->dma);

	/* No state change can be under way: this was the last file */
	mutex_lock(&d->lock);
	vfio_sim_close(d->sim, ktime_get_ns());
	memcpy(d->config, vfio_sim_pci_config, sizeof(d->config));
	sim_changed(d);
	mutex_unlock(&d->lock);
}

static ssize_t sim_config_rw(struct sim_dev *d, char __user *buf, size_t count,
			     u64 pos, bool write)
{
	u8 data[VFIO_SIM_CONFIG_SIZE];

	if (pos >= sizeof(data))
		return -EINVAL;
	count = min_t(size_t, count, sizeof(data) - pos);
	if (write && copy_from_user(data, buf, count))
		return -EFAULT;

	mutex_lock(&d->lock);
	if (write)
		vfio_sim_config_write(d->config + pos, pos, data, count);
	else
		memcpy(data, d->config + pos, count);
	mutex_unlock(&d->lock);

	if (!write && copy_to_user(buf, data, count))
		return -EFAULT;
	return count;
}

static ssize_t sim_bar_rw(struct sim_dev *d, char __user *buf, size_t count,
			  u64 pos, bool write)
{
	if (pos >= VFIO_SIM_BAR_SIZE)
		return -EINVAL;
	count = min_t(size_t, count, VFIO_SIM_BAR_SIZE - pos);
	if (write ? copy_from_user(d->bar + pos, buf, count) :
		    copy_to_user(buf, d->bar + pos, count))
		return -EFAULT;
	return count;
}

static ssize_t sim_rw(struct sim_dev *d, char __user *buf, size_t count,
		      loff_t *ppos, bool write)
{
	u64 pos = *ppos & ((1ull << SIM_REGION_SHIFT) - 1);
	ssize_t ret = -EINVAL;

	switch (*ppos >> SIM_REGION_SHIFT) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		ret = sim_bar_rw(d, buf, count, pos, write);
		break;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		ret = sim_config_rw(d, buf, count, pos, write);
		break;
	}
	if (ret > 0)
		*ppos += ret;
	return ret;
}

static ssize_t sim_read(struct vfio_device *vdev, char __user *buf,
			size_t count, loff_t *ppos)
{
	return sim_rw(to_sim(vdev), buf, count, ppos, false);
}

static ssize_t sim_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	return sim_rw(to_sim(vdev), (char __user *)buf, count, ppos, true);
}

static int sim_region_info(struct vfio_region_info *info)
{
	u64 size;

	if (vfio_sim_region_info(info->index, &size))
		return -EINVAL;
	info->flags = 0;
	info->size = size;
	info->offset = (u64)info->index << SIM_REGION_SHIFT;
	if (info->size)
		info->flags = VFIO_REGION_INFO_FLAG_READ |
			      VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

#ifdef HAVE_REGION_INFO_CAPS
static int sim_region_info_caps(struct vfio_device *vdev,
				struct vfio_region_info *info,
				struct vfio_info_cap *caps)
{
	return sim_region_info(info);
}
#endif

static long sim_ioctl(struct vfio_device *vdev, unsigned int cmd,
		      unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	unsigned long minsz;

	switch (cmd) {
	case VFIO_DEVICE_GET_INFO: {
		struct vfio_device_info info;

		minsz = offsetofend(struct vfio_device_info, num_irqs);
		if (copy_from_user(&info, uarg, minsz))
			return -EFAULT;
		if (info.argsz < minsz)
			return -EINVAL;
		info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
		info.num_regions = VFIO_PCI_NUM_REGIONS;
		info.num_irqs = VFIO_PCI_NUM_IRQS;
		return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
	}
#ifndef HAVE_REGION_INFO_CAPS
	case VFIO_DEVICE_GET_REGION_INFO: {
		struct vfio_region_info info;
		int ret;

		minsz = offsetofend(struct vfio_region_info, offset);
		if (copy_from_user(&info, uarg, minsz))
			return -EFAULT;
		if (info.argsz < minsz)
			return -EINVAL;
		ret = sim_region_info(&info);
		if (ret)
			return ret;
		info.argsz = sizeof(info);
		info.cap_offset = 0;
		return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
	}
#endif
	case VFIO_DEVICE_GET_IRQ_INFO: {
		struct vfio_irq_info info;

		minsz = offsetofend(struct vfio_irq_info, count);
		if (copy_from_user(&info, uarg, minsz))
			return -EFAULT;
		if (info.argsz < minsz ||
		    vfio_sim_irq_info(info.index, false, &info.count))
			return -EINVAL;
		info.flags = VFIO_IRQ_INFO_EVENTFD;
		return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
	}
	case VFIO_DEVICE_SET_IRQS: {
		struct vfio_irq_set hdr;
		size_t data_size;

		minsz = offsetofend(struct vfio_irq_set, count);
		if (copy_from_user(&hdr, uarg, minsz))
			return -EFAULT;
		return vfio_set_irqs_validate_and_prepare(&hdr, 0,
							  VFIO_PCI_NUM_IRQS,
							  &data_size);
	}
	case VFIO_DEVICE_RESET:
		return sim_reset(to_sim(vdev));
	default:
		return -ENOTTY;
	}
}

static int sim_init(struct vfio_device *vdev)
{
	struct sim_dev *d = to_sim(vdev);
	const VFIOSimFixed *fixed;
	VFIOSimConfig *cfg;
	int ret = -ENOMEM;

	mutex_init(&d->state_mutex);
	mutex_init(&d->lock);
	init_waitqueue_head(&d->wait);
	INIT_DELAYED_WORK(&d->dma, sim_dma_work);
	memcpy(d->config, vfio_sim_pci_config, sizeof(d->config));

	cfg = kzalloc(sizeof(*cfg), GFP_KERNEL);
	d->bar = kvzalloc(VFIO_SIM_BAR_SIZE, GFP_KERNEL_ACCOUNT);
	d->page = kzalloc(VFIO_SIM_PAGE, GFP_KERNEL_ACCOUNT);
	if (!cfg || !d->bar || !d->page)
		goto out;

	vfio_sim_config_default(cfg);
	for (fixed = sim_fixed; fixed->key; fixed++)
		vfio_sim_key_set(cfg, vfio_sim_key_find(fixed->key),
				 fixed->value);
	d->sim = vfio_sim_new(cfg, &sim_hooks, d, get_random_u64());
	if (!d->sim)
		goto out;
	ret = 0;
	vdev->migration_flags = vfio_sim_mig_flags(d->sim);
	vdev->mig_ops = &sim_mig_ops;
out:
	kfree(cfg);
	if (ret) {
		kfree(d->page);
		kvfree(d->bar);
	}
	return ret;
}

static void sim_release(struct vfio_device *vdev)
{
	struct sim_dev *d = to_sim(vdev);

	vfio_sim_free(d->sim);
	kfree(d->page);
	kvfree(d->bar);
	mutex_destroy(&d->lock);
	mutex_destroy(&d->state_mutex);
}

const struct vfio_device_ops sim_ops = {
	.name = SIM_NAME,
	.init = sim_init,
	.release = sim_release,
	.open_device = sim_open_device,
	.close_device = sim_close_device,
	.read = sim_read,
	.write = sim_write,
	.ioctl = sim_ioctl,
#ifdef HAVE_REGION_INFO_CAPS
	.get_region_info_caps = sim_region_info_caps,
#endif
	.bind_iommufd = vfio_iommufd_emulated_bind,
	.unbind_iommufd = vfio_iommufd_emulated_unbind,
	.attach_ioas = vfio_iommufd_emulated_attach_ioas,
	.detach_ioas = vfio_iommufd_emulated_detach_ioas,
};
