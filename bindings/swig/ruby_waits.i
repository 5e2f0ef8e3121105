/*
 * Ruby's waits that an interrupt (Ctrl-C, Thread#kill, Timeout) ends at once: they name their connection; and opening
 * one, which has none yet, happens on a thread of its own.
 */

%define RA_INTERRUPTIBLE(NAME)
%exception NAME { without_lock(arg1, [&] { $action }); }
%enddef
RA_INTERRUPTIBLE(ra_connection_close)
RA_INTERRUPTIBLE(operation_wait_on)
RA_INTERRUPTIBLE(session_close_on)
%typemap(out) int operation_wait_on = int32_t;

%{
#include <condition_variable>
#include <memory>
#include <mutex>
#include <signal.h>
#include <string>
#include <system_error>
#include <thread>

struct opening {
    std::mutex lock;
    std::condition_variable changed;
    std::string url;
    ra_options *options;
    int64_t timeout_ms;
    bool over, interrupted, given_up;
    int code;
    ra_connection *connection;
    ra_error *error;
};

/* On the other thread. What nobody waits for any more goes at once. */
static void open_now(opening &o)
{
    int code = ra_connection_open(o.url.c_str(), o.options, o.timeout_ms, &o.connection, &o.error);
    std::lock_guard<std::mutex> locked(o.lock);

    ra_options_free(o.options);
    if (o.given_up) {
        ra_connection_free(o.connection);
        ra_error_free(o.error);
    }
    o.code = code;
    o.over = true;
    o.changed.notify_all();
}

static void interrupt_opening(void *argument)
{
    opening *o = static_cast<opening *>(argument);
    std::lock_guard<std::mutex> locked(o->lock);

    o->interrupted = true;
    o->changed.notify_all();
}

static VALUE check_interrupts(VALUE nothing)
{
    rb_thread_check_ints();
    return nothing;
}

/* Waits until it is over, or until an interrupt raises: then the result is the state to go on with. */
static int await_opening(opening &o)
{
    int state = 0;

    for (;;) {
        auto wait = [&] {
            std::unique_lock<std::mutex> locked(o.lock);
            o.changed.wait(locked, [&] { return o.over || o.interrupted; });
            o.interrupted = false;
        };
        rb_thread_call_without_gvl2(run<decltype(wait)>, &wait, interrupt_opening, &o);
        std::unique_lock<std::mutex> locked(o.lock);
        if (o.over)
            return 0;
        locked.unlock();
        rb_protect(check_interrupts, Qnil, &state);
        if (state == 0)
            continue;
        locked.lock();
        if (o.over) { /* just now */
            ra_connection_free(o.connection);
            ra_error_free(o.error);
        }
        o.given_up = true;
        return state;
    }
}

/* No jump in here: it would leave C++ objects behind. */
static int open_aside(const char *url, ra_options *options, int64_t timeout_ms, ra_connection **connection_out,
                      ra_error **err, int *code)
{
    auto o = std::make_shared<opening>();
    sigset_t all, before;

    o->url = url;
    o->options = options;
    o->timeout_ms = timeout_ms;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are Ruby's */
    try {
        std::thread([o] { open_now(*o); }).detach();
    } catch (const std::system_error &) { /* no thread to be had: then everything waits for it */
        open_now(*o);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int state = await_opening(*o);
    if (state == 0) {
        *connection_out = o->connection;
        *err = o->error;
        *code = o->code;
    }
    return state;
}
%}

%inline %{
static int operation_wait_on(ra_connection *, ra_operation *operation, int64_t timeout_ms, int32_t flags, ra_error **err)
{
    return ra_operation_wait(operation, timeout_ms, flags, err);
}

static int session_close_on(ra_connection *, ra_session *session, int64_t timeout_ms, int64_t *not_done_out,
                            int64_t *unknown_out, ra_error **err)
{
    return ra_session_close(session, timeout_ms, not_done_out, unknown_out, err);
}

static int connection_open_aside(const char *url, ra_options *given_back, int64_t timeout_ms,
                                 ra_connection **connection_out, ra_error **err)
{
    int code = 0, state = open_aside(url == NULL ? "" : url, given_back, timeout_ms, connection_out, err, &code);

    if (state != 0)
        rb_jump_tag(state);
    return code;
}
%}
