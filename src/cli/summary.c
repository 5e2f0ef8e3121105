#include "summary.h"

#include <jansson.h>
#include <sys/resource.h>

#include "print.h"
#include "terminal.h"

static double cpu_seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

struct figure {
    const char *name;
    int64_t value;
};

static json_t *statistics_as_json(const struct broker *broker)
{
    json_t *object = json_object();

    for (int id = RA_STAT_LINKS; id <= RA_STAT_BYTES_IN; id++)
        json_object_set_new(object, ra_stat_name(id), json_integer(broker->statistics[id]));
    return object;
}

static json_t *as_json(const struct figure *figures, int count, const struct summary *s)
{
    json_t *object = json_object();

    json_object_set_new(object, "kind", json_string("summary"));
    for (int i = 0; i < count; i++)
        json_object_set_new(object, figures[i].name, json_integer(figures[i].value));
    json_object_set_new(object, "seconds", json_real(s->seconds));
    json_object_set_new(object, "cpu_seconds", json_real(s->cpu_seconds));
    return object;
}

static void print_statistics(const struct broker *broker)
{
    for (int id = RA_STAT_LINKS; id <= RA_STAT_BYTES_IN; id++)
        fprintf(stderr, "%s %lld%s", ra_stat_name(id), (long long)broker->statistics[id],
                id < RA_STAT_BYTES_IN ? ", " : "\n");
}

/* One line: what there is, and nothing about what there is not. */
static void print_line(const struct figure *figures, int count, const struct summary *s)
{
    fprintf(stderr, "%lld messages", (long long)s->messages);
    for (int i = 1; i < count; i++) {
        if (figures[i].value != 0)
            fprintf(stderr, ", %lld %s", (long long)figures[i].value, figures[i].name);
    }
    fprintf(stderr, "; %.3f s, CPU %.3f s\n", s->seconds, s->cpu_seconds);
}

int summary_end(struct summary *s, const struct broker *broker, const struct settings *settings)
{
    bool written = true;

    s->reattached = broker->statistics[RA_STAT_REATTACHED];
    s->recreated = broker->statistics[RA_STAT_RECREATED];
    s->seconds = (double)(now_ms() - broker->began_ms) / 1000;
    s->cpu_seconds = cpu_seconds();

    const struct figure figures[] = {
        { "messages", s->messages },     { "confirmed", s->confirmed }, { "processed", s->processed },
        { "rejected", s->rejected },     { "not_done", s->not_done },   { "unknown", s->unknown },
        { "duplicates", s->duplicates }, { "missing", s->missing },     { "out_of_order", s->out_of_order },
        { "reattached", s->reattached }, { "recreated", s->recreated },
    };
    const int count = sizeof figures / sizeof *figures;

    terminal_clear();
    if (settings->json) {
        json_t *object = as_json(figures, count, s);

        if (settings->statistics)
            json_object_set_new(object, "statistics", statistics_as_json(broker));
        written = print_json(object);
    } else {
        print_line(figures, count, s);
        if (settings->statistics)
            print_statistics(broker);
    }
    if (!written || s->rejected + s->not_done + s->unknown + s->duplicates + s->missing + s->out_of_order > 0)
        return EXIT_LEFT;
    return settings->count > 0 && s->confirmed + s->processed < settings->count ? EXIT_LEFT : EXIT_WELL;
}
