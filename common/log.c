/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/log.c - see log.h
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>

static void stderr_sink(enum osd_log_level level, const char *line)
{
    if (level <= OSD_LOG_WARN)
        fprintf(stderr, "liosd: %s\n", line);
}

static osd_log_sink current = stderr_sink;

void osd_log_set_sink(osd_log_sink sink)
{
    current = sink ? sink : stderr_sink;
}

void osd_log(enum osd_log_level level, const char *fmt, ...)
{
    char line[1000];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    current(level, line);
}
