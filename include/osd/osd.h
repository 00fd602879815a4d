/* SPDX-License-Identifier: Apache-2.0 */
/*
 * osd/osd.h - libosd: the object device API
 *
 * A session talks to one logical unit: over iSCSI (iscsi://[user%secret@]host[:port]/iqn/lun)
 * or to a store opened in this process (file:///path; memory:). Objects are named by partition
 * id (pid) and object id (oid); both are >= 0x10000, the root is 0/0, a partition pid/0.
 *
 * Every command is a struct osd_call: fill it, hand it to osd_execute(). Each call can set
 * attributes and get attributes of the object it addresses, in the same atomic command. The
 * short functions below cover the common cases.
 *
 * Errors: an osd_status; osd_last_error() has the sentence for humans, per thread.
 * Threads: any number of threads may use one session. Calls block, except those under
 * "asynchronous", which keep many commands in flight from one thread.
 * Retries: BUSY, TASK SET FULL, unit attentions and lost connections are retried with the same
 * nonce, so a command is carried out at most once (struct osd_options says for how long).
 */
#ifndef OSD_OSD_H
#define OSD_OSD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "osd/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct osd_session;

/** By which algorithm commands are signed with a key file; a credential has its own. All but the
 *  first ask the device which ones it has, before the first command. */
enum osd_integrity {
    OSD_INTEGRITY_SHA1,   /* the standard's HMAC-SHA1, which every device has */
    OSD_INTEGRITY_SHA256, /* HMAC-SHA256, a vendor's algorithm; OSD_E_UNSUPPORTED without */
    OSD_INTEGRITY_BEST    /* HMAC-SHA256 where the device lists it, else HMAC-SHA1 */
};

struct osd_options {
    int generation;     /* 1 or 2; 0 = 2 */
    uint32_t retry_ms;  /* how long to retry; 0 = 60,000 */
    bool create;        /* file:// only: make a store if there is none */
    uint64_t capacity;  /* of a store made here, bytes; 0 = no limit */
    bool read_only;     /* file:// only: for osd_check() */
    uint32_t in_flight; /* asynchronous commands carried out at once, at most 256; 0 = 16 */
    /* Access control; at most one of the two files. Without either, commands carry no proof. */
    const char *credential_file; /* one credential, for what its capability says */
    const char *key_file; /* the device's master key: every command gets a credential. A store
                             made here gets this key, and asks for the method */
    const char *passphrase_file; /* file:// only: the keys in the store are sealed under it */
    int method; /* with key_file: 1 CAPKEY, 2 CMDRSP, 3 ALLDATA; 0 = 2. Without it: -1 says that
                   a store made here may let everybody do everything; else none is made */
    int integrity; /* with key_file: enum osd_integrity */
    /* Security managers to fetch credentials from, instead of the files: unix:/path or
     * https://host[:port], several with commas. For https: PEM files of the authority that signed
     * the manager's certificate, of the caller's certificate and its key; NULL: the system's
     * authorities, Kerberos. */
    const char *secmgr, *secmgr_ca, *secmgr_cert, *secmgr_key;
};

/** Open a session. options may be NULL. OSD_E_INVALID (URL), OSD_E_UNREACHABLE, OSD_E_DENIED
 *  (login), OSD_E_NOT_FOUND (target or store), OSD_E_BUSY (store in use by another process). */
OSD_API osd_status osd_open(const char *url, const struct osd_options *options,
                            struct osd_session **ret);
/** Close; NULL is allowed. No blocking call may be under way. Submitted commands are waited for,
 *  and their done() functions run inside this call. */
OSD_API void osd_close(struct osd_session *s);

/** Ask a portal for its targets (iSCSI SendTargets): iscsi://[user%secret@]host[:port]. visit()
 *  gets each target name with the address of one portal, "host:port", several times for several
 *  portals. OSD_E_INVALID (URL), OSD_E_UNREACHABLE, OSD_E_DENIED, OSD_E_PROTOCOL. */
