#include "support/test.h"

#include <stdio.h>
#include <string.h>

#include "api/options.h"
#include "api/url.h"

/* "host:port host:port" of what was parsed, user and password behind. */
static const char *parsed(const char *text)
{
    static char out[4096];
    struct rai_url url;
    struct rai_fault fault = { 0 };
    int code = rai_url_parse(&url, text, &fault);
    const char *user, *password;

    cr_assert_eq(code, 0, "%s: %s", text, fault.text);
    out[0] = 0;
    for (int i = 0; i < url.endpoint_count; i++) {
        size_t used = strlen(out);

        snprintf(out + used, sizeof out - used, "%s%s %d", i > 0 ? ", " : "", url.endpoints[i].host,
                 (int)url.endpoints[i].port);
    }
    user = url.settings.text[rai_option_find("user")];
    password = url.settings.text[rai_option_find("password")];
    if (user != NULL || password != NULL) {
        size_t used = strlen(out);

        snprintf(out + used, sizeof out - used, " | %s | %s", user != NULL ? user : "-",
                 password != NULL ? password : "-");
    }
    rai_url_clear(&url);
    return out;
}

static const char *option(const char *text, const char *name)
{
    static char out[256];
    struct rai_url url;
    struct rai_fault fault = { 0 };
    int code = rai_url_parse(&url, text, &fault);
    const char *value = code == 0 ? url.settings.text[rai_option_find(name)] : NULL;

    cr_assert_eq(code, 0, "%s: %s", text, fault.text);
    snprintf(out, sizeof out, "%s", value != NULL ? value : "(not set)");
    rai_url_clear(&url);
    return out;
}

static const char *refused(const char *text, int32_t code)
{
    static struct rai_fault fault;
    struct rai_url url;

    memset(&fault, 0, sizeof fault);
    cr_assert_eq(rai_url_parse(&url, text, &fault), code, "%s: %s", text, fault.text);
    cr_assert_eq(fault.code, code);
    cr_assert_null(url.endpoints);
    return fault.text;
}

static void says(const char *text, int32_t code, const char *words)
{
    const char *message = refused(text, code);

    cr_assert_not_null(strstr(message, words), "%s: %s", text, message);
}

/* --- endpoints ------------------------------------------------------------------------------------------------- */

Test(api_url, one_endpoint__with_and_without_a_port)
{
    cr_assert_str_eq(parsed("tcp://broker:5445"), "broker 5445");
    cr_assert_str_eq(parsed("tcp://broker"), "broker 61616");
    cr_assert_str_eq(parsed("tcp://broker/"), "broker 61616");
    cr_assert_str_eq(parsed("tcp://broker:1/"), "broker 1");
    cr_assert_str_eq(parsed("TCP://Broker.Example.Com:65535"), "Broker.Example.Com 65535");
    cr_assert_str_eq(parsed("tcp://my_host-1:00080"), "my_host-1 80");
    cr_assert_str_eq(parsed("tcp://10.0.0.1?callTimeout=1"), "10.0.0.1 61616");
}

Test(api_url, lists__have_three_spellings)
{
    static const char *const spellings[] = {
        "(tcp://a:1,tcp://b:2,tcp://c)?callTimeout=9",
        "(tcp://a:1,b:2,c)?callTimeout=9",
        "(tcp://a:1?callTimeout=9,tcp://b:2,tcp://c)",
        "tcp://a:1,b:2,c?callTimeout=9",
        "tcp://a:1,tcp://b:2,tcp://c?callTimeout=9",
        "tcp://a:1?callTimeout=9#tcp://b:2,tcp://c",
        "tcp://a:1?callTimeout=9#b:2,c",
        "(tcp://a:1,tcp://b:2)?callTimeout=9#tcp://c",
        "tcp://a:1,b:2?callTimeout=9#c",
        "(tcp://a:1?callTimeout=8,b:2,c)?callTimeout=9",
    };

    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        cr_assert_str_eq(parsed(spellings[i]), "a 1, b 2, c 61616", "%s", spellings[i]);
        cr_assert_str_eq(option(spellings[i], "callTimeout"), "9", "%s", spellings[i]);
    }
    cr_assert_str_eq(parsed("tcp://a#"), "a 61616");
    cr_assert_str_eq(parsed("tcp://a?#"), "a 61616");
    cr_assert_str_eq(parsed("tcp://a#b"), "a 61616, b 61616");
    cr_assert_str_eq(parsed("(tcp://a)"), "a 61616");
}

