#include "api/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/address_map.h"
#include "api/check.h"
#include "api/url.h"
#include "base/alloc.h"
#include "base/utf.h"

/* --- the table ------------------------------------------------------------------------------------------------- */

struct option;

/* How values of one type are read and printed. set() gets a zeroed or filled config and replaces one field of it. */
struct kind {
    const char *name;
    int (*set)(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault);
    int (*print)(const struct option *o, const struct rai_config *config, char *out, size_t size);
};

struct option {
    const char *name;
    const struct kind *kind;
    size_t offset; /* in struct rai_config */
    double min, max;
    bool or_minus_one; /* -1 is accepted below min */
    const char *range;
    const char *fallback; /* NULL: none */
    const char *reliable; /* what the preset makes of it; NULL: nothing */
    const char *text;
};

static const struct kind integer32, integer64, real, boolean, string, secret, route_check, drive, preset, balance,
    address_map;

#define FIELD(name)             offsetof(struct rai_config, name)
#define BETWEEN(low, high)      (low), (high), false, #low " to " #high
#define MINUS_ONE_OR(low, high) (low), (high), true, "-1, or " #low " to " #high
#define TRUTH                   0, 0, false, "true or false (also yes/no, on/off, 1/0)"
#define WORDS(list)             0, 0, false, list
#define TEXT                    0, 0, false, "text, UTF-8"
#define NONE                    NULL

