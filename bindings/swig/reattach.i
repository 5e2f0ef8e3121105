/*
 * One interface over the public headers for every language: a flat module of functions and constants without their
 * prefixes (session_open, E_TIMEOUT), over which each language has a hand-written layer that feels native.
 *
 * What is the same everywhere is here: which results are statuses, which parameters are outputs, what waits. How a
 * value becomes one of the language is in python.i, ruby.i, lua.i. Each of them has to say:
 *
 *   RA_HANDLE(TYPE, RELEASE)   an opaque handle: parameter `TYPE *` (nothing is NULL), result, output `TYPE **`.
 *                              What is given out belongs to the language, which ends it with RELEASE
 *   typemap(out) int           a status: it is 0 here, because an error was raised, so nothing is returned
 *   typemap(out) int32_t       a number (said apart, or it would be taken for an int)
 *   typemap(argout) ra_error **err          *$1 is set: raise it
 *   typemap(out) const ra_error *           an event's error, borrowed: a value, not raised
 *   typemap(argout) of the outputs below    appended to what is returned
 *   typemap(in) of the sized texts and bytes, and of (function, user, release): a listener's id for a trampoline
 */
#ifdef SWIGPYTHON
%module(package="reattach") _native
#endif
#ifdef SWIGRUBY
%module "reattach::native"
#endif
#ifdef SWIGLUA
%module reattach_native
#endif

%{
#include <reattach/mock.h>
#include <reattach/reattach.h>
#include <stdlib.h>
#include <string.h>
%}

%include <stdint.i>

%rename("%(regex:/^ra_(.*)/\\1/)s", %$isfunction) "";
%rename("%(regex:/^RA_(.*)/\\1/)s", %$isenumitem) "";
%ignore RA_API;
%ignore RA_ERROR_MAP;
%ignore RA_ERROR_ENUM;
#define REATTACH_EXPORT_H
#define RA_API

/* Not for languages whose memory moves, or that count for themselves. */
%ignore ra_message_lend_body;
%ignore ra_message_ref;
%ignore ra_message_unref;
%ignore ra_connection_free;
%ignore ra_session_free;
%ignore ra_producer_free;
%ignore ra_consumer_free;
%ignore ra_operation_free;
%ignore ra_queue_info_free;
%ignore ra_options_free;
%ignore ra_error_free;
%ignore ra_event_free;
%ignore ra_listener_free;
%ignore ra_mock_free;
/* Arrays of handles: each language has its own lists. */
%ignore ra_producer_send_many;
%ignore ra_consumer_take_many;
/* A loop over a function: each language's layer has its own. */
%ignore ra_session_transact;
%ignore ra_transaction_function;
/* Known by the exception that was made of the error, or made by it. */
%ignore ra_error_new;
%ignore ra_error_code(const ra_error *);
%ignore ra_error_name;
%ignore ra_error_message;
%ignore ra_error_endpoint;
%ignore ra_error_broker_text;
%ignore ra_error_broker_code;
%ignore ra_error_is_retriable;
%ignore ra_error_is_fatal;
%ignore ra_error_is_outcome_unknown;

/* --- outputs ------------------------------------------------------------------------------------------------------ */

%typemap(in, numinputs = 0) ra_error **err (ra_error *error = NULL) "$1 = &error;"

%define RA_OUTPUT(TYPE, NAME)
%typemap(in, numinputs = 0) TYPE *NAME (TYPE value = 0) "$1 = ($1_ltype)&value;"
%enddef
RA_OUTPUT(int, value_out)
RA_OUTPUT(int32_t, value_out)
RA_OUTPUT(int64_t, value_out)
RA_OUTPUT(uint16_t, value_out)
RA_OUTPUT(float, value_out)
RA_OUTPUT(double, value_out)
RA_OUTPUT(int64_t, not_done_out)
RA_OUTPUT(int64_t, unknown_out)
RA_OUTPUT(ra_connection *, connection_out)
RA_OUTPUT(ra_session *, session_out)
RA_OUTPUT(ra_producer *, producer_out)
RA_OUTPUT(ra_consumer *, consumer_out)
RA_OUTPUT(ra_message *, message_out)
RA_OUTPUT(ra_operation *, operation_out)
RA_OUTPUT(ra_queue_info *, info_out)
RA_OUTPUT(ra_options *, options_out)
RA_OUTPUT(ra_event *, event_out)
RA_OUTPUT(ra_listener *, listener_out)
RA_OUTPUT(ra_mock *, mock_out)
RA_OUTPUT(const char *, key_out)
RA_OUTPUT(const char *, address_out)

/* Borrowed: to be copied at once. The text may be NULL. */
%typemap(in, numinputs = 0) (const char **text_out, size_t *size_out) (const char *text = NULL, size_t size = 0)
    "$1 = ($1_ltype)&text; $2 = &size;"
