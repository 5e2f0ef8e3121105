#ifndef REATTACH_H
#define REATTACH_H

#include <reattach/connection.h>
#include <reattach/error.h>
#include <reattach/event.h>
#include <reattach/large.h>
#include <reattach/message.h>
#include <reattach/operation.h>
#include <reattach/options.h>
#include <reattach/session.h>

#endif
