// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated VFIO device that can be migrated, as a mediated device
 *
 * THIS IS A TEST DEVICE.  It exists to test VFIO and those who use it: it has
 * no hardware, fails when it is told to, and lies when it is told to.  There is
 * no reason to load it on a machine that does any other work.
 *
 * The device's behaviour is in the model (../model/), which the
 * userspace front-end uses as well.  Here is what connects it with the VFIO
 * core: the migration operations, the data files, a PCI configuration space,
 * and a sysfs attribute for each key and each counter of the model:
 *
 *   echo $UUID >/sys/class/vfio_sim/vfio_sim/mdev_supported_types/vfio_sim-pci/create
 *   echo 64M >/sys/bus/mdev/devices/$UUID/vfio_sim/stop-bytes
 *   cat /sys/bus/mdev/devices/$UUID/vfio_sim/state
 *
 * Locks.  sim_dev.state_mutex serialises state changes and resets, and may be
 * held for as long as the user wants a state change to take; all who wait for
 * it, or with it held, can be killed.  sim_dev.lock protects the model and is
 * never held across such a wait.  It is taken inside of state_mutex, and the
 * VFIO container's lock inside of it (vfio_dma_rw()).  sim_file.lock, the
 * outermost, protects one data file's buffer.
 *
 * Lifetimes.  A data file holds a reference to the device (and, as every file,
 * to this module), so it may be used after the device was closed or removed:
 * its session is over then, which is -ENODEV.
 */

#include <linux/anon_inodes.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/jiffies.h>
#include <linux/mdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../model/model.h"
#include "../model/profile.h"
#include "../model/pci.h"

#define SIM_NAME		"vfio_sim"
#define SIM_MAX_INSTANCES	64
#define SIM_REGION_SHIFT	40
/* Bytes of a data file's buffer: as much as one read or write moves */
#define SIM_BUF_SIZE		(256 * 1024)
/* Pages that the device writes before others may have the lock */
#define SIM_DMA_BATCH		64
/* Shorter waits add up to ones that can be kept, ns */
#define SIM_WAIT_MIN		50000

struct sim_dev {
	struct vfio_device vdev;	/* first, for vfio_alloc_device() */
	struct mutex state_mutex;	/* state changes and resets */
	struct mutex lock;		/* the model, and what follows */
	wait_queue_head_t wait;
	unsigned int generation;	/* what is waited for may have changed */
	unsigned int holding;
	bool open;
	u8 config[VFIO_SIM_CONFIG_SIZE];
	VFIOSim sim;
	/* Not under a lock: memory of the user's own making */
	u8 *bar;
	/* Only for those who hold the lock */
	void *page;
	struct delayed_work dma;
};

struct sim_file {
	struct sim_dev *dev;
	u32 session;
	struct mutex lock;		/* the buffer */
	void *buf;
};

static struct workqueue_struct *sim_wq;

static struct sim_dev *to_sim(struct vfio_device *vdev)
{
	return container_of(vdev, struct sim_dev, vdev);
}

/* --------------------------------------------------------------- model -- */

/*
 * What the VFIO core decides, and no profile can change: the value that such
 * a key has.
 */
static const struct {
	const char *key;
	const char *value;
} sim_fixed[] = {
	/* vfio_dma_rw() is logged by the container, completely and always */
	{ "dirty-log", "iommu" },
	{ "drop-log-every", "0" },
#ifdef HAVE_PRECOPY_INFO_V2
	{ "precopy-v2", "on" },
#else
	{ "precopy-v2", "off" },
#endif
};

static void *sim_alloc(void *opaque, size_t size)
{
	return kvzalloc(size, GFP_KERNEL_ACCOUNT);
}

static void sim_free(void *opaque, void *p, size_t size)
{
	kvfree(p);
}

static const VFIOSimHooks sim_hooks = { sim_alloc, sim_free };

/* The opt-in is the VFIO core's: tell the model. */
static void sim_sync(struct sim_dev *d)
{
	lockdep_assert_held(&d->lock);
#ifdef HAVE_PRECOPY_INFO_V2
	vfio_sim_set_v2(&d->sim, d->vdev.precopy_info_v2);
#endif
}

