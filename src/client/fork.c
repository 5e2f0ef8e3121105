#include <sys/mman.h>
#include <unistd.h>

#include "client/inside.h"

/*
 * A page of the client's own that the kernel hands to a forked child zeroed: testing it costs one load and needs
 * neither a lock nor a handler that would outlive us (pthread_atfork cannot be undone). Kernels before 4.14 have no
 * such page; there the process id is compared.
 */
enum { PAGE_BYTES = 4096 };

int rai_fork_mark(rai_client *c)
{
    c->pid = getpid();
    void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return RA_E_NO_MEMORY;
    if (madvise(page, PAGE_BYTES, MADV_WIPEONFORK) != 0) {
        (void)munmap(page, PAGE_BYTES);
        return 0;
    }
    *(volatile uint8_t *)page = 1;
    c->fork_page = page;
    return 0;
}

void rai_fork_unmark(rai_client *c)
{
    if (c->fork_page)
        (void)munmap((void *)(uintptr_t)c->fork_page, PAGE_BYTES);
}

bool rai_client_forked(const rai_client *c)
{
    return c->fork_page ? *c->fork_page == 0 : getpid() != c->pid;
}