static const struct option table[] = {
    { "confirmationWindowSize", &integer32, FIELD(confirmation_window), MINUS_ONE_OR(0, 2147483647), "-1", "65536",
      "Bytes after which each side confirms what it has received. A session can only be re-attached when this is "
      "set; -1 turns it off: then sessions are always recreated. 0 is taken as 1." },
    { "reconnectAttempts", &integer32, FIELD(reconnect_attempts), MINUS_ONE_OR(0, 2147483647), "0", "-1",
      "Rounds of attempts after a lost connection; 0 for none, -1 without limit. A round tries the broker that was lost, its "
      "backup as far as the broker has told of one, the broker used before that, and the URL's other endpoints." },
    { "failoverAttempts", &integer32, FIELD(failover_attempts), MINUS_ONE_OR(0, 2147483647), "0", NONE,
      "Rounds over the other nodes of the cluster, when reconnectAttempts are used up; 0 for none, -1 without limit." },
    { "ha", &boolean, FIELD(ha), TRUTH, "false", NONE,
      "Accepted for URLs that are shared with the Java client, also as HA, and changes nothing: a backup that the broker "
      "tells of is used in any case." },
    { "useTopologyForLoadBalancing", &boolean, FIELD(topology_for_balancing), TRUTH, "true", NONE,
      "Whether failoverAttempts go to all nodes that the broker has told of, or only to the URL's endpoints." },
    { "connectionLoadBalancingPolicyClassName", &balance, FIELD(balance),
      WORDS("round-robin, random, random-sticky or first-element (or the Java client's class name)"), "round-robin", NONE,
      "Which endpoint of several a connection begins with; the others follow in the same round. round-robin: the "
      "connections of this process take turns, from a random start; random: any; random-sticky: any, and the same one for "
      "all connections of this process; first-element: the first." },
    { "addressMap", &address_map, FIELD(address_map), WORDS("HOST[:PORT]=HOST[:PORT], several with commas"), NONE, NONE,
      "Where brokers really are that name themselves by addresses that mean nothing here, as in a container or behind "
      "address translation. Without a port: any, and unchanged. Does not concern the URL's own endpoints." },
    { "initialConnectAttempts", &integer32, FIELD(initial_connect_attempts), MINUS_ONE_OR(0, 2147483647), "1", NONE,
      "Rounds over the endpoints for the first connection; 0 is taken as 1, -1 is without limit." },
    { "retryInterval", &integer64, FIELD(retry_interval), BETWEEN(0, 2147483647), "2000", "100",
      "Milliseconds from one round of connection attempts to the next, at first." },
    { "retryIntervalMultiplier", &real, FIELD(retry_interval_multiplier), BETWEEN(0.001, 1000), "1.0", "2.0",
      "Factor from one retry interval to the next." },
    { "maxRetryInterval", &integer64, FIELD(max_retry_interval), BETWEEN(0, 2147483647), "2000", "5000",
      "Milliseconds that a retry interval grows to at most." },
    { "retryJitter", &real, FIELD(retry_jitter), BETWEEN(0, 1), "0", "0.5",
      "Each retry interval is shortened by a random share of up to this, so that many clients of a restarted broker "
      "do not all come at once." },
    { "connect-timeout-millis", &integer64, FIELD(connect_timeout), BETWEEN(1, 2147483647), "10000", "10000",
      "Milliseconds that one attempt to reach one endpoint may take." },
    { "callTimeout", &integer64, FIELD(call_timeout), BETWEEN(1, 2147483647), "30000", NONE,
      "Milliseconds that a blocking call waits for the broker's answer." },
    { "callFailoverTimeout", &integer64, FIELD(call_failover_timeout), MINUS_ONE_OR(0, 2147483647), "30000", NONE,
      "Milliseconds that a blocking call waits while there is no connection; -1 without limit." },
    { "connectionTTL", &integer64, FIELD(connection_ttl), MINUS_ONE_OR(1, 2147483647), "60000", "30000",
      "Milliseconds for which the broker keeps the sessions of a connection that went silent or broke; -1 for ever. "
      "connectionTtl is accepted as well." },
    { "clientFailureCheckPeriod", &integer64, FIELD(check_period), MINUS_ONE_OR(1, 2147483647), "30000", "3000",
      "Milliseconds between two pings, which also decide how soon a silent connection counts as lost; -1 sends one "
      "ping only and never gives a connection up for silence." },
    { "consumerWindowSize", &integer32, FIELD(consumer_window), MINUS_ONE_OR(0, 2147483647), "1048576", NONE,
      "Bytes of messages that the broker sends ahead to each consumer; 0 sends only what a receive waits for, -1 is "
      "without limit." },
    { "producerWindowSize", &integer32, FIELD(producer_window), MINUS_ONE_OR(0, 2147483647), "65536", NONE,
      "Bytes of credit that a producer asks the broker for at a time; -1 sends without credit." },
    { "maxUnconfirmed", &integer64, FIELD(max_unconfirmed), BETWEEN(1024, 1099511627776), "8388608", NONE,
      "Bytes of sends that a session keeps at most until the broker has confirmed them; then senders wait. At least "
      "twice confirmationWindowSize; the default is raised to that by itself." },
    { "minLargeMessageSize", &integer32, FIELD(min_large_message_size), BETWEEN(1, 67108864), "102400", NONE,
      "Bytes of body beyond which a message goes as a large one: in pieces of this size, so that the broker keeps it in "
      "a file and not in memory. Large messages that are received come in pieces of this size as well." },
    { "maxBodyInMemory", &integer64, FIELD(max_body_in_memory), BETWEEN(1, 1099511627776), "268435456", NONE,
      "Bytes of the largest body that a consumer collects in memory; one that gets more ends with an error. Consumers that "
      "read bodies piece by piece are not bound by it." },
    { "ackBatchSize", &integer32, FIELD(ack_batch_size), MINUS_ONE_OR(0, 2147483647), "1048576", NONE,
      "Bytes of messages whose acknowledgements are sent together; 0 or -1 sends each at once." },
    { "blockOnDurableSend", &boolean, FIELD(block_on_durable_send), TRUTH, "true", NONE,
      "Whether a send of a durable message waits for the broker's answer (not in transactions)." },
    { "blockOnNonDurableSend", &boolean, FIELD(block_on_non_durable_send), TRUTH, "false", NONE,
      "Whether a send of a message that is not durable waits for the broker's answer (not in transactions)." },
    { "blockOnAcknowledge", &boolean, FIELD(block_on_acknowledge), TRUTH, "false", NONE,
      "Whether an acknowledgement waits for the broker's answer." },
    { "user", &string, FIELD(user), TEXT, NONE, NONE, "Name to log in with; empty is the same as none." },
    { "password", &secret, FIELD(password), TEXT, NONE, NONE, "Password to log in with. It is never printed." },
    { "clientID", &string, FIELD(client_id), TEXT, NONE, NONE,
      "Name by which the broker shows and distinguishes this client; empty is the same as none." },
    { "routeCheck", &route_check, FIELD(route_check), WORDS("verify, create or none"), "verify", NONE,
      "What to do about an address that no queue is bound to, where messages would vanish: verify refuses the "
      "producer, create makes the queue, none sends. Anonymous producers are not checked." },
    { "duplicateDetection", &boolean, FIELD(duplicate_detection), TRUTH, "false", NONE,
      "Whether each send (not in transactions) carries a duplicate id, _AMQ_DUPL_ID, unless the message has one: a send "
      "whose outcome is unknown after its session was recreated is then sent again, and arrives once." },
    { "duplicateDetectionLimit", &integer32, FIELD(duplicate_detection_limit), BETWEEN(1, 2147483647), "10000", NONE,
      "Sends of the connection that may wait for their outcome with duplicateDetection; then senders wait. The broker "
      "remembers so many ids for each address (its id-cache-size, 20000), whoever sends there: all clients of an address "
      "together have to stay within that." },
    { "drive", &drive, FIELD(manual_drive), WORDS("thread or manual"), "thread", NONE,
      "thread: a background thread keeps the connection alive; manual: the program does, with "
      "ra_connection_process()." },
    { "log", &boolean, FIELD(log_events), TRUTH, "false", NONE, "Whether log lines are reported as LOG events." },
    { "reliable", &preset, 0, TRUTH, "false", NONE,
      "A preset for connections that are meant to last. It changes only what neither the URL nor the options set: "
      "confirmationWindowSize=65536, reconnectAttempts=-1, retryInterval=100, retryIntervalMultiplier=2.0, "
      "maxRetryInterval=5000, retryJitter=0.5, connectionTTL=30000, clientFailureCheckPeriod=3000, "
      "connect-timeout-millis=10000." },
};
_Static_assert(sizeof table / sizeof table[0] == RAI_OPTION_COUNT, "RAI_OPTION_COUNT counts the table");