/* Those who wait look again. */
static void sim_changed(struct sim_dev *d)
{
	lockdep_assert_held(&d->lock);
	WRITE_ONCE(d->generation, d->generation + 1);
	wake_up_all(&d->wait);
	if (d->open && vfio_sim_dma_running(&d->sim))
		mod_delayed_work(sim_wq, &d->dma, 0);
}

/*
 * Wait here as long as the user wants, or until @session, if it is not 0, is
 * over.  Called, and returns, with the lock held, which is dropped meanwhile.
 */
static int sim_hold(struct sim_dev *d, u32 point, u32 session, bool killable)
{
	int ret = 0;

	while (!ret && d->sim.cfg.hold == point &&
	       (!session || session == d->sim.session)) {
		unsigned int generation = d->generation;

		d->holding++;
		mutex_unlock(&d->lock);
#define CHANGED (READ_ONCE(d->generation) != generation)
		ret = killable ? wait_event_killable(d->wait, CHANGED) :
				 wait_event_interruptible(d->wait, CHANGED);
#undef CHANGED
		mutex_lock(&d->lock);
		d->holding--;
	}
	return ret;
}

/* Sleep without any lock. */
static int sim_sleep(u64 ns, bool killable)
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

/* Before a size query is answered.  The lock is dropped meanwhile. */
static int sim_query_delay(struct sim_dev *d, u32 session)
{
	u64 ns;
	int ret;

	ret = sim_hold(d, VFIO_SIM_HOLD_QUERY, session, false);
	if (ret)
		return ret;
	ns = d->sim.cfg.latency_query * NSEC_PER_MSEC;
	if (ns) {
		mutex_unlock(&d->lock);
		ret = sim_sleep(ns, false);
		mutex_lock(&d->lock);
	}
	return ret;
}

static void sim_note_refusal(struct sim_dev *d, const char *before)
{
	if (d->sim.rx_error && d->sim.rx_error != before)
		dev_notice_ratelimited(d->vdev.dev, "stream refused: %s\n",
				       d->sim.rx_error);
}

/* ----------------------------------------------------------------- DMA -- */

/* The running device writes the user's memory. */
static void sim_dma_work(struct work_struct *work)
{
	struct sim_dev *d = container_of(to_delayed_work(work),
					 struct sim_dev, dma);
	unsigned int n;
	u64 iova;

	mutex_lock(&d->lock);
	for (n = 0; n < SIM_DMA_BATCH && d->open; n++) {
		int ret;

		if (!vfio_sim_dma_next(&d->sim, ktime_get_ns(), &iova))
			break;
		vfio_sim_dma_fill(&d->sim, iova, d->page);
		ret = vfio_dma_rw(&d->vdev, iova, d->page, VFIO_SIM_PAGE, true);
		vfio_sim_dma_done(&d->sim, iova, !ret);
	}
	if (d->open && vfio_sim_dma_running(&d->sim))
		queue_delayed_work(sim_wq, &d->dma, n == SIM_DMA_BATCH ? 0 : 1);
	mutex_unlock(&d->lock);
}

/* Compare the user's memory with what the source's DMA wrote. */
static void sim_dma_verify(struct sim_dev *d)
{
	const VFIOSimWindow *w = &d->sim.rx_dma;
	bool told = false;
	u64 i, iova;

	lockdep_assert_held(&d->lock);
	for (i = 0; i < w->pages; i++) {
		if (!vfio_sim_dma_expected(w, i, &iova))
			continue;
		if (!vfio_dma_rw(&d->vdev, iova, d->page, VFIO_SIM_PAGE,
				 false) &&
		    vfio_sim_dma_check(w, i, d->page)) {
			d->sim.stats.dma_verified++;
			continue;
		}
		if (!told)
			dev_notice_ratelimited(d->vdev.dev,
					       "not what DMA wrote: 0x%llx\n",
					       iova);
		told = true;
		d->sim.stats.dma_mismatched++;
	}
	vfio_sim_dma_verified(&d->sim);
}

/* ---------------------------------------------------------- data files -- */

