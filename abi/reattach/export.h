#ifndef REATTACH_EXPORT_H
#define REATTACH_EXPORT_H

/* Marks what the shared library exports; everything else is hidden. */
#ifdef __cplusplus
#define RA_API extern "C" __attribute__((visibility("default")))
#else
#define RA_API __attribute__((visibility("default")))
#endif

#endif
