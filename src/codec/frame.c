#include "codec/frame.h"

#include "codec/bytes.h"

int rai_frame_next(const uint8_t *bytes, size_t size, struct rai_frame *frame, size_t *need)
{
    if (size < 4) {
        *need = 4;
        return 0;
    }
    uint32_t length = rai_load32(bytes);

    if (length < RAI_FRAME_LENGTH_MIN || length > RAI_FRAME_MAX - 4) {
        return -1;
    }
    size_t whole = (size_t)length + 4;

    if (size < whole) {
        *need = whole;
        return 0;
    }
    frame->type = rai_frame_type(bytes);
    frame->channel = (int64_t)rai_load64(bytes + 5);
    frame->size = whole;
    frame->bytes = bytes;
    frame->body = (struct rai_reader){ bytes + RAI_FRAME_HEADER, bytes + whole, false };
    return 1;
}

void rai_put_header(struct rai_writer *w, int type, int64_t channel, size_t size)
{
    rai_put_i32(w, (int32_t)(uint32_t)(size - 4));
    rai_put_u8(w, (uint8_t)type);
    rai_put_i64(w, channel);
}

int rai_frame_type(const uint8_t *frame)
{
    return (int8_t)frame[4];
}

size_t rai_frame_size(const uint8_t *frame)
{
    return (size_t)rai_load32(frame) + 4;
}

static const char *known_name(int type)
{
#define NAME(name)   \
    case RAI_##name: \
        return #name;
    switch (type) {
        NAME(PING)
        NAME(DISCONNECT)
        NAME(DISCONNECT_CONSUMER)
        NAME(DISCONNECT_CONSUMER_KILL)
        NAME(EXCEPTION)
        NAME(NULL_RESPONSE)
        NAME(PACKETS_CONFIRMED)
        NAME(CREATESESSION)
        NAME(CREATESESSION_RESP)
        NAME(REATTACH_SESSION)
        NAME(REATTACH_SESSION_RESP)
        NAME(DELETE_QUEUE)
        NAME(SESS_CREATECONSUMER)
        NAME(SESS_ACKNOWLEDGE)
        NAME(SESS_EXPIRED)
        NAME(SESS_COMMIT)
        NAME(SESS_ROLLBACK)
        NAME(SESS_QUEUEQUERY)
        NAME(SESS_QUEUEQUERY_RESP)
        NAME(SESS_BINDINGQUERY)
        NAME(SESS_BINDINGQUERY_RESP)
        NAME(SESS_XA_RESP)
        NAME(SESS_XA_FORGET)
        NAME(SESS_XA_INDOUBT_XIDS_RESP)
        NAME(SESS_XA_SET_TIMEOUT_RESP)
        NAME(SESS_XA_GET_TIMEOUT)
        NAME(SESS_XA_GET_TIMEOUT_RESP)
        NAME(SESS_START)
        NAME(SESS_STOP)
        NAME(SESS_CLOSE)
        NAME(SESS_FLOWTOKEN)
        NAME(SESS_SEND)
        NAME(SESS_SEND_LARGE)
        NAME(SESS_SEND_CONTINUATION)
        NAME(SESS_CONSUMER_CLOSE)
        NAME(SESS_RECEIVE_MSG)
        NAME(SESS_RECEIVE_LARGE_MSG)
        NAME(SESS_RECEIVE_CONTINUATION)
        NAME(SESS_FORCE_CONSUMER_DELIVERY)
        NAME(SESS_PRODUCER_REQUEST_CREDITS)
        NAME(SESS_PRODUCER_CREDITS)
        NAME(SESS_INDIVIDUAL_ACKNOWLEDGE)
        NAME(SESS_PRODUCER_FAIL_CREDITS)
        NAME(SESS_ADD_METADATA)
        NAME(SESS_ADD_METADATA2)
        NAME(SESS_UNIQUE_ADD_METADATA)
        NAME(CLUSTER_TOPOLOGY)
        NAME(SUBSCRIBE_TOPOLOGY_V2)
        NAME(CLUSTER_TOPOLOGY_V2)
        NAME(CLUSTER_TOPOLOGY_V3)
        NAME(DISCONNECT_V2)
        NAME(CHECK_FOR_FAILOVER)
        NAME(CHECK_FOR_FAILOVER_REPLY)
        NAME(SESS_QUEUEQUERY_RESP_V2)
        NAME(SESS_BINDINGQUERY_RESP_V2)
        NAME(SESS_BINDINGQUERY_RESP_V3)
        NAME(CREATE_ADDRESS)
        NAME(CREATE_QUEUE_V2)
        NAME(CREATE_SHARED_QUEUE_V2)
        NAME(SESS_QUEUEQUERY_RESP_V3)
        NAME(SESS_BINDINGQUERY_RESP_V4)
        NAME(CLUSTER_TOPOLOGY_V4)
        NAME(CREATESESSION_V2)
        NAME(DISCONNECT_V3)
        NAME(CREATE_PRODUCER)
        NAME(REMOVE_PRODUCER)
        NAME(SESS_BINDINGQUERY_RESP_V5)
    default:
        return NULL;
    }
#undef NAME
}

/* Every type is one signed byte, so even the names of unknown ones can be constants. */
#define TEN(t)                                                                                                  \
    "packet " #t "0", "packet " #t "1", "packet " #t "2", "packet " #t "3", "packet " #t "4", "packet " #t "5", \
        "packet " #t "6", "packet " #t "7", "packet " #t "8", "packet " #t "9"

const char *rai_packet_name(int type)
{
    static const char *const positive[] = { TEN(),  TEN(1), TEN(2), TEN(3),  TEN(4),  TEN(5), TEN(6),
                                            TEN(7), TEN(8), TEN(9), TEN(10), TEN(11), TEN(12) };
    static const char *const negative[] = { TEN(-),  TEN(-1), TEN(-2), TEN(-3),  TEN(-4),  TEN(-5), TEN(-6),
                                            TEN(-7), TEN(-8), TEN(-9), TEN(-10), TEN(-11), TEN(-12) };
    const char *name = known_name(type);

    if (name != NULL) {
        return name;
    }
    if (type < INT8_MIN || type > INT8_MAX) {
        return "packet out of range";
    }
    return type < 0 ? negative[-type] : positive[type];
}
