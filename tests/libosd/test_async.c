/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/libosd/test_async.c - osd_submit(), osd_poll(), osd_fd()
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_iscsi.h"
#include "osd/osd.h"

#define PID   0x10000u
#define FIRST 0x10000u
#define MANY  500

static struct osd_session *s;

static int open_with(uint32_t in_flight)
{
    const struct osd_options opt = {.retry_ms = 2000, .in_flight = in_flight};

    if (osd_open(FAKE_URL, &opt, &s) || osd_create_partition(s, PID, NULL))
        return -1;
    fake_forget();
    return 0;
}

static int setup(void **state)
{
    return open_with(0);
}

static int teardown(void **state)
{
    osd_close(s);
    fake_reset();
    return 0;
}

struct one {
    struct osd_call call;
    int done;
    osd_status status;
    char error[200];
};

static void on_done(struct osd_call *call, osd_status status, void *arg)
{
    struct one *o = arg;

    assert_ptr_equal(call, &o->call);
    o->done++;
    o->status = status;
    strncpy(o->error, osd_last_error(), sizeof(o->error) - 1);
}

static void submit_create(struct one *o, uint64_t oid)
{
    memset(o, 0, sizeof(*o));
    o->call = (struct osd_call){.verb = OSD_V_CREATE, .pid = PID, .oid = oid};
    assert_int_equal(osd_submit(s, &o->call, on_done, o), OSD_OK);
}

static int poll_all(void)
{
    int n, all = 0;

    while ((n = osd_poll(s, -1)) > 0)
        all += n;
    return all;
}

static void test_libosd_async__every_command_is_done_exactly_once(void **state)
{
    struct one *many = calloc(MANY, sizeof(*many));

    assert_non_null(many);
    for (unsigned i = 0; i < MANY; i++)
        submit_create(&many[i], FIRST + i);
    assert_int_equal(poll_all(), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(many[i].done, 1);
        assert_int_equal(many[i].status, OSD_OK);
        assert_int_equal(many[i].call.ret_oid, FIRST + i);
    }
    free(many);
}

static pthread_barrier_t barrier;

static void meet_others(void)
{
    pthread_barrier_wait(&barrier);
}

/* Would catch: commands carried out one after the other. Each waits for 15 others. */
static void test_libosd_async__sixteen_commands_are_in_flight_at_once(void **state)
{
    struct one sixteen[16];

    pthread_barrier_init(&barrier, NULL, 16);
    fake.before = meet_others;
    for (unsigned i = 0; i < 16; i++)
        submit_create(&sixteen[i], FIRST + i);
    assert_int_equal(poll_all(), 16);
    fake.before = NULL;
    pthread_barrier_destroy(&barrier);
}