OSD_API osd_status osd_discover(const char *url,
                                void (*visit)(void *arg, const char *target,
                                              const char *portal),
                                void *arg);

/** One TEST UNIT READY, not retried. OSD_OK: ready; OSD_E_BUSY: the device answered that it is
 *  not (osd_last_error() says why); anything else: no answer. *ret_us: how long the answer took,
 *  in microseconds; set with OSD_OK and OSD_E_BUSY. */
OSD_API osd_status osd_ping(struct osd_session *s, uint64_t *ret_us);

/** Sentence about the last failure in this thread; never NULL. Valid until the next call. */
OSD_API const char *osd_last_error(void);

enum osd_verb {
    OSD_V_FORMAT,           /* length: capacity, 0 = keep */
    OSD_V_CREATE_PARTITION, /* pid 0: the device chooses; ret_pid */
    OSD_V_REMOVE_PARTITION, /* option 1: with contents (OSD-2) */
    OSD_V_CREATE,           /* oid 0: the device chooses; ret_oid. length: number of objects */
    OSD_V_CREATE_AND_WRITE, /* out, start */
    OSD_V_REMOVE,
    OSD_V_READ,   /* in, start */
    OSD_V_WRITE,  /* out, start */
    OSD_V_APPEND, /* out; ret_start */
    OSD_V_CLEAR,  /* start, length; OSD-2 */
    OSD_V_PUNCH,  /* start, length; OSD-2 */
    OSD_V_FLUSH,  /* option: scope */
    OSD_V_FLUSH_PARTITION,
    OSD_V_FLUSH_OSD,
    OSD_V_LIST, /* in: raw list data; start: initial id; list_id */
    OSD_V_GET_ATTRIBUTES,
    OSD_V_SET_ATTRIBUTES,
    OSD_V_CREATE_SNAPSHOT, /* start: partition to be made from; pid as CREATE_PARTITION; OSD-2 */
    OSD_V_CREATE_CLONE,    /* likewise */
    OSD_V_DETACH_CLONE,    /* pid: the clone; OSD-2 */
    OSD_V_REFRESH,         /* pid: snapshot or clone; OSD-2 */
    OSD_V_RESTORE,         /* pid: the partition; start: its snapshot; OSD-2 */
    OSD_V_COMPARE, /* second_pid, second_oid; in: raw data (docs/map-compare.md); OSD-2 */
    OSD_V_CREATE_COLLECTION, /* oid 0: the device chooses; ret_oid */
    OSD_V_CREATE_TRACKING, /* likewise; start: collection whose members it gets, or 0; OSD-2 */
    OSD_V_REMOVE_COLLECTION, /* oid; option 1: also if it has members, which stay */
    OSD_V_LIST_COLLECTION,   /* oid: collection; otherwise as LIST */
    OSD_V_QUERY, /* oid: tracking collection; out: query list; either in: raw matches list, or
                    start: collection to enter them into; OSD-2 */
    OSD_V_MAX
};

/** Attribute to set. len 0 removes it. */
struct osd_attr {
    uint32_t page, number;
    const void *value;
    uint16_t len;
};

/** Attribute to get. value has cap bytes of the caller's and gets at most these; len is the true
 *  length. Values that are longer than their cap may leave no room for others in the answer of a
 *  command; then it ends with OSD_E_NOMEM. GET ATTRIBUTES avoids that by asking again, up to 4
 *  MiB; an OSD-1 answer never has more than 65,535 bytes. */
struct osd_attr_get {
    uint32_t page, number;
    void *value;
    uint16_t cap, len;
    bool defined;
};

