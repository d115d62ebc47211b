/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz what a destination loads for a simulated VFIO device
 *
 * scripts/check-fuzz runs it, and makes the file descriptors of the device.  An
 * input is a list of records, each with a byte for its kind, two bytes for its
 * length (little endian) and its data.  They become a stream:
 *
 *   0  a section of the device, with this data
 *   1  a state buffer of the device, as from a multifd channel
 *   2  the command to switch over; no data
 *   3  the end of the channels; no data
 *   4  bytes of the stream, as they are
 *
 * What does not make up a record is left out.  Loading the stream must end,
 * with an error or without one.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "qemu/yank.h"
#include "hw/pci/pci_device.h"
#include "io/channel-buffer.h"
#include "migration/register.h"
#include "migration/qemu-file-types.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "tests/qtest/libqtest.h"
#include "fuzz.h"
/* Of QEMU's migration directory */
#include "../../../migration/migration.h"
#include "../../../migration/options.h"
#include "../../../migration/qemu-file.h"
#include "../../../migration/savevm.h"
#include "../../../migration/yank_functions.h"

#define DEVICE "0000:00:02.0/vfio"
#define BUFFERS "fuzz-buffers"

/* MIG_CMD_SWITCHOVER_START of the stream */
#define COMMAND_SWITCHOVER 11

enum { SECTION, BUFFER, SWITCHOVER, END, RAW };

/* Of the sections in which this target gets its own records */
enum { GIVE_BUFFER, END_CHANNELS };

/* Of the target that runs */
static bool with_multifd;

static void put_bytes(GByteArray *out, const void *data, size_t len)
{
    g_byte_array_append(out, data, len);
}

static void put_byte(GByteArray *out, uint8_t value)
{
    put_bytes(out, &value, 1);
}

static void put_be16(GByteArray *out, uint16_t value)
{
    value = cpu_to_be16(value);
    put_bytes(out, &value, sizeof(value));
}

static void put_be32(GByteArray *out, uint32_t value)
{
    value = cpu_to_be32(value);
    put_bytes(out, &value, sizeof(value));
}

static void put_section(GByteArray *out, const char *idstr, uint32_t id,
                        const uint8_t *data, size_t len)
{
    put_byte(out, QEMU_VM_SECTION_FULL);
    put_be32(out, id);
    put_byte(out, strlen(idstr));
    put_bytes(out, idstr, strlen(idstr));
    put_be32(out, 0);               /* the instance */
    put_be32(out, 1);               /* the version */
    put_bytes(out, data, len);
    put_byte(out, QEMU_VM_SECTION_FOOTER);
    put_be32(out, id);
}

static void put_own(GByteArray *out, uint8_t what, const uint8_t *data,
                    uint16_t len)
{
    g_autoptr(GByteArray) own = g_byte_array_new();

    put_byte(own, what);
    put_be16(own, len);
    put_bytes(own, data, len);
    put_section(out, BUFFERS, 2, own->data, own->len);
}

static void put_record(GByteArray *out, uint8_t kind, const uint8_t *data,
                       uint16_t len)
{
    switch (kind) {
    case SECTION:
        put_section(out, DEVICE, 1, data, len);
        break;
    case BUFFER:
        put_own(out, GIVE_BUFFER, data, len);
        break;
    case SWITCHOVER:
        put_byte(out, QEMU_VM_COMMAND);
        put_be16(out, COMMAND_SWITCHOVER);
        put_be16(out, 0);
        break;
    case END:
        put_own(out, END_CHANNELS, NULL, 0);
        break;
    case RAW:
        put_bytes(out, data, len);
        break;
    default:
        break;
    }
}

static GByteArray *stream_of(const uint8_t *data, size_t size)
{
    GByteArray *out = g_byte_array_new();

    put_be32(out, QEMU_VM_FILE_MAGIC);
    put_be32(out, QEMU_VM_FILE_VERSION);
    while (size >= 3) {
        size_t len = MIN(lduw_le_p(data + 1), size - 3);

        put_record(out, data[0], data + 3, len);
        data += 3 + len;
        size -= 3 + len;
    }
    put_byte(out, QEMU_VM_EOF);
    return out;
}