static ssize_t sim_file_read(struct file *filp, char __user *buf, size_t len,
			     loff_t *pos)
{
	struct sim_file *f = filp->private_data;
	struct sim_dev *d = f->dev;
	u64 wait = 0;
	s64 ret;

	if (pos)
		return -ESPIPE;
	if (mutex_lock_interruptible(&f->lock))
		return -ERESTARTSYS;
	len = min_t(size_t, len, SIM_BUF_SIZE);

	mutex_lock(&d->lock);
	ret = sim_hold(d, VFIO_SIM_HOLD_READ, f->session, false);
	if (!ret)
		ret = vfio_sim_read(&d->sim, f->session, ktime_get_ns(),
				    f->buf, len, &wait);
	mutex_unlock(&d->lock);

	if (ret > 0 && copy_to_user(buf, f->buf, ret))
		ret = -EFAULT;
	mutex_unlock(&f->lock);
	if (wait > SIM_WAIT_MIN)
		sim_sleep(wait, false);
	return ret;
}

static ssize_t sim_file_write(struct file *filp, const char __user *buf,
			      size_t len, loff_t *pos)
{
	struct sim_file *f = filp->private_data;
	struct sim_dev *d = f->dev;
	const char *error;
	u64 wait = 0;
	s64 ret;

	if (pos)
		return -ESPIPE;
	if (mutex_lock_interruptible(&f->lock))
		return -ERESTARTSYS;
	len = min_t(size_t, len, SIM_BUF_SIZE);
	if (copy_from_user(f->buf, buf, len)) {
		ret = -EFAULT;
		goto out;
	}

	mutex_lock(&d->lock);
	ret = sim_hold(d, VFIO_SIM_HOLD_WRITE, f->session, false);
	if (!ret) {
		error = d->sim.rx_error;
		ret = vfio_sim_write(&d->sim, f->session, ktime_get_ns(),
				     f->buf, len, &wait);
		sim_note_refusal(d, error);
	}
	mutex_unlock(&d->lock);
out:
	mutex_unlock(&f->lock);
	if (wait > SIM_WAIT_MIN)
		sim_sleep(wait, false);
	return ret;
}

#ifndef HAVE_PRECOPY_INFO_V2
static int vfio_check_precopy_ioctl(struct vfio_device *vdev, unsigned int cmd,
				    unsigned long arg,
				    struct vfio_precopy_info *info)
{
	size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(info, (void __user *)arg, minsz))
		return -EFAULT;
	return info->argsz < minsz ? -EINVAL : 0;
}
#endif

static long sim_file_ioctl(struct file *filp, unsigned int cmd,
			   unsigned long arg)
{
	struct sim_file *f = filp->private_data;
	struct sim_dev *d = f->dev;
	struct vfio_precopy_info info = {};
	u64 initial, dirty;
	int ret;

	/* Without the opt-in to v2, the flags stay what the caller gave */
	ret = vfio_check_precopy_ioctl(&d->vdev, cmd, arg, &info);
	if (ret)
		return ret;

	mutex_lock(&d->lock);
	ret = sim_query_delay(d, f->session);
	if (!ret) {
		sim_sync(d);
		ret = vfio_sim_precopy_info(&d->sim, f->session, ktime_get_ns(),
					    &initial, &dirty, &info.flags);
	}
	mutex_unlock(&d->lock);
	if (ret)
		return ret;

	info.initial_bytes = initial;
	info.dirty_bytes = dirty;
	if (copy_to_user((void __user *)arg, &info,
			 offsetofend(struct vfio_precopy_info, dirty_bytes)))
		return -EFAULT;
	return 0;
}

static int sim_file_release(struct inode *inode, struct file *filp)
{
	struct sim_file *f = filp->private_data;

	vfio_put_device(&f->dev->vdev);
	mutex_destroy(&f->lock);
	kvfree(f->buf);
	kfree(f);
	return 0;
}

static const struct file_operations sim_file_fops = {
	.owner = THIS_MODULE,
	.read = sim_file_read,
	.write = sim_file_write,
	.unlocked_ioctl = sim_file_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = sim_file_release,
};

static struct file *sim_file_open(struct sim_dev *d, bool resuming)
{
	struct sim_file *f;
	struct file *filp;

	f = kzalloc(sizeof(*f), GFP_KERNEL_ACCOUNT);
	if (!f)
		return ERR_PTR(-ENOMEM);
	f->buf = kvmalloc(SIM_BUF_SIZE, GFP_KERNEL_ACCOUNT);
	if (!f->buf) {
		kfree(f);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&f->lock);
	f->dev = d;
	get_device(&d->vdev.device);

