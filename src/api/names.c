/* Names of the numbers that the ABI uses, from one list each. */
#include <reattach/connection.h>
#include <reattach/event.h>
#include <reattach/operation.h>
#include <reattach/session.h>

#define OUTCOMES(X)                      \
    X(RA_OUTCOME_PENDING, "pending")     \
    X(RA_OUTCOME_CONFIRMED, "confirmed") \
    X(RA_OUTCOME_REJECTED, "rejected")   \
    X(RA_OUTCOME_NOT_DONE, "not_done")   \
    X(RA_OUTCOME_UNKNOWN, "unknown")     \
    X(RA_OUTCOME_PROCESSED, "processed")

#define EVENTS(X)                            \
    X(RA_EVENT_DISCONNECTED, "disconnected") \
    X(RA_EVENT_RETRYING, "retrying")         \
    X(RA_EVENT_GAVE_UP, "gave_up")           \
    X(RA_EVENT_CLOSED, "closed")             \
    X(RA_EVENT_EVENTS_LOST, "events_lost")   \
    X(RA_EVENT_REATTACHED, "reattached")     \
    X(RA_EVENT_RECREATED, "recreated")       \
    X(RA_EVENT_SESSION_LOST, "session_lost") \
    X(RA_EVENT_SEND_OUTCOME, "send_outcome") \
    X(RA_EVENT_WRITABLE, "writable")         \
    X(RA_EVENT_OPERATION, "operation")       \
    X(RA_EVENT_LOG, "log")

#define STATS(X)                                      \
    X(RA_STAT_LINKS, "links")                         \
    X(RA_STAT_LINKS_LOST, "links_lost")               \
    X(RA_STAT_REATTACHED, "reattached")               \
    X(RA_STAT_RECREATED, "recreated")                 \
    X(RA_STAT_BARRIERS, "barriers")                   \
    X(RA_STAT_BARRIERS_SKIPPED, "barriers_skipped")   \
    X(RA_STAT_COUNT_ADVANCED, "count_advanced")       \
    X(RA_STAT_REPLAYED, "replayed")                   \
    X(RA_STAT_ANSWERS_LOST, "answers_lost")           \
    X(RA_STAT_ANSWERS_DOUBLED, "answers_doubled")     \
    X(RA_STAT_NUMBERING_REPAIRS, "numbering_repairs") \
    X(RA_STAT_RECOVERIES_CUT, "recoveries_cut")       \
    X(RA_STAT_SENT, "sent")                           \
    X(RA_STAT_RECEIVED, "received")                   \
    X(RA_STAT_BYTES_OUT, "bytes_out")                 \
    X(RA_STAT_BYTES_IN, "bytes_in")

#define ROUTING_TYPES(X)                 \
    X(RA_ROUTING_DEFAULT, "default")     \
    X(RA_ROUTING_MULTICAST, "multicast") \
    X(RA_ROUTING_ANYCAST, "anycast")

#define SESSION_MODES(X)                     \
    X(RA_SESSION_AUTO_COMMIT, "auto_commit") \
    X(RA_SESSION_TRANSACTED, "transacted")

#define CASE(value, name) \
    case value:           \
        return name;

const char *ra_outcome_name(int32_t outcome)
{
    switch (outcome) {
        OUTCOMES(CASE)
    default:
        return "unknown outcome";
    }
}

const char *ra_event_kind_name(int32_t kind)
{
    switch (kind) {
        EVENTS(CASE)
    default:
        return "unknown";
    }
}

const char *ra_stat_name(int32_t id)
{
    switch (id) {
        STATS(CASE)
    default:
        return "unknown";
    }
}

const char *ra_routing_type_name(int32_t routing_type)
{
    switch (routing_type) {
        ROUTING_TYPES(CASE)
    default:
        return "unknown";
    }
}

const char *ra_session_mode_name(int32_t mode)
{
    switch (mode) {
        SESSION_MODES(CASE)
    default:
        return "unknown";
    }
}
