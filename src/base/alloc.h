#ifndef RAI_BASE_ALLOC_H
#define RAI_BASE_ALLOC_H

#include <stddef.h>

/* Every allocation of the library goes through here, so that a test can fail the n-th one. */
void *rai_alloc(size_t size); /* uninitialised; NULL when out of memory */
void *rai_calloc(size_t count, size_t size);
void *rai_realloc(void *old, size_t size); /* old stays valid when NULL is returned */
void rai_free(void *p);
char *rai_strdup(const char *text); /* NULL for NULL or out of memory */

/* Tests: the n-th allocation from now (1 = the next) and all behind it fail until it is set to 0 again. */
void rai_alloc_fail_at(long n);
void rai_alloc_fail_once(long n); /* only the n-th */
long rai_alloc_fail_left(void);   /* allocations until then; 0: it was the one that failed, or none was asked for */
long rai_alloc_count(void); /* live allocations, for leak checks */

#endif
