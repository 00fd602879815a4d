/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/aside.h - attributes of an object, set aside while the object is replaced
 *
 * For what is no content: keys and policy stay when FORMAT OSD, REFRESH and RESTORE replace what
 * lies around them. Pages that no client can name are pages like the others here.
 * Invariant: what was set aside may be secret; aside_free() wipes it.
 */
#ifndef INTERPRETER_ASIDE_H
#define INTERPRETER_ASIDE_H

#include "command.h"
#include "common/buf.h"

/** Room for attributes: page, number (4 bytes each), length (2), value; one after the other. */
struct osd_buf aside_make(void);

/** Set one page of an object aside, behind what is there. OSD_E_NOMEM beyond 4 MiB. */
osd_status aside_collect(struct command *c, struct store_id id, uint32_t page,
                         struct osd_buf *a);

/** Give what was set aside to an object; or take these attributes from it. */
osd_status aside_give(struct command *c, struct store_id id, const struct osd_buf *a);
osd_status aside_take(struct command *c, struct store_id id, const struct osd_buf *a);

/** Wipe and free. */
void aside_free(struct osd_buf *a);

#endif