Test(api_url, ipv6__stands_in_brackets)
{
    cr_assert_str_eq(parsed("tcp://[::1]:5445"), "::1 5445");
    cr_assert_str_eq(parsed("tcp://[::1]"), "::1 61616");
    cr_assert_str_eq(parsed("tcp://[2001:db8::7]/?callTimeout=1"), "2001:db8::7 61616");
    cr_assert_str_eq(parsed("tcp://[fe80::1%25eth0]:1"), "fe80::1%eth0 1");
    cr_assert_str_eq(parsed("tcp://[fe80::1%eth0]:1"), "fe80::1%eth0 1");
    cr_assert_str_eq(parsed("tcp://[::ffff:10.0.0.1],[::2]:2"), "::ffff:10.0.0.1 61616, ::2 2");
    says("tcp://[::1", RA_E_URL, "closing bracket");
    says("tcp://[::1]x", RA_E_URL, "only a port can follow the brackets");
    says("tcp://[::1]:", RA_E_URL, "port");
    says("tcp://[broker]", RA_E_URL, "not an IPv6 address");
    says("tcp://[]", RA_E_URL, "not an IPv6 address");
    says("tcp://[fe80::1%]", RA_E_URL, "zone");
    says("tcp://[fe80::1%25e/0]", RA_E_URL, "path");
    says("tcp://[fe80::1%e+0]", RA_E_URL, "zone");
    says("tcp://::1:61616", RA_E_URL, "belongs in brackets");
}