/* Second spellings. connectionTtl is how the reference's manual writes what its code only knows as connectionTTL. */
static const struct {
    const char *name, *option;
} aliases[] = { { "connectionTtl", "connectionTTL" }, { "HA", "ha" }, { "hA", "ha" } };

/* Options of the Java client that exist, so that they are not called unknown. */
/* clang-format off */
static const char *const unsupported[] = {
    "activemq.passwordcodec", "activemq.usemaskedpassword", "activemqServerName", "autoGroup", "batchDelay",
    "cacheDestinations", "cacheLargeMessagesClient", "clusterConnection", "compressLargeMessage", "compressionLevel",
    "consumerMaxRate", "crlPath", "deserializationAllowList",
    "deserializationBlackList", "deserializationDenyList", "deserializationWhiteList",
    "discoveryInitialWaitTimeout", "dupsOKBatchSize", "enable1xPrefixes",
    "enableSharedClientID", "enabledCipherSuites", "enabledProtocols",
    "failoverOnInitialConnection", "flowControlThreadPoolMaxSize", "forceSSLParameters", "groupID",
    "handshake-timeout", "host", "httpClientIdleScanPeriod", "httpClientIdleTime", "httpEnabled",
    "httpRequiresSessionId", "httpUpgradeEnabled", "httpUpgradeEndpoint", "identity", "ignoreJTA",
    "incomingInterceptorList", "initialMessagePacketSize", "keyStoreAlias", "keyStorePassword", "keyStorePath",
    "keyStoreProvider", "keyStoreType", "localAddress", "localBindAddress", "localBindPort", "localPort",
    "name", "nioRemotingThreads", "nodeID", "onMessageCloseTimeout",
    "outgoingInterceptorList", "passwordCodec", "port", "preAcknowledge", "producerMaxRate",
    "protocolManagerFactoryStr", "refreshTimeout", "remotingThreads", "scheduledThreadPoolMaxSize", "servletPath",
    "sniHost", "socksEnabled", "socksHost", "socksPassword", "socksPort", "socksRemoteDNS", "socksUsername",
    "socksVersion", "sslContext", "sslEnabled", "sslProvider", "stoppingTimeout", "tcpNoDelay",
    "tcpReceiveBufferSize", "tcpSendBufferSize", "threadPoolMaxSize", "transactionBatchSize", "trustAll",
    "trustManagerFactoryPlugin", "trustStorePassword", "trustStorePath", "trustStoreProvider", "trustStoreType",
    "type", "useDefaultSslContext", "useEpoll", "useGlobalPools", "useGlobalWorkerPool", "useKQueue", "useNio",
    "useNioGlobalWorkerPool", "useServlet", "verifyHost",
    "writeBufferHighWaterMark", "writeBufferLowWaterMark",
};
/* clang-format on */
static const char header_prefix[] = "nettyHttpHeader."; /* followed by the name of any HTTP header */

