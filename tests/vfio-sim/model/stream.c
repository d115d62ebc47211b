/*
 * The data stream: making it, and checking it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "internal.h"

#define STREAM_MAGIC    0x314d49534f494656ull   /* "VFIOSIM1" */
#define HEADER_WORDS    (VFIO_SIM_UNIT / 8)
/* No single read or write takes longer than this because of a rate */
#define RATE_SLICE_NS   10000000ull
/* A call that comes later than this after a wait has left the device idle */
#define LATE_NS         RATE_SLICE_NS

/* Words of a frame's header */
enum {
    H_MAGIC,
    H_NONCE,
    H_SEQ_KIND,
    H_OFFSET,
    H_LENGTH,
    H_SEED,
    H_SUM,
    H_CHAIN,
    H_WORDS,
};

_Static_assert(H_WORDS == HEADER_WORDS, "a header is one unit");

static bool is_pattern(uint32_t kind)
{
    return kind <= VFIO_SIM_STOPPED;
}

/* The sum of a payload that is not a pattern */
static uint64_t data_sum(const VFIOSimFrame *f, const VFIOSimWindow *w)
{
    uint64_t h = f->kind;
    uint64_t i;

    for (i = 0; i < HEADER_WORDS; i++) {
        h = vfio_sim_mix(h, f->data[i]);
    }
    if (f->kind == VFIO_SIM_DMA) {
        for (i = 0; i < f->data[4]; i++) {
            h = vfio_sim_mix(h, w->count[f->first + i]);
        }
    }
    return h;
}

static uint64_t header_chain(const VFIOSimTotals *t, const uint64_t *header)
{
    uint64_t h = t->chain;
    int i;

    for (i = 0; i < H_CHAIN; i++) {
        h = vfio_sim_mix(h, header[i]);
    }
    return h;
}

/* Account for a frame whose header is complete. */
static void count_frame(VFIOSim *s)
{
    s->totals.chain = s->frame.header[H_CHAIN];
    s->totals.bytes += s->frame.size;
    s->totals.kind[s->frame.kind] += s->frame.size;
    s->totals.frames++;
}

static void end_data(const VFIOSimTotals *t, uint64_t *data)
{
    data[0] = t->bytes + VFIO_SIM_END_SIZE;
    data[1] = t->frames + 1;
    data[2] = t->kind[VFIO_SIM_INITIAL];
    data[3] = t->kind[VFIO_SIM_DIRTY];
    data[4] = t->kind[VFIO_SIM_STOPPED];
    data[5] = t->kind[VFIO_SIM_DMA];
    data[6] = t->chain;
    data[7] = 0;
}

/* Start the next frame to be read; false: there is nothing to read now. */
static bool make_frame(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    uint64_t *h = f->header;
    uint32_t kinds = s->state == VFIO_SIM_STOP_COPY ? VFIO_SIM_KINDS :
                                                      VFIO_SIM_STOPPED;
    uint32_t kind = 0;

    while (kind < kinds && !s->left[kind]) {
        kind++;
    }
    if (kind == kinds) {
        return false;
    }

    memset(f, 0, sizeof(*f));
    f->kind = kind;
    f->size = min64(s->left[kind], VFIO_SIM_FRAME_MAX);
    if (kind == VFIO_SIM_DMA) {
        uint64_t n = min64(s->dma.pages - s->dma_next, VFIO_SIM_DMA_PER_FRAME);

        f->size = dma_frame_size(n);
        f->first = s->dma_next;
        f->data[0] = s->dma.base;
        f->data[1] = s->dma.seed;
        f->data[2] = s->dma.pages;
        f->data[3] = s->dma_next;
        f->data[4] = n;
        s->dma_next += n;
    } else if (kind == VFIO_SIM_END) {
        end_data(&s->totals, f->data);
    }
    s->left[kind] -= f->size;

    h[H_MAGIC] = STREAM_MAGIC;
    h[H_NONCE] = s->nonce;
    h[H_SEQ_KIND] = s->totals.frames | (uint64_t)kind << 56;
    h[H_OFFSET] = s->totals.bytes;
    h[H_LENGTH] = f->size - VFIO_SIM_UNIT;
    if (is_pattern(kind)) {
        h[H_SEED] = vfio_sim_mix(s->nonce, s->totals.frames);
        h[H_SUM] = vfio_sim_pattern_sum(h[H_SEED], h[H_LENGTH] / 8);
    } else {
        h[H_SUM] = data_sum(f, &s->dma);
    }
    h[H_CHAIN] = header_chain(&s->totals, h);
    count_frame(s);
    return true;
}

