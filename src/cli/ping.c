/* ping */
#include <jansson.h>
#include <stdlib.h>

#include "broker.h"
#include "print.h"
#include "terminal.h"
#include "times.h"
#include "watch.h"

/* A question that every user may ask and that changes nothing. */
static int ask(struct broker *broker, double *ms, ra_error **err)
{
    ra_queue_info *info = NULL;
    int64_t began = now_us();
    int rc = ra_session_query_queue(broker->session, "reattach.ping", &info, err);

    *ms = (double)(now_us() - began) / 1000;
    ra_queue_info_free(info);
    return rc;
}

static bool show(const struct broker *broker, struct times *times, bool json)
{
    double connect = (double)broker->connect_us / 1000, login = (double)broker->login_us / 1000;

    if (json)
        return print_json(json_pack("{s:s, s:f, s:f, s:I, s:f, s:f, s:f}", "kind", "ping", "connect_ms", connect,
                                    "login_ms", login, "answers", (json_int_t)times->count, "least_ms",
                                    times_at(times, 0), "median_ms", times_at(times, 0.5), "most_ms",
                                    times_at(times, 1)));
    printf("connected in %.3f ms, logged in in %.3f ms, %lld answered: least %.3f, median %.3f, most %.3f ms\n",
           connect, login, (long long)times->count, times_at(times, 0), times_at(times, 0.5), times_at(times, 1));
    return print_flushed();
}

int run_ping(const struct settings *settings)
{
    struct broker broker;
    struct times times;
    ra_error *err = NULL;
    int rc = 0, status;

    if (!times_open(&times, settings->count)) {
        complain("out of memory");
        return EXIT_LEFT;
    }
    status = broker_open(&broker, settings, NULL, RA_SESSION_AUTO_COMMIT);
    if (status == EXIT_WELL) {
        for (int64_t i = 0; rc == 0 && i < settings->count && !watch_stopped(); i++) {
            double ms;

            rc = ask(&broker, &ms, &err);
            if (rc == 0)
                times_add(&times, ms);
        }
        if (rc == RA_E_INTERRUPTED)
            rc = 0;
        if (rc < 0)
            status = broker_failed(err, EXIT_LEFT);
        else
            ra_error_free(err);
        broker_close(&broker);
        if (!show(&broker, &times, settings->json) && status == EXIT_WELL)
            status = EXIT_LEFT;
    }
    times_close(&times);
    return status;
}
