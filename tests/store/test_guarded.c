/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_guarded.c - copies of mapped files that were cut short, and other people's faults
 *
 * Children end with CAUGHT from a handler of SIGBUS that was there before. cmocka puts one of its own
 * around each test, so the tests bring back the one under test.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "rig.h"
#include "store/guarded.h"

#define PAGE    (4 * KIB)
#define SIZE    (16 * PAGE)
#define THREADS 4
#define ROUNDS  200
#define CAUGHT  17

static struct sigaction under_test;
static int died_by_default; /* a child's status */

/* A mapped file of SIZE bytes, each page full of its number. */
struct file {
    int fd;
    uint8_t *map;
};

static struct file file_make(void)
{
    struct file f = {.fd = memfd_create("guarded", MFD_CLOEXEC)};

    if (f.fd < 0 || ftruncate(f.fd, SIZE) != 0)
        abort();
    f.map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd, 0);
    if (f.map == MAP_FAILED)
        abort();
    for (size_t i = 0; i < SIZE; i++)
        f.map[i] = (uint8_t)(i / PAGE);
    return f;
}

static void file_cut(const struct file *f, size_t size)
{
    if (ftruncate(f->fd, (off_t)size) != 0)
        abort();
}

static void file_end(const struct file *f)
{
    munmap(f->map, SIZE);
    close(f->fd);
}

static void use_handler(void)
{
    sigaction(SIGBUS, &under_test, NULL);
}

static void test_store_guarded__a_file_cut_short_fails_the_copy_and_nothing_else(void **state)
{
    struct file f = file_make();
    static uint8_t got[SIZE];

    use_handler();
    assert_true(guarded_read(got, f.map, SIZE));
    assert_memory_equal(got, f.map, SIZE);
    file_cut(&f, 8 * PAGE);
    assert_false(guarded_read(got, f.map, SIZE));
    assert_false(guarded_read(got, f.map + 8 * PAGE, 1));
    assert_false(guarded_read(got, f.map + 15 * PAGE + 1, PAGE - 1));
    assert_false(guarded_read(got, f.map + 8 * PAGE - 1, 2));
    assert_true(guarded_read(got, f.map, 8 * PAGE));
    assert_int_equal(got[8 * PAGE - 1], 7);
    file_cut(&f, SIZE);
    assert_true(guarded_read(got, f.map, SIZE));
    assert_int_equal(got[SIZE - 1], 0);
    file_end(&f);
}

static void test_store_guarded__a_write_beyond_the_file_fails(void **state)
{
    struct file f = file_make();
    static const uint8_t bytes[2 * PAGE] = {1};

    use_handler();
    file_cut(&f, 8 * PAGE);
    assert_false(guarded_write(f.map + 7 * PAGE, bytes, sizeof(bytes)));
    assert_false(guarded_write(f.map + 8 * PAGE, bytes, 1));
    assert_true(guarded_write(f.map + 7 * PAGE, bytes, PAGE));
    assert_int_equal(f.map[7 * PAGE], 1);
    file_end(&f);
}

static void nested(void *arg)
{
    *(bool *)arg = guarded_read(&(char){0}, "x", 1);
}

static void test_store_guarded__a_call_within_a_call_does_nothing(void **state)
{
    bool inner = true;
    char c = 0;

    use_handler();
    assert_true(guarded_run("x", 1, nested, &inner));
    assert_false(inner);
    assert_true(guarded_read(&c, "x", 1));
    assert_int_equal(c, 'x');
}

/* ---- threads ---- */

struct reader {
    const struct file *whole, *cut;
    unsigned wrong;
};

static void *read_both(void *arg)
{
    struct reader *r = arg;
    uint8_t got[PAGE];

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned page = i % (SIZE / PAGE);
        r->wrong += !guarded_read(got, r->whole->map + page * PAGE, PAGE) || got[1] != page;
        r->wrong += guarded_read(got, r->cut->map + page * PAGE, PAGE);
    }
    return NULL;
}

static void test_store_guarded__threads_fail_each_for_itself(void **state)
{
    struct file whole = file_make(), cut = file_make();
    struct reader r[THREADS];
    pthread_t thread[THREADS];
    sigset_t bus, old;

    use_handler();
    file_cut(&cut, 0);
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &bus, &old); /* as a host's threads may have it */
    for (unsigned i = 0; i < THREADS; i++) {
        r[i] = (struct reader){&whole, &cut, 0};
        assert_int_equal(pthread_create(&thread[i], NULL, read_both, &r[i]), 0);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(r[i].wrong, 0);
    }
    file_end(&cut);
    file_end(&whole);
}

/* ---- faults of others ---- */

static void caught(int sig)
{
    _exit(sig == SIGBUS ? CAUGHT : 1);
}

static void touch(void *arg)
{
    (void)*(volatile uint8_t *)arg;
}

static void fault_outside_a_call(void)
{
    struct file f = file_make();
    char c;

    file_cut(&f, 0);
    guarded_read(&c, f.map, 1);
    touch(f.map);
}

static void fault_outside_the_range(void)
{
    struct file f = file_make();

    file_cut(&f, 0);
    guarded_run(f.map, PAGE, touch, f.map + PAGE);
}

static void raise_it(void *arg)
{
    (void)arg;
    raise(SIGBUS);
}

static void signal_within_a_call(void)
{
    guarded_run(NULL, SIZE_MAX, raise_it, NULL);
}

/* How a child that does this ends. */
static int child(void (*work)(void), const struct sigaction *handler)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        sigaction(SIGBUS, handler, NULL);
        work();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    return status;
}

static void test_store_guarded__other_faults_reach_the_handler_before(void **state)
{
    static void (*const work[])(void) = {fault_outside_a_call, fault_outside_the_range,
                                         signal_within_a_call};

    for (size_t i = 0; i < sizeof(work) / sizeof(work[0]); i++) {
        int status = child(work[i], &under_test);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), CAUGHT);
    }
}

static void test_store_guarded__other_faults_kill_when_there_was_no_handler(void **state)
{
    assert_true(WIFSIGNALED(died_by_default));
    assert_int_equal(WTERMSIG(died_by_default), SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_guarded__a_file_cut_short_fails_the_copy_and_nothing_else),
        cmocka_unit_test(test_store_guarded__a_write_beyond_the_file_fails),
        cmocka_unit_test(test_store_guarded__a_call_within_a_call_does_nothing),
        cmocka_unit_test(test_store_guarded__threads_fail_each_for_itself),
        cmocka_unit_test(test_store_guarded__other_faults_reach_the_handler_before),
        cmocka_unit_test(test_store_guarded__other_faults_kill_when_there_was_no_handler),
    };
    const struct sigaction none = {.sa_handler = SIG_DFL}, earlier = {.sa_handler = caught};
    char c;

    died_by_default = child(fault_outside_a_call, &none); /* before a call of this process */
    sigaction(SIGBUS, &earlier, NULL);
    guarded_read(&c, "x", 1);
    sigaction(SIGBUS, NULL, &under_test);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
