/* Once and only once in transactions: an id that the broker remembers, and the loop that makes use of it. */
#include <limits.h>
#include <reattach/session.h>

#include "api/check.h"
#include "api/handle.h"

int ra_session_set_transaction_id(ra_session *session, const char *id, ra_error **err)
{
    struct rai_call call;
    int code;

    rai_error_begin(err);
    if (session == NULL)
        return rai_refuse_null("session", err);
    if ((code = rai_check_name("id", id, err)) < 0)
        return code;
    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    code = rai_session_set_transaction_id(session->engine, id, rai_call_now(&call), &call.fault);
    return rai_call_end(&call, code);
}

int ra_session_has_transaction_id(ra_session *session)
{
    struct rai_call call;
    int answer;

    if (session == NULL || rai_call_begin(&call, session->connection, NULL) < 0)
        return 0;
    answer = rai_session_has_transaction_id(session->engine);
    return rai_call_end(&call, answer);
}

enum { AGAIN = 1 };

/* Waits for its end, and not only for callTimeout: what may still be done must not be done again. AGAIN when it was lost
 * with its session; what the broker refused it would refuse again. */
static int commit(ra_session *session, ra_error **err)
{
    struct rai_call call;
    rai_op *op = NULL;
    bool named, lost;
    int code;

    if ((code = rai_call_begin(&call, session->connection, err)) < 0)
        return code;
    named = !rai_session_has_transaction_id(session->engine);
    code = rai_session_commit(session->engine, rai_call_now(&call), &op, &call.fault);
    if (code < 0)
        return rai_call_end(&call, code);
    code = rai_call_finish(&call, code, rai_op_ref(op), rai_client_until(call.client, INT_MAX));
    lost = (code == RA_E_ROLLED_BACK && rai_op_outcome(op) == RA_OUTCOME_NOT_DONE) ||
           (code == RA_E_OUTCOME_UNKNOWN && named);
    rai_op_unref(op);
    return rai_call_end(&call, lost ? AGAIN : code);
}

static int64_t recreations(const ra_session *session)
{
    int64_t count = 0;

    ra_connection_stat(session->connection, RA_STAT_RECREATED, &count, NULL);
    return count;
}

/* Without waiting: it is given up, perhaps because of a wait that ended. */
static int give_up(ra_session *session, int code)
{
    ra_operation *rollback = NULL;

    if (ra_session_rollback_begin(session, &rollback, NULL) == 0)
        ra_operation_free(rollback);
    return code;
}

/* 0: it took effect, now or before; AGAIN; or an error. */
static int one_try(ra_session *session, const char *id, ra_transaction_function function, void *user, ra_error **err)
{
    int64_t before = recreations(session);
    int code = ra_session_set_transaction_id(session, id, err);

    if (code < 0)
        return code;
    code = function(user, session, err);
    /* recreated while it worked: what failed for that may go well another time */
    if (code < 0 && recreations(session) != before && ra_session_rollback(session, NULL) == 0)
        return AGAIN;
    if (code < 0)
        return give_up(session, code);
    code = commit(session, err);
    if (code != RA_E_DUPLICATE_ID)
        return code < 0 ? give_up(session, code) : code;
    (void)ra_session_rollback(session, NULL); /* an earlier try took effect; what this one received comes again */
    return 0;
}

static int check_transact(struct rai_call *call, ra_session *session, const char *id, ra_transaction_function function,
                          char *drawn, ra_error **err)
{
    int code;

    rai_error_begin(err);
    if (session == NULL)
        return rai_refuse_null("session", err);
    if (function == NULL)
        return rai_refuse_null("function", err);
    if ((code = rai_check_optional("id", id, err)) < 0 || (code = rai_call_begin(call, session->connection, err)) < 0)
        return code;
    if ((code = rai_call_may_wait(call)) == 0)
        rai_session_hold(session);
    rai_random_name(rai_client_engine(call->client), drawn, RAI_NAME);
    return rai_call_end(call, code);
}

int ra_session_transact(ra_session *session, const char *id, ra_transaction_function function, void *user,
                        ra_error **err)
{
    struct rai_call call;
    char drawn[RAI_NAME];
    ra_error *why = NULL;
    int code = check_transact(&call, session, id, function, drawn, err);

    if (code < 0)
        return code;
    do {
        ra_error_free(why);
        why = NULL;
        code = one_try(session, id != NULL ? id : drawn, function, user, &why);
    } while (code == AGAIN);
    if (err != NULL && code < 0)
        *err = why;
    else
        ra_error_free(why);
    rai_call_begin_free(&call, session->connection);
    rai_session_drop(&call, session);
    rai_call_end(&call, 0);
    return code;
}
