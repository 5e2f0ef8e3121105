/*
 * What a session asks of the broker: transactions, addresses, queues. Each request has a blocking form (begin + wait)
 * and a _begin form; both are made from one small function that hands the request to the engine.
 */
#include <reattach/session.h>

#include "api/check.h"
#include "api/handle.h"
#include "base/alloc.h"

struct arguments {
    const char *name, *address, *filter;
    int first, second;
};

typedef int request(rai_session *s, const struct arguments *a, int64_t now, rai_op **op, struct rai_fault *fault);

/* --- the two forms --------------------------------------------------------------------------------------------- */

/* info_out: where the answer of a query goes, else NULL. */
static int blocking(ra_session *session, request *ask, const struct arguments *a, ra_queue_info **info_out,
                    ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    int code = rai_call_begin(&call, session->connection, err);

    if (code < 0)
        return code;
    rai_session_hold(session);
    code = rai_call_may_wait(&call);
    if (code == 0)
        code = ask(session->engine, a, rai_call_now(&call), &op, &call.fault);
    if (code == 0) {
        rai_op_ref(op);
        code = rai_call_finish(&call, code, op, RAI_FOREVER);
        if (code == 0 && info_out != NULL && (*info_out = rai_op_take_info(op)) == NULL)
            code = rai_call_no_memory(&call);
        rai_op_unref(op);
    }
    rai_session_drop(&call, session);
    return rai_call_end(&call, code);
}

static int beginning(ra_session *session, request *ask, const struct arguments *a, ra_operation **operation_out,
                     ra_error **err)
{
    struct rai_call call;
    ra_operation *operation;
    rai_op *op = NULL;
    int code;

    if (operation_out == NULL)
        return rai_refuse_null("operation_out", err);
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    operation = rai_calloc(1, sizeof *operation);
    code =
        operation != NULL ? ask(session->engine, a, rai_call_now(&call), &op, &call.fault) : rai_call_no_memory(&call);
    code = rai_call_hand_out(&call, code, op, operation, operation_out);
    return rai_call_end(&call, code);
}

/* First thing in every function below. operation_out is checked by beginning(). */
static int check_session(ra_session *session, ra_operation **operation_out, ra_error **err)
{
    rai_error_begin(err);
    if (operation_out != NULL)
        *operation_out = NULL;
    return session == NULL ? rai_refuse_null("session", err) : 0;
}

/* --- transactions ---------------------------------------------------------------------------------------------- */

static int ask_commit(rai_session *s, const struct arguments *a, int64_t now, rai_op **op, struct rai_fault *fault)
{
    (void)a;
    return rai_session_commit(s, now, op, fault);
}

static int ask_rollback(rai_session *s, const struct arguments *a, int64_t now, rai_op **op, struct rai_fault *fault)
{
    (void)a;
    return rai_session_rollback(s, now, op, fault);
}

int ra_session_commit(ra_session *session, ra_error **err)
{
    int code = check_session(session, NULL, err);

    return code < 0 ? code : blocking(session, ask_commit, NULL, NULL, err);
}

int ra_session_commit_begin(ra_session *session, ra_operation **operation_out, ra_error **err)
{
    int code = check_session(session, operation_out, err);

    return code < 0 ? code : beginning(session, ask_commit, NULL, operation_out, err);
}

int ra_session_rollback(ra_session *session, ra_error **err)
{
    int code = check_session(session, NULL, err);

    return code < 0 ? code : blocking(session, ask_rollback, NULL, NULL, err);
}

int ra_session_rollback_begin(ra_session *session, ra_operation **operation_out, ra_error **err)
{
    int code = check_session(session, operation_out, err);

    return code < 0 ? code : beginning(session, ask_rollback, NULL, operation_out, err);
}

/* --- metadata -------------------------------------------------------------------------------------------------- */

/* name is the key, address the value, first: unique. */
static int ask_add_metadata(rai_session *s, const struct arguments *a, int64_t now, rai_op **op, struct rai_fault *fault)
{
    return rai_session_add_metadata(s, a->name, a->address, a->first != 0, now, op, fault);
}