	filp = anon_inode_getfile(SIM_NAME, &sim_file_fops, f,
				  resuming ? O_WRONLY : O_RDONLY);
	if (IS_ERR(filp)) {
		vfio_put_device(&d->vdev);
		mutex_destroy(&f->lock);
		kvfree(f->buf);
		kfree(f);
		return filp;
	}
	stream_open(filp->f_inode, filp);
	return filp;
}

/* ----------------------------------------------------------- migration -- */

/*
 * One arc of the state machine, with both locks held; "lock" is dropped while
 * it takes its time.  Returns the data file, if the arc begins a session.
 */
static struct file *sim_step(struct sim_dev *d, u32 next)
{
	bool running = next == VFIO_SIM_RUNNING || next == VFIO_SIM_RUNNING_P2P;
	const char *error = d->sim.rx_error;
	struct file *filp = NULL;
	u64 ns;
	int ret;

	lockdep_assert_held(&d->state_mutex);
	ret = sim_hold(d, next, 0, true);
	if (ret)
		return ERR_PTR(ret);
	ns = vfio_sim_latency(&d->sim, next);
	if (ns) {
		mutex_unlock(&d->lock);
		ret = sim_sleep(ns, true);
		mutex_lock(&d->lock);
		if (ret)
			return ERR_PTR(ret);
	}

	if (vfio_sim_opens_session(&d->sim, next)) {
		filp = sim_file_open(d, next == VFIO_SIM_RESUMING);
		if (IS_ERR(filp))
			return filp;
	}
	if (d->sim.rx_verify && running)
		sim_dma_verify(d);
	sim_sync(d);
	ret = vfio_sim_enter(&d->sim, ktime_get_ns(), next);
	sim_note_refusal(d, error);
	/* Also on failure: it may have gone to ERROR */
	sim_changed(d);
	if (ret) {
		if (filp)
			fput(filp);
		return ERR_PTR(ret);
	}
	if (filp)
		((struct sim_file *)filp->private_data)->session =
			d->sim.session;
	return filp;
}

/*
 * What the core's state machine says, but for two questions that it must not
 * be asked: from ERROR, which it warns of (WARN_ON), and what is blocked,
 * where Linux 6.12 never returns.
 */
static int sim_next_state(struct sim_dev *d, enum vfio_device_mig_state target,
			  enum vfio_device_mig_state *next)
{
	if (d->sim.state == VFIO_SIM_ERROR ||
	    (d->sim.state == VFIO_SIM_STOP_COPY &&
	     (target == VFIO_DEVICE_STATE_PRE_COPY ||
	      target == VFIO_DEVICE_STATE_PRE_COPY_P2P)))
		return -EINVAL;
	return vfio_mig_get_next_state(&d->vdev, d->sim.state, target, next);
}

static struct file *sim_set_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state target)
{
	struct sim_dev *d = to_sim(vdev);
	enum vfio_device_mig_state next;
	struct file *filp = NULL;
	int ret;

	if (mutex_lock_killable(&d->state_mutex))
		return ERR_PTR(-ERESTARTSYS);
	mutex_lock(&d->lock);
	d->sim.stats.set_state_calls++;
	while (d->sim.state != target) {
		ret = sim_next_state(d, target, &next);
		if (ret) {
			filp = ERR_PTR(ret);
			break;
		}
		filp = sim_step(d, next);
		if (IS_ERR(filp))
			break;
		/* The core's table never goes through a data transfer state */
		if (WARN_ON(filp && next != target)) {
			fput(filp);
			filp = ERR_PTR(-EINVAL);
			break;
		}
	}
	mutex_unlock(&d->lock);
	mutex_unlock(&d->state_mutex);
	return filp;
}

static int sim_get_state(struct vfio_device *vdev,
			 enum vfio_device_mig_state *state)
{
	struct sim_dev *d = to_sim(vdev);

	mutex_lock(&d->lock);
	*state = d->sim.state;
	mutex_unlock(&d->lock);
	return 0;
}

static int sim_get_data_size(struct vfio_device *vdev, unsigned long *length)
{
	struct sim_dev *d = to_sim(vdev);
	u64 value;
	int ret;

	mutex_lock(&d->lock);
	ret = sim_query_delay(d, 0);
	if (!ret)
		ret = vfio_sim_data_size(&d->sim, ktime_get_ns(), &value);
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
	vfio_sim_reset(&d->sim, ktime_get_ns());
	sim_changed(d);
	mutex_unlock(&d->lock);
	mutex_unlock(&d->state_mutex);
	return 0;
}