/** One command; unset members are zero. */
struct osd_call {
    enum osd_verb verb;
    uint64_t pid, oid;
    uint64_t second_pid, second_oid; /* of OSD_V_COMPARE */
    uint64_t start, length;
    uint32_t list_id;
    unsigned option;
    bool fua;           /* on stable storage before it returns */
    bool no_timestamps; /* update no timestamps */
    bool no_results; /* ids and start of the result are not asked for; APPEND over iSCSI is then
                           one command instead of two */
    const void *out;
    size_t out_len;
    void *in;
    size_t in_len;
    const struct osd_attr *set;
    size_t n_set;
    struct osd_attr_get *get;
    size_t n_get;
    /* Of a CREATE of several objects: called for each one and each attribute of get that is
       defined, with at most cap bytes of its value. May be NULL; get has the values of the last
       object. */
    void (*each)(void *arg, uint64_t oid, const struct osd_attr_get *a);
    void *each_arg;
    /* Results. */
    uint64_t ret_pid, ret_oid; /* created ids; of several the highest */
    uint64_t ret_start;        /* where APPEND wrote */
    size_t ret_len;            /* bytes of `in` that carry meaning */
    uint8_t scsi_status;
    uint8_t sense[96];
    size_t sense_len;
};

/** Execute one command. OSD_E_PAST_END from OSD_V_READ comes with ret_len valid data bytes. */
OSD_API osd_status osd_execute(struct osd_session *s, struct osd_call *call);

/* ---- keys ---- */

enum osd_key { OSD_KEY_OF_ROOT = 1, OSD_KEY_OF_PARTITION = 2, OSD_KEY_OF_WORK = 3 };

/** Set a key of the device (SET KEY) to the one that the session's key file gives for it; the
 *  keys below it end with that. pid and version (0-15) where the kind has them, else 0.
 *  OSD_E_INVALID (no key file); OSD_E_DENIED (the device has another parent key). */
OSD_API osd_status osd_set_key(struct osd_session *s, enum osd_key which, uint64_t pid,
                               unsigned version);

/** Let a partition (0: the device as a whole) have its partition key and working key 0, and the
 *  device its root key if it has none. OSD_V_CREATE_PARTITION does this by itself. Errors as
 *  osd_set_key(). */
OSD_API osd_status osd_install_keys(struct osd_session *s, uint64_t pid);

/** What a credential is to allow. */
struct osd_allowance {
    uint64_t pid, oid;    /* oid 0: the partition; pid 0: the device */
    uint16_t permissions; /* bytes 49 and 50 of a capability, the first one high */
    uint64_t expires_ms;  /* since 1970 */
    unsigned version;     /* of the working key */
};

/** Make a credential with the session's key file. text gets at most cap bytes, zero terminated;
 *  512 are enough. The device is asked for its id only. OSD_E_INVALID. */
OSD_API osd_status osd_mint(struct osd_session *s, const struct osd_allowance *a, char *text,
                            size_t cap);

/* ---- security manager ---- */

/** One request to a security manager's API, as options name it; the device is not touched.
 *  *ret_reply gets the text of the reply, to be freed, or NULL; also with the failures that the
 *  manager reports. OSD_E_DENIED, OSD_E_NOT_FOUND, OSD_E_EXISTS, OSD_E_INVALID, OSD_E_UNREACHABLE;
 *  OSD_E_UNSUPPORTED: built without libcurl. body may be NULL. */
OSD_API osd_status osd_secmgr_request(const struct osd_options *options, const char *method,
                                      const char *path, const char *body, char **ret_reply);

/**
 * Fetch credentials for many objects of a partition in one question, where the session has a
 * security manager that grants them; later calls on these objects need none.
 *
 * @param oids  n objects, at most OSD_PREFETCH_MAX.
 * @param verbs what shall be done with them: 1u << OSD_V_READ | 1u << OSD_V_GET_ATTRIBUTES, say.
 *
 * Only a help: calls on objects that were refused here ask for themselves, and say why.
 *
 * @return OSD_OK, also without a security manager; OSD_E_DENIED: all were refused;
 *         OSD_E_UNREACHABLE, OSD_E_INVALID. Blocking; any thread.
 */
OSD_API osd_status osd_prefetch(struct osd_session *s, uint64_t pid, const uint64_t *oids,
                                size_t n, uint32_t verbs);
