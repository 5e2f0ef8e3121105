/*
 * Bursts of pipelined durable sends, cut: at random bytes of either direction or at a random moment, by the given kinds,
 * some of them a second time inside the recovery, some when everything is answered. With --cuts 0 only --messages go out,
 * for comparison. prove_burst.py drives it and judges.
 */
#include <stdio.h>
#include <string.h>

#include "storm.h"

static enum relay_how draw(struct storm *s)
{
    for (;;) {
        enum relay_how how = (enum relay_how)storm_between(&s->random, RELAY_RST, RELAY_ABANDON);
        if ((s->options.hows & RELAY_MASK(how)) != 0)
            return how;
    }
}

static void pump_for(struct storm *s, int64_t us)
{
    int64_t until = storm_now_us() + us;
    do
        storm_pump(s, 1);
    while (storm_now_us() < until && s->failed == 0);
}

/* Waits for the trap; when the bytes never come, cuts now. */
static void await(struct storm *s, int trap, enum relay_how how)
{
    int64_t until = storm_now_us() + 500000;
    while (!relay_wait_trap(s->relay, trap, 0)) {
        storm_pump(s, 1);
        if (storm_now_us() > until) {
            relay_disarm(s->relay, trap);
            relay_cut(s->relay, how);
            return;
        }
    }
}

static void cut_inside_recovery(struct storm *s)
{
    enum relay_how how = draw(s);
    enum relay_direction way = storm_between(&s->random, 0, 1) == 0 ? RELAY_TO_BROKER : RELAY_TO_CLIENT;
    int trap = relay_cut_after(s->relay, way, (uint64_t)storm_between(&s->random, 1, 600), how);
    int64_t until = storm_now_us() + 60000;
    while (!relay_wait_trap(s->relay, trap, 0) && storm_now_us() < until)
        storm_pump(s, 1);
    relay_disarm(s->relay, trap);
    s->second_cuts++;
}

static void quiet_cut(struct storm *s)
{
    atomic_store(&s->quiet, true);
    if (!storm_settle(s, storm_patience_ms(s, 60000)))
        s->hangs++;
    relay_cut(s->relay, draw(s));
    s->quiet_cuts++;
}

static void busy_cut(struct storm *s)
{
    enum relay_how how = draw(s);
    pump_for(s, storm_between(&s->random, 0, 10000));
    s->unanswered += storm_total(s, false) - storm_total(s, true);
    s->busy_cuts++;
    if (storm_between(&s->random, 0, 3) == 0) {
        relay_cut(s->relay, how);
    } else if (storm_between(&s->random, 0, 3) == 0) {
        await(s, relay_cut_after(s->relay, RELAY_TO_CLIENT, (uint64_t)storm_between(&s->random, 1, 8000), how), how);
    } else {
        await(s, relay_cut_after(s->relay, RELAY_TO_BROKER, (uint64_t)storm_between(&s->random, 1, 200000), how), how);
    }
    if ((double)storm_between(&s->random, 0, 999) < s->options.second * 1000)
        cut_inside_recovery(s);
}

/* Sessions that came back, found again or (where the broker had closed them) made anew. */
static int64_t came_back(struct storm *s)
{
    return storm_stat(s, RA_STAT_REATTACHED) + storm_stat(s, RA_STAT_RECREATED);
}

static void one_cut(struct storm *s, int number)
{
    int64_t lost = storm_stat(s, RA_STAT_LINKS_LOST), back = came_back(s);
    int64_t settled = storm_total(s, true);
    int64_t until = storm_now_us() + storm_patience_ms(s, 30000) * 1000;
    if (number % 20 == 19)
        quiet_cut(s);
    else
        busy_cut(s);
    int64_t missed = storm_now_us() + 1000000; /* the cut may have hit a link that was not needed any more */
    while (s->failed == 0 && storm_now_us() < until) {
        bool all_back = came_back(s) >= back + s->options.lanes;
        bool hit = storm_stat(s, RA_STAT_LINKS_LOST) > lost;
        if (hit ? all_back : storm_now_us() > missed)
            break;
        storm_pump(s, 1);
    }
    atomic_store(&s->quiet, false);
    int64_t full = (int64_t)s->options.keep * s->options.lanes;
    while (s->failed == 0 && storm_now_us() < until &&
           (storm_total(s, true) < settled + 50L * s->options.lanes ||
            storm_total(s, false) - storm_total(s, true) < full))
        storm_pump(s, 5);
    if (storm_now_us() >= until) {
        s->hangs++;
        fprintf(stderr, "cut %d: links lost %lld then %lld, re-attached %lld then %lld\n", number, (long long)lost,
                (long long)storm_stat(s, RA_STAT_LINKS_LOST), (long long)back,
                (long long)came_back(s));
        storm_dump(s);
        storm_fail(s, "a recovery did not end in time", NULL);
    }
}

int main(int argc, char **argv)
{
    static struct storm s;
    storm_arguments(&s.options, argc, argv);
    if (!storm_open(&s))
        return 1;
    storm_start_senders(&s);
    while (s.options.cuts == 0 && s.failed == 0 && storm_total(&s, true) < s.options.messages * s.options.lanes)
        storm_pump(&s, 10);
    for (int i = 0; i < s.options.cuts && s.failed == 0; i++)
        one_cut(&s, i);
    return storm_finish(&s, "");
}
