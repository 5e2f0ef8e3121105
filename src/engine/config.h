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

/* A broker may name itself by an address that means nothing here: inside a container, behind a translation. */
struct rai_address_map {
    struct rai_endpoint from, to; /* port 0: any, and the same */
};

/* Among several nodes: the list from its turn on, or shuffled. */
enum rai_balance { RAI_BALANCE_ROUND_ROBIN = 1, RAI_BALANCE_RANDOM, RAI_BALANCE_RANDOM_STICKY, RAI_BALANCE_FIRST };

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
    int32_t failover_attempts; /* rounds over other nodes after that; -1: unlimited */
    enum rai_balance balance;
    uint32_t turn; /* of this connection among those of the process, see client.c */
    bool topology_for_balancing; /* other nodes are those that the broker named, not only those of the URL */
    struct rai_address_map *address_map;
    int address_map_count;
    bool ha; /* accepted; backups are used in any case */
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
    int64_t max_body_in_memory;    /* of a large message that is collected */
    int32_t ack_batch_size;
    bool block_on_durable_send, block_on_non_durable_send, block_on_acknowledge;
    enum rai_route_check route_check;
    bool duplicate_detection;
    int32_t duplicate_detection_limit; /* sends of the connection without an outcome, when it is on */
    bool manual_drive;
    bool log_events;
};

#endif