/* -------------------------------------------------------------- device -- */

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
	vfio_sim_reset(&d->sim, ktime_get_ns());
	vfio_sim_set_v2(&d->sim, false);
	memcpy(d->config, vfio_sim_pci_config, sizeof(d->config));
	sim_changed(d);
	mutex_unlock(&d->lock);
}

static ssize_t sim_config_rw(struct sim_dev *d, char __user *buf, size_t count,
			     u64 pos, bool write)
{
	u8 data[VFIO_SIM_CONFIG_SIZE];
	size_t i;

	if (pos >= sizeof(data))
		return -EINVAL;
	count = min_t(size_t, count, sizeof(data) - pos);
	if (write && copy_from_user(data, buf, count))
		return -EFAULT;

	mutex_lock(&d->lock);
	for (i = 0; i < count; i++) {
		u8 mask = vfio_sim_pci_mask[pos + i];
		u8 *byte = &d->config[pos + i];

		if (write)
			*byte = (*byte & ~mask) | (data[i] & mask);
		else
			data[i] = *byte;
	}
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
	if (info->index >= VFIO_PCI_VGA_REGION_INDEX)
		return -EINVAL;
	info->flags = 0;
	info->size = 0;
	info->offset = (u64)info->index << SIM_REGION_SHIFT;
	if (info->index == VFIO_PCI_BAR0_REGION_INDEX)
		info->size = VFIO_SIM_BAR_SIZE;
	else if (info->index == VFIO_PCI_CONFIG_REGION_INDEX)
		info->size = VFIO_SIM_CONFIG_SIZE;
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
		/* Only PCI Express devices have an error interrupt */
		if (info.argsz < minsz || info.index >= VFIO_PCI_NUM_IRQS ||
		    info.index == VFIO_PCI_ERR_IRQ_INDEX)
			return -EINVAL;
		/* It has no other either */
		info.flags = VFIO_IRQ_INFO_EVENTFD;
		info.count = 0;
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
	VFIOSimConfig *cfg;
	unsigned int i;
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
	for (i = 0; i < ARRAY_SIZE(sim_fixed); i++)
		vfio_sim_key_set(cfg, vfio_sim_key_find(sim_fixed[i].key),
				 sim_fixed[i].value);
	ret = vfio_sim_init(&d->sim, cfg, &sim_hooks, d, get_random_u64(),
			    ktime_get_ns());
	if (ret)
		goto out;
	vdev->migration_flags = vfio_sim_mig_flags(&d->sim);
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

	vfio_sim_destroy(&d->sim);
	kfree(d->page);
	kvfree(d->bar);
	mutex_destroy(&d->lock);
	mutex_destroy(&d->state_mutex);
}

static const struct vfio_device_ops sim_ops = {
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

/* --------------------------------------------------------------- sysfs -- */

/*
 * An attribute for each key and each counter that the model has; they can be
 * used at any time, whatever the device is doing.
 */
struct sim_attribute {
	struct device_attribute attr;
	const VFIOSimKey *key;		/* or NULL: */
	unsigned int counter;
};

static struct sim_attribute *sim_attributes;
static struct attribute **sim_attribute_list;
static struct attribute_group sim_group = { .name = SIM_NAME };
static const struct attribute_group *sim_groups[] = { &sim_group, NULL };

static struct sim_dev *dev_to_sim(struct device *dev)
{
	return dev_get_drvdata(dev);
}

static ssize_t key_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	struct sim_attribute *a = container_of(attr, struct sim_attribute,
					       attr);
	struct sim_dev *d = dev_to_sim(dev);
	char value[64];

	mutex_lock(&d->lock);
	vfio_sim_key_get(&d->sim.cfg, a->key, value, sizeof(value));
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%s\n", value);
}

static bool sim_is_fixed(const VFIOSimKey *key)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sim_fixed); i++)
		if (!strcmp(sim_fixed[i].key, key->name))
			return true;
	return false;
}

