/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/log.h - the log facade: one sink per process, set once at start
 *
 * Only the layer that decides logs; lower layers return a status. Lines are short, name the
 * thing and carry no newline. Default sink: stderr, warnings and worse.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum osd_log_level { OSD_LOG_ERROR, OSD_LOG_WARN, OSD_LOG_INFO, OSD_LOG_DEBUG };

typedef void (*osd_log_sink)(enum osd_log_level level, const char *line);

/** Replace the sink (before threads start); NULL restores the default. */
void osd_log_set_sink(osd_log_sink sink);

/** Format one line (cut at 1,000 bytes) and hand it to the sink. Any thread. */
void osd_log(enum osd_log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
