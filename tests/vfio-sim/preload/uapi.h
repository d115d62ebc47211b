/*
 * The VFIO and IOMMUFD interfaces of Linux, as far as the simulator has them
 *
 * Everything comes from the kernel's own headers: QEMU's copy inside of QEMU's
 * tree, else the host's.  What follows each of them is what the headers of a
 * long-lived distribution lack, under the kernel's names: Debian 12 has those
 * of Linux 6.1, Debian 13 those of 6.12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef VFIO_SIM_UAPI_H
#define VFIO_SIM_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#ifdef VFIO_DEVICE_BIND_IOMMUFD         /* then there is this one, too */
#include <linux/iommufd.h>
#endif

/* The end of a structure as it was at first; the kernel's have grown. */
#define offsetofend(type, member) \
    (offsetof(type, member) + sizeof(((type *)0)->member))

#ifndef KVM_DEV_VFIO_FILE                               /* Linux 6.6 */
#define KVM_DEV_VFIO_FILE                       1
#endif

/* --------------------------------------------------------- linux/vfio.h -- */

#ifndef VFIO_MIG_GET_PRECOPY_INFO                       /* Linux 6.2 */
#define VFIO_MIGRATION_PRE_COPY                 (1 << 2)
#define VFIO_DEVICE_STATE_PRE_COPY              6
#define VFIO_DEVICE_STATE_PRE_COPY_P2P          7
#define VFIO_DEVICE_STATE_NR                    8

struct vfio_precopy_info {
    __u32 argsz;
    __u32 flags;
    __aligned_u64 initial_bytes;
    __aligned_u64 dirty_bytes;
};
#define VFIO_MIG_GET_PRECOPY_INFO       _IO(VFIO_TYPE, VFIO_BASE + 21)
#endif

#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE               /* Linux 6.2 */
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE       9
struct vfio_device_feature_mig_data_size {
    __aligned_u64 stop_copy_length;
};
#endif

#ifndef VFIO_DEVICE_BIND_IOMMUFD                        /* Linux 6.6 */
struct vfio_device_bind_iommufd {
    __u32 argsz;
    __u32 flags;
    __s32 iommufd;
    __u32 out_devid;
};
#define VFIO_DEVICE_BIND_IOMMUFD        _IO(VFIO_TYPE, VFIO_BASE + 18)

struct vfio_device_attach_iommufd_pt {
    __u32 argsz;
    __u32 flags;
    __u32 pt_id;
};
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT   _IO(VFIO_TYPE, VFIO_BASE + 19)

struct vfio_device_detach_iommufd_pt {
    __u32 argsz;
    __u32 flags;
};
#define VFIO_DEVICE_DETACH_IOMMUFD_PT   _IO(VFIO_TYPE, VFIO_BASE + 20)
#endif

#ifndef VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2          /* Linux 7.1 */
#define VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2  12
#endif
#ifndef VFIO_PRECOPY_INFO_REINIT
#define VFIO_PRECOPY_INFO_REINIT                (1 << 0)
#endif

/* ------------------------------------------------------ linux/iommufd.h -- */

#ifndef IOMMU_HWPT_GET_DIRTY_BITMAP                     /* Linux 6.7 */
#ifdef IOMMU_IOAS_ALLOC
#error "linux/iommufd.h of Linux 6.6 lacks what later ones have"
#endif
#define IOMMUFD_TYPE                            (';')

struct iommu_destroy {
    __u32 size;
    __u32 id;
};
#define IOMMU_DESTROY                   _IO(IOMMUFD_TYPE, 0x80)

struct iommu_ioas_alloc {
    __u32 size;
    __u32 flags;
    __u32 out_ioas_id;
};
#define IOMMU_IOAS_ALLOC                _IO(IOMMUFD_TYPE, 0x81)

struct iommu_iova_range {
    __aligned_u64 start;
    __aligned_u64 last;
};