#define OSD_PREFETCH_MAX 256

/* ---- asynchronous ---- */

#define OSD_SUBMITTED_MAX 65536 /* commands of one session between osd_submit() and done() */

/** What to do when a command has finished: status as osd_execute() would return it, results in
 *  the call; osd_last_error() is about this command. May submit and may free the call; must not
 *  poll or close. */
typedef void osd_done(struct osd_call *call, osd_status status, void *arg);

/**
 * Begin a command and return at once.
 *
 * @param call  the caller's, with everything it points to, untouched until done().
 * @param done  runs exactly once, inside osd_poll() or osd_close(), in the thread that calls
 *              these; never inside osd_submit().
 *
 * Commands begin in the order of submission, options.in_flight of them at once, and end in any
 * order: what has to follow another command is submitted in its done(). Each is retried like a
 * blocking one. Any thread may submit, also while others poll.
 *
 * @return OSD_OK; OSD_E_INVALID (no such verb); OSD_E_BUSY (OSD_SUBMITTED_MAX reached: poll
 *         first); OSD_E_NOMEM. done() runs only after OSD_OK.
 */
OSD_API osd_status osd_submit(struct osd_session *s, struct osd_call *call, osd_done *done,
                              void *arg);

/** Run done() for what has finished. Waits up to timeout_ms (-1: for ever) for the first one, not
 *  at all when nothing is under way. Returns how many done() it ran. Any thread; a command
 *  belongs to one of them. */
OSD_API int osd_poll(struct osd_session *s, int timeout_ms);

/** A descriptor for poll(2): readable while osd_poll() has something to run. The session's; do
 *  not read or close it. */
OSD_API int osd_fd(struct osd_session *s);

/* ---- short forms ---- */

OSD_API osd_status osd_create_partition(struct osd_session *s, uint64_t pid, uint64_t *ret_pid);
OSD_API osd_status osd_remove_partition(struct osd_session *s, uint64_t pid, bool contents);
OSD_API osd_status osd_create(struct osd_session *s, uint64_t pid, uint64_t oid,
                              uint64_t *ret_oid);
OSD_API osd_status osd_remove(struct osd_session *s, uint64_t pid, uint64_t oid);

/** Read up to len bytes, in several commands if need be. *ret_len < len at the object's end. */
OSD_API osd_status osd_read(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                            void *buf, size_t len, size_t *ret_len);
/** Write len bytes, in several commands if need be (each is atomic, the whole is not). */
OSD_API osd_status osd_write(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                             const void *buf, size_t len);
OSD_API osd_status osd_append(struct osd_session *s, uint64_t pid, uint64_t oid,
                              const void *buf, size_t len, uint64_t *ret_start);
/** Set the logical length. */
OSD_API osd_status osd_truncate(struct osd_session *s, uint64_t pid, uint64_t oid,
                                uint64_t length);
/** Attributes of one object; of a collection, if the first page is one of a collection (60000000h to
 *  8FFFFFFFh). */
OSD_API osd_status osd_get_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                                 struct osd_attr_get *get, size_t n);
OSD_API osd_status osd_set_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                                 const struct osd_attr *set, size_t n);
/** Every attribute of one page, or of all pages with page 0xffffffff. visit returns false to
 *  stop. */
OSD_API osd_status osd_each_attr(struct osd_session *s, uint64_t pid, uint64_t oid,
                                 uint32_t page,
                                 bool (*visit)(void *arg, uint32_t page, uint32_t number,
                                               const void *value, uint16_t len),
                                 void *arg);
/** Ids in ascending order: partitions with pid 0, else user objects. visit returns false to
 *  stop. */
OSD_API osd_status osd_each_id(struct osd_session *s, uint64_t pid, uint64_t from,
                               bool (*visit)(void *arg, uint64_t id), void *arg);
