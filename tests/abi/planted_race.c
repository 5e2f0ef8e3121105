#include <pthread.h>

#include "support/test.h"

/* Built for the preset tsan only; has to fail, or our race check checks nothing. */

static int shared;

static void *count(void *unused)
{
    for (int i = 0; i < 1000; i++)
        shared++;
    return unused;
}

Test(planted_race, race__is_caught)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    cr_assert_gt(shared, 0);
}
