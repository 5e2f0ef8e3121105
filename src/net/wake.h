#ifndef RAI_NET_WAKE_H
#define RAI_NET_WAKE_H

/* An eventfd as a flag: readable while set. Setting it twice is setting it once. */
int rai_wake_open(void); /* the descriptor (non-blocking, close-on-exec) or -errno */
void rai_wake_set(int fd);
void rai_wake_clear(int fd);

#endif
