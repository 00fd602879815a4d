/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/security/test_algorithms.c - the choice among the integrity algorithms that a device lists
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "security/algorithms.h"

/* What a device may list, and what each wish comes to there; index 99: nothing. */
static const struct {
    const char *codes; /* by index, 16 bytes */
    bool ours;
    uint8_t index[OSD_WISHES]; /* for sha1, sha256, best */
    const char *text;
} devices[] = {
    {"\x01\x01\xe0\0\0\0\0\0\0\0\0\0\0\0\0\0", true, {1, 2, 2}, "HMAC-SHA1, HMAC-SHA256"},
    {"\x01\x01\xe0\0\0\0\0\0\0\0\0\0\0\0\0\0", false, {1, 99, 1}, "HMAC-SHA1"},
    {"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", false, {0, 99, 0}, "HMAC-SHA1"},
    {"\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\xe0", true, {5, 15, 15}, "HMAC-SHA1, HMAC-SHA256"},
    {"\xe0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", true, {99, 0, 0}, "HMAC-SHA256"},
    {"\x02\xff\xe1\0\0\0\0\0\0\0\0\0\0\0\0\0", true, {99, 99, 99}, "none that is known here"},
};

static void test_security_algorithms__a_wish_comes_to_what_the_device_lists(void **state)
{
    char text[OSD_ALGORITHMS_TEXT];
    struct osd_algorithm got;
    struct osd_algorithms a;

    (void)state;
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        a.ours = devices[i].ours;
        memcpy(a.code, devices[i].codes, sizeof(a.code));
        assert_string_equal(osd_algorithms_format(&a, text), devices[i].text);
        for (enum osd_wish w = OSD_WISH_SHA1; w < OSD_WISHES; w++) {
            got = (struct osd_algorithm){99, OSD_HMAC_SHA1};
            assert_int_equal(osd_algorithm_choose(&a, w, &got), devices[i].index[w] != 99);
            assert_int_equal(got.index, devices[i].index[w]);
            if (got.index != 99)
                assert_int_equal(got.hmac, a.code[got.index]);
        }
    }
}

static void test_security_algorithms__names_come_back(void **state)
{
    enum osd_wish w = OSD_WISH_BEST;
    enum osd_hmac h = OSD_HMAC_SHA256;

    (void)state;
    for (enum osd_wish i = OSD_WISH_SHA1; i < OSD_WISHES; i++) {
        assert_true(osd_wish_parse(osd_wish_name(i), &w));
        assert_int_equal(w, i);
    }
    assert_true(osd_hmac_by_name(osd_hmac_name(OSD_HMAC_SHA1), &h) && h == OSD_HMAC_SHA1);
    assert_true(osd_hmac_by_name(osd_hmac_name(OSD_HMAC_SHA256), &h) && h == OSD_HMAC_SHA256);
    assert_false(osd_wish_parse("md5", &w) || osd_wish_parse("", &w));
    assert_false(osd_hmac_by_name("best", &h) || osd_hmac_by_name("SHA1", &h));
}

static void test_security_algorithms__our_devices_say_so_in_inquiry_data(void **state)
{
    uint8_t data[36] = {0x11};

    (void)state;
    memcpy(data + 8, "LIOSD   ", 8);
    assert_true(osd_inquiry_is_ours(data, sizeof(data)));
    assert_true(osd_inquiry_is_ours(data, 16));
    assert_false(osd_inquiry_is_ours(data, 15));
    data[13] = 'X';
    assert_false(osd_inquiry_is_ours(data, sizeof(data)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_security_algorithms__a_wish_comes_to_what_the_device_lists),
        cmocka_unit_test(test_security_algorithms__names_come_back),
        cmocka_unit_test(test_security_algorithms__our_devices_say_so_in_inquiry_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