static ssize_t key_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct sim_attribute *a = container_of(attr, struct sim_attribute,
					       attr);
	struct sim_dev *d = dev_to_sim(dev);
	char value[64], before[64], after[64];
	VFIOSimConfig *cfg;
	const char *why;
	int ret;

	if (strscpy(value, buf, sizeof(value)) < 0)
		return -EINVAL;
	cfg = kmalloc(sizeof(*cfg), GFP_KERNEL);
	if (!cfg)
		return -ENOMEM;

	mutex_lock(&d->lock);
	*cfg = d->sim.cfg;
	ret = -EINVAL;
	why = vfio_sim_key_set(cfg, a->key, strim(value));
	if (!why)
		why = vfio_sim_config_check(cfg);
	if (why)
		goto out;

	vfio_sim_key_get(&d->sim.cfg, a->key, before, sizeof(before));
	vfio_sim_key_get(cfg, a->key, after, sizeof(after));
	ret = -EOPNOTSUPP;
	if (sim_is_fixed(a->key) && strcmp(before, after)) {
		why = "the VFIO core does not allow it";
		goto out;
	}
	ret = vfio_sim_configure(&d->sim, ktime_get_ns(), cfg,
				 a->key->effects);
	if (ret) {
		why = "not now";
		goto out;
	}
	d->vdev.migration_flags = vfio_sim_mig_flags(&d->sim);
	sim_changed(d);
out:
	mutex_unlock(&d->lock);
	kfree(cfg);
	if (ret)
		dev_notice_ratelimited(dev, "%s: %s\n", a->key->name, why);
	return ret ?: count;
}

static ssize_t counter_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct sim_attribute *a = container_of(attr, struct sim_attribute,
					       attr);
	struct sim_dev *d = dev_to_sim(dev);
	u64 value;

	mutex_lock(&d->lock);
	sim_sync(d);
	vfio_sim_counter(&d->sim, ktime_get_ns(), a->counter, &value);
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%llu\n", value);
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct sim_dev *d = dev_to_sim(dev);
	u32 state;

	mutex_lock(&d->lock);
	state = d->sim.state;
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%s\n", vfio_sim_state_names[state]);
}
static DEVICE_ATTR_RO(state);

static ssize_t session_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct sim_dev *d = dev_to_sim(dev);
	u32 session;

	mutex_lock(&d->lock);
	session = d->sim.session;
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%u\n", session);
}
static DEVICE_ATTR_RO(session);

static ssize_t holding_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct sim_dev *d = dev_to_sim(dev);
	unsigned int holding;

	mutex_lock(&d->lock);
	holding = d->holding;
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%u\n", holding);
}
static DEVICE_ATTR_RO(holding);

static ssize_t stream_error_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	struct sim_dev *d = dev_to_sim(dev);
	const char *error;

	mutex_lock(&d->lock);
	error = d->sim.rx_error;
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%s\n", error ?: "none");
}
static struct device_attribute dev_attr_stream_error =
	__ATTR(stream-error, 0444, stream_error_show, NULL);

static struct attribute *sim_other_attributes[] = {
	&dev_attr_state.attr,
	&dev_attr_session.attr,
	&dev_attr_holding.attr,
	&dev_attr_stream_error.attr,
};

static int sim_attributes_init(void)
{
	unsigned int nr_counters = vfio_sim_counters();
	unsigned int nr = vfio_sim_nr_keys + nr_counters;
	unsigned int i;
	VFIOSim *dummy;
	u64 value;

	dummy = kvzalloc(sizeof(*dummy), GFP_KERNEL);
	sim_attributes = kcalloc(nr, sizeof(*sim_attributes), GFP_KERNEL);
	sim_attribute_list = kcalloc(nr + ARRAY_SIZE(sim_other_attributes) + 1,
				     sizeof(*sim_attribute_list), GFP_KERNEL);
	if (!dummy || !sim_attributes || !sim_attribute_list) {
		kvfree(dummy);
		kfree(sim_attributes);
		kfree(sim_attribute_list);
		return -ENOMEM;
	}

	for (i = 0; i < nr; i++) {
		struct sim_attribute *a = &sim_attributes[i];

		sysfs_attr_init(&a->attr.attr);
		if (i < vfio_sim_nr_keys) {
			a->key = &vfio_sim_keys[i];
			a->attr.attr.name = a->key->name;
			a->attr.attr.mode = 0644;
			a->attr.show = key_show;
			a->attr.store = key_store;
		} else {
			a->counter = i - vfio_sim_nr_keys;
			a->attr.attr.name = vfio_sim_counter(dummy, 0,
							     a->counter,
							     &value);
			a->attr.attr.mode = 0444;
			a->attr.show = counter_show;
		}
		sim_attribute_list[i] = &a->attr.attr;
	}
	for (i = 0; i < ARRAY_SIZE(sim_other_attributes); i++)
		sim_attribute_list[nr + i] = sim_other_attributes[i];
	sim_group.attrs = sim_attribute_list;
	kvfree(dummy);
	return 0;
}