/* Up to @len bytes of the current frame */
static size_t frame_get(const VFIOSim *s, uint8_t *buf, size_t len)
{
    const VFIOSimFrame *f = &s->frame;
    uint64_t pos = f->pos;
    size_t n = min64(len, f->size - pos);
    const uint8_t *from;
    uint64_t end, word;

    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy(buf, (const uint8_t *)f->header + pos, n);
        return n;
    }
    pos -= VFIO_SIM_UNIT;
    if (is_pattern(f->kind)) {
        word = f->header[H_SEED] + pos / 8 * VFIO_SIM_PATTERN_STEP;
        if (pos % 8 || n < 8) {
            n = min64(n, 8 - pos % 8);
            memcpy(buf, (const uint8_t *)&word + pos % 8, n);
            return n;
        }
        vfio_sim_pattern_fill(buf, word, n / 8);
        return n & ~(size_t)7;
    }
    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy(buf, (const uint8_t *)f->data + pos, n);
        return n;
    }
    /* the counters of a DMA frame, then zeroes to fill the last unit */
    pos -= VFIO_SIM_UNIT;
    end = f->data[4] * 4;
    if (pos >= end) {
        memset(buf, 0, n);
        return n;
    }
    n = min64(n, end - pos);
    from = (const uint8_t *)(s->dma.count + f->first);
    memcpy(buf, from + pos, n);
    return n;
}

/* How much is moved at once */
static uint64_t rate_slice(uint64_t rate)
{
    uint64_t slice = vfio_sim_rate_bytes(rate, RATE_SLICE_NS);

    if (rate == VFIO_SIM_UNLIMITED) {
        return UINT64_MAX;
    }
    return slice > 4096 ? slice : 4096;
}

static uint64_t rate_time(uint64_t rate, uint64_t bytes)
{
    return rate == VFIO_SIM_UNLIMITED ? 0 : vfio_sim_rate_ns(rate, bytes);
}

/* What limits a transfer; returns 0 if it must fail. */
static size_t limit_len(const VFIOSim *s, size_t len, uint64_t rate,
                        uint64_t fail_after)
{
    return min64(min64(len, rate_slice(rate)),
                 sub_sat(fail_after, s->session_bytes));
}

/*
 * Be busy for @ns more; returns for how long from now.  A thread wakes up a
 * little late from each wait, which must not make the device slower: the time
 * counts from the end of the wait before.
 */
static uint64_t busy(VFIOSim *s, uint64_t now, uint64_t ns)
{
    if (!ns) {
        return 0;
    }
    if (s->busy_until < sub_sat(now, LATE_NS)) {
        s->busy_until = now;
    }
    s->busy_until = add_sat(s->busy_until, ns);
    return sub_sat(s->busy_until, now);
}