/* Would catch: a queue that is a stack. */
static void test_libosd_async__commands_begin_in_order_of_submission(void **state)
{
    struct one many[40];

    osd_close(s);
    fake_reset();
    assert_int_equal(open_with(1), 0);
    for (unsigned i = 0; i < 40; i++)
        submit_create(&many[i], FIRST + i);
    assert_int_equal(poll_all(), 40);
    assert_int_equal(fake.n, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(fake.kept[i].cdb[31], i);
}

static void test_libosd_async__errors_come_with_their_sentence(void **state)
{
    struct one good, taken, lost;

    submit_create(&good, FIRST);
    poll_all();
    submit_create(&taken, FIRST);
    assert_int_equal(poll_all(), 1);
    assert_int_equal(taken.status, OSD_E_EXISTS);
    assert_non_null(strstr(taken.error, "CREATE"));
    fake.always = FAULT_UNREACHABLE;
    submit_create(&lost, FIRST + 1);
    assert_int_equal(poll_all(), 1);
    assert_int_equal(lost.status, OSD_E_UNREACHABLE);
    assert_non_null(strstr(lost.error, "reached"));
}

static void test_libosd_async__retries_happen_like_in_blocking_calls(void **state)
{
    struct one o;

    fake.faults[0] = FAULT_BUSY;
    fake.faults[1] = FAULT_ATTENTION;
    submit_create(&o, FIRST);
    assert_int_equal(poll_all(), 1);
    assert_int_equal(o.status, OSD_OK);
    assert_int_equal(fake.n, 3);
}

static void test_libosd_async__descriptor_is_readable_while_something_is_finished(void **state)
{
    struct pollfd fd = {.fd = osd_fd(s), .events = POLLIN};
    struct one a, b;

    assert_int_equal(poll(&fd, 1, 0), 0);
    submit_create(&a, FIRST);
    submit_create(&b, FIRST + 1);
    assert_int_equal(poll(&fd, 1, -1), 1);
    while (a.done + b.done < 2) {
        assert_int_equal(poll(&fd, 1, -1), 1);
        assert_true(osd_poll(s, 0) > 0);
    }
    assert_int_equal(poll(&fd, 1, 0), 0);
}

static void test_libosd_async__poll_with_nothing_under_way_returns_at_once(void **state)
{
    assert_int_equal(osd_poll(s, -1), 0);
    assert_int_equal(osd_poll(s, 100000), 0);
}

static void hold_on(void)
{
    usleep(100000);
}

static atomic_bool held;

static void hold_until_told(void)
{
    while (held)
        usleep(1000);
}

static void test_libosd_async__poll_keeps_its_time_limit(void **state)
{
    struct one o;

    held = true;
    fake.before = hold_until_told;
    submit_create(&o, FIRST);
    assert_int_equal(osd_poll(s, 0), 0);
    assert_int_equal(osd_poll(s, 5), 0);
    assert_int_equal(o.done, 0);
    held = false;
    assert_int_equal(osd_poll(s, -1), 1);
}

struct chain {
    struct osd_call call;
    char digit;
    int left;
};

/* Each command is submitted in the done() of the one before. */
static void next_in_chain(struct osd_call *call, osd_status status, void *arg)
{
    struct chain *c = arg;

    assert_int_equal(status, OSD_OK);
    if (c->left-- == 0)
        return;
    c->digit++;
    c->call = (struct osd_call){
        .verb = OSD_V_APPEND, .pid = PID, .oid = FIRST, .out = &c->digit, .out_len = 1};
    assert_int_equal(osd_submit(s, call, next_in_chain, c), OSD_OK);
}

static void test_libosd_async__done_may_submit_what_has_to_follow(void **state)
{
    struct chain c = {
        .call = {.verb = OSD_V_CREATE, .pid = PID, .oid = FIRST}, .digit = '0', .left = 9};
    char data[16] = "";
    size_t n = 0;

    assert_int_equal(osd_submit(s, &c.call, next_in_chain, &c), OSD_OK);
    assert_int_equal(poll_all(), 10);
    assert_int_equal(osd_read(s, PID, FIRST, 0, data, sizeof(data), &n), OSD_OK);
    assert_int_equal(n, 9);
    assert_string_equal(data, "123456789");
}

/* Would catch: a done() that never runs, or memory touched after close. */
static void test_libosd_async__close_waits_and_runs_done(void **state)
{
    struct one many[50];

    fake.before = hold_on;
    for (unsigned i = 0; i < 50; i++)
        submit_create(&many[i], FIRST + i);
    osd_close(s);
    s = NULL;
    for (unsigned i = 0; i < 50; i++)
        assert_int_equal(many[i].done, 1);
}

static void *submit_many(void *arg)
{
    struct one *many = arg;

    for (unsigned i = 0; i < MANY / 4; i++) {
        many[i].call = (struct osd_call){.verb = OSD_V_CREATE, .pid = PID};
        if (osd_submit(s, &many[i].call, on_done, &many[i]))
            return arg;
    }
    return NULL;
}

static void *poll_many(void *arg)
{
    while (*(_Atomic int *)arg < MANY)
        *(_Atomic int *)arg += osd_poll(s, 10);
    return NULL;
}

/* Four submit, two poll. For the thread sanitizer as much as for the counts. */
static void test_libosd_async__threads_share_a_session(void **state)
{
    struct one *many = calloc(MANY, sizeof(*many));
    pthread_t submitters[4], pollers[2];
    _Atomic int n = 0;
    void *ret;

    assert_non_null(many);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&pollers[i], NULL, poll_many, &n), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&submitters[i], NULL, submit_many, many + i * MANY / 4),
                         0);
    for (int i = 0; i < 4; i++) {
        pthread_join(submitters[i], &ret);
        assert_null(ret);
    }
    for (int i = 0; i < 2; i++)
        pthread_join(pollers[i], NULL);
    for (int i = 0; i < MANY; i++)
        assert_true(many[i].done == 1 && many[i].status == OSD_OK);
    free(many);
}

static void count(struct osd_call *call, osd_status status, void *arg)
{
    ++*(int *)arg;
}

static void test_libosd_async__submission_is_bounded_and_checked(void **state)
{
    struct osd_call *calls = calloc(OSD_SUBMITTED_MAX + 1, sizeof(*calls));
    struct osd_call bad = {.verb = OSD_V_MAX};
    int n = 0;

    assert_non_null(calls);
    assert_int_equal(osd_submit(s, &bad, count, &n), OSD_E_INVALID);
    for (int i = 0; i < OSD_SUBMITTED_MAX; i++) {
        calls[i].verb = OSD_V_FLUSH_OSD;
        assert_int_equal(osd_submit(s, &calls[i], count, &n), OSD_OK);
    }
    calls[OSD_SUBMITTED_MAX].verb = OSD_V_FLUSH_OSD;
    assert_int_equal(osd_submit(s, &calls[OSD_SUBMITTED_MAX], count, &n), OSD_E_BUSY);
    assert_non_null(strstr(osd_last_error(), "polled"));
    assert_int_equal(poll_all(), OSD_SUBMITTED_MAX);
    assert_int_equal(n, OSD_SUBMITTED_MAX);
    free(calls);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_libosd_async__##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_command_is_done_exactly_once),
        TEST(sixteen_commands_are_in_flight_at_once),
        TEST(commands_begin_in_order_of_submission),
        TEST(errors_come_with_their_sentence),
        TEST(retries_happen_like_in_blocking_calls),
        TEST(descriptor_is_readable_while_something_is_finished),
        TEST(poll_with_nothing_under_way_returns_at_once),
        TEST(poll_keeps_its_time_limit),
        TEST(done_may_submit_what_has_to_follow),
        TEST(close_waits_and_runs_done),
        TEST(threads_share_a_session),
        TEST(submission_is_bounded_and_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