/* --- reading and printing values ------------------------------------------------------------------------------- */

static void *field(struct rai_config *config, const struct option *o)
{
    return (char *)config + o->offset;
}

static const void *const_field(const struct rai_config *config, const struct option *o)
{
    return (const char *)config + o->offset;
}

/* The one sentence for a value that is not acceptable. */
static int refuse_value(const struct option *o, const char *text, struct rai_fault *fault)
{
    if (!rai_utf8_valid(text, strlen(text)))
        return rai_fault_set(fault, RA_E_OPTION, "option %s: its value is not valid UTF-8", o->name);
    return rai_fault_set(fault, RA_E_OPTION, "option %s: \"%.60s\" is not acceptable, it takes %s", o->name, text,
                         o->range);
}

static bool in_range(const struct option *o, double value)
{
    return (value >= o->min && value <= o->max) || (o->or_minus_one && value == -1.0);
}

/* Decimal digits and a minus sign only: strtoll alone would take blanks, "+" and what stands before a suffix. */
static int read_integer(const struct option *o, const char *text, int64_t *out, struct rai_fault *fault)
{
    size_t digits = strspn(text + (*text == '-'), "0123456789");
    char *end;

    errno = 0;
    *out = strtoll(text, &end, 10);
    if (digits == 0 || *end != 0 || errno != 0 || !in_range(o, (double)*out))
        return refuse_value(o, text, fault);
    return 0;
}

static int set_integer32(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    int64_t value;
    int code = read_integer(o, text, &value, fault);

    if (code == 0)
        *(int32_t *)field(config, o) = (int32_t)value;
    return code;
}

static int set_integer64(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    int64_t value;
    int code = read_integer(o, text, &value, fault);

    if (code == 0)
        *(int64_t *)field(config, o) = value;
    return code;
}

/* Read by hand because strtod() follows the program's locale, where the decimal point may be a comma. */
static int set_real(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    double value = 0, scale = 1;
    int digits = 0;
    const char *p = text;

    for (; *p >= '0' && *p <= '9'; p++, digits++)
        value = value * 10 + (*p - '0');
    if (*p == '.') {
        for (p++; *p >= '0' && *p <= '9'; p++, digits++) {
            value = value * 10 + (*p - '0');
            scale *= 10;
        }
    }
    if (digits == 0 || digits > 15 || *p != 0 || !in_range(o, value / scale))
        return refuse_value(o, text, fault);
    *(double *)field(config, o) = value / scale;
    return 0;
}

static int read_boolean(const struct option *o, const char *text, bool *out, struct rai_fault *fault)
{
    static const char *const words[] = { "false", "true", "no", "yes", "off", "on", "0", "1" };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcasecmp(text, words[i]) == 0) {
            *out = (i & 1) != 0;
            return 0;
        }
    }
    return refuse_value(o, text, fault);
}

static int set_boolean(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    return read_boolean(o, text, field(config, o), fault);
}

/* The preset has no field: rai_config_make() asks the setting itself. */
static int set_preset(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    bool ignored;

    (void)config;
    return read_boolean(o, text, &ignored, fault);
}

