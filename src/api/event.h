#ifndef RAI_API_EVENT_H
#define RAI_API_EVENT_H

#include "api/handle.h"

/* Inside. Takes the next event off the queue and fills *event, with a reference on its session and an error of its own.
 * false: none waits. */
bool rai_event_next(struct rai_call *call, ra_event *event);
/* Gives both back. */
void rai_event_end(struct rai_call *call, ra_event *event);

#endif
