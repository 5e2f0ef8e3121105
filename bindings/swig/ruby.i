/*
 * Ruby's part of reattach.i. It is generated as C++, for one reason: a lambda can run any wrapped call without the
 * interpreter's lock. Only the functions that wait do so; all others are short and keep it.
 *
 * Ruby waits in the library and not on the connection's descriptor, because that one tells of events only (a background
 * thread does the rest), and because not every wait has a form that does not wait.
 */

%{
#include <ruby/encoding.h>
#include <ruby/thread.h>

/* --- errors: Reattach::Error.raised makes the exception, so that its classes are written in Ruby --- */

static VALUE exception_of(ra_error *error)
{
    VALUE of[9] = {
        INT2NUM(ra_error_code(error)),
        rb_utf8_str_new_cstr(ra_error_name(error)),
        rb_utf8_str_new_cstr(ra_error_message(error)),
        rb_utf8_str_new_cstr(ra_error_endpoint(error)),
        INT2NUM(ra_error_broker_code(error)),
        rb_utf8_str_new_cstr(ra_error_broker_text(error)),
        ra_error_is_retriable(error) ? Qtrue : Qfalse,
        ra_error_is_fatal(error) ? Qtrue : Qfalse,
        ra_error_is_outcome_unknown(error) ? Qtrue : Qfalse,
    };
    return rb_funcallv(rb_path2class("Reattach::Error"), rb_intern("from_native"), 9, of);
}

static void raise_error(ra_error *error)
{
    VALUE exception = exception_of(error);
    ra_error_free(error);
    rb_exc_raise(exception);
}

/* --- waiting --- */

template <class Call> static void *run(void *call)
{
    (*static_cast<Call *>(call))();
    return call;
}

static void interrupt(void *connection)
{
    (void)ra_connection_interrupt(static_cast<ra_connection *>(connection), NULL);
}

/* An interrupt that waits already is raised before the call. One that comes later ends the wait early, if its connection
 * is known, but is raised only afterwards, when what the call brought (a message, say) is in Ruby's hands. */
template <class Call> static void without_lock(ra_connection *connection, Call call)
{
    do
        rb_thread_check_ints();
    while (rb_thread_call_without_gvl2(run<Call>, &call, connection != NULL ? interrupt : NULL, connection) == NULL);
}

/* --- listeners: the user pointer is a number; what it stands for is in a table of Ruby's --- */

struct delivery {
    int state; /* of rb_protect: a throw or a Thread#kill that is on its way through a listener */
};
static thread_local struct delivery *delivering;

struct heard {
    void *user;
    const ra_event *event;
};

static VALUE deliver(VALUE argument)
{
    const struct heard *h = reinterpret_cast<const struct heard *>(argument);
    VALUE of[2] = { ULL2NUM(reinterpret_cast<uintptr_t>(h->user)),
                    SWIG_NewPointerObj(const_cast<ra_event *>(h->event), SWIGTYPE_p_ra_event, 0) };
    return rb_funcallv(rb_path2class("Reattach::Listener"), rb_intern("deliver"), 2, of);
}

/* Nothing may jump over the library's frames: exceptions are kept by Listener.deliver, and any other jump is caught
 * here and goes on when the dispatch has returned. */
static void on_event(void *user, const ra_event *event)
{
    struct delivery *mine = delivering;
    struct heard h = { user, event };

    if (mine->state == 0)
        rb_protect(deliver, reinterpret_cast<VALUE>(&h), &mine->state);
    delivering = mine; /* the listener may have dispatched another connection */
}

static int dispatch(ra_connection *connection, int32_t max, ra_error **err)
{
    struct delivery here = { 0 }, *before = delivering;
    int count;

    delivering = &here;
    count = ra_connection_dispatch(connection, max, err);
    delivering = before;
    if (here.state != 0) {
        ra_error_free(*err);
        rb_jump_tag(here.state);
    }
    return count;
}
%}

%typemap(argout) ra_error **err {
    if (*$1 != NULL)
        raise_error(*$1);
}
%typemap(out) int32_t "$result = INT2NUM($1);"
%typemap(out) int "(void)$1; $result = Qnil;"
%typemap(out) const ra_error * "$result = $1 == NULL ? Qnil : exception_of($1);"

/* --- handles: freed with their Ruby object, or earlier by Native.end_...(), which leaves an empty object ---------- */

%rename("%(regex:/^ra_(.)(.*)/\\u\\1\\2/)s", %$isclass) "";
%warnfilter(302) ra_error_code; /* a function and an enum, as C allows */