/**
 * Where an object may differ from a second one: ranges in ascending order, told by the maps of both
 * (an object and the same in a snapshot share what was not changed since). hole: the object reads
 * as zeros there, the second one has data. What the second one has behind the end of the first is
 * not visited. visit returns false to stop.
 *
 * OSD_E_NOT_FOUND: one of the two is not there. OSD_E_UNSUPPORTED in OSD-1, and with a credential file: two capabilities are needed.
 */
typedef bool osd_range_visit(void *arg, uint64_t start, uint64_t length, bool hole);
OSD_API osd_status osd_compare(struct osd_session *s, uint64_t pid, uint64_t oid,
                               uint64_t second_pid, uint64_t second_oid, osd_range_visit *visit,
                               void *arg);

/** What an attribute of user objects must be for QUERY: between min and max, both inclusive; length
 *  0: no bound. Values of at most 8 bytes compare as big-endian numbers with each other, otherwise
 *  bytes are compared, the shorter is less. An attribute that is undefined is not within bounds.
 */
struct osd_criterion {
    uint32_t page, number;
    const void *min, *max;
    uint16_t min_len, max_len;
};
#define OSD_CRITERIA_MAX 256

/** Members of a collection in ascending order. visit returns false to stop. */
OSD_API osd_status osd_each_member(struct osd_session *s, uint64_t pid, uint64_t cid,
                                   uint64_t from, bool (*visit)(void *arg, uint64_t id),
                                   void *arg);
/** Members of a tracking collection of which all criteria hold, or with all false any of them; in
 *  ascending order. OSD-2. OSD_E_INVALID (more than OSD_CRITERIA_MAX; no tracking collection);
 *  OSD_E_NOMEM: any of them, and more than half a million members, so that they come in no one
 *  answer. */
OSD_API osd_status osd_query(struct osd_session *s, uint64_t pid, uint64_t cid, bool all,
                             const struct osd_criterion *criteria, size_t n,
                             bool (*visit)(void *arg, uint64_t id), void *arg);
/** The same members become those of another tracking collection, instead of what it had. */
OSD_API osd_status osd_query_into(struct osd_session *s, uint64_t pid, uint64_t cid, bool all,
                                  const struct osd_criterion *criteria, size_t n,
                                  uint64_t matches);
/** Everything acknowledged before is on stable storage. */
OSD_API osd_status osd_flush(struct osd_session *s);

/** Offline check of a file:// session's store. report gets one line a finding. */
struct osd_check_result {
    uint64_t partitions, objects, attributes, bytes, findings, repaired;
};
OSD_API osd_status osd_check(struct osd_session *s, bool repair,
                             void (*report)(void *arg, const char *line), void *arg,
                             struct osd_check_result *ret);

/** What osd_salvage() made. */
struct osd_salvage_result {
    uint64_t partitions, objects, attributes, bytes; /* in the new store */
    uint64_t lost; /* objects and collections that are not in it */
    uint64_t
        harmed; /* findings about what is in it with less than it had, and about the device */
    uint64_t dropped; /* records of the journal that are not in it */
    bool older;       /* what it holds may be older than what the damaged one held last */
    bool uncounted;   /* changes are missing of which nothing tells how many they were */
};
/** Make a new store, in an absent or empty directory, out of what can be read of a damaged one that
 *  nobody serves, which is not changed. report (or NULL) gets one line for each loss, progress (or
 *  NULL) how far a step has come; total 0: not known. Where keys may be missing or old they end, see
 *  osdctl(1). OSD_OK also with losses; on failure there is no new store, and
 *  what was made of it is removed. Blocks for as long as
 *  reading all data takes. */
OSD_API osd_status osd_salvage(const char *source, const char *target,
                               void (*report)(void *arg, const char *line),
                               void (*progress)(void *arg, const char *step, uint64_t done,
                                                uint64_t total),
                               void *arg, struct osd_salvage_result *ret);

/** Human line for sense data. dst gets at most len bytes, zero terminated. */
OSD_API void osd_explain_sense(const uint8_t *sense, size_t sense_len, char *dst, size_t len);

#ifdef __cplusplus
}
#endif
#endif