Test(api_url, bad_parts__are_named)
{
    says("", RA_E_URL, "endpoint 1: it is empty");
    says("tcp://", RA_E_URL, "endpoint 1: the host is missing");
    says("tcp://:61616", RA_E_URL, "endpoint 1: the host is missing");
    says("tcp://?callTimeout=1", RA_E_URL, "the host is missing");
    says("tcp://a,tcp://:1", RA_E_URL, "endpoint 2: the host is missing");
    says("tcp://a,,tcp://b", RA_E_URL, "endpoint 2: it is empty");
    says("tcp://a,", RA_E_URL, "endpoint 2: it is empty");
    says("()", RA_E_URL, "endpoint 1: it is empty");
    says("()?callTimeout=1", RA_E_URL, "endpoint 1: it is empty");
    says("tcp://a:", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a:0", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a:65536", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a:4294967297", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a:x", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a:-1", RA_E_URL, "the port is not a number from 1 to 65535");
    says("tcp://a#b:x", RA_E_URL, "endpoint 2: the port");
    says("tcp://a/path", RA_E_URL, "a path has no meaning");
    says("tcp://a b", RA_E_URL, "%20");
    says("tcp://a, tcp://b", RA_E_URL, "blank");
    says("tcp://a\n", RA_E_URL, "blank or control character");
    says("tcp://h\xc3\xa4user", RA_E_URL, "character that host names cannot have");
    says("tcp://a%20b", RA_E_URL, "character that host names cannot have");
    says("(tcp://a,tcp://b?callTimeout=1", RA_E_URL, "closing parenthesis");
    says("(tcp://a)x", RA_E_URL, "only ?options");
}

Test(api_url, long_hosts__are_refused)
{
    char text[400] = "tcp://";

    memset(text + 6, 'a', 255);
    cr_assert_str_not_empty(parsed(text));
    memset(text + 6, 'a', 256);
    says(text, RA_E_URL, "the host is too long");
}

Test(api_url, schemes_other_than_tcp__are_refused_by_name)
{
    says("broker:61616", RA_E_URL, "the scheme is missing: tcp://HOST:PORT");
    says("broker", RA_E_URL, "the scheme is missing");
    says("amqp://broker", RA_E_URL, "only tcp is");
    says("vm://0", RA_E_URL, "only tcp is");
    says("udp://231.7.7.7:9876", RA_E_URL, "only tcp is");
    says("jgroups://x?file=y", RA_E_URL, "only tcp is");
    says("failover:(tcp://a,tcp://b)", RA_E_URL, "only tcp is");
    says("tcp://a,vm://0", RA_E_URL, "endpoint 2: the scheme is not supported");
}

Test(api_url, options_on_a_further_endpoint__are_refused_with_their_place)
{
    says("(tcp://a,tcp://b?callTimeout=1)", RA_E_URL, "endpoint 2: options hold for all endpoints");
    says("tcp://a#tcp://b?callTimeout=1", RA_E_URL, "endpoint 2: options hold for all endpoints");
    says("tcp://a?callTimeout=2#tcp://b,tcp://c?callTimeout=1", RA_E_URL, "endpoint 3: options hold");
}

/* --- the query ------------------------------------------------------------------------------------------------- */

Test(api_url, pairs__are_split_at_both_signs_and_decoded)
{
    static const char text[] = "tcp://a?callTimeout=1;retryInterval=2&clientID=a%26b%3bc%20d+e;;log=on&";

    cr_assert_str_eq(option(text, "callTimeout"), "1");
    cr_assert_str_eq(option(text, "retryInterval"), "2");
    cr_assert_str_eq(option(text, "clientID"), "a&b;c d+e");
    cr_assert_str_eq(option(text, "log"), "on");
    cr_assert_str_eq(option(text, "user"), "(not set)");
    cr_assert_str_eq(option("tcp://a?call%54imeout=%31", "callTimeout"), "1");
    cr_assert_str_eq(option("tcp://a?clientID=x=y?z", "clientID"), "x=y?z");
    cr_assert_str_eq(option("tcp://a?callTimeout=1&callTimeout=2", "callTimeout"), "2");
    cr_assert_str_eq(option("tcp://a?connectionTtl=2", "connectionTTL"), "2");
}

Test(api_url, bad_pairs__are_told_with_their_option)
{
    says("tcp://a?callTimeout", RA_E_OPTION, "option callTimeout: the URL gives no value");
    says("tcp://a?callTimeout=", RA_E_OPTION, "option callTimeout: \"\" is not acceptable");
    says("tcp://a?confirmationWindowSize=10K", RA_E_OPTION, "option confirmationWindowSize: \"10K\"");
    says("tcp://a?reconectAttempts=1", RA_E_OPTION, "did you mean reconnectAttempts?");
    says("tcp://a?reconnectattempts=1", RA_E_OPTION, "did you mean reconnectAttempts?");
    says("tcp://a?groupID=x", RA_E_OPTION, "option groupID is not supported by this version");
    says("tcp://a?sslEnabled=true", RA_E_OPTION, "option sslEnabled is not supported by this version");
    says("tcp://a?frobnicate=1", RA_E_OPTION, "\"frobnicate\"");
    says("tcp://a?=1", RA_E_OPTION, "there is no option \"\"");
    says("tcp://a?clientID=%zz", RA_E_OPTION, "option clientID: a % in its value");
    says("tcp://a?clientID=%4", RA_E_OPTION, "option clientID: a % in its value");
    says("tcp://a?clientID=100%", RA_E_OPTION, "option clientID: a % in its value");
    says("tcp://a?clientID=%00", RA_E_OPTION, "option clientID: a % in its value");
    says("tcp://a?clientID=%ff", RA_E_OPTION, "option clientID: its value is not valid UTF-8");
}

/* --- logging in ------------------------------------------------------------------------------------------------ */

Test(api_url, user_information__is_decoded)
{
    cr_assert_str_eq(parsed("tcp://joe:secret@a:1"), "a 1 | joe | secret");
    cr_assert_str_eq(parsed("tcp://joe@a"), "a 61616 | joe | -");
    cr_assert_str_eq(parsed("tcp://joe:@a"), "a 61616 | joe | ");
    cr_assert_str_eq(parsed("tcp://j%40e:s%3ac%2Fr:t@[::1]:1"), "::1 1 | j@e | s:c/r:t");
    cr_assert_str_eq(parsed("tcp://joe:p@ss@a"), "a 61616 | joe | p@ss");
    cr_assert_str_eq(parsed("tcp://joe:one@a?password=two"), "a 61616 | joe | two");
    cr_assert_str_eq(parsed("tcp://a?user=joe&password=s%26t"), "a 61616 | joe | s&t");
    cr_assert_str_eq(parsed("(tcp://joe:x@a,tcp://joe:x@b)"), "a 61616, b 61616 | joe | x");
    cr_assert_str_eq(parsed("tcp://joe:x@a,b"), "a 61616, b 61616 | joe | x");
    cr_assert_str_eq(parsed("tcp://a:1,@b:2"), "a 1, b 2"); /* repeats that there is none */
    says("tcp://joe:x@a,joe:y@b", RA_E_URL, "endpoint 2: user and password belong before the first endpoint");
    says("tcp://a#joe:y@b", RA_E_URL, "endpoint 2: user and password belong before the first endpoint");
    says("tcp://joe:%zz@a", RA_E_URL, "a % in the password");
    says("tcp://j%e:zz@a", RA_E_URL, "a % in the user");
}

/* Each is broken in some way, most by a character that the password should have written as %xx. */
Test(api_url, a_password__never_appears_in_an_error)
{
    static const char *const broken[] = {
        "tcp://joe:TOPSECRET@",
        "tcp://joe:TOPSECRET@a:x",
        "tcp://joe:TOPSECRET@a?nonsense=1",
        "tcp://joe:TOPSECRET@a?callTimeout=x",
        "tcp://joe:TOPSECRET@a/path",
        "tcp://joe:TOPSECRET%@a",
        "tcp://joe:TOPSECRET%ff@a",
        "tcp://joe:TOP/SECRET@a:x",
        "tcp://joe:TOP?SECRET@a",
        "tcp://joe:TOP?SECRET=1@a",
        "tcp://joe:TOP#SECRET@a",
        "tcp://joe:TOP,SECRET@a",
        "tcp://joe:TOP:SECRET@a:x",
        "tcp://joe:TOP@SECRET@a:x",
        "tcp://joe:TOP SECRET@a",
        "(tcp://joe:TOP)SECRET@a,b)",
        "amqp://joe:TOPSECRET@a",
        "joe:TOPSECRET@a",
        "tcp://a,joe:TOPSECRET@b",
        "tcp://a?password=TOPSECRET&nonsense=1",
        "tcp://a?password=TOPSECRET%",
        "tcp://a?password=TOPSECRET%ff",
        "tcp://a?password=TOP&SECRET",
        "tcp://a?password=TOP&SECRET=1",
        "tcp://a?password=TOP;SECRET=1",
        "tcp://a?password=TOP#SECRET:x",
        "tcp://a?password=TOP#SECRET?x",
        "tcp://a?password=TOP SECRET",
        "tcp://a?p%61ssword=TOP&SECRET=1",
        "tcp://a:x?p%61ssword=TOPSECRET",
        "tcp://a:x?Password=TOPSECRET",
        "tcp://a?Password=TOPSECRET",
        "tcp://a?trustStorePassword=TOPSECRET",
        "(tcp://a?password=TOP,SECRET:x)",
        "(tcp://a?password=TOP)SECRET",
        "tcp://joe%40TOPSECRET:x",
        "tcp://joe@a;password=TOPSECRET",
    };

    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct rai_config config;
        struct rai_fault fault = { 0 };
        char shown[300];

        if (rai_config_make(&config, broken[i], NULL, &fault) == 0) {
            cr_assert_fail("%s is not broken", broken[i]);
        }
        cr_assert_str_not_empty(fault.text);
        cr_assert_null(strstr(fault.text, "SECRET"), "%s: %s", broken[i], fault.text);
        cr_assert_null(strstr(fault.text, "TOP"), "%s: %s", broken[i], fault.text);
        rai_url_mask(broken[i], shown, sizeof shown);
        cr_assert_null(strstr(shown, "SECRET"), "%s: %s", broken[i], shown);
        cr_assert_null(strstr(shown, "TOP"), "%s: %s", broken[i], shown);
    }
}

