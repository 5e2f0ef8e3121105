#ifndef RAI_ENGINE_CONFIG_H
#define RAI_ENGINE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The parameters of a connection, parsed and checked. Names and units are those of the options (milliseconds, bytes);
 * -1 means what the option's text says it means. Filled by the api room from URL and options; the defaults are there.
 */
struct rai_endpoint {
    char host[256]; /* without brackets */
    uint16_t port;
};

enum rai_route_check { RAI_ROUTE_VERIFY = 1, RAI_ROUTE_CREATE, RAI_ROUTE_NONE };

struct rai_config {
    struct rai_endpoint *endpoints;
    int endpoint_count;
    char *user;      /* NULL: anonymous */
    char *password;  /* never printed */
    char *client_id; /* NULL: none */

    int32_t confirmation_window; /* -1: sessions are recreated, never re-attached; 0 is taken as 1 */
    int32_t reconnect_attempts;  /* -1: unlimited, 0: none */
    int32_t initial_connect_attempts;
    int64_t retry_interval;
    double retry_interval_multiplier;
    int64_t max_retry_interval;
    double retry_jitter; /* 0..1: each delay is shortened by a random share up to this */
    int64_t connect_timeout;
    int64_t call_timeout;
    int64_t call_failover_timeout; /* -1: for ever */
    int64_t connection_ttl;        /* -1: never */
    int64_t check_period;          /* clientFailureCheckPeriod: PING every so often; -1: one PING only */
    int32_t consumer_window;       /* -1: no flow control, 0: no buffering */
    int32_t producer_window;       /* -1: no flow control */
    int64_t max_unconfirmed;       /* bytes of a session's log that sends may fill */
    int32_t min_large_message_size; /* bytes of body in each piece of a large message; what is larger goes as one */
    int32_t ack_batch_size;
    bool block_on_durable_send, block_on_non_durable_send, block_on_acknowledge;
    enum rai_route_check route_check;
    bool manual_drive;
    bool log_events;
};

#endif
