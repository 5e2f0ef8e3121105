#include "api/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/utf.h"

/*
 * Three spellings of a list, read by one walk:
 *
 *     (tcp://a:1,tcp://b:2)?query     tcp://a:1,b:2?query     tcp://a:1?query#tcp://b:2
 *
 * Errors name the part by its position. They repeat a piece of the URL only if no password can be in it: an unescaped
 * character in a password moves the borders of all parts, so that any of them could hold a piece of it.
 */
/* A piece of the text, not terminated. */
struct span {
    const char *at;
    size_t size;
};

struct reader {
    struct rai_url *url;
    struct rai_fault *fault;
    const char *whole;
    struct span login; /* user information of the first endpoint */
    bool hidden;       /* there may be a password in the text */
};

static struct span span_of(const char *from, const char *to)
{
    return (struct span){ from, (size_t)(to - from) };
}

/* Where the first of these characters is, or the end. */
static const char *find_any(struct span s, const char *characters)
{
    for (size_t i = 0; i < s.size; i++) {
        if (strchr(characters, s.at[i]) != NULL && s.at[i] != 0)
            return s.at + i;
    }
    return s.at + s.size;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decodes into out (s.size + 1 bytes). false: a "%" without two hexadecimal digits, or %00. What was wrong is
 * kept as it is, so that even then the text can be searched. "+" is a plus sign. */
static bool decode(struct span s, char *out)
{
    bool good = true;

    for (size_t i = 0; i < s.size; i++) {
        int high = s.at[i] == '%' && i + 1 < s.size ? hex(s.at[i + 1]) : -1;
        int low = high >= 0 && i + 2 < s.size ? hex(s.at[i + 2]) : -1;

        if (low >= 0 && (high | low) != 0) {
            *out++ = (char)(high * 16 + low);
            i += 2;
        } else {
            good = good && s.at[i] != '%';
            *out++ = s.at[i];
        }
    }
    *out = 0;
    return good;
}

static bool contains_word(const char *text, const char *word)
{
    for (; *text != 0; text++) {
        if (strncasecmp(text, word, strlen(word)) == 0)
            return true;
    }
    return false;
}

/* Also finds keys like p%61ssword, and doubts everything when there is no memory to look. */
static bool may_hold_password(const char *text)
{
    char *plain = rai_alloc(strlen(text) + 1);
    bool found = true;

    if (plain != NULL) {
        decode((struct span){ text, strlen(text) }, plain);
        found = strchr(plain, '@') != NULL || contains_word(plain, "password");
    }
    rai_free(plain);
    return found;
}

void rai_url_mask(const char *text, char *out, size_t size)
{
    const char *start = strstr(text, "://"), *at = strrchr(text, '@'), *shown = text;
    size_t scheme = 0, length = strlen(text);

    if (may_hold_password(text)) {
        if (at != NULL) { /* user information ends at the last @ that could end it */
            scheme = start != NULL && start < at ? (size_t)(start + 3 - text) : 0;
            shown = at;
        } else {
            shown = start != NULL && memchr(text, '%', strcspn(text, "?")) == NULL ? text : "";
        }
        length = strcspn(shown, "?&;#,");
    }
    snprintf(out, size, "%.*s%s%.*s%s", (int)scheme, text, shown == at ? "***" : "", (int)length, shown,
             shown[length] != 0 || (*shown == 0 && *text != 0) ? "..." : "");
}

/* An error about the URL as a whole or one endpoint of it (counted from 1; 0: the whole). */
static int refuse(const struct reader *r, int endpoint, const char *what)
{
    char shown[100], where[24] = "";

    rai_url_mask(r->whole, shown, sizeof shown);
    if (!rai_utf8_valid(shown, strlen(shown)))
        snprintf(shown, sizeof shown, "...");
    if (endpoint > 0)
        snprintf(where, sizeof where, "endpoint %d: ", endpoint);
    return rai_fault_set(r->fault, RA_E_URL, "URL \"%s\": %s%s", shown, where, what);
}

static int no_memory(const struct reader *r)
{
    return rai_fault_set(r->fault, RA_E_NO_MEMORY, "out of memory");
}

static int put(struct reader *r, const char *name, const char *value)
{
    return rai_settings_put(&r->url->settings, rai_option_find(name), value, r->fault);
}

/* --- one endpoint ---------------------------------------------------------------------------------------------- */

/* USER or USER:PASSWORD. All endpoints share one login: a further one may only repeat it. */
static int read_login(struct reader *r, struct span login, int number)
{
    const char *colon = find_any(login, ":"), *end = login.at + login.size;
    char *plain;
    int code = 0;

    if (number > 1) {
        bool same = login.size == r->login.size;
        if (same && (login.size == 0 || memcmp(login.at, r->login.at, login.size) == 0))
            return 0;
        return refuse(r, number, "user and password belong before the first endpoint, all share them");
    }
    r->login = login;
    plain = rai_alloc(login.size + 1);
    if (plain == NULL)
        return no_memory(r);
    if (!decode(span_of(login.at, colon), plain))
        code = refuse(r, number, "a % in the user is not followed by two hexadecimal digits");
    else
        code = put(r, "user", plain);
    if (code == 0 && colon < end) {
        if (!decode(span_of(colon + 1, end), plain))
            code = refuse(r, number, "a % in the password is not followed by two hexadecimal digits");
        else
            code = put(r, "password", plain);
    }
    explicit_bzero(plain, login.size);
    rai_free(plain);
    return code;
}

static int read_port(struct reader *r, struct span text, int number, uint16_t *out)
{
    uint32_t value = 0;

    for (size_t i = 0; i < text.size && value <= UINT16_MAX; i++)
        value = text.at[i] >= '0' && text.at[i] <= '9' ? value * 10 + (uint32_t)(text.at[i] - '0') : UINT16_MAX + 1;
    if (text.size == 0 || value == 0 || value > UINT16_MAX)
        return refuse(r, number, "the port is not a number from 1 to 65535");
    *out = (uint16_t)value;
    return 0;
}

/* Letters, digits, dots, hyphens; and underscores, which are not legal but in use. */
static bool is_host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
}