static void sim_attributes_exit(void)
{
	kfree(sim_attribute_list);
	kfree(sim_attributes);
}

/* ---------------------------------------------------------------- mdev -- */

static int sim_probe(struct mdev_device *mdev)
{
	struct sim_dev *d;
	int ret;

	d = vfio_alloc_device(sim_dev, vdev, &mdev->dev, &sim_ops);
	if (IS_ERR(d))
		return PTR_ERR(d);
	dev_set_drvdata(&mdev->dev, d);
	ret = vfio_register_emulated_iommu_dev(&d->vdev);
	if (ret)
		vfio_put_device(&d->vdev);
	return ret;
}

static void sim_remove(struct mdev_device *mdev)
{
	struct sim_dev *d = dev_get_drvdata(&mdev->dev);

	/* Waits for those who have it open */
	vfio_unregister_group_dev(&d->vdev);
	vfio_put_device(&d->vdev);
}

static struct mdev_driver sim_driver = {
	.device_api = VFIO_DEVICE_API_PCI_STRING,
	.max_instances = SIM_MAX_INSTANCES,
	.probe = sim_probe,
	.remove = sim_remove,
	.driver = {
		.name = SIM_NAME,
		.owner = THIS_MODULE,
		.mod_name = KBUILD_MODNAME,
		.dev_groups = sim_groups,
	},
};

static struct mdev_type sim_type = {
	.sysfs_name = "pci",
	.pretty_name = "Simulated PCI function that can be migrated",
};
static struct mdev_type *sim_types[] = { &sim_type };

static struct class sim_class = { .name = SIM_NAME };
static struct mdev_parent sim_parent;
static struct device *sim_parent_dev;

static void sim_parent_release(struct device *dev)
{
	kfree(dev);
}

static int __init sim_module_init(void)
{
	int ret;

	sim_wq = alloc_workqueue(SIM_NAME, WQ_UNBOUND, 0);
	if (!sim_wq)
		return -ENOMEM;
	ret = sim_attributes_init();
	if (ret)
		goto err_wq;
	ret = class_register(&sim_class);
	if (ret)
		goto err_attributes;
	ret = mdev_register_driver(&sim_driver);
	if (ret)
		goto err_class;

	ret = -ENOMEM;
	sim_parent_dev = kzalloc(sizeof(*sim_parent_dev), GFP_KERNEL);
	if (!sim_parent_dev)
		goto err_driver;
	sim_parent_dev->class = &sim_class;
	sim_parent_dev->release = sim_parent_release;
	device_initialize(sim_parent_dev);
	ret = dev_set_name(sim_parent_dev, SIM_NAME);
	if (ret)
		goto err_put;
	ret = device_add(sim_parent_dev);
	if (ret)
		goto err_put;
	ret = mdev_register_parent(&sim_parent, sim_parent_dev, &sim_driver,
				   sim_types, ARRAY_SIZE(sim_types));
	if (ret)
		goto err_del;
	return 0;

err_del:
	device_del(sim_parent_dev);
err_put:
	put_device(sim_parent_dev);
err_driver:
	mdev_unregister_driver(&sim_driver);
err_class:
	class_unregister(&sim_class);
err_attributes:
	sim_attributes_exit();
err_wq:
	destroy_workqueue(sim_wq);
	return ret;
}

static void __exit sim_module_exit(void)
{
	mdev_unregister_parent(&sim_parent);
	device_unregister(sim_parent_dev);
	mdev_unregister_driver(&sim_driver);
	class_unregister(&sim_class);
	sim_attributes_exit();
	destroy_workqueue(sim_wq);
}

module_init(sim_module_init);
module_exit(sim_module_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Simulated VFIO device for tests of migration");
MODULE_AUTHOR("The vfio-sim authors");