static int check_metadata(ra_session *session, const struct arguments *a, ra_operation **operation_out, ra_error **err)
{
    int code = check_session(session, operation_out, err);

    if (code == 0)
        code = rai_check_name("key", a->name, err);
    if (code < 0 || (a->address != NULL && a->address[0] == '\0'))
        return code;
    return rai_check_name("value", a->address, err);
}

static int add_metadata(ra_session *session, const char *key, const char *value, int unique, ra_error **err)
{
    struct arguments a = { .name = key, .address = value, .first = unique };
    int code = check_metadata(session, &a, NULL, err);

    return code < 0 ? code : blocking(session, ask_add_metadata, &a, NULL, err);
}

static int add_metadata_begin(ra_session *session, const char *key, const char *value, int unique,
                              ra_operation **operation_out, ra_error **err)
{
    struct arguments a = { .name = key, .address = value, .first = unique };
    int code = check_metadata(session, &a, operation_out, err);

    return code < 0 ? code : beginning(session, ask_add_metadata, &a, operation_out, err);
}

int ra_session_add_metadata(ra_session *session, const char *key, const char *value, ra_error **err)
{
    return add_metadata(session, key, value, 0, err);
}

int ra_session_add_unique_metadata(ra_session *session, const char *key, const char *value, ra_error **err)
{
    return add_metadata(session, key, value, 1, err);
}

int ra_session_add_metadata_begin(ra_session *session, const char *key, const char *value,
                                  ra_operation **operation_out, ra_error **err)
{
    return add_metadata_begin(session, key, value, 0, operation_out, err);
}

int ra_session_add_unique_metadata_begin(ra_session *session, const char *key, const char *value,
                                         ra_operation **operation_out, ra_error **err)
{
    return add_metadata_begin(session, key, value, 1, operation_out, err);
}

/* --- addresses ------------------------------------------------------------------------------------------------- */

static int ask_create_address(rai_session *s, const struct arguments *a, int64_t now, rai_op **op,
                              struct rai_fault *fault)
{
    return rai_session_create_address(s, a->address, a->first != 0, a->second != 0, now, op, fault);
}

static int check_create_address(ra_session *session, const struct arguments *a, ra_operation **operation_out,
                                ra_error **err)
{
    int code = check_session(session, operation_out, err);
    struct rai_fault fault;

    if (code == 0)
        code = rai_check_name("address", a->address, err);
    if (code < 0 || a->first != 0 || a->second != 0)
        return code;
    rai_fault_set(&fault, RA_E_ARGUMENT, "arguments multicast and anycast: at least one has to be true");
    return rai_error_out(err, &fault);
}

int ra_session_create_address(ra_session *session, const char *address, int multicast, int anycast, ra_error **err)
{
    struct arguments a = { .address = address, .first = multicast, .second = anycast };
    int code = check_create_address(session, &a, NULL, err);

    return code < 0 ? code : blocking(session, ask_create_address, &a, NULL, err);
}

int ra_session_create_address_begin(ra_session *session, const char *address, int multicast, int anycast,
                                    ra_operation **operation_out, ra_error **err)
{
    struct arguments a = { .address = address, .first = multicast, .second = anycast };
    int code = check_create_address(session, &a, operation_out, err);

    return code < 0 ? code : beginning(session, ask_create_address, &a, operation_out, err);
}

static int ask_query_address(rai_session *s, const struct arguments *a, int64_t now, rai_op **op,
                             struct rai_fault *fault)
{
    return rai_session_query_address(s, a->address, now, op, fault);
}

int ra_session_query_address(ra_session *session, const char *address, ra_queue_info **info_out, ra_error **err)
{
    struct arguments a = { .address = address };
    int code;

    if (info_out != NULL)
        *info_out = NULL;
    code = check_session(session, NULL, err);
    if (code == 0)
        code = rai_check_name("address", address, err);
    if (code == 0 && info_out == NULL)
        code = rai_refuse_null("info_out", err);
    return code < 0 ? code : blocking(session, ask_query_address, &a, info_out, err);
}

