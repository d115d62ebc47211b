// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Simulated VFIO device that can be migrated: sysfs
 *
 * A file for each attribute that the model has; they can be used at any time,
 * whatever the device is doing.
 */

#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "sim.h"

static struct device_attribute *sim_attributes;
static struct attribute **sim_attribute_list;
static struct attribute_group sim_group = { .name = SIM_NAME };
const struct attribute_group *sim_groups[] = { &sim_group, NULL };

static ssize_t sim_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	struct sim_dev *d = dev_get_drvdata(dev);
	char value[160];

	mutex_lock(&d->lock);
	vfio_sim_get(d->sim, ktime_get_ns(), attr->attr.name, value,
		     sizeof(value));
	mutex_unlock(&d->lock);
	return sysfs_emit(buf, "%s\n", value);
}

static ssize_t sim_store(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct sim_dev *d = dev_get_drvdata(dev);
	char value[64], why[256];
	int ret;

	if (strscpy(value, buf, sizeof(value)) < 0)
		return -EINVAL;

	mutex_lock(&d->lock);
	ret = vfio_sim_set(d->sim, ktime_get_ns(), attr->attr.name,
			   strim(value), why, sizeof(why));
	if (!ret) {
		d->vdev.migration_flags = vfio_sim_mig_flags(d->sim);
		sim_changed(d);
	}
	mutex_unlock(&d->lock);
	if (ret)
		dev_notice_ratelimited(dev, "%s\n", why);
	return ret ?: count;
}

int sim_attributes_init(void)
{
	unsigned int nr = vfio_sim_nr_attributes;
	unsigned int i;

	sim_attributes = kcalloc(nr, sizeof(*sim_attributes), GFP_KERNEL);
	sim_attribute_list = kcalloc(nr + 1, sizeof(*sim_attribute_list),
				     GFP_KERNEL);
	if (!sim_attributes || !sim_attribute_list) {
		sim_attributes_exit();
		return -ENOMEM;
	}

	for (i = 0; i < nr; i++) {
		struct device_attribute *a = &sim_attributes[i];
		bool key = vfio_sim_is_key(&vfio_sim_attributes[i]);

		sysfs_attr_init(&a->attr);
		a->attr.name = vfio_sim_attributes[i].name;
		a->attr.mode = key ? 0644 : 0444;
		a->show = sim_show;
		a->store = key ? sim_store : NULL;
		sim_attribute_list[i] = &a->attr;
	}
	sim_group.attrs = sim_attribute_list;
	return 0;
}

void sim_attributes_exit(void)
{
	kfree(sim_attribute_list);
	kfree(sim_attributes);
}