static int read_name(struct reader *r, struct span host, int number, struct rai_endpoint *out)
{
    if (host.size == 0)
        return refuse(r, number, "the host is missing");
    if (host.size >= sizeof out->host)
        return refuse(r, number, "the host is too long");
    for (size_t i = 0; i < host.size; i++) {
        if (!is_host_character(host.at[i]))
            return refuse(r, number, "the host has a character that host names cannot have");
    }
    memcpy(out->host, host.at, host.size);
    return 0;
}

/* What stands between brackets; a zone may follow a % or, as in URIs, a %25. */
static int read_ipv6(struct reader *r, struct span host, int number, struct rai_endpoint *out)
{
    struct in6_addr ignored;
    char *zone;

    if (host.size >= sizeof out->host)
        return refuse(r, number, "the host is too long");
    memcpy(out->host, host.at, host.size);
    zone = strchr(out->host, '%');
    if (zone != NULL) {
        if (strncmp(zone, "%25", 3) == 0 && zone[3] != 0)
            memmove(zone + 1, zone + 3, strlen(zone + 3) + 1);
        for (const char *p = zone + 1; *p != 0 || p == zone + 1; p++) {
            if (!is_host_character(*p))
                return refuse(r, number, "the zone of the IPv6 address is not a name");
        }
        *zone = 0;
    }
    if (inet_pton(AF_INET6, out->host, &ignored) != 1)
        return refuse(r, number, "what is in brackets is not an IPv6 address");
    if (zone != NULL)
        *zone = '%';
    return 0;
}

static int read_address(struct reader *r, struct span s, int number, struct rai_endpoint *out)
{
    const char *end = s.at + s.size, *colon;
    int code;

    if (s.size > 0 && s.at[s.size - 1] == '/')
        end--;
    s = span_of(s.at, end);
    if (find_any(s, "/") < end)
        return refuse(r, number, "a path has no meaning for a broker");
    out->port = RAI_DEFAULT_PORT;
    if (s.size > 0 && *s.at == '[') {
        const char *close = find_any(s, "]");

        if (close == end)
            return refuse(r, number, "the closing bracket is missing");
        code = read_ipv6(r, span_of(s.at + 1, close), number, out);
        if (code < 0 || close + 1 == end)
            return code;
        if (close[1] != ':')
            return refuse(r, number, "only a port can follow the brackets");
        return read_port(r, span_of(close + 2, end), number, &out->port);
    }
    colon = find_any(s, ":");
    if (colon < end && find_any(span_of(colon + 1, end), ":") < end)
        return refuse(r, number, "there is more than one colon (an IPv6 address belongs in brackets)");
    code = read_name(r, span_of(s.at, colon), number, out);
    return code == 0 && colon < end ? read_port(r, span_of(colon + 1, end), number, &out->port) : code;
}

/* Takes SCHEME:// off the front. Behind the first endpoint it may be missing. */
static int skip_scheme(struct reader *r, struct span *s, int number)
{
    const char *end = s->at + s->size;

    for (const char *p = s->at; end - p >= 3; p++) {
        if (memcmp(p, "://", 3) != 0)
            continue;
        if (p - s->at != 3 || strncasecmp(s->at, "tcp", 3) != 0)
            return refuse(r, number, "the scheme is not supported by this version, only tcp is");
        *s = span_of(p + 3, end);
        return 0;
    }
    return number == 1 ? refuse(r, number, "the scheme is missing: tcp://HOST:PORT") : 0;
}

static struct rai_endpoint *add_endpoint(struct rai_url *url)
{
    size_t count = (size_t)url->endpoint_count;
    struct rai_endpoint *grown = rai_realloc(url->endpoints, (count + 1) * sizeof *grown);

    if (grown == NULL)
        return NULL;
    url->endpoints = grown;
    url->endpoint_count++;
    memset(&grown[count], 0, sizeof grown[count]);
    return &grown[count];
}