%define RA_HANDLE(TYPE, RELEASE)
%nodefaultctor TYPE;
struct TYPE {};
%extend TYPE {
    ~TYPE() { RELEASE($self); }
}
%typemap(argout) TYPE **
    "$result = SWIG_Ruby_AppendOutput($result, SWIG_NewPointerObj(*$1, $*1_descriptor, SWIG_POINTER_OWN), 1);"
%typemap(in) TYPE *given_back {
    if (!SWIG_IsOK(SWIG_ConvertPtr($input, (void **)&$1, $1_descriptor, SWIG_POINTER_RELEASE)))
        rb_raise(rb_eTypeError, "expected a " #TYPE " of one's own that was not ended yet");
}
%inline %{
static void end_##TYPE(TYPE *given_back)
{
    RELEASE(given_back);
}
%}
%enddef

/* The session of an event is borrowed: only its address is of use, to find one's own object by. */
%typemap(out) ra_session *ra_event_session "$result = ULL2NUM((uintptr_t)$1);"
%typemap(out) uintptr_t "$result = ULL2NUM($1);"
%inline %{
static uintptr_t session_address(ra_session *session)
{
    return (uintptr_t)session;
}
%}

/* --- texts and bytes: a text comes out as UTF-8, bytes as BINARY --------------------------------------------------- */

%{
static VALUE text_from(const char *text, size_t size)
{
    return text == NULL ? Qnil : rb_utf8_str_new(text, (long)size);
}
%}

%typemap(in) const char * "$1 = NIL_P($input) ? NULL : StringValueCStr($input);"
%typemap(freearg) const char * ""
%typemap(out) const char * "$result = text_from($1, $1 == NULL ? 0 : strlen($1));"
%typemap(argout) const char **key_out, const char **address_out
    "$result = SWIG_Ruby_AppendOutput($result, text_from(*$1, *$1 == NULL ? 0 : strlen(*$1)), 1);"

%typemap(in) (const char *text, size_t size), (const char *value, size_t size), (const void *bytes, size_t size),
             (const void *value, size_t size) {
    $1 = NULL;
    $2 = 0;
    if (!NIL_P($input)) {
        StringValue($input);
        $1 = ($1_ltype)RSTRING_PTR($input);
        $2 = (size_t)RSTRING_LEN($input);
    }
}
%typemap(argout) (const char **text_out, size_t *size_out), (const char **value_out, size_t *size_out)
    "$result = SWIG_Ruby_AppendOutput($result, text_from(*$1, *$2), 1);"
%typemap(argout) (const void **bytes_out, size_t *size_out), (const void **value_out, size_t *size_out)
    "$result = SWIG_Ruby_AppendOutput($result, rb_str_new((const char *)*$1, (long)*$2), 1);"

%typemap(argout) (char **piece_out, size_t *size_out) {
    if (*$1 != NULL)
        $result = SWIG_Ruby_AppendOutput($result, rb_str_new(*$1, (long)*$2), 1);
    free(*$1);
}

%typemap(in) const uint8_t id[16] {
    $1 = NULL;
    if (!NIL_P($input)) {
        StringValue($input);
        if (RSTRING_LEN($input) != 16)
            rb_raise(rb_eArgError, "a user id has 16 bytes, not %ld", RSTRING_LEN($input));
        $1 = (uint8_t *)RSTRING_PTR($input);
    }
}
%typemap(freearg) const uint8_t id[16] ""
%typemap(argout) uint8_t id_out[16]
    "$result = SWIG_Ruby_AppendOutput($result, rb_str_new((const char *)$1, 16), 1);"

/* --- numbers ------------------------------------------------------------------------------------------------------- */

%typemap(argout) int *value_out "$result = SWIG_Ruby_AppendOutput($result, *$1 ? Qtrue : Qfalse, 1);"
%typemap(argout) int32_t *value_out, int64_t *value_out, int64_t *not_done_out, int64_t *unknown_out, uint16_t *value_out
    "$result = SWIG_Ruby_AppendOutput($result, LL2NUM(*$1), 1);"
%typemap(argout) float *value_out, double *value_out
    "$result = SWIG_Ruby_AppendOutput($result, DBL2NUM(*$1), 1);"

/* --- listeners ----------------------------------------------------------------------------------------------------- */

%typemap(in) (ra_listener_function function, void *user, ra_release_function release) {
    $1 = on_event;
    $2 = reinterpret_cast<void *>(static_cast<uintptr_t>(NUM2ULL($input)));
    $3 = NULL;
}
%exception ra_connection_dispatch "result = dispatch(arg1, arg2, arg3);"