struct iommu_ioas_iova_ranges {
    __u32 size;
    __u32 ioas_id;
    __u32 num_iovas;
    __u32 __reserved;
    __aligned_u64 allowed_iovas;
    __aligned_u64 out_iova_alignment;
};
#define IOMMU_IOAS_IOVA_RANGES          _IO(IOMMUFD_TYPE, 0x84)

enum iommufd_ioas_map_flags {
    IOMMU_IOAS_MAP_FIXED_IOVA = 1 << 0,
    IOMMU_IOAS_MAP_WRITEABLE = 1 << 1,
    IOMMU_IOAS_MAP_READABLE = 1 << 2,
};

struct iommu_ioas_map {
    __u32 size;
    __u32 flags;
    __u32 ioas_id;
    __u32 __reserved;
    __aligned_u64 user_va;
    __aligned_u64 length;
    __aligned_u64 iova;
};
#define IOMMU_IOAS_MAP                  _IO(IOMMUFD_TYPE, 0x85)

struct iommu_ioas_unmap {
    __u32 size;
    __u32 ioas_id;
    __aligned_u64 iova;
    __aligned_u64 length;
};
#define IOMMU_IOAS_UNMAP                _IO(IOMMUFD_TYPE, 0x86)

enum iommufd_hwpt_alloc_flags {
    IOMMU_HWPT_ALLOC_NEST_PARENT = 1 << 0,
    IOMMU_HWPT_ALLOC_DIRTY_TRACKING = 1 << 1,
};

struct iommu_hwpt_alloc {
    __u32 size;
    __u32 flags;
    __u32 dev_id;
    __u32 pt_id;
    __u32 out_hwpt_id;
    __u32 __reserved;
    __u32 data_type;
    __u32 data_len;
    __aligned_u64 data_uptr;
};
#define IOMMU_HWPT_ALLOC                _IO(IOMMUFD_TYPE, 0x89)

enum iommufd_hw_capabilities {
    IOMMU_HW_CAP_DIRTY_TRACKING = 1 << 0,
};

struct iommu_hw_info {
    __u32 size;
    __u32 flags;
    __u32 dev_id;
    __u32 data_len;
    __aligned_u64 data_uptr;
    __u32 out_data_type;
    __u32 __reserved;
    __aligned_u64 out_capabilities;
};
#define IOMMU_GET_HW_INFO               _IO(IOMMUFD_TYPE, 0x8a)

enum iommufd_hwpt_set_dirty_tracking_flags {
    IOMMU_HWPT_DIRTY_TRACKING_ENABLE = 1,
};

struct iommu_hwpt_set_dirty_tracking {
    __u32 size;
    __u32 flags;
    __u32 hwpt_id;
    __u32 __reserved;
};
#define IOMMU_HWPT_SET_DIRTY_TRACKING   _IO(IOMMUFD_TYPE, 0x8b)

enum iommufd_hwpt_get_dirty_bitmap_flags {
    IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR = 1,
};

struct iommu_hwpt_get_dirty_bitmap {
    __u32 size;
    __u32 hwpt_id;
    __u32 flags;
    __u32 __reserved;
    __aligned_u64 iova;
    __aligned_u64 length;
    __aligned_u64 page_size;
    __aligned_u64 data;
};
#define IOMMU_HWPT_GET_DIRTY_BITMAP     _IO(IOMMUFD_TYPE, 0x8c)
#endif

#ifndef IOMMU_IOAS_MAP_FILE                             /* Linux 6.13 */
struct iommu_ioas_map_file {
    __u32 size;
    __u32 flags;
    __u32 ioas_id;
    __s32 fd;
    __aligned_u64 start;
    __aligned_u64 length;
    __aligned_u64 iova;
};
#define IOMMU_IOAS_MAP_FILE             _IO(IOMMUFD_TYPE, 0x8f)
#endif

#ifndef IOMMU_IOAS_CHANGE_PROCESS                       /* Linux 6.14 */
#define IOMMU_IOAS_CHANGE_PROCESS       _IO(IOMMUFD_TYPE, 0x92)
#endif

#endif /* VFIO_SIM_UAPI_H */