/* What a multifd channel does, at a moment that the input decides on */
static int load_own(QEMUFile *f, void *opaque, int version_id)
{
    uint8_t what = qemu_get_byte(f);
    uint16_t len = qemu_get_be16(f);
    g_autofree uint8_t *data = g_malloc0(len);
    Error *err = NULL;
    int ret = 0;

    if (qemu_get_buffer(f, data, len) != len) {
        return -EIO;
    }
    bql_unlock();
    if (what == END_CHANNELS) {
        qemu_loadvm_state_buffers_end();
    } else if (migrate_multifd()) {
        ret = qemu_loadvm_load_state_buffer(DEVICE, 0, (char *)data, len,
                                            &err) ? 0 : -EINVAL;
        error_free(err);
    }
    bql_lock();
    return ret;
}

static QemuThread ender;
static bool ender_started;

static void *end_channels(void *opaque)
{
    qemu_loadvm_state_buffers_end();
    return NULL;
}

/* The main channel has ended, and then the others do: a load thread may wait */
static void own_ended(void *opaque)
{
    if (qemu_loadvm_sections_ended() && !ender_started) {
        ender_started = true;
        /* As a channel does; it waits until all have been told of this */
        qemu_thread_create(&ender, "channel", end_channels, NULL,
                           QEMU_THREAD_JOINABLE);
    }
}

static const SaveVMHandlers own_handlers = {
    .load_state = load_own,
    .load_state_ended = own_ended,
};

static void pre_fuzz(QTestState *s)
{
    sigset_t set;

    /* libFuzzer's own, with which it finds an input that takes too long */
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);

    register_savevm_live(BUFFERS, 0, 1, &own_handlers, NULL);
}

/*
 * A device may have loaded a raised pin, of which its bus, whose section is not
 * in the stream, does not know.  QEMU aborts at the next reset then, with any
 * PCI device.
 */
static void lower_interrupt(void)
{
    PCI_DEVICE(object_resolve_path("dev0", NULL))->irq_state = 0;
}

static void fuzz(QTestState *s, const unsigned char *data, size_t size)
{
    MigrationIncomingState *mis = migration_incoming_get_current();
    MigrationState *ms = migrate_get_current();
    g_autoptr(GByteArray) stream = stream_of(data, size);
    QIOChannelBuffer *ioc = qio_channel_buffer_new(stream->len);
    Error *err = NULL;

    memcpy(ioc->data, stream->data, stream->len);
    ioc->usage = stream->len;
    mis->from_src_file = qemu_file_new_input(QIO_CHANNEL(ioc));
    object_unref(OBJECT(ioc));
    yank_register_instance(MIGRATION_YANK_INSTANCE, &error_abort);

    /* Without its channels, which the clean-up would expect */
    ms->capabilities[MIGRATION_CAPABILITY_MULTIFD] = with_multifd;
    qemu_loadvm_state(mis->from_src_file, &err);
    error_free(err);
    if (ender_started) {
        qemu_thread_join(&ender);
        ender_started = false;
    }
    ms->capabilities[MIGRATION_CAPABILITY_MULTIFD] = false;
    migration_incoming_state_destroy();

    WITH_QEMU_LOCK_GUARD(&ms->error_mutex) {
        g_clear_pointer(&ms->error, error_free);
    }
    lower_interrupt();
    fuzz_reset(s);
}

static GString *command_line(const char *options)
{
    GString *s = g_string_new(TARGET_NAME " -machine pc,accel=qtest -m 16 -S "
                              "-display none -nodefaults "
                              "-global migration.send-configuration=off "
                              "-object iommufd,id=iommufd0,fd=100 "
                              "-device vfio-pci,id=dev0,addr=2,fd=101,"
                              "iommufd=iommufd0,enable-migration=on");

    return g_string_append(s, options);
}

static GString *main_channel(FuzzTarget *target)
{
    return command_line("");
}

static GString *multifd(FuzzTarget *target)
{
    with_multifd = true;
    return command_line(",x-migration-multifd-transfer=on");
}

static void register_targets(void)
{
    fuzz_add_target(&(FuzzTarget) {
        .name = "vfio-load",
        .description = "What a destination loads for a VFIO device, on the "
                       "main channel",
        .get_init_cmdline = main_channel,
        .pre_fuzz = pre_fuzz, .fuzz = fuzz,
    });
    fuzz_add_target(&(FuzzTarget) {
        .name = "vfio-load-multifd",
        .description = "The same, with multifd",
        .get_init_cmdline = multifd,
        .pre_fuzz = pre_fuzz, .fuzz = fuzz,
    });
}

fuzz_target_init(register_targets);