int ra_session_query_address_begin(ra_session *session, const char *address, ra_operation **operation_out,
                                   ra_error **err)
{
    struct arguments a = { .address = address };
    int code = check_session(session, operation_out, err);

    if (code == 0)
        code = rai_check_name("address", address, err);
    return code < 0 ? code : beginning(session, ask_query_address, &a, operation_out, err);
}

/* --- queues ---------------------------------------------------------------------------------------------------- */

static int ask_create_queue(rai_session *s, const struct arguments *a, int64_t now, rai_op **op,
                            struct rai_fault *fault)
{
    return rai_session_create_queue(s, a->name, a->address, a->first, a->second, a->filter, now, op, fault);
}

static int check_create_queue(ra_session *session, struct arguments *a, ra_operation **operation_out, ra_error **err)
{
    const int64_t all = RA_QUEUE_DURABLE | RA_QUEUE_TEMPORARY | RA_QUEUE_AUTO_CREATED;
    int code = check_session(session, operation_out, err);

    if (code == 0)
        code = rai_check_name("queue", a->name, err);
    if (code == 0)
        code = rai_check_optional("address", a->address, err);
    if (code == 0)
        code = rai_check_optional("filter", a->filter, err);
    if (code == 0)
        code = rai_check_range("routing_type", a->first, RA_ROUTING_DEFAULT, RA_ROUTING_ANYCAST, err);
    if (code == 0)
        code = rai_check_range("flags", a->second, 0, all, err);
    if (code == 0 && a->address == NULL)
        a->address = a->name;
    return code;
}

int ra_session_create_queue(ra_session *session, const char *queue, const char *address, int32_t routing_type,
                            int32_t flags, const char *filter, ra_error **err)
{
    struct arguments a = { queue, address, filter, routing_type, flags };
    int code = check_create_queue(session, &a, NULL, err);

    return code < 0 ? code : blocking(session, ask_create_queue, &a, NULL, err);
}

int ra_session_create_queue_begin(ra_session *session, const char *queue, const char *address, int32_t routing_type,
                                  int32_t flags, const char *filter, ra_operation **operation_out, ra_error **err)
{
    struct arguments a = { queue, address, filter, routing_type, flags };
    int code = check_create_queue(session, &a, operation_out, err);

    return code < 0 ? code : beginning(session, ask_create_queue, &a, operation_out, err);
}

static int ask_delete_queue(rai_session *s, const struct arguments *a, int64_t now, rai_op **op,
                            struct rai_fault *fault)
{
    return rai_session_delete_queue(s, a->name, now, op, fault);
}

static int ask_query_queue(rai_session *s, const struct arguments *a, int64_t now, rai_op **op, struct rai_fault *fault)
{
    return rai_session_query_queue(s, a->name, now, op, fault);
}

static int check_queue(ra_session *session, const char *queue, ra_operation **operation_out, ra_error **err)
{
    int code = check_session(session, operation_out, err);

    return code < 0 ? code : rai_check_name("queue", queue, err);
}

int ra_session_delete_queue(ra_session *session, const char *queue, ra_error **err)
{
    struct arguments a = { .name = queue };
    int code = check_queue(session, queue, NULL, err);

    return code < 0 ? code : blocking(session, ask_delete_queue, &a, NULL, err);
}

int ra_session_delete_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out, ra_error **err)
{
    struct arguments a = { .name = queue };
    int code = check_queue(session, queue, operation_out, err);

    return code < 0 ? code : beginning(session, ask_delete_queue, &a, operation_out, err);
}

int ra_session_query_queue(ra_session *session, const char *queue, ra_queue_info **info_out, ra_error **err)
{
    struct arguments a = { .name = queue };
    int code;

    if (info_out != NULL)
        *info_out = NULL;
    code = check_queue(session, queue, NULL, err);
    if (code == 0 && info_out == NULL)
        code = rai_refuse_null("info_out", err);
    return code < 0 ? code : blocking(session, ask_query_queue, &a, info_out, err);
}

int ra_session_query_queue_begin(ra_session *session, const char *queue, ra_operation **operation_out, ra_error **err)
{
    struct arguments a = { .name = queue };
    int code = check_queue(session, queue, operation_out, err);

    return code < 0 ? code : beginning(session, ask_query_queue, &a, operation_out, err);
}
