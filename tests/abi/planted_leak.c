#include <stdlib.h>

#include "support/test.h"

/* Built for the preset asan only; has to fail, or our leak check checks nothing. The first test has to pass. */

static char *volatile kept;

Test(planted_leak, no_leak__passes)
{
    kept = malloc(10);
    free(kept);
    kept = NULL;
}

Test(planted_leak, leak__is_caught)
{
    kept = malloc(100);
    cr_assert_not_null(kept);
    kept = NULL;
}
