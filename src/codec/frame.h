#ifndef RAI_CODEC_FRAME_H
#define RAI_CODEC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codec/wire.h"

/*
 * Frames: i32 length (bytes behind this field), i8 type, i64 channel, body. "Frame size" always includes the length
 * field, as in every window and credit of the protocol.
 */
enum { RAI_FRAME_HEADER = 13, RAI_FRAME_LENGTH_MIN = 9 };
/* A frame longer than this ends the link: nothing a broker sends us comes near, and the length drives an allocation. */
enum { RAI_FRAME_MAX = 128 * 1024 * 1024 };

enum {
    RAI_VERSION = 136,
    RAI_VERSION_MIN = 129,
    RAI_CHANNEL_PING = 0,
    RAI_CHANNEL_SESSION = 1,
    RAI_CHANNEL_FIRST = 10
};
#define RAI_PREAMBLE "ARTEMIS"
enum { RAI_PREAMBLE_SIZE = 7 };

enum rai_packet {
    RAI_PING = 10,
    RAI_DISCONNECT = 11,
    RAI_DISCONNECT_CONSUMER = 12,
    RAI_DISCONNECT_CONSUMER_KILL = 13,
    RAI_EXCEPTION = 20,
    RAI_NULL_RESPONSE = 21,
    RAI_PACKETS_CONFIRMED = 22,
    RAI_CREATESESSION = 30,
    RAI_CREATESESSION_RESP = 31,
    RAI_REATTACH_SESSION = 32,
    RAI_REATTACH_SESSION_RESP = 33,
    RAI_DELETE_QUEUE = 35,
    RAI_SESS_CREATECONSUMER = 40,
    RAI_SESS_ACKNOWLEDGE = 41,
    RAI_SESS_EXPIRED = 42,
    RAI_SESS_COMMIT = 43,
    RAI_SESS_ROLLBACK = 44,
    RAI_SESS_QUEUEQUERY = 45,
    RAI_SESS_QUEUEQUERY_RESP = 46,
    RAI_SESS_BINDINGQUERY = 49,
    RAI_SESS_BINDINGQUERY_RESP = 50,
    RAI_SESS_XA_RESP = 55,
    RAI_SESS_XA_FORGET = 60,
    RAI_SESS_XA_INDOUBT_XIDS_RESP = 62,
    RAI_SESS_XA_SET_TIMEOUT_RESP = 64,
    RAI_SESS_XA_GET_TIMEOUT = 65,
    RAI_SESS_XA_GET_TIMEOUT_RESP = 66,
    RAI_SESS_START = 67,
    RAI_SESS_STOP = 68,
    RAI_SESS_CLOSE = 69,
    RAI_SESS_FLOWTOKEN = 70,
    RAI_SESS_SEND = 71,
    RAI_SESS_SEND_LARGE = 72,
    RAI_SESS_SEND_CONTINUATION = 73,
    RAI_SESS_CONSUMER_CLOSE = 74,
    RAI_SESS_RECEIVE_MSG = 75,
    RAI_SESS_RECEIVE_LARGE_MSG = 76,
    RAI_SESS_RECEIVE_CONTINUATION = 77,
    RAI_SESS_FORCE_CONSUMER_DELIVERY = 78,
    RAI_SESS_PRODUCER_REQUEST_CREDITS = 79,
    RAI_SESS_PRODUCER_CREDITS = 80,
    RAI_SESS_INDIVIDUAL_ACKNOWLEDGE = 81,
    RAI_SESS_PRODUCER_FAIL_CREDITS = 82,
    RAI_SESS_ADD_METADATA = 104,
    RAI_SESS_ADD_METADATA2 = 105,
    RAI_SESS_UNIQUE_ADD_METADATA = 106,
    RAI_CLUSTER_TOPOLOGY = 110,
    RAI_SUBSCRIBE_TOPOLOGY_V2 = 113,
    RAI_CLUSTER_TOPOLOGY_V2 = 114,
    RAI_CLUSTER_TOPOLOGY_V3 = 122,
    RAI_DISCONNECT_V2 = 124,
    RAI_CHECK_FOR_FAILOVER = -4,
    RAI_CHECK_FOR_FAILOVER_REPLY = -5,
    RAI_SESS_QUEUEQUERY_RESP_V2 = -7,
    RAI_SESS_BINDINGQUERY_RESP_V2 = -8,
    RAI_SESS_BINDINGQUERY_RESP_V3 = -10,
    RAI_CREATE_ADDRESS = -11,
    RAI_CREATE_QUEUE_V2 = -12,
    RAI_CREATE_SHARED_QUEUE_V2 = -13,
    RAI_SESS_QUEUEQUERY_RESP_V3 = -14,
    RAI_SESS_BINDINGQUERY_RESP_V4 = -15,
    RAI_CLUSTER_TOPOLOGY_V4 = -17,
    RAI_CREATESESSION_V2 = -18,
    RAI_DISCONNECT_V3 = -19,
    RAI_CREATE_PRODUCER = -20,
    RAI_REMOVE_PRODUCER = -21,
    RAI_SESS_BINDINGQUERY_RESP_V5 = -22
};
const char *rai_packet_name(int type); /* "SESS_SEND", or "packet 99"-like text for unknown ones (static) */

struct rai_frame {
    int type;
    int64_t channel;
    size_t size;          /* whole frame */
    const uint8_t *bytes; /* whole frame */
    struct rai_reader body;
};

/* 0: more bytes needed (*need = frame size once known, else 4); 1: *frame is filled; -1: not a legal frame */
int rai_frame_next(const uint8_t *bytes, size_t size, struct rai_frame *frame, size_t *need);
/* Puts the header; size is the whole frame's (any value while counting). */
void rai_put_header(struct rai_writer *w, int type, int64_t channel, size_t size);
int rai_frame_type(const uint8_t *frame);
size_t rai_frame_size(const uint8_t *frame);

#endif
