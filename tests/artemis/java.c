#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "java.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "support/test.h"

static FILE *start(const char *command)
{
    FILE *pipe = popen(command, "re");
    cr_assert_not_null(pipe);
    return pipe;
}

FILE *java_start(const char *words)
{
    char path[2048] = "", command[4096];
    const char *python = getenv("PYTHON");
    snprintf(command, sizeof command, "'%s' '%s/broker.py' java", python != NULL ? python : "python3",
             REATTACH_SUPPORT_DIR);
    cr_assert_eq(java_finish(start(command), path, sizeof path), 0, "%s", path);
    path[strcspn(path, "\n")] = '\0';
    snprintf(command, sizeof command, "java -Xshare:auto -XX:TieredStopAtLevel=1 -cp '%s' %s 2>&1", path, words);
    return start(command);
}

int java_finish(FILE *java, char *out, size_t size)
{
    char line[4096];
    size_t have = 0;
    while (fgets(line, sizeof line, java) != NULL) {
        size_t n = strlen(line);
        if (strstr(line, "\"ok\":true") != NULL)
            continue;
        if (have + n >= size)
            have = 0;
        memcpy(out + have, line, n);
        have += n;
    }
    out[have] = '\0';
    int status = pclose(java);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int java_run(const char *words, char *out, size_t size)
{
    return java_finish(java_start(words), out, size);
}