%typemap(in, numinputs = 0) (const char **value_out, size_t *size_out) = (const char **text_out, size_t *size_out);
%typemap(in, numinputs = 0) (const void **bytes_out, size_t *size_out) (const void *bytes = NULL, size_t size = 0)
    "$1 = ($1_ltype)&bytes; $2 = &size;"
%typemap(in, numinputs = 0) (const void **value_out, size_t *size_out) = (const void **bytes_out, size_t *size_out);
%typemap(in, numinputs = 0) uint8_t id_out[16] (uint8_t id[16]) "memset(id, 0, sizeof id); $1 = id;"

/* --- what waits: an interpreter that has a lock lets go of it there, and in dispatch, and nowhere else ------------ */

#ifdef SWIGPYTHON
%nothread;
%define RA_WAITS(NAME)
%thread NAME;
%enddef
#endif
#ifdef SWIGRUBY
%define RA_WAITS(NAME)
%exception NAME { without_lock(NULL, [&] { $action }); }
%enddef
#endif
#ifdef SWIGLUA
%define RA_WAITS(NAME)
%enddef
#endif
RA_WAITS(ra_connection_open)
RA_WAITS(ra_connection_close)
RA_WAITS(ra_connection_dispatch)
RA_WAITS(ra_connection_process)
RA_WAITS(ra_connection_wait_event)
RA_WAITS(ra_operation_wait)
RA_WAITS(ra_session_open)
RA_WAITS(ra_session_close)
RA_WAITS(ra_session_stop)
RA_WAITS(ra_session_commit)
RA_WAITS(ra_session_rollback)
RA_WAITS(ra_session_flush)
RA_WAITS(ra_session_add_metadata)
RA_WAITS(ra_session_add_unique_metadata)
RA_WAITS(ra_session_create_address)
RA_WAITS(ra_session_create_queue)
RA_WAITS(ra_session_delete_queue)
RA_WAITS(ra_session_query_queue)
RA_WAITS(ra_session_query_address)
RA_WAITS(ra_producer_open)
RA_WAITS(ra_producer_send)
RA_WAITS(ra_producer_wait_writable)
RA_WAITS(ra_consumer_open)
RA_WAITS(ra_consumer_close)
RA_WAITS(ra_consumer_receive)
RA_WAITS(ra_consumer_acknowledge)
RA_WAITS(ra_consumer_acknowledge_individually)
RA_WAITS(consumer_read_piece)
RA_WAITS(ra_mock_stop)
RA_WAITS(ra_mock_wait)

/* --- the language ------------------------------------------------------------------------------------------------- */

#ifdef SWIGPYTHON
%include "python.i"
#endif
#ifdef SWIGRUBY
%include "ruby.i"
#endif
#ifdef SWIGLUA
%include "lua.i"
#endif

RA_HANDLE(ra_connection, ra_connection_free)
RA_HANDLE(ra_session, ra_session_free)
RA_HANDLE(ra_producer, ra_producer_free)
RA_HANDLE(ra_consumer, ra_consumer_free)
RA_HANDLE(ra_message, ra_message_unref)
RA_HANDLE(ra_operation, ra_operation_free)
RA_HANDLE(ra_queue_info, ra_queue_info_free)
RA_HANDLE(ra_options, ra_options_free)
RA_HANDLE(ra_event, ra_event_free)
RA_HANDLE(ra_listener, ra_listener_free)
RA_HANDLE(ra_mock, ra_mock_free)

#ifdef SWIGPYTHON
%include "python_batches.i"
%include "python_bodies.i"
#endif
#ifdef SWIGRUBY
%include "ruby_waits.i"
#endif
#ifndef SWIGPYTHON
%include "bodies.i"
#endif

/* These `int` results are answers, not statuses. */
%define RA_ANSWER(NAME)
%typemap(out) int NAME = int32_t;
%enddef
RA_ANSWER(ra_connection_is_connected)
RA_ANSWER(ra_connection_descriptor)
RA_ANSWER(ra_connection_dispatch)
RA_ANSWER(ra_connection_next_event)
RA_ANSWER(ra_operation_wait)
RA_ANSWER(ra_session_is_rollback_only)
RA_ANSWER(ra_session_has_transaction_id)
RA_ANSWER(ra_producer_wait_writable)
RA_ANSWER(ra_consumer_receive)
RA_ANSWER(ra_message_is_durable)
RA_ANSWER(ra_message_get_user_id)
RA_ANSWER(ra_event_failed_over)
RA_ANSWER(ra_queue_info_exists)
RA_ANSWER(ra_queue_info_is_durable)
RA_ANSWER(ra_queue_info_is_temporary)

%include <reattach/error.h>
%include <reattach/message.h>
%include <reattach/options.h>
%include <reattach/operation.h>
%include <reattach/connection.h>
%include <reattach/session.h>
%include <reattach/event.h>
#ifdef SWIGPYTHON
%ignore ra_producer_write_large; /* these two are in python_bodies.i */
%ignore ra_consumer_read_body;
#endif
%include <reattach/large.h>
%include <reattach/mock.h>
