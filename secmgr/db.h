/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/db.h - the access-control database: OSDs with their keys, rules, groups
 *
 * On SQLite or PostgreSQL; several managers may share one. Keys come and go sealed (vault.h):
 * the database never sees one.
 * Invariants:
 *  (1) A record with a version changes only through the version its writer has read: of two
 *      managers that change one, the second is told OSD_E_BUSY and reads again.
 *  (2) Every function is one statement, or several that may be repeated (removals).
 * Every function may be called from any thread and blocks. Errors beside those named:
 * OSD_E_UNREACHABLE, OSD_E_IO, OSD_E_NOMEM; sm_db_text() has the database's sentence.
 */
#ifndef SECMGR_DB_H
#define SECMGR_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#define SM_ID_TEXT   41 /* OSD system id, 40 digits */
#define SM_NAME_LEN  64
#define SM_URL_LEN   512
#define SM_SECRET    2048 /* sealed keys, hexadecimal */
#define SM_PRINCIPAL 256
#define SM_SETTING   256

struct sm_db;

/** kind: "sqlite" or "postgresql"; where: path or conninfo. Makes the tables when there are
 *  none. OSD_E_UNSUPPORTED (not built), OSD_E_VERSION (tables of a newer program). */
osd_status sm_db_open(const char *kind, const char *where, struct sm_db **ret, char *why,
                      size_t why_len);
void sm_db_close(struct sm_db *db);
/** The database's sentence about this thread's last failure. */
const char *sm_db_text(void);
/** Statements that failed because the database did, since the start. */
uint64_t sm_db_failures(struct sm_db *db);

/** A value stored once: the first one that anybody gave. ret: SM_SETTING bytes. */
osd_status sm_db_setting(struct sm_db *db, const char *name, const char *value, char *ret);

/* ---- OSDs ---- */

struct sm_osd {
    char id[SM_ID_TEXT];
    char name[SM_NAME_LEN];
    char url[SM_URL_LEN];
    uint8_t method; /* enum osd_security_method of its credentials */
    uint64_t version;
    char secret[SM_SECRET];
};

/** By name or id. OSD_E_NOT_FOUND. */
osd_status sm_db_osd_get(struct sm_db *db, const char *name, struct sm_osd *ret);
/** OSD_E_EXISTS: the name or the id is taken. */
osd_status sm_db_osd_add(struct sm_db *db, const struct sm_osd *o);
/** url, method and secret, if the version is still o->version, which becomes the next one.
 *  OSD_E_BUSY. */
osd_status sm_db_osd_put(struct sm_db *db, struct sm_osd *o);
/** With its keys and rules. OSD_E_NOT_FOUND. */
osd_status sm_db_osd_remove(struct sm_db *db, const char *id);
osd_status sm_db_osd_each(struct sm_db *db, void (*visit)(void *arg, const struct sm_osd *o),
                          void *arg);

/** Keys of one partition; pid 0: partition zero. */
struct sm_part {
    char osd[SM_ID_TEXT];
    uint64_t pid;
    uint64_t version; /* 0: not in the database yet */
    char secret[SM_SECRET];
};

/** OSD_E_NOT_FOUND. */
osd_status sm_db_part_get(struct sm_db *db, const char *osd, uint64_t pid, struct sm_part *ret);
/** As sm_db_osd_put(); version 0 makes the record. OSD_E_BUSY. */
osd_status sm_db_part_put(struct sm_db *db, struct sm_part *p);
/** With the tags of its objects. OSD_E_NOT_FOUND. */
osd_status sm_db_part_remove(struct sm_db *db, const char *osd, uint64_t pid);
/** visit must not call the database. */
osd_status sm_db_part_each(struct sm_db *db, const char *osd,
                           void (*visit)(void *arg, const struct sm_part *p), void *arg);

/** The policy access tag of a collection or user object, where it is another than its
 *  partition gives to new objects. */
struct sm_tag_record {
    char osd[SM_ID_TEXT];
    uint64_t pid, oid;
    uint64_t version; /* 0: not in the database yet */
    uint32_t value;
    char nonce[25]; /* 24 digits while the device may not have it yet; else "" */
};

/** OSD_E_NOT_FOUND. */
osd_status sm_db_tag_get(struct sm_db *db, const char *osd, uint64_t pid, uint64_t oid,
                         struct sm_tag_record *ret);
/** As sm_db_part_put(). */
osd_status sm_db_tag_put(struct sm_db *db, struct sm_tag_record *t);

/** A revocation that was begun: whoever finds it carries it out again and removes it. */
struct sm_revocation_record {
    char id[33], osd[SM_ID_TEXT];
    uint8_t what, type; /* enum sm_revoke; OSD_TYPE_* */
    uint64_t pid, oid, begun_ms;
};

osd_status sm_db_revocation_add(struct sm_db *db, const struct sm_revocation_record *r);
/** OSD_E_NOT_FOUND. */
osd_status sm_db_revocation_remove(struct sm_db *db, const char *id);
/** Those begun before a time, the oldest first; 100 at most. visit must not call the database. */
osd_status sm_db_revocation_each(struct sm_db *db, uint64_t before_ms,
                                 void (*visit)(void *arg, const struct sm_revocation_record *r),
                                 void *arg);

/* ---- rules ---- */

/** What a principal may do on one thing (capability.h says what rules mean). */
struct sm_rule {
    char osd[SM_ID_TEXT];
    uint8_t type; /* OSD_TYPE_*: what pid and oid name */
    uint64_t pid, oid;
    char principal[SM_PRINCIPAL]; /* "uid:1000", "gid:100", "cert:CN=a", "group:g", "other" */
    uint16_t perms;
    bool inherits;    /* inherit says something */
    uint16_t inherit; /* on everything below */
    uint64_t expires; /* ms since 1970; 0 = never */
};

typedef void sm_rule_visit(void *arg, const struct sm_rule *r);

/** Makes or replaces the rule of its principal on its thing. */
osd_status sm_db_rule_set(struct sm_db *db, const struct sm_rule *r);
/** OSD_E_NOT_FOUND. */
osd_status sm_db_rule_remove(struct sm_db *db, const struct sm_rule *r);
/** The rule of a principal on a thing. OSD_E_NOT_FOUND. */
osd_status sm_db_rule_get(struct sm_db *db, const struct sm_rule *of, struct sm_rule *ret);
/** Rules of the object (pid, oid), its partition and the device; of the partition and the
 *  device with oid 0. */
osd_status sm_db_rule_match(struct sm_db *db, const char *osd, uint64_t pid, uint64_t oid,
                            sm_rule_visit *visit, void *arg);
/** Every rule of a principal, on any OSD. */
osd_status sm_db_rule_of(struct sm_db *db, const char *principal, sm_rule_visit *visit,
                         void *arg);
/** Every rule of an OSD, in order of type, ids and principal. */
osd_status sm_db_rule_each(struct sm_db *db, const char *osd, sm_rule_visit *visit, void *arg);

/* ---- groups ---- */

osd_status sm_db_member_add(struct sm_db *db, const char *group, const char *principal);
/** OSD_E_NOT_FOUND. */
osd_status sm_db_member_remove(struct sm_db *db, const char *group, const char *principal);
/** Groups of a principal; with NULL all pairs. */
osd_status sm_db_member_each(struct sm_db *db, const char *principal,
                             void (*visit)(void *arg, const char *group, const char *principal),
                             void *arg);

#endif