int64_t vfio_sim_read(VFIOSim *s, uint32_t session, uint64_t now,
                      void *buf, size_t len, uint64_t *wait)
{
    uint8_t *p = buf;
    size_t want, done = 0;

    *wait = 0;
    s->stats.reads++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (!is_saving(s->state)) {
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    vfio_sim_tick(s, now);
    want = limit_len(s, len, s->cfg.read_rate, s->cfg.fail_read_after);
    if (!want) {
        s->stats.faults++;
        return -EIO;
    }
    while (done < want) {
        size_t n;

        if (s->frame.pos == s->frame.size && !make_frame(s)) {
            break;
        }
        n = frame_get(s, p + done, want - done);
        s->frame.pos += n;
        done += n;
        if (s->frame.kind == VFIO_SIM_INITIAL) {
            s->first_left = sub_sat(s->first_left, n);
            s->stats.read_bytes_initial += n;
        }
    }
    if (!done && s->state != VFIO_SIM_STOP_COPY) {
        s->stats.empty_reads++;
        return -ENOMSG;
    }
    s->session_bytes += done;
    s->stats.read_bytes += done;
    if (s->state == VFIO_SIM_STOP_COPY) {
        s->stats.read_bytes_stop += done;
    } else {
        s->stats.read_bytes_precopy += done;
    }
    if (!initial_left(s) && s->cfg.reinit_flag == VFIO_SIM_FLAG_UNTIL_READ) {
        s->reinit_shown = false;
    }
    vfio_sim_reinit_armed(s, now);
    *wait = busy(s, now, rate_time(s->cfg.read_rate, done));
    return done;
}

static const char *rx_header(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    const uint64_t *h = f->header;
    uint64_t seq = h[H_SEQ_KIND] & ((1ull << 56) - 1);

    if (h[H_MAGIC] != STREAM_MAGIC) {
        return "no frame where one should begin";
    }
    if (!s->totals.frames) {
        s->nonce = h[H_NONCE];
    }
    if (h[H_NONCE] != s->nonce) {
        return "frame of another session";
    }
    if (seq != s->totals.frames) {
        return seq < s->totals.frames ? "frame came twice" :
                                        "frame is missing";
    }
    if (h[H_OFFSET] != s->totals.bytes) {
        return "frame is not where it should be";
    }
    if (h[H_CHAIN] != header_chain(&s->totals, h)) {
        return "frame header is damaged";
    }
    f->kind = h[H_SEQ_KIND] >> 56;
    f->size = h[H_LENGTH] + VFIO_SIM_UNIT;
    if (f->kind >= VFIO_SIM_KINDS || h[H_LENGTH] % VFIO_SIM_UNIT ||
        f->size > VFIO_SIM_FRAME_MAX ||
        (f->kind == VFIO_SIM_END && f->size != VFIO_SIM_END_SIZE) ||
        (f->kind == VFIO_SIM_DMA && f->size < 2 * VFIO_SIM_UNIT)) {
        return "frame makes no sense";
    }
    if (is_pattern(f->kind) &&
        (h[H_SEED] != vfio_sim_mix(s->nonce, seq) ||
         h[H_SUM] != vfio_sim_pattern_sum(h[H_SEED], h[H_LENGTH] / 8))) {
        return "frame has a wrong sum";
    }
    if (f->kind == VFIO_SIM_END) {
        /* what its totals must be, before it is counted itself */
        end_data(&s->totals, s->rx_end);
    }
    count_frame(s);
    return NULL;
}

/* The head of a DMA frame is there. */
static const char *rx_dma_head(VFIOSim *s)
{
    VFIOSimFrame *f = &s->frame;
    const uint64_t *d = f->data;

    if (!d[2] || d[2] > VFIO_SIM_DMA_MAX / VFIO_SIM_PAGE ||
        d[0] % VFIO_SIM_PAGE || d[3] > d[2] || d[4] > d[2] - d[3] ||
        f->size != dma_frame_size(d[4])) {
        return "DMA frame makes no sense";
    }
    if (!s->rx_dma.count &&
        vfio_sim_window_alloc(s, &s->rx_dma, d[0], d[2], d[1])) {
        return "no memory for the DMA window";
    }
    if (d[0] != s->rx_dma.base || d[1] != s->rx_dma.seed ||
        d[2] != s->rx_dma.pages || d[3] != s->rx_dma_filled) {
        return "DMA frames contradict each other";
    }
    f->first = d[3];
    s->rx_dma_filled += d[4];
    return NULL;
}

static const char *rx_end(VFIOSim *s)
{
    if (memcmp(s->frame.data, s->rx_end, sizeof(s->rx_end))) {
        return "totals at the end are wrong";
    }
    if (s->rx_dma_filled != s->rx_dma.pages) {
        return "DMA frames are missing";
    }
    s->rx_done = true;
    return NULL;
}

/* Take up to @len bytes, as far as one piece of a frame goes. */
static size_t rx_some(VFIOSim *s, const uint8_t *buf, size_t len,
                      const char **why)
{
    VFIOSimFrame *f = &s->frame;
    uint64_t pos = f->pos;
    uint64_t end, word;
    size_t n;

    if (pos < VFIO_SIM_UNIT) {
        n = min64(len, VFIO_SIM_UNIT - pos);
        memcpy((uint8_t *)f->header + pos, buf, n);
        f->pos += n;
        if (f->pos == VFIO_SIM_UNIT) {
            *why = rx_header(s);
        }
        return n;
    }
    n = min64(len, f->size - pos);
    pos -= VFIO_SIM_UNIT;
    if (is_pattern(f->kind)) {
        bool ok;

        word = f->header[H_SEED] + pos / 8 * VFIO_SIM_PATTERN_STEP;
        if (pos % 8 || n < 8) {
            n = min64(n, 8 - pos % 8);
            ok = !memcmp(buf, (const uint8_t *)&word + pos % 8, n);
        } else {
            n &= ~(size_t)7;
            ok = vfio_sim_pattern_check(buf, word, n / 8);
        }
        if (!ok) {
            *why = "data is damaged";
        }
        f->pos += n;
        return n;
    }
    if (pos < VFIO_SIM_UNIT) {
        n = min64(n, VFIO_SIM_UNIT - pos);
        memcpy((uint8_t *)f->data + pos, buf, n);
        f->pos += n;
        if (f->pos == 2 * VFIO_SIM_UNIT && f->kind == VFIO_SIM_DMA) {
            *why = rx_dma_head(s);
        }
        return n;
    }
    pos -= VFIO_SIM_UNIT;
    end = f->data[4] * 4;
    if (pos < end) {
        n = min64(n, end - pos);
        memcpy((uint8_t *)(s->rx_dma.count + f->first) + pos, buf, n);
    }
    f->pos += n;
    return n;
}

/*
 * Take up to @*len bytes, of which about @most are initial data; @*len gets
 * how many were taken, and @*initial how many of these were initial data.
 */
static const char *rx_bytes(VFIOSim *s, const uint8_t *p, size_t *len,
                            uint64_t most, size_t *initial)
{
    VFIOSimFrame *f = &s->frame;
    const char *why = NULL;
    size_t done = 0;

    *initial = 0;
    while (done < *len && *initial < most) {
        size_t n = *len - done;
        bool header = f->pos < VFIO_SIM_UNIT;

        if (s->rx_done) {
            return "data after the end";
        }
        if (!header && f->kind == VFIO_SIM_INITIAL) {
            n = min64(n, most - *initial);
        }
        n = rx_some(s, p + done, n, &why);
        if (why) {
            return why;
        }
        done += n;
        if (f->pos >= VFIO_SIM_UNIT && f->kind == VFIO_SIM_INITIAL) {
            *initial += header ? VFIO_SIM_UNIT : n;
        }
        if (f->pos < VFIO_SIM_UNIT || f->pos < f->size) {
            continue;
        }
        if (!is_pattern(f->kind) &&
            f->header[H_SUM] != data_sum(f, &s->rx_dma)) {
            return "frame has a wrong sum";
        }
        if (f->kind == VFIO_SIM_END) {
            why = rx_end(s);
            if (why) {
                return why;
            }
        }
        memset(f, 0, sizeof(*f));
    }
    *len = done;
    return NULL;
}

int64_t vfio_sim_write(VFIOSim *s, uint32_t session, uint64_t now,
                       const void *buf, size_t len, uint64_t *wait)
{
    const char *why;
    size_t initial;

    *wait = 0;
    s->stats.writes++;
    if (!session || session != s->session) {
        return -ENODEV;
    }
    if (s->state != VFIO_SIM_RESUMING || s->rx_error) {
        return -EINVAL;
    }
    if (!len) {
        return 0;
    }
    len = limit_len(s, len, s->cfg.write_rate, s->cfg.fail_write_after);
    if (!len) {
        s->stats.faults++;
        return -EIO;
    }
    why = rx_bytes(s, buf, &len, rate_slice(s->cfg.write_rate_initial),
                   &initial);
    if (why) {
        vfio_sim_refuse(s, why);
        return -EINVAL;
    }
    s->session_bytes += len;
    s->stats.write_bytes += len;
    s->stats.write_bytes_initial += initial;
    *wait = busy(s, now, add_sat(rate_time(s->cfg.write_rate, len),
                                 rate_time(s->cfg.write_rate_initial,
                                           initial)));
    return len;
}