Test(api_url, a_password_in_the_url__still_lets_misspelt_options_be_told)
{
    says("tcp://joe:x@a?reconectAttempts=1", RA_E_OPTION, "did you mean reconnectAttempts?");
    says("tcp://a?password=x&name=1", RA_E_OPTION, "option name is not supported");
    says("tcp://a?password=x&nonsense=1", RA_E_OPTION, "holds a password");
}

static void masks(const char *text, const char *wanted)
{
    char shown[200];

    rai_url_mask(text, shown, sizeof shown);
    cr_assert_str_eq(shown, wanted);
}

Test(api_url, the_mask__shows_what_cannot_hold_a_password)
{
    masks("tcp://a:1?callTimeout=1", "tcp://a:1?callTimeout=1");
    masks("tcp://joe:x@a:1?callTimeout=1", "tcp://***@a:1...");
    masks("tcp://joe:x@a:1", "tcp://***@a:1");
    masks("tcp://a:1?password=x", "tcp://a:1...");
    masks("tcp://a:1?user=j@e&password=x", "tcp://***@e...");
    masks("(tcp://a:1,tcp://b:2)?password=x", "(tcp://a:1...");
    masks("", "");
}

Test(api_url, the_mask__cuts_at_the_size_given)
{
    char shown[200];

    for (size_t size = 1; size < 40; size++) {
        rai_url_mask("tcp://joe:secret@broker:1?callTimeout=1", shown, size);
        cr_assert_lt(strlen(shown), size);
        cr_assert_null(strstr(shown, "secret"));
    }
}