static int keep_text(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    char **kept = field(config, o);
    char *copy = NULL;

    if (text != NULL && (copy = rai_strdup(text)) == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    rai_free(*kept);
    *kept = copy;
    return 0;
}

static int set_string(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    if (!rai_utf8_valid(text, strlen(text)))
        return refuse_value(o, text, fault);
    return keep_text(o, *text != 0 ? text : NULL, config, fault);
}

static int set_secret(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    if (!rai_utf8_valid(text, strlen(text)))
        return refuse_value(o, text, fault);
    return keep_text(o, text, config, fault);
}

static const struct {
    const char *name;
    enum rai_route_check value;
} route_checks[] = { { "verify", RAI_ROUTE_VERIFY }, { "create", RAI_ROUTE_CREATE }, { "none", RAI_ROUTE_NONE } };

static int set_route_check(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    for (size_t i = 0; i < sizeof route_checks / sizeof route_checks[0]; i++) {
        if (strcmp(text, route_checks[i].name) == 0) {
            config->route_check = route_checks[i].value;
            return 0;
        }
    }
    return refuse_value(o, text, fault);
}

static int set_drive(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    if (strcmp(text, "thread") != 0 && strcmp(text, "manual") != 0)
        return refuse_value(o, text, fault);
    config->manual_drive = *text == 'm';
    return 0;
}

static const struct {
    enum rai_balance value;
    const char *name, *class;
} balances[] = { { RAI_BALANCE_ROUND_ROBIN, "round-robin", "RoundRobinConnectionLoadBalancingPolicy" },
                 { RAI_BALANCE_RANDOM, "random", "RandomConnectionLoadBalancingPolicy" },
                 { RAI_BALANCE_RANDOM_STICKY, "random-sticky", "RandomStickyConnectionLoadBalancingPolicy" },
                 { RAI_BALANCE_FIRST, "first-element", "FirstElementConnectionLoadBalancingPolicy" } };
static const char balance_package[] = "org.apache.activemq.artemis.api.core.client.loadbalance.";

static int set_balance(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    size_t package = strncmp(text, balance_package, sizeof balance_package - 1) == 0 ? sizeof balance_package - 1 : 0;

    for (size_t i = 0; i < sizeof balances / sizeof balances[0]; i++) {
        if (strcmp(text, balances[i].name) == 0 || strcmp(text + package, balances[i].class) == 0) {
            config->balance = balances[i].value;
            return 0;
        }
    }
    return refuse_value(o, text, fault);
}

static int print_balance(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    (void)o;
    return snprintf(out, size, "%s", balances[config->balance - RAI_BALANCE_ROUND_ROBIN].name);
}

static int set_address_map(const struct option *o, const char *text, struct rai_config *config, struct rai_fault *fault)
{
    int code = rai_address_map_read(text, config);

    if (code == RA_E_NO_MEMORY)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    return code < 0 ? refuse_value(o, text, fault) : 0;
}

static int print_address_map(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    (void)o;
    return (int)rai_address_map_print(config, out, size);
}

static int print_integer32(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    return snprintf(out, size, "%" PRId32, *(const int32_t *)const_field(config, o));
}

static int print_integer64(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    return snprintf(out, size, "%" PRId64, *(const int64_t *)const_field(config, o));
}

/* As set_real() reads it, whatever the locale: thousandths are as fine as anybody sets these. */
static int print_real(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    int64_t thousandths = (int64_t)(*(const double *)const_field(config, o) * 1000 + 0.5);

    return snprintf(out, size, "%" PRId64 ".%03d", thousandths / 1000, (int)(thousandths % 1000));
}

static int print_boolean(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    return snprintf(out, size, "%s", *(const bool *)const_field(config, o) ? "true" : "false");
}

static int print_string(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    const char *text = *(char *const *)const_field(config, o);

    return snprintf(out, size, "%s", text != NULL ? text : "");
}

static int print_secret(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    return snprintf(out, size, "%s", *(char *const *)const_field(config, o) != NULL ? "***" : "");
}

static int print_route_check(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    (void)o;
    return snprintf(out, size, "%s", route_checks[config->route_check - RAI_ROUTE_VERIFY].name);
}

static int print_drive(const struct option *o, const struct rai_config *config, char *out, size_t size)
{
    (void)o;
    return snprintf(out, size, "%s", config->manual_drive ? "manual" : "thread");
}

static const struct kind integer32 = { "integer", set_integer32, print_integer32 };
static const struct kind integer64 = { "integer", set_integer64, print_integer64 };
static const struct kind real = { "number", set_real, print_real };
static const struct kind boolean = { "boolean", set_boolean, print_boolean };
static const struct kind string = { "text", set_string, print_string };
static const struct kind secret = { "text", set_secret, print_secret };
static const struct kind route_check = { "word", set_route_check, print_route_check };
static const struct kind drive = { "word", set_drive, print_drive };
static const struct kind balance = { "word", set_balance, print_balance };
static const struct kind address_map = { "text", set_address_map, print_address_map };
static const struct kind preset = { "boolean", set_preset, NULL };

/* --- names ----------------------------------------------------------------------------------------------------- */

int rai_option_find(const char *name)
{
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(name, aliases[i].name) == 0)
            name = aliases[i].option;
    }
    for (int i = 0; i < RAI_OPTION_COUNT; i++) {
        if (strcmp(name, table[i].name) == 0)
            return i;
    }
    return -1;
}

static bool is_unsupported(const char *name)
{
    if (strncmp(name, header_prefix, sizeof header_prefix - 1) == 0)
        return true;
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        if (strcmp(name, unsupported[i]) == 0)
            return true;
    }
    return false;
}

