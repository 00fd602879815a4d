/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/pages.h - what the attributes of the model's objects are
 */
#ifndef CONFORM_MODEL_PAGES_H
#define CONFORM_MODEL_PAGES_H

#include "model.h"

#define M_VALUE_MAX 65534u

/** Who asks: attributes depend on the generation and, on the current command page, on what the
 *  command did. */
struct m_view {
    struct model *m;
    int gen;
    uint64_t now;
    bool bypass; /* no timestamps */
    /* current command */
    uint8_t type;
    uint64_t pid, oid, append_start, used_change;
};

struct m_value {
    uint32_t len;   /* 0: undefined */
    uint32_t known; /* bytes from the start that are certain; the rest is the device's choice */
    uint8_t bytes[M_VALUE_MAX + 1];
};

/** Type of object a page belongs to; 0: any. */
uint8_t m_page_owner(uint32_t page);
/** Whether attributes of the page can be asked of an object. */
bool m_page_fits(const struct m_object *o, uint8_t type, uint32_t page);
bool m_is_client_page(uint32_t page);
/** o NULL: the object is gone. */
void m_get(const struct m_view *v, const struct m_object *o, uint32_t page, uint32_t number,
           struct m_value *ret);
/** Next attribute of the page at or after number that is defined. */
bool m_next(const struct m_view *v, const struct m_object *o, uint32_t page, uint32_t *number);
/** Next page at or after page that has any attribute, pages of any object left out. */
bool m_next_page(const struct m_view *v, const struct m_object *o, uint32_t *page);

/** What happens when an attribute is set. */
enum m_set { M_SET_OK, M_SET_REFUSED, M_SET_CAPACITY, M_SET_LENGTH, M_SET_MEMBERSHIPS };
/** o is owned by the command. *ret_touch gets further timestamps (bit per attribute number),
 *  *ret_clock the adjustable clock when it is set. */
enum m_set m_set(const struct m_view *v, struct m_object *o, uint32_t page, uint32_t number,
                 const uint8_t *value, uint32_t len, unsigned *ret_touch);

/** A page in page format; false: it has no layout. Appends to ret (zeroed, at least 256). */
bool m_layout(const struct m_view *v, const struct m_object *o, uint32_t page, uint8_t *ret,
              bool *known, size_t *ret_len);

#endif
