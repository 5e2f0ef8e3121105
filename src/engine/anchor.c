#include "engine/internal.h"

/*
 * An anchor: a session that nobody uses and that stays on its link, as long as others live there or come or go.
 *
 * When a link ends, the broker looks whether any session with a confirmation window is on it. If one is, it keeps the
 * link's sessions for their TTL; if none is, it tells everybody who listens for the link's end, and a session that is told
 * closes itself. A REATTACH takes a session off the list of its old link's sessions, then puts it on the new one's, and
 * only then changes the links it listens to; and between the broker's look and its telling some time passes. So a session
 * that moves in the moment in which its old link or its new one ends can be closed: its open work is lost, and what was
 * delivered comes again (RemotingServiceImpl.issueFailure and ServerSessionPacketHandler.transferConnection in 2.44; the
 * broker's log says AMQ222061). With an anchor, answered for, on both links the look never comes out so.
 */

bool rai_anchor_wants_write(const struct rai_link *l)
{
    return l->anchor == RAI_ANCHOR_DUE || l->anchor == RAI_ANCHOR_CLOSING;
}

bool rai_link_anchored(struct rai_link *l)
{
    if (l->anchor == RAI_ANCHOR_NONE) {
        l->anchor = RAI_ANCHOR_DUE;
        l->anchor_channel = ++l->e->next_anchor;
    }
    return l->anchor == RAI_ANCHOR_HELD || l->anchor == RAI_ANCHOR_REFUSED;
}

bool rai_link_unanchored(struct rai_link *l)
{
    if (l->anchor == RAI_ANCHOR_HELD)
        l->anchor = RAI_ANCHOR_CLOSING;
    if (l->anchor == RAI_ANCHOR_DUE)
        l->anchor = RAI_ANCHOR_NONE;
    return l->anchor == RAI_ANCHOR_NONE || l->anchor == RAI_ANCHOR_REFUSED;
}

/* One that was asked for here last and got stuck: the broker may have it here, or still bring it here. */
static bool has_left_behind(const struct rai_link *l)
{
    for (const rai_session *s = l->e->sessions; s != NULL; s = s->next)
        if (s->state == RAI_S_ADRIFT && s->asked_on == l->id)
            return true;
    return false;
}

void rai_link_part(struct rai_link *l, int64_t now)
{
    if (has_left_behind(l) || rai_link_unanchored(l)) {
        rai_link_doom(l);
        return;
    }
    l->parting = true;
    l->part_deadline = now + RAI_PART_US; /* the broker's TTL does the rest */
    rai_wake_at(l->e, l->part_deadline);
}

void rai_anchor_answered(struct rai_link *l, bool good)
{
    l->anchor = good ? RAI_ANCHOR_HELD : RAI_ANCHOR_REFUSED;
    if (!good)
        rai_say(l->e, NULL, "the broker refuses link %u its anchor: a session that moves while a link ends can be closed",
                (unsigned)l->id);
    if (good)
        l->e->anchor_wait = RAI_ASK_FIRST_US;
    if (l->parting)
        rai_link_part(l, l->e->now);
    rai_recovery_step(l->e);
}

void rai_anchor_again(struct rai_link *l)
{
    l->anchor = RAI_ANCHOR_DUE;
}

bool rai_anchor_frame(struct rai_link *l, const struct rai_frame *f)
{
    if (l->anchor == RAI_ANCHOR_NONE || f->channel != l->anchor_channel)
        return false;
    if (l->anchor != RAI_ANCHOR_CLOSED)
        return true;
    l->anchor = RAI_ANCHOR_NONE;
    if (l->parting)
        rai_link_doom(l);
    else
        rai_recovery_step(l->e);
    return true;
}
