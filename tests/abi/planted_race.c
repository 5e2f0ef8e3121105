#include <pthread.h>

#include "support/test.h"

/* Built for the preset tsan only; has to fail, or our race check checks nothing. */

enum { THREADS = 2 };

static volatile int shared;
static pthread_barrier_t start; /* so that the threads meet: one after the other the race can stay unseen */

static void *count(void *unused)
{
    pthread_barrier_wait(&start);
    for (int i = 0; i < 100000; i++)
        shared++;
    return unused;
}

Test(planted_race, race__is_caught)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    cr_assert_gt(shared, 0);
}
