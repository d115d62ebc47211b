/*
 * vfio-sim check and keys: what profiles can contain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "tool.h"

#include "model/profile.h"

#define WIDTH   78
#define INDENT  4

static const char check_usage[] =
"usage: vfio-sim check PROFILE...\n"
"\n"
"Check profiles, and report what is wrong with them, by line.\n";

static const char keys_usage[] =
"usage: vfio-sim keys [--counters] [--rst | --man]\n"
"\n"
"List the keys of a profile, the values that they take, and their defaults.\n"
"\n"
"  --counters  the names that \"ctl get\" takes besides the keys, instead\n"
"  --rst       in reStructuredText\n"
"  --man       for a manual page\n";

typedef enum Style {
    STYLE_PLAIN,
    STYLE_RST,
    STYLE_MAN,
} Style;

int cmd_check(int argc, char **argv)
{
    VFIOSimConfig cfg;
    char err[512];
    int status = 0;
    int i;

    if (argc > 1 && is_help(argv[1])) {
        help(check_usage);
    }
    if (argc < 2) {
        die("check: which profile?");
    }
    for (i = 1; i < argc; i++) {
        vfio_sim_config_default(&cfg);
        if (vfio_sim_profile_load(&cfg, argv[i], err, sizeof(err))) {
            fprintf(stderr, "vfio-sim: %s\n", err);
            status = 1;
        }
    }
    return status;
}

/* Text for a manual page: a "-" there is no hyphen. */
static void print_man(const char *text)
{
    for (; *text; text++) {
        printf("%s%c", *text == '-' || *text == '\\' ? "\\" : "", *text);
    }
}

/* Text in lines that are indented */
static void print_lines(const char *text)
{
    int used = 0;

    while (*text) {
        int len = strcspn(text, " ");

        if (used && used + 1 + len > WIDTH) {
            printf("\n");
            used = 0;
        }
        printf("%*s%.*s", used ? 1 : INDENT, "", len, text);
        used += (used ? 1 : INDENT) + len;
        text += len;
        text += *text == ' ';
    }
    printf("\n");
}

static void print_heading(const char *heading, Style style)
{
    size_t i;

    switch (style) {
    case STYLE_PLAIN:
        printf("%s:\n\n", heading);
        break;
    case STYLE_RST:
        printf("%s\n", heading);
        for (i = 0; i < strlen(heading); i++) {
            putchar('-');
        }
        printf("\n\n");
        break;
    case STYLE_MAN:
        printf(".SS %s\n", heading);
        break;
    }
}

static void print_attribute(const VFIOSimAttribute *attr, Style style)
{
    char head[512], text[512];
    VFIOSimConfig cfg;

    if (vfio_sim_is_key(attr)) {
        char values[256], value[64];

        vfio_sim_config_default(&cfg);
        vfio_sim_key_values(attr, values, sizeof(values));
        vfio_sim_key_get(&cfg, attr, value, sizeof(value));
        snprintf(head, sizeof(head), "%s = %s", attr->name, values);
        snprintf(text, sizeof(text), "%s (default: %s)", attr->doc, value);
    } else {
        snprintf(head, sizeof(head), "%s", attr->name);
        snprintf(text, sizeof(text), "%s", attr->doc);
    }
    if (style == STYLE_MAN) {
        printf(".TP\n.B \"");
        print_man(head);
        printf("\"\n");
        print_man(text);
        printf("\n");
    } else {
        printf(style == STYLE_RST ? "``%s``\n" : "%s\n", head);
        print_lines(text);
    }
}

int cmd_keys(int argc, char **argv)
{
    Style style = STYLE_PLAIN;
    bool counters = false;
    bool first = true;
    unsigned int i;
    int n;

    for (n = 1; n < argc; n++) {
        if (is_help(argv[n])) {
            help(keys_usage);
        } else if (!strcmp(argv[n], "--rst")) {
            style = STYLE_RST;
        } else if (!strcmp(argv[n], "--man")) {
            style = STYLE_MAN;
        } else if (!strcmp(argv[n], "--counters")) {
            counters = true;
        } else {
            die("keys: wrong arguments, see vfio-sim keys --help");
        }
    }
    for (i = 0; i < vfio_sim_nr_attributes; i++) {
        const VFIOSimAttribute *attr = &vfio_sim_attributes[i];

        if (vfio_sim_is_key(attr) == counters) {
            continue;
        }
        if (attr->group) {
            if (!first && style != STYLE_MAN) {
                printf("\n");
            }
            print_heading(attr->group, style);
            first = false;
        }
        print_attribute(attr, style);
    }
    return 0;
}
