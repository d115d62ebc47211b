// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated VFIO device that can be migrated: data files
 */

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "sim.h"

/* Bytes of a data file's buffer: as much as one read or write moves */
#define SIM_BUF_SIZE		(256 * 1024)

struct sim_file {
	struct sim_dev *dev;
	u32 session;
	struct mutex lock;		/* the buffer */
	void *buf;
};

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
	ret = vfio_sim_read_data(d->sim, f->session, f->buf, len, &wait);
	mutex_unlock(&d->lock);

	if (ret > 0 && copy_to_user(buf, f->buf, ret))
		ret = -EFAULT;
	mutex_unlock(&f->lock);
	if (wait)
		sim_sleep(wait, false);
	return ret;
}

static ssize_t sim_file_write(struct file *filp, const char __user *buf,
			      size_t len, loff_t *pos)
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
	if (copy_from_user(f->buf, buf, len)) {
		ret = -EFAULT;
		goto out;
	}

	mutex_lock(&d->lock);
	ret = vfio_sim_write_data(d->sim, f->session, f->buf, len, &wait);
	mutex_unlock(&d->lock);
out:
	mutex_unlock(&f->lock);
	if (wait)
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
	ret = vfio_sim_query_precopy(d->sim, f->session, &initial, &dirty,
				     &info.flags);
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

struct file *sim_file_open(struct sim_dev *d, bool resuming)
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

void sim_file_set_session(struct file *filp, u32 session)
{
	struct sim_file *f = filp->private_data;

	f->session = session;
}