enum { LONGEST_NAME = 40 };

static size_t fold(char c)
{
    return (size_t)(unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* Edit distance (insert, delete, replace, swap of neighbours), blind to case. Both are at most LONGEST_NAME long. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][LONGEST_NAME + 1], length = strlen(b);
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != 0; i++) {
        size_t *oldest = before;

        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = above[j - 1] + (fold(a[i - 1]) != fold(b[j - 1]));

            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]) &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

/* The known name that the caller most likely meant, or NULL when none is near. */
static const char *nearest(const char *name)
{
    const char *best = NULL;
    size_t limit = strlen(name);

    if (limit == 0 || limit > LONGEST_NAME)
        return NULL;
    limit = limit / 4 + 2; /* one above the largest number of slips that still counts as near */
    for (int i = 0; i < RAI_OPTION_COUNT; i++) {
        size_t d = distance(name, table[i].name);

        if (d < limit) {
            limit = d;
            best = table[i].name;
        }
    }
    return best;
}

int rai_option_refuse(const char *name, bool hidden, struct rai_fault *fault)
{
    const char *meant;

    if (is_unsupported(name))
        return rai_fault_set(fault, RA_E_OPTION, "option %.60s is not supported by this version", name);
    meant = nearest(name);
    if (meant != NULL)
        return rai_fault_set(fault, RA_E_OPTION, "there is no option \"%.60s\"; did you mean %s?", name, meant);
    if (hidden)
        return rai_fault_set(fault, RA_E_OPTION,
                             "an option is unknown; it is not shown because the URL holds a password (in which & ; "
                             "# ? @ must be written as %%26 %%3B %%23 %%3F %%40)");
    if (!rai_utf8_valid(name, strlen(name)))
        return rai_fault_set(fault, RA_E_OPTION, "the name of an option is not valid UTF-8");
    return rai_fault_set(fault, RA_E_OPTION, "there is no option \"%.60s\"", name);
}

/* --- settings -------------------------------------------------------------------------------------------------- */

/* Freed memory that held a password is not to be found later. */
static void wipe(char *text)
{
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    rai_free(text);
}

int rai_settings_put(struct rai_settings *settings, int index, const char *value, struct rai_fault *fault)
{
    struct rai_config scratch = { 0 };
    int code = table[index].kind->set(&table[index], value, &scratch, fault);
    char *copy;

    rai_config_clear(&scratch);
    if (code < 0)
        return code;
    copy = rai_strdup(value);
    if (copy == NULL)
        return rai_fault_set(fault, RA_E_NO_MEMORY, "out of memory");
    wipe(settings->text[index]);
    settings->text[index] = copy;
    return 0;
}

void rai_settings_clear(struct rai_settings *settings)
{
    for (int i = 0; i < RAI_OPTION_COUNT; i++)
        wipe(settings->text[i]);
    memset(settings, 0, sizeof *settings);
}

/* What was said about an option, the URL first; NULL: nothing. */
static const char *said(const struct rai_settings *url, const struct rai_settings *options, int index)
{
    if (url->text[index] != NULL)
        return url->text[index];
    return options != NULL ? options->text[index] : NULL;
}

static bool wants_preset(const struct rai_settings *url, const struct rai_settings *options)
{
    const struct option *o = &table[RAI_OPTION_COUNT - 1];
    const char *text = said(url, options, RAI_OPTION_COUNT - 1);
    bool wanted = false;

    return text != NULL && read_boolean(o, text, &wanted, NULL) == 0 && wanted;
}

/* The log must hold more than the broker may leave unconfirmed, or senders wait for a confirmation that is not due. */
static int check_room(struct rai_config *config, bool explicit_room, struct rai_fault *fault)
{
    int64_t least = 2 * (int64_t)config->confirmation_window;

    if (config->max_unconfirmed >= least)
        return 0;
    if (explicit_room)
        return rai_fault_set(fault, RA_E_OPTION,
                             "option maxUnconfirmed: %" PRId64 " is less than twice confirmationWindowSize (%" PRId32
                             "), it takes at least %" PRId64,
                             config->max_unconfirmed, config->confirmation_window, least);
    config->max_unconfirmed = least;
    return 0;
}

static int fill(struct rai_config *config, const struct rai_settings *url, const struct rai_settings *options,
                struct rai_fault *fault)
{
    bool reliable = wants_preset(url, options);