static int read_endpoint(struct reader *r, struct span s)
{
    int number = r->url->endpoint_count + 1, code;
    struct rai_endpoint *endpoint = add_endpoint(r->url);
    const char *end = s.at + s.size;

    if (endpoint == NULL)
        return no_memory(r);
    code = skip_scheme(r, &s, number);
    if (code < 0)
        return code;
    for (const char *p = end; p > s.at; p--) {
        if (p[-1] != '@')
            continue;
        code = read_login(r, span_of(s.at, p - 1), number);
        if (code < 0)
            return code;
        s = span_of(p, end);
        break;
    }
    return read_address(r, s, number, endpoint);
}

/* --- the query ------------------------------------------------------------------------------------------------- */

static int put_pair(struct reader *r, const char *name, const char *value, bool value_good)
{
    int index = rai_option_find(name);

    if (index < 0)
        return rai_option_refuse(name, r->hidden, r->fault);
    if (value == NULL)
        return rai_fault_set(r->fault, RA_E_OPTION, "option %s: the URL gives no value", ra_option_name(index));
    if (!value_good)
        return rai_fault_set(r->fault, RA_E_OPTION,
                             "option %s: a %% in its value is not followed by two hexadecimal digits",
                             ra_option_name(index));
    return rai_settings_put(&r->url->settings, index, value, r->fault);
}

static int read_pair(struct reader *r, struct span s)
{
    const char *equals = find_any(s, "="), *end = s.at + s.size;
    char *name, *value = NULL;
    bool good = true;
    int code;

    name = rai_alloc(2 * s.size + 2);
    if (name == NULL)
        return no_memory(r);
    decode(span_of(s.at, equals), name);
    if (equals < end) {
        value = name + s.size + 1;
        good = decode(span_of(equals + 1, end), value);
    }
    code = put_pair(r, name, value, good);
    explicit_bzero(name, 2 * s.size + 2);
    rai_free(name);
    return code;
}

static int read_query(struct reader *r, struct span s)
{
    const char *end = s.at + s.size;

    for (const char *from = s.at; from < end;) {
        const char *to = find_any(span_of(from, end), "&;");
        int code = to > from ? read_pair(r, span_of(from, to)) : 0;

        if (code < 0)
            return code;
        from = to + 1;
    }
    return 0;
}

/* --- the whole ------------------------------------------------------------------------------------------------- */

/* One element of a list. Only the very first one may carry options of its own (in parentheses). */
static int read_element(struct reader *r, struct span s)
{
    const char *end = s.at + s.size, *query = find_any(s, "?");
    int code;

    if (s.size == 0)
        return refuse(r, r->url->endpoint_count + 1, "it is empty");
    if (query < end && r->url->endpoint_count > 0)
        return refuse(r, r->url->endpoint_count + 1,
                      "options hold for all endpoints: put them behind the closing parenthesis, or before the #");
    code = read_endpoint(r, span_of(s.at, query));
    return code == 0 && query < end ? read_query(r, span_of(query + 1, end)) : code;
}

static int read_list(struct reader *r, struct span s)
{
    const char *end = s.at + s.size;

    for (const char *from = s.at;; from++) {
        const char *to = find_any(span_of(from, end), ",");
        int code = read_element(r, span_of(from, to));

        if (code < 0 || to == end)
            return code;
        from = to;
    }
}

static int read_url(struct reader *r, struct span text)
{
    const char *end = text.at + text.size, *hash = find_any(text, "#"), *query;
    struct span list;
    int code;

    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == 0x7f)
            return refuse(r, 0, "a blank or control character has to be written as %20 and so on");
    }
    if (text.size > 0 && *text.at == '(') {
        const char *close = find_any(span_of(text.at, hash), ")");

        if (close == hash)
            return refuse(r, 0, "the closing parenthesis is missing");
        if (close + 1 < hash && close[1] != '?')
            return refuse(r, 0, "only ?options can follow the closing parenthesis");
        list = span_of(text.at + 1, close);
        query = close + 1;
    } else {
        query = find_any(span_of(text.at, hash), "?");
        list = span_of(text.at, query);
    }
    code = read_list(r, list);
    if (code == 0 && query < hash)
        code = read_query(r, span_of(query + 1, hash));
    if (code == 0 && end - hash > 1) /* an empty rest is as good as none */
        code = read_list(r, span_of(hash + 1, end));
    return code;
}

int rai_url_parse(struct rai_url *url, const char *text, struct rai_fault *fault)
{
    struct reader r = { .url = url, .fault = fault, .whole = text, .hidden = may_hold_password(text) };
    int code;

    memset(url, 0, sizeof *url);
    code = read_url(&r, (struct span){ text, strlen(text) });
    if (code < 0)
        rai_url_clear(url);
    return code;
}

void rai_url_clear(struct rai_url *url)
{
    rai_free(url->endpoints);
    rai_settings_clear(&url->settings);
    memset(url, 0, sizeof *url);
}