    for (int i = 0; i < RAI_OPTION_COUNT; i++) {
        const struct option *o = &table[i];
        const char *text = said(url, options, i);
        int code;

        if (text == NULL)
            text = reliable && o->reliable != NULL ? o->reliable : o->fallback;
        if (text != NULL && (code = o->kind->set(o, text, config, fault)) < 0)
            return code;
    }
    if (config->confirmation_window == 0)
        config->confirmation_window = 1; /* with 0 the broker confirms, and yet drops a session with its link */
    return check_room(config, said(url, options, rai_option_find("maxUnconfirmed")) != NULL, fault);
}

int rai_config_make(struct rai_config *config, const char *url, const ra_options *options, struct rai_fault *fault)
{
    struct rai_url parsed;
    int code = rai_url_parse(&parsed, url, fault);

    memset(config, 0, sizeof *config);
    if (code < 0)
        return code;
    code = fill(config, &parsed.settings, options != NULL ? &options->settings : NULL, fault);
    if (code < 0) {
        rai_config_clear(config);
    } else {
        config->endpoints = parsed.endpoints;
        config->endpoint_count = parsed.endpoint_count;
        parsed.endpoints = NULL;
    }
    rai_url_clear(&parsed);
    return code;
}

void rai_config_clear(struct rai_config *config)
{
    rai_free(config->endpoints);
    rai_free(config->address_map);
    rai_free(config->user);
    wipe(config->password);
    rai_free(config->client_id);
    memset(config, 0, sizeof *config);
}

size_t rai_config_dump(const struct rai_config *config, char *out, size_t size)
{
    size_t used = 0;

    for (int i = 0; i < RAI_OPTION_COUNT; i++) {
        const struct option *o = &table[i];
        char none[1], *at = used < size ? out + used : none;
        size_t room = used < size ? size - used : 0;

        if (o->kind->print == NULL)
            continue;
        used += (size_t)snprintf(at, room, "%s=", o->name);
        at = used < size ? out + used : none;
        room = used < size ? size - used : 0;
        used += (size_t)o->kind->print(o, config, at, room);
        at = used < size ? out + used : none;
        room = used < size ? size - used : 0;
        used += (size_t)snprintf(at, room, "\n");
    }
    return used;
}

/* --- the exported part ----------------------------------------------------------------------------------------- */

int ra_options_new(ra_options **options_out, ra_error **err)
{
    struct rai_fault fault;

    rai_error_begin(err);
    if (options_out == NULL)
        return rai_refuse_null("options_out", err);
    *options_out = rai_calloc(1, sizeof **options_out);
    if (*options_out != NULL)
        return 0;
    rai_fault_set(&fault, RA_E_NO_MEMORY, "out of memory");
    return rai_error_out(err, &fault);
}

void ra_options_free(ra_options *options)
{
    if (options == NULL)
        return;
    rai_settings_clear(&options->settings);
    rai_free(options);
}

int ra_options_set(ra_options *options, const char *name, const char *value, ra_error **err)
{
    struct rai_fault fault;
    int index, code;

    rai_error_begin(err);
    if (options == NULL)
        return rai_refuse_null("options", err);
    if (name == NULL)
        return rai_refuse_null("name", err);
    if (value == NULL)
        return rai_refuse_null("value", err);
    index = rai_option_find(name);
    code =
        index < 0 ? rai_option_refuse(name, false, &fault) : rai_settings_put(&options->settings, index, value, &fault);
    return code < 0 ? rai_error_out(err, &fault) : 0;
}

static const struct option *entry(int32_t index)
{
    return index >= 0 && index < RAI_OPTION_COUNT ? &table[index] : NULL;
}

const char *ra_option_name(int32_t index)
{
    const struct option *o = entry(index);

    return o != NULL ? o->name : NULL;
}

const char *ra_option_type(int32_t index)
{
    const struct option *o = entry(index);

    return o != NULL ? o->kind->name : NULL;
}

const char *ra_option_default(int32_t index)
{
    const struct option *o = entry(index);

    if (o == NULL)
        return NULL;
    return o->fallback != NULL ? o->fallback : "";
}

const char *ra_option_range(int32_t index)
{
    const struct option *o = entry(index);

    return o != NULL ? o->range : NULL;
}

const char *ra_option_text(int32_t index)
{
    const struct option *o = entry(index);

    return o != NULL ? o->text : NULL;
}
